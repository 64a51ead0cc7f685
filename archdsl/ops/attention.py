"""Attention over tokens and over windows of a map, channels last."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import ClassVar

from archdsl.ops.base import Op, ShapeError, Weight, times
from archdsl.ops.init import INIT, Init
from archdsl.ops.kinds import (
    AXES,
    BORDERS,
    CHANNELS,
    FLAG,
    POSITIVE,
    RATE,
    SHAPE,
    WHOLE,
    added,
    argument,
    words,
)
from archdsl.ops.reach import Reach, Reads
from archdsl.ops.storage import INPUTS, Storage
from archdsl.ops.strides import Lays
from archdsl.ops.tensor import TensorSpec
from archdsl.ops.tokens import require_tokens


def check_heads(heads: int, channels: int) -> None:
    """Raises ShapeError unless the channels can be given to the heads in equal parts."""
    if channels % heads:
        raise ShapeError(f"{heads} heads do not divide {channels} channels", "heads")


@dataclass(frozen=True)
class Attention(Op):
    """Self-attention with several heads, as `torch.nn.MultiheadAttention` on one input."""

    verb: ClassVar[str] = "attention"
    lays: ClassVar[Lays] = "rows"
    drawn: ClassVar[str] = "attention"
    mixes: ClassVar[bool] = True
    heads: int = argument(WHOLE, "number of heads")
    bias: bool = argument(FLAG, "adds learned offsets to all projections", True)
    dropout: float = argument(RATE, "probability of zeroing a weight of the attention", 0.0)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        (x,) = inputs
        require_tokens(self, x, 1)
        check_heads(self.heads, x.channels)
        return x

    def weights(self, *inputs: TensorSpec) -> tuple[Weight, ...]:
        c = inputs[0].channels
        entry, exit = Weight("in_proj_weight", (3 * c, c)), Weight("out_proj.weight", (c, c))
        if not self.bias:
            return entry, exit
        return entry, Weight("in_proj_bias", (3 * c,)), exit, Weight("out_proj.bias", (c,))

    def macs(self, output: TensorSpec, *inputs: TensorSpec) -> int:
        count, c = inputs[0].shape
        return 4 * count * c * c + 2 * count * count * c

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        """Queries, keys, values, their mix, a sum per head and token."""
        kept = 4 * output.elements + self.heads * output.shape[0]
        return replace(INPUTS, kept=kept, scratch=6 * output.elements)

    def reach(self, axis: int, output: TensorSpec, *inputs: TensorSpec) -> Reach | None:
        return None

    def label(self) -> str:
        return f"attention, {self.heads} heads"


@dataclass(frozen=True)
class WindowAttention(Op):
    """Self-attention inside shifted windows, with learned relative positions (Swin, 3.2).

    Where the map is no larger than a window there is one window and no shift. A map of three axes
    makes the window as small as itself (Video Swin, 3.2).
    """

    verb: ClassVar[str] = "window_attention"
    lays: ClassVar[Lays] = "rows"
    drawn: ClassVar[str] = "attention"
    mixes: ClassVar[bool] = True
    heads: int = argument(WHOLE, "number of heads")
    window: tuple[int, ...] = argument(AXES, "size of a window")
    shift: tuple[int, ...] = argument(BORDERS, "how far the windows are shifted", 0)
    init: Init | None = argument(
        INIT, "how the projections start; PyTorch's own way without it", None
    )

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        (x,) = inputs
        require_tokens(self, x, 3 if x.rank == 3 else 2)
        check_heads(self.heads, x.channels)
        if any(s >= w for s, w in zip(self.shift, self.window, strict=True)):
            raise ShapeError(f"a shift of {times(self.shift)} is not inside the window", "shift")
        return x

    def weights(self, *inputs: TensorSpec) -> tuple[Weight, ...]:
        c, area = inputs[0].channels, prod(self.window)
        index = (area, area) if inputs[0].rank == 3 else (area * area,)
        return (
            Weight(
                "relative_position_bias_table",
                (prod(2 * w - 1 for w in self.window), self.heads),
            ),
            Weight("relative_position_index", index, "buffer", whole=True),
            Weight("qkv.weight", (3 * c, c)),
            Weight("qkv.bias", (3 * c,)),
            Weight("proj.weight", (c, c)),
            Weight("proj.bias", (c,)),
        )

    def _window(self, x: TensorSpec) -> tuple[int, ...]:
        """The size of a window in this map."""
        return tuple(map(min, self.window, x.spatial)) if x.rank == 3 else self.window

    def _padded(self, x: TensorSpec) -> list[int]:
        """The size of the map in whole windows."""
        return [-(-n // w) * w for n, w in zip(x.spatial, self._window(x), strict=True)]

    def macs(self, output: TensorSpec, *inputs: TensorSpec) -> int:
        (x,) = inputs
        count = prod(self._padded(x))
        return 4 * count * x.channels**2 + 2 * count * prod(self._window(x)) * x.channels

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        """Windows, queries, keys, values and their mix, and the scores before and after softmax."""
        (x,) = inputs
        area, count = prod(self._window(x)), prod(self._padded(x))
        whole, scores = count * x.channels, count * area * self.heads
        scratch = max(5 * whole + 2 * scores, 6 * whole + scores) - output.elements
        made = area**2 * self.heads + self._mask(x)
        held = 2 * area**2 if area < prod(self.window) else 0  # which rows of the table are read
        fixed = Storage(kept=3 * whole + scores)
        kept = 5 * whole + scores
        return Storage(kept=kept, scratch=scratch, made=made, held=held, fixed=fixed)

    def _mask(self, x: TensorSpec) -> int:
        """How many numbers are as large as what says which positions the shift has put together."""
        sizes, windows = self._padded(x), self._window(x)
        shifts = zip(sizes, windows, self.shift, strict=True)
        if not any(shift and size > window for size, window, shift in shifts):
            return 0
        pairs = prod(sizes) * prod(windows)  # a byte for each
        return 4 * sum(sizes) + 2 * prod(sizes) + -(-pairs // 4)

    def reach(self, axis: int, output: TensorSpec, *inputs: TensorSpec) -> Reach | None:
        """Positions of a window see each other; the windows begin at the shift."""
        size, shift = self.window[axis], self.shift[axis]
        if inputs[0].spatial[axis] <= size:
            return None

        def of(place: int) -> Sequence[int]:
            start = (place - shift) // size * size + shift
            return range(start, start + size)

        return Reach(size, Reads(size, of))

    def label(self) -> str:
        return f"{times(self.window)} window attention, {self.heads} heads"


@dataclass(frozen=True)
class CosineWindowAttention(WindowAttention):
    """Window attention by a learned scale times the cosines of queries and keys (Swin V2, 3.2).

    The offset for two positions is what a small network makes of the logarithms of their distances
    (3.3).
    """

    verb: ClassVar[str] = "cosine_window_attention"
    hidden: int = argument(WHOLE, "hidden features of the network of the offsets", 512)

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        require_tokens(self, inputs[0], 2)
        output = super().infer(*inputs)
        if min(self.window) < 2:
            raise ShapeError("a window of one position has no distances", "window")
        return output

    def weights(self, *inputs: TensorSpec) -> tuple[Weight, ...]:
        _, index, *projections = super().weights(*inputs)
        rows, columns = (2 * w - 1 for w in self.window)
        return (
            Weight("logit_scale", (self.heads, 1, 1)),
            Weight("relative_coords_table", (1, rows, columns, 2), "buffer"),
            index,
            *projections,
            Weight("cpb_mlp.0.weight", (self.hidden, 2)),
            Weight("cpb_mlp.0.bias", (self.hidden,)),
            Weight("cpb_mlp.2.weight", (self.heads, self.hidden)),
        )

    def macs(self, output: TensorSpec, *inputs: TensorSpec) -> int:
        """With the offsets' network, once for all images."""
        return super().macs(output, *inputs) + self._distances * self.hidden * (2 + self.heads)

    @property
    def _distances(self) -> int:
        return prod(2 * w - 1 for w in self.window)

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        """Queries and keys before their division, too, their lengths, and scores before a scale.

        The offsets' network keeps its hidden features and what its sigmoid gives.
        """
        (x,) = inputs
        plain = super().storage(output, x)
        whole = prod(self._padded(x)) * x.channels
        scores = prod(self._padded(x)) * prod(self.window) * self.heads
        lengths = 4 * prod(self._padded(x)) * self.heads
        hidden, offsets = self._distances * self.hidden, self._distances * self.heads
        made = plain.made + offsets + 3 * x.channels + 2 * self.heads
        scratch = max(plain.scratch, 7 * whole + scores - output.elements)
        return replace(
            plain,
            scratch=scratch,
            kept=8 * whole + 2 * scores + lengths,
            held=hidden + prod(self.window) ** 2 * self.heads + self.heads,
            made=max(made, hidden + offsets - output.elements - scratch),
            fixed=Storage(kept=6 * whole + scores + lengths, held=self.heads),
        )

    def label(self) -> str:
        return f"{times(self.window)} cosine window attention, {self.heads} heads"


