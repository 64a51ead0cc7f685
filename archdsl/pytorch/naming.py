"""Names of classes, and of modules whose names vary."""

import ast
import re
from collections.abc import Sequence
from typing import Any

from archdsl.pytorch.symbols import Symbol


def class_name(name: str) -> str:
    """`ConvBnAct` from `conv_bn_act`, `Block10` from `block1-0`."""
    return (
        "".join(part[:1].upper() + part[1:] for part in re.split("[_-]+", name) if part)
        or "Network"
    )


def part_name(path: str) -> str:
    """`layer_scale` of `block.layer_scale1`, `neck` of `neck.0`: what a part is called without a
    number.
    """
    names = (name.rstrip("0123456789").rstrip("_") for name in reversed(path.split(".")))
    return next((name for name in names if name), "part")


def singular(title: str) -> str:
    """`stage` of `stages`; "" of what is no plural."""
    for ending in ("ches", "shes", "xes"):
        if title.endswith(ending):
            return title.removesuffix("es")
    plural = len(title) > 2 and title.endswith("s") and not title.endswith("ss")
    return title.removesuffix("s") if plural else ""


def pattern(parts: Sequence[Any]) -> str:
    """How a name that varies is written: `conv{k}`."""
    return "".join(p if isinstance(p, str) else f"{{{ast.unparse(p.syntax)}}}" for p in parts)


def plain_name(title: str) -> str:
    """A name without what varies in it."""
    return "".join(plain_parts(title))


def plain_parts(title: str) -> list[str]:
    """What stands in a name before, between and behind what varies in it."""
    return re.split(r"{[^}]*}", title)


def text_of(parts: "str | list[Any]") -> ast.expr:
    """A name as an expression: text, or an f-string."""
    if isinstance(parts, str):
        return ast.Constant(parts)
    if len(parts) == 1:
        syntax: ast.expr = parts[0].syntax
        return syntax
    return ast.JoinedStr(
        [
            ast.FormattedValue(part.syntax, -1) if isinstance(part, Symbol) else ast.Constant(part)
            for part in parts
            if part != ""
        ]
    )
