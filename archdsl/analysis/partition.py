"""A network in stages, one for each of several machines: cut where little crosses, costs balanced.

A cut lies before an op with which a module begins that runs once. Whatever the last stage does not
get by way of the stages before it cannot cross: what the network is given, and its results. Neither
is a part cut that is computed again, nor what lies between two uses of the same weights, and what
comes into a stage is not written over there, since its gradient goes back.
"""

import json
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from math import inf
from typing import Literal, NamedTuple, get_args

from archdsl.analysis.cost import node_costs
from archdsl.diagnostics.errors import UsageError
from archdsl.graph.graph import Graph, Node, Scope
from archdsl.modules.calls import call
from archdsl.modules.overwriting import overwriting
from archdsl.ops.base import Cost, sum_of

BYTES = 4  # of an element
DEEPEST = 10**6  # levels of a path: of cuts that as much crosses, that of a larger part is taken
Measure = Literal["macs", "parameters", "activations"]
MEASURES: tuple[Measure, ...] = get_args(Measure)


class Cut(NamedTuple):
    """A place between two nodes, by the number of the second.

    The part at `path` begins with it, and so does what is done when the module at `module` is
    called: an op with weights has one of its own, whatever the source makes of the parts around it.
    `tensors` are the nodes whose results are needed behind it.
    """

    place: int
    path: str
    module: str
    tensors: tuple[str, ...]


class Stage(NamedTuple):
    """The nodes of a stage from the cut that it begins at, `None` for the first, and their cost."""

    cut: Cut | None
    nodes: tuple[Node, ...]
    cost: Cost


@dataclass(frozen=True)
class Partition:
    """A network in stages, balanced by a measure of cost."""

    graph: Graph
    by: Measure
    stages: tuple[Stage, ...]

    @cached_property
    def split(self) -> tuple[str, ...]:
        """The paths of the modules with which all stages but the first begin."""
        return tuple([stage.cut.module for stage in self.stages if stage.cut is not None])

    @property
    def balance(self) -> float:
        """How much the dearest stage costs of what it would if all were equal; 1 is perfect."""
        costs: list[int] = [getattr(stage.cost, self.by) for stage in self.stages]
        return max(costs) * len(costs) / (sum(costs) or 1)

    def received(self, stage: Stage) -> int:
        """The bytes of the tensors that come into a stage, for one image in float32."""
        tensors = stage.cut.tensors if stage.cut else self.graph.inputs
        return BYTES * sum(self.graph.spec(id).elements for id in tensors)

    def to_json(self) -> str:
        """The stages with costs for one image, and the split by the paths of modules."""
        stages = [
            {
                "begins": stage.cut.path if stage.cut else None,
                "receives": list(stage.cut.tensors if stage.cut else self.graph.inputs),
                "bytes": self.received(stage),
                **{name: getattr(stage.cost, name) for name in MEASURES},
            }
            for stage in self.stages
        ]
        split = dict.fromkeys(self.split, "beginning")
        data = {"network": self.graph.name, "by": self.by, "stages": stages, "split_spec": split}
        return json.dumps(data, indent=1) + "\n"


def partition(graph: Graph, stages: int, by: Measure = "macs", tensors: int = 1) -> Partition:
    """The network in as many stages, at most `tensors` coming into each from those before.

    The dearest stage is as cheap as it can be; of such partitions the one whose cuts the fewest
    bytes cross. Raises UsageError if there are too few places to cut at, or for a measure that is
    none.
    """
    if by not in MEASURES:
        raise UsageError(f"stages are balanced by {', '.join(MEASURES)}, not by {by!r}")
    if stages < 1 or tensors < 1:
        raise UsageError("there is at least 1 stage, and at least 1 tensor crosses a cut")
    graph = _in_order(graph)
    found = list(cuts(graph, tensors))
    if len(found) < stages - 1:
        raise UsageError(_too_few(graph, stages, tensors, found))
    costs = list(node_costs(graph).values())
    places = [0, *(cut.place for cut in found), len(graph.nodes)]
    parts = [sum_of(costs[a:b]) for a, b in pairwise(places)]
    sizes = [
        sum(graph.spec(id).elements for id in cut.tensors) * DEEPEST + cut.path.count(".")
        for cut in found
    ]
    chosen = [found[n - 1] for n in balanced([getattr(p, by) for p in parts], sizes, stages)]
    ends = [*(cut.place for cut in chosen), len(graph.nodes)]
    starts = [0, *ends[:-1]]
    made = [
        Stage(cut, graph.nodes[start:end], sum_of(costs[start:end]))
        for cut, start, end in zip([None, *chosen], starts, ends, strict=True)
    ]
    return Partition(graph, by, tuple(made))


def _in_order(graph: Graph) -> Graph:
    """The network as it is trained; what only training computes runs last."""
    graph = graph.select(graph.outputs, graph.aux)
    running = graph.needed(graph.outputs.values())
    ordered = sorted(graph.nodes, key=lambda node: node.id not in running)
    return replace(graph, nodes=tuple(ordered))


