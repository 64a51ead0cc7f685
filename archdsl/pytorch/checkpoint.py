"""Weights in files: loading them into a module under other people's names, strictly, and saving.

Files are read with safetensors, or by PyTorch with `weights_only`, so that nothing in them runs.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

from archdsl.diagnostics.errors import CheckpointError
from archdsl.diagnostics.packages import require
from archdsl.diagnostics.suggest import nearest
from archdsl.diagnostics.text import counted
from archdsl.files import replacing, require_text
from archdsl.graph.renames import Renames

if TYPE_CHECKING:
    from torch import Tensor, nn

SHOWN = 8  # keys of each kind that an error lists


def read_tensors(path: str, inside: str | None = None) -> dict[str, "Tensor"]:
    """The tensors of a safetensors or PyTorch file by key, which may lie `inside` of one of its.

    Raises CheckpointError if there are none.
    """
    if not os.path.isfile(path):
        raise CheckpointError(f"no file {path}")
    if path.endswith(".safetensors"):
        require(path, "safetensors")
    try:
        if path.endswith(".safetensors"):
            from safetensors.torch import load_file

            return dict(load_file(path))
        import torch

        data = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError:  # whose text would have the file run
        reason = "it is damaged, or holds more than tensors, which is not run"
        raise CheckpointError(f"{path} is not a file of weights: {reason}") from None
    except Exception as error:  # each library has its own, and any of them means the same
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise CheckpointError(f"{path} is not a file of weights: {lines[0]}") from None
    inner = data.get(inside or "state_dict") if isinstance(data, Mapping) else None
    if inside is not None and not isinstance(inner, Mapping):
        raise CheckpointError(f"{path} has no state_dict inside of `{inside}`")
    data = inner if isinstance(inner, Mapping) else data
    if not isinstance(data, Mapping):
        raise CheckpointError(f"{path} holds a {type(data).__name__}, not a state_dict")
    for key, value in data.items():
        if not isinstance(key, str):
            raise CheckpointError(f"{path} does not hold a state_dict: the key {key!r} is no text")
        if not isinstance(value, torch.Tensor):
            found = f"`{key}` is a {type(value).__name__}"
            within = [k for k, v in data.items() if isinstance(v, Mapping) and _holds_tensors(v)]
            if within:
                found = f"it lies inside of a key; say `inside={within[0]!r}`"
                found += "".join(f", or {k!r}" for k in within[1:SHOWN])
            raise CheckpointError(f"{path} does not hold a state_dict: {found}")
    return dict(data)


def load_weights(
    module: "nn.Module",
    path: str | os.PathLike[str],
    *,
    renames: Renames | None = None,
    skip: Iterable[str] = (),
    inside: str | None = None,
    under: str = "",
) -> None:
    """Loads a file into a module, every key of which must be there with its shape and no other.

    `renames` is for the names in the file: `graph.renames["timm"]`. A file of a part has its path
    `under` which its keys are here: "backbone.body". What begins with a path in `skip` is left out:
    of the module, which keeps what it has (a new classifier), and of the file (the classifier of a
    backbone). What a training loop saved may lie inside of a key of the file. Nothing is changed if
    anything does not fit: CheckpointError lists what is missing, left over or of another shape, or
    says which parameter of the network is not as the source's.
    """
    path, skipped, source = os.fspath(path), tuple(skip), renames or Renames()
    if source.unmet:
        raise CheckpointError(f"{path} is for another network: {source.unmet}")
    wanted = module.state_dict()
    renamed: dict[str, Tensor] = {}
    used: set[str] = set()  # of what is skipped
    for key, tensor in read_tensors(path, inside).items():
        try:
            name = source.rename(key)
        except ValueError as error:
            raise CheckpointError(f"{path} has other names: {error}") from None
        if name is None:
            continue
        here = f"{under}.{name}" if under else name
        left = {prefix for prefix in skipped if _below(name, prefix) or _below(here, prefix)}
        used |= left
        if here in renamed:
            raise CheckpointError(f"two keys of {path} become `{here}`")
        if not left:
            renamed[here] = tensor
    needed = {k: v for k, v in wanted.items() if not any(_below(k, prefix) for prefix in skipped)}
    for prefix in skipped:
        if prefix not in used and not any(_below(key, prefix) for key in wanted):
            raise CheckpointError(f"neither module nor file has anything to skip at `{prefix}`")
    if source.reshape:
        renamed = {k: _reshaped(t, needed[k]) if k in needed else t for k, t in renamed.items()}
    _compare(path, needed, renamed)
    ready = {k: t.to(needed[k].device, needed[k].dtype) for k, t in renamed.items()}
    module.load_state_dict({**wanted, **ready})


def save_weights(module: "nn.Module", path: str | os.PathLike[str]) -> None:
    """Writes a module's state_dict: safetensors by the suffix, else PyTorch's format."""
    path = os.fspath(path)
    require_text(path)
    if path.endswith(".safetensors"):
        require(path, "safetensors")
    state = {key: tensor.detach().cpu().contiguous() for key, tensor in module.state_dict().items()}
    with replacing(Path(path)) as temporary:
        if path.endswith(".safetensors"):
            from safetensors.torch import save_file

            save_file(state, temporary)
        else:
            import torch

            torch.save(state, temporary)


def _holds_tensors(data: Mapping[str, object]) -> bool:
    """Whether a mapping is a state_dict."""
    from torch import Tensor

    return bool(data) and all(isinstance(value, Tensor) for value in data.values())


def _reshaped(tensor: "Tensor", like: "Tensor") -> "Tensor":
    """The tensor with the other's axes, if it has its first and as many elements."""
    if _kind(tensor) != _kind(like):
        return tensor
    fits = tensor.shape[:1] == like.shape[:1] and tensor.numel() == like.numel()
    return tensor.reshape(like.shape) if fits else tensor


