"""Networks on two processes, as PyTorch spreads them: the losses are those of one process."""

import json
from pathlib import Path

import pytest
import torch
from torch import multiprocessing, nn

import archdsl
from tests.built import graph, module, quick
from tests.clients.machines import MODES, WORLD, alone, work

RESIDUAL = """
archdsl: 1
name: residual
input: [3, 16, 16]
params: {classes: 5}
defaults: {conv: {bias: false}}
backbone:
  conv1: {conv: {out: 8, kernel: 3}}
  bn1: batch_norm
  relu: relu
  layer{row + 1}:
    for: {width: [8, 16]}
    basic: {width: width, stride: 1 if first else 2}
    repeat: 2
head: {pool: global_avg_pool, flatten: flatten, fc: {linear: {out: classes}}}
"""
DENSE = """
archdsl: 1
name: dense
input: [3, 8, 8]
blocks:
  layer:
    seq: {norm: batch_norm, relu: relu, conv: {conv: {out: 4, kernel: 3, bias: false}}}
backbone:
  conv: {conv: {out: 8, kernel: 3}}
  block1: {dense: {layer: [layer], repeat: 3}}
  transition: {conv: {out: 10, kernel: 1}}
  block2: {dense: {layer: [layer], repeat: 3}, checkpoint: true}
head: {pool: global_avg_pool, flatten: flatten, fc: {linear: {out: 4}}}
"""


def trained(specs: dict[str, str], folder: Path) -> dict[str, dict[str, list[float]]]:
    """The losses of two processes, by spec and mode."""
    multiprocessing.spawn(work, (str(folder), specs), nprocs=WORLD)
    found: dict[str, dict[str, list[float]]] = json.loads((folder / "losses.json").read_text())
    return found


@pytest.mark.slow  # starts two processes that import PyTorch
def test_two_processes_lose_what_one_does(tmp_path: Path) -> None:
    found = trained({"residual": RESIDUAL}, tmp_path)
    expected = alone(RESIDUAL)
    assert len({*expected}) == len(expected), "nothing is learned"
    assert found == {"residual": {mode: pytest.approx(expected, rel=1e-9) for mode in MODES}}


@pytest.mark.slow  # the gallery's own networks, in float64
def test_two_processes_lose_what_one_does_in_larger_networks(tmp_path: Path) -> None:
    specs = {name: name for name in ("resnet20_cifar10", "densenet40_k12_cifar10")}
    specs["dense"] = DENSE
    found = trained(specs, tmp_path)
    for name, spec in specs.items():
        expected = alone(spec)
        assert found[name] == {mode: pytest.approx(expected, rel=1e-6) for mode in MODES}


@pytest.mark.parametrize("name", quick({"resnet18", "vgg11", "inception_v2", "swin_t", "unet"}))
def test_a_block_is_called_as_a_module_and_shares_nothing(name: str) -> None:
    network = module(name)
    called: set[str] = set()
    blocks = archdsl.torch.blocks(network)
    hooks = [
        block.register_forward_pre_hook(lambda *_, path=path: called.add(path))
        for path, block in blocks.items()
    ]
    network(*[torch.empty(2, *x.shape, device="meta") for x in graph(name).inputs.values()])
    for hook in hooks:
        hook.remove()
    inference = {
        n.path
        for n in graph(name).nodes
        if n.id in graph(name).needed(graph(name).outputs.values())
    }
    assert called == {path for path in blocks if any(p.startswith(f"{path}.") for p in inference)}
    ids = [id(p) for block in blocks.values() for p in block.parameters()]
    assert len(ids) == len({*ids})


def test_a_module_of_another_origin_has_no_blocks() -> None:
    with pytest.raises(archdsl.UsageError, match="this has none"):
        archdsl.torch.blocks(nn.Linear(1, 1))
