"""Python syntax: built as trees, printed within the line length. Nothing else writes source."""

import ast
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from keyword import iskeyword
from typing import Any

from archdsl.pytorch.literals import WIDTH, docstring, literal

_STEP = 4


def as_syntax(value: Any) -> ast.expr:
    """The syntax of a value: text, numbers, flags, None, and lists of such and of syntax.

    Raises ValueError for what is not finite, TypeError for what has no literal.
    """
    if isinstance(value, ast.expr):
        return value
    if hasattr(value, "syntax"):
        syntax: ast.expr = value.syntax
        return syntax
    if value is None or isinstance(value, bool | str):
        return ast.Constant(value)
    if isinstance(value, int | float):
        if not math.isfinite(value):
            raise ValueError(f"{value} has no literal")
        plain = ast.Constant(abs(value))
        return ast.UnaryOp(ast.USub(), plain) if math.copysign(1, value) < 0 else plain
    if isinstance(value, tuple):
        return ast.Tuple([as_syntax(part) for part in value], ast.Load())
    if isinstance(value, list):
        return ast.List([as_syntax(part) for part in value], ast.Load())
    raise TypeError(f"{type(value).__name__} has no literal")


def name(path: str) -> ast.expr:
    """`torch.nn.init` as syntax, from a path of names."""
    first, *rest = path.split(".")
    syntax: ast.expr = ast.Name(first)
    for part in rest:
        syntax = ast.Attribute(syntax, part)
    return syntax


def call(function: str | ast.expr, *arguments: Any, **keywords: Any) -> ast.Call:
    called = name(function) if isinstance(function, str) else function
    named = [ast.keyword(key, as_syntax(value)) for key, value in keywords.items()]
    return ast.Call(called, [as_syntax(value) for value in arguments], named)


def assign(target: str | ast.expr, value: Any) -> ast.stmt:
    written = name(target) if isinstance(target, str) else target
    return ast.Assign([written], as_syntax(value))


def annotated(title: str, kind: ast.expr, value: ast.expr) -> ast.stmt:
    return ast.AnnAssign(ast.Name(title), kind, value, 1)


def choice(test: ast.expr, body: ast.expr, other: ast.expr) -> ast.expr:
    return ast.IfExp(test, body, other)


def of_length(items: ast.expr, count: int) -> ast.stmt:
    """Refuses a list of another length."""
    test = ast.Compare(call("len", items), [ast.NotEq()], [ast.Constant(count)])
    message = f"{flat(items)} must have a length of {count}"
    return ast.If(test, [ast.Raise(call("ValueError", message))], [])


def is_attribute(key: str) -> bool:
    """Whether an attribute or a keyword can have a name."""
    return key.isidentifier() and not iskeyword(key)


def ordered(members: Mapping[str, ast.expr]) -> ast.expr:
    """What an `nn.Sequential` is made of whose members have names."""
    if all(map(is_attribute, members)):
        return call("OrderedDict", **members)
    pairs: list[ast.expr] = [ast.Tuple([as_syntax(k), code]) for k, code in members.items()]
    return call("OrderedDict", ast.List(pairs))


def negated(test: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), test)


def loop(target: ast.expr, over: ast.expr, body: list[ast.stmt]) -> ast.stmt:
    return ast.For(target, over, body, [])


def function(
    title: str, arguments: Sequence[ast.arg], defaults: Sequence[ast.expr], returns: ast.expr,
    body: list[ast.stmt],
) -> ast.FunctionDef:  # fmt: skip
    given = ast.arguments([], list(arguments), None, [], [], None, list(defaults))
    return ast.FunctionDef(title, given, body, [], returns)


# reading


def walk(*trees: ast.AST) -> Iterator[ast.AST]:
    """All nodes of trees, the leaves from last to first; `ast.walk` takes three times as long."""
    open = list(trees)
    while open:
        node = open.pop()
        yield node
        for field in node._fields:
            inner = getattr(node, field, None)
            if isinstance(inner, ast.AST):
                open.append(inner)
            elif isinstance(inner, list):
                open += [part for part in inner if isinstance(part, ast.AST)]


def identifiers(*trees: ast.AST) -> set[str]:
    """The names that stand in trees."""
    return {node.id for node in walk(*trees) if isinstance(node, ast.Name)}


# printing

