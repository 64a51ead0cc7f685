"""Memory: weights, what is alive at once in inference, what training keeps for the backward pass.

The model is that of PyTorch without compilation, on one device, checked against what PyTorch
allocates (tests/analysis/test_memory.py): an op gives a new tensor, a view, or writes over its
input; a tensor lives until the last part that reads it is done (modules/lifetimes.py). Buffers that
libraries use inside one kernel are not counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from archdsl.analysis.cost import analyze
from archdsl.graph.graph import Graph, Node
from archdsl.modules.lifetimes import Scopes, last_uses
from archdsl.modules.overwriting import overwriting
from archdsl.ops.storage import Storage

ELEMENT = 4  # bytes of a number: float32
INDEX = 8  # bytes of a whole number: int64


@dataclass(frozen=True)
class Memory:
    """Bytes for one batch.

    `image`: all that the network is given; `weights`: parameters and buffers. `live`: by node, the
    activations alive while it runs in inference, the image among them; `peak` is the most, at the
    node `at`. `saved`: activations that training keeps until the backward pass; `gradients` and
    `optimizer`: of all parameters.
    """

    image: int
    weights: int
    live: Mapping[str, int]
    saved: int
    gradients: int
    optimizer: int

    @property
    def at(self) -> str:
        return max(self.live, key=lambda id: self.live[id], default="")

    @property
    def peak(self) -> int:
        return self.live[self.at] if self.live else self.image

    @property
    def inference(self) -> int:
        """Weights and the peak of activations."""
        return self.weights + self.peak

    @property
    def training(self) -> int:
        """All of it as the backward pass begins, with the saved activations."""
        return self.weights + self.gradients + self.optimizer + self.saved


def memory(
    graph: Graph, *, batch: int = 1, element: int = ELEMENT, optimizer_states: int = 1
) -> Memory:
    """The memory a graph needs for `batch` images with numbers of `element` bytes.

    `optimizer_states` is how many numbers an optimizer keeps per parameter: 1 for SGD with
    momentum, 2 for Adam, 0 for plain SGD.
    """
    learned = analyze(graph).trainable * element
    return Memory(
        batch * sum(spec.elements for spec in graph.inputs.values()) * element,
        sum(weight_bytes(graph, element).values()),
        live_bytes(graph, element, batch),
        sum(saved_bytes(graph, element, batch).values()),
        learned,
        optimizer_states * learned,
    )


def weight_bytes(graph: Graph, element: int = ELEMENT) -> dict[str, int]:
    """By node, the bytes of its parameters and buffers; shared ones count where they come first."""
    sizes: dict[str, int] = {}
    seen: set[str] = set()
    for node in graph.select(graph.outputs, graph.aux).nodes:
        weights = () if node.path in seen else node.weights
        sizes[node.id] = sum(
            weight.elements * (INDEX if weight.whole else element) for weight in weights
        )
        seen.add(node.path)
    return sizes


def live_bytes(graph: Graph, element: int = ELEMENT, batch: int = 1) -> dict[str, int]:
    """By node, the bytes of activations alive while it runs in inference, in order."""
    over, built = overwriting(graph), graph.select(graph.outputs, graph.aux)
    graph = graph.select(graph.outputs)
    storages = _storages(graph)
    homes = _homes(graph, storages, over, training=False)
    ends = _ends(graph)
    aside = {id for node in built.nodes if node.id not in graph.by_id for id in node.inputs}
    ends |= {id: len(graph.nodes) for id in aside & ends.keys()}  # in variables until then
    leaving: dict[int, set[str]] = {}
    for id, end in _storage_ends(homes, ends).items():
        leaving.setdefault(end, set()).add(id)
    sizes = {id: graph.spec(id).elements * element for id in homes if homes[id] == id}
    now, live = sum(sizes[id] for id in graph.inputs), {}
    for position, node in enumerate(graph.nodes):
        storage = storages[node.id]
        now += sizes.get(node.id, 0)
        alive = now + storage.scratch * element + storage.indices * INDEX
        live[node.id] = batch * alive + storage.made * element
        now -= sum(sizes[id] for id in leaving.get(position, ()))
    return live


def _ends(graph: Graph) -> dict[str, int]:
    """The position of the node at whose end a value is let go; inputs and outputs stay."""
    scopes: dict[str, Scopes] = {"": ()}
    for scope in graph.scopes:
        scopes[scope.id] = (*scopes[scope.parent], scope.id)
    made = dict.fromkeys(graph.inputs, ()) | {n.id: scopes[n.scope] for n in graph.nodes}
    ends = {node.id: position for position, node in enumerate(graph.nodes)}
    ends |= last_uses(made, [(scopes[node.scope], node.inputs) for node in graph.nodes])
    return ends | dict.fromkeys([*graph.inputs, *graph.outputs.values()], len(graph.nodes))


def moved_bytes(graph: Graph, element: int = ELEMENT) -> dict[str, int]:
    """By node, the bytes it reads and writes in inference; views move nothing."""
    graph = graph.select(graph.outputs)
    moved = {}
    for id, storage in _storages(graph).items():
        node = graph.by_id[id]
        numbers = sum(spec.elements for spec in (*graph.specs(node), node.output))
        numbers += sum(weight.elements for weight in node.weights)
        moved[id] = numbers * element if storage.lies == "new" else 0
    return moved


def saved_bytes(graph: Graph, element: int = ELEMENT, batch: int = 1) -> dict[str, int]:
    """By node, the bytes training keeps; what two nodes keep counts at the first."""
    over, graph = overwriting(graph), graph.select(graph.outputs, graph.aux)
    storages, learning = _storages(graph), _learning(graph)
    homes, kept = _homes(graph, storages, over, training=True), set()
    saved: dict[str, int] = {}
    for node in graph.nodes:
        storage = storages[node.id]
        size = storage.kept * element + storage.indices * INDEX
        saves = storage.over if node.id in over else storage.saves
        wanted = [homes[node.id]] if saves in ("output", "both") else []
        if saves == "inputs" and node.id in over:  # a copy, since the input is gone
            size += node.output.elements * element
        elif saves in ("inputs", "both"):
            wanted += [homes[id] for id in _needed(node, learning)]
        for home in wanted if node.id in learning else ():
            size += 0 if home in kept else graph.spec(home).elements * element
            kept.add(home)
        size = batch * size + storage.held * element
        saved[node.id] = size if node.id in learning else 0
    return saved


def _learning(graph: Graph) -> set[str]:
    """The nodes that a gradient reaches: they learn, or something before them does."""
    found: set[str] = set()
    for node in graph.nodes:
        learns = any(weight.kind == "parameter" for weight in node.weights)
        learns &= node.path not in graph.frozen
        if learns or (not node.op.constant and not found.isdisjoint(node.inputs)):
            found.add(node.id)
    return found


def _needed(node: Node, learning: set[str]) -> list[str]:
    """The inputs that gradients are computed from: of factors, those of the others."""
    ids = node.inputs
    if len(ids) == 1 or node.weights:
        return list(ids)
    return [id for n, id in enumerate(ids) if not learning.isdisjoint(ids[:n] + ids[n + 1 :])]


def _storages(graph: Graph) -> dict[str, Storage]:
    return {node.id: node.op.storage(node.output, *graph.specs(node)) for node in graph.nodes}


def _homes(
    graph: Graph, storages: Mapping[str, Storage], over: frozenset[str], training: bool
) -> dict[str, str]:
    """For every value the one whose memory it lies in: its own, or that of an earlier value."""
    homes = {id: id for id in graph.inputs}
    shared = ("view",) if training else ("view", "passed")
    for node in graph.nodes:
        shares = node.id in over or storages[node.id].lies in shared
        homes[node.id] = homes[node.inputs[0]] if shares else node.id
    return homes


def _storage_ends(homes: Mapping[str, str], ends: Mapping[str, int]) -> dict[str, int]:
    """When the memory of a value can go: with the last value that lies in it."""
    result: dict[str, int] = {}
    for id, home in homes.items():
        result[home] = max(result.get(home, 0), ends[id])
    return result
