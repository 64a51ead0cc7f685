"""Text in messages."""

import json
import re
from itertools import takewhile
from typing import Any

_PLAIN = re.compile(r"[\w$.][^,:#\[\]{}\"'&*!|>%@`]*")  # text that needs no quotes anywhere


def one_line(text: str) -> str:
    """Free text in one line, without characters that act on a terminal or hide what follows."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def as_yaml(value: Any) -> str:
    """A value as one may write it in a spec, in one line."""
    if isinstance(value, dict):
        parts = (f"{as_yaml(key)}: {as_yaml(part)}" for key, part in value.items())
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_yaml, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    needs_quotes = isinstance(value, str) and not _PLAIN.fullmatch(value)
    return json.dumps(value, ensure_ascii=False) if needs_quotes else str(value)


def counted(number: int, noun: str) -> str:
    """`1 input`, `2 inputs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def first_line(error: BaseException) -> str:
    """What an error of another package says first, or its type if it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def type_of(value: object) -> str:
    """The type of a value in Python, with its article: `an int`, `a list`."""
    name = type(value).__name__
    return f"an {name}" if name[0].lower() in "aeiou" else f"a {name}"


def rest_of(first: str, last: str) -> str:
    """The part of `last` that tells it from `first`: names and numbers whole.

    What begins inside a name is its number and the end: `3b` after `conv3a`, but `fpn2.out`.
    """
    pairs = zip(first, last, strict=False)
    at = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    while at and not _begins(last, at):
        at -= 1
    return last[at:]


def _begins(name: str, at: int) -> bool:
    """Whether a name, or the number that ends the whole, begins at a place of a path."""
    before, rest = name[at - 1], name[at:]
    return not before.isalnum() or (not before.isdigit() and rest[:1].isdigit() and "." not in rest)