_STRENGTH = {
    ast.Or: 2, ast.And: 3, ast.Not: 4, ast.Add: 7, ast.Sub: 7, ast.Mult: 8, ast.Div: 8,
    ast.FloorDiv: 8, ast.Mod: 8, ast.MatMult: 8, ast.USub: 9, ast.UAdd: 9, ast.Pow: 10,
}  # fmt: skip
_PLAIN = (ast.Name, ast.Constant, ast.Attribute)
_COMPARES, _UNITS = 5, 12
_SIGN = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
    ast.Pow: "**", ast.MatMult: "@", ast.BitOr: "|", ast.Lt: "<", ast.Gt: ">", ast.LtE: "<=",
    ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=", ast.Is: "is", ast.IsNot: "is not",
    ast.In: "in", ast.USub: "-", ast.UAdd: "+", ast.Not: "not ",
}  # fmt: skip


def flat(node: ast.expr, around: int = 0) -> str:
    """An expression on one line, in parentheses where it binds less than what stands around it."""
    text, strength = _flat(node)
    return f"({text})" if strength < around else text


def _flat(node: ast.expr) -> tuple[str, int]:
    match node:
        case ast.Constant(value=value):
            return "..." if value is ... else literal(value), _UNITS
        case ast.Name(id=text):
            return text, _UNITS
        case ast.Attribute(value=owner, attr=attribute):
            return f"{flat(owner, _UNITS)}.{attribute}", _UNITS
        case ast.Call(func=called):
            return f"{flat(called, _UNITS)}({', '.join(map(_joined, _items(node)))})", _UNITS
        case ast.Starred(value=value):
            return f"*{flat(value, 6)}", 1
        case ast.Subscript(value=value, slice=part):
            inner = _targets(part) if isinstance(part, ast.Tuple) else flat(part)
            return f"{flat(value, _UNITS)}[{inner}]", _UNITS
        case ast.Slice(lower=lower, upper=upper, step=step):
            parts = (lower, upper, step) if step else (lower, upper)
            ends = [flat(end) if end else "" for end in parts]
            sides = [end.operand if isinstance(end, ast.UnaryOp) else end for end in parts]
            plain = all(end is None or isinstance(end, ast.Constant | ast.Name) for end in sides)
            return (":" if plain else " : ").join(ends).strip(), _UNITS
        case ast.Tuple(elts=parts):
            inner = ", ".join(map(flat, parts))
            return f"({inner}{',' if len(parts) == 1 else ''})", _UNITS
        case ast.List(elts=parts):
            return f"[{', '.join(map(flat, parts))}]", _UNITS
        case ast.Dict():
            return "{" + ", ".join(map(_joined, _items(node))) + "}", _UNITS
        case ast.DictComp(key=key, value=value):
            return f"{{{flat(key)}: {flat(value)} {_clauses(node)}}}", _UNITS
        case ast.GeneratorExp(elt=element) | ast.ListComp(elt=element):
            text = f"{flat(element, 1)} {_clauses(node)}"
            return f"[{text}]" if isinstance(node, ast.ListComp) else f"({text})", _UNITS
        case ast.JoinedStr(values=parts):
            return f'f"{"".join(map(_piece, parts))}"', _UNITS
        case _:
            return _operation(node)


def _operation(node: ast.expr) -> tuple[str, int]:
    match node:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return f"{flat(left, 6)} | {flat(right, 7)}", 6
        case ast.BinOp(left=left, op=op, right=right):
            own = _STRENGTH[type(op)]
            power = isinstance(op, ast.Pow)
            sides = flat(left, own + power), flat(right, own + (not power) - power)
            tight = power and all(
                isinstance(s.operand if isinstance(s, ast.UnaryOp) else s, _PLAIN)
                for s in (left, right)
            )
            gap = "" if tight else " "
            return f"{sides[0]}{gap}{_SIGN[type(op)]}{gap}{sides[1]}", own
        case ast.UnaryOp(op=op, operand=operand):
            own = _STRENGTH[type(op)]
            return f"{_SIGN[type(op)]}{flat(operand, own)}", own
        case ast.BoolOp(op=op, values=values):
            own = _STRENGTH[type(op)]
            word = " or " if isinstance(op, ast.Or) else " and "
            return word.join(flat(value, own + 1) for value in values), own
        case ast.Compare(left=left, ops=ops, comparators=others):
            pairs = zip(ops, others, strict=True)
            rest = "".join(f" {_SIGN[type(op)]} {flat(o, _COMPARES + 1)}" for op, o in pairs)
            return flat(left, _COMPARES + 1) + rest, _COMPARES
        case ast.IfExp(test=test, body=body, orelse=other):
            return f"{flat(body, 2)} if {flat(test, 2)} else {flat(other, 1)}", 1
        case ast.Lambda(args=arguments, body=body):
            names = ", ".join(a.arg for a in arguments.args)
            return f"lambda{' ' if names else ''}{names}: {flat(body)}", 0
    raise TypeError(f"{type(node).__name__} is not written")


