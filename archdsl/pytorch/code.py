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


def broken(line: str) -> list[str]:
    """A statement as lines that fit: what its last brackets hold, or what it gives, on its own."""
    margin, text = line[: len(line) - len(line.lstrip())], line.strip()
    if len(line) <= WIDTH:
        return [line]
    if text.startswith("return ") and text[-1] not in _PAIRS:
        return lay_out("return ", Group("(", _items(text[len("return ") :])), "", len(margin))
    if text[-1] not in _PAIRS:
        return [line]
    start = _opening(text)
    targets, equals, call = text[: start + 1].partition(" = ")
    if equals and len(margin) + start >= WIDTH:
        inner = lay_out("", Group("", _items(targets), "", compact=True), "", len(margin) + 4)
        return [f"{margin}(", *inner, *broken(f"{margin}) = {call}{text[start + 1 :]}")]
    code = Group(text[: start + 1], _items(text[start + 1 : -1]), text[-1], compact=True)
    return lay_out("", code, "", len(margin))


_PAIRS = {")": "(", "}": "{", "]": "["}


def _opening(text: str) -> int:
    """Where the bracket opens that the last character closes."""
    depth = 0
    for position in range(len(text) - 1, -1, -1):
        depth += (text[position] in _PAIRS) - (text[position] in _PAIRS.values())
        if not depth:
            return position
    raise ValueError(text)


def _items(text: str) -> tuple[str, ...]:
    """What commas outside of inner brackets set apart."""
    items, depth, start = [], 0, 0
    for position, character in enumerate(text):
        depth += (character in _PAIRS.values()) - (character in _PAIRS)
        if character == "," and not depth:
            items.append(text[start:position].strip())
            start = position + 1
    return (*items, text[start:].strip())


def indented(lines: Sequence[str], indent: int) -> list[str]:
    return [f"{' ' * indent}{line}" if line else "" for line in lines]
