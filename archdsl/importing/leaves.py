"""Modules that are one op as a whole: by their class, if they are set as the op's own module is.

Layers of PyTorch are not here: their functions say what they are. These do several things, or
nothing in evaluation.
"""

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from torch import nn

from archdsl.importing.axes import first, last
from archdsl.importing.readers import owner
from archdsl.importing.recording import Helper, Recorder
from archdsl.importing.values import Learned, Reader, Unread, Value
from archdsl.ops import attention, conv, join, norm, pool, pooled, regularize, tokens
from archdsl.pytorch.allowed import prelude

LEAVES: dict[str, Reader] = {}


def reads(*names: str) -> Callable[[Reader], Reader]:
    def add(reader: Reader) -> Reader:
        LEAVES.update(dict.fromkeys(names, reader))
        return reader

    return add


def leaf(module: nn.Module) -> Reader | None:
    """What reads a module of this class as one op, if anything does."""
    kind = type(module)
    if kind.__name__ in prelude() and _is_prelude(kind):
        return LEAVES.get(f"prelude.{kind.__name__}")
    package = kind.__module__.partition(".")[0]
    return LEAVES.get(f"{package}.{kind.__name__}")


def helpers(modules: Iterable[nn.Module]) -> Iterator[Helper]:
    """The functions that are one op beside the classes of these modules, with their readers."""
    seen: set[str] = set()
    for module in modules:
        place = type(module).__module__
        if place in seen or place not in sys.modules:
            continue
        seen.add(place)
        for name, found in [*vars(sys.modules[place]).items()]:
            reader = _of_function(found) if inspect.isfunction(found) else None
            if reader is not None:
                yield sys.modules[place], name, found, reader


def _of_function(found: Any) -> Reader | None:
    """What reads a call of a function as one op: one of our sources, or of a package."""
    name = found.__name__
    if name in prelude() and _is_prelude(found):
        return LEAVES.get(f"prelude.{name}")
    return LEAVES.get(f"{(found.__module__ or '').partition('.')[0]}.{name}")


def _is_prelude(kind: Any) -> bool:
    """Whether a class or function is what sources of ours carry under this name."""
    try:
        return inspect.getsource(kind).strip() == prelude()[kind.__name__].strip()
    except (OSError, TypeError):
        return False


@reads("torchvision.StochasticDepth")
def _stochastic_depth(r: Recorder, path: str, module: Any, input: Value) -> Value:
    if module.mode != "row":
        raise Unread("it drops the whole batch")
    return r.emit(regularize.DropPath, input, rate=module.p)


@reads("timm.DropPath")
def _drop_path(r: Recorder, path: str, module: Any, x: Value) -> Value:
    if not module.scale_by_keep:
        raise Unread("it does not scale up what is left")
    return r.emit(regularize.DropPath, x, rate=module.drop_prob or 0.0)


@reads("prelude.DropPath")
def _our_drop_path(r: Recorder, path: str, module: Any, x: Value) -> Value:
    return r.emit(regularize.DropPath, x, rate=module.p)


@reads("torchvision.FrozenBatchNorm2d", "prelude.FrozenBatchNorm")
def _frozen(r: Recorder, path: str, module: Any, x: Value) -> Value:
    affine = module.weight is not None
    return r.emit(
        norm.BatchNorm, first(r, x), path=path, eps=module.eps, affine=affine, frozen=True
    )


@reads("timm.rms_norm2d", "timm.fast_rms_norm2d")
def _rms_norm_of_maps(
    r: Recorder, x: Value, normalized_shape: Sequence[int], weight: Any = None, eps: float = 1e-5
) -> Value:
    path = "" if weight is None else owner(weight)
    return r.emit(norm.RmsNorm, first(r, x), path=path, eps=eps, affine=weight is not None)


@reads("torch.MultiheadAttention")
def _attention(
    r: Recorder, path: str, module: Any, query: Value, key: Any, value: Any,
    key_padding_mask: Any = None, need_weights: bool = True, attn_mask: Any = None,
    average_attn_weights: bool = True, is_causal: bool = False,
) -> Any:  # fmt: skip
    plain = query is key and query is value and module.batch_first
    if not plain or key_padding_mask is not None or attn_mask is not None or is_causal:
        raise Unread("attention of several tensors, with a mask, or with the batch in the middle")
    if module.bias_k is not None or module.add_zero_attn or need_weights:
        raise Unread("attention with more keys, or that gives its weights")
    made = r.emit(
        attention.Attention, last(r, query), path=path, heads=module.num_heads,
        bias=module.in_proj_bias is not None, dropout=module.dropout,
    )  # fmt: skip
    return (made, None)


