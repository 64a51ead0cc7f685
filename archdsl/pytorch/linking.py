"""Layers that see the maps before them (`dense`), as a list of modules of any number."""

import ast
from dataclasses import dataclass, replace
from typing import Any

from archdsl.language.syntax import Item
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.chains import equal, with_channels
from archdsl.pytorch.containers import Part, Parts
from archdsl.pytorch.entries import NTH, Step
from archdsl.pytorch.environment import Env
from archdsl.pytorch.naming import text_of
from archdsl.pytorch.python import call, name
from archdsl.pytorch.recomputing import recomputed
from archdsl.pytorch.symbols import binary, names_in, same, variable
from archdsl.pytorch.translator import choose

MAPS, LAYER = "maps", "layer"


@dataclass
class Links:
    """The layers of a `dense`: the list of their modules, and the channels of what each gives."""

    members: ast.expr
    keyed: bool
    sees: str
    count: Any
    start: Any
    growth: Any
    again: bool  # whether the backward pass computes each of them again

    @property
    def base(self) -> str:
        return "nn.ModuleDict" if self.keyed else "nn.ModuleList"

    def over(self, holder: ast.expr) -> ast.expr:
        """What a loop over the layers goes over."""
        return call(ast.Attribute(holder, "values")) if self.keyed else holder

    def loop(self, x: str, maps: str, layer: str, over: ast.expr) -> list[ast.stmt]:
        """The list of all maps, and the loop that fills it."""
        newest: ast.expr = ast.Subscript(name(maps), ast.UnaryOp(ast.USub(), ast.Constant(1)))
        seen = call("torch.cat", name(maps), 1) if self.sees == "all" else newest
        made: ast.expr = call(layer, seen)
        made = recomputed(made) if self.again else made
        kind = ast.Subscript(ast.Name("list"), ast.Name("Tensor"))
        filled = ast.Expr(call(f"{maps}.append", made))
        return [
            ast.AnnAssign(ast.Name(maps), kind, ast.List([name(x)]), 1),
            ast.For(ast.Name(layer), over, [filled], []),
        ]

    def spec(self, x: TensorSpec) -> TensorSpec:
        """That of the map at NTH in the list, of which the first is `x`."""
        if same(self.start, self.growth):
            return x
        first = equal(variable(NTH, "int"), 0)
        return x.with_channels(choose(first, lambda: self.start, lambda: self.growth))


@dataclass(eq=False)
class Linking(Step):
    """The step of a `forward` that makes the list; its code is the input, and what it goes over."""

    links: "Links | None" = None


def links(walk: Any, item: Item, env: Env, count: Any) -> Links | None:
    """The layers of a `dense` as a list of modules; None where they are none."""
    sees, layer = walk.word(item, "sees"), item.parts["layer"]
    i = variable("i", "int")
    bound = env.bind({"i": i, "first": equal(i, 0), "last": equal(i, count - 1)})
    start, probe = env.first.spec.channels, variable("channels_seen", "int")
    again = len(layer.items) == 1 and layer.items[0].modifiers.checkpoint
    if again:
        (one,) = layer.items
        plain = replace(one, modifiers=replace(one.modifiers, checkpoint=False))
        layer = replace(layer, items=(plain,))
    parts: Parts = []
    with walk.repeating(LAYER):
        after = walk.chain(layer, bound.with_input(with_channels(env.first, probe)), parts)
    if after is None or len(parts) != 1:
        return None
    growth = after.first.spec.channels
    growth = start if sees == "last" and same(growth, probe) else growth
    if names_in(growth) & {"i", "channels_seen"}:
        return None
    seen = binary("+", start, binary("*", i, growth))
    if sees == "last":
        seen = choose(equal(i, 0), lambda: start, lambda: growth)
    parts = []
    with walk.repeating(LAYER):
        walk.chain(layer, bound.with_input(with_channels(env.first, seen)), parts)
    (part,) = parts
    if not isinstance(part, Part) or part.made.before or part.test is not None:
        return None
    used = {n.id for n in ast.walk(part.made.code) if isinstance(n, ast.Name)}
    keyed = part.key is not None
    index = "i" if "i" in used or keyed else "_"
    clause = ast.comprehension(name(index), call("range", count), [], 0)
    if part.key is None:
        members: ast.expr = ast.ListComp(part.made.code, [clause])
    else:
        members = ast.DictComp(text_of(part.key), part.made.code, [clause])
    return Links(members, keyed, sees, count, start, growth, again)
