"""What a spec may ask for: everything is counted while it is built, up to the limits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from archdsl.diagnostics.diagnostic import Label, Span
from archdsl.diagnostics.sink import Sink
from archdsl.elaborate.env import Poison, fail
from archdsl.language.syntax import Item
from archdsl.yaml.limits import Limits
from archdsl.yaml.source import Place

_NAMES = 4  # that are copied in the time that a value takes
_COUNTED = {"path": "characters", "reads": "values"}  # what a limit counts, if not its name
Labels = Callable[[], tuple[Label, ...]]  # of what is asked only if there is need


@dataclass(slots=True)
class Spent:
    """What a part took: numbers by limit, and levels of items in items."""

    counts: dict[str, int] = field(default_factory=dict)
    depth: int = 0


class Budget:
    """Counts what is made; what is more than a limit allows is reported once and raises Poison."""

    def __init__(self, sink: Sink, limits: Limits) -> None:
        self.sink, self.limits = sink, limits
        self.spent = dict.fromkeys(("items", "connections", "parameters"), 0)
        self.reads = 0  # values in lists that were gone through
        self.depth = 0  # of items in items
        self.deepest = [0]  # of all, and of the parts that are measured now
        self.repeats: list[tuple[int, Span | None]] = []  # how often what is open runs, and where
        self.reached: set[str] = set()  # limits, which are complained of once

    def spend(self, limit: str, number: int, span: Span | None, labels: Labels = tuple) -> None:
        """Counts what is added, up to a limit."""
        self.spent[limit] += number
        if self.spent[limit] > getattr(self.limits, limit):
            self.check(limit, self.spent[limit], span, added=number, labels=labels)

    def check(
        self,
        limit: str,
        number: int,
        span: Span | None,
        what: str = "the network",
        added: int = 1,
        labels: Labels = tuple,
    ) -> None:
        """Holds a number to a limit."""
        most: int = getattr(self.limits, limit)
        if number <= most:
            return
        if limit in self.reached:
            raise Poison
        self.reached.add(limit)
        help = f"--limit {limit}=N allows more"
        message = f"{what} has more than {most:,} {_COUNTED.get(limit, limit)}"
        message += f", {added:,} of them here" if added > 1 else ""
        fail(self.sink, "E0106", message, span, help, labels())

    def read(self, at: Place | Item, values: int, names: int = 0) -> None:
        """Counts values in lists that are gone through, and names that are copied."""
        self.reads += values + names // _NAMES
        if self.reads > self.limits.reads:
            what = "all that is read of lists, names and expressions"
            self.check("reads", self.reads, at.span, what, labels=self.longest)

    @contextmanager
    def repeating(self, times: int, span: Span | None) -> Iterator[None]:
        """Inside what is repeated."""
        self.repeats.append((times, span))
        try:
            yield
        finally:
            self.repeats.pop()

    def longest(self) -> tuple[Label, ...]:
        """Where the most of what is repeated comes from."""
        times, span = max(self.repeats, key=lambda one: one[0], default=(0, None))
        return (Label(span, f"repeated {times:,} times"),) if span is not None else ()

    def enter(self, item: Item) -> None:
        """Goes into one more item, to be left again."""
        if self.depth >= self.limits.nesting:
            if "nesting" in self.reached:
                raise Poison
            self.reached.add("nesting")
            message = f"items nested deeper than {self.limits.nesting} levels"
            fail(self.sink, "E0106", message, item.span, "--limit nesting=N allows more")
        self.depth += 1
        if self.depth > self.deepest[-1]:
            self.deepest[-1] = self.depth

    def leave(self) -> None:
        """Comes out of an item."""
        self.depth -= 1

    @contextmanager
    def measured(self) -> Iterator[Spent]:
        """What is spent inside, known behind it."""
        before, spent = dict(self.spent), Spent()
        self.deepest.append(self.depth)
        try:
            yield spent
        finally:
            deepest = self.deepest.pop()
            self.deepest[-1] = max(self.deepest[-1], deepest)
            spent.depth = deepest - self.depth
            spent.counts = {limit: n - before[limit] for limit, n in self.spent.items()}

    def allows(self, spent: Spent) -> bool:
        """Whether as much may be spent again."""
        return self.depth + spent.depth <= self.limits.nesting and all(
            self.spent[limit] + number <= getattr(self.limits, limit)
            for limit, number in spent.counts.items()
        )

    def add(self, spent: Spent) -> None:
        """Spends as much again."""
        for limit, number in spent.counts.items():
            self.spent[limit] += number
        self.deepest[-1] = max(self.deepest[-1], self.depth + spent.depth)
