"""Combinators: how the items in one run together."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from archdsl.diagnostics.diagnostic import Label
from archdsl.diagnostics.text import as_yaml, counted
from archdsl.elaborate.env import Evaluated, Flow, Here, Poison, Tensor, fail
from archdsl.elaborate.items import Run
from archdsl.elaborate.lookup import listed
from archdsl.expressions.expression import ExpressionError, describe
from archdsl.graph.graph import ScopeKind
from archdsl.language.mentions import names_item_of
from archdsl.language.syntax import (
    APART,
    BROKEN,
    SHAPE_NAMES,
    WORDS,
    Formula,
    Item,
    Literal,
)
from archdsl.ops import OPS, construct
from archdsl.ops.tensor import TensorSpec

LARGEST_STRIDE = 4  # of a projection that is worth proposing
KINDS: dict[str, ScopeKind] = {
    "seq": "sequence", "residual": "residual", "branches": "branches", "dense": "dense",
}  # fmt: skip


def kind_of(item: Item) -> ScopeKind:
    """What a combinator's scope is: no dense one where layers do not see all, or it gives less."""
    words = [word_of(item, name) for name in WORDS] if item.verb == "dense" else []
    return "branches" if any(word != "all" for word in words) else KINDS[item.verb]


def word_of(item: Item, name: str) -> str:
    """The word that an argument of a combinator is."""
    written = item.arguments.get(name)
    return str(written.value) if isinstance(written, Literal) else WORDS[name][0]


def combine(run: Run, item: Item, here: Here) -> Flow:
    """A combinator whose items stand in the frame of `here`."""
    return _COMBINE[item.verb](run, item, here)


def _seq(run: Run, item: Item, here: Here) -> Flow:
    return run.sequence(item.parts["items"], here)


def _residual(run: Run, item: Item, here: Here) -> Flow:
    """`after(body(x) + shortcut(x))`; with `when` false `after(body(x))`.

    The modules of body and shortcut are made in the order in which the two are written. They run in
    that order too, unless a shortcut that stands first begins at an item of the body.
    """
    condition = item.arguments.get("when")
    when = condition is None or run.values.test(condition, here)
    sides = {"shortcut": here.x}
    parts = {s: p for s, p in item.parts.items() if s == "body" or (s == "shortcut" and when)}
    if [*parts] == ["shortcut", "body"] and names_item_of(parts["shortcut"], parts["body"]):
        number = len(run.build.made)
        sides["body"] = run.sequence(parts["body"], here)
        with run.build.making_before(number):
            sides["shortcut"] = run.sequence(parts["shortcut"], here)
    else:
        sides |= {side: run.sequence(part, here) for side, part in parts.items()}
    result, shortcut = sides["body"], sides["shortcut"]
    if when:
        if result is not None and shortcut is not None:
            _check_residual(run, item, here, result, shortcut)
        result = _join(run, item, here, "add", "_add", [result, shortcut])
        if result is not None:
            run.build.ends_residual()
    if "after" in item.parts:
        result = run.sequence(item.parts["after"], here.with_input(result))
    return result


def _check_residual(run: Run, item: Item, here: Here, body: Flow, shortcut: Flow) -> None:
    """Body and shortcut must have one shape; else says both, and which projection to write."""
    if not isinstance(body, Tensor) or not isinstance(shortcut, Tensor):
        message = "a residual adds two tensors, and one of these is a list"
        fail(run.sink, "E0404", message, item.span)
    if body.spec == shortcut.spec:
        return
    sides = (("body", body), ("shortcut", shortcut))
    in_order = sorted(body.spec.shape) == sorted(shortcut.spec.shape)
    shaped = {
        what: flow.id if flow is here.x else run.shapes.shaped(flow.id, in_order)
        for what, flow in sides
    }
    places = {what: run.shapes.written(id) for what, id in shaped.items()}
    labels = [
        Label(span, f"the {what} gives {flow.spec}")
        for what, flow in sides
        if (span := places[what]) is not None
    ]
    if body.spec.spatial != shortcut.spec.spatial and isinstance(here.x, Tensor):
        shrunk = [label for _, flow in sides for label in run.shapes.shrinkers(flow, here.x.id)]
        labels += [label for label in shrunk if label.span not in places.values()]
    message = f"the body gives {body.spec}, the shortcut {shortcut.spec}"
    own = "projection" in item.inside.source.data.get("blocks", {})
    help = "both must have the same channels and strides"
    if "shortcut" not in item.parts:
        help = _projection(run, item, here, body.spec, "conv" if own else "projection")
    fail(run.sink, "E0501", message, item.inside.key, help, tuple(labels))


