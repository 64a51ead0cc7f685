"""Memory: weights, what is alive at once in inference, what training keeps for the backward pass.

The model is that of PyTorch without compilation, on one device, checked against what PyTorch
allocates (tests/analysis/test_memory.py): an op gives a new tensor, a view, or writes over its
input; a tensor lives until the last part that reads it is done (modules/lifetimes.py). Buffers that
libraries use inside one kernel are not counted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

from archdsl.analysis.cost import analyze
from archdsl.graph.graph import Graph, Node
from archdsl.modules.lifetimes import last_uses
from archdsl.modules.overwriting import overwriting
from archdsl.ops.storage import NEW, Storage
from archdsl.ops.strides import rows

ELEMENT = 4  # bytes of a number: float32
INDEX = 8  # bytes of a whole number: int64
IMAGES = 2  # so many at least, for the strides between images to count


@dataclass(frozen=True)
class Memory:
    """Bytes for one batch.

    `image`: all that the network is given; `weights`: parameters and buffers. `live`: by node, the
    activations alive while it runs in inference, the image among them; `peak` is the most, at the
    node `at`. `saved`: activations that training keeps, when these are the most: as the
    backward pass begins, or where it has computed a part again; `gradients` and `optimizer`: of
    all parameters.
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
        """All of it with the saved activations."""
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
    storages, copies = _storages(graph, over, training=False)
    homes = _homes(graph, storages, over, training=False)
    ends = _ends(graph)
    aside = {id for node in built.nodes if node.id not in graph.by_id for id in node.inputs}
    aside |= {*built.aux.values()}
    ends |= {id: len(graph.nodes) for id in aside & ends.keys()}  # in variables until then
    leaving: dict[int, set[str]] = {}
    for id, end in _storage_ends(homes, ends).items():
        leaving.setdefault(end, set()).add(id)
    sizes = {id: graph.spec(id).elements * element for id in homes if homes[id] == id}
    now, live = sum(sizes[id] for id in graph.inputs), {}
    for position, node in enumerate(graph.nodes):
        storage = storages[node.id]
        now += sizes.get(node.id, 0)
        scratch = storage.scratch + sum(copies[node.id].values())
        alive = now + scratch * element + storage.indices * INDEX
        live[node.id] = batch * alive + storage.made * element
        now -= sum(sizes[id] for id in leaving.get(position, ()))
    return live


def _ends(graph: Graph) -> dict[str, int]:
    """The position of the node at whose end a value is let go; inputs and outputs stay."""
    scopes = graph.chains
    made = dict.fromkeys(graph.inputs, ()) | {n.id: scopes[n.scope] for n in graph.nodes}
    ends = {node.id: position for position, node in enumerate(graph.nodes)}
    ends |= last_uses(made, [(scopes[node.scope], node.inputs) for node in graph.nodes])
    return ends | dict.fromkeys([*graph.inputs, *graph.outputs.values()], len(graph.nodes))


def moved_bytes(graph: Graph, element: int = ELEMENT) -> dict[str, int]:
    """By node, the bytes it reads and writes in inference; views move nothing."""
    graph = graph.select(graph.outputs)
    moved = {}
    for id, storage in _storages(graph, overwriting(graph), training=False)[0].items():
        node = graph.by_id[id]
        numbers = sum(spec.elements for spec in (*graph.specs(node), node.output))
        numbers += sum(weight.elements for weight in node.weights)
        moved[id] = numbers * element if storage.lies == "new" else 0
    return moved


def saved_bytes(graph: Graph, element: int = ELEMENT, batch: int = 1) -> dict[str, int]:
    """By node, the bytes training keeps; what two nodes keep counts at the first.

    Of a recomputed part it keeps what that is given, until the backward pass computes it again:
    these are the bytes when they are the most. What stands behind such a part is done with then.
    """
    training = _Training(graph, element, batch)
    worst = training.worst(training.graph.nodes, 0)
    return dict.fromkeys(training.graph.by_id, 0) | worst


