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
from archdsl.diagnostics.text import type_of

if TYPE_CHECKING:
    from torch import Tensor

# What training loops keep a state_dict under, in the order in which one is chosen.
WRAPPERS = ("state_dict", "model", "network", "teacher", "model_ema", "state_dict_ema")
SHOWN = 8  # keys that a message names
DEPTH = 4  # of a state_dict in mappings
TENSORS = 1_000_000  # of one file
SWELL = 4  # how much more than its size a file may be unpacked
_PROGRAMS = (  # a file in archives of others, what they are, and who reads them
    (".npy", "NumPy's", "numpy.load(path)"),
    ("/constants.pkl", "TorchScript's, which could run", "torch.jit.load(path).state_dict()"),
    ("/archive_format", "torch.export's, which could run", "torch.export.load(path).state_dict"),
)


@dataclass(frozen=True)
class Held:
    """A state_dict, what of the file it lies `inside` of, and the `others` that do.

    `left` are the keys beside it.
    """

    tensors: Mapping[str, "Tensor"]
    inside: str = ""
    others: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


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

    With `inside` it is what the file has at that key, or at keys in one another (`ema.module`), or
    what has that before its keys. Raises CheckpointError if there is none.
    """
    metadata: Mapping[str, str] = {}
    data: Any = source
    if not isinstance(source, Mapping):
        path = os.fspath(source)
        name = name or path
        data, metadata = _read(path)
    name = name or "the mapping"
    if inside is None:
        held = tuple(_held(name, data, ""))
    elif isinstance(found := _at(data, inside), Mapping):
        held = tuple(_held(name, found, inside))
    else:
        held = tuple(_below(name, data, inside))
    return Content(name, held, metadata)


def _at(data: Any, inside: str) -> Any:
    """What lies at a key of a mapping, or at keys in one another, joined by dots."""
    if not isinstance(data, Mapping) or inside in data:
        return data[inside] if isinstance(data, Mapping) else None
    first, _, rest = inside.partition(".")
    return _at(data.get(first), rest) if rest else None


def _below(name: str, data: Any, inside: str) -> Iterator[Held]:
    """What has a path before its keys, in each of the state_dicts of a file that have any."""
    try:
        held = [*_held(name, data, "")]
    except CheckpointError:
        held = []
    start, some = f"{inside}.", False
    for one in held:
        tensors = {k[len(start) :]: t for k, t in one.tensors.items() if k.startswith(start)}
        left = tuple(key for key in one.tensors if not key.startswith(start))
        if tensors:
            some = True
            yield Held(
                tensors, f"{one.inside}.{inside}" if one.inside else inside, one.others, left
            )
    if not some:
        raise CheckpointError(f"{name} has no state_dict inside of `{inside}`")


def _read(path: str) -> tuple[Any, Mapping[str, str]]:
    """What is in a file, and the metadata of safetensors."""
    if os.path.isdir(path):
        raise CheckpointError(f"{path} is a folder, not a file of weights")
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
        line = (str(error).strip().splitlines() or [""])[0]
        reason = line if " " in line else "it is damaged, or of another kind"  # for a lone number
        raise CheckpointError(f"{path} is not a file of weights: {reason}") from None


def _require_plain(path: str) -> None:
    """Raises CheckpointError for an archive of something else, or one far larger unpacked."""
    try:
        with ZipFile(path) as archive:
            names = archive.namelist()
            unpacked = sum(member.file_size for member in archive.infolist())
    except (BadZipFile, ValueError):
        return  # of the format before, or damaged, which its reader says
    for made, by, load in _PROGRAMS:
        if any(name.endswith(made) for name in names):
            raise CheckpointError(
                f"{path} is not a file of weights: it is {by}; give what `{load}` makes of it"
            )
    if unpacked > SWELL * os.path.getsize(path):
        raise CheckpointError(
            f"{path} is not a file of weights: it would unpack to {unpacked:,} bytes"
        )


def _held(name: str, data: Any, inside: str, depth: int = 0) -> Iterator[Held]:
    """The state_dicts in what a file holds; raises CheckpointError if there is none."""
    if not isinstance(data, Mapping):
        raise CheckpointError(f"{name} holds {type_of(data)}, not a state_dict")
    found = {key: data[key] for key in WRAPPERS if isinstance(data.get(key), Mapping)}
    if not found or depth == DEPTH:
        yield Held(_required(name, data, inside), inside)
        return
    for key, inner in found.items():
        within = f"{inside}.{key}" if inside else key
        others = tuple(other for other in _wrapping(data, "", DEPTH) if other != key)
        for one in _held(name, inner, within, depth + 1):
            yield Held(one.tensors, one.inside, (*others, *one.others))


def _required(name: str, data: Mapping[Any, Any], inside: str) -> dict[str, "Tensor"]:
    """The mapping as tensors by key; raises CheckpointError if it holds anything else."""
    if len(data) > TENSORS:
        raise CheckpointError(f"{name} holds more than {TENSORS:,} tensors")
    for key, value in data.items():
        if not isinstance(key, str):
            raise CheckpointError(f"{name} does not hold a state_dict: the key {key!r} is no text")
        if not _numbers(value):
            within = list(_wrapping(data, inside and f"{inside}."))
            found = f"`{key}` is {type_of(value)}"
            if within:
                found = f"it lies inside of a key; say `inside={within[0]!r}`"
                found += "".join(f", or {k!r}" for k in within[1:SHOWN])
            raise CheckpointError(f"{name} does not hold a state_dict: {found}")
    return {key: _tensor(f"`{key}` of {name}", value) for key, value in data.items()}


def _numbers(value: object) -> bool:
    """Whether it is a tensor, or an array as NumPy has them."""
    from torch import Tensor

    return isinstance(value, Tensor) or hasattr(value, "__array__")


def _tensor(name: str, value: Any) -> "Tensor":
    """A tensor as it is, an array copied; raises CheckpointError for one of other than numbers."""
    import torch

    if isinstance(value, torch.Tensor):
        return value
    try:
        return torch.tensor(value.__array__())
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{name} is no tensor: {error}") from None


def _wrapping(data: Mapping[Any, Any], before: str, depth: int = 0) -> Iterator[str]:
    """The keys, and keys in one another, inside of which a state_dict lies."""
    for key, value in data.items():
        if isinstance(key, str) and isinstance(value, Mapping) and value:
            if all(map(_numbers, value.values())):
                yield f"{before}{key}"
            elif depth < DEPTH:
                yield from _wrapping(value, f"{before}{key}.", depth + 1)


def require_source(source: object) -> None:
    """Raises UsageError for what cannot hold weights."""
    if not isinstance(source, str | Path | os.PathLike | Mapping):
        help = ": give its `state_dict()`" if hasattr(source, "state_dict") else ""
        raise UsageError(
            "weights are the path or url of a file, the name of a source or a mapping, "
            f"not {type_of(source)}{help}"
        )
