"""Units of a network as cells of a grid: rows by resolution, columns by what needs what."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log2

from archdsl.diagnostics.errors import UsageError
from archdsl.figures.network import labels
from archdsl.figures.network.description import Description
from archdsl.figures.network.names import Names
from archdsl.figures.network.tree import Box
from archdsl.figures.network.units import Unit, resolution
from archdsl.ops import SIGNED
from archdsl.ops.tensor import TensorSpec

MANY = 400  # cells; more are no picture, and the layout tries all against all


@dataclass
class Cell:
    """Units of one resolution one after another; `sources` are cells, with words on the way.

    `enlarged` are resizings on the ways into it, which have no cell of their own.
    """

    units: list[Unit]
    sources: dict[str, str] = field(default_factory=dict)
    enlarged: list[Unit] = field(default_factory=list)
    row: int = 0
    column: int = 0

    @property
    def first(self) -> str:
        """The unit that other cells know it by."""
        return self.units[0].id

    @property
    def id(self) -> str:
        return self.units[-1].id

    @property
    def held(self) -> tuple[str, ...]:
        """The units in it, and those on the ways into it."""
        return tuple(unit.id for unit in (*self.enlarged, *self.units))

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What it gives: several maps if its weights are applied to several."""
        return self.units[-1].outputs

    @property
    def shared(self) -> bool:
        """Whether its weights are applied to several maps."""
        return len(self.outputs) > 1

    @property
    def sign(self) -> str:
        """`add` or `multiply` if it is nothing else."""
        verb = self.units[0].block
        return verb if len(self.units) == 1 and verb in SIGNED else ""

    @property
    def main(self) -> Unit:
        """The unit that gives the cell its color."""
        telling = [unit for unit in self.units if unit.role not in ("pool", "norm")]
        return telling[0] if telling else self.units[0]

    def name(self, names: Names) -> str:
        """The largest part of the network that it is the whole of, else its main unit.

        Whatever follows that is named, too: the shape under a name is what is there in the end.
        """
        inside = {unit.id for unit in (*self.enlarged, *self.units)}
        main = self.main
        alike = [unit.id for unit in self.units if unit.block == main.block]
        part = names.largest(main.container, inside)
        run = [main.id] if main.kind == "op" else alike
        last = self.units[-1].id
        named = names.end(part) if part else names.run(run)
        if last.startswith(f"{part}.") if part else last == run[-1]:
            return named
        return f"{named}–{names.one(last)}" if part else names.run([run[0], last])


def cells_of(description: Description, modules: Mapping[str, str]) -> list[Cell]:
    """The cells, in the order of the network, in their rows; none is of two `modules`.

    Raises UsageError if there are more than MANY.
    """
    rows = _rows(description)
    cells = _merged(description, rows, modules)
    if len(cells) > MANY:
        raise UsageError(
            f"{description.title} has {len(cells):,} parts that are no line, more than the {MANY}"
            " of a pyramid; --only draws a part, --kind graph its ops"
        )
    for cell in cells:
        cell.row = rows[cell.first]
    return cells


def arranged(cells: Sequence[Cell]) -> bool:
    """Puts cells into columns such that ways along rows and columns meet nothing, if that can be.

    Where it cannot, they push one another further and further, beyond as many columns as there are
    cells. Cells of weights that several maps share are spread over the rows of these.
    """
    rows = [cell.row for cell in cells]
    for cell in cells:
        cell.column = 0
    _share(cells)
    by_first = {cell.first: cell for cell in cells}
    columns = [0] * len(cells)
    while max(columns) < len(cells):
        before = columns
        _advance(cells, by_first)
        _clear(cells, by_first)
        columns = [cell.column for cell in cells]
        if before == columns:
            return True
    for cell, row in zip(cells, rows, strict=True):
        cell.row = row
    return False


@dataclass(frozen=True, slots=True)
class _Way:
    """What only enlarges on the way from a cell, and what is said of it."""

    source: str
    words: str = ""
    enlarging: tuple[Unit, ...] = ()

    def on(self, unit: Unit) -> "_Way":
        words = f"{self.words} {_on_the_way(unit)}".lstrip()
        return _Way(self.source, words, (*self.enlarging, unit))


def _merged(
    description: Description, rows: Mapping[str, int], modules: Mapping[str, str]
) -> list[Cell]:
    """Units merged along lines of one resolution; what only enlarges is said on the way.

    So is a pool on the way into something that takes others, too.
    """
    feeds = description.feeds
    uses = Counter(source for sources in feeds.values() for source in sources)
    graph, source = description.graph, description.reducer.source
    ends = {description.owners[id] for id in graph.taps.values()}
    ends |= {description.owners[source[id]] for id in graph.outputs.values()}
    joining = {id for sources in feeds.values() if len(sources) > 1 for id in sources}
    cells: dict[str, Cell] = {}
    ways = {name: _Way(name) for name in graph.inputs}  # from a unit on: the cell that it is in
    for unit in description.units:
        sources = feeds[unit.id]
        joined = unit.id in joining and unit.id not in ends
        between = len(sources) == 1 and uses[unit.id] == 1 and not unit.applied
        if between and (_enlarges(unit) or (joined and _pools(unit))):
            ways[unit.id] = ways[sources[0]].on(unit)
            continue
        before = _goes_on(unit, sources, ways, cells)
        alone = before and uses[sources[0]] == 1 and sources[0] not in ends
        place = modules.get(unit.id), rows[unit.id]
        if before and alone and place == (modules.get(before.first), rows[before.first]):
            before.units.append(unit)
            ways[unit.id] = _Way(before.first)
            continue
        cell = Cell([unit])
        for way in map(ways.__getitem__, sources):
            cell.enlarged += way.enlarging
            cell.sources[way.source] = way.words
        cells[unit.id] = cell
        ways[unit.id] = _Way(unit.id)
    return list(cells.values())


