"""How the tensors of a module begin: written down while it is made, without memory or numbers."""

from collections.abc import Hashable
from threading import RLock
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, handle_torch_function, has_torch_function_variadic

FILLED = {"ones": 1, "zeros": 0}
CONSTANT = ("constant_", "fill_", "zero_")
CHANGING = ("add_", "clamp_", "erfinv_", "mul_")  # which begin with what there is
Steps = tuple[Hashable, ...]
_PLAIN = nn.init.trunc_normal_
_ONE = RLock()  # who changes PyTorch's function


class FirstValues(TorchFunctionMode):
    """While it is on, tensors take no memory, and what would fill them is written down instead."""

    def __init__(self) -> None:
        super().__init__()
        self._steps: dict[int, Steps] = {}  # by the memory that would be filled
        self._filled: list[Tensor] = []  # so that no other tensor gets the memory of one

    def of(self, tensor: Tensor) -> Steps:
        """What fills a tensor in the end, with all numbers of these calls."""
        return self._steps.get(memory_of(tensor), ())

    def begins(self, tensor: Tensor, steps: Steps) -> None:
        """A tensor begins so."""
        self._steps[memory_of(tensor)] = steps
        self._filled.append(tensor)

    def __enter__(self) -> "FirstValues":
        _ONE.acquire()
        self._before, nn.init.trunc_normal_ = nn.init.trunc_normal_, trunc_normal_
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        nn.init.trunc_normal_ = self._before
        _ONE.release()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        name = func.__name__.lstrip("_")
        if name.endswith("_") and not name.endswith("__"):
            filled = args[0] if args else given["tensor"]
            said = {n: v for n, v in given.items() if n not in ("tensor", "generator")}
            step = (name, *args[1:], *said.items())
            if name in CONSTANT:
                step = ("full", *args[1:], *said.values(), *([0] if name == "zero_" else []))
            before = self.of(filled) if name in CHANGING else ()
            self.begins(filled, (*before, step))
            return filled
        with torch.device("meta"):
            made = func(*args, **given)
        if func is torch.empty:
            self.begins(made, ())
        elif name in ("full", *FILLED):
            self.begins(made, (("full", FILLED[name] if name in FILLED else args[1]),))
        return made


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0,
    generator: torch.Generator | None = None,
) -> Tensor:  # fmt: skip
    """`nn.init.trunc_normal_`, which is told of as its siblings are even where nothing is drawn."""
    if not has_torch_function_variadic(tensor):
        return _PLAIN(tensor, mean, std, a, b, generator)
    told: Tensor = handle_torch_function(trunc_normal_, (tensor,), tensor, mean, std, a, b)
    return told


def memory_of(tensor: Tensor) -> int:
    """What tensors share that are views of one another."""
    memory: int = tensor.untyped_storage()._cdata
    return memory
