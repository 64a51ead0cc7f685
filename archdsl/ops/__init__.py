"""The primitive operations, each declared once; OPS is the list of all."""

from archdsl.ops import (
    activation,
    attention,
    conv,
    join,
    linear,
    norm,
    pool,
    reduce,
    regularize,
    shape,
)
from archdsl.ops.base import (
    ArgumentError,
    Cost,
    Kind,
    Op,
    RankError,
    ShapeError,
    TooSmallError,
    Weight,
    arguments,
    construct,
    facts,
    kind,
)

__all__ = [
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
    "facts",
    "kind",
]

FAMILIES = (conv, linear, norm, activation, pool, reduce, join, regularize, shape, attention)
OPS: dict[str, type[Op]] = {
    op.verb: op
    for family in FAMILIES
    for op in vars(family).values()
    if isinstance(op, type) and issubclass(op, Op) and "verb" in vars(op)
}

JOINS = tuple(  # of paths, which give it no name for weights
    verb for verb, op in OPS.items() if op.inputs is None and op.weights is Op.weights
)
SIGNED = tuple(verb for verb in JOINS if not OPS[verb].mixes)  # that are a sign: elementwise

WORDS = frozenset(  # that some argument takes as they are: `same`, `bilinear`, ...
    word for op in OPS.values() for name in arguments(op) for word in kind(op, name).words
)