def _enlarges(unit: Unit) -> bool:
    first = unit.chain[0] if unit.kind == "op" else None
    return isinstance(first, Box) and first.verb in ("resize", "conv_transpose")


def _pools(unit: Unit) -> bool:
    """Whether it makes a map smaller and nothing else, as on the ways down in a pyramid."""
    return unit.kind == "op" and unit.role == "pool" and resolution(unit.output) > 1.0


def _goes_on(
    unit: Unit, sources: Sequence[str], ways: Mapping[str, _Way], cells: Mapping[str, Cell]
) -> Cell | None:
    """The cell of the only source, if nothing is on the way from it and it is no sign.

    What is applied to several maps goes on with what is applied to each of its results.
    """
    if len(sources) != 1 or ways[sources[0]].enlarging:
        return None
    cell = cells.get(ways[sources[0]].source)
    alike = cell and len(cell.outputs) == len(unit.outputs)
    return cell if cell and not cell.sign and (not cell.shared or alike) else None


def _on_the_way(unit: Unit) -> str:
    """What is said beside an arrow that enlarges: `×2`, `to 7×7`."""
    if unit.role == "pool" and unit.terms[0].name == "kernel":
        return labels.written(unit.terms, "brief")
    first = unit.terms[0]
    form = {"scale": "×{}", "size": "to {}"}.get(first.name, "")
    return first._replace(form=form).text if form else labels.written(unit.terms)


def _rows(description: Description) -> dict[str, int]:
    """The row of every unit: how often the map was halved on the way, less how often doubled.

    Convolutions without padding make maps a little smaller, which is no row of its own.
    """
    inputs = {name: resolution(spec) for name, spec in description.graph.inputs.items()}
    largest = max(inputs.values())
    levels = {name: round(log2(largest / size)) for name, size in inputs.items()}
    for unit in description.units:
        shrunk = resolution(unit.input) / resolution(unit.output)
        source = next(iter(description.feeds[unit.id]), "")
        levels[unit.id] = levels.get(source, 0) + round(log2(shrunk))
    order = sorted({levels[unit.id] for unit in description.units})
    rows = {level: row for row, level in enumerate(order)}
    return {unit.id: rows[levels[unit.id]] for unit in description.units}


def _share(cells: Sequence[Cell]) -> None:
    """Cells that are applied to several maps are spread over the rows of these, or about one."""
    row = {cell.first: cell.row for cell in cells}
    last = max(row.values())
    beside: dict[tuple[str, ...], list[Cell]] = {}
    for cell in cells:
        if cell.shared:
            beside.setdefault(tuple(cell.sources), []).append(cell)
    for sources, group in beside.items():
        rows = sorted(row[id] for id in sources if id in row) or [group[0].row]
        count = len(group)
        for number, cell in enumerate(group):
            spread = rows[0] + 2 * number - (count - 1)
            if len(rows) >= count:
                spread = rows[int((number + 0.5) * len(rows) / count)]
            cell.row = row[cell.first] = min(last, max(0, spread))


def _advance(cells: Sequence[Cell], by_first: dict[str, Cell]) -> None:
    """A cell stands right of what feeds it in its row, not left of the rest, none on another."""
    taken: set[tuple[int, int]] = set()
    for cell in cells:
        for id in cell.sources:
            source = by_first.get(id)
            if source:
                beside = source.row == cell.row or cell.shared
                cell.column = max(cell.column, source.column + beside)
        while (cell.row, cell.column) in taken:
            cell.column += 1
        taken.add((cell.row, cell.column))


def _clear(cells: Sequence[Cell], by_first: dict[str, Cell]) -> None:
    """Moves away what stands on a way that goes along a row and then into a column."""
    in_row: dict[int, list[Cell]] = {}
    for cell in cells:
        in_row.setdefault(cell.row, []).append(cell)
    for cell in cells:
        for source in (by_first[id] for id in cell.sources if id in by_first):
            if source.row == cell.row:
                continue
            low, high = sorted((source.row, cell.row))
            between = (other for row in range(low + 1, high) for other in in_row.get(row, ()))
            if not cell.shared and any(other.column == cell.column for other in between):
                cell.column += 1
            if source.column >= cell.column:
                continue
            end = cell.column if not cell.shared else cell.column - 1
            for other in in_row[source.row]:
                if source.column < other.column <= end:
                    other.column = end + 1
