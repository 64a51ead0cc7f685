"""What a parameter makes that is told something: `pool(3, stride=stride)`, `norm(out)`."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archdsl.modules.call import Call
from archdsl.ops import OPS, Op, arguments
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.operations import module_of, settle, torch_call
from archdsl.pytorch.python import as_syntax, call
from archdsl.pytorch.shapes import infer
from archdsl.pytorch.symbols import Fixed, known, same


@dataclass(frozen=True)
class Told:
    """What a class tells the op that a parameter stands for, and on what map."""

    given: Mapping[str, Any]
    x: TensorSpec

    def made(self, verb: str, more: Mapping[str, Any]) -> tuple[Op, Call]:
        """An op that is told this and more, and what makes it."""
        op = OPS[verb]
        values = {**more, **self.given}
        if not values.keys() <= arguments(op).keys() or op.inputs != 1:
            raise Fixed((), f"{verb} is told what it does not take")
        made = settle(op, values, self.x)
        written = torch_call(made, [self.x])
        if written.form != "module" or written.use or getattr(made, "init", None) is not None:
            raise Fixed((), f"{verb} is no plain module")
        return made, written

    def call(self, title: str, verb: str) -> tuple[Op, ast.Call]:
        """A call of the parameter, which stands for an op of this verb unless told otherwise."""
        made, written = self.made(verb, {})
        code = module_of(written)
        return made, ast.Call(ast.Name(title), code.args, code.keywords)


def factory_told(
    verb: str, more: Mapping[str, Any], standard: str, told: Sequence[Told]
) -> ast.expr:
    """What is given for a parameter so that its calls make an op of a verb, with more arguments.

    Raises Fixed where its calls, written for the standard op, would make another.
    """
    found: list[dict[str, Any]] = []
    target = ""
    for each in told:
        usual, said = each.made(standard, {})
        made, wanted = each.made(verb, more)
        shapes = [infer(op, [each.x]).shape for op in (usual, made)]
        if not same(list(shapes[0]), list(shapes[1])):
            raise Fixed((), f"{verb} gives another map than {standard}")
        heard, needed = (_written(one) for one in (said, wanted))
        extra = {n: value for n, value in needed.items() if n not in heard}
        if any(n not in needed or not same(needed[n], value) for n, value in heard.items()):
            raise Fixed((), f"{verb} is called otherwise than {standard}")
        if not known(*extra.values()) or any(isinstance(n, int) for n in extra):
            raise Fixed((), f"{verb} needs what {standard} does not")
        found.append({str(n): value for n, value in extra.items()})
        target = wanted.target
    if any(one != found[0] for one in found):
        raise Fixed((), f"{verb} is made in several ways")
    keywords = {n: as_syntax(value) for n, value in found[0].items()}
    return call("partial", target_of(target), **keywords) if keywords else target_of(target)


def target_of(target: str) -> ast.expr:
    return call(target).func


def _written(made: Call) -> dict[int | str, Any]:
    """The arguments that are written in a call, by place or name; others are PyTorch's own."""
    places = (a.value for a in made.arguments if not a.keyword)
    found: dict[int | str, Any] = dict(enumerate(places))
    return found | {
        a.name: a.value
        for a in made.arguments
        if a.keyword and not (known(a.value) and a.value == a.default)
    }
