"""Where an item of a random spec is to stand, and the trial that shows whether it can."""

from dataclasses import dataclass
from typing import Any

from archdsl.ops.tensor import TensorSpec
from tests.random_specs.naive import Flow, Frame, Level, Misfit, Naive, Names, Value, numbers


@dataclass
class Place:
    """Where an item is to stand: what it sees, what it is given, how its copies stay apart."""

    naive: Naive
    frame: Frame
    names: Names
    x: Flow
    suffix: str = ""  # of every name at this level: `_{row}` where a loop copies the level's items
    depth: int = 0

    @property
    def shape(self) -> TensorSpec:
        first = self.x[0] if isinstance(self.x, tuple) else self.x
        assert isinstance(first, Value)
        return first.shape

    def trial(self) -> "Place":
        naive, frame = self.naive.trial(self.frame)
        return Place(naive, frame, self.names, self.x, self.suffix, self.depth)

    def bare(self) -> "Place":
        """The same place without names of loops, for what stands outside them."""
        return Place(self.naive, self.frame, {}, self.x)

    def inside(self, level: bool = True, suffix: str | None = None, **names: Any) -> "Place":
        """The inside of a combinator that is about to stand here, on trial."""
        inner = self.trial()
        if level:
            inner.frame = Frame(Level("trial"), inner.frame.given, inner.frame)
        inner.suffix = suffix if suffix is not None else "" if level else self.suffix
        inner.names = {**self.names, **names}
        inner.depth += 1
        return inner

    def take(self, key: str | None, item: Any) -> None:
        """Reads an item here; leaves everything as it is and raises Misfit if it cannot stand."""
        trial = self.trial()
        first = len(trial.naive.nodes)
        result = trial.naive.item(key, item, trial.frame, self.names, trial.x)
        made = set(range(first, len(trial.naive.nodes))) | numbers(self.x)
        if made - trial.naive.used - numbers(result) - {-1, -2}:
            raise Misfit("a result that nothing uses")
        self.naive.__dict__.update(trial.naive.__dict__)
        self.frame.__dict__.update(trial.frame.__dict__)
        self.x = result
