"""How the tensors of a module begin: written down while it is made, without memory or numbers."""

from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

FILLED = ("full", "ones", "zeros")  # what makes a tensor that is not empty
Steps = tuple[Hashable, ...]


class FirstValues(TorchFunctionMode):
    """While it is on, tensors take no memory, and what would fill them is written down instead."""

    def __init__(self) -> None:
        super().__init__()
        self._steps: dict[int, list[Hashable]] = {}  # by the memory that would be filled

    def of(self, tensor: Tensor) -> Steps:
        """What fills a tensor, in turn, with all numbers of these calls."""
        return tuple(self._steps.get(_memory(tensor), ()))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        name = func.__name__
        if name.endswith("_") and not name.endswith("__"):
            filled = args[0] if args else given["tensor"]
            settings = (v for v in (*args[1:], *given.values()) if not isinstance(v, Tensor))
            step = (name, *(v for v in settings if v is not None))
            self._steps.setdefault(_memory(filled), []).append(step)
            return filled
        with torch.device("meta"):
            made = func(*args, **given)
        if func is torch.empty:
            self._steps[_memory(made)] = []
        elif name in FILLED:
            self._steps[_memory(made)] = [(name, *map(repr, args[1:]))]
        return made


def _memory(tensor: Tensor) -> int:
    """What tensors share that are views of one another."""
    memory: int = tensor.untyped_storage()._cdata
    return memory
