"""Emitted source is run only if it holds nothing but what the emitter writes."""

import ast
import importlib
import pkgutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archdsl
import archdsl.pytorch
from archdsl.analysis.summary import summarize
from archdsl.api.build import run
from archdsl.cli.main import run as command
from archdsl.diagnostics.errors import InternalError
from archdsl.modules.calls import TORCH
from archdsl.pytorch.allowed import allowed, prelude
from archdsl.pytorch.running import import_source, new_module
from tests import built
from tests.support import whole

SOURCE = '''"""net: a text."""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Scale(nn.Module):
    """Multiplies by a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class Unit(nn.Module):
    """The block `unit`."""

    def __init__(self, width: int, scale: float = 0.5, gated: bool = False) -> None:
        if width == 0:
            raise ValueError("no width")
        super().__init__()
        self.gated = gated
        self.feature_info = {"c1": {"channels": width, "reduction": 1}}
        self.conv = nn.Conv2d(width, width, kernel_size=3, padding=1)
        layers: list[nn.Module] = [nn.ReLU()]
        if gated:
            layers.append(nn.Sigmoid())
        self.layers = nn.Sequential(*layers, *(nn.ReLU() for _ in range(2)))
        self.named = nn.Sequential(OrderedDict((f"layer{i}", nn.ReLU()) for i in range(3)))
        self.held = nn.ModuleDict({"0": Scale(scale)})
        self.made = nn.ModuleList([nn.ReLU() for _ in range(2)])
        self.register_parameter("1", nn.Parameter(torch.zeros(1)))
        self.gamma = nn.Parameter(torch.full((8, 1, 1), 1e-06))
        for module in self.modules():
            if type(module) is nn.Conv2d:
                nn.init.normal_(module.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv(x)
        if self.gated:
            out = torch.cat([out, x], 1)
        for layer in self.layers[0:2]:
            out = layer(out)
        out = self.held["0"](self.named.layer1(out)) + self.get_parameter("1")
        out += F.interpolate(x, size=out.shape[2:], mode="nearest")
        return self.gamma * out
'''
FORWARD = "    def forward(self, x: Tensor) -> Tensor:\n        out"
EVIL = 'open("EXECUTED", "w")'
INJECTIONS = {  # what: (text of the source, what stands there instead)
    "a call in a default": ("scale: float = 0.5", f"scale: float = {EVIL}"),
    "a name as a default": ("scale: float = 0.5", "scale: float = open"),
    "a call behind a docstring": ('"""net: a text."""', f'"""net: a text.""" + str({EVIL})'),
    "a call behind a class's docstring": ("The block `unit`.", f'""" + str({EVIL}) + """'),
    "a statement behind a docstring": ('text."""', f'text."""\n{EVIL}'),
    "an argument": ("padding=1", f"padding={EVIL}"),
    "a condition in an argument": ("padding=1", f'padding="" if {EVIL} else ""'),
    "a keyword": ("padding=1", "padding=1, **vars()"),
    "a statement of a class": ("    def forward", f"    {EVIL}\n\n    def forward"),
    "a value in a mapping": ('"channels": width', f'"channels": {EVIL}'),
    "an attribute of a class": ("    def forward", "    __reduce__ = 1\n\n    def forward"),
    "a decorator": ("class Unit", "@print\nclass Unit"),
    "a decorated function": (FORWARD,
f"    @print\n{FORWARD}"),
    "a base": ("class Unit(nn.Module)", f"class Unit({EVIL})"),
    "a base of another kind": ("class Unit(nn.Module)", "class Unit(torch.autograd.Function)"),
    "a metaclass": ("class Unit(nn.Module)", "class Unit(nn.Module, metaclass=print)"),
    "an f-string": ('f"layer{i}"', f'f"layer{{{EVIL}}}"'),
    "an f-string's format": ('f"layer{i}"', 'f"layer{i!r:{i}}"'),
    "an assignment in an expression": ("range(3)", "range(n := 3)"),
    "an import": ("import torch\n", "import torch\nimport os\n"),
    "an import from": ("import torch\n", "from os import system\nimport torch\n"),
    "an import of all": ("from torch import Tensor, nn", "from torch import *"),
    "an import as another": ("import torch\n", "import os as torch\n"),
    "an import in a function": ("self.gated = gated", "import os"),
    "an import behind a class": ("\n\nclass Unit", "\nimport torch\n\n\nclass Unit"),
    "a lambda": ("range(2)", "(lambda: 2)()"),
    "another error": ("ValueError", "SystemExit"),
    "an error of something computed": ('"no width"', EVIL),
    "an error from another": ('"no width")', f'"no width") from {EVIL}'),
    "a filter": ("for _ in range(2)", f"for _ in range(2) if {EVIL}"),
    "a list comprehension": ("*layers,", "*[print() for _ in range(2)],"),
    "a builtin": ("range(2)", "eval('2')"),
    "a builtin as a value": ("self.gated = gated", "self.gated = eval"),
    "a renamed builtin": ("self.gated = gated", "gated = exec\n        gated('1')"),
    "the import function": ("range(2)", "__import__('os').system('true')"),
    "a global": ("self.gated = gated", "global torch"),
    "a deletion": ("self.gated = gated", "del self.gated"),
    "an assertion": ("self.gated = gated", "assert gated"),
    "a with": ("self.gated = gated", f"with {EVIL}: pass"),
    "a try": ("self.gated = gated", "try: pass\n        except: pass"),
    "a while": ("self.gated = gated", "while True: pass"),
    "a yield": ("self.gated = gated", "yield"),
    "a function in a function": ("self.gated = gated", "def inner(): pass"),
    "a class in a function": ("self.gated = gated", "class Inner: pass"),
    "an assignment to a package": ("self.gated = gated", "nn = gated"),
    "an assignment to a package's attribute": ("self.gated = gated", "nn.Conv2d = gated"),
    "an assignment to self": ("self.gated = gated", "self = gated"),
    "an assignment to an item": ("self.gated = gated", "layers = []\n        layers[0] = gated"),
    "a dunder attribute": ("self.gated = gated", "self.__class__ = gated"),
    "a dunder read": ("self.gated = gated", "self.gated = self.__class__"),
    "globals of a function": ("range(2)", "self.forward.__globals__"),
    "an attribute by name": ('self.get_parameter("1")', 'getattr(self, "__class__")'),
    "an attribute by a made name": ('self.get_parameter("1")', 'getattr(self, "0" + "1")'),
    "a class made by type": ("type(module)", 'type("A", (), {})'),
    "another method of torch": ("torch.cat", "torch.load"),
    "another function of F": ("F.interpolate", "F.torch"),
    "another module of nn": ("nn.Sigmoid()", "nn.modules.module.torch.load('x')"),
    "another initialisation": ("nn.init.normal_", "nn.init.torch.load"),
    "a method of the module": ("self.gated = gated", "self.load_state_dict(gated)"),
    "a method of a tensor": ("return self.gamma * out", "return out.numpy()"),
    "a function of a module's package": ("self.conv(x)", "torch.utils(x)"),
    "an annotation": ("width: int", f"width: {EVIL}"),
    "an annotation as text": ("width: int", "width: 'eval'"),
    "an annotation of a variable": ("layers: list[nn.Module]", f"layers: list[{EVIL}]"),
    "an annotation of a result": ("-> Tensor:\n        out", f"-> {EVIL}:\n        out"),
    "more arguments": ("self, width: int", "self, *width: int"),
    "a dunder argument": ("width: int", "width: int, __class__: int"),
    "another function": ("def forward(self, x: Tensor) -> Tensor:\n        out",
                         "def __reduce__(self, x: Tensor) -> Tensor:\n        out"),
    "a coroutine": (FORWARD,
FORWARD.replace("def", "async def")),
    "a changed prelude": ("return x * self.factor", f"return x * {EVIL}"),
    "a function beside the classes": ("\n\nclass Unit", "\ndef other(): pass\n\n\nclass Unit"),
    "a value beside the classes": ("\n\nclass Unit", f"\nvalue = {EVIL}\n\n\nclass Unit"),
    "bytes": ("0.5", "b'0'"),
    "an infinite number": ("1e-06", "1e999"),
    "no Python": ("range(2)", "range(2"),
    "a null": ("range(2)", "range(2)\0"),
    "too deep": ("range(2)", "(" * 150 + "2" + ")" * 150 + "+1" * 5000),
}  # fmt: skip