def _piece(part: ast.expr) -> str:
    """A part of an f-string: text, or a value between braces."""
    if isinstance(part, ast.FormattedValue):
        return "{" + flat(part.value) + "}"
    assert isinstance(part, ast.Constant)
    text = str(part.value)
    return literal(text)[1:-1].replace("{", "{{").replace("}", "}}")


def _clauses(node: ast.GeneratorExp | ast.ListComp | ast.DictComp) -> str:
    clauses = (
        f"for {_targets(clause.target)} in {flat(clause.iter, 2)}"
        + "".join(f" if {flat(test, 2)}" for test in clause.ifs)
        for clause in node.generators
    )
    return " ".join(clauses)


def _targets(node: ast.expr) -> str:
    return ", ".join(map(flat, node.elts)) if isinstance(node, ast.Tuple) else flat(node)


Item = tuple[str, ast.expr]  # what stands before it, and the expression


def _joined(item: Item) -> str:
    return item[0] + flat(item[1])


def _items(node: ast.expr) -> list[Item]:
    """What stands between the brackets of a call, list, tuple or mapping."""
    if isinstance(node, ast.Call):
        named = [(f"{k.arg}=" if k.arg else "**", k.value) for k in node.keywords]
        return [*(("", argument) for argument in node.args), *named]
    if isinstance(node, ast.Dict):
        keys = [key for key in node.keys if key is not None]
        return [(f"{flat(k)}: ", value) for k, value in zip(keys, node.values, strict=True)]
    assert isinstance(node, ast.List | ast.Tuple)
    return [("", part) for part in node.elts]


def lay_out(prefix: str, node: ast.expr, suffix: str, indent: int) -> list[str]:
    """An expression between a prefix and a suffix, over several lines where one is too short."""
    margin, line = " " * indent, ""
    if not _is_long(node):
        line = f"{margin}{prefix}{flat(node)}{suffix}"
        if len(line) <= WIDTH:
            return [line]
    match node:
        case ast.Starred(value=value):
            return lay_out(f"{prefix}*", value, suffix, indent)
        case ast.Call(func=called, args=[ast.GeneratorExp() as made], keywords=[]):
            inner = _looped(made, indent + _STEP)
            return [f"{margin}{prefix}{flat(called)}(", *inner, f"{margin}){suffix}"]
        case ast.Call(func=called) if node.args or node.keywords:
            return _bracketed(f"{prefix}{flat(called)}(", _items(node), f"){suffix}", indent)
        case ast.List(elts=[_, *_]):
            return _bracketed(f"{prefix}[", _items(node), f"]{suffix}", indent, False)
        case ast.Subscript(value=value, slice=ast.Tuple() as part):
            return _bracketed(f"{prefix}{flat(value)}[", _items(part), f"]{suffix}", indent, False)
        case ast.Slice(lower=lower, upper=ast.BinOp(left=left, op=op, right=right)):
            start = f"{margin}{prefix}{flat(lower)} : " if lower else f"{margin}{prefix}:"
            rest = f"{_SIGN[type(op)]} {flat(right, _STRENGTH[type(op)] + 1)}"
            return [
                start + flat(left, _STRENGTH[type(op)]),
                f"{margin}{rest}{suffix}",
            ]
        case ast.Tuple(elts=[_, _, *_]):
            return _bracketed(f"{prefix}(", _items(node), f"){suffix}", indent, False)
        case ast.Dict(keys=[_, *_]):
            return _bracketed(f"{prefix}{{", _items(node), f"}}{suffix}", indent, False)
        case ast.GeneratorExp() | ast.ListComp() | ast.DictComp():
            sides = {ast.ListComp: "[]", ast.DictComp: "{}"}.get(type(node), "()")
            inner = _looped(node, indent + _STEP)
            return [f"{margin}{prefix}{sides[0]}", *inner, f"{margin}{sides[1]}{suffix}"]
        case ast.IfExp() | ast.BoolOp() | ast.BinOp() | ast.Compare():
            if not prefix and not suffix:
                return _split(node, indent)
            inner = _split(node, indent + _STEP)
            return [f"{margin}{prefix}(", *inner, f"{margin}){suffix}"]
    return [line]


