"""Which reader is for which PyTorch function: one a function, with the function's own parameters.

A reader is given what is known of tensors instead of them, and gives what it wrote down; it raises
Unread where no op of ours says what the call does.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from archdsl.importing.values import Learned, Reader, Unread

FUNCTIONS: dict[str, Reader] = {}


Read = TypeVar("Read", bound=Reader)


def reads(*names: str) -> Callable[[Read], Read]:
    """Says which functions a reader is for."""

    def add(reader: Read) -> Read:
        FUNCTIONS.update(dict.fromkeys(names, reader))
        return reader

    return add


def owner(weight: Any, name: str = "weight") -> str:
    """The path of the layer that a weight is of."""
    if not isinstance(weight, Learned) or not weight.key:
        raise Unread("a weight that is computed")
    path, _, found = weight.key.rpartition(".")
    if found != name or not path:
        raise Unread(f"{weight.key} is not called `{name}` in a layer of its own")
    return path


def own(path: str, *others: Any) -> None:
    """Raises Unread unless the other weights, where there are some, are of the same layer."""
    for name, weight in zip(("bias",), others, strict=False):
        if weight is not None and owner(weight, name) != path:
            raise Unread(f"a bias of another layer than {path}")


def per_axis(value: Any, rank: int) -> tuple[int, ...]:
    """A number for every axis."""
    listed = [value] if isinstance(value, int) else list(value)
    return tuple(listed * rank if len(listed) == 1 else listed)
