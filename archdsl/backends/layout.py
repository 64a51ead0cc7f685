"""Python code as nested groups, broken over lines where it does not fit."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 100


@dataclass(frozen=True)
class Group:
    """`open item, item close`: on one line if it fits, else an item a line.

    A compact one, which holds no other, keeps its items together on a line of their own if it can.
    """

    open: str
    items: tuple["Code", ...]
    close: str = ")"
    compact: bool = False

    def __str__(self) -> str:
        return f"{self.open}{', '.join(map(str, self.items))}{self.close}"


@dataclass(frozen=True)
class Loop:
    """`open element clause)`: a generator expression, which takes no comma behind it."""

    open: str
    element: "Code"
    clause: str

    def __str__(self) -> str:
        return f"{self.open}{self.element} {self.clause})"


Code = str | Group | Loop


def lay_out(prefix: str, code: Code, suffix: str = "", indent: int = 0) -> list[str]:
    """Lines for `prefix code suffix` at an indentation of so many spaces."""
    line = f"{' ' * indent}{prefix}{code}{suffix}"
    if len(line) <= WIDTH or isinstance(code, str) or code == Group(code.open, ()):
        return [line]
    first = f"{' ' * indent}{prefix}{code.open}"
    if isinstance(code, Loop):
        return [first, *_looped(code, indent + 4), f"{' ' * indent}){suffix}"]
    inner = f"{' ' * (indent + 4)}{', '.join(map(str, code.items))}"
    if code.compact and len(inner) <= WIDTH:
        lines = [inner]
    else:
        lines = [line for item in code.items for line in lay_out("", item, ",", indent + 4)]
    return [first, *lines, f"{' ' * indent}{code.close}{suffix}"]


def _looped(code: Loop, indent: int) -> list[str]:
    line = f"{' ' * indent}{code.element} {code.clause}"
    if len(line) <= WIDTH:
        return [line]
    return [*lay_out("", code.element, "", indent), f"{' ' * indent}{code.clause}"]


def indented(lines: Sequence[str], indent: int) -> list[str]:
    return [f"{' ' * indent}{line}" if line else "" for line in lines]
