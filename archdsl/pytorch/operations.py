"""Ops whose arguments may vary: settled, and written as calls of PyTorch."""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, replace
from functools import cache
from typing import Any

from archdsl.modules.call import Argument, Call, plain
from archdsl.modules.calls import call
from archdsl.modules.layers import convolution
from archdsl.ops import (
    ArgumentError,
    Op,
    activation,
    arguments,
    conv,
    kind,
    shape,
)
from archdsl.ops.axes import SIDES
from archdsl.ops.init import INIT, SCALE_INIT, Init
from archdsl.ops.kinds import (
    AXES,
    BORDERS,
    CHANNELS,
    CONV_PADDING,
    INDEX,
    KERNEL,
    POOL_PADDING,
    SHAPE,
    WHOLE,
)  # fmt: skip
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.python import as_syntax, name
from archdsl.pytorch.python import call as written_call
from archdsl.pytorch.shapes import vars_of
from archdsl.pytorch.symbols import (
    Fixed,
    Symbol,
    binary,
    element,
    known,
    names_in,
    same,
    symbol,
    whole,
)  # fmt: skip
from archdsl.pytorch.translator import assuming, choose

_PER_AXIS = (AXES, BORDERS, CONV_PADDING, POOL_PADDING)


def settle(op: type[Op], values: Mapping[str, Any], x: TensorSpec) -> Op:
    """An op from the values of its arguments, as `construct` does, some of which may vary."""
    settled: dict[str, Any] = {}
    for title, declared in arguments(op).items():
        value = values.get(title, declared.default)
        if value is MISSING:
            raise Fixed((), f"{op.verb} needs {title}")
        if title not in values and value is CHANNELS:
            value = x.channels
        if title not in values and value is KERNEL:
            settled[title] = settled["kernel"]
        elif value is None and declared.default is None:
            settled[title] = None
        else:
            settled[title] = _argument(op, title, value, x)
    return op(**settled)


def _argument(op: type[Op], title: str, value: Any, x: TensorSpec) -> Any:
    declared = kind(op, title)
    if known(value):
        try:
            return declared.read(value, x.rank)
        except ArgumentError as error:
            raise Fixed((), f"{title} of {op.verb}: {error.message}") from error
    if declared in (INIT, SCALE_INIT):
        return _init(value)
    if declared in _PER_AXIS:
        return _axes(value, x.rank)
    if declared is SIDES and isinstance(value, list | tuple):
        return _sides(value, x.rank)
    if declared is SHAPE:
        return tuple(whole(part) for part in either_of(value))
    if declared in (WHOLE, INDEX):
        return whole(value)
    return value


def _axes(value: Any, rank: int) -> Any:
    """A number per axis, or a symbol that stands for either."""
    if isinstance(value, list | tuple):
        return tuple(whole(part) for part in value)
    if value.type == "list" and value.length == rank:
        return tuple(element(value, n) for n in range(rank))
    if value.type in ("axes", "str", "list"):
        return value
    return (whole(value),) * rank


def _sides(value: Sequence[Any], rank: int) -> tuple[Any, ...]:
    """A border per axis, some of them `[before, after]`; along one axis, this pair alone."""
    parts = [value] if rank == 1 and len(value) == 2 else value
    pairs = (tuple(map(whole, part)) if isinstance(part, list | tuple) else whole(part)
             for part in parts)  # fmt: skip
    return tuple(pairs)


def _init(value: Any) -> Init:
    if isinstance(value, Symbol):
        raise Fixed(value.names)
    scheme = next(name for name in value if name != "bias")
    bias = value.get("bias")
    if bias is not None and not isinstance(bias, dict | str):
        bias = {"constant": {"val": bias}}
    if isinstance(bias, str):
        bias = {bias: {}}
    settings = tuple((value[scheme] or {}).items())
    return Init(scheme, settings, None if bias is None else _init(bias))


def writing_over(op: Op) -> ast.expr | None:
    """Whether a module of an op is told to write over its input, None if it never can be.

    A slope that varies can where it is not negative.
    """
    x = TensorSpec((1, 1, 1))
    varying = {n: v for n, v in vars(op).items() if isinstance(v, Symbol)}
    if type(op).__module__ != activation.__name__ or len(varying) > 1:
        return None
    if not varying:
        return ast.Constant(True) if op.storage(x, x).over is not None else None
    ((title, value),) = varying.items()
    over = [replace(op, **{title: sign}).storage(x, x).over for sign in (0.0, -1.0)]
    if over[0] is None or over[1] is not None:
        return None
    return ast.Compare(value.syntax, [ast.GtE()], [ast.Constant(0)])


