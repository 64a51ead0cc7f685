"""Parts of a network that take or give several maps, and repeat: drawn once, with a number."""

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

from archdsl.expressions.numbers import is_number
from archdsl.figures.network.description import Description
from archdsl.figures.network.grid import Cell
from archdsl.figures.network.labels import product
from archdsl.figures.network.manner import Manner
from archdsl.figures.network.units import Unit

TIMES, LONGEST = 3, 12  # how often cells come again to be drawn once; how many these may be


@dataclass(frozen=True, slots=True)
class Repeated:
    """Cells that stand for those of `count` modules in a row: `stage3 ×4`.

    `varies` says of cells in which numbers those that they stand for differ.
    """

    path: str
    first: int
    count: int
    cells: dict[str, tuple[str, ...]]  # by their first units, with all units that they stand for
    varies: Mapping[str, str] = field(default_factory=dict)

    @property
    def root(self) -> str:
        """The first of the modules, which is drawn."""
        return f"{self.path}.{self.first}"


def modules_of(description: Description) -> dict[str, str]:
    """For units the outermost numbered part around them that takes or gives several maps."""
    inside: dict[str, list[str]] = {}
    again = _again(description)
    for unit in description.units:
        for part in _numbered(unit.id) if unit.id not in again else ():
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
        if len(run) > 1:
            path, _, last = run[0].rpartition(".")
            kept, repeated = _folded(kept, [inside[part] for part in run], path, int(last))
            found.append(repeated)
    whole = {*description.named, *(id for one in found for id in one.cells), *_again(description)}
    for several in _periods(kept, whole):
        path, number = _common(several[0])
        if path and _taken_alike(kept, several):
            kept, repeated = _folded(kept, several, path, number)
            found.append(repeated)
    return kept, found


def _again(description: Description) -> set[str]:
    """The units whose weights are applied more than once, which a number cannot tell apart."""
    ids = [unit.id for unit in description.units]
    shared = {id.partition("@")[0] for id in ids if "@" in id}
    return {id for id in ids if id.partition("@")[0] in shared}


def _folded(
    cells: Sequence[Cell], run: Sequence[Sequence[Cell]], path: str, number: int
) -> tuple[list[Cell], Repeated]:
    """The cells without those of modules after the first; what takes from each module says so."""
    first, *others = run
    same = {b.first: a.first for part in others for a, b in zip(first, part, strict=True)}
    kept = []
    for cell in (cell for cell in cells if cell.first not in same):
        sources = {same.get(id, id): text for id, text in cell.sources.items()}
        for a in first if cell not in first else ():
            if a.first in cell.sources:
                sources[a.first] = f"{sources[a.first]} ×{len(run)}".lstrip()
        kept.append(replace(cell, sources=sources))
    stands = {
        cell.first: tuple(id for part in run for id in part[place].held)
        for place, cell in enumerate(first)
    }
    varies = {
        cells[0].first: said
        for cells in zip(*run, strict=True)
        if (said := ", ".join(dict.fromkeys(_varying(cells))))
    }
    return kept, Repeated(path, number, len(run), stands, varies)


def _varying(cells: Sequence[Cell]) -> Iterator[str]:
    """In which numbers cells that are otherwise one differ: `dilation 1–512`."""
    for units in zip(*(cell.units for cell in cells), strict=True):
        for terms in zip(*(unit.numbers for unit in units), strict=True):
            values = sorted({term.value for term in terms})
            if len(values) > 1:
                yield f"{terms[0].name} {product(values[0])}–{product(values[-1])}"
        for steps in zip(*(unit.manner for unit in units), strict=True):
            most = {max((n for _, value in step[1] for n in _numbers(value)), default=0)
                    for step in steps}  # fmt: skip
            if len(most) > 1:
                yield f"{steps[0][0]} {min(most):g}–{max(most):g}"