def _is_long(node: ast.expr) -> bool:
    """Whether it is clear without writing it that brackets hold more than a line."""
    parts = node.args if isinstance(node, ast.Call) else getattr(node, "elts", ())
    return len(parts) > WIDTH // 2


def _bracketed(
    opening: str, items: list[Item], closing: str, indent: int, joins: bool = True
) -> list[str]:
    """What stands between brackets: on one line if it may, else an item a line."""
    margin, inner = " " * indent, indent + _STEP
    joins = joins and len(items) <= WIDTH // 2
    together = " " * inner + ", ".join(map(_joined, items)) if joins else ""
    if joins and len(together) <= WIDTH:
        lines = [together]
    else:
        comma = "," if len(items) > 1 else ""
        lines = [line for before, item in items for line in lay_out(before, item, comma, inner)]
    return [f"{margin}{opening}", *lines, f"{margin}{closing}"]


def _looped(node: ast.GeneratorExp | ast.ListComp | ast.DictComp, indent: int) -> list[str]:
    margin = " " * indent
    before, element = "", node.value if isinstance(node, ast.DictComp) else node.elt
    if isinstance(node, ast.DictComp):
        before = f"{flat(node.key)}: "
    together = f"{margin}{before}{flat(element, 1)} {_clauses(node)}"
    if len(together) <= WIDTH:
        return [together]
    return [*lay_out(before, element, "", indent), *_clauses_laid_out(node, indent)]


def _clauses_laid_out(
    node: ast.GeneratorExp | ast.ListComp | ast.DictComp, indent: int
) -> list[str]:
    line, first = f"{' ' * indent}{_clauses(node)}", node.generators[0]
    if len(line) <= WIDTH or len(node.generators) > 1 or first.ifs:
        return [line]
    return lay_out(f"for {_targets(first.target)} in ", first.iter, "", indent)


def _split(node: ast.expr, indent: int) -> list[str]:
    """An operation between parentheses, its parts a line each."""
    margin = " " * indent
    if len(margin) + len(flat(node)) <= WIDTH:
        return [f"{margin}{flat(node)}"]
    if isinstance(node, ast.IfExp):
        test, rest = f"if {flat(node.test, 2)}", node.orelse
        others: list[str] = []
        while isinstance(rest, ast.IfExp):
            others += [*lay_out("else ", rest.body, "", indent), f"{margin}if {flat(rest.test, 2)}"]
            rest = rest.orelse
        other = lay_out("else ", rest, "", indent)
        nested = isinstance(node.body, ast.IfExp | ast.Lambda)
        body = [f"{margin}{flat(node.body, 2)}"] if nested else lay_out("", node.body, "", indent)
        return [*body, f"{margin}{test}", *others, *other]
    if isinstance(node, ast.BoolOp):
        word, own = ("or " if isinstance(node.op, ast.Or) else "and "), _STRENGTH[type(node.op)]
        parts = [flat(value, own + 1) for value in node.values]
        return [f"{margin}{word if n else ''}{part}" for n, part in enumerate(parts)]
    if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Pow | ast.BitOr):
        return _terms(node, indent)
    return [f"{margin}{flat(node)}"]


def _terms(node: ast.BinOp, indent: int) -> list[str]:
    """The operands of signs that bind alike, a line each."""
    own = _STRENGTH[type(node.op)]
    if isinstance(node.left, ast.BinOp) and _STRENGTH[type(node.left.op)] == own:
        left = _terms(node.left, indent)
    else:
        left = _operand("", node.left, own, indent)
    return [*left, *_operand(f"{_SIGN[type(node.op)]} ", node.right, own + 1, indent)]


def _operand(prefix: str, node: ast.expr, strength: int, indent: int) -> list[str]:
    if isinstance(node, ast.Call):
        return lay_out(prefix, node, "", indent)
    if flat(node) == flat(node, strength):
        return [f"{' ' * indent}{prefix}{flat(node)}"]
    inner = _split(node, indent + _STEP)
    line = f"{' ' * indent}{prefix}{flat(node, strength)}"
    return [line] if len(line) <= WIDTH else [
        f"{' ' * indent}{prefix}(", *inner, f"{' ' * indent})"
    ]  # fmt: skip