def torch_call(op: Op, inputs: Sequence[TensorSpec]) -> Call:
    """The PyTorch call for an op, some of whose arguments may vary."""
    if type(op) is conv.Conv and not known(op.kernel, op.stride, op.padding, op.dilation):
        return _conv(op, inputs[0])
    if isinstance(op, shape.Resize) and isinstance(op.scale, Symbol):
        made = call(replace(op, scale=2.0), tuple(inputs))
        scale, *settings = made.arguments
        return replace(made, arguments=(replace(scale, value=op.scale), *settings))
    try:
        made = call(op, tuple(inputs))
    except (TypeError, AttributeError) as error:
        raise Fixed(names_in(*vars_of(op)), f"{op.verb}: {error}") from error
    for argument in made.arguments:
        value = argument.value
        if value is None and (argument.default is not None or not argument.keyword):
            raise Fixed((), f"{op.verb} needs a size that is not known")
        if isinstance(value, tuple) and None in value:
            raise Fixed((), f"{op.verb} needs a size that is not known")
    return made


def reshaping(op: shape.Reshape) -> Call:
    """What gives a map a shape that only `forward` knows."""
    found: dict[str, Any] = {}

    def listed(sizes: Sequence[Any]) -> str:
        titles = [f"size{len(found) + place}" for place in range(len(sizes))]
        found.update(zip(titles, sizes, strict=True))
        return ", ".join(["{0}.shape[0]", *(f"{{{title}}}" for title in titles)])

    test = common_test(op.shape)
    if test is None:
        template = f"{{0}}.reshape({listed(op.shape)})"
    else:
        arms = (
            listed([assuming(size, test, holds) for size in op.shape]) for holds in (True, False)
        )
        template = "{{0}}.reshape([{}] if {{test}} else [{}])".format(*arms)
        found["test"] = test
    arguments = tuple(Argument(title, size, keyword=False) for title, size in found.items())
    return Call(template, arguments, "function")


def either_of(value: Any) -> Sequence[Any]:
    """A list that is one of two of a length, part by part."""
    match value:
        case Symbol(syntax=ast.IfExp(test=test, body=ast.List(elts=a), orelse=ast.List(elts=b))):
            if len(a) == len(b):
                return [
                    _either(replace(value, type="bool", syntax=test), *p)
                    for p in zip(a, b, strict=True)
                ]
    return value  # type: ignore[no-any-return]


def _either(test: Symbol, one: ast.expr, other: ast.expr) -> Any:
    sides: list[Any] = [
        part.value if isinstance(part, ast.Constant) else replace(test, type="int", syntax=part)
        for part in (one, other)
    ]
    return choose(test, lambda: sides[0], lambda: sides[1])


def common_test(values: Sequence[Any]) -> Symbol | None:
    """The test that several values depend on; None if there is none."""
    choices = [v for v in values if isinstance(v, Symbol) and isinstance(v.syntax, ast.IfExp)]
    tests = [replace(v, type="bool", syntax=v.syntax.test) for v in choices
             if isinstance(v.syntax, ast.IfExp)]  # fmt: skip
    alike = len(tests) > 1 and all(same(tests[0], test) for test in tests)
    return tests[0] if alike else None


def _conv(op: conv.Conv, x: TensorSpec) -> Call:
    sizes = [plain(op.kernel), plain(op.dilation)]
    padding: Any = op.padding
    if isinstance(padding, Symbol) and padding.type in ("str", "axes"):
        padding = symbol(written_call("padding_of", padding, *_dilated(sizes)), "axes", padding)
    elif padding == "auto":
        if all(isinstance(v, tuple) for v in (op.kernel, op.dilation)):
            pads = tuple(_keeping(k, d) for k, d in zip(op.kernel, op.dilation, strict=True))
            padding = pads[0] if all(same(pads[0], p) for p in pads[1:]) else pads
        else:
            made = written_call("padding_of", "auto", *_dilated(sizes))
            padding = symbol(made, "axes", *sizes)
    elif padding == "same":
        padding = None
    elif padding == "valid":
        padding = 0
    return convolution(op, x, padding)


