"""The stages of a network, as a paper's architecture table lists them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Literal

from archdsl.analysis.cost import Analysis, Cost, analyze
from archdsl.analysis.measures import Device, Facts, Value, column, measure
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.text import counted
from archdsl.graph.graph import Graph, Node, Scope
from archdsl.ops.tensor import TensorSpec

By = Literal["op", "block", "stage"]
DEFAULT = ("parameters", "macs")  # columns
COSTS = frozenset(Cost._fields)
MOST_VALUES = 60_000  # of a table: those of the deepest networks that people build, in all columns
MAX_PARTS = 3  # that the description of a stage names


@dataclass(frozen=True, slots=True)
class Stage:
    """One row: a scope or a node, what it is (`bottleneck x 3`), what it gives, what it costs."""

    path: str
    what: str
    output: TensorSpec | None  # None for a row that gathers parts from everywhere
    cost: Cost
    values: Mapping[str, Value] = field(default_factory=dict)  # of further columns

    def value(self, column: str) -> Value:
        return getattr(self.cost, column) if column in COSTS else self.values[column]


@dataclass(frozen=True, slots=True)
class Summary:
    """A network in a table: its stages in the order in which they run, and its totals."""

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
    all the same (the layers of a transformer). With `by` the rows are all uses of an op, or of a
    block, together. `show` names columns in MEASURES; with `sort` the largest of one come first.
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
    if len(table) * len(show) > MOST_VALUES:
        raise UsageError(
            f"{len(table):,} rows of {len(show)} columns are more than {MOST_VALUES:,} values;"
            " leave out columns, or show less depth"
        )
    rows = [
        replace(row, values={name: one.of(facts, nodes) for name, one in further.items()})
        for row, nodes in table
    ]
    if sort:
        rows.sort(key=lambda row: _rank(row.value(sort)), reverse=True)
    return Summary(
        graph.name,
        graph.title,
        graph.citation,
        graph.inputs,
        {name: graph.spec(id) for name, id in graph.outputs.items()},
        tuple(rows),
        facts.analysis.total,
        {name: one.of(facts, graph.nodes) for name, one in further.items()},
        show,
        by,
    )


def _rank(value: Value) -> Any:
    """Values of a column as they compare: nothing below everything."""
    return (value is not None, value if value is not None else 0)


Rows = list[tuple[Stage, list[Node]]]


def _rows(graph: Graph, depth: int | None, by: By, analysis: Analysis) -> Rows:
    """The rows with the nodes of each."""
    if by == "stage":
        shown = _shown(graph, depth, analysis)
        gathered = _gathered(graph, lambda node: shown[node.scope] or node.id)
        return [(row, gathered[row.path]) for row in stages(graph, depth, analysis)]
    blocks = _blocks(graph)
    gathered = _gathered(
        graph, lambda node: (blocks[node.scope] if by == "block" else "") or node.op.verb
    )
    counts = Counter(scope.block for scope in graph.scopes if scope.block)
    rows: Rows = []
    for word, nodes in gathered.items():
        cost = sum((analysis.costs[node.id] for node in nodes), Cost())
        what = counted(counts[word], "block") if counts[word] else counted(len(nodes), "op")
        rows.append((Stage(word, what, None, cost), nodes))
    return rows


def _gathered(graph: Graph, key: Callable[[Node], str]) -> dict[str, list[Node]]:
    result: dict[str, list[Node]] = {}
    for node in graph.nodes:
        result.setdefault(key(node), []).append(node)
    return result


def _blocks(graph: Graph) -> dict[str, str]:
    """For every scope the innermost block around it, "" outside of all."""
    blocks = {"": ""}
    for scope in graph.scopes:
        blocks[scope.id] = scope.block or blocks[scope.parent]
    return blocks


def stages(
    graph: Graph, depth: int | None = None, analysis: Analysis | None = None
) -> tuple[Stage, ...]:
    """The rows of a summary, in the order in which they run; `depth` as for `summarize`."""
    analysis = analysis or analyze(graph)
    shown, descriptions = _shown(graph, depth, analysis), _Descriptions(graph, analysis)
    rows: dict[str, Stage] = {}
    for node in graph.nodes:
        id = shown[node.scope] or node.id
        if id not in rows:
            what = descriptions.of(id, node)
            rows[id] = Stage(id, what, analysis.outputs[id], analysis.costs[id])
    return tuple(rows.values())


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
        self.parts: dict[str, list[str]] = {scope.id: [] for scope in graph.scopes}
        seen = {""}
        for node in graph.nodes:
            if node.scope and not node.name.startswith("_"):
                self.parts[node.scope].append(node.op.verb)
            id = node.scope
            while id not in seen:
                seen.add(id)
                scope = self.scopes[id]
                self.parts.setdefault(scope.parent, []).append(scope.block or scope.kind)
                id = scope.parent

    def of(self, id: str, node: Node) -> str:
        """The description of a scope, or of the node with this id."""
        scope = self.scopes.get(id)
        what = self.scope(scope) if scope else node.op.label()
        first = self.analysis.costs.get(id.partition("@")[0])
        again = "@" in id and first is not None and first.parameters > 0
        return f"{what} (shared weights)" if again else what

    def scope(self, scope: Scope) -> str:
        parts = [(word, len(list(run))) for word, run in groupby(self.parts[scope.id])]
        layers = scope.kind in ("sequence", "repeat", "dense") and parts
        if not layers or (scope.block and scope.kind != "dense"):  # a dense block is its layers
            return scope.block or scope.kind
        words = [word if count == 1 else f"{word} x {count}" for word, count in parts]
        if len(words) > MAX_PARTS:
            words[MAX_PARTS - 1 :] = [f"{len(words) - MAX_PARTS + 1} more"]
        return ", ".join(words)
