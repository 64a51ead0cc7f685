"""The primitive operations, each declared once; OPS has all by their verbs."""

from archdsl.ops import (
    activation,
    attention,
    conv,
    join,
    learned,
    linear,
    norm,
    pool,
    pooled,
    reduce,
    regularize,
    shape,
    tokens,
)
from archdsl.ops.base import (
    Cost,
    Op,
    ShapeError,
    TooSmallError,
    Weight,
    arguments,
    construct,
    facts,
    kind,
)
from archdsl.ops.kinds import ArgumentError, Kind, RankError

__all__ = [
    "ABSENT",
    "JOINS",
    "OPS",
    "SIGNED",
    "WORDS",
    "ArgumentError",
    "Cost",
    "Kind",
    "Op",
    "RankError",
    "ShapeError",
    "TooSmallError",
    "Weight",
    "arguments",
    "construct",
    "declare",
    "facts",
    "kind",
]

FAMILIES = (
    conv, linear, norm, activation, pool, reduce, join, regularize, shape, tokens, attention,
    pooled, learned,
)  # fmt: skip
OPS: dict[str, type[Op]] = {}
JOINS: list[str] = []  # of paths, which give it no name for weights
SIGNED: list[str] = []  # joins that are a sign: elementwise
WORDS: set[str] = set()  # that some argument takes as they are: `same`, `bilinear`, ...
ABSENT: dict[str, str] = {}  # why an op of another package that is installed is not there, by verb


def declare(op: type[Op]) -> None:
    """Adds an op to the language."""
    OPS[op.verb] = op
    if op.inputs is None and op.weights is Op.weights:
        JOINS.append(op.verb)
        if not op.mixes:
            SIGNED.append(op.verb)
    WORDS.update(word for name in arguments(op) for word in kind(op, name).words)


for family in FAMILIES:
    for found in vars(family).values():
        if isinstance(found, type) and issubclass(found, Op) and "verb" in vars(found):
            declare(found)
