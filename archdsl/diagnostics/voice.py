"""Messages that name options of the command line, as Python says them.

They are written once, for the command line; a line of the user's own text is left as it is.
"""

import ast
import inspect
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import is_dataclass
from functools import wraps
from types import UnionType
from typing import Any, ParamSpec, TypeVar, Union, cast, get_args, get_origin

from archdsl.diagnostics.errors import SpecError, UsageError

_SOURCE = re.compile(r"^\s*\d+ \|")  # of a report
_MAPPINGS = {"set": "params", "scale": "scale", "limit": "limits", "replace": "replace"}
_VALUE = re.compile(r"--(set|scale|limit|replace) (\w+)(?:=([^\n]*?))?(?=:\d+:\d+$|[;:`]| \w+s |$)")
_STRIDE = re.compile(r"--output-stride (\w+)")
_INPUT = re.compile(r"--input ")
_JSON = re.compile(r"--replace (\{.*?\}|\[.*?\])(?=:\d+:\d+$|[:`;]|$)")
_NAME = re.compile(
    r"--(kind|title|width|theme|show|only|legend|scale|direction|fold|out|tensors)\b"
)

Given = ParamSpec("Given")
Result = TypeVar("Result")


def in_python(text: str) -> str:
    """The text of a message with keywords in the place of options: `params={'classes': x}`."""
    lines = text.split("\n")
    return "\n".join(line if _SOURCE.match(line) else _line(line) for line in lines)


def _line(line: str) -> str:
    line = _JSON.sub(r"replace=\1", line)
    line = _VALUE.sub(_mapping, line)
    line = _INPUT.sub("input=", line)
    line = _STRIDE.sub(r"output_stride=\1", line)
    return _NAME.sub(r"\1", line)


def _mapping(match: "re.Match[str]") -> str:
    keyword, name, value = _MAPPINGS[match[1]], match[2], match[3]
    return f"{keyword}={{'{name}': {value}}}" if value else f"{keyword}={{'{name}': ...}}"


def speaking_python(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """A function whose errors name keywords, and an argument that is not of its type."""

    @wraps(function)
    def called(*arguments: Given.args, **named: Given.kwargs) -> Result:
        try:
            return function(*arguments, **named)
        except SpecError as error:
            error.report = in_python(error.report)
            raise
        except UsageError as error:
            error.args = tuple(
                in_python(one) if isinstance(one, str) else one for one in error.args
            )
            raise
        except (TypeError, AttributeError) as error:
            if not (wrong := _of_another_type(function, arguments, named)):
                raise
            raise UsageError(wrong) from error

    return called


def _of_another_type(function: Any, arguments: Any, named: Any) -> str:
    """What is said of the first argument that is not of the type that is written for it."""
    signature = inspect.signature(function)
    try:
        given = signature.bind(*arguments, **named).arguments
    except TypeError:
        return ""  # of which Python says all
    known = _names_of_types(function)
    for name, value in given.items():
        kind, type_ = signature.parameters[name].kind, signature.parameters[name].annotation
        if kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            continue
        try:
            type_ = eval(type_, known) if isinstance(type_, str) else type_
        except NameError:
            continue  # of a package that is not here
        if not _is_of(value, type_):
            written = re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", inspect.formatannotation(type_))
            return f"{name} must be {written}, not {repr(value)[:40]}"
    return ""


def _names_of_types(function: Any) -> dict[str, Any]:
    """What the annotations of a function may name: also what only type checkers import."""
    module = sys.modules[function.__module__]
    known = dict(vars(module))
    for part in ast.parse(inspect.getsource(module)).body:
        if isinstance(part, ast.If) and ast.unparse(part.test) == "TYPE_CHECKING":
            for statement in part.body:
                with suppress(ImportError):
                    exec(ast.unparse(statement), known)
    return known


def _is_of(value: Any, type_: Any) -> bool:
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    if get_origin(type_) in (Union, UnionType):
        return any(_is_of(value, one) for one in get_args(type_))
    if is_dataclass(type_):
        return isinstance(value, cast(type, type_))
    try:
        adapter: Any = TypeAdapter(type_, config=ConfigDict(arbitrary_types_allowed=True))
        adapter.validate_python(value, strict=True)
    except ValidationError:
        return False
    return True
