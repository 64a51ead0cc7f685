"""What an architecture table says: networks in columns, rows by the sizes of their maps."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, zip_longest

from archdsl.analysis.cost import Cost
from archdsl.diagnostics.text import one_line
from archdsl.figures.canvas.scene import words
from archdsl.figures.kinds.columns import Layers, rows_of
from archdsl.figures.network import labels
from archdsl.figures.network.block_kinds import letter
from archdsl.figures.network.description import Description
from archdsl.figures.network.folding import MORE
from archdsl.figures.network.manner import quiet_of
from archdsl.figures.network.tree import QUIET, Box, Chain, Join, Mesh, loud
from archdsl.figures.network.units import Unit
from archdsl.graph.graph import INPUT, Graph
from archdsl.ops.tensor import TensorSpec

IDENTITY = "identity"


@dataclass(frozen=True, slots=True)
class Entry:
    """Lines in brackets and how many times they repeat; without brackets if it is one line once.

    `between` stands between them: layers in order, paths side by side, or maps of several sizes.
    `end` is what paths come together in, `quiet` its norms and activations, `shortcuts` the layers
    beside the bracket.
    """

    lines: tuple[str, ...]
    count: int = 1
    between: str = " · "
    end: str = ""
    quiet: frozenset[str] = frozenset()
    shortcuts: tuple[str, ...] = field(default=(), compare=False)


Cell = tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A size and a cell for every network; `shared` cells are one across all."""

    size: str
    cells: tuple[Cell, ...]
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the table says, before any markup; `title` may be empty."""

    names: tuple[str, ...]
    rows: tuple[Row, ...]
    totals: tuple[Cost, ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A part that takes maps of several sizes and gives several: it stands in one row."""

    id: str
    sizes: tuple[str, ...]
    units: tuple[Unit, ...]


def compare(descriptions: Sequence[Description], title: str = "") -> Comparison:
    """Networks as columns of entries in common rows; what all have alike is shared."""
    columns = [Column(description) for description in descriptions]
    rows: list[Row] = []
    for segments in zip_longest(*(column.segments() for column in columns)):
        rows += _segment_rows(columns, segments)
    shortcuts = [column.shortcuts(rows, n) for n, column in enumerate(columns)]
    if any(shortcuts):
        rows.append(Row("Shortcuts", tuple(shortcuts)))
    return Comparison(
        tuple(words(d.heading)[0].text for d in descriptions),
        tuple(rows),
        tuple(d.total for d in descriptions),
        one_line(title),
    )


Segment = tuple[Unit, ...] | Part | None


def _segment_rows(columns: Sequence["Column"], segments: Sequence[Segment]) -> Iterator[Row]:
    """The rows of what stands at one place in each network: lines of units, or a part of each."""
    lines = [segment if isinstance(segment, tuple) else () for segment in segments]
    for row in rows_of([[Layers(unit, ()) for unit in line] for line in lines]):
        found = [
            [(column.size(one.unit.output), column.entry(one.unit)) for one in cell]
            for column, cell in zip(columns, row.cells, strict=True)
        ]  # of nearly one size
        for size in dict.fromkeys(size for cell in found for size, _ in cell):
            cells = [entries([entry for own, entry in cell if own == size]) for cell in found]
            yield from _rows(size, cells)
    parts = [segment if isinstance(segment, Part) else None for segment in segments]
    for sizes in dict.fromkeys(part.sizes for part in parts if part):
        cells = [
            column.part(part) if part and part.sizes == sizes else []
            for column, part in zip(columns, parts, strict=True)
        ]
        yield from _rows(", ".join(sizes), cells)


def entries(found: Sequence[Entry]) -> list[Entry]:
    """Blocks that differ by stride or shortcut are one entry, as papers have it.

    Those that differ in norms or activations alone say in which.
    """
    merged: list[Entry] = []
    for _, run in groupby(found, key=lambda entry: replace(entry, count=1)):
        alike = list(run)
        shortcuts = tuple(said for entry in alike for said in entry.shortcuts)
        count = sum(entry.count for entry in alike)
        merged.append(replace(alike[0], count=count, shortcuts=shortcuts))
    return [
        _distinct(entry, [other for other in merged[max(0, n - 1) : n + 2] if other is not entry])
        for n, entry in enumerate(merged)
    ]


