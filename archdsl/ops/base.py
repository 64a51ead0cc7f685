"""What every op declares: its arguments, its output, its weights, its cost and a label."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import Field, dataclass, fields
from functools import lru_cache
from math import prod
from typing import Any, ClassVar, Literal, NamedTuple

from archdsl.ops.kinds import CHANNELS, KERNEL, ArgumentError, Kind
from archdsl.ops.reach import SAME, Arrangement, Reach
from archdsl.ops.storage import INPUTS, Storage
from archdsl.ops.strides import Lays, Strided, as_map, elementwise, rows
from archdsl.ops.tensor import TensorSpec


class ShapeError(Exception):
    """An op cannot take its input; `argument` is the one to blame, if one is."""

    def __init__(self, message: str, argument: str | None = None, help: str = "") -> None:
        super().__init__(message)
        self.message, self.argument, self.help = message, argument, help


class TooSmallError(ShapeError):
    """A window does not fit the map: what stands before has shrunk it too far."""


class Weight(NamedTuple):
    """A tensor that an op owns: `name` as in a state_dict, empty if that is the item's own."""

    name: str
    shape: tuple[int, ...]
    kind: Literal["parameter", "buffer"] = "parameter"
    whole: bool = False  # whether it holds whole numbers

    @property
    def elements(self) -> int:
        return prod(self.shape)


class Cost(NamedTuple):
    """What a node, a scope or a network costs, for one image.

    `parameters` and `buffers` are numbers of elements, `macs` multiply-accumulates, `activations`
    the elements of the outputs of the nodes.
    """

    nodes: int = 0
    parameters: int = 0
    buffers: int = 0
    macs: int = 0
    activations: int = 0

    def __add__(self, other: "Cost") -> "Cost":  # type: ignore[override]
        return sum_of((self, other))


def sum_of(costs: Iterable[Cost]) -> Cost:
    """What all cost together."""
    nodes = parameters = buffers = macs = activations = 0
    for cost in costs:
        nodes += cost[0]
        parameters += cost[1]
        buffers += cost[2]
        macs += cost[3]
        activations += cost[4]
    return Cost(nodes, parameters, buffers, macs, activations)


@dataclass(frozen=True)
class Op:
    """All that is true of an operation; what a subclass leaves out is that of an elementwise one.

    One without arguments is a plain subclass.
    """

    verb: ClassVar[str]
    inputs: ClassVar[int | None] = 1  # None: any number, at least two
    of_maps: ClassVar[bool] = False  # whether it takes maps only, their channels first
    stores: ClassVar[Storage] = INPUTS
    lays: ClassVar[Lays] = "elementwise"  # how its output lies in memory
    lends: ClassVar[bool] = False  # whether what takes its output may write over that
    drawn: ClassVar[str] = ""  # its role in a theme; "" where figures leave it out
    mixes: ClassVar[bool] = False  # whether a channel of the output reads other channels
    gates: ClassVar[bool] = False  # whether the whole of its input acts on every position besides
    constant: ClassVar[bool] = False  # whether it is the same whatever its input holds
    fitted: ClassVar[bool] = False  # whether its module is of so many channels, weights or none

    def require(self, x: TensorSpec) -> None:
        """Raises ShapeError where the first input has axes that it takes at no size."""
        if self.of_maps:
            require_map(self, x)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        """The output for these inputs; raises ShapeError if there is none."""
        self.require(inputs[0])
        return inputs[0]

    def weights(self, *inputs: TensorSpec) -> tuple[Weight, ...]:
        """Parameters and buffers, in the order of a state_dict."""
        return ()

    def serves(self, inputs: Sequence[TensorSpec], others: Sequence[TensorSpec]) -> bool:
        """Whether one module with one set of weights can take inputs of both shapes."""
        kinds = [
            [(x.rank, x.layout, x.channels if self.fitted else 0) for x in specs]
            for specs in (inputs, others)
        ]
        return kinds[0] == kinds[1] and self.weights(*inputs) == self.weights(*others)

    def macs(self, output: TensorSpec, *inputs: TensorSpec) -> int:
        """Multiply-accumulates of weights with the input, and of matrix products of inputs.

        `output` is what `infer` gives for these inputs.
        """
        return 0

    def cost(
        self, weights: Sequence[Weight], output: TensorSpec, inputs: Sequence[TensorSpec]
    ) -> Cost:
        """What it costs with the weights and the output that it has for these inputs."""
        parameters = buffers = 0
        for weight in weights:
            if weight.kind == "parameter":
                parameters += weight.elements
            else:
                buffers += weight.elements
        return Cost(1, parameters, buffers, self.macs(output, *inputs), output.elements)

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        """Where its output lies and what its backward pass needs, for these tensors."""
        return self.stores

    def strides(self, output: TensorSpec, *inputs: Strided) -> Strided:
        """How its output lies in memory, for inputs that lie so."""
        sizes = (inputs[0].sizes[0], *output.shape)
        if self.lays == "map":
            return as_map(sizes, inputs[0])
        fit = self.lays == "elementwise" and all(x.fits(sizes) for x in inputs)
        return elementwise(sizes, inputs) if fit else rows(sizes)

    def copies(self, learns: bool, output: TensorSpec, *inputs: Strided) -> Mapping[int, int]:
        """How many numbers it copies of inputs that do not lie as it needs them, by their place.

        In training it keeps such a copy, not the input; a view is a copy then. `learns` says
        whether its weights have gradients.
        """
        return {}

    def reach(self, axis: int, output: TensorSpec, *inputs: TensorSpec) -> Reach | None:
        """What a position reads along a spatial axis of the first input; None: all of it.

        What an input of a join has once along an axis is read by every position there.
        """
        return SAME

    def through(
        self, number: int, output: TensorSpec, *inputs: TensorSpec
    ) -> "tuple[Reach | None, ...] | None":
        """What a position reads of an input, by all axes of that, channels among them.

        An axis is `GONE` that the output lacks. None: as `mixes` and `reach` say.
        """
        return None

    def arrangement(self, *inputs: TensorSpec) -> Arrangement | None:
        """How it moves values that it does not change; None if that is not what it does."""
        return None

    def role(self) -> str:
        """Its role in a theme, "" where figures leave it out."""
        return self.drawn

    def label(self) -> str:
        """A few words for figures and tables."""
        return self.verb.replace("_", " ")