def test_what_the_emitter_writes_passes() -> None:
    assert ast.unparse(allowed(SOURCE)) == ast.unparse(ast.parse(SOURCE))
    assert new_module(SOURCE.replace("width: int", "width: int = 8"), "net")


@pytest.mark.parametrize("what", INJECTIONS)
def test_what_it_never_writes_does_not_run(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    there, instead = INJECTIONS[what]
    assert SOURCE.count(there) >= 1
    source = SOURCE.replace(there, instead, 1)
    with pytest.raises(InternalError, match="the source"):
        import_source(source, "net")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", built.quick())
def test_every_source_of_the_gallery_passes(name: str) -> None:
    allowed(built.source(name))


def test_names_of_the_table_are_modules_functions_or_definitions_of_the_prelude() -> None:
    import torch

    for row in TORCH.values():
        for name in row.writes:
            package, _, inner = name.rpartition(".")
            where: Any = {
                "nn": torch.nn, "torch": torch, "F": torch.nn.functional,
            }.get(package, torch.Tensor)  # fmt: skip
            assert inner in prelude() if name == inner else hasattr(where, inner), name


def raw(value: Any) -> str:
    """How text must not be quoted."""
    return f'"{value}" + str({EVIL})' if isinstance(value, str) else repr(value)


HOSTILE = whole("""
    cite: {title: 't\""" + str(open("EXECUTED", "w")) + \"""'}
    blocks:
      u:
        params: {note: str, k: int}
        body: {a-1: {conv: {kernel: 1}}, b: {conv: {kernel: 3}, if: k > 5}}
    backbone:
      - {u: {note: 'q" if open("EXECUTED","w") else "', k: 5}}
      - {u: {note: p, k: 7}}
      - {u: {note: p, k: 7}}
    """)


@pytest.mark.parametrize("how", ["literals", "docstrings", "numbers"])
def test_an_emitter_that_quotes_badly_is_stopped(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    changed = {
        "literals": {"literal": raw},
        "docstrings": {"docstring": lambda texts, indent=0: [f'"""{"".join(texts)}"""']},
        "numbers": {"literal": lambda value: '(open("EXECUTED", "w"))'},
    }[how]
    for module in pkgutil.iter_modules(archdsl.pytorch.__path__):
        if module.name not in ("prelude", "literals"):
            loaded = importlib.import_module(f"archdsl.pytorch.{module.name}")
            for name in changed.keys() & vars(loaded).keys():
                monkeypatch.setattr(loaded, name, changed[name])
    Path("net.yaml").write_text(HOSTILE, encoding="utf-8")
    assert command(["build", "net.yaml"]) == 3
    assert "internal error" in capsys.readouterr().err
    assert not Path("EXECUTED").exists()
    with pytest.raises(InternalError):
        archdsl.compile("net.yaml")
    assert not Path("EXECUTED").exists()


EVIL_NAME = 'Q(*[open("EXECUTED","w").close()] and ()):\n    pass\nclass Z'


@pytest.mark.parametrize("field", ["name", "outputs", "citation", "taps", "aux", "title"])
def test_a_graph_made_by_hand_runs_nothing(
    field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    graph = archdsl.loads(whole("backbone: [relu, relu]"))
    names = {"a": "1", EVIL_NAME: "1", f'"""{EVIL}': "1"}
    text = f'"""\n{EVIL}\n"""'
    value = {"name": EVIL_NAME, "citation": text, "title": text}.get(field, names)
    with suppress(InternalError):
        archdsl.compile(replace(graph, **{field: value}))
    assert not list(tmp_path.iterdir())


def test_a_source_that_was_changed_between_writing_and_running_does_not_run(tmp_path: Path) -> None:
    graph = archdsl.loads(whole(""))
    source = tmp_path / "net.py"
    source.write_text(f"import os\n{archdsl.emit(graph)}", encoding="utf-8")
    with pytest.raises(InternalError, match="line 1"):
        run(graph, summarize(graph), source)


@given(st.sampled_from(sorted(INJECTIONS)), st.text("()[]{}\"'\\#\n:;,.@*=x0 ", max_size=12))
def test_noise_in_a_source_is_an_internal_error_or_harmless(what: str, noise: str) -> None:
    there, _ = INJECTIONS[what]
    try:
        tree = allowed(SOURCE.replace(there, noise, 1))
    except InternalError:
        return
    calls = {ast.unparse(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    known = {ast.unparse(n.func) for n in ast.walk(ast.parse(SOURCE)) if isinstance(n, ast.Call)}
    assert calls <= known