def _distinct(entry: Entry, beside: Sequence[Entry]) -> Entry:
    """An entry that says its norms and activations if one beside it looks the same."""
    others = [
        other.quiet for other in beside if (other.lines, other.end) == (entry.lines, entry.end)
    ]
    own = sorted(entry.quiet - frozenset.intersection(*others)) if others else []
    return replace(entry, lines=(*entry.lines, ", ".join(own))) if own else entry


def _rows(size: str, cells: list[list[Entry]]) -> list[Row]:
    """One row, and before and after it one for each entry that all networks begin or end with."""
    before: list[Cell] = []
    after: list[Cell] = []
    several = len(cells) > 1
    while several and all(cells) and len({cell[0] for cell in cells}) == 1:
        before.append((cells[0][0],))
        cells = [cell[1:] for cell in cells]
    while several and all(cells) and len({cell[-1] for cell in cells}) == 1:
        after.insert(0, (cells[0][-1],))
        cells = [cell[:-1] for cell in cells]
    rows = [Row(size, (cell,), True) for cell in before]
    if any(cells):
        rows.append(Row(size, tuple(map(tuple, cells))))
    rows += [Row(size, (cell,), True) for cell in after]
    return [rows[0], *(replace(row, size="") for row in rows[1:])]


class Column:
    """A network as entries of a table."""

    def __init__(self, description: Description) -> None:
        self.description, self.graph = description, description.graph
        self.parts = _parts(self.graph)

    def size(self, spec: TensorSpec) -> str:
        """`56×56`; of a vector `1×1`, with as many axes as maps of the network have."""
        maps = (one.rank for one in (self.description.input, self.graph.input) if one.rank)
        return labels.product(spec.spatial or (1,) * next(maps, 1))

    def segments(self) -> Iterator[Segment]:
        """Lines of units and parts by turns, beginning with a line."""
        line: list[Unit] = []
        for id, run in groupby(self.description.units, key=self.part_of):
            units = tuple(run)
            if not id:
                line += units
                continue
            yield tuple(line)
            sizes = dict.fromkeys(map(self.size, self.parts[id]))
            yield Part(id, tuple(sizes), units)
            line = []
        yield tuple(line)

    def part_of(self, unit: Unit, below: str = "") -> str:
        """The outermost part of several maps that a unit is in, below another; "" if in none."""
        found = ""
        inside = unit.id if unit.id in self.graph.scope_by_id else unit.container
        for scope in self.graph.around(inside):
            if scope.id == below:
                break
            found = scope.id if scope.id in self.parts else found
        return found

    def part(self, part: Part) -> list[Entry]:
        """What a part of several maps holds: parts in it, as often as they repeat, or lines."""
        inner = [
            Part(id, part.sizes, tuple(run))
            for id, run in groupby(part.units, lambda unit: self.part_of(unit, part.id))
        ]
        if all(one.id for one in inner):
            return entries([_whole(self.part(one)) for one in inner])
        lines = [(self.given(unit), self.entry(unit)) for unit in part.units]
        said: list[str] = []
        shortcuts: list[str] = []
        for size, run in groupby(lines, key=lambda line: line[0]):
            merged = entries([entry for _, entry in run])
            said += [f"{size}: {in_words(entry)}" for entry in merged]
            shortcuts += [one for entry in merged for one in entry.shortcuts]
        return [Entry(tuple(said), between="; ", shortcuts=tuple(shortcuts))]

    def given(self, unit: Unit) -> str:
        """The sizes of what a unit gives."""
        meshes = (item for item in unit.chain if isinstance(item, Mesh) and item.open)
        specs = [mesh.boxes[end].output for mesh in meshes for end in mesh.ends]
        return ", ".join(dict.fromkeys(map(self.size, specs or unit.outputs)))

    def entry(self, unit: Unit) -> Entry:
        """A line for every layer; of a block that only branches one for every path.

        Blocks do not say strides, so that one that strides is an entry with those that do not.
        """
        if unit.kind == "op":
            return Entry((self.op(unit),))
        if weights := unit.applied or unit.shared:
            bare = replace(unit, id=unit.id.partition("@")[0], outputs=unit.outputs[-1:], turns=1)
            once = self.entry(bare)
            return replace(once, lines=(f"{in_words(once)}, {weights}",), count=1, end="")
        quiet = quiet_of(unit.manner)
        chain = unit.chain or unit.ops
        if unit.kind == "dense":
            return Entry(tuple(_layers(_body(chain), "stride")), unit.layers, quiet=quiet)
        said = [item for item in chain if not _quiet(item)]
        first = said[0] if said else None
        if len(said) == 1 and isinstance(first, Join) and not _skips(first):
            paths = tuple(_in_line(path, "stride") for path in first.paths)
            if set(paths) == {IDENTITY}:  # a swish
                return Entry((f"{_word(unit.block)}, {unit.output.channels}",), quiet=quiet)
            return Entry(paths, between=" | ", end=_word(first.verb), quiet=quiet)
        alone = f"{_word(unit.block)}, {unit.output.channels}"
        lines = tuple(_layers(chain, "stride")) or (alone,)
        return Entry(lines, quiet=quiet, shortcuts=tuple(_shortcuts(chain)))

    def op(self, unit: Unit) -> str:
        """What an op is; of one that joins what it joins, too."""
        told = labels.written(unit.terms, "full") if unit.chain else _word(unit.block)
        told = ", ".join(filter(None, (told, unit.applied)))
        sources = self.description.feeds[unit.id]
        if unit.role != "norm" or len(sources) < 2:
            return told
        known = self.description.names
        names = (INPUT if source == INPUT else known.one(source) for source in sources)
        return f"{told} of {', '.join(names)}"

    def shortcuts(self, rows: Sequence[Row], number: int) -> Cell:
        """The layers on shortcuts, in order: brackets do not hold them."""
        cells = (row.cells[0 if row.shared else number] for row in rows)
        said = [one for cell in cells for entry in cell for one in entry.shortcuts]
        return tuple(entries([Entry((one,)) for one in said]))


