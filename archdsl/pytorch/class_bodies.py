"""What stands in a class: an nn.Sequential, densely connected layers, or steps of forward."""

import ast
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from archdsl.language.syntax import Block
from archdsl.pytorch.body import Listing, Value, variable_name
from archdsl.pytorch.chains import equal, with_channels
from archdsl.pytorch.containers import Part, Parts, leaves
from archdsl.pytorch.environment import Env, text_of
from archdsl.pytorch.python import assign, call, function, name
from archdsl.pytorch.regions import recomputed, type_of
from archdsl.pytorch.returning import base_of, initial
from archdsl.pytorch.symbols import Fixed, binary, names_in, variable
from archdsl.pytorch.translator import choose
from archdsl.pytorch.variables import Naming, typed
from archdsl.pytorch.walks import Walk, kept

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
    results = list(flow) if isinstance(flow, tuple) else [flow]
    values: list[Any] = [value for value in results if isinstance(value, Value | Listing)]
    if len(values) > 1 and any(isinstance(value, Listing) for value in values):
        raise Fixed((), "a list in a list")
    walk.finish(values)
    listed = any(isinstance(value, Listing) for value in inputs)
    named = [*block.inputs, block.rest] if listed else block.named(len(inputs))
    names = ["x"] if len(inputs) == 1 else apart(variable_name(n) for n in named)
    naming = Naming(walk.body, inputs, names)
    statements, _ = naming.finish(values)
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
    sees, gives = walk.word(item, "sees"), walk.word(item, "gives")
    if gives not in ("all", "layers"):
        return None
    count = walk.whole(item.arguments["repeat"], env)
    i = variable("i", "int")
    bound = env.bind({"i": i, "first": equal(i, 0), "last": equal(i, count - 1)})
    start = env.first.spec.channels
    probe = variable("channels_seen", "int")
    parts: Parts = []
    layer = item.parts["layer"]
    again = len(layer.items) == 1 and layer.items[0].modifiers.checkpoint
    layer = replace(layer, items=(kept(layer.items[0]),)) if again else layer
    after = walk.chain(layer, bound.with_input(with_channels(env.first, probe)), parts)
    if after is None or len(parts) != 1:
        return None
    growth = after.first.spec.channels
    if names_in(growth) & {"i", "channels_seen"}:
        return None
    seen = binary("+", start, binary("*", i, growth))
    if sees == "last":
        seen = choose(equal(i, 0), lambda: start, lambda: growth)
    parts = []
    walk.chain(layer, bound.with_input(with_channels(env.first, seen)), parts)
    (part,) = parts
    if not isinstance(part, Part) or part.made.before or part.test is not None:
        return None
    clause = ast.comprehension(name("i"), call("range", count), [], 0)
    if part.key is None:
        members: ast.expr = ast.ListComp(part.made.code, [clause])
    else:
        members = ast.DictComp(text_of(part.key), part.made.code, [clause])
    over = name("self") if part.key is None else call("self.values")
    base = "nn.ModuleList" if part.key is None else "nn.ModuleDict"
    newest = ast.Subscript(name("maps"), ast.UnaryOp(ast.USub(), ast.Constant(1)))
    later = ast.Subscript(name("maps"), ast.Slice(ast.Constant(1)))
    joined = call("torch.cat", name("maps"), 1)
    made: ast.expr = call("layer", joined if sees == "all" else newest)
    made = recomputed(made) if again else made
    body: list[ast.stmt] = [
        assign("maps", ast.List([name("x")])),
        ast.For(name("layer"), over, [ast.Expr(call("maps.append", made))], []),
        ast.Return(joined if gives == "all" else call("torch.cat", later, 1)),
    ]
    forward = function(
        "forward", [ast.arg("self"), ast.arg("x", name("Tensor"))], [], name("Tensor"), body
    )
    constructor = initial([ast.Expr(ast.Call(name("super().__init__"), [members], []))])
    grown = binary("*", count, growth)
    total = binary("+", start, grown) if gives == "all" else grown
    return base, [constructor, forward], [with_channels(env.first, total)]


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