@dataclass(frozen=True)
class RelativeAttention(Op):
    """Self-attention over the positions of a window, with learned relative positions.

    The positions are those of a sequence, or of every sequence of `[groups, positions, channels]`:
    windows that a `reshape` has set apart (CoAtNet, 2.1; MaxViT, 3.2).
    """

    verb: ClassVar[str] = "relative_attention"
    lays: ClassVar[Lays] = "rows"
    drawn: ClassVar[str] = "attention"
    mixes: ClassVar[bool] = True
    heads: int = argument(WHOLE, "number of heads")
    window: tuple[int, ...] = argument(SHAPE, "rows and columns of the positions")
    scale: float | None = argument(
        POSITIVE, "factor of the products; 1 / sqrt(channels of a head) without it", None
    )
    init: Init | None = argument(
        INIT, "how the projections start; PyTorch's own way without it", None
    )

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        (x,) = inputs
        require_tokens(self, x, 2 if x.rank == 2 else 1)
        check_heads(self.heads, x.channels)
        if len(self.window) != 2 or min(self.window) < 1 or prod(self.window) != x.spatial[-1]:
            shown = times(self.window) or "nothing"
            message = f"{x.spatial[-1]} positions are no window of {shown}"
            help = "`tokens` makes one sequence of a map" if x.spatial == self.window else ""
            raise ShapeError(message, "window", help)
        return x

    def weights(self, *inputs: TensorSpec) -> tuple[Weight, ...]:
        c, area = inputs[0].channels, prod(self.window)
        offsets = prod(2 * w - 1 for w in self.window)
        return (
            Weight("relative_position_bias_table", (offsets, self.heads)),
            Weight("relative_position_index", (area, area), "buffer", whole=True),
            Weight("to_qkv.weight", (3 * c, c)),
            Weight("to_qkv.bias", (3 * c,)),
            Weight("merge.weight", (c, c)),
            Weight("merge.bias", (c,)),
        )

    def macs(self, output: TensorSpec, *inputs: TensorSpec) -> int:
        (x,) = inputs
        return 4 * x.elements * x.channels + 2 * x.elements * prod(self.window)

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        """Queries, keys, values and their mix, and the scores before and after softmax."""
        scores = self.heads * output.elements // output.channels * prod(self.window)
        kept = 4 * output.elements + scores
        return replace(INPUTS, kept=kept, scratch=5 * output.elements + 2 * scores)

    def reach(self, axis: int, output: TensorSpec, *inputs: TensorSpec) -> Reach | None:
        """All positions see each other; those of another group are not seen."""
        return None if axis == output.rank - 1 else super().reach(axis, output, *inputs)

    def label(self) -> str:
        return f"{times(self.window)} relative attention, {self.heads} heads"


