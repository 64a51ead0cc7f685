"""Python code as nested groups, broken over lines where it does not fit."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from archdsl.pytorch.literals import WIDTH


@dataclass(frozen=True)
class Number:
    """A whole number as an argument: `groups=32`."""

    prefix: str
    value: int

    def __str__(self) -> str:
        return f"{self.prefix}{self.value}"


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


Code = str | Number | Group | Loop


def lay_out(prefix: str, code: Code, suffix: str = "", indent: int = 0) -> list[str]:
    """Lines for `prefix code suffix` at an indentation of so many spaces."""
    line = f"{' ' * indent}{prefix}{code}{suffix}"
    if len(line) <= WIDTH or isinstance(code, str | Number) or code == Group(code.open, ()):
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
        items = _items(text[len("return ") :])
        several = len(items) > 1  # of one a bracket with a comma would make a tuple
        return lay_out("return ", Group("(", items), "", len(margin)) if several else [line]
    start = _opening(text) if text[-1] in _PAIRS else -1
    if start < 0:
        return [line]
    targets, equals, call = text[: start + 1].partition(" = ")
    names = _items(targets)
    if equals and len(names) > 1 and len(margin) + start >= WIDTH:
        inner = lay_out("", Group("", names, "", compact=True), "", len(margin) + 4)
        return [f"{margin}(", *inner, *broken(f"{margin}) = {call}{text[start + 1 :]}")]
    code = Group(text[: start + 1], _items(text[start + 1 : -1]), text[-1], compact=True)
    return lay_out("", code, "", len(margin))


_PAIRS = {")": "(", "}": "{", "]": "["}
_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"')


def _bare(text: str) -> str:
    """Code of the same length without what stands between quotes."""
    return _LITERAL.sub(lambda match: "." * len(match[0]), text)


def _opening(text: str) -> int:
    """Where the bracket opens that the last character closes; -1 if that is in a line before."""
    depth, bare = 0, _bare(text)
    for position in range(len(text) - 1, -1, -1):
        depth += (bare[position] in _PAIRS) - (bare[position] in _PAIRS.values())
        if not depth:
            return position
    return -1


def _items(text: str) -> tuple[str, ...]:
    """What commas outside of inner brackets set apart."""
    items, depth, start = [], 0, 0
    for position, character in enumerate(_bare(text)):
        depth += (character in _PAIRS.values()) - (character in _PAIRS)
        if character == "," and not depth:
            items.append(text[start:position].strip())
            start = position + 1
    last = text[start:].strip()
    return (*items, last) if last else tuple(items)


def indented(lines: Sequence[str], indent: int) -> list[str]:
    return [f"{' ' * indent}{line}" if line else "" for line in lines]
