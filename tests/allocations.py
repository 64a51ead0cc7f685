"""What PyTorch really allocates: an oracle for memory, independent of archdsl."""

import contextlib
import weakref
from collections.abc import Iterable, Iterator
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.checkpoint import set_checkpoint_early_stop


class _Living(TorchDispatchMode):
    """Counts the bytes of all tensors that exist, as they come and go."""

    def __init__(self, known: Iterator[Tensor]) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.counts = True  # whether what comes now is counted
        self.asked = False  # whether to write down, as soon as something is called, what there is
        self.moments: list[int] = []
        self.seen = {tensor.untyped_storage()._cdata for tensor in known}

    def __torch_dispatch__(self, call: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.asked:
            self.moments.append(self.now)
            self.asked = False
        result = call(*args, **(kwargs or {}))
        for tensor in tree_iter(result):
            if isinstance(tensor, Tensor):
                self.meet(tensor.untyped_storage())
        return result

    def meet(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self.seen and self.counts:
            self.seen.add(key)
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self.leave, key, size)

    def leave(self, key: int, size: int) -> None:
        self.seen.discard(key)
        self.now -= size


@contextlib.contextmanager
def threads() -> Iterator[None]:
    """At least two: on one PyTorch may take a kernel that leaves memory behind what it gives."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(2, before))
    yield
    torch.set_num_threads(before)


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """As PyTorch computes it, which adds the offset to a copy where a mode looks on."""
    if bias is None or x.dim() == 2 or (x.dim() == 3 and x.is_contiguous()):
        return torch._C._nn.linear(x, weight, bias)
    return torch.matmul(x, weight.t()).add_(bias)


def weights_of(module: nn.Module) -> Iterator[Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def peak_of_inference(module: nn.Module, *images: Tensor) -> int:
    """The most bytes of tensors, weights aside, that exist at once; the images are among them."""
    living = _Living(iter([*weights_of(module), *images]))
    with threads(), mock.patch.object(F, "linear", _linear), torch.no_grad(), living:
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

    with threads(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = module.train()(*images)
    del result
    return sum(storage.nbytes() for storage in kept.values())


def kept_by_training(module: nn.Module, parts: Iterable[nn.Module], *images: Tensor) -> list[int]:
    """The bytes of tensors, weights aside, that the backward pass finds and computes again.

    As it begins, then behind every one of `parts` that it has computed again. Gradients are not
    among them, the images are.
    """
    living, depth = _Living(iter([*weights_of(module), *images])), 0

    def begin(*_: object) -> None:
        nonlocal depth
        depth, living.counts = depth + 1, True

    def end(*_: object) -> None:
        nonlocal depth
        depth -= 1
        living.counts = depth > 0
        living.asked = not living.counts

    with threads(), set_checkpoint_early_stop(False), living:
        result = module.train()(*images)
        living.counts = False
        loss = sum(r.sum() for r in tree_iter(result) if isinstance(r, Tensor))
        del result
        living.moments = [living.now]
        hooks = [part.register_forward_pre_hook(begin) for part in parts]
        hooks += [part.register_forward_hook(end) for part in parts]
        if isinstance(loss, Tensor) and loss.requires_grad:
            loss.backward()
    for hook in hooks:
        hook.remove()
    return [now + sum(x.untyped_storage().nbytes() for x in images) for now in living.moments]