_ARGUMENTS: dict[type[Op], dict[str, Field[Any]]] = {}


def arguments(op: type[Op]) -> dict[str, Field[Any]]:
    """The arguments of an op by name, in order."""
    if op not in _ARGUMENTS:
        _ARGUMENTS[op] = {field.name: field for field in fields(op)}
    return _ARGUMENTS[op]


def kind(op: type[Op], name: str) -> Kind:
    """The kind of one argument."""
    found: Kind = arguments(op)[name].metadata["kind"]
    return found


def construct(op: type[Op], values: Mapping[str, Any], x: TensorSpec) -> Op:
    """An op from the values of its arguments, normalised for the rank of its first input.

    Raises ArgumentError for a value that cannot be taken; a required argument must be there.
    """
    try:
        key = (op, x.channels, x.rank, *[(n, _typed(value)) for n, value in values.items()])
        if key in _MADE:
            return _MADE[key]
    except TypeError:  # a value that no op takes, which cannot be a key
        return _construct(op, values, x.channels, x.rank)
    if len(_MADE) >= _KEPT:
        _MADE.clear()
    made = _MADE[key] = _construct(op, values, x.channels, x.rank)
    return made


_KEPT = 4_000  # ops and their facts, which most networks have fewer of
_MADE: dict[tuple[Any, ...], Op] = {}  # by class, channels and rank, and the values as written


def _typed(value: Any) -> Any:
    """A value as a key that tells `1` from `true`."""
    if isinstance(value, list):
        return (list, *map(_typed, value))
    if isinstance(value, dict):
        return (dict, *[(name, _typed(part)) for name, part in value.items()])
    return type(value), repr(value) if isinstance(value, float) else value  # 0.0 is not -0.0


def _construct(op: type[Op], values: Mapping[str, Any], channels: int, rank: int) -> Op:
    settled: dict[str, Any] = {}
    for name, declared in arguments(op).items():
        default = declared.default
        value = values.get(name, channels if default is CHANNELS else default)
        if value is KERNEL:
            settled[name] = settled["kernel"]
        elif value is None and default is None:
            settled[name] = None
        else:
            try:
                settled[name] = declared.metadata["kind"].read(value, rank)
            except ArgumentError as error:
                error.argument = name
                raise
    return op(**settled)


class Facts(NamedTuple):
    """What an op has for some inputs."""

    output: TensorSpec
    weights: tuple[Weight, ...]
    cost: Cost


@lru_cache(maxsize=_KEPT)
def facts(op: Op, inputs: tuple[TensorSpec, ...]) -> Facts:
    """What an op has for some inputs, worked out once; raises ShapeError if it cannot take them."""
    output, weights = op.infer(*inputs), op.weights(*inputs)
    return Facts(output, weights, op.cost(weights, output, inputs))


def window(
    size: int,
    kernel: int,
    stride: int,
    padding: int | str,
    dilation: int = 1,
    ceil_mode: bool = False,
) -> int:
    """How many windows fit along one axis: `floor((n + 2p - d(k - 1) - 1) / s) + 1`.

    With `ceil_mode` the last window may hang over the end, if it starts inside the input or its
    left padding. `same` pads as TensorFlow does, to `ceil(n / s)`.
    """
    if isinstance(padding, str):
        return -(-size // stride)
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    if ceil_mode and (count - 1) * stride >= size + padding:
        count -= 1
    return count


def require_map(op: Op, x: TensorSpec, argument: str | None = None) -> None:
    """Raises ShapeError unless `x` has spatial axes before which the channels stand."""
    if x.layout != "channels_first" or not 1 <= x.rank <= 3:
        raise ShapeError(f"{op.verb} needs a map, its input is {x}", argument)


def multiples(groups: int, channels: int) -> str:
    """Help where groups do not divide channels: the numbers of channels nearest to these."""
    below = channels // groups * groups
    near = f"{below} or {below + groups}" if below else str(groups)
    return f"the channels must be a multiple of the groups: {near}"


def times(sizes: tuple[int, ...]) -> str:
    """`3x3` from `(3, 3)`."""
    return "x".join(map(str, sizes))


def stride_label(stride: tuple[int, ...]) -> str:
    """`, /2` from `(2, 2)`, nothing for a stride of 1."""
    if set(stride) == {1}:
        return ""
    return f", /{stride[0] if len(set(stride)) == 1 else times(stride)}"