def _periods(cells: Sequence[Cell], apart: Collection[str]) -> Iterator[list[Sequence[Cell]]]:
    """Cells that come again and again in one order, whatever they are called, without some units.

    Each time is fed as the one before it, from its own cells and those of the time before.
    """
    at = 0
    while at < len(cells):
        best: list[Sequence[Cell]] = []
        for period in range(2, min(LONGEST, (len(cells) - at) // TIMES) + 1):
            run = [cells[at : at + period]]
            while _goes_on(run, cells[at + period * len(run) :][:period], apart):
                run.append(cells[at + period * len(run) :][:period])
            if len(run) >= TIMES and period * len(run) > sum(map(len, best)):
                best = run
        if best:
            yield best
        at += sum(map(len, best)) or 1


def _goes_on(run: Sequence[Sequence[Cell]], b: Sequence[Cell], apart: Collection[str]) -> bool:
    (*_, a) = run
    alike = len(a) == len(b) and all(_same(x, y, False) for x, y in zip(a, b, strict=True))
    if not alike or any(unit.id in apart for cell in (*a, *b) for unit in cell.units):
        return False
    return _fed_alike(a, b, run[-2] if len(run) > 1 else ())


def _common(cells: Sequence[Cell]) -> tuple[str, int]:
    """The numbered part that all cells but signs lie in, `layers` and 0; "" if there is none."""
    ids = [cell.first.split(".") for cell in cells if not cell.sign]
    for end in range(2, min(map(len, ids), default=0)):
        parts = {tuple(id[:end]) for id in ids}
        if len(parts) == 1 and ids[0][end - 1].isdigit():
            return ".".join(ids[0][: end - 1]), int(ids[0][end - 1])
    return "", 0


def _taken_alike(cells: Sequence[Cell], run: Sequence[Sequence[Cell]]) -> bool:
    """Whether what takes from modules takes from the last of them, or from each."""
    inside = {cell.first for part in run for cell in part}
    for cell in (cell for cell in cells if cell.first not in inside):
        for places in zip(*run, strict=True):
            taken = [place.first in cell.sources for place in places]
            if any(taken[:-1]) and not all(taken):
                return False
    return True


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
    fed = _fed_alike(a, b, inside[run[-2]] if len(run) > 1 else ())
    return fed and all(_same(one, other) for one, other in zip(a, b, strict=True))


def _fed_alike(a: Sequence[Cell], b: Sequence[Cell], before: Sequence[Cell]) -> bool:
    """Whether a module takes from itself and the one before what that takes, which may be first."""
    wires, first = _wires(b, a), _wires(a, before)
    if any(place < 0 for places in wires for place in places):
        return False
    if before:
        return first == wires
    own = [[place for place in places if 0 <= place < len(a)] for places in first]
    return own == [[place for place in places if place < len(a)] for places in wires] and [
        len(places) for places in first
    ] == [len(places) for places in wires]


def _wires(cells: Sequence[Cell], before: Sequence[Cell]) -> list[list[int]]:
    """What feeds each cell: places in the module, then in the one before; -1 from elsewhere."""
    place = {cell.first: n for n, cell in enumerate((*cells, *before))}
    return [[place.get(id, -1) for id in cell.sources] for cell in cells]


def _same(one: Cell, other: Cell, numbers: bool = True) -> bool:
    """Whether two cells are one but for their names, and if asked for but for their numbers."""
    shape, others = ((cell.row, len(cell.units), [*cell.sources.values()]) for cell in (one, other))
    return shape == others and all(
        (a.block, a.outputs, a.after) == (b.block, b.outputs, b.after)
        and _frames(a, numbers) == _frames(b, numbers)
        and (a.manner == b.manner or (not numbers and _shape(a.manner) == _shape(b.manner)))
        for a, b in zip(one.units, other.units, strict=True)
    )


def _frames(unit: Unit, numbers: bool) -> list[object]:
    return [(term.name, term.form, term.value if numbers else ()) for term in unit.numbers]


def _shape(manner: Manner) -> list[object]:
    """A manner but for its numbers."""
    return [
        (verb, [(name, () if _numbers(value) else value) for name, value in given], takes, drawn)
        for verb, given, takes, drawn in manner
    ]


def _numbers(value: Any) -> list[float]:
    """The numbers in an argument that is nothing else."""
    if isinstance(value, tuple):
        return [number for part in value for number in _numbers(part)]
    return [value] if is_number(value) else []
