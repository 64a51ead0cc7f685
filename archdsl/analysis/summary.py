"""The stages of a network, as a paper's architecture table lists them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Literal

from archdsl.analysis.cost import Analysis, Cost
from archdsl.analysis.measures import Device, Facts, Measure, Value, column, measure
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.text import counted, rest_of
from archdsl.graph.graph import Graph, Node, Scope
from archdsl.ops.base import sum_of
from archdsl.ops.tensor import TensorSpec

By = Literal["op", "block", "stage"]
DEFAULT = ("parameters", "macs")  # columns
COSTS = frozenset(Cost._fields)
MOST_VALUES = 60_000  # of a table: those of the deepest networks that people build, in all columns
MAX_PARTS = 3  # that the description of a stage names


@dataclass(frozen=True, slots=True)
class Stage:
    """One row: a scope or a node, what it is (`bottleneck x 3`), what it gives, what it costs.

    `outputs` are all maps that others take from it, none for a row that gathers parts from
    everywhere; `paths` where its parts are, if it stands for several; `called` is what readers call
    its path, if that is not what it is.
    """

    path: str
    what: str
    outputs: tuple[TensorSpec, ...]
    cost: Cost
    values: Mapping[str, Value] = field(default_factory=dict)  # of further columns
    paths: tuple[str, ...] = ()
    called: str = ""

    @property
    def name(self) -> str:
        return self.called or self.path

    @property
    def output(self) -> str:
        """`64x56x56, 128x28x28`; of many that are alike how many."""
        runs = groupby(map(str, self.outputs))
        return ", ".join(_times(shape, len(list(run))) for shape, run in runs)

    def value(self, column: str) -> Value:
        return getattr(self.cost, column) if column in COSTS else self.values[column]


@dataclass(frozen=True, slots=True)
class Summary:
    """A network in a table: its stages in the order in which they run, and its totals.

    `folded` are the rows for readers: stages one after another that are equal stand in one.
    """

    name: str
    title: str
    citation: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    stages: tuple[Stage, ...]
    total: Cost
    values: Mapping[str, Value] = field(default_factory=dict)  # of further columns
    show: tuple[str, ...] = DEFAULT
    by: By = "stage"
    folded: tuple[Stage, ...] = ()

    @property
    def rows(self) -> tuple[Stage, ...]:
        return self.folded or self.stages

    def value(self, column: str) -> Value:
        return getattr(self.total, column) if column in COSTS else self.values[column]


def summarize(
    graph: Graph,
    depth: int | None = None,
    by: By = "stage",
    show: Sequence[str] = DEFAULT,
    sort: str | None = None,
    device: Device | None = None,
) -> Summary:
    """The network's stages to a depth of names, 1 or more: `layer1` is at 1, `layer1.0` at 2.

    Without a depth these are the parts at depth 1, but a plain sequence that holds more than half
    of the network (the `features` of many networks) stands there by its own parts, unless they are
    all the same (the layers of a transformer). What has no name of its own (`_add`) costs in the
    row before it. With `by` the rows are all uses of an op, or of a block with all that is in it.
    `show` names columns in MEASURES; with `sort` the largest of one come first.
    Raises UsageError for a column that does not exist, or that needs a device, and for more rows
    with that many columns than MOST_VALUES.
    """
    facts = Facts(graph, device)
    if graph.frozen and show is DEFAULT:
        show = (DEFAULT[0], "trainable", *DEFAULT[1:])
    show, sort = tuple(map(column, show)), sort and column(sort)
    columns = {name: measure(name) for name in (*show, *([sort] if sort else []))}
    columns |= {c.beside: measure(c.beside) for c in list(columns.values()) if c.beside}
    further = {name: one for name, one in columns.items() if name not in COSTS}
    table = _rows(graph, depth, by, facts.analysis)
    _require_few(len(table), len(show))
    folded = _folded(table) if by == "stage" else table
    return Summary(
        graph.name,
        graph.title,
        graph.citation,
        graph.inputs,
        {name: graph.spec(id) for name, id in graph.outputs.items()},
        _measured(table, facts, further, sort),
        facts.analysis.total,
        {name: one.of(facts, graph.nodes) for name, one in further.items()},
        show,
        by,
        _measured(folded, facts, further, sort) if len(folded) < len(table) else (),
    )


def _require_few(rows: int, columns: int) -> None:
    if rows * columns > MOST_VALUES:
        raise UsageError(
            f"{rows:,} rows of {columns} columns are more than {MOST_VALUES:,} values;"
            " leave out columns, or show less depth"
        )


def _measured(
    rows: "Rows", facts: Facts, columns: Mapping[str, Measure], sort: str | None
) -> tuple[Stage, ...]:
    """The rows with the values of further columns, the largest of one first."""
    found = [
        replace(row, values={name: one.of(facts, nodes) for name, one in columns.items()})
        for row, nodes in rows
    ]
    if sort:
        found.sort(key=lambda row: _rank(row.value(sort)), reverse=True)
    return tuple(found)


def _rank(value: Value) -> Any:
    """Values of a column as they compare: nothing below everything."""
    return (value is not None, value if value is not None else 0)


Rows = list[tuple[Stage, list[Node]]]


def _rows(graph: Graph, depth: int | None, by: By, analysis: Analysis) -> Rows:
    """The rows with the nodes of each."""
    if by == "stage":
        return _stages(graph, depth, analysis)
    blocks = _blocks(graph) if by == "block" else {}
    gathered: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for word in blocks.get(node.scope) or [node.op.verb]:
            gathered.setdefault(word, []).append(node)
    counts = Counter(scope.block for scope in graph.scopes if scope.block)
    rows: Rows = []
    for word, nodes in gathered.items():
        cost = sum_of(analysis.nodes[node.id] for node in nodes)
        what = counted(counts[word], "block") if counts[word] else counted(len(nodes), "op")
        rows.append((Stage(word, what, (), cost), nodes))
    return rows


def _blocks(graph: Graph) -> dict[str, list[str]]:
    """For every scope the blocks around it, each once, the outermost first."""
    blocks: dict[str, list[str]] = {"": []}
    for scope in graph.scopes:
        around = blocks[scope.parent]
        new = scope.block and scope.block not in around
        blocks[scope.id] = [*around, scope.block] if new else around
    return blocks


def _stages(graph: Graph, depth: int | None, analysis: Analysis) -> Rows:
    """The rows of stages; what has no name of its own stands at the head of the one before it.

    For the measures of an end are those of a row's last node.
    """
    shown, descriptions = _shown(graph, depth, analysis), _Descriptions(graph, analysis)
    rows = {
        node.id: shown[node.scope] or ("" if _nameless(node) else node.id) for node in graph.nodes
    }
    named = [id for id in rows.values() if id]
    before = named[0] if named else graph.nodes[0].id if graph.nodes else ""
    own: dict[str, list[Node]] = {before: []} if graph.nodes else {}
    more: dict[str, list[Node]] = {}
    for node in graph.nodes:
        held = own if rows[node.id] or not named else more
        before = rows[node.id] or before
        held.setdefault(before, []).append(node)
    outputs = _outputs(graph, own)
    result: Rows = []
    for id, nodes in own.items():
        every = [*more.get(id, []), *nodes]
        cost = sum_of(analysis.nodes[node.id] for node in every)
        what, name = descriptions.of(id, nodes[0]), graph.called(id)
        result.append((Stage(id, what, outputs[id], cost, called=name), every))
    return result


def stages_of(graph: Graph) -> dict[str, str]:
    """The stage in whose row of the summary each node stands, by their paths."""
    rows = _stages(graph, None, Facts(graph).analysis)
    return {node.id: stage.path for stage, nodes in rows for node in nodes}


def _nameless(node: Node) -> bool:
    return node.name.startswith("_")


def _outputs(graph: Graph, rows: Mapping[str, list[Node]]) -> dict[str, tuple[TensorSpec, ...]]:
    """What every row gives to others, in order; the last that it computes if nobody takes any."""
    row_of = {node.id: row for row, nodes in rows.items() for node in nodes}
    taken = {*graph.outputs.values(), *graph.aux.values()}
    for node in graph.nodes:
        row = row_of.get(node.id)
        taken.update(id for id in node.inputs if row is None or row_of.get(id) != row)
    return {
        row: tuple([node.output for node in nodes if node.id in taken]) or (nodes[-1].output,)
        for row, nodes in rows.items()
    }


def _folded(table: Rows) -> Rows:
    """Rows of one parent after one another that are equal in all they say as one."""
    rows: Rows = []
    for _, run in groupby(table, key=_alike):
        (first, nodes), *others = run
        if others:
            paths = (first.path, *(row.path for row, _ in others))
            cost = sum_of((first.cost, *(row.cost for row, _ in others)))
            last, _ = others[-1]
            path = f"{first.path}–{rest_of(first.path, last.path)}"
            name = path if last.name == last.path else f"{first.name}–{last.name}"
            what = _times(first.what, len(paths))
            first = replace(first, path=path, called=name, what=what, cost=cost, paths=paths)
            nodes = [*nodes, *(node for _, more in others for node in more)]
        rows.append((first, nodes))
    return rows


def _alike(row: tuple[Stage, list[Node]]) -> object:
    stage, _ = row
    return stage.path.rpartition(".")[0], stage.what, stage.outputs, stage.cost


def _shown(graph: Graph, depth: int | None, analysis: Analysis) -> dict[str, str]:
    """For every scope the scope in whose row it counts, "" if its parts have rows of their own."""
    shown, level, uniform = {"": ""}, {"": 0}, _uniform(graph)
    half = analysis.total.nodes / 2
    for scope in graph.scopes:
        level[scope.id] = level[scope.parent] + 1
        if depth is None:
            plain = scope.kind == "sequence" and not scope.block
            opened = plain and scope.id not in uniform and analysis.costs[scope.id].nodes > half
        else:
            opened = level[scope.id] < depth
        shown[scope.id] = shown[scope.parent] or ("" if opened else scope.id)
    return shown


def _uniform(graph: Graph) -> set[str]:
    """The scopes that hold copies of one block and nothing else."""
    first: dict[str, Scope] = {}
    mixed = {node.scope for node in graph.nodes}
    for scope in graph.scopes:
        copied = first.setdefault(scope.parent, scope)
        same = (scope.block, scope.arguments, scope.inputs) == (
            copied.block,
            copied.arguments,
            copied.inputs,
        )
        if not scope.block or not same:
            mixed.add(scope.parent)
    return first.keys() - mixed


class _Descriptions:
    """What stages are, in a few words: `bottleneck x 3`."""

    def __init__(self, graph: Graph, analysis: Analysis) -> None:
        self.scopes, self.analysis = graph.scope_by_id, analysis
        self.blocks = {scope.block for scope in graph.scopes}
        self.plain = self.plain_of(graph)
        self.parts: dict[str, list[Scope | Node]] = {scope.id: [] for scope in graph.scopes}
        seen = {""}
        for node in graph.nodes:
            if node.scope:
                self.parts[node.scope].append(node)
            for scope in graph.around(node.scope):
                if scope.id in seen:
                    break
                seen.add(scope.id)
                self.parts.setdefault(scope.parent, []).append(scope)

    @staticmethod
    def plain_of(graph: Graph) -> set[str]:
        """The residuals and branches without a block in them: nothing else names these."""
        holding = set()
        for scope in reversed(graph.scopes):
            if scope.block or scope.id in holding:
                holding.add(scope.parent)
        joins = (scope.id for scope in graph.scopes if scope.kind in ("residual", "branches"))
        return set(joins) - holding

    def of(self, id: str, node: Node) -> str:
        """The description of a scope, or of the node with this id."""
        scope = self.scopes.get(id)
        what = self.scope(scope) if scope else node.op.label()
        first = self.analysis.costs.get(id.partition("@")[0])
        again = "@" in id and first is not None and first.parameters > 0
        return f"{what} (shared weights)" if again else what

    def scope(self, scope: Scope) -> str:
        if scope.block and scope.kind != "dense":  # a dense block is its layers
            return scope.block
        if scope.id in self.plain:
            return scope.kind
        words = list(self.words(scope))
        runs = [(word, len(list(run))) for word, run in groupby(words)]
        if len(runs) > MAX_PARTS:  # what there is of each, blocks first
            runs = sorted(Counter(words).items(), key=lambda run: run[0] not in self.blocks)
        told = [_times(*run) for run in runs]
        if len(told) > MAX_PARTS:
            told[MAX_PARTS - 1 :] = [f"{len(told) - MAX_PARTS + 1} more"]
        return ", ".join(told)

    def words(self, scope: Scope) -> Iterator[str]:
        """What a scope holds, in order: blocks, and the ops outside of blocks that have names."""
        parts = self.parts[scope.id]
        for part in parts:
            if isinstance(part, Node):
                if not _nameless(part) or len(parts) == 1:
                    yield part.op.verb
            elif part.block or part.id in self.plain:
                yield part.block or part.kind
            else:
                yield from self.words(part)


def _times(word: str, count: int) -> str:
    """`bottleneck x 3`."""
    return word if count == 1 else f"{word} x {count}"