def _whole(found: Sequence[Entry]) -> Entry:
    """The entries of a part as one."""
    first, *others = found
    if not others:
        return first
    lines = (entry.lines if entry.count == 1 else (in_words(entry),) for entry in found)
    shortcuts = tuple(one for entry in found for one in entry.shortcuts)
    return replace(first, lines=tuple(line for some in lines for line in some), shortcuts=shortcuts)


def _parts(graph: Graph) -> Mapping[str, tuple[TensorSpec, ...]]:
    """The scopes that take maps of several sizes and give several, with those that they give."""
    takes: dict[str, dict[str, None]] = {}
    gives: dict[str, dict[str, None]] = {}
    around = {scope.id: [s.id for s in graph.around(scope.id)] for scope in graph.scopes} | {"": []}
    scope_of = {node.id: node.scope for node in graph.nodes} | dict.fromkeys(graph.inputs, "")
    edges = [(id, node.scope) for node in graph.nodes for id in node.inputs]
    for source, scope in (*edges, *((id, "") for id in graph.outputs.values())):
        before, after = around[scope_of[source]], around[scope]
        for id in after:
            if id not in before:
                takes.setdefault(id, {})[source] = None
        for id in before:
            if id not in after:
                gives.setdefault(id, {})[source] = None
    found: dict[str, tuple[TensorSpec, ...]] = {}
    order = {node.id: number for number, node in enumerate(graph.nodes)}
    for id in takes.keys() & gives.keys():
        given = sorted(gives[id], key=order.__getitem__)
        specs = [[*map(graph.spec, ids)] for ids in (takes[id], given)]
        if all(len({spec.spatial for spec in some}) > 1 for some in specs):
            found[id] = tuple(specs[1])
    return found


def _word(verb: str) -> str:
    return verb.replace("_", " ")


def _quiet(item: Box | Join | Mesh) -> bool:
    return isinstance(item, Box) and item.verb == QUIET


def _skips(join: Join) -> bool:
    """Whether it is a residual, of which brackets show the body."""
    return join.residual and join.skips


