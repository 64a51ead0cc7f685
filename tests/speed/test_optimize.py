"""Optimized networks are called as their modules and give the same, by real engines."""

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archdsl
from archdsl.speed.engines import ENGINES, missing
from tests.support import TWO

SMALL = """
archdsl: 1
name: small
input: [3, 16, 16]
backbone:
  a: {seq: {conv: {conv: {out: 8, kernel: 3}}, bn: batch_norm, relu: relu}}
  b: {branches: {join: add, paths: {
        x: {seq: [{conv: {out: 8, kernel: 3}}, batch_norm]}, y: batch_norm}}}
head: {pool: global_avg_pool, flatten: flatten, drop: dropout, fc: {linear: {out: 5}}}
"""
HERE = [
    pytest.param(
        name,
        marks=[
            pytest.mark.skipif(bool(missing(name)), reason=missing(name)),
            *([pytest.mark.slow] if name == "inductor" else []),
        ],
    )
    for name in ENGINES
]


def compiled(text: str) -> nn.Module:
    torch.manual_seed(0)
    module = archdsl.compile(archdsl.loads(text))
    for key, tensor in module.state_dict().items():
        if "running" in key:
            tensor.copy_(torch.rand(tensor.shape) + 0.5)
    return module


def same(found: Any, wanted: Any) -> None:
    maps = [r if isinstance(r, dict) else {"": r} for r in (found, wanted)]
    assert list(maps[0]) == list(maps[1])
    for name, tensor in maps[1].items():
        assert float((maps[0][name] - tensor).abs().max()) <= 1e-5 * float(tensor.abs().max())


@pytest.mark.parametrize("engine", HERE)
def test_every_engine_gives_what_the_module_gives_for_any_number_of_images(engine: str) -> None:
    module = compiled(SMALL).train()
    state = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    fast = archdsl.optimize(module, engine)
    assert fast.engine == engine and fast.difference < 1e-5
    assert module.training and all(part.training for part in module.modules())
    assert all(torch.equal(state[key], t) for key, t in module.state_dict().items())
    module.eval()
    for images in (1, 3, 2, 5, 1):
        x = torch.randn(images, 3, 16, 16)
        with torch.no_grad():
            same(fast(x), module(x))


@pytest.mark.parametrize("engine", ["torch", "onnxruntime", "openvino"])
def test_inputs_and_results_keep_their_names(engine: str) -> None:
    module = compiled(TWO).eval()
    fast = archdsl.optimize(module, engine, batch=2)
    given = {"rgb": torch.randn(2, 3, 16, 16), "depth": torch.randn(2, 1, 16, 16)}
    with torch.no_grad():
        wanted = module(**given)
    same(fast(depth=given["depth"], rgb=given["rgb"]), wanted)
    same(fast(given["rgb"], given["depth"]), wanted)
    with pytest.raises(TypeError, match="missing a required argument: 'depth'"):
        fast(given["rgb"])


def test_the_best_is_the_fastest_of_those_that_were_tried(monkeypatch: Any) -> None:
    for name in ("inductor", "openvino"):
        monkeypatch.delitem(ENGINES, name)
    fast = archdsl.optimize(compiled(SMALL))
    assert {*fast.seconds} == {"torch", "onnxruntime"}
    assert fast.engine == min(fast.seconds, key=fast.seconds.__getitem__)
    assert repr(fast) == f"<small by {fast.engine}, 6 nodes>"


def test_an_engine_that_is_off_is_refused_with_the_difference(monkeypatch: Any) -> None:
    def off(module: nn.Module, graph: Any, example: Any) -> Any:
        def run(inputs: Any) -> list[Tensor]:
            return [module(*inputs) * 1.01]

        return run

    monkeypatch.setitem(ENGINES, "torch", off)
    with pytest.raises(archdsl.UsageError, match=r"torch is off by 1\.0e-02 of the largest"):
        archdsl.optimize(compiled(SMALL), "torch")
    assert archdsl.optimize(compiled(SMALL), "torch", tolerance=0.1).difference > 1e-3


def test_weights_of_another_module_do_not_change_what_is_optimized() -> None:
    module = compiled(SMALL).eval()
    fast = archdsl.optimize(module, "torch")
    x = torch.randn(1, 3, 16, 16)
    with torch.no_grad():
        wanted = module(x)
        for parameter in module.parameters():
            parameter.zero_()
    same(fast(x), wanted)


def test_what_cannot_be_optimized_is_one_error() -> None:
    with pytest.raises(archdsl.UsageError, match="which has a graph"):
        archdsl.optimize(nn.Linear(1, 1))
    with pytest.raises(archdsl.UsageError, match="no engine onnx; known: best, inductor"):
        archdsl.optimize(compiled(SMALL), "onnx")
    with pytest.raises(archdsl.UsageError, match="a module has its own"):
        archdsl.optimize(compiled(SMALL), weights={})
    changed = compiled(SMALL)
    changed.extra = nn.Linear(1, 1)
    with pytest.raises(archdsl.UsageError, match=r"not what its graph says: extra\.bias"):
        archdsl.optimize(changed, "torch")
    broken = compiled(SMALL)
    next(broken.parameters()).data.fill_(float("inf"))
    with pytest.raises(archdsl.UsageError, match="is not finite"):
        archdsl.optimize(broken, "torch")


def test_other_sizes_need_an_engine_that_takes_them() -> None:
    module = compiled(SMALL).eval()
    x = torch.randn(1, 3, 20, 20)
    with torch.no_grad():
        same(archdsl.optimize(module, "torch")(x), module(x))
    fast = archdsl.optimize(module, "onnxruntime")
    with pytest.raises(archdsl.UsageError, match="input is 3x16x16, not 3x20x20"):
        fast(x)


@pytest.mark.parametrize("package", ["onnxruntime", "openvino", "onnxscript"])
def test_an_engine_that_is_not_here_says_what_to_install(package: str, monkeypatch: Any) -> None:
    import archdsl.speed.engines as engines

    found = engines.find_spec
    monkeypatch.setattr(engines, "find_spec", lambda n: None if n == package else found(n))
    engine = "openvino" if package == "openvino" else "onnxruntime"
    with pytest.raises(archdsl.UsageError, match=f"{engine} cannot run: not installed: pip instal"):
        archdsl.optimize(compiled(SMALL), engine)


def test_nothing_is_warned_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        archdsl.optimize(compiled(SMALL), "onnxruntime")
