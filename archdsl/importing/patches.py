"""Modules that do something else for a while, and are as before after it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

from torch import nn


@contextmanager
def patched(holder: Any, function: Any, name: str = "forward") -> Iterator[None]:
    """A module whose `forward`, or another attribute, is another for a while."""
    before = vars(holder).get(name)
    setattr(holder, name, function)
    try:
        yield
    finally:
        if before is None:
            delattr(holder, name)
        else:
            setattr(holder, name, before)


@contextmanager
def unchanged(parts: Iterable[nn.Module]) -> Iterator[None]:
    """Modules that keep no tensors without values: attributes and what these hold are as before."""
    kept = [
        (vars(part), {**vars(part)}, {n: copy(v) for n, v in vars(part).items() if _holds(n, v)})
        for part in parts
    ]
    try:
        yield
    finally:
        for now, before, held in kept:
            now.clear()
            now.update(before)
            for name, values in held.items():
                now[name].clear()
                (now[name].extend if isinstance(values, list) else now[name].update)(values)


def _holds(name: str, value: Any) -> bool:
    return not name.startswith("_") and type(value) in (dict, list, set)