@reads(
    "torchvision.ShiftedWindowAttention", "torchvision.ShiftedWindowAttention3d",
    "torchvision.ShiftedWindowAttentionV2",
)  # fmt: skip
def _window_attention(r: Recorder, path: str, module: Any, x: Value) -> Value:
    title = type(module).__name__
    if not title.startswith("ShiftedWindowAttention") or module.attention_dropout or module.dropout:
        raise Unread("another attention in windows")
    made: dict[str, Any] = {
        "path": path,
        "heads": module.num_heads,
        "window": tuple(module.window_size),
        "shift": tuple(module.shift_size),
    }
    if title != "ShiftedWindowAttentionV2":
        return r.emit(attention.WindowAttention, last(r, x), **made)
    hidden = module.cpb_mlp[0].out_features
    return r.emit(attention.CosineWindowAttention, last(r, x), hidden=hidden, **made)


@reads("prelude.WindowAttention", "prelude.WindowAttention3d")
def _our_window_attention(r: Recorder, path: str, module: Any, x: Value) -> Value:
    return r.emit(
        attention.WindowAttention, last(r, x), path=path, heads=module.heads,
        window=tuple(module.window), shift=tuple(module.shift),
    )  # fmt: skip


@reads("prelude.CosineWindowAttention")
def _our_cosine_window_attention(r: Recorder, path: str, module: Any, x: Value) -> Value:
    return r.emit(
        attention.CosineWindowAttention, last(r, x), path=path, heads=module.heads,
        window=tuple(module.window), shift=tuple(module.shift),
        hidden=module.cpb_mlp[0].out_features,
    )  # fmt: skip


@reads("torchvision.RelativePositionalMultiHeadAttention")
def _relative_attention(r: Recorder, path: str, module: Any, x: Value) -> Value:
    return r.emit(
        attention.RelativeAttention, last(r, x), path=path, heads=module.n_heads,
        window=(module.size, module.size), scale=module.scale_factor,
    )  # fmt: skip


@reads("prelude.RelativeAttention")
def _our_relative_attention(r: Recorder, path: str, module: Any, x: Value) -> Value:
    return r.emit(
        attention.RelativeAttention, last(r, x), path=path, heads=module.heads,
        window=tuple(module.window), scale=module.scale,
    )  # fmt: skip


@reads("torchvision.MultiscaleAttention")
def _pooled_attention(
    r: Recorder, path: str, module: Any, x: Value, thw: Sequence[int]
) -> tuple[Value, None]:
    pools = [module.pool_k, module.pool_q]
    norms = [pool.norm_act[0] for pool in (*pools, module.pool_v) if pool is not None]
    alike = {(type(norm), norm.eps) for norm in norms}
    if (
        len(module.project) > 1
        or len(alike) > 1
        or any(kind is not nn.LayerNorm for kind, _ in alike)
    ):
        raise Unread("pooled attention with a dropout or another norm")
    residual = "all" if module.residual_with_cls_embed else "positions"
    names = ("kernel", "stride"), ("query_kernel", "query_stride")
    sizes: dict[str, Any] = {}
    for (kernel, stride), one in zip(names, pools, strict=True):
        if one is not None:
            sizes |= {kernel: one.pool.kernel_size, stride: one.pool.stride, "eps": norms[0].eps}
    made = r.emit(
        pooled.PooledAttention, last(r, x), path=path, heads=module.num_heads, size=tuple(thw),
        out=module.output_dim, residual=residual if module.residual_pool else "none",
        relative=module.rel_pos_h is not None, **sizes,
    )  # fmt: skip
    return made, None


@reads("prelude.PooledAttention")
def _our_pooled_attention(r: Recorder, path: str, module: Any, x: Value) -> Value:
    names = ("kernel", "stride", "query_kernel", "query_stride")
    sizes = {name: getattr(module, name) for name in names if getattr(module, name) is not None}
    return r.emit(
        pooled.PooledAttention, last(r, x), path=path, heads=module.heads, size=module.size,
        out=module.project[0].out_features, residual=module.residual, relative=module.relative,
        eps=module.eps, **sizes,
    )  # fmt: skip


@reads("torchvision.PatchMerging", "torchvision.PatchMergingV2", "prelude.PatchMerging")
def _patch_merging(r: Recorder, path: str, module: Any, x: Value) -> Value:
    if type(module.norm) is not nn.LayerNorm:
        raise Unread("another norm")
    out, eps = module.reduction.out_features, module.norm.eps
    before = getattr(module, "before", type(module).__name__ != "PatchMergingV2")
    norm = "before" if before else "after"
    return r.emit(attention.PatchMerging, last(r, x), path=path, out=out, eps=eps, norm=norm)


@reads("prelude.BlurPool")
def _our_blur_pool(r: Recorder, path: str, module: Any, x: Value) -> Value:
    mode = "zeros" if module.mode == "constant" else module.mode
    kernel = len(module.row)
    return r.emit(pool.BlurPool, x, kernel=kernel, stride=module.stride, mode=mode)


@reads("timm.BlurPool2d")
def _blur_pool(r: Recorder, path: str, module: Any, x: Value) -> Value:
    mode = {"constant": "zeros"}.get(module.pad_mode, module.pad_mode)
    return r.emit(pool.BlurPool, x, kernel=module.filt_size, stride=module.stride, mode=mode)


