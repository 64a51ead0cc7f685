"""Readers of pools and of what one number is left of along some axes."""

from typing import Any

from archdsl.importing.axes import axis_of
from archdsl.importing.readers import per_axis, reads
from archdsl.importing.recording import Recorder
from archdsl.importing.values import Unread, Value
from archdsl.ops import pool, reduce

# pools


def _pool(op: type[Any], input: Value, r: Recorder, sizes: Any, **settings: Any) -> Value:
    rank = input.spec.rank
    kernel, stride, padding = sizes
    stride = kernel if stride is None or stride == [] else stride
    values = {"kernel": kernel, "stride": stride, "padding": padding}
    given: dict[str, Any] = {name: per_axis(value, rank) for name, value in values.items()}
    return r.emit(op, input, **given, **settings)


@reads("max_pool1d", "max_pool2d", "max_pool3d")
def _max_pool(
    r: Recorder, input: Value, kernel_size: Any, stride: Any = None, padding: Any = 0,
    dilation: Any = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> Value:  # fmt: skip
    if return_indices:
        raise Unread("a pool that gives the places of the largest values, too")
    apart = per_axis(dilation, input.spec.rank)
    settings: dict[str, Any] = {} if set(apart) == {1} else {"dilation": apart}
    sizes = (kernel_size, stride, padding)
    return _pool(pool.MaxPool, input, r, sizes, ceil=ceil_mode, **settings)


@reads("avg_pool1d", "avg_pool2d", "avg_pool3d")
def _avg_pool(
    r: Recorder, input: Value, kernel_size: Any, stride: Any = None, padding: Any = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: Any = None,
) -> Value:  # fmt: skip
    if divisor_override is not None:
        raise Unread("a mean with a divisor of its own")
    sizes, counts = (kernel_size, stride, padding), count_include_pad
    return _pool(pool.AvgPool, input, r, sizes, ceil=ceil_mode, count_padding=counts)


def _adaptive(name: str, whole: type[Any], some: type[Any]) -> None:
    @reads(*(f"{name}{rank}d" for rank in (1, 2, 3)))
    def read(r: Recorder, input: Value, output_size: Any, return_indices: bool = False) -> Value:
        if return_indices:
            raise Unread("a pool that gives the places of the largest values, too")
        asked = per_axis(output_size, input.spec.rank) if output_size is not None else ()
        given = zip(asked or (None,) * input.spec.rank, input.spec.spatial, strict=True)
        size = tuple(n if wanted is None else wanted for wanted, n in given)
        if set(size) == {1}:
            return r.emit(whole, input)
        return r.emit(some, input, size=size)


_adaptive("adaptive_avg_pool", pool.GlobalAvgPool, pool.AdaptiveAvgPool)
_adaptive("adaptive_max_pool", pool.GlobalMaxPool, pool.AdaptiveMaxPool)


def _reduction(op: type[Any], *names: str) -> None:
    @reads(*names)
    def read(
        r: Recorder, input: Value, dim: Any = None, keepdim: bool = False, *,
        dtype: Any = None, axis: Any = None,
    ) -> Value:  # fmt: skip
        dim = axis if dim is None else dim
        if dim is None or dtype is not None:
            raise Unread(f"a {op.verb} over the whole batch, or in another precision")
        listed = [dim] if isinstance(dim, int) else list(dim)
        places = tuple(sorted(axis_of(input, d) for d in listed))
        spec, at = input.spec, input.at
        if at is not None and not keepdim:
            at -= sum(d % len(input.shape) < at for d in listed)
        whole = 1 <= spec.rank <= 3 and places == tuple(range(1, spec.rank + 1))
        if op is reduce.Mean and keepdim and spec.layout == "channels_first" and whole:
            made = r.emit(pool.GlobalAvgPool, input, name="avgpool")
        else:
            made = r.emit(op, input, axis=places, keepdim=keepdim, name=op.verb)
        return made.seen(at, input.folded)


@reads("max")
def _max(r: Recorder, input: Value, dim: Any = None, keepdim: bool = False) -> list[Value]:
    """The largest along an axis, and where they are, which no op says."""
    if not isinstance(dim, int):
        raise Unread("the largest of two tensors, or of all numbers")
    largest = r.functions["amax"](r, input, dim, keepdim)
    places = Value(
        largest.spec, problem="the places of the largest", at=largest.at, folded=largest.folded
    )
    return [largest, places]


_reduction(reduce.Mean, "mean")
_reduction(reduce.Sum, "sum")
_reduction(reduce.Max, "amax")
