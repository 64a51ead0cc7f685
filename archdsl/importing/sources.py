"""Where modules come from: names of torchvision's and timm's networks, Python code, `.pt2` files.

What is named is run: this is the user's own code, which a spec never is.
"""

import importlib
import importlib.util
import inspect
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from archdsl.diagnostics.errors import ModuleError, UsageError
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.graph.graph import Graph
from archdsl.importing.reading import from_torch
from archdsl.importing.sourcing import PT2, SEPARATOR

SIZE = (3, 224, 224)
LISTS = ("torchvision", "timm")  # packages that know networks by name


def imported(
    source: str, shapes: Sequence[str] = (), name: str | None = None,
    arguments: Mapping[str, str] | None = None,
) -> Graph:  # fmt: skip
    """The graph of the module that a source names, made with these arguments.

    `shapes` are those of its inputs, `3,224,224`; without them the network's own where it is
    known, else `3,224,224`. Raises UsageError for a source that is none, ModuleError for a module
    that is no network.
    """
    given = {key: _value(text) for key, text in (arguments or {}).items()}
    title = name or _title(source)
    module, size = _made(source, given)
    sizes = [_shape(text) for text in shapes] or [size or SIZE]
    inputs = [torch.empty(1, *one, device="meta") for one in sizes]
    if shapes or size:
        return from_torch(module, inputs, title)
    try:
        return from_torch(module, inputs, title)
    except ModuleError as error:
        help = f"`archdsl import {source} --input C,H,W` gives it another shape than 3,224,224"
        raise ModuleError(f"{error}; {help}") from error


def _title(source: str) -> str:
    """`resnet50` for `torchvision:resnet50`, `net` for `net.pt2`."""
    last = source.rpartition(SEPARATOR)[2] if not source.endswith(PT2) else Path(source).stem
    title = re.sub(r"\W+", "_", last.rpartition(".")[2] if SEPARATOR in source else last).lower()
    return title if not title[:1].isdigit() else f"net_{title}"


def _value(text: str) -> Any:
    """A value as in JSON, or a word."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _shape(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not 1 <= len(parts) <= 4 or not all(part.strip().isdigit() and int(part) for part in parts):
        raise UsageError(f"--input {text}: write channels and sizes, as 3,224,224")
    return tuple(map(int, parts))


def _made(source: str, given: Mapping[str, Any]) -> tuple[nn.Module, tuple[int, ...] | None]:
    """A module, and the size of what it takes, if that is known."""
    if source.endswith(PT2):
        return _exported(Path(source), given)
    where, _, what = source.rpartition(SEPARATOR)
    if where in LISTS:
        return (_torchvision if where == "torchvision" else _timm)(what, given)
    return _called(_found(where, what), source, given), None


def _torchvision(name: str, given: Mapping[str, Any]) -> tuple[nn.Module, tuple[int, ...] | None]:
    models = _package("torchvision.models", "torchvision")
    names = models.list_models()
    if name not in names:
        raise UsageError(f"torchvision has no network `{name}`; {did_you_mean(name, names)}")
    weights = models.get_model_weights(name)
    presets = next(iter(weights)).transforms if len(weights) else None
    size = getattr(presets, "keywords", {}).get("crop_size")
    shape = (3, *size) if isinstance(size, tuple) else (3, size, size) if size else None
    takes = inspect.signature(models.get_model_builder(name)).parameters
    fetched = ("weights", "weights_backbone")  # numbers, which a structure does not need
    said = {**{key: None for key in fetched if key in takes}, **given}
    return _called(partial(models.get_model, name), name, said), shape


def _timm(name: str, given: Mapping[str, Any]) -> tuple[nn.Module, tuple[int, ...] | None]:
    timm = _package("timm", "timm")
    if not timm.is_model(name):
        raise UsageError(f"timm has no network `{name}`; {did_you_mean(name, timm.list_models())}")
    module = _called(lambda **said: timm.create_model(name, **said), name, given)
    size = getattr(module, "pretrained_cfg", {}).get("input_size")
    return module, size and tuple(size)


def _package(name: str, pip: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(f"{name} cannot be imported ({error}): pip install {pip}") from error


def _found(where: str, what: str) -> Any:
    """What a file or a module of Python calls so."""
    if where.endswith(".py"):
        holder = _loaded(Path(where))
    else:
        sys.path.insert(0, "")
        try:
            holder = importlib.import_module(where)
        except ImportError as error:
            raise UsageError(f"{where} cannot be imported: {error}") from error
        finally:
            sys.path.remove("")
    for part in what.split("."):
        if not hasattr(holder, part):
            raise UsageError(f"{where} has no `{what}`; {did_you_mean(part, vars(holder))}")
        holder = getattr(holder, part)
    return holder


def _loaded(path: Path) -> Any:
    if not path.is_file():
        raise UsageError(f"no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ModuleError(f"{path} fails: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.parent))
    return module


def _called(make: Callable[..., Any], source: str, given: Mapping[str, Any]) -> nn.Module:
    """The module that a class or function makes; without memory for weights where that can be."""
    if isinstance(make, nn.Module):
        return make
    if not callable(make):
        raise UsageError(f"{source} is no class, function or module")
    try:
        with torch.device("meta"):
            module = make(**given)
        if isinstance(module, nn.Module) and numbers_matter(module):
            module = make(**given)
    except Exception:  # it needs numbers while it is made
        try:
            module = make(**given)
        except Exception as error:
            wrong = isinstance(error, TypeError) and not _takes(make, given)
            kind = UsageError if wrong else ModuleError
            raise kind(f"{source} cannot be made: {type(error).__name__}: {error}") from error
    if not isinstance(module, nn.Module):
        raise UsageError(f"{source} gives {type(module).__name__}, no torch.nn.Module")
    return module


def numbers_matter(module: nn.Module) -> bool:
    """Whether what a module does may depend on the numbers of a buffer: of positions, as those of
    tables are."""
    names = (name for name, buffer in module.named_buffers() if not buffer.is_floating_point())
    return any(not name.endswith("num_batches_tracked") for name in names)


def _takes(make: Callable[..., Any], given: Mapping[str, Any]) -> bool:
    try:
        inspect.signature(make).bind(**given)
    except (TypeError, ValueError):
        return False
    return True


def _exported(path: Path, given: Mapping[str, Any]) -> tuple[nn.Module, tuple[int, ...] | None]:
    """The module of a program that `torch.export.save` wrote."""
    if given:
        raise UsageError(f"{path} is made already: --arg is for classes and functions")
    if not path.is_file():
        raise UsageError(f"no file {path}")
    try:
        program = torch.export.load(path)
        module = torch.export.unflatten(program)
    except Exception as error:
        raise ModuleError(f"{path} is no exported program: {error}") from error
    inputs = program.example_inputs[0] if program.example_inputs else ()
    shape = tuple(inputs[0].shape[1:]) if inputs and isinstance(inputs[0], Tensor) else None
    return module, shape