@reads("timm.PositionalEncodingFourier")
def _position_grid_projected(r: Recorder, path: str, module: Any, *sizes: Any) -> Value:
    _, *size = sizes[0] if len(sizes) == 1 else sizes
    grid = r.emit(
        tokens.PositionGrid, r.map_of(tuple(size)), out=2 * module.hidden_dim,
        temperature=float(module.temperature),
    )  # fmt: skip
    layer = module.token_projection
    settings = _convolution(layer, _kept(layer))
    return r.emit(conv.Conv, grid, path=f"{path}.token_projection", **settings)


@reads("timm.MaxPool2dSame")
def _timm_pool_same(r: Recorder, path: str, module: Any, x: Value) -> Value:
    if module.ceil_mode or set(module.dilation) != {1}:
        raise Unread("a pool with gaps, or of parts")
    sizes = {"kernel": module.kernel_size, "stride": module.stride, "padding": "same"}
    return r.emit(pool.MaxPool, x, **sizes)


@reads("prelude.MaxPoolSame", "prelude.AvgPoolSame")
def _pool_same(r: Recorder, path: str, module: Any, x: Value) -> Value:
    sizes = {"kernel": module.kernel_size, "stride": module.stride, "padding": "same"}
    dilation = getattr(module, "dilation", None)
    if dilation is None:
        return r.emit(pool.AvgPool, x, **sizes)
    apart = {} if set(dilation) == {1} else {"dilation": dilation}
    return r.emit(pool.MaxPool, x, **sizes, **apart)


def _convolution(module: Any, padding: Any) -> dict[str, Any]:
    return {
        "kernel": module.kernel_size, "out": module.out_channels, "stride": module.stride,
        "padding": padding, "dilation": module.dilation, "groups": module.groups,
        "bias": module.bias is not None,
    }  # fmt: skip


@reads(
    *(f"prelude.Conv{rank}dSame" for rank in (1, 2, 3)), "timm.Conv2dSame",
    "timm.Conv2dSameExport",
)  # fmt: skip
def _conv_same(r: Recorder, path: str, module: Any, x: Value) -> Value:
    return r.emit(conv.Conv, first(r, x), path=path, **_convolution(module, "same"))


def _kept(module: Any) -> Any:
    """The padding of a convolution, `auto` where it keeps the size."""
    sizes = zip(module.kernel_size, module.dilation, strict=True)
    keeps = tuple(d * (k - 1) // 2 for k, d in sizes)
    odd = all(k % 2 for k in module.kernel_size)
    return "auto" if odd and tuple(module.padding) == keeps else tuple(module.padding)


@reads(*(f"prelude.StdConv{rank}d" for rank in (1, 2, 3)))
def _our_std_conv(r: Recorder, path: str, module: Any, x: Value) -> Value:
    padding = "same" if module.same else _kept(module)
    return r.emit(
        conv.StandardConv, x, path=path, **_convolution(module, padding), eps=module.eps,
        gain=module.gain is not None, gamma=module.gamma,
    )  # fmt: skip


@reads("timm.StdConv2d", "timm.StdConv2dSame", "timm.ScaledStdConv2d", "timm.ScaledStdConv2dSame")
def _std_conv(r: Recorder, path: str, module: Any, x: Value) -> Value:
    same = getattr(module, "same_pad", type(module).__name__ == "StdConv2dSame")
    settings = _convolution(module, "same" if same else _kept(module))
    if getattr(module, "gain", None) is None:
        return r.emit(conv.StandardConv, x, path=path, **settings, eps=module.eps)
    fan_in = module.weight[0].numel()
    gamma = module.scale * fan_in**0.5
    return r.emit(
        conv.StandardConv, x, path=path, **settings, eps=module.eps, gain=True, gamma=gamma
    )


@reads("prelude.Scale")
def _scale(r: Recorder, path: str, module: Any, x: Value) -> Value:
    return r.emit(regularize.Scale, x, factor=module.factor)


@reads("prelude.Tokens")
def _tokens(r: Recorder, path: str, module: Any, x: Value) -> Value:
    return r.emit(tokens.Tokens, x)


@reads("prelude.weighted_sum")
def _weighted_sum(
    r: Recorder, weight: Learned, maps: Sequence[Value], normalize: str, eps: float
) -> Value:
    return r.emit(join.WeightedAdd, *maps, path=weight.key, normalize=normalize, eps=eps)


@reads("prelude.max_unpool")
def _max_unpool(
    r: Recorder, x: Value, pooled: Value, kernel: Any, stride: Any, padding: Any
) -> Value:
    sizes = {"kernel": kernel, "stride": stride, "padding": padding}
    return r.emit(pool.MaxUnpool, x, pooled, **sizes, like=True)


@reads("prelude.position_grid")
def _position_grid(
    r: Recorder, x: Value, channels: int, temperature: float, normalize: bool
) -> Value:
    settings: dict[str, Any] = {"temperature": temperature, "normalize": normalize}
    return r.emit(tokens.PositionGrid, x, out=channels, **settings)
