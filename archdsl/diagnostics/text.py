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


def rest_of(first: str, last: str) -> str:
    """The part of `last` that tells it from `first`, numbers whole."""
    pairs = zip(first, last, strict=False)
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    while alike and first[alike - 1].isdigit():
        alike -= 1
    return last[alike:]
