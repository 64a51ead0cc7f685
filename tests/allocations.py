"""What PyTorch really allocates: an oracle for memory, independent of archdsl."""

import weakref
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


class _Living(TorchDispatchMode):
    """Counts the bytes of all tensors that exist, as they come and go."""

    def __init__(self, known: Iterator[Tensor]) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.seen = {tensor.untyped_storage()._cdata for tensor in known}

    def __torch_dispatch__(self, call: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = call(*args, **(kwargs or {}))
        for tensor in tree_iter(result):
            if isinstance(tensor, Tensor):
                self.meet(tensor.untyped_storage())
        return result

    def meet(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self.seen:
            self.seen.add(key)
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self.leave, key, size)

    def leave(self, key: int, size: int) -> None:
        self.seen.discard(key)
        self.now -= size


def weights_of(module: nn.Module) -> Iterator[Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def peak_of_inference(module: nn.Module, *images: Tensor) -> int:
    """The most bytes of tensors, weights aside, that exist at once; the images are among them."""
    living = _Living(iter([*weights_of(module), *images]))
    with torch.no_grad(), living:
        module.eval()(*images)
    return living.peak + sum(image.untyped_storage().nbytes() for image in images)


def saved_by_training(module: nn.Module, *images: Tensor) -> int:
    """The bytes that autograd keeps between the passes, weights aside."""
    weights = {tensor.untyped_storage()._cdata for tensor in weights_of(module)}
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = module.train()(*images)
    del result
    return sum(storage.nbytes() for storage in kept.values())
