"""A graph run node by node with torch's functions, nothing in place: what modules must equal."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from archdsl.graph.graph import Graph, Node

Weights = dict[str, Tensor]
Rule = Callable[[Any, dict[str, Tensor], list[Tensor]], Tensor]


def same(x: Tensor, op: Any, dilation: tuple[int, ...], value: float) -> Tensor:
    """TensorFlow's padding: `max((ceil(n / s) - 1) s + d (k - 1) + 1 - n, 0)`, the odd one last."""
    for axis, (k, s, d) in enumerate(zip(op.kernel, op.stride, dilation, strict=True), 2):
        n = x.shape[axis]
        total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        for width, first in ((total // 2, True), (total - total // 2, False)):
            border = x.new_full([width if a == axis else m for a, m in enumerate(x.shape)], value)
            x = torch.cat([border, x] if first else [x, border], axis)
    return x


def conv(op: Any, w: Weights, x: list[Tensor]) -> Tensor:
    run = (F.conv1d, F.conv2d, F.conv3d)[x[0].ndim - 3]
    padding, given = op.pad, x[0]
    if padding == "same":
        given, padding = same(given, op, op.dilation, 0.0), 0
    return run(given, w["weight"], w.get("bias"), op.stride, padding, op.dilation, op.groups)


def conv_transpose(op: Any, w: Weights, x: list[Tensor]) -> Tensor:
    run = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[x[0].ndim - 3]
    sizes = op.stride, op.padding, op.output_padding, op.groups, op.dilation
    return run(x[0], w["weight"], w.get("bias"), *sizes)


def layer_norm(op: Any, w: Weights, x: list[Tensor], axis: int) -> Tensor:
    last = x[0].movedim(axis, -1)
    normed = F.layer_norm(last, last.shape[-1:], w.get("weight"), w.get("bias"), op.eps)
    return normed.movedim(-1, axis)


def max_pool(op: Any, w: Weights, x: list[Tensor]) -> Tensor:
    run = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[x[0].ndim - 3]
    if op.padding == "same":
        apart = op.dilation or (1,) * len(op.kernel)
        wide = same(x[0], op, apart, float("-inf"))
        return run(wide, op.kernel, op.stride, 0, apart)
    return run(x[0], op.kernel, op.stride, op.padding, op.dilation or 1, op.ceil)


def avg_pool(op: Any, w: Weights, x: list[Tensor]) -> Tensor:
    run = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[x[0].ndim - 3]
    if op.padding == "same":
        ones = (1,) * len(op.kernel)
        total = run(same(x[0], op, ones, 0.0), op.kernel, op.stride)
        return total / run(same(torch.ones_like(x[0]), op, ones, 0.0), op.kernel, op.stride)
    return run(x[0], op.kernel, op.stride, op.padding, op.ceil, op.count_padding)


def resize(op: Any, w: Weights, x: list[Tensor]) -> Tensor:
    corners = op.align_corners if op.mode != "nearest" else None
    size = x[1].shape[2:] if op.like else op.size
    return F.interpolate(x[0], size, op.scale, op.mode, corners)


def std_conv(op: Any, w: Weights, x: list[Tensor]) -> Tensor:
    """Mean 0 and variance 1 for the weights of every output channel, written out."""
    flat = w["weight"].flatten(1)
    flat = flat - flat.mean(1, keepdim=True)
    flat = flat / (flat.square().mean(1, keepdim=True) + op.eps).sqrt()
    if op.gain:
        flat = flat * w["gain"].flatten(1) * op.gamma / flat.shape[1] ** 0.5
    return conv(op, {**w, "weight": flat.reshape(w["weight"].shape)}, x)


def rms_norm(op: Any, w: Weights, x: list[Tensor], axis: int) -> Tensor:
    eps = torch.finfo(x[0].dtype).eps if op.eps is None else op.eps
    normed = x[0] / (x[0].square().mean(axis, keepdim=True) + eps).sqrt()
    return (normed.movedim(axis, -1) * w.get("weight", 1)).movedim(-1, axis)


def normalize(op: Any, w: Weights, x: list[Tensor], axis: int) -> Tensor:
    of = axis if op.axis == "channels" else op.axis + 1
    length = x[0].abs().pow(op.p).sum(of, keepdim=True).pow(1 / op.p)
    return x[0] / length.clamp(min=op.eps)


def places(op: Any, axis: int) -> list[int]:
    return [axis if of == "channels" else of + 1 for of in op.axis]


def largest(op: Any, w: Weights, x: list[Tensor], axis: int) -> Tensor:
    result = x[0]
    for of in sorted((of % x[0].ndim for of in places(op, axis)), reverse=True):
        result = result.max(of, keepdim=op.keepdim).values
    return result


def max_unpool(op: Any, w: Weights, x: list[Tensor]) -> Tensor:
    rank = x[0].ndim - 2
    sizes = op.kernel, op.stride, op.padding
    pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[rank - 1]
    _, places = pool(x[1], *sizes, return_indices=True)
    flat = torch.zeros_like(x[1]).flatten(2)
    return flat.scatter(2, places.flatten(2), x[0].flatten(2)).reshape(x[1].shape)


def blur_pool(op: Any, w: Weights, x: list[Tensor]) -> Tensor:
    """Every axis in turn."""
    mode = {"zeros": "constant"}.get(op.mode, op.mode)
    border, rank = (op.stride + op.kernel - 2) // 2, x[0].ndim - 2
    result = F.pad(x[0], [border] * 2 * rank, mode)
    row = torch.ones(1, dtype=torch.float64)
    for _ in range(op.kernel - 1):
        row = (F.pad(row, (1, 0)) + F.pad(row, (0, 1))) / 2
    for axis in range(2, rank + 2):
        windows = result.unfold(axis, op.kernel, op.stride)
        result = (windows * row.to(result)).sum(-1)
    return result


def weighted_add(op: Any, w: Weights, x: list[Tensor]) -> Tensor:
    weight = w[""]
    if op.normalize == "relu":
        weight = weight.clamp(min=0) / (weight.clamp(min=0).sum() + op.eps)
    if op.normalize == "softmax":
        weight = weight.exp() / weight.exp().sum()
    return (torch.stack(x, -1) * weight).sum(-1)


def position_grid(op: Any, w: Weights, x: list[Tensor]) -> Tensor:
    spatial, maps = x[0].shape[2:], []
    each = op.out // len(spatial)
    for axis, size in enumerate(spatial):
        for n in range(each):
            place = torch.arange(1, size + 1, dtype=torch.float32)
            place = place / (size + 1e-6) * (2 * math.pi) if op.normalize else place
            power = torch.tensor(n // 2 * 2 / each)  # single precision, as the grid is
            turn = (torch.cos if n % 2 else torch.sin)(place / op.temperature**power)
            shape = [size if other == axis else 1 for other in range(len(spatial))]
            maps.append(turn.reshape(shape).expand(spatial))
    return torch.stack(maps)[None].repeat(len(x[0]), *[1] * (len(spatial) + 1)).to(x[0])


def crop(op: Any, w: Weights, x: list[Tensor]) -> Tensor:
    result = x[0]
    for axis, border in enumerate(op.border or (), 2):
        before, after = border if isinstance(border, tuple) else (border, border)
        kept = torch.arange(before, result.shape[axis] - after)
        result = result.index_select(axis, kept)
    if op.border is not None:
        return result
    for axis, size in enumerate(op.size or x[1].shape[2:], 2):
        start = (result.shape[axis] - size) // 2
        result = result.index_select(axis, torch.arange(start, start + size))
    return result


def pad(op: Any, w: Weights, x: list[Tensor]) -> Tensor:
    pairs = [width if isinstance(width, tuple) else (width, width) for width in op.border]
    sides = [width for pair in pairs[::-1] for width in pair]
    mode = {"zeros": "constant"}.get(op.mode, op.mode)
    return F.pad(x[0], sides, mode) if any(sides) else x[0].clone()


def channel_shuffle(op: Any, w: Weights, x: list[Tensor]) -> Tensor:
    count = x[0].shape[1] // op.groups
    order = [g * count + n for n in range(count) for g in range(op.groups)]
    return x[0][:, order]


def space_to_depth(op: Any, w: Weights, x: list[Tensor]) -> Tensor:
    r = op.factor
    n, c, h, wide = x[0].shape
    cells = x[0].reshape(n, c, h // r, r, wide // r, r).permute(0, 1, 3, 5, 2, 4)
    return cells.reshape(n, c * r * r, h // r, wide // r)


def attention(op: Any, w: Weights, x: list[Tensor]) -> Tensor:
    qkv = F.linear(x[0], w["in_proj_weight"], w.get("in_proj_bias"))
    q, k, v = (p.unflatten(-1, (op.heads, -1)).transpose(1, 2) for p in qkv.chunk(3, -1))
    scores = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
    joined = (scores @ v).transpose(1, 2).flatten(2)
    return F.linear(joined, w["out_proj.weight"], w.get("out_proj.bias"))


def window_attention(op: Any, w: Weights, x: list[Tensor]) -> Tensor:
    from torchvision.models.swin_transformer import shifted_window_attention
    from torchvision.models.video.swin_transformer import shifted_window_attention_3d

    attend, window, shift = shifted_window_attention, list(op.window), list(op.shift)
    index = w["relative_position_index"]
    if len(window) == 3:  # which leaves it to its caller that windows are inside the map
        attend, size = shifted_window_attention_3d, x[0].shape[1:4]
        window = [*map(min, window, size)]
        shift = [0 if n <= wide else s for n, wide, s in zip(size, window, shift, strict=True)]
        index = index[: math.prod(window), : math.prod(window)].flatten()
    area = math.prod(window)
    bias = w["relative_position_bias_table"][index].view(area, area, -1).permute(2, 0, 1)[None]
    return attend(
        x[0], w["qkv.weight"], w["proj.weight"], bias, window, op.heads, shift,
        qkv_bias=w["qkv.bias"], proj_bias=w["proj.bias"],
    )  # fmt: skip


def cosine_window_attention(op: Any, w: Weights, x: list[Tensor]) -> Tensor:
    from torchvision.models.swin_transformer import shifted_window_attention

    hidden = F.linear(w["relative_coords_table"], w["cpb_mlp.0.weight"], w["cpb_mlp.0.bias"])
    table = F.linear(hidden.clamp(min=0), w["cpb_mlp.2.weight"]).flatten(0, 2)
    area = op.window[0] * op.window[1]
    bias = table[w["relative_position_index"]].view(area, area, -1).permute(2, 0, 1)[None]
    return shifted_window_attention(
        x[0], w["qkv.weight"], w["proj.weight"], 16 * bias.sigmoid(), list(op.window), op.heads,
        list(op.shift), qkv_bias=w["qkv.bias"], proj_bias=w["proj.bias"],
        logit_scale=w["logit_scale"],
    )  # fmt: skip


def relative_attention(op: Any, w: Weights, x: list[Tensor]) -> Tensor:
    qkv = F.linear(x[0], w["to_qkv.weight"], w["to_qkv.bias"]).chunk(3, -1)
    q, k, v = (part.unflatten(-1, (op.heads, -1)).transpose(-3, -2) for part in qkv)
    bias = w["relative_position_bias_table"][w["relative_position_index"]].movedim(-1, 0)
    scale = q.shape[-1] ** -0.5 if op.scale is None else op.scale
    scores = (q @ k.transpose(-1, -2) * scale + bias).softmax(-1)
    joined = (scores @ v).transpose(-3, -2).flatten(-2)
    return F.linear(joined, w["merge.weight"], w["merge.bias"])


def pooled_attention(op: Any, w: Weights, x: list[Tensor]) -> Tensor:
    from tests.torch_modules import pooled_attention as module_of

    names = ("kernel", "stride", "query_kernel", "query_stride")
    given = {name: list(vars(op)[name]) for name in names if vars(op)[name] is not None}
    settings = {name: vars(op)[name] for name in ("heads", "out", "residual", "relative")}
    module = module_of({**given, **settings, "size": list(op.size)}, [tuple(x[0].shape[1:])])
    for part in module.modules():
        if isinstance(part, torch.nn.LayerNorm):
            part.eps = op.eps
    module.load_state_dict(w)
    result: Tensor = module.to(x[0].dtype)(x[0])
    return result


def patch_merging(op: Any, w: Weights, x: list[Tensor]) -> Tensor:
    padded = F.pad(x[0], (0, 0, 0, x[0].shape[2] % 2, 0, x[0].shape[1] % 2))
    patches = [padded[:, a::2, b::2] for b in (0, 1) for a in (0, 1)]
    joined = torch.cat(patches, -1)
    if op.norm == "after":
        reduced = F.linear(joined, w["reduction.weight"])
        return F.layer_norm(reduced, reduced.shape[-1:], w["norm.weight"], w["norm.bias"], op.eps)
    normed = F.layer_norm(joined, joined.shape[-1:], w["norm.weight"], w["norm.bias"], op.eps)
    return F.linear(normed, w["reduction.weight"])


def taken(op: Any, x: Tensor, axis: int) -> Tensor:
    stop = x.shape[axis] if op.stop is None else op.stop
    return x.index_select(axis, torch.arange(op.start, stop, op.step))


def product(op: Any, w: Weights, x: list[Tensor]) -> Tensor:
    result = x[0]
    for other in x[1:]:
        result = result * other
    return result


def relative_positions(op: Any, w: Weights, x: list[Tensor]) -> Tensor:
    rows, columns = op.window
    grid = x[0].reshape(
        x[0].shape[0], -1, 2 * columns - 1 if op.signed else columns, *x[0].shape[2:]
    )
    middle = (rows - 1, columns - 1) if op.signed else (0, 0)
    keep = int if op.signed else abs
    table = [
        [
            grid[:, keep(y - i) + middle[0], keep(z - j) + middle[1]]
            for i in range(rows)
            for j in range(columns)
        ]
        for y in range(0, rows, op.stride)
        for z in range(0, columns, op.stride)
    ]
    return torch.stack([torch.stack(row, 1) for row in table], 1)


RULES: dict[str, Rule] = {
    "conv": conv,
    "std_conv": std_conv,
    "matmul": lambda op, w, x: (x[0].unsqueeze(-1) * x[1].unsqueeze(-3)).sum(-2),
    "instance_norm": lambda op, w, x: F.group_norm(
        x[0], x[0].shape[1], w.get("weight"), w.get("bias"), op.eps
    ),
    "max_unpool": max_unpool,
    "blur_pool": blur_pool,
    "weighted_add": weighted_add,
    "weight": lambda op, w, x: x[0] * w[""],
    "position_grid": position_grid,
    "to_map": lambda op, w, x: (
        x[0].movedim(2, 1).reshape(len(x[0]), x[0].shape[2], *(op.size or x[1].shape[2:]))
    ),
    "global_max_pool": lambda op, w, x: x[0].amax(tuple(range(2, x[0].ndim)), keepdim=True),
    "conv_transpose": conv_transpose,
    "linear": lambda op, w, x: F.linear(x[0], w["weight"], w.get("bias")),
    "group_norm": lambda op, w, x: F.group_norm(
        x[0], op.groups, w.get("weight"), w.get("bias"), op.eps
    ),
    "lrn": lambda op, w, x: F.local_response_norm(x[0], op.size, op.alpha, op.beta, op.k),
    "relu": lambda op, w, x: x[0].clamp(min=0),
    "relu6": lambda op, w, x: F.relu6(x[0]),
    "leaky_relu": lambda op, w, x: torch.where(x[0] > 0, x[0], op.slope * x[0]),
    "elu": lambda op, w, x: torch.where(x[0] > 0, x[0], op.alpha * (x[0].clamp(max=0).exp() - 1)),
    "gelu": lambda op, w, x: F.gelu(x[0], approximate="tanh" if op.tanh else "none"),
    "silu": lambda op, w, x: x[0] * x[0].sigmoid(),
    "mish": lambda op, w, x: x[0] * F.softplus(x[0]).tanh(),
    "hard_swish": lambda op, w, x: F.hardswish(x[0]),
    "hard_sigmoid": lambda op, w, x: F.hardsigmoid(x[0]),
    "sigmoid": lambda op, w, x: x[0].sigmoid(),
    "tanh": lambda op, w, x: x[0].tanh(),
    "max_pool": max_pool,
    "avg_pool": avg_pool,
    "adaptive_avg_pool": lambda op, w, x: (
        F.adaptive_avg_pool1d,
        F.adaptive_avg_pool2d,
        F.adaptive_avg_pool3d,
    )[x[0].ndim - 3](x[0], op.size),
    "adaptive_max_pool": lambda op, w, x: (
        F.adaptive_max_pool1d,
        F.adaptive_max_pool2d,
        F.adaptive_max_pool3d,
    )[x[0].ndim - 3](x[0], op.size),
    "global_avg_pool": lambda op, w, x: x[0].mean(tuple(range(2, x[0].ndim)), keepdim=True),
    "add": lambda op, w, x: sum(x[1:], x[0]),
    "multiply": product,
    "dropout": lambda op, w, x: x[0].clone(),  # with a probability of 0
    "drop_path": lambda op, w, x: x[0].clone(),
    "identity": lambda op, w, x: x[0].clone(),
    "scale": lambda op, w, x: x[0] * op.factor,
    "layer_scale": lambda op, w, x: x[0] * w[""],
    "flatten": lambda op, w, x: x[0].reshape(x[0].shape[0], -1),
    "resize": resize,
    "pad": pad,
    "crop": crop,
    "pad_channels": lambda op, w, x: torch.cat(
        [x[0], torch.zeros_like(x[0][:, :1]).repeat_interleave(op.out - x[0].shape[1], 1)], 1
    ),
    "channel_shuffle": channel_shuffle,
    "pixel_shuffle": lambda op, w, x: F.pixel_shuffle(x[0], op.factor),
    "space_to_depth": space_to_depth,
    "reshape": lambda op, w, x: x[0].reshape(x[0].shape[0], *op.shape),
    "permute": lambda op, w, x: x[0].permute(0, *(axis + 1 for axis in op.order)),
    "channels_last": lambda op, w, x: x[0].movedim(1, -1),
    "channels_first": lambda op, w, x: x[0].movedim(-1, 1),
    "tokens": lambda op, w, x: x[0].flatten(2).movedim(1, 2),
    "class_token": lambda op, w, x: torch.cat([w[""].repeat(len(x[0]), 1, 1), x[0]], 1),
    "position_embedding": lambda op, w, x: x[0] + w[""],
    "learned": lambda op, w, x: torch.stack([w[""]] * len(x[0])),
    "relative_positions": relative_positions,
    "token": lambda op, w, x: x[0].select(1, op.index),
    "attention": attention,
    "window_attention": window_attention,
    "cosine_window_attention": cosine_window_attention,
    "relative_attention": relative_attention,
    "pooled_attention": pooled_attention,
    "patch_merging": patch_merging,
}
CHANNEL_RULES: dict[str, Callable[..., Tensor]] = {  # these ask where the channels are
    "softmax": lambda op, w, x, axis: x[0].softmax(axis if op.axis == "channels" else op.axis + 1),
    "concat": lambda op, w, x, axis: torch.cat(x, axis if op.axis == "channels" else op.axis + 1),
    "slice": lambda op, w, x, axis: taken(op, x[0], axis if op.axis == "channels" else op.axis + 1),
    "rms_norm": rms_norm,
    "normalize": normalize,
    "mean": lambda op, w, x, axis: x[0].mean(places(op, axis), keepdim=op.keepdim),
    "sum": lambda op, w, x, axis: x[0].sum(places(op, axis), keepdim=op.keepdim),
    "max": largest,
    "prelu": lambda op, w, x, axis: torch.where(
        x[0] > 0, x[0], x[0] * w["weight"].view([-1] + [1] * (x[0].ndim - 2 if axis == 1 else 0))
    ),
    "layer_norm": layer_norm,
}


@dataclass
class Run:
    """The values of all nodes, and the buffers as they are afterwards."""

    values: dict[str, Tensor]
    buffers: Weights = field(default_factory=dict)

    def results(self, names: dict[str, str]) -> dict[str, Tensor]:
        return {name: self.values[id] for name, id in names.items()}


def run(graph: Graph, weights: Weights, *images: Tensor, training: bool = False) -> Run:
    """Runs every node of a graph; nothing is dropped out."""
    state = dict(weights)
    values = dict(zip(graph.inputs, images, strict=True))
    for node in graph.nodes:
        given = [values[id] for id in node.inputs]
        own = {weight.name: key for key, weight in graph.weights(node)}
        if node.op.verb == "batch_norm":
            training_here = training and not node.op.frozen  # type: ignore[attr-defined]
            values[node.id] = batch_norm(node, own, state, given[0], training_here)
            continue
        local = {name: state[key] for name, key in own.items()}
        verb = node.op.verb
        if verb in CHANNEL_RULES:
            axis = 1 if graph.specs(node)[0].layout == "channels_first" else -1
            values[node.id] = CHANNEL_RULES[verb](node.op, local, given, axis)
        else:
            values[node.id] = RULES[verb](node.op, local, given)
    return Run(values, state)


def batch_norm(
    node: Node, own: dict[str, str], state: Weights, x: Tensor, training: bool
) -> Tensor:
    """In training by the batch's own statistics, which move the running ones."""
    op: Any = node.op
    names = ("running_mean", "running_var")
    mean, var = (state[own[name]].clone() for name in names)
    weight, bias = ((state[own[n]] if op.affine else None) for n in ("weight", "bias"))
    result = F.batch_norm(x, mean, var, weight, bias, training, op.momentum, op.eps)
    state.update(zip((own[name] for name in names), (mean, var), strict=True))
    if not op.frozen:
        state[own["num_batches_tracked"]] = state[own["num_batches_tracked"]] + int(training)
    return result
