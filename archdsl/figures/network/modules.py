"""Parts of a network that take or give several maps, and repeat: drawn once, with a number."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from archdsl.figures.network.description import Description
from archdsl.figures.network.grid import Cell


@dataclass(frozen=True, slots=True)
class Repeated:
    """Cells that stand for those of `count` modules in a row: `stage3 ×4`."""

    path: str
    first: int
    count: int
    cells: dict[str, tuple[str, ...]]  # by their first units, with all units that they stand for

    @property
    def root(self) -> str:
        """The first of the modules, which is drawn."""
        return f"{self.path}.{self.first}"


def modules_of(description: Description) -> dict[str, str]:
    """For units the outermost numbered part around them that takes or gives several maps."""
    inside: dict[str, list[str]] = {}
    for unit in description.units:
        for part in _numbered(unit.id):
            inside.setdefault(part, []).append(unit.id)
    takers: dict[str, list[str]] = {}
    for id, sources in description.feeds.items():
        for source in sources:
            takers.setdefault(source, []).append(id)
    found: dict[str, str] = {}
    for part, ids in inside.items():  # outer ones first
        within = {*ids}
        coming = {s for id in ids for s in description.feeds[id] if s not in within}
        leaving = {id for id in ids if any(t not in within for t in takers.get(id, ()))}
        if len(coming) > 1 or len(leaving) > 1:
            for id in ids:
                found.setdefault(id, part)
    return found


def _numbered(path: str) -> Iterator[str]:
    """The parts around a path whose last name is a number, outer ones first."""
    parts = path.split(".")
    for end in range(2, len(parts)):
        if parts[end - 1].isdigit():
            yield ".".join(parts[:end])


def once(
    description: Description, cells: Sequence[Cell], modules: Mapping[str, str]
) -> tuple[list[Cell], list[Repeated]]:
    """The cells without those of modules that repeat the one before them, and what repeats.

    A module repeats another if it has the same cells, each fed by the same ones of its own and of
    the module before; no result may leave it, nor the one before.
    """
    inside: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.first in modules:
            inside.setdefault(modules[cell.first], []).append(cell)
    kept, found = list(cells), list[Repeated]()
    for run in _runs(inside, {id for id in modules if id in description.named}):
        first, *others = run
        if not others:
            continue
        same = {b.first: a.first for part in others
                for a, b in zip(inside[first], inside[part], strict=True)}  # fmt: skip
        kept = [
            replace(cell, sources={same.get(id, id): text for id, text in cell.sources.items()})
            for cell in kept
            if cell.first not in same
        ]
        path, _, number = first.rpartition(".")
        stands = {
            cell.first: tuple(id for part in run for id in inside[part][place].held)
            for place, cell in enumerate(inside[first])
        }
        found.append(Repeated(path, int(number), len(run), stands))
    return kept, found


def _runs(inside: Mapping[str, Sequence[Cell]], giving: Set[str]) -> Iterator[list[str]]:
    """Modules with those that follow and repeat them; units that are `giving` have results."""
    run: list[str] = []
    for part, cells in inside.items():
        gives = any(unit.id in giving for cell in cells for unit in cell.units)
        if run and not gives and _follows(run, part, inside):
            run.append(part)
            continue
        if run:
            yield run
        run = [] if gives else [part]
    if run:
        yield run


def _follows(run: Sequence[str], part: str, inside: Mapping[str, Sequence[Cell]]) -> bool:
    """Whether a module is the next of one list, and repeats the one before."""
    (parent, _, number), (before, _, last) = part.rpartition("."), run[-1].rpartition(".")
    a, b = inside[run[-1]], inside[part]
    if parent != before or int(number) != int(last) + 1 or len(a) != len(b) or len(b) < 2:
        return False
    wires = _wires(b, a)
    if any(place < 0 for places in wires for place in places):
        return False
    first = _wires(a, inside[run[-2]] if len(run) > 1 else ())
    own = [[place for place in places if 0 <= place < len(a)] for places in first]
    alike = (
        first == wires
        if len(run) > 1
        else own == [[place for place in places if place < len(a)] for places in wires]
        and [len(places) for places in first] == [len(places) for places in wires]
    )
    return alike and all(_same(one, other) for one, other in zip(a, b, strict=True))


def _wires(cells: Sequence[Cell], before: Sequence[Cell]) -> list[list[int]]:
    """What feeds each cell: places in the module, then in the one before; -1 from elsewhere."""
    place = {cell.first: n for n, cell in enumerate((*cells, *before))}
    return [[place.get(id, -1) for id in cell.sources] for cell in cells]


def _same(one: Cell, other: Cell) -> bool:
    """Whether two cells are one but for their names."""
    parts = zip(one.units, other.units, strict=False)
    return (one.row, len(one.units), [*one.sources.values()]) == (
        other.row,
        len(other.units),
        [*other.sources.values()],
    ) and all(
        (a.block, a.numbers, a.outputs, a.manner, a.after)
        == (b.block, b.numbers, b.outputs, b.manner, b.after)
        for a, b in parts
    )
