"""The stages of a network, as a paper's architecture table lists them."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from archdsl.analysis.cost import Analysis, Cost, analyze
from archdsl.graph import Graph, Node, Scope
from archdsl.tensor import TensorSpec

MAX_PARTS = 3  # that the description of a stage names


@dataclass(frozen=True, slots=True)
class Stage:
    """One row: a scope or a node, what it is (`bottleneck x 3`), what it gives, what it costs."""

    path: str
    what: str
    output: TensorSpec
    cost: Cost


@dataclass(frozen=True, slots=True)
class Summary:
    """A network in a table: its stages in the order in which they run, and its totals."""

    name: str
    title: str
    citation: str
    input: TensorSpec
    outputs: Mapping[str, TensorSpec]
    stages: tuple[Stage, ...]
    total: Cost


def summarize(graph: Graph, depth: int | None = None) -> Summary:
    """The network's stages to a depth of names, 1 or more: `layer1` is at 1, `layer1.0` at 2.

    Without a depth these are the parts at depth 1, but a plain sequence that holds more than half
    of the network (the `features` of many networks) stands there by its own parts, unless they are
    all the same (the layers of a transformer).
    """
    analysis = analyze(graph)
    return Summary(
        graph.name,
        graph.title,
        graph.citation,
        graph.input,
        {name: graph.spec(id) for name, id in graph.outputs.items()},
        stages(graph, depth, analysis),
        analysis.total,
    )


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
