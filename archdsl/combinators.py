"""Combinators: how the items in one run together."""

from collections.abc import Callable

from archdsl.diagnostics import Label, counted
from archdsl.expressions import describe
from archdsl.flow import Flow, Here, Poison, Tensor, fail
from archdsl.graph import ScopeKind
from archdsl.ops import OPS, construct
from archdsl.sequences import Run
from archdsl.syntax import BROKEN, Item
from archdsl.tensor import TensorSpec

KINDS: dict[str, ScopeKind] = {
    "seq": "sequence", "residual": "residual", "branches": "branches", "dense": "dense",
}  # fmt: skip


def combine(run: Run, item: Item, here: Here) -> Flow:
    """A combinator whose items stand in the frame of `here`."""
    return _COMBINE[item.verb](run, item, here)


def _seq(run: Run, item: Item, here: Here) -> Flow:
    return run.sequence(item.parts["items"], here)


def _residual(run: Run, item: Item, here: Here) -> Flow:
    """`after(body(x) + shortcut(x))`; with `when` false `after(body(x))`.

    The modules of body and shortcut are made in the order in which the two are written.
    """
    when = run.values.test(item.arguments.get("when", True), item.inside / "when", here)
    sides = {"shortcut": here.x}
    for side, part in item.parts.items():
        if side == "body" or (side == "shortcut" and when):
            sides[side] = run.sequence(part, here)
    result, shortcut = sides["body"], sides["shortcut"]
    if when:
        if result is not None and shortcut is not None:
            _check_residual(run, item, here.x, result, shortcut)
        result = _join(run, item, here, "add", "_add", [result, shortcut])
    if "after" in item.parts:
        result = run.sequence(item.parts["after"], here.given(result))
    return result


def _check_residual(run: Run, item: Item, given: Flow, body: Flow, shortcut: Flow) -> None:
    """Body and shortcut must have one shape; else says both, and which projection to write."""
    if not isinstance(body, Tensor) or not isinstance(shortcut, Tensor):
        message = "a residual adds two tensors, and one of these is a list"
        fail(run.sink, "E0404", message, item.place.span)
    if body.spec == shortcut.spec:
        return
    sides = (("body", body), ("shortcut", shortcut))
    shaped = {what: flow.id if flow is given else run.build.shaped(flow.id) for what, flow in sides}
    places = {what: run.build.written(id) for what, id in shaped.items()}
    labels = [
        Label(span, f"the {what} gives {flow.spec}")
        for what, flow in sides
        if (span := places[what]) is not None
    ]
    if body.spec.spatial != shortcut.spec.spatial and isinstance(given, Tensor):
        shrunk = [label for _, flow in sides for label in run.build.shrinkers(flow, given.id)]
        labels += [label for label in shrunk if label.span not in places.values()]
    message = f"the body gives {body.spec}, the shortcut {shortcut.spec}"
    own = "projection" in item.inside.source.data.get("blocks", {})
    help = "both must have the same channels and strides"
    if "shortcut" not in item.parts:
        help = _projection(body.spec, shortcut.spec, "conv" if own else "projection")
    fail(run.sink, "E0501", message, item.inside.key, help, tuple(labels))


def _projection(body: TensorSpec, shortcut: TensorSpec, verb: str) -> str:
    """What a shortcut must do to get the body's shape, if a convolution can."""
    sizes = list(zip(shortcut.spatial, body.spatial, strict=False))
    if body.rank != shortcut.rank or not sizes or any(s % b for s, b in sizes):
        return "give the shortcut the body's shape"
    strides = [s // b for s, b in sizes]
    stride = f", stride: {strides[0] if len(set(strides)) == 1 else strides}"
    kernel = ", kernel: 1" if verb == "conv" else ""
    written = f"out: {body.channels}{kernel}{stride if set(strides) != {1} else ''}"
    return f"project the shortcut: `shortcut: {{downsample: {{{verb}: {{{written}}}}}}}`"


def _branches(run: Run, item: Item, here: Here) -> Flow:
    """The paths side by side, joined."""
    items = item.parts["paths"].items
    paths = [(path, copy) for path in items for copy in run.copies(path, here)]
    if any(path.verb == BROKEN for path in items):  # nobody knows what they give together
        for path, copy in paths:
            run.single(path, copy.given(None) if "split" in item.arguments else copy)
        return None
    inputs = _split(run, item, here, len(paths))
    results = [
        run.single(path, copy.given(x)) for (path, copy), x in zip(paths, inputs, strict=True)
    ]
    if not results:
        fail(run.sink, "E0404", "branches without a path", item.place.span, "name a path")
    if len(results) == 1:
        return results[0]
    join = item.arguments.get("join", "concat")
    return _join(run, item, here, join, f"_{join}", results)


def _split(run: Run, item: Item, here: Here, paths: int) -> list[Flow]:
    """What every path gets: the slices that `split` deals out, or all of the input."""
    x = here.x
    if "split" not in item.arguments:
        return [x] * paths
    place = item.inside / "split"
    value = run.values.evaluate(item.arguments["split"], place, here)
    if x is None:
        return [None] * paths
    counts = value if isinstance(value, list) else [value]
    wholes = [run.values.whole(count, place, here, 1) for count in counts]
    channels = x.spec.channels if isinstance(x, Tensor) else 0
    if len(wholes) != paths or sum(wholes) != channels or not isinstance(x, Tensor):
        message = (
            f"split {describe(value)} must give {channels} channels to {counted(paths, 'path')}"
        )
        even = [channels // paths] * paths
        help = f"even parts are {even}" if sum(even) == channels else ""
        fail(run.sink, "E0502", message, place.span, help)
    slices: list[Flow] = []
    start = 0
    for position, count in enumerate(wholes):
        op = construct(OPS["slice"], {"start": start, "stop": start + count}, x.spec)
        level = here.frame.level
        slices.append(run.build.node(op, [x], level, f"_slice{position}", item.place))
        start += count
    return slices


def _dense(run: Run, item: Item, here: Here) -> Flow:
    """Every layer sees the concatenation of the input and all earlier layers' outputs."""
    count = run.values.whole(item.arguments["repeat"], item.inside / "repeat", here, 0)
    run.count_turns(count, item.inside / "repeat", here)
    maps = [here.x]
    for i in range(count):
        seen = here.x if i == 0 else _join(run, item, here, "concat", f"_concat{i}", maps)
        turn = here.turn(i, count)
        result = run.sequence(item.parts["layer"], turn.given(seen))
        if result is None:
            raise Poison
        maps.append(result)
    return _join(run, item, here, "concat", "_concat", maps) if count else here.x


def _join(
    run: Run, item: Item, here: Here, verb: str, name: str, flows: list[Flow]
) -> Tensor | None:
    """An op that joins flows, under a name of its own; poisoned if one of them is."""
    if any(flow is None for flow in flows):
        return None
    return run.build.node(OPS[verb](), flows, here.frame.level, name, item.place)


_COMBINE: dict[str, Callable[[Run, Item, Here], Flow]] = {
    "seq": _seq,
    "inline": _seq,
    "residual": _residual,
    "branches": _branches,
    "dense": _dense,
}
