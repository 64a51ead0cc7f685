"""Files of weights, and mappings in memory, as tensors by key; nothing in a file runs.

Files are read with safetensors, or by PyTorch with `weights_only`.
"""

import os
import re
from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PosixPath
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile

from archdsl.diagnostics.errors import CheckpointError, UsageError
from archdsl.diagnostics.packages import require

if TYPE_CHECKING:
    from torch import Tensor

# What training loops keep a state_dict under, in the order in which one is chosen.
WRAPPERS = ("state_dict", "model", "network", "teacher", "model_ema", "state_dict_ema")
SHOWN = 8  # keys that a message names
DEPTH = 4  # of a state_dict in mappings
TENSORS = 1_000_000  # of one file
SWELL = 4  # how much more than its size a file may be unpacked


@dataclass(frozen=True)
class Held:
    """A state_dict, the key of the file `inside` of which it lies, and the `others` that do."""

    tensors: Mapping[str, "Tensor"]
    inside: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Content:
    """What a file holds: one or more state_dicts, the likely one first, and what it says of itself.

    `name` is what messages call it.
    """

    name: str
    held: tuple[Held, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_content(
    source: str | os.PathLike[str] | Mapping[str, Any], inside: str | None = None, name: str = ""
) -> Content:
    """The state_dicts of a safetensors or PyTorch file, or of a mapping in memory.

    With `inside` it is what the file has at that key. Raises CheckpointError if there is none.
    """
    metadata: Mapping[str, str] = {}
    data: Any = source
    if not isinstance(source, Mapping):
        path = os.fspath(source)
        name = name or path
        data, metadata = _read(path)
    name = name or "the mapping"
    if inside is not None:
        data = data.get(inside) if isinstance(data, Mapping) else None
        if not isinstance(data, Mapping):
            raise CheckpointError(f"{name} has no state_dict inside of `{inside}`")
    held = tuple(_held(name, data, inside or ""))
    return Content(name, held, metadata)


def _read(path: str) -> tuple[Any, Mapping[str, str]]:
    """What is in a file, and the metadata of safetensors."""
    if not os.path.isfile(path):
        raise CheckpointError(f"no file {path}")
    if path.endswith(".safetensors"):
        require(path, "safetensors")
    try:
        if path.endswith(".safetensors"):
            from safetensors import safe_open
            from safetensors.torch import load_file

            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
            return dict(load_file(path)), metadata
        import torch

        _require_plain(path)
        # What training loops save beside weights, and holds nothing but data.
        with torch.serialization.safe_globals([Namespace, PosixPath]):
            return torch.load(path, map_location="cpu", weights_only=True), {}
    except UnpicklingError as error:  # whose text would have the file run
        found = re.search(r"GLOBAL (\S+) was not an allowed global", str(error))
        more = f" ({found[1]})" if found else ""
        reason = f"it is damaged, or holds more than tensors{more}, which is not run"
        raise CheckpointError(f"{path} is not a file of weights: {reason}") from None
    except CheckpointError:
        raise
    except Exception as error:  # each library has its own, and any of them means the same
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise CheckpointError(f"{path} is not a file of weights: {lines[0]}") from None


def _require_plain(path: str) -> None:
    """Raises CheckpointError for an archive that is far larger unpacked, as no weights are."""
    try:
        with ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (BadZipFile, ValueError):
        return  # of the format before, or damaged, which its reader says
    if unpacked > SWELL * os.path.getsize(path):
        raise CheckpointError(
            f"{path} is not a file of weights: it would unpack to {unpacked:,} bytes"
        )


def _held(name: str, data: Any, inside: str, depth: int = 0) -> Iterator[Held]:
    """The state_dicts in what a file holds; raises CheckpointError if there is none."""
    if not isinstance(data, Mapping):
        raise CheckpointError(f"{name} holds a {type(data).__name__}, not a state_dict")
    found = {key: data[key] for key in WRAPPERS if isinstance(data.get(key), Mapping)}
    if not found or depth == DEPTH:
        yield Held(_required(name, data), inside)
        return
    for key, inner in found.items():
        within = f"{inside}.{key}" if inside else key
        others = tuple(other for other in _wrapping(data) if other != key)
        for one in _held(name, inner, within, depth + 1):
            yield Held(one.tensors, one.inside, (*others, *one.others))


def _required(name: str, data: Mapping[Any, Any]) -> dict[str, "Tensor"]:
    """The mapping as tensors by key; raises CheckpointError if it holds anything else."""
    from torch import Tensor

    if len(data) > TENSORS:
        raise CheckpointError(f"{name} holds more than {TENSORS:,} tensors")
    for key, value in data.items():
        if not isinstance(key, str):
            raise CheckpointError(f"{name} does not hold a state_dict: the key {key!r} is no text")
        if not isinstance(value, Tensor):
            within = _wrapping(data)
            found = f"`{key}` is a {type(value).__name__}"
            if within:
                found = f"it lies inside of a key; say `inside={within[0]!r}`"
                found += "".join(f", or {k!r}" for k in within[1:SHOWN])
            raise CheckpointError(f"{name} does not hold a state_dict: {found}")
    return dict(data)


def _wrapping(data: Mapping[Any, Any]) -> list[str]:
    """The keys inside of which a state_dict lies."""
    from torch import Tensor

    return [
        str(key)
        for key, value in data.items()
        if isinstance(value, Mapping)
        and value
        and all(isinstance(tensor, Tensor) for tensor in value.values())
    ]


def require_source(source: object) -> None:
    """Raises UsageError for what cannot hold weights."""
    if not isinstance(source, str | Path | os.PathLike | Mapping):
        raise UsageError(
            "weights are the path or url of a file, the name of a source or a mapping, "
            f"not a {type(source).__name__}"
        )
