"""Imports a sample of timm's networks, and all of torchvision's, and writes what became of each.

`python docs/campaign.py timm` (or `torchvision`) writes `docs/imported/timm.json`; names after the
source do those alone. Each network has a process of its own, which may take `SECONDS` of processor
and `MEMORY` bytes.

A network of timm counts as convolutional, or as a hybrid, if at least two of its convolutions have
windows that overlap (a kernel larger than the stride): what cuts an image into patches once and is
attention or MLPs from there is neither. The sample is drawn with a fixed seed of all its names.
"""

import json
import os
import random
import re
import resource
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT))
import beside  # noqa: E402 - these stand beside this file
from importing import COUNT, DATA, rows, zoo  # noqa: E402
from kept import keep  # noqa: E402

import archdsl  # noqa: E402
from archdsl.importing.sources import numbers_matter  # noqa: E402
from tests.importing.same import difference, shared_weights  # noqa: E402

SEED = 17
SECONDS, MEMORY = 240, 32 << 30
SIZES = (96, 128, 224, 299, 0)  # the side of the image: the first that a network takes, 0 its own


def sample() -> Iterator[str]:
    """The names of timm's sample."""
    names = sorted(timm.list_models())
    random.Random(SEED).shuffle(names)
    found = 0
    for name in names:
        if found < COUNT and overlaps(made_timm(name)) >= 2:
            found += 1
            yield name


class Unfilled(TorchFunctionMode):
    """Modules are made with zeros for their weights, which are drawn anew anyway.

    Not with what lies in the memory: a normal that is cut off is drawn until it is inside.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if FILLS.fullmatch(getattr(func, "__name__", "")):
            tensor: Tensor = args[0] if args else kwargs["tensor"]
            tensor.detach().zero_()
            return tensor
        return func(*args, **(kwargs or {}))


FILLS = re.compile(r"_?(normal|uniform|(trunc|kaiming|xavier)_(normal|uniform)|erfinv|orthogonal)_")


@contextmanager
def double() -> Iterator[None]:
    """Weights and constants are made in float64, with zeros for weights."""
    torch.set_default_dtype(torch.float64)
    try:
        with Unfilled():
            yield
    finally:
        torch.set_default_dtype(torch.float32)


def overlaps(module: nn.Module) -> int:
    """How many convolutions have windows that overlap."""
    kinds = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    convs = [part for part in module.modules() if isinstance(part, kinds)]
    return sum(any(k > s for k, s in zip(c.kernel_size, c.stride, strict=True)) for c in convs)


def made_timm(name: str, meta: bool = True, **settings: Any) -> nn.Module:
    with torch.device("meta" if meta else "cpu"):
        module: nn.Module = timm.create_model(name, **settings)
    return module


def made_torchvision(name: str, meta: bool = True) -> nn.Module:
    settings: dict[str, Any] = {"weights": None}
    if name in ("googlenet", "inception_v3"):
        settings["init_weights"] = False
    if name.startswith(("fcn", "deeplab", "lraspp")):
        settings["weights_backbone"] = None
    with torch.device("meta" if meta else "cpu"):
        module: nn.Module = torchvision.models.get_model(name, **settings)
    return module


def shapes(name: str, module: nn.Module) -> Iterator[tuple[int, ...]]:
    """Shapes of images to try, the smallest first."""
    if name in torchvision.models.list_models(module=torchvision.models.video):
        yield from ((3, 16, side, side) for side in (112, 224))
        return
    own = getattr(module, "pretrained_cfg", {}).get("input_size") or (3, 224, 224)
    for side in SIZES:
        yield (own[0], side, side) if side else tuple(own)


def imported(name: str, make: Callable[..., nn.Module]) -> dict[str, Any]:
    """What becomes of one network: its row."""
    row: dict[str, Any] = {}
    try:
        module = make(name)
        real = numbers_matter(module)
    except Exception:
        real = True
    if real:
        with Unfilled():
            module = make(name, meta=False)
    row["parameters"] = sum(p.numel() for p in module.parameters())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sizes, graph, text = [*shapes(name, module)], None, ""
        while sizes:  # until one is a spec; of errors that of the last stands
            shape = sizes.pop(0)
            row |= {"input": "x".join(map(str, shape)), "why": ""}
            started = time.process_time()
            try:
                graph = archdsl.from_torch(module, torch.empty(1, *shape, device="meta"), name=name)
                text = archdsl.to_spec(graph)
                break
            except archdsl.ModuleError as error:
                row["why"] = told(error)
            if graph is not None:  # it may be a spec at the size that it is made for
                sizes = sizes[-1:]
    row["seconds"] = round(time.process_time() - started, 1)
    row["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    if graph is None:
        return row | {"result": "refused"}
    if row["why"]:  # a graph alone: it is drawn and counted
        archdsl.digraph(graph)
        archdsl.summarize(graph)
        return row | {"result": "graph"}
    del row["why"]
    row["lines"] = text.count("\n")
    del module
    spec = archdsl.loads(text)
    with double():
        theirs = make(name, meta=False)
        with torch.device("meta"):
            ours = archdsl.compile(spec)
        if any(key not in ours.state_dict() for key, _ in ours.named_buffers()):  # made by itself
            ours = archdsl.compile(spec)
    wanted = [(key, tuple(v.shape)) for key, v in theirs.state_dict().items()]
    ours = shared_weights(theirs, ours)
    assert [(key, tuple(v.shape)) for key, v in ours.state_dict().items()] == wanted
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(2, *shape, dtype=torch.float64, generator=generator)
    row["difference"] = worst = difference(theirs, ours, image)
    return row | {"result": "spec" if worst <= 1e-9 else "differs"}


def told(error: Exception) -> str:
    """What an error says, in one line; files without the folders of packages around them."""
    return re.sub(r"[^\s(]*site-packages/", "", str(error).replace("\n", " "))


def apart(name: str, make: Callable[..., nn.Module]) -> dict[str, Any]:
    """The row of a network, made in a process of its own."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        try:
            row = imported(name, make)
        except BaseException as error:
            if os.environ.get("TRACE"):
                traceback.print_exc()
            row = {"result": "failed", "why": f"{type(error).__name__}: {told(error)}"}
        os.write(write, json.dumps(row).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return json.loads(said) if said else {"result": "failed", "why": "stopped"}


def main(source: str, *names: str) -> None:
    """Rows of a source's networks."""
    torch.set_num_threads(1)
    make = made_timm if source == "timm" else made_torchvision
    known = rows(source)
    sampled = known if len(known) == COUNT else sample()

    def tried(name: str) -> dict[str, Any]:
        row = apart(name, make)
        if source == "torchvision":
            row["theirs"] = beside.counted(beside.of_torchvision(name))[0]
        print(name, row["result"], row.get("why", "")[:200], flush=True)
        return row

    all = [*(sampled if source == "timm" else zoo())]
    keep(DATA / f"{source}.json", all, names, tried, ("torch", source))


if __name__ == "__main__":
    main(*sys.argv[1:])
