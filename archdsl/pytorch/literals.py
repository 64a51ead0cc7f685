"""Values as Python literals: the one place that puts text between quotes."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

WIDTH = 100  # characters of a line of source


def literal(value: Any) -> str:
    """A text, number, flag, None, or tuple of these as source, which gives the same value back.

    Raises ValueError for an infinite number or NaN, which have no literal, TypeError for all else.
    """
    if type(value) is str:
        return f'"{"".join(map(_escaped, value))}"'
    if type(value) is tuple:
        items = [literal(item) for item in value]
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    if type(value) is float and not math.isfinite(value):
        raise ValueError(f"{value} has no literal")
    if value is None or type(value) in (bool, int, float):
        return repr(value)
    raise TypeError(f"{type(value).__name__} has no literal")


def docstring(paragraphs: Iterable[str], indent: int = 0) -> list[str]:
    """The lines of a docstring: each paragraph printable and wrapped, an empty one an empty line.

    Lines are filled with characters as they are escaped, so that none ends inside an escape.
    """
    margin = " " * indent
    paragraphs = list(paragraphs)
    lines = [line for text in paragraphs for line in _filled(text, WIDTH - indent - 4)]
    if len(lines) == 1:  # which ends in quotes, too
        lines = _filled(paragraphs[0], WIDTH - indent - 6)
    first, *rest = lines or [""]
    if not rest and len(margin) + len(first) + 6 <= WIDTH:
        return [f'{margin}"""{first}"""']
    return [f'{margin}"""{first}', *(f"{margin}{line}" if line else "" for line in rest),
            f'{margin}"""']  # fmt: skip


def _escaped(character: str) -> str:
    """A character as it stands between double quotes."""
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else repr(character)[1:-1]


def _filled(text: str, width: int) -> list[str]:
    """The words of a text in lines of at most so many characters; one line if there are none."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    lines: list[list[str]] = [[]]
    used = 0
    for word in ([_escaped(c) for c in word] for word in plain.split()):
        for piece in _pieces(word, width):
            length = sum(map(len, piece))
            if lines[-1] and used + 1 + length > width:
                lines.append([])
                used = 0
            used += length + bool(lines[-1])
            lines[-1].append("".join(piece))
    return [" ".join(line) for line in lines]


def _pieces(word: Sequence[str], width: int) -> Iterable[Sequence[str]]:
    """A word in pieces that fit into a line; an escape is two characters or more, and stays one."""
    piece: list[str] = []
    used = 0
    for unit in word:
        if used + len(unit) > width:
            yield piece
            piece, used = [], 0
        piece.append(unit)
        used += len(unit)
    yield piece