def _projection(run: Run, item: Item, here: Here, body: TensorSpec, verb: str) -> str:
    """What a shortcut must do to get the body's shape, if a convolution can."""
    input = here.x.spec if isinstance(here.x, Tensor) else body
    sizes = list(zip(input.spatial, body.spatial, strict=False))
    if body.rank != input.rank or not sizes or any(s % b for s, b in sizes):
        return "give the shortcut the body's shape"
    strides = [s // b for s, b in sizes]
    if max(strides) > LARGEST_STRIDE:  # a mean of rows, columns or all, not steps
        return (
            "end the body with a resize that is like the input; or join the two by an add of its "
            "own, which takes what has size 1 everywhere"
        )
    stride: Any = strides[0] if len(set(strides)) == 1 else strides
    wanted = {"out": body.channels, **({} if stride == 1 else {"stride": stride})}
    said = {name: _said(run, item, here, name, value) for name, value in wanted.items()}
    parts = {"out": said["out"], **({"kernel": 1} if verb == "conv" else {}), **said}
    tests = [
        f"{raw if raw.isidentifier() else f'({raw})'} != {'C' if name == 'out' else 1}"
        for name, raw in said.items()
        if isinstance(raw, str)
    ]
    made = {verb: parts} | ({"if": " or ".join(tests)} if tests else {})
    return f"project the shortcut: `shortcut: {as_yaml({'downsample': made})}`"


def _said(run: Run, item: Item, here: Here, name: str, value: Any) -> Any:
    """An argument's value as the body of a residual says it: the expression, where one gives it."""
    for part in reversed(item.parts["body"].items):
        written = part.arguments.get(name)
        if isinstance(written, Formula) and not SHAPE_NAMES & written.expression.names.keys():
            expression = written.expression
            with suppress(ExpressionError):
                if expression(run.values.names(expression.names, here)) == value:
                    return expression.text
    return value


def _branches(run: Run, item: Item, here: Here) -> Flow:
    """The paths side by side, joined."""
    items = item.parts["paths"].items
    paths = [(path, copy) for path in items for copy in run.copies(path, here)]
    if any(path.verb == BROKEN for path in items):  # nobody knows what they give together
        for path, copy in paths:
            run.single(path, copy.with_input(None) if "split" in item.arguments else copy)
        return None
    inputs = _split(run, item, here, len(paths))
    results = [
        run.single(path, copy.with_input(x)) for (path, copy), x in zip(paths, inputs, strict=True)
    ]
    if not results:
        fail(run.sink, "E0404", "branches without a path", item.span, "name a path")
    join = item.arguments.get("join")
    if isinstance(join, Literal) and join.value == APART:
        return _apart(run, results, item, "`join: none`")
    if len(results) == 1:
        return results[0]
    verb = str(join.value) if isinstance(join, Literal) else "concat"
    return _join(run, item, here, verb, f"_{verb}", results)


def _apart(run: Run, results: list[Flow], item: Item, what: str) -> Flow:
    """The results of the paths, or of layers and what they are given, as a list."""
    if any(isinstance(result, tuple) for result in results):
        message = f"{what} gives a list, and a part of it is one, too"
        fail(run.sink, "E0404", message, item.span)
    return listed(results)


def _split(run: Run, item: Item, here: Here, paths: int) -> list[Flow]:
    """What every path gets: the slices that `split` deals out, or all of the input."""
    x = here.x
    if "split" not in item.arguments:
        return [x] * paths
    written = item.arguments["split"]
    place, value = written.place, run.values.evaluate(written, here)
    if x is None:
        return [None] * paths
    counts = value if isinstance(value, list) else [value]
    wholes = [run.values.whole(Evaluated(count, place), here, 1) for count in counts]
    channels = x.spec.channels if isinstance(x, Tensor) else 0
    if len(wholes) != paths or sum(wholes) != channels or not isinstance(x, Tensor):
        message = (
            f"split {describe(value)} must give {channels} channels to {counted(paths, 'path')}"
        )
        even = [channels // paths] * paths
        help = f"even parts are {even}" if sum(even) == channels else ""
        fail(run.sink, "E0502", message, place.span, help)
    return [*_slices(run, item, here, x, wholes, "_slice")]


def _slices(
    run: Run, item: Item, here: Here, x: Tensor, counts: list[int], name: str
) -> Iterator[Tensor]:
    """So many channels of a map after another, under numbered names."""
    start = 0
    for position, count in enumerate(counts):
        op = construct(OPS["slice"], {"start": start, "stop": start + count}, x.spec)
        yield run.node(op, [x], here, f"{name}{position}", item)
        start += count


def split(run: Run, item: Item, here: Here, name: str) -> Flow:
    """The channels of a map in parts, a list: so many even ones, or as many each as a list says.

    They stand under the name, numbered, in a level without a scope: they hold no module.
    """
    x, written = here.x, item.arguments["parts"]
    value = run.values.evaluate(written, here)
    if isinstance(x, tuple):
        help = "use `each` to split every one of them"
        fail(run.sink, "E0404", "split takes a map, and this is a list", item.span, help)
    many = value if isinstance(value, list) else [value]
    wholes = [run.values.whole(Evaluated(one, written.place), here, 1) for one in many]
    if x is None:
        raise Poison
    channels, total = x.spec.channels, sum(wholes)
    if not isinstance(value, list):
        wholes = [channels // total] * total
    if sum(wholes) != channels:
        what = f"parts of {total} in all" if isinstance(value, list) else f"{total} even parts"
        message = f"{counted(channels, 'channel')} cannot be split into {what}"
        help = "`parts` is a number of even parts, or a list with the channels of each"
        fail(run.sink, "E0502", message, written.place.span, help)
    hidden = name.startswith("_")
    level = here.frame.level
    level = level.below(name) if hidden else run.build.within(level, f"{name}.0", item)[0]
    parts = tuple(_slices(run, item, here.at(level), x, wholes, "_" if hidden else ""))
    for number, part in enumerate(parts):
        run.build.placed(level, f"{'_' * hidden}{number}", part)
    return parts


def _dense(run: Run, item: Item, here: Here) -> Flow:
    """Every layer sees the concatenation of the input and all earlier layers' outputs.

    With `sees: last` it sees what the layer before gives. The result is the concatenation of the
    input and all outputs, of the outputs (`gives: layers`), the last one, or all as a list.
    """
    repeat = item.arguments["repeat"]
    count = run.values.whole(repeat, here, 0)
    run.count_turns(count, repeat, here)
    maps, sees, gives = [here.x], word_of(item, "sees"), word_of(item, "gives")
    if gives == "layers" and not count:
        fail(run.sink, "E0404", "a dense block without layers gives none", item.span)
    for i in range(count):
        seen = maps[-1]
        if sees == "all" and i:
            seen = _join(run, item, here, "concat", f"_concat{i}", maps)
        turn = here.turn(i, count)
        result = run.sequence(item.parts["layer"], turn.with_input(seen))
        if result is None:
            raise Poison
        maps.append(result)
    if gives in ("last", "list"):
        return maps[-1] if gives == "last" else _apart(run, maps, item, "`gives: list`")
    joined = maps if gives == "all" else maps[1:]
    return joined[0] if len(joined) == 1 else _join(run, item, here, "concat", "_concat", joined)


def _join(
    run: Run, item: Item, here: Here, verb: str, name: str, flows: list[Flow]
) -> Tensor | None:
    """An op that joins flows, under a name of its own; poisoned if one of them is."""
    if any(flow is None for flow in flows):
        return None
    return run.node(OPS[verb](), run.tensors(OPS[verb], flows, item), here, name, item)


_COMBINE: dict[str, Callable[[Run, Item, Here], Flow]] = {
    "seq": _seq,
    "inline": _seq,
    "residual": _residual,
    "branches": _branches,
    "dense": _dense,
}
