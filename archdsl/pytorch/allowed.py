"""What emitted source may hold; nothing else is run.

A source is data from a stranger until it was read here. It is parsed, every node of it is looked up
in a list of what the emitter writes, and the tree that passed is what is run. Definitions of the
prelude pass as they are, because they are equal to the prelude's.
"""

import ast
import math
import re
from collections.abc import Callable, Collection, Iterable
from functools import cache
from importlib.resources import files
from itertools import combinations
from typing import Any, NoReturn

from archdsl.diagnostics.errors import InternalError
from archdsl.modules.calls import IMPORTED, OTHER_NAMES, TORCH
from archdsl.ops.init import SCHEMES
from archdsl.pytorch.python import walk

TYPING = ("Any", "Final", "NamedTuple")
IMPORTS = {
    "import math",
    "from collections import OrderedDict",
    "from collections.abc import Callable",
    "from collections.abc import Callable, Sequence",
    "from collections.abc import Sequence",
    "from functools import partial",
    *(
        f"from typing import {', '.join(names)}"
        for count in (1, 2, 3)
        for names in combinations(TYPING, count)
    ),
    "import torch",
    "import torch.nn.functional as F",
    "from torch import Tensor, nn",
}
BASES = {
    "nn.Module", "nn.Sequential", "nn.ModuleList", "nn.ModuleDict", "ListOfParts", "DictOfParts",
}  # fmt: skip
TABLE = frozenset(name for row in TORCH.values() for name in row.writes)
VALUES = (  # what can be called, and handed on to be called
    {name for name in TABLE if not name.startswith(".")}
    | {f"nn.init.{scheme}_" for scheme in SCHEMES}
    | BASES
    | {"nn.Identity", "nn.Parameter"}
)
NUMBERS = {  # what expressions of a spec become
    "abs", "bool", "float", "int", "len", "list", "make_divisible", "math.ceil", "math.floor",
    "math.sqrt", "max", "min", "padding_of", "sum",
}  # fmt: skip
CALLS = (
    VALUES
    | NUMBERS
    | {
        "OrderedDict",
        "added",
        "dilate",
        "enumerate",
        "freeze",
        "initialized",
        "initialized_inside",
        "multiplied",
        "partial",
        "put",
        "range",
        "recomputed",
        "recomputed_in_turn",
        "torch.jit.is_scripting",
    }
    | {"type", "zip"}
)
MEMBERS = {name[1:] for name in TABLE if name.startswith(".")} | set(
    """
    append bias children data get_parameter groups modules mul_ register_parameter training values
    weight
    """.split()  # noqa: SIM905 - what the emitter asks of modules and tensors
)
ANNOTATIONS = {
    "int", "float", "bool", "str", "tuple", "dict", "list", "Tensor", "nn.Module", "Any",
    "Callable", "OrderedDict", "Sequence", *BASES,
}  # fmt: skip
FUNCTIONS = {"__init__", "forward"}
METHOD = "forward_"  # the beginning of the name of any other
FIXED = {
    "nn", "torch", "F", "Tensor", "math", "Callable", "Sequence", *TYPING, "super", "getattr",
    *(name for name in CALLS if "." not in name),
}  # fmt: skip
_CONSTANTS = {str, int, float, bool, type(None), type(...)}

_EXPRESSIONS = (
    ast.Constant, ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Slice, ast.Starred,
    ast.Tuple, ast.List, ast.Dict, ast.BinOp, ast.BoolOp, ast.UnaryOp, ast.Compare, ast.IfExp,
    ast.GeneratorExp, ast.ListComp, ast.DictComp, ast.JoinedStr,
    ast.FormattedValue, ast.keyword, ast.comprehension,
    ast.operator, ast.boolop, ast.unaryop, ast.cmpop, ast.expr_context,
)  # fmt: skip
_STATEMENTS = (
    ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.If, ast.For, ast.Return, ast.Raise,
    ast.Delete,
)  # fmt: skip


def allowed(source: str) -> ast.Module:
    """The tree of emitted source, to be run; raises InternalError for anything unexpected in it."""
    try:
        tree = ast.parse(source)
        _Source(tree).check()
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InternalError(f"the source is no Python that can be read: {error}") from error
    return tree