@dataclass(frozen=True)
class PatchMerging(Op):
    """Joins every 2x2 patch into one position: layer norm, then a projection (Swin, 3.1)."""

    verb: ClassVar[str] = "patch_merging"
    lays: ClassVar[Lays] = "rows"
    drawn: ClassVar[str] = "linear"
    mixes: ClassVar[bool] = True
    out: int = argument(WHOLE, "output channels", CHANNELS)
    eps: float = argument(RATE, "added to the variance", 1e-5)
    init: Init | None = argument(INIT, "how the weight starts; PyTorch's own way without it", None)
    norm: str = added(
        words("before", "after"), "whether the norm is before the projection or after it", "before"
    )

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        (x,) = inputs
        require_tokens(self, x, 2)
        return TensorSpec((*(-(-n // 2) for n in x.spatial), self.out), "channels_last")

    def weights(self, *inputs: TensorSpec) -> tuple[Weight, ...]:
        c = 4 * inputs[0].channels
        normed = (c if self.norm == "before" else self.out,)
        return (
            Weight("reduction.weight", (self.out, c)),
            Weight("norm.weight", normed),
            Weight("norm.bias", normed),
        )

    def macs(self, output: TensorSpec, *inputs: TensorSpec) -> int:
        return output.elements * 4 * inputs[0].channels

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        """The patches before and after their norm, with its means and deviations."""
        positions, channels = output.elements // output.channels, 4 * inputs[0].channels
        patches, statistics = positions * channels, 2 * positions
        if self.norm == "after":  # the patches, and what is projected of them
            kept = output.elements + statistics
            scratch = max(
                2 * patches - output.elements, patches
            )  # the map copied, then its patches
            return Storage(kept=patches + kept, scratch=scratch, fixed=Storage(kept=kept))
        kept = 2 * patches + statistics
        scratch = max(kept - output.elements, patches)  # norm, then projection
        return Storage(kept=kept, scratch=scratch, fixed=Storage(kept=patches + statistics))

    def reach(self, axis: int, output: TensorSpec, *inputs: TensorSpec) -> Reach | None:
        return Reach(2, (range(2),))