def _body(chain: Chain) -> Chain:
    """What a dense block adds: the layers that are joined to what it is given."""
    first = chain[0]
    return first.paths[0] if isinstance(first, Join) else chain


def _layers(chain: Chain, without: str) -> list[str]:
    """A line for every layer in a row, and one for what stands side by side."""
    found: list[list[str]] = []
    for item in chain:
        if isinstance(item, Join) and _skips(item):
            found.append(_layers(item.body, without))
        elif isinstance(item, Box) and item.verb == MORE:
            found[-1] = [_repeated(found[-1], item)]
        elif isinstance(item, Box):
            found.append([labels.written(item.terms, "full", without)] * (not _quiet(item)))
        else:
            found.append([_together(item, without)])
    return [line for lines in found for line in lines]


def _repeated(lines: Sequence[str], more: Box) -> str:
    """Lines with how often there are such, as a box after them says: `(3×3 + identity) ×3`."""
    said = " · ".join(lines)
    alone = len(lines) == 1 and said.startswith("(") and said.endswith(")")
    return f"{said if alone else f'[{said}]'} ×{labels.product(more.terms[0].value)}"


def _shortcuts(chain: Chain) -> Iterator[str]:
    """The layers on the shortcuts of residuals."""
    for item in chain:
        if isinstance(item, Join) and _skips(item):
            if loud(item.shortcut):
                yield _in_line(item.shortcut, "")
            yield from _shortcuts(item.body)


def _in_line(path: Chain, without: str) -> str:
    """`1×1, 96 → 3×3, 128`; what forks again in parentheses."""
    parts: list[str] = []
    for item in path:
        if isinstance(item, Box) and item.verb == MORE:
            parts[-1] = _repeated(parts[-1:], item)
        elif isinstance(item, Box):
            parts += [labels.written(item.terms, without=without)] * (not _quiet(item))
        else:
            parts.append(_together(item, without))
    silent = [labels.written(box.terms) for box in path if isinstance(box, Box)]
    return " → ".join(parts or silent) or IDENTITY


def _together(item: Join | Mesh, without: str) -> str:
    """`(1×1, 96 → 3×3, 128 | identity) → concat`."""
    if isinstance(item, Mesh):
        return _woven(item)
    inner = [_in_line(path, without) for path in item.paths]
    if item.verb == "add":
        return f"({' + '.join(inner)})"
    return f"({' | '.join(inner)})" + f" → {_word(item.verb)}" * bool(item.verb)


def _woven(mesh: Mesh) -> str:
    """`(a = 1×1, 64; (a → 3×3, 64 + a) → concat, 128)`: what is taken again has a letter."""
    taken = Counter(place for places in mesh.takes for place in places if place >= 0)
    taken.update(mesh.ends)
    named: dict[int, str] = {}

    def way(place: int) -> str:
        if place < 0:
            return f"input {-place}" if len(mesh.inputs) > 1 else ""
        return named.get(place) or made(place)

    def made(place: int) -> str:
        box, before = mesh.boxes[place], [way(taken) for taken in mesh.takes[place]]
        words = labels.written(box.terms)
        told = "" if _quiet(box) else words
        if len(before) == 1:
            return " → ".join(filter(None, [before[0], told])) or words
        between = " + " if box.verb == "add" else " | "
        joined = f"({between.join(part or IDENTITY for part in before)})"
        return joined if box.verb == "add" else f"{joined} → {told}"

    said = []
    for place, count in sorted(taken.items()):
        if count > 1:
            told = made(place)
            named[place] = letter(len(named))
            said.append(f"{named[place]} = {told}")
    said += [made(end) for end in mesh.ends if end not in named]
    return f"({'; '.join(said)})" if len(said) > 1 else said[0]


def in_words(entry: Entry) -> str:
    """`[1×1 conv, 64 · 3×3 conv, 64] ×3`."""
    lines = entry.between.join(entry.lines)
    if entry.end:
        lines = f"({lines}) → {entry.end}"
    if entry.count == 1 and (len(entry.lines) == 1 or entry.end):
        return lines
    return f"[{lines}]" + f" ×{entry.count}" * (entry.count > 1)