@cache
def prelude() -> dict[str, str]:
    """The source of every definition in prelude.py by name, of a convolution for every rank."""
    text = files("archdsl.pytorch").joinpath("prelude.py").read_text(encoding="utf-8")
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            marks = "".join(f"@{ast.unparse(mark)}\n" for mark in node.decorator_list)
            source = marks + (ast.get_source_segment(text, node) or "")
            ranks = "123" if "Conv2d" in node.name else "2"
            for rank in ranks:
                found[node.name.replace("2d", f"{rank}d")] = source.replace("2d", f"{rank}d")
    return found


class _Source:
    """A source that is looked through; `members` are the attributes that it makes itself."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
        self.members: set[str] = set()
        self.stems: set[str] = set()  # of members that are numbered
        self.rules: set[str] = set()  # functions that scale a size

    def check(self) -> None:
        body = self.tree.body[_has_docstring(self.tree) :]
        definitions = [node for node in body if not _is_import(node)]
        own = [node for node in definitions if not self.is_prelude(node)]
        for node in own:
            self.collect(node)
        for node in body[: len(body) - len(definitions)]:
            require(node, ast.unparse(node) in IMPORTS or _is_of_plugins(node))
        for node in definitions:
            require(node, not _is_import(node))
        for node in own:
            if isinstance(node, ast.FunctionDef):
                self.check_rule(node)
            else:
                self.check_class(node)

    def is_prelude(self, node: ast.stmt) -> bool:
        """Whether a definition is one of the prelude; one of its names must be that."""
        name = getattr(node, "name", "")
        if name not in prelude():
            return False
        require(node, ast.dump(node) == _dump(name))
        return True

    def collect(self, node: ast.AST) -> None:
        """The names that modules are given: assigned, added, or keys of a container."""
        for inner in walk(node):
            match inner:
                case ast.FunctionDef(name=name) if name.startswith(METHOD):
                    self.members.add(name)
                case ast.Attribute(attr=name, ctx=ast.Store()):
                    self.members.add(name)
                case ast.Call(func=ast.Name(id="OrderedDict"), keywords=keywords):
                    self.members.update(keyword.arg or "" for keyword in keywords)
                case ast.Tuple(elts=[ast.Constant(value=str(name)), *_]):
                    self.members.add(name)
                case ast.Dict(keys=keys):
                    texts = (key.value for key in keys if isinstance(key, ast.Constant))
                    self.members.update(text for text in texts if isinstance(text, str))
                case ast.Call(
                    func=ast.Attribute(attr="register_parameter"),
                    args=[ast.Constant(value=str(name)), *_],
                ):
                    self.members.add(name)
                case ast.JoinedStr(values=[ast.Constant(value=str(name)), *_]):
                    self.stems.add(name)

    # definitions

    def check_class(self, node: ast.stmt) -> None:
        if not isinstance(node, ast.ClassDef):
            refuse(node)
        plain = not node.decorator_list and not node.keywords and len(node.bases) == 1
        require(node, plain and not getattr(node, "type_params", []))
        if dotted(node.bases[0]) == "NamedTuple":
            self.check_tuple(node)
            return
        require(node, dotted(node.bases[0]) in BASES and not is_fixed(node.name))
        for statement in node.body[_has_docstring(node) :]:
            match statement:
                case ast.FunctionDef():
                    self.check_function(statement)
                case ast.AnnAssign(target=ast.Name(id=title), value=None):
                    require(statement, is_free(title) and title in self.members)
                    require(statement, ast.unparse(statement.annotation) == "Final[str]")
                case _:
                    refuse(statement)

    def check_tuple(self, node: ast.ClassDef) -> None:
        """Fields that are tensors."""
        require(node, not is_fixed(node.name))
        for statement in node.body[_has_docstring(node) :]:
            match statement:
                case ast.AnnAssign(
                    target=ast.Name(id=field), annotation=ast.Name(id="Tensor"), value=None
                ):
                    require(statement, is_free(field) and not field.startswith("_"))
                case _:
                    refuse(statement)

    def check_default(self, node: ast.expr) -> None:
        """A literal, or what makes modules: a class, perhaps with some arguments."""
        match node:
            case ast.Call(func=ast.Name(id="partial"), args=[made, *others], keywords=keywords):
                require(node, is_value(dotted(made)) or dotted(made) in self.classes)
                for inner in [*others, *(keyword.value for keyword in keywords)]:
                    self.check_default(inner)
            case _ if not is_value(dotted(node)) and dotted(node) not in self.classes:
                require_literal(node)

    def check_rule(self, node: ast.FunctionDef) -> None:
        """A scaling rule: a function of a size that returns a number."""
        require(node, is_free(node.name) and len(node.body) == 1)
        require(node, isinstance(node.body[0], ast.Return) and len(node.args.args) == 1)
        require(node, not (node.decorator_list or node.args.defaults or node.args.vararg))
        self.rules.add(node.name)
        _Function(self, {node.args.args[0].arg}).check(node.body[0])

    def check_function(self, node: ast.FunctionDef) -> None:
        given = node.args
        require(node, node.name in FUNCTIONS or node.name.startswith(METHOD))
        require(node, not node.decorator_list)
        require(node, not (given.vararg or given.kwarg) and not getattr(node, "type_params", []))
        arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs]
        require(node, bool(arguments) and arguments[0].arg == "self")
        for argument in arguments[1:]:
            require(argument, is_free(argument.arg) and argument.annotation is not None)
        annotations = [argument.annotation for argument in arguments if argument.annotation]
        for annotation in [*annotations, *([node.returns] if node.returns else [])]:
            require_annotation(annotation, self.classes)
        for default in [*given.defaults, *(d for d in given.kw_defaults if d is not None)]:
            self.check_default(default)
        bound = {argument.arg for argument in arguments} | {
            inner.id
            for inner in walk(node)
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)
        }
        reader = _Function(self, bound)
        for statement in node.body[_has_docstring(node) :]:
            reader.check(statement)


class _Function:
    """The statements of one function; `bound` are the names that it binds."""

    def __init__(self, source: _Source, bound: Iterable[str]) -> None:
        self.source, self.bound = source, set(bound)

    def check(self, node: ast.AST) -> None:
        require(node, isinstance(node, (*_EXPRESSIONS, *_STATEMENTS)))
        special = _SPECIAL.get(type(node))
        if special is not None:
            special(self, node)
            return
        for child in ast.iter_child_nodes(node):
            self.check(child)

    def check_annotated(self, node: ast.AnnAssign) -> None:
        require_annotation(node.annotation)
        for child in (node.target, *([node.value] if node.value else [])):
            self.check(child)

    def check_raise(self, node: ast.Raise) -> None:
        match node:
            case ast.Raise(
                exc=ast.Call(func=ast.Name(id="ValueError"), args=[message], keywords=[]),
                cause=None,
            ):
                require_literal(message)
            case _:
                refuse(node)

    def check_statement(self, node: ast.Expr) -> None:
        require(node, isinstance(node.value, ast.Call))
        self.check(node.value)

    def check_name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            known = (self.bound, self.source.classes, self.source.rules)
            require(node, any(node.id in names for names in known) or is_value(node.id))
        else:
            require(node, is_free(node.id))

    def check_attribute(self, node: ast.Attribute) -> None:
        """One of a module or tensor; of a package only what is listed."""
        if is_value(dotted(node)) and isinstance(node.ctx, ast.Load):
            return
        require(node, self.is_member(node.attr))
        if isinstance(node.ctx, ast.Store):
            require(node, _root(node) == "self")
        self.check(node.value)

    def is_member(self, name: str) -> bool:
        known = name in MEMBERS or name in self.source.members
        numbered = name.rstrip("0123456789") in self.source.stems
        return not name.startswith("_") and (known or numbered)

    def check_call(self, node: ast.Call) -> None:
        name = dotted(node.func)
        if name == "type":
            require(node, len(node.args) == 1 and not node.keywords)
        elif not is_value(name) and not any(
            name in known for known in (CALLS, self.source.classes, self.source.rules)
        ):
            require(node, name == "super().__init__" or not is_fixed(name.partition(".")[0]))
            if name != "super().__init__":
                self.check(node.func)
        for argument in node.args:
            self.check(argument)
        for keyword in node.keywords:
            require(keyword.value, keyword.arg is not None and "__" not in keyword.arg[:2])
            self.check(keyword.value)

    def check_constant(self, node: ast.Constant) -> None:
        require_constant(node)

    def check_subscript(self, node: ast.Subscript) -> None:
        local = isinstance(node.value, ast.Name) and node.value.id != "self"
        named = isinstance(node.slice, ast.JoinedStr | ast.Name) or (
            isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str))  # fmt: skip
        require(node, isinstance(node.ctx, ast.Load) or (local and named))
        self.check(node.value)
        self.check(node.slice)

    def check_generator(self, node: ast.GeneratorExp | ast.ListComp | ast.DictComp) -> None:
        (generator, *others) = node.generators
        require(node, not others and not generator.ifs and not generator.is_async)
        made = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        for child in (generator.target, generator.iter, *made):
            self.check(child)

    def check_formatted(self, node: ast.FormattedValue) -> None:
        require(node, node.conversion == -1 and node.format_spec is None)
        calls = [inner for inner in walk(node.value) if isinstance(inner, ast.Call)]
        require(node, all(dotted(inner.func) in NUMBERS for inner in calls))
        self.check(node.value)


_SPECIAL: dict[type[ast.AST], Callable[[_Function, Any], None]] = {
    ast.AnnAssign: _Function.check_annotated,
    ast.Expr: _Function.check_statement,
    ast.Raise: _Function.check_raise,
    ast.Name: _Function.check_name,
    ast.Attribute: _Function.check_attribute,
    ast.Call: _Function.check_call,
    ast.Constant: _Function.check_constant,
    ast.Subscript: _Function.check_subscript,
    ast.GeneratorExp: _Function.check_generator,
    ast.ListComp: _Function.check_generator,
    ast.DictComp: _Function.check_generator,
    ast.FormattedValue: _Function.check_formatted,
}


def require(node: ast.AST, holds: bool) -> None:
    """Raises InternalError unless something holds of a node."""
    if not holds:
        refuse(node)


def refuse(node: ast.AST) -> NoReturn:
    """Raises InternalError that shows a node."""
    shown = re.sub(r"\s+", " ", ast.unparse(node))[:60]
    place = f"line {getattr(node, 'lineno', 0)}"
    what = type(node).__name__
    raise InternalError(f"{place} of the source holds what is never written ({what}): {shown}")


def dotted(node: ast.AST) -> str:
    """`nn.init.zeros_` of a name with attributes; `super().__init__`; "" of anything else."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Call(func=ast.Name(id="super"), args=[], keywords=[]):
            return "super()"
        case ast.Attribute(value=value, attr=name):
            inner = dotted(value)
            return f"{inner}.{name}" if inner else ""
    return ""


