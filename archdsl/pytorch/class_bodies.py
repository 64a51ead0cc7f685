"""What stands in a class: an nn.Sequential, densely connected layers, or steps of forward."""

import ast
from collections.abc import Collection, Iterable
from typing import Any

from archdsl.language.syntax import Block
from archdsl.pytorch.chains import with_channels
from archdsl.pytorch.containers import Parts, leaves
from archdsl.pytorch.entries import Listing, Value, variable_name
from archdsl.pytorch.environment import Env, Flow
from archdsl.pytorch.linking import LAYER, MAPS, links
from archdsl.pytorch.python import assign, call, function, name
from archdsl.pytorch.regions import type_of
from archdsl.pytorch.returning import base_of, initial
from archdsl.pytorch.symbols import Fixed, binary
from archdsl.pytorch.variables import Naming, typed
from archdsl.pytorch.walks import Walk

CHANNELS = "in_channels"


def class_body(
    walk: Walk, block: Block, env: Env, inputs: list[Any]
) -> tuple[str, list[ast.FunctionDef], list[Any]]:
    """The base of a class, its constructor (without arguments) and `forward`, and its results."""
    assert block.body is not None
    if len(inputs) == 1 and block.body.verb in ("seq", "dense") and block.outputs is None:
        try:
            with walk.attempt():
                made = (
                    sequential(walk, block, env)
                    if block.body.verb == "seq"
                    else densely(walk, block, env)
                )
                if made is not None:
                    return made
        except Fixed:
            walk.body.top.clear()
    flow = walk.given_of(block, walk.combined(block.body, env), env)
    values = given_by(walk, flow)
    walk.finish(values)
    listed = any(isinstance(value, Listing) for value in inputs)
    named = [*block.inputs, block.rest] if listed else block.named(len(inputs))
    names = ["x"] if len(inputs) == 1 else apart(variable_name(n) for n in named)
    naming = Naming(walk.body, inputs, names)
    statements, _ = naming.finish(values)
    numbers = [assign(title, naming.filled(code)) for title, code in walk.body.computed(statements)]
    statements = [*numbers, *statements]
    returned = [naming.read(value) for value in values]
    whole = returned[0] if len(returned) == 1 else ast.Tuple(returned)
    if not isinstance(values[0], Listing):
        statements = typed(statements, whole, names)
    statements = [*statements, ast.Return(whole)]
    types = [type_of(value) for value in inputs]
    given = [ast.arg("self"), *(ast.arg(n, kind) for n, kind in zip(names, types, strict=True))]
    returns = type_of(values[0]) if len(values) == 1 else ast.Subscript(
        name("tuple"), ast.Tuple([name("Tensor")] * len(values)))  # fmt: skip
    base = base_of(walk.body)
    forward = function("forward", given, [], returns, statements)
    methods = [*walk.body.methods.values()]
    return base, [initial(walk.body.constructor()), *methods, forward], values


def given_by(walk: Walk, flow: Flow) -> list[Any]:
    """What a class gives: what flows out of it, and lists of maps that others name by taps.

    What is one of such a list is not given beside it.
    """
    results = flow if isinstance(flow, tuple) else (flow,)
    lists = [tap for tap in walk.taps_given() if isinstance(tap, Listing) and tap.named]
    marks = {tap.mark for tap in lists}
    values = [r for r in results if isinstance(r, Listing) or (r is not None and r.of not in marks)]
    values += lists
    if len(values) > 1 and any(isinstance(value, Listing) for value in values):
        raise Fixed((), "a list in a list")
    return values


def sequential(
    walk: Walk, block: Block, env: Env
) -> tuple[str, list[ast.FunctionDef], list[Value]] | None:
    """A block whose items are numbered, or have names that vary, as an `nn.Sequential`."""
    assert block.body is not None
    if not walk.is_closed(""):
        return None
    parts: Parts = []
    after = walk.chain(block.body.parts["items"], env, parts)
    if after is None or not parts:
        return None
    keys = [part.key for part in leaves(parts)]
    numbered = all(key is None for key in keys)
    if not numbered and not any(isinstance(key, list) for key in keys):
        return None
    before, arguments = walk.members(parts)
    walk.release({env.first.mark: 1})
    called = ast.Expr(ast.Call(name("super().__init__"), arguments, []))
    return "nn.Sequential", [initial([*before, called])], [after.first]


def densely(
    walk: Walk, block: Block, env: Env
) -> tuple[str, list[ast.FunctionDef], list[Value]] | None:
    """A block of densely connected layers, or of a chain whose links are joined, a module each."""
    item = block.body
    assert item is not None
    gives = walk.word(item, "gives")
    if gives not in ("all", "layers"):
        return None
    made = links(walk, item, env, walk.whole(item.arguments["repeat"], env))
    if made is None:
        return None
    body = made.loop("x", MAPS, LAYER, made.over(name("self")))
    later = ast.Subscript(name(MAPS), ast.Slice(ast.Constant(1)))
    whole = call("torch.cat", name(MAPS) if gives == "all" else later, 1)
    forward = function(
        "forward", [ast.arg("self"), ast.arg("x", name("Tensor"))], [], name("Tensor"),
        [*body, ast.Return(whole)],
    )  # fmt: skip
    constructor = initial([ast.Expr(ast.Call(name("super().__init__"), [made.members], []))])
    grown = binary("*", made.count, made.growth)
    total = binary("+", made.start, grown) if gives == "all" else grown
    return made.base, [constructor, forward], [with_channels(env.first, total)]


def channel_names(block: Block, count: int) -> list[tuple[str, int]]:
    """The names of the arguments that are the channels of a block's inputs."""
    titles = (f"{variable_name(n)}_channels" for n in block.named(count)[1:])
    others = apart(titles, {CHANNELS, *block.parameters})
    return list(zip([CHANNELS, *others], range(count), strict=False))


def apart(names: Iterable[str], others: Collection[str] = ()) -> list[str]:
    """Names of which none is another, or one of the others."""
    found: list[str] = []
    for title in names:
        while title in found or title in others:
            title += "_"
        found.append(title)
    return found