def _too_few(graph: Graph, stages: int, tensors: int, found: Sequence[Cut]) -> str:
    crosses = "1 tensor crosses" if tensors == 1 else f"{tensors} tensors cross"
    number = len(found) + 1
    message = (
        f"{graph.name} can be cut into {number} stage{'s' * (number > 1)} where at most {crosses}, "
        f"not into {stages}; --tensors {tensors + 1} lets more cross"
    )
    results = {*graph.outputs.values(), *graph.aux.values()}
    first = next((node.id for node in graph.nodes if node.id in results), "")
    if first and first != graph.nodes[-1].id:
        message += f", none is cut behind its first result, {first}"
    return message


def cuts(graph: Graph, tensors: int) -> Iterator[Cut]:
    """The places at which no more tensors cross than that, in order."""
    place = {node.id: n for n, node in enumerate(graph.nodes)}
    last = {id: n for n, node in enumerate(graph.nodes) for id in node.inputs}
    results = {*graph.outputs.values(), *graph.aux.values()}
    earliest = max(last.get(id, 0) for id in graph.inputs) + 1
    first_result = min((place[id] for id in results if id in place), default=-1)
    uncut, starts = _uncut(graph), _starts(graph)
    written = {graph.by_id[id].inputs[0]: place[id] for id in overwriting(graph)}
    live: dict[str, None] = {}
    for n, node in enumerate(graph.nodes):
        start = None if uncut[n] else starts.get(node.id)
        fits = earliest <= n <= first_result and 0 < len(live) <= tensors
        if start and fits and all(written.get(id, -1) < n for id in live):
            yield Cut(n, *start, tuple(live))
        live[node.id] = None
        for id in {node.id, *node.inputs}:
            if last.get(id, -1) <= n:
                live.pop(id, None)


def _uncut(graph: Graph) -> list[bool]:
    """Of every node whether before it nothing is cut: between the uses of weights, within parts
    that are computed again."""
    uses: dict[str, list[int]] = {}
    for n, node in enumerate(graph.nodes):
        if node.weights:
            uses.setdefault(node.path, []).append(n)
        for region in graph.regions(node):
            uses.setdefault(f"again {region}", []).append(n)
    open_ = [0] * (len(graph.nodes) + 1)
    for places in uses.values():
        open_[places[0] + 1] += 1
        open_[places[-1] + 1] -= 1
    now, found = 0, []
    for n, node in enumerate(graph.nodes):
        now += open_[n]
        found.append(now > 0 or bool(graph.regions(node)))
    return found


def _starts(graph: Graph) -> dict[str, tuple[str, str]]:
    """By the nodes with which they begin, the paths of the largest parts and of the modules that
    run once: of an op with weights, or else of a block."""
    parts: list[Node | Scope] = [*graph.nodes, *graph.scopes]
    applied = Counter(part.path for part in parts)
    found: dict[str, tuple[str, str]] = {}
    entered: set[str] = set()
    for node in graph.nodes:
        new = [s for s in graph.around(node.scope) if s.block and s.id not in entered]
        entered.update(graph.chains[node.scope])
        asked = call(node.op, graph.specs(node))
        is_module = node.holds_weights and asked.form == "module" and not asked.use
        paths = [node.path] * is_module + [scope.path for scope in new]
        once = [path for path in paths if applied[path] == 1]
        if once:
            found[node.id] = once[-1], once[0]
    return found


def balanced(costs: Sequence[int], sizes: Sequence[int], stages: int) -> list[int]:
    """Where to cut a row of parts: the numbers of the parts with which later stages begin.

    `costs` are those of the parts, `sizes[n]` what crosses before part `n + 1`. The dearest stage
    costs as little as it can, and then as little crosses as can.
    """
    until = [0]
    for cost in costs:
        until.append(until[-1] + cost)
    most = _dearest(until, stages)
    ends = len(costs)
    least: list[float] = [0, *[inf] * ends]  # what crosses, if a stage ends here; ints are exact
    before: list[list[int]] = []
    for stage in range(stages):
        row: list[float] = [inf] * (ends + 1)
        came = [0] * (ends + 1)
        window: deque[int] = deque()  # of starts that are cheap enough, the least first
        for end in range(1, ends + 1):
            while window and least[window[-1]] > least[end - 1]:
                window.pop()
            window.append(end - 1)
            while window and until[end] - until[window[0]] > most:
                window.popleft()
            if window and (stage == stages - 1) == (end == ends):
                row[end] = least[window[0]] + (sizes[end - 1] if end < ends else 0)
                came[end] = window[0]
        least = row
        before.append(came)
    found, end = [], ends
    for came in reversed(before):
        end = came[end]
        found.append(end)
    return found[-2::-1]


def _dearest(until: Sequence[int], stages: int) -> int:
    """The least that the dearest of some stages can cost; `until` are sums of costs."""
    best = list(until)  # of one stage that ends at each place
    for stage in range(1, stages):
        row, start = list(best), stage
        for end in range(stage + 1, len(until)):
            # the later the last stage starts, the less it costs, and the more those before it
            while start < end - 1 and best[start] < until[end] - until[start]:
                start += 1
            tried = range(max(start - 1, stage), start + 1)
            row[end] = min(max(best[n], until[end] - until[n]) for n in tried)
        best = row
    return best[-1]
