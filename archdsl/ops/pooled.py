"""Attention of tokens that pools its queries, keys and values."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import ClassVar

from archdsl.ops.attention import check_heads
from archdsl.ops.base import Op, ShapeError, Weight, times, window
from archdsl.ops.init import INIT, Init
from archdsl.ops.kinds import CHANNELS, FLAG, RATE, SHAPE, WHOLE, argument, words
from archdsl.ops.reach import Reach
from archdsl.ops.storage import INPUTS, Storage
from archdsl.ops.strides import Lays
from archdsl.ops.tensor import TensorSpec
from archdsl.ops.tokens import require_tokens

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class PooledAttention(Op):
    """Self-attention with several heads whose queries, keys and values are pooled (MViT, 3.1).

    The first token is the class token, which is not pooled; the others are those of a map of three
    axes. A pool is a depthwise convolution padded by half its kernel, then a layer norm.
    """

    verb: ClassVar[str] = "pooled_attention"
    lays: ClassVar[Lays] = "rows"
    drawn: ClassVar[str] = "attention"
    mixes: ClassVar[bool] = True
    heads: int = argument(WHOLE, "number of heads")
    size: Sizes = argument(SHAPE, "size of the map that the tokens behind the first are of")
    out: int = argument(WHOLE, "output channels", CHANNELS)
    kernel: Sizes | None = argument(
        SHAPE, "kernel of the pools of keys and values; none without it", None
    )
    stride: Sizes | None = argument(SHAPE, "step of these pools; 1 without it", None)
    query_kernel: Sizes | None = argument(
        SHAPE, "kernel of the pool of queries; none without it", None
    )
    query_stride: Sizes | None = argument(SHAPE, "step of this pool; 1 without it", None)
    residual: str = argument(
        words("none", "all", "positions"),
        "adds the queries to what they find: of no token, of all, of all but the first",
        "none",
    )
    relative: bool = argument(FLAG, "learned relative positions along every axis", False)
    eps: float = argument(RATE, "added to the variance by the norms", 1e-5)
    init: Init | None = argument(
        INIT, "how the projections start; PyTorch's own way without it", None
    )

    def infer(self, *inputs: TensorSpec) -> TensorSpec:
        (x,) = inputs
        require_tokens(self, x, 1)
        check_heads(self.heads, self.out)
        if len(self.size) != 3 or min(self.size) < 1 or prod(self.size) + 1 != x.shape[0]:
            shown = times(self.size) or "nothing"
            raise ShapeError(f"{x.shape[0]} tokens are not one and a map of {shown}", "size")
        for name in ("kernel", "query_kernel"):
            self._require_pool(name, name.replace("kernel", "stride"))
        return TensorSpec((prod(self.queries) + 1, self.out), "channels_last")

    def _require_pool(self, kernel: str, stride: str) -> None:
        """Raises ShapeError for a pool that has not three sizes, each 1 or more."""
        wide, step = getattr(self, kernel), getattr(self, stride)
        for name, sizes in ((kernel, wide), (stride, step)):
            if sizes is not None and (len(sizes) != 3 or min(sizes) < 1):
                raise ShapeError(f"a {name} of {times(sizes) or 'nothing'} for three axes", name)
        if wide is None and step is not None:
            raise ShapeError(f"there is no {kernel} that takes steps", stride)

    def _pooled(self, kernel: Sizes | None, stride: Sizes | None) -> Sizes:
        if kernel is None:
            return self.size
        sizes = zip(self.size, kernel, stride or (1, 1, 1), strict=True)
        return tuple(window(n, k, s, k // 2) for n, k, s in sizes)

    @property
    def queries(self) -> Sizes:
        """The size of the map of queries, which is that of the output."""
        return self._pooled(self.query_kernel, self.query_stride)

    @property
    def keys(self) -> Sizes:
        """The size of the map of keys and values."""
        return self._pooled(self.kernel, self.stride)

    def _pools(self) -> Iterator[tuple[str, Sizes, Sizes]]:
        """The name of every pool, its kernel, and the size of what it gives."""
        pools = (
            ("q", self.query_kernel, self.queries),
            *[(n, self.kernel, self.keys) for n in "kv"],
        )
        yield from ((name, kernel, size) for name, kernel, size in pools if kernel is not None)

    def weights(self, *inputs: TensorSpec) -> tuple[Weight, ...]:
        c, each = inputs[0].channels, self.out // self.heads
        found = []
        if self.relative:
            rows = [2 * max(pair) - 1 for pair in zip(self.queries, self.keys, strict=True)]
            tables = zip("hwt", (*rows[1:], rows[0]), strict=True)
            found = [Weight(f"rel_pos_{axis}", (count, each)) for axis, count in tables]
        found += [Weight("qkv.weight", (3 * self.out, c)), Weight("qkv.bias", (3 * self.out,))]
        found += [Weight("project.0.weight", (self.out, self.out))]
        found += [Weight("project.0.bias", (self.out,))]
        for name, kernel, _ in self._pools():
            norm = f"pool_{name}.norm_act.0"
            found.append(Weight(f"pool_{name}.pool.weight", (each, 1, *kernel)))
            found += [Weight(f"{norm}.weight", (each,)), Weight(f"{norm}.bias", (each,))]
        return tuple(found)

    def macs(self, output: TensorSpec, *inputs: TensorSpec) -> int:
        (x,) = inputs
        queries, keys = prod(self.queries), prod(self.keys)
        pools = sum(prod(size) * prod(kernel) for _, kernel, size in self._pools())
        products = 2 * (queries + 1) * (keys + 1) + queries * sum(self.keys) * self.relative
        projections = 3 * x.elements + output.elements
        return self.out * (projections + pools + products)

    def storage(self, output: TensorSpec, *inputs: TensorSpec) -> Storage:
        """Tokens before and after their pools, what these convolve, the scores, and their mix.

        Relative positions keep the queries for every axis, and the rows of their tables.
        """
        tokens, queries, keys = inputs[0].shape[0], output.shape[0], prod(self.keys) + 1
        counts = [prod(size) + 1 for _, _, size in self._pools()]
        convolved, pooled = len(counts) * (tokens - 1) * self.out, sum(counts) * self.out
        scores = self.heads * queries * keys
        kept = convolved + pooled + 2 * sum(counts) * self.heads + scores
        kept += self.out * (2 * queries + 2 * keys)
        alive = 3 * tokens * self.out + pooled
        mixed = 2 * scores + (0 if self.kernel else keys * self.out)
        scratch = max(mixed, bool(counts) * (tokens - 1) * self.out - output.elements)
        if not self.relative:
            return replace(INPUTS, kept=kept, scratch=alive + scratch)
        pairs = [q * k for q, k in zip(self.queries, self.keys, strict=True)]
        each = self.out // self.heads
        offsets = (queries - 1) * self.heads * (2 * (keys - 1) + sum(self.keys))
        return replace(
            INPUTS,
            kept=kept + 3 * (queries - 1) * self.out,
            scratch=alive + max(scratch, scores + offsets - output.elements),
            held=sum(pairs) * (each + 2),
            made=sum(pairs) * each,
        )

    def reach(self, axis: int, output: TensorSpec, *inputs: TensorSpec) -> Reach | None:
        return None

    def label(self) -> str:
        return f"pooled attention, {self.heads} heads"