def pads_evenly(op: Op) -> Any:
    """Whether PyTorch's own `same` will do where TensorFlow's is asked for; None if that is known.

    It will at stride 1, where both sides get as much.
    """
    if type(op) is not conv.Conv or op.padding != "same":
        return None
    if known(op.kernel, op.stride, op.dilation):
        return None
    if not all(isinstance(v, tuple) for v in (op.kernel, op.stride, op.dilation)):
        raise Fixed(names_in(op.kernel, op.stride, op.dilation))
    tests: list[ast.expr] = []
    for kernel, stride, dilation in zip(op.kernel, op.stride, op.dilation, strict=True):
        odd = binary("%", binary("*", dilation, binary("-", kernel, 1)), 2)
        for value, wanted in ((stride, 1), (odd, 0)):
            if isinstance(value, Symbol):
                tests.append(ast.Compare(as_syntax(value), [ast.Eq()], [as_syntax(wanted)]))
            elif value != wanted:
                return None
    different = {ast.dump(test): test for test in tests}
    both = list(different.values())
    syntax = both[0] if len(both) == 1 else ast.BoolOp(ast.And(), both)
    return symbol(syntax, "bool", op.kernel, op.stride, op.dilation)


def _keeping(kernel: Any, dilation: Any) -> Any:
    """The padding that keeps the size."""
    if known(kernel) and kernel % 2:
        return binary("*", dilation, (kernel - 1) // 2)
    return binary("//", binary("*", dilation, binary("-", kernel, 1)), 2)


def _dilated(sizes: list[Any]) -> list[Any]:
    return sizes if not same(sizes[1], 1) else sizes[:1]


def taken(argument: Argument) -> Any:
    """What PyTorch is given: a fraction where that is its default, since TorchScript insists."""
    value = argument.value
    whole_one = isinstance(value, Symbol) and value.type in ("int", "bool")
    if not whole_one or not isinstance(argument.default, float):
        return value
    return symbol(written_call("float", value), "float", value)


def module_of(made: Call) -> ast.Call:
    """The expression that makes a module or a tensor."""
    given = positional([a.value for a in made.arguments if not a.keyword])
    keywords = {
        a.name: as_syntax(taken(a))
        for a in made.arguments
        if a.keyword and not _is_default(a.value, a.default)
    }
    return written_call(made.target, *given, **keywords)


def positional(values: Sequence[Any]) -> list[ast.expr]:
    """Arguments by place; those that one test decides are one of two lists."""
    test = common_test(values)
    if test is None:
        return [as_syntax(value) for value in values]
    arms = [as_syntax(tuple(assuming(v, test, holds) for v in values)) for holds in (True, False)]
    return [ast.Starred(ast.IfExp(test.syntax, *arms))]


def _is_default(value: Any, default: Any) -> bool:
    return (
        known(value) and value == default and isinstance(value, bool) == isinstance(default, bool)
    )


@cache
def _template(text: str) -> ast.expr:
    """A function's template with names for its slots; the text is our own."""
    return ast.parse(re.sub(r"\{(\w+)\}", r"slot_\1", text), mode="eval").body


def function_of(made: Call, inputs: Sequence[ast.expr], weight: ast.expr | None = None) -> ast.expr:
    """The expression of a function's template on these inputs."""
    template = made.use or made.target
    if template in ("{+}", "{*}"):
        sign = ast.Add() if template == "{+}" else ast.Mult()
        total = inputs[0]
        for other in inputs[1:]:
            total = ast.BinOp(total, sign, other)
        return total
    slots: dict[str, ast.expr] = {f"slot_{n}": value for n, value in enumerate(inputs)}
    said = (*made.settings, *(made.arguments if made.form == "function" else ()))
    slots |= {f"slot_{a.name}": as_syntax(a.value) for a in said}
    if weight is not None:
        slots["slot_weight"] = weight
    filled: ast.expr = _filled(_template(template), slots, list(inputs))
    return filled


def _filled(node: Any, slots: Mapping[str, ast.expr], inputs: list[ast.expr]) -> Any:
    if isinstance(node, ast.Name):
        return slots.get(node.id, name(node.id))
    if isinstance(node, list):
        found: list[Any] = []
        for part in node:
            every = isinstance(part, ast.Name) and part.id == "slot_all"
            found += inputs if every else [_filled(part, slots, inputs)]
        return found
    if isinstance(node, ast.AST):
        parts = {field: _filled(value, slots, inputs) for field, value in ast.iter_fields(node)}
        return type(node)(**parts)
    return node
