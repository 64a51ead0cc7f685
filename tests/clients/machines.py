"""What one of two processes does in `test_machines.py`: trains a network as a part of the whole.

Each mode gives the losses of a few steps, which those of one process must equal. Batch norms see
what their process sees: the images of its half, or one half after the other.
"""

import copy
import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.pipelining import ScheduleGPipe, pipeline
from torch.nn.parallel import DistributedDataParallel

import archdsl

WORLD, STEPS = 2, 3
RATE = 0.1


def batch(network: nn.Module, step: int) -> tuple[Tensor, Tensor]:
    """Images and classes of a step, the same in every process."""
    generator = torch.Generator().manual_seed(step)
    graph = network.graph
    images = torch.randn(2 * WORLD, *graph.input.shape, generator=generator, dtype=torch.float64)
    (result,) = graph.outputs.values()
    return images, torch.randint(graph.spec(result).channels, (2 * WORLD,), generator=generator)


def made(spec: str) -> nn.Module:
    """The network of a spec, its text or its name, with the same weights in every process."""
    torch.manual_seed(0)
    graph = archdsl.loads(spec) if "\n" in spec else archdsl.load(spec)
    return archdsl.compile(graph).double().train()


def alone(spec: str) -> list[float]:
    """The losses of one process, which gives the network a half after the other."""
    network = made(spec)
    optimizer = torch.optim.SGD(network.parameters(), RATE)
    losses = []
    for step in range(STEPS):
        optimizer.zero_grad()
        halves = zip(*(part.chunk(WORLD) for part in batch(network, step)), strict=True)
        loss = sum(F.cross_entropy(network(x), y) for x, y in halves) / WORLD
        assert isinstance(loss, Tensor)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def _by_halves(network: nn.Module, wrapped: nn.Module) -> list[float]:
    """The losses of a network that every process trains with its half."""
    optimizer = torch.optim.SGD(wrapped.parameters(), RATE)
    losses = []
    for step in range(STEPS):
        optimizer.zero_grad()
        x, y = (part.chunk(WORLD)[dist.get_rank()] for part in batch(network, step))
        loss = F.cross_entropy(wrapped(x), y)
        loss.backward()
        optimizer.step()
        whole = loss.detach().clone()
        dist.all_reduce(whole)
        losses.append(whole.item() / WORLD)
    return losses


def replicated(spec: str) -> list[float]:
    network = made(spec)
    return _by_halves(network, DistributedDataParallel(network))


def sharded(spec: str) -> list[float]:
    network = made(spec)
    mesh = init_device_mesh("cpu", (WORLD,))
    blocks = archdsl.torch.blocks(network)
    for block in blocks.values():
        fully_shard(block, mesh=mesh)
    fully_shard(network, mesh=mesh)
    assert all(isinstance(block, FSDPModule) for block in blocks.values())
    held = sum(parameter.to_local().numel() for parameter in network.parameters())
    whole = sum(parameter.numel() for parameter in network.parameters())
    assert held < 0.6 * whole, "a process holds about a half"
    return _by_halves(network, network)


def staged(spec: str) -> list[float]:
    network = made(spec)
    plain = copy.deepcopy(network)
    x, _ = batch(network, 0)
    split = archdsl.torch.split_spec(network, WORLD)
    pipe = pipeline(network, (x.chunk(WORLD)[0],), split_spec=split)
    rank = dist.get_rank()
    own = pipe.get_stage_module(rank)
    expected = archdsl.torch.partition(plain, WORLD).stages[rank].cost.parameters
    assert sum(parameter.numel() for parameter in own.parameters()) == expected
    schedule = ScheduleGPipe(pipe.build_stage(rank, torch.device("cpu")), WORLD, F.cross_entropy)
    optimizer = torch.optim.SGD(own.parameters(), RATE)
    losses = []
    for step in range(STEPS):
        optimizer.zero_grad()
        x, y = batch(plain, step)
        if rank == 0:
            schedule.step(x)
            continue_with = torch.zeros((), dtype=torch.float64)
        else:
            parts: list[Tensor] = []
            schedule.step(target=y, losses=parts)
            continue_with = torch.stack(parts).mean().detach()
        optimizer.step()
        dist.broadcast(continue_with, src=WORLD - 1)
        losses.append(continue_with.item())
    return losses


MODES: dict[str, Callable[[str], list[float]]] = {
    "ddp": replicated,
    "fsdp": sharded,
    "pipeline": staged,
}


def work(rank: int, folder: str, specs: dict[str, str]) -> None:
    """Trains every spec in all modes; the first process writes the losses down."""
    warnings.simplefilter("ignore")  # of torch about itself
    torch.set_num_threads(1)
    os.environ |= {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    store = dist.FileStore(str(Path(folder) / "store"), WORLD)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=WORLD)
    try:
        found = {
            name: {mode: train(spec) for mode, train in MODES.items()}
            for name, spec in specs.items()
        }
    finally:
        dist.destroy_process_group()
    if rank == 0:
        (Path(folder) / "losses.json").write_text(json.dumps(found))
