"""Messages that name options of the command line, as Python says them.

They are written once, for the command line; a line of the user's own text is left as it is.
"""

import re
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

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
    """A function whose errors name keywords."""

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

    return called