def _kind(tensor: "Tensor") -> str:
    """What a tensor holds: one kind is not cast to another, a precision is."""
    import torch

    if tensor.is_quantized:
        return "quantized numbers"
    if tensor.is_nested:  # which has no shape to compare
        return "a nested tensor"
    if tensor.layout is not torch.strided:
        return "a sparse tensor"
    if tensor.is_meta:
        return "no values"
    if tensor.is_complex():
        return "complex numbers"
    if tensor.is_floating_point():
        return "floating-point numbers"
    return "truth values" if tensor.dtype is torch.bool else "whole numbers"


def _below(key: str, prefix: str) -> bool:
    return key == prefix or key.startswith(prefix + ".")


def _compare(path: str, needed: dict[str, "Tensor"], found: dict[str, "Tensor"]) -> None:
    """Raises CheckpointError unless keys, shapes and kinds of numbers are the same.

    The counters of batch norms may be missing, as PyTorch's own loading allows: files from before
    they existed have none.
    """
    missing = [k for k in needed if k not in found and not k.endswith("num_batches_tracked")]
    over = [k for k in found if k not in needed]
    both = [key for key in needed if key in found]
    kinds = [k for k in both if _kind(needed[k]) != _kind(found[k])]
    other = [k for k in both if k not in kinds and needed[k].shape != found[k].shape]
    if not (missing or over or other or kinds):
        return
    lines = [f"{path} does not fit the module:"]
    lines += _listed("missing", [_hint(key, over) for key in missing])
    lines += _listed("left over", [_hint(key, missing) for key in over])
    shapes = [f"{k}: {tuple(found[k].shape)} for {tuple(needed[k].shape)}" for k in other]
    lines += _listed("of another shape", shapes)
    named = [f"{k}: {_kind(found[k])}, not {_kind(needed[k])}" for k in kinds]
    lines += _listed("of another kind", named)
    if place := _place(missing, over):
        lines.append(f"  the keys of the file may lie at a path here: under='{place}'")
    raise CheckpointError("\n".join(lines))


def _place(missing: list[str], over: list[str]) -> str:
    """The path at which most of what is left over would be what is missing, or nothing."""
    starts: Counter[str] = Counter()
    ends = set(over)
    for key in missing:
        parts = key.split(".")
        for depth in range(1, len(parts)):
            if ".".join(parts[depth:]) in ends:
                starts[".".join(parts[:depth])] += 1
    place, most = starts.most_common(1)[0] if starts else ("", 0)
    return place if most > len(over) / 2 else ""


def _hint(key: str, candidates: list[str]) -> str:
    close = nearest(key, candidates[:500]) if candidates else None
    return f"{key} (nearest: {close})" if close else key


def _listed(what: str, keys: list[str]) -> list[str]:
    if not keys:
        return []
    rest = [f"    ... and {len(keys) - SHOWN} more"] if len(keys) > SHOWN else []
    return [
        f"  {counted(len(keys), 'key')} {what}:",
        *(f"    {key}" for key in keys[:SHOWN]),
        *rest,
    ]
