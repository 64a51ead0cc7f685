"""Names that are written in a spec, among which those that a name could be are found at once."""

from collections.abc import Iterable, Iterator

from archdsl.diagnostics.diagnostic import Span
from archdsl.expressions.template import Template


class Templates:
    """Names as they are written, each with its place; what one could give is judged by its ends."""

    def __init__(self, known: Iterable[Template] = ()) -> None:
        self._all: list[tuple[Template, Span | None]] = []
        self._plain: set[str] = set()
        self._ends: dict[str, set[str]] = {}  # of those with expressions: ends, by how they start
        for template in known:
            self.add(template)

    def __iter__(self) -> Iterator[tuple[Template, Span | None]]:
        return iter(self._all)

    def add(self, template: Template, place: Span | None = None) -> None:
        self._all.append((template, place))
        if template.expressions:
            start, end = template.ends
            self._ends.setdefault(start, set()).add(end)
        else:
            self._plain.add(template.text)

    def could_be(self, name: str) -> bool:
        """Whether one of them is the name, or might give it."""
        return name in self._plain or next(self.matching(name), None) is not None

    def matching(self, name: str) -> Iterator[tuple[str, str]]:
        """The ends of those with expressions that might give a name."""
        cuts = range(len(name) + 1) if self._ends else ()
        for start in (name[:cut] for cut in cuts):
            ends = self._ends.get(start)
            if ends is not None:
                yield from ((start, name[cut:]) for cut in cuts if name[cut:] in ends)