class _Training:
    """What nodes keep of their tensors, gone through in the order in which they run."""

    def __init__(self, graph: Graph, element: int, batch: int) -> None:
        self.over, self.element, self.batch = overwriting(graph), element, batch
        self.graph = graph = graph.select(graph.outputs, graph.aux)
        self.storages, self.copies = _storages(graph, self.over, training=True)
        self.learning = _learning(graph)
        self.homes = _homes(graph, self.storages, self.over, training=True)
        self.kept: dict[str, None] = {}  # homes of values, in the order in which they are kept

    def worst(self, nodes: Sequence[Node], depth: int) -> dict[str, int]:
        """What nodes keep, when that is the most; they stand in so many recomputed parts."""
        now: dict[str, int] = {}
        total, most, at, again = 0, 0, 0, dict[str, int]()
        for region, run in groupby(nodes, lambda node: self.graph.regions(node)[depth : depth + 1]):
            part = list(run)
            if not region:
                now |= {node.id: self.saved(node) for node in part}
                total += sum([now[node.id] for node in part])
                continue
            given, held = self.given(part), len(self.kept)
            now[part[0].id], total = given, total + given
            inside = self.worst(part, depth + 1)
            while len(self.kept) > held:
                self.kept.popitem()
            if total + sum(inside.values()) > most:
                most, at, again = total + sum(inside.values()), len(now), inside
        if total >= most:
            return now
        before = dict(islice(now.items(), at))
        return before | {id: size + before.get(id, 0) for id, size in again.items()}

    def given(self, part: Sequence[Node]) -> int:
        """What a recomputed part keeps: all that it is given, if anything in it would be kept."""
        inside = {node.id for node in part}
        if not any(map(self.keeps, part)):
            return 0
        taken = (id for node in part for id in node.inputs if id not in inside)
        return self.batch * self.keep(self.homes[id] for id in taken)

    def keeps(self, node: Node) -> bool:
        """Whether a node alone keeps anything, a weight or a number of its own."""
        storage = self.storages[node.id]
        own = node.weights or storage.saves != "nothing" or storage.kept or storage.indices
        return node.id in self.learning and bool(own or storage.held)

    def keep(self, homes: Iterable[str]) -> int:
        """Keeps what lies there; the bytes of what was not kept before."""
        size = 0
        for home in homes:
            size += 0 if home in self.kept else self.graph.spec(home).elements * self.element
            self.kept[home] = None
        return size

    def saved(self, node: Node) -> int:
        """What a node keeps that none before it does."""
        if node.id not in self.learning:
            return 0
        storage = self.storages[node.id]
        if self.learning.isdisjoint(node.inputs):
            storage = storage.alone or storage
        elif node.path in self.graph.frozen:
            storage = storage.fixed or storage
        factors = zip(storage.partial, node.inputs[2:], strict=False)
        between = sum(numbers for numbers, id in factors if id in self.learning)
        size = (storage.kept + between) * self.element + storage.indices * INDEX
        saves = storage.over if node.id in self.over else storage.saves
        wanted = [self.homes[node.id]] if saves in ("output", "both") else []
        if saves == "inputs" and node.id in self.over:  # a copy, since the input is gone
            size += node.output.elements * self.element
        elif saves in ("inputs", "both"):
            copies = self.copies[node.id]
            needed = _needed(node, self.learning)
            wanted += [self.homes[node.inputs[place]] for place in needed if place not in copies]
            size += sum(copies.get(place, 0) for place in needed) * self.element
        return self.batch * (size + self.keep(wanted)) + storage.held * self.element


def _learning(graph: Graph) -> set[str]:
    """The nodes that a gradient reaches: they learn, or something before them does."""
    found: set[str] = set()
    for node in graph.nodes:
        learns = any(weight.kind == "parameter" for weight in node.weights)
        learns &= node.path not in graph.frozen
        if learns or (not node.op.constant and not found.isdisjoint(node.inputs)):
            found.add(node.id)
    return found


def _needed(node: Node, learning: set[str]) -> list[int]:
    """Which inputs are computed from: a factor, if what it is multiplied with learns.

    That is the second for the first, and for any other what those before it give.
    """
    ids = node.inputs
    if len(ids) == 1 or node.weights:
        return [*range(len(ids))]
    return [n for n in range(len(ids)) if not learning.isdisjoint(ids[:n] or ids[1:2])]


def _storages(
    graph: Graph, over: frozenset[str], training: bool
) -> tuple[dict[str, Storage], dict[str, Mapping[int, int]]]:
    """How nodes treat memory, and what they copy of inputs that do not lie as they need them."""
    lying = {id: rows((IMAGES, *spec.shape)) for id, spec in graph.inputs.items()}
    storages: dict[str, Storage] = {}
    copies: dict[str, Mapping[int, int]] = {}
    for node in graph.nodes:
        op, inputs = node.op, [lying[id] for id in node.inputs]
        storage = op.storage(node.output, *graph.specs(node))
        copied = op.copies(node.path not in graph.frozen, node.output, *inputs)
        if copied and storage.lies == "view":
            storage, copied = NEW, {}
        storages[node.id], copies[node.id] = storage, copied
        same = node.id in over or (storage.lies == "passed" and not training)
        lying[node.id] = inputs[0] if same else op.strides(node.output, *inputs)
    return storages, copies


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