def _root(node: ast.AST) -> str:
    """The name that attributes and elements are of."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def is_free(name: str) -> bool:
    """Whether a variable or argument may have a name."""
    return not is_fixed(name) and name != "self" and not name.startswith("__")


def is_value(name: str) -> bool:
    """Whether a name can be called or handed on: one of the table, or of a plug-in's row."""
    return name in VALUES or name in OTHER_NAMES


def is_fixed(name: str) -> bool:
    """Whether a name means something in every source."""
    return name in FIXED or name in OTHER_NAMES


def _is_of_plugins(node: ast.stmt) -> bool:
    """Whether an import takes from a package nothing but what the rows of its ops write."""
    match node:
        case ast.ImportFrom(module=str(module), names=names, level=0):
            return all(IMPORTED.get(n.name) == module and n.asname is None for n in names)
    return False


def require_literal(node: ast.AST) -> None:
    """A constant, or a list, tuple or dict of them."""
    parts = (ast.Constant, ast.Tuple, ast.List, ast.Dict, ast.UnaryOp, ast.USub, ast.Load)
    for inner in walk(node):
        require(node, isinstance(inner, parts))
        if isinstance(inner, ast.Constant):
            require_constant(inner)


def require_constant(node: ast.Constant) -> None:
    """A text, a finite number, a flag, None or `...`."""
    require(node, type(node.value) in _CONSTANTS)
    require(node, not isinstance(node.value, float) or math.isfinite(node.value))


def require_annotation(node: ast.AST, also: Collection[str] = ()) -> None:
    """Names of types, `|` between them, and what stands in their brackets."""
    match node:
        case ast.Name() | ast.Attribute():
            require(node, dotted(node) in ANNOTATIONS or dotted(node) in also)
        case ast.Constant(value=value):
            require(node, value is None or value is ...)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            require_annotation(left, also)
            require_annotation(right, also)
        case ast.Subscript(value=value, slice=inner):
            require_annotation(value)
            require_annotation(inner)
        case ast.Tuple(elts=items):
            for item in items:
                require_annotation(item)
        case _:
            refuse(node)


def _has_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> bool:
    return ast.get_docstring(node, clean=False) is not None


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


@cache
def _dump(name: str) -> str:
    """The tree of a definition of the prelude."""
    return ast.dump(ast.parse(prelude()[name]).body[0])
