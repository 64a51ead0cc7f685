"""Python code as nested groups, broken over lines where it does not fit."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 100


@dataclass(frozen=True)
class Group:
    """`open item, item close`: on one line if it fits, else an item a line."""

    open: str
    items: tuple["Code", ...]
    close: str = ")"

    def __str__(self) -> str:
        return f"{self.open}{', '.join(map(str, self.items))}{self.close}"


Code = str | Group


def lay_out(prefix: str, code: Code, suffix: str = "", indent: int = 0) -> list[str]:
    """Lines for `prefix code suffix` at an indentation of so many spaces."""
    line = f"{' ' * indent}{prefix}{code}{suffix}"
    if len(line) <= WIDTH or isinstance(code, str) or not code.items:
        return [line]
    lines = [f"{' ' * indent}{prefix}{code.open}"]
    for item in code.items:
        lines += lay_out("", item, ",", indent + 4)
    return [*lines, f"{' ' * indent}{code.close}{suffix}"]


def indented(lines: Sequence[str], indent: int) -> list[str]:
    return [f"{' ' * indent}{line}" if line else "" for line in lines]