def lines_of(statements: Iterable[ast.stmt], indent: int = 0) -> list[str]:
    """The lines of statements."""
    return [line for statement in statements for line in _lines(statement, indent)]


def _lines(node: ast.stmt, indent: int) -> list[str]:
    margin, inner = " " * indent, indent + _STEP
    match node:
        case ast.ClassDef(name=title, bases=bases, body=body):
            members: list[str] = []
            for n, member in enumerate(body):
                apart = n and not (isinstance(member, ast.AnnAssign) and n > 1)
                members += [*([""] if apart else []), *_lines(member, inner)]
            return [f"{margin}class {title}({', '.join(map(flat, bases))}):", *members]
        case ast.FunctionDef():
            return _definition(node, indent)
        case ast.Expr(value=ast.Constant(value=str(text))):
            return docstring(text.split("\n"), indent)
        case ast.Expr(value=value):
            return lay_out("", value, "", indent)
        case ast.Assign(targets=[target], value=value):
            return lay_out(f"{_targets(target)} = ", value, "", indent)
        case ast.AugAssign(target=target, op=op, value=value):
            return lay_out(f"{flat(target)} {_SIGN[type(op)]}= ", value, "", indent)
        case ast.AnnAssign(target=target, annotation=kind, value=None):
            return [f"{margin}{flat(target)}: {flat(kind)}"]
        case ast.AnnAssign(target=target, annotation=kind, value=ast.expr() as value):
            return lay_out(f"{flat(target)}: {flat(kind)} = ", value, "", indent)
        case ast.Return(value=ast.Tuple(elts=[_, _, *_]) as several):
            line = f"{margin}return {_targets(several)}"
            return [line] if len(line) <= WIDTH else lay_out("return ", several, "", indent)
        case ast.Return(value=ast.expr() as value):
            return lay_out("return ", value, "", indent)
        case ast.Delete(targets=targets):
            return _deletions([*map(flat, targets)], f"{margin}del ")
        case ast.Raise(exc=ast.expr() as error):
            return lay_out("raise ", error, "", indent)
        case ast.If(test=test, body=body, orelse=other):
            rest = [f"{margin}else:", *lines_of(other, inner)] if other else []
            if len(other) == 1 and isinstance(other[0], ast.If):
                rest = _lines(other[0], indent)
                rest[0] = f"{margin}el{rest[0].lstrip()}"
            return [*lay_out("if ", test, ":", indent), *lines_of(body, inner), *rest]
        case ast.For(target=target, iter=over, body=body):
            first = lay_out(f"for {_targets(target)} in ", over, ":", indent)
            return [*first, *lines_of(body, inner)]
    raise TypeError(f"{type(node).__name__} is not written")


def _deletions(titles: Sequence[str], start: str) -> list[str]:
    """The statements that delete variables; TorchScript knows no `del (a, b)` on several lines."""
    lines = [start + titles[0]]
    for title in titles[1:]:
        longer = f"{lines[-1]}, {title}"
        fits = len(longer) <= WIDTH
        lines[len(lines) - fits :] = [longer if fits else start + title]
    return lines


def _definition(node: ast.FunctionDef, indent: int) -> list[str]:
    margin, given = " " * indent, node.args.args
    defaults = [None] * (len(given) - len(node.args.defaults)) + [*node.args.defaults]
    shown = []
    for argument, default in zip(given, defaults, strict=True):
        text = argument.arg + (f": {flat(argument.annotation)}" if argument.annotation else "")
        equals = " = " if argument.annotation else "="
        shown.append(text + (f"{equals}{flat(default)}" if default is not None else ""))
    returns = f" -> {flat(node.returns)}" if node.returns else ""
    line = f"{margin}def {node.name}({', '.join(shown)}){returns}:"
    head = [line]
    if len(line) > WIDTH:
        together = f"{margin}{' ' * _STEP}{', '.join(shown)}"
        each = [f"{margin}{' ' * _STEP}{one}," for one in shown]
        inside = [together] if len(together) <= WIDTH else each
        head = [f"{margin}def {node.name}(", *inside, f"{margin}){returns}:"]
    return [*head, *lines_of(node.body, indent + _STEP)]
