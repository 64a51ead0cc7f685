"""Memory: weights, what is alive at once in inference, what training keeps for the backward pass.

The model is that of PyTorch without compilation, on one device, checked against what PyTorch
allocates (tests/analysis/test_memory.py): an op gives a new tensor, a view, or writes over its
input; a tensor lives until its variable is assigned again or the `forward` around it is done; what
is handed to a module lives until that module is done. Buffers that libraries use inside one kernel
are not counted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from archdsl.analysis.cost import analyze
from archdsl.graph.graph import INPUT, Graph, Node
from archdsl.ops import Op
from archdsl.ops.tensor import TensorSpec

ELEMENT = 4  # bytes of a number: float32
INDEX = 8  # bytes of a whole number: int64
Inputs = tuple[TensorSpec, ...]
Extra = Callable[[Any, Inputs, TensorSpec, int], int]  # op, inputs, output, element -> bytes


def _nothing(op: Op, x: Inputs, y: TensorSpec, element: int) -> int:
    return 0


@dataclass(frozen=True, slots=True)
class Behavior:
    """How an op treats memory.

    `view`: its output is its input's memory (`passes`: in inference). `overwrites`: it writes over
    its input where nobody else needs that. `saves`: what its backward pass needs, `input` (all
    inputs) or `output`; `kept` is what it keeps besides, `scratch` what it needs while it runs.
    """

    saves: tuple[str, ...] = ()
    view: bool = False
    passes: bool = False
    overwrites: bool = False
    kept: Extra = _nothing
    scratch: Extra = _nothing
    unless: Callable[[Any, TensorSpec], bool] = lambda op, y: False  # where it saves nothing


def _statistics(per: Callable[[Any, TensorSpec], int]) -> Extra:
    """Means and deviations, of which there are `per(op, input)` each."""
    return lambda op, x, y, element: 2 * per(op, x[0]) * element


_position_statistics = _statistics(lambda op, x: x.elements // x.channels)


def _indices(op: Any, x: Inputs, y: TensorSpec, element: int) -> int:
    """Where the largest values were."""
    return y.elements * INDEX


def _pool_scratch(op: Any, x: Inputs, y: TensorSpec, element: int) -> int:
    return _indices(op, x, y, element) + _padded(op, x, y, element)


def _noise(op: Any, x: Inputs, y: TensorSpec, element: int) -> int:
    return y.elements * element if op.rate else 0


def _padded(op: Any, x: Inputs, y: TensorSpec, element: int) -> int:
    """The copy with TensorFlow's border, which PyTorch's convolutions cannot add themselves."""
    if op.padding != "same" or set(op.stride) == {1}:
        return 0
    dilation = getattr(op, "dilation", (1,) * x[0].rank)
    sizes = zip(x[0].spatial, op.kernel, op.stride, dilation, strict=True)
    sides = (max((-(-n // s) - 1) * s + d * (k - 1) + 1, n) for n, k, s, d in sizes)
    elements: int = prod(sides) * x[0].channels
    return elements * element


def _squares_kept(op: Any, x: Inputs, y: TensorSpec, element: int) -> int:
    """Squares with a border of channels, their scaled means, and the power of those."""
    border: int = y.elements // y.channels * (op.size - 1)
    return (3 * y.elements + border) * element


def _squares_scratch(op: Any, x: Inputs, y: TensorSpec, element: int) -> int:
    return 2 * y.elements * element


def _attention_keeps(op: Any, x: Inputs, y: TensorSpec, element: int) -> int:
    """Queries, keys, values, their mix, a sum per head and token."""
    sums: int = op.heads * y.shape[0]
    return (4 * y.elements + sums) * element


def _attention_scratch(op: Any, x: Inputs, y: TensorSpec, element: int) -> int:
    return 6 * y.elements * element


def _windows(op: Any, x: Inputs) -> tuple[int, int]:
    """Elements of the map with whole windows, and of the scores between their positions."""
    sizes = [-(-n // w) * w for n, w in zip(x[0].spatial, op.window, strict=True)]
    return prod(sizes) * x[0].channels, prod(sizes) * prod(op.window) * op.heads


def _windows_keep(op: Any, x: Inputs, y: TensorSpec, element: int) -> int:
    """Windows, queries, keys, values and their mix, and the scores after softmax."""
    whole, scores = _windows(op, x)
    return (5 * whole + scores) * element


def _windows_scratch(op: Any, x: Inputs, y: TensorSpec, element: int) -> int:
    whole, scores = _windows(op, x)
    return (5 * whole + 2 * scores) * element


def _patches(op: Any, x: Inputs, y: TensorSpec, element: int) -> int:
    """The patches before and after their norm."""
    return 2 * y.elements // y.channels * 4 * x[0].channels * element


INPUTS, OUTPUT = ("input",), ("output",)
_VIEW = Behavior(view=True)
_NEW = Behavior()
BEHAVIOR: dict[str, Behavior] = {
    "conv": Behavior(INPUTS, scratch=_padded),
    "conv_transpose": Behavior(INPUTS),
    "linear": Behavior(INPUTS),
    "batch_norm": Behavior(INPUTS, kept=_statistics(lambda op, x: x.channels)),
    "layer_norm": Behavior(INPUTS, kept=_position_statistics, scratch=_position_statistics),
    "group_norm": Behavior(INPUTS, kept=_statistics(lambda op, x: op.groups)),
    "lrn": Behavior(INPUTS, kept=_squares_kept, scratch=_squares_scratch),
    "relu": Behavior(OUTPUT, overwrites=True),
    "relu6": Behavior(INPUTS, overwrites=True),
    "leaky_relu": Behavior(OUTPUT, overwrites=True),
    "elu": Behavior(OUTPUT, overwrites=True),
    "silu": Behavior(INPUTS, overwrites=True),
    "mish": Behavior(INPUTS, overwrites=True),
    "hard_swish": Behavior(INPUTS, overwrites=True),
    "hard_sigmoid": Behavior(INPUTS),
    "prelu": Behavior(INPUTS),
    "gelu": Behavior(INPUTS),
    "sigmoid": Behavior(OUTPUT),
    "tanh": Behavior(OUTPUT),
    "softmax": Behavior(OUTPUT),
    "max_pool": Behavior(INPUTS, kept=_indices, scratch=_pool_scratch),
    "avg_pool": Behavior(INPUTS, scratch=_padded),
    "adaptive_avg_pool": Behavior(INPUTS, unless=lambda op, y: set(y.spatial) == {1}),
    "adaptive_max_pool": Behavior(INPUTS, kept=_indices, scratch=_indices),
    "global_avg_pool": _NEW,
    "concat": _NEW,
    "add": Behavior(overwrites=True),
    "multiply": Behavior(INPUTS),
    "dropout": Behavior(passes=True, kept=_noise),
    "drop_path": Behavior(passes=True, kept=lambda op, x, y, element: element if op.rate else 0),
    "scale": _NEW,
    "layer_scale": Behavior(INPUTS),
    "identity": _VIEW,
    "flatten": _VIEW,
    "resize": _NEW,
    "pad": Behavior(INPUTS, unless=lambda op, y: op.mode == "zeros"),
    "pad_channels": _NEW,
    "crop": _VIEW,
    "slice": _VIEW,
    "channel_shuffle": _NEW,
    "pixel_shuffle": _NEW,
    "space_to_depth": _NEW,
    "reshape": _VIEW,
    "permute": _VIEW,
    "channels_last": _VIEW,
    "channels_first": _VIEW,
    "tokens": _VIEW,
    "class_token": _NEW,
    "position_embedding": _NEW,
    "token": _VIEW,
    "attention": Behavior(INPUTS, kept=_attention_keeps, scratch=_attention_scratch),
    "window_attention": Behavior(kept=_windows_keep, scratch=_windows_scratch),
    "patch_merging": Behavior(kept=_patches, scratch=_patches),
}  # fmt: skip
_WHOLE_NUMBERS = ("num_batches_tracked", "relative_position_index")
REWRITABLE = ("conv", "conv_transpose", "linear", "batch_norm", "group_norm", "concat", "add")


@dataclass(frozen=True)
class Memory:
    """Bytes for one batch.

    `weights`: parameters and buffers. `live`: by node, the activations alive while it runs in
    inference, the image among them; `peak` is the most, at the node `at`. `saved`: activations that
    training keeps until the backward pass; `gradients` and `optimizer`: of all parameters.
    """

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
        return self.live[self.at] if self.live else 0

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
    built = graph.select(graph.outputs, graph.aux)
    weights = sum(weight_bytes(built, element).values())
    parameters = analyze(built).total.parameters * element
    live = live_bytes(graph.select(graph.outputs), element)
    return Memory(
        weights,
        {id: batch * size for id, size in live.items()},
        batch * sum(saved_bytes(built, element).values()),
        parameters,
        optimizer_states * parameters,
    )


def weight_bytes(graph: Graph, element: int = ELEMENT) -> dict[str, int]:
    """By node, the bytes of its parameters and buffers; shared ones count where they come first."""
    sizes: dict[str, int] = {}
    seen: set[str] = set()
    for node in graph.nodes:
        weights = () if node.path in seen else node.weights
        sizes[node.id] = sum(
            weight.elements * (INDEX if weight.name in _WHOLE_NUMBERS else element)
            for weight in weights
        )
        seen.add(node.path)
    return sizes


def live_bytes(graph: Graph, element: int = ELEMENT) -> dict[str, int]:
    """By node, the bytes of activations alive while it runs, in the order of the graph."""
    homes = _homes(graph, training=False)
    ends = _last_uses(graph)
    leaving: dict[int, set[str]] = {}
    for id, end in _storage_ends(homes, ends).items():
        leaving.setdefault(end, set()).add(id)
    sizes = {id: graph.spec(id).elements * element for id in homes if homes[id] == id}
    now, live = sizes[INPUT], {}
    for position, node in enumerate(graph.nodes):
        behavior = BEHAVIOR[node.op.verb]
        now += sizes.get(node.id, 0)
        live[node.id] = now + behavior.scratch(node.op, graph.specs(node), node.output, element)
        now -= sum(sizes[id] for id in leaving.get(position, ()))
    return live


def moved_bytes(graph: Graph, element: int = ELEMENT) -> dict[str, int]:
    """By node, the bytes it reads and writes: inputs, weights, output; views move nothing."""
    moved = {}
    for node in graph.nodes:
        behavior = BEHAVIOR[node.op.verb]
        numbers = sum(spec.elements for spec in (*graph.specs(node), node.output))
        numbers += sum(weight.elements for weight in node.weights)
        moved[node.id] = 0 if behavior.view or behavior.passes else numbers * element
    return moved


def saved_bytes(graph: Graph, element: int = ELEMENT) -> dict[str, int]:
    """By node, the bytes training keeps of one image; what two nodes keep counts at the first."""
    homes, kept = _homes(graph, training=True), set()
    saved: dict[str, int] = {}
    for node in graph.nodes:
        behavior = BEHAVIOR[node.op.verb]
        size = behavior.kept(node.op, graph.specs(node), node.output, element)
        nothing = _is_constant(node) or behavior.unless(node.op, node.output)
        saves = () if nothing else behavior.saves
        overwritten = not behavior.view and homes[node.id] == homes[node.inputs[0]]
        if "input" in saves and overwritten:  # a copy, since the input is gone
            size += node.output.elements * element
        wanted = [homes[id] for id in node.inputs] if "input" in saves and not overwritten else []
        wanted += [homes[node.id]] if "output" in saves else []
        for home in wanted:
            size += 0 if home in kept else graph.spec(home).elements * element
            kept.add(home)
        saved[node.id] = size
    return saved


def _is_constant(node: Node) -> bool:
    """Whether nothing before the node learns, so that no gradient passes it."""
    return node.inputs == (INPUT,) and not node.weights


def _homes(graph: Graph, training: bool) -> dict[str, str]:
    """For every value the one whose memory it lies in: its own, or that of an earlier value."""
    homes = {INPUT: INPUT}
    for node in graph.nodes:
        behavior, first = BEHAVIOR[node.op.verb], node.inputs[0]
        before = graph.by_id.get(first)
        rewrites = (
            behavior.overwrites
            and before is not None
            and graph.uses[first] == 1
            and before.op.verb in REWRITABLE
            and before.output == node.output
        )
        shares = behavior.view or rewrites or (behavior.passes and not training)
        homes[node.id] = homes[first] if shares else node.id
    return homes


def _last_uses(graph: Graph) -> dict[str, int]:
    """The position of the node at whose end a value is let go.

    A value is in a variable of the `forward` of the innermost scope around what gives and what
    takes it. The result of a step takes the variable of its first input if nothing else needs that;
    any other variable is there until the `forward` is done. What stands in a list of modules is
    called by the `forward` around that.
    """
    chains: dict[str, tuple[str, ...]] = {"": ("",)}
    lists = _lists(graph)
    for scope in graph.scopes:
        around = chains[scope.parent]
        chains[scope.id] = around if scope.id in lists else (*around, scope.id)
    done: dict[str, int] = {}
    firsts: dict[str, str] = {}  # the first input of every scope
    for position, node in enumerate(graph.nodes):
        for scope_id in chains[node.scope]:
            done[scope_id] = position
    ends = {INPUT: len(graph.nodes)}
    last: dict[tuple[str, str], int] = {}  # of a value in a scope
    for position, node in enumerate(graph.nodes):
        last[node.id, node.scope] = position
        chain = chains[node.scope]
        for number, id in enumerate(node.inputs):
            source = chains[graph.by_id[id].scope] if id != INPUT else ("",)
            shared = len(chain) if source is chain else _shared(source, chain)
            for inner in chain[shared:]:
                firsts.setdefault(inner, id)
            step = chain[shared] if shared < len(chain) else ""
            first = firsts[step] == id if step else number == 0
            outer = chain[shared - 1]
            last[id, outer] = (done[step] if step else position) if first else done[outer]
    for (id, _), end in last.items():
        ends[id] = max(ends.get(id, 0), end)
    for id in graph.outputs.values():
        ends[id] = len(graph.nodes)
    return ends


def _lists(graph: Graph) -> set[str]:
    """The scopes of numbered modules of which several give what is used outside."""
    inside: dict[str, tuple[str, ...]] = {"": ()}
    numbered = set()
    for scope in graph.scopes:
        inside[scope.id] = (*inside[scope.parent], scope.id)
        if scope.kind in ("sequence", "repeat") and not scope.block:
            numbered.add(scope.id)
    numbered -= {scope.parent for scope in graph.scopes if not scope.name.isdigit()}
    numbered -= {node.scope for node in graph.nodes if node.weights and not node.name.isdigit()}
    taken = [(id, inside[node.scope]) for node in graph.nodes for id in node.inputs]
    taken += [(id, ()) for id in (*graph.outputs.values(), *graph.aux.values())]
    results: dict[str, set[str]] = {id: set() for id in numbered}
    for id, by in taken:
        for around in numbered.intersection(inside[graph.by_id[id].scope]) if id != INPUT else ():
            if around not in by:
                results[around].add(id)
    return {id for id, given in results.items() if len(given) > 1}


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many scopes, from the outermost on, two places have in common."""
    return sum(a == b for a, b in zip(one, other, strict=False))


def _storage_ends(homes: Mapping[str, str], ends: Mapping[str, int]) -> dict[str, int]:
    """When the memory of a value can go: with the last value that lies in it."""
    result: dict[str, int] = {}
    for id, home in homes.items():
        result[home] = max(result.get(home, 0), ends[id])
    return result
