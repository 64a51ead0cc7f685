"""A name from a nasty pool, at any place of a spec: refused there, or built as the spec says."""

import builtins
import keyword
from collections import OrderedDict
from typing import Any

import pytest
import torch
import yaml
from hypothesis import HealthCheck, assume, currently_in_test_context, given, note, settings
from hypothesis import strategies as st
from torch import nn

import archdsl
from archdsl.expressions.names import name_problem
from archdsl.pytorch.allowed import prelude
from tests.examples import examples
from tests.support import read, require_network

LOCALS = """
    self x y z w x0 x1 i n out out2 shortcut layer layers module path cls args kwargs super range
    result main name names input output inputs outputs index items keys values C H W L D first
    last row first_row last_row body residual seq branches when after relu conv add from repeat
    tap in_channels out_channels width kernel_size stride padding groups bias net Net Unit unit
    main_ _ _0 __ __class__ __init__ __dict__ __slots__ __name__ true false none null yes no on
    NaN inf Infinity None True False match case type soft nn torch F Tensor OrderedDict math
    """.split()  # noqa: SIM905 - one a line would be a hundred
LOOKALIKES = [
    "ｎｎ", "tоrch", "ｅｖａｌ", "ſelf", "ﬁ", "е", "x\u0301", "ª", "a\u200bb", "\u202ea", "á", "变",
    "a-b", "block1-0", "0", "01", "007", "1e6", "0x10", "1_000", "-1", "1.5", "a.b", "a b", "a\tb",
    "a\n", "\na", "", " ", "a'", 'a"', "a\\", "{x}", "{i}", "a{", "%s", "$x", "*", "a@1", "@",
    "a;b", "lambda:0", "a=1", "(a)", "#a", "a#", "'", '"""', "\x00", "\ud800", "é" * 30,
]  # fmt: skip
POOL = [
    *LOCALS, *LOOKALIKES, *keyword.kwlist, *keyword.softkwlist, *dir(builtins), *dir(nn.Module),
    *dir(nn.Sequential), *dir(OrderedDict), *dir(dict), *dir(tuple), *dir(torch.Tensor),
    *vars(nn.Module()), *prelude(), *(name for name in dir(nn) if name[0].isupper()),
    *(name for name in dir(torch) if name.islower()), *("v" * n for n in (80, 100, 200, 201, 1000)),
]  # fmt: skip
LAST = [n.lower() for n in prelude()] + [f"{n}2" for n in LOCALS] + [f"_{n}" for n in LOCALS]
names = st.sampled_from(sorted({*POOL, *LAST}, key=lambda name: (len(name), name)))


def document(places: dict[str, str]) -> dict[str, Any]:
    """A spec with a name at every place where one can stand; `places` change some."""
    n = {
        "network": "net", "block": "unit", "block 2": "pair", "item": "first_item", "inner": "c",
        "inner 2": "d", "parameter": "width", "parameter 2": "extra", "document": "classes",
        "tap": "t1", "output": "o1", "output 2": "o2", "aux": "side", "input": "left",
        "input 2": "right", "column": "size", "section": "trunk", "path": "p1", "shortcut": "s",
    } | places  # fmt: skip
    return {
        "archdsl": 1,
        "name": n["network"],
        "input": [4, 8, 8],
        "params": {n["document"]: 5},
        "under": {"backbone": n["section"]},
        "blocks": {
            n["block"]: {
                "params": {n["parameter"]: "int", n["parameter 2"]: 1},
                "residual": {
                    "body": {
                        n["inner"]: {"conv": {"out": n["parameter"], "kernel": n["parameter 2"]}},
                        n["inner 2"]: "relu",
                    },
                    "shortcut": {n["shortcut"]: {"conv": {"out": n["parameter"], "kernel": 1}}},
                },
            },
            n["block 2"]: {
                "inputs": [n["input"], n["input 2"]],
                "body": {
                    "u": {"conv": {"kernel": 1}, "from": n["input"]},
                    "v": {"add": {}, "from": ["u", n["input 2"]]},
                },
            },
        },
        "backbone": {
            n["item"]: {n["block"]: {n["parameter"]: 6, n["parameter 2"]: 3}, "tap": n["tap"]},
            "second": {n["block"]: {n["parameter"]: 6}},
            "joined": {n["block 2"]: {}, "from": [n["tap"], "second"]},
            "many": {"branches": {"paths": {n["path"]: {"conv": {"kernel": 3}}, "q": []}}},
            "row{row}": {"conv": {"out": n["column"], "kernel": 1}, "for": {n["column"]: [4, 6]}},
        },
        "head": {"last_item": {"conv": {"out": n["document"], "kernel": 1}}},
        "aux": {n["aux"]: [{"conv": {"kernel": 1}}]},
        "outputs": {n["output"]: "last_item", n["output 2"]: n["item"]},
    }


PLACES = [
    "network", "block", "block 2", "item", "inner", "inner 2", "parameter", "parameter 2",
    "document", "tap", "output", "output 2", "aux", "input", "input 2", "column", "section", "path",
    "shortcut",
]  # fmt: skip


def said(text: str) -> None:
    """Shows a text with an example that fails."""
    if currently_in_test_context():
        note(text)


def judge(places: dict[str, str]) -> bool:
    """Whether a spec is built, and is its graph; else it must have been refused with places."""
    try:
        text = yaml.safe_dump(document(places), sort_keys=False, allow_unicode=True)
        text.encode()
    except UnicodeEncodeError:
        assume(False)
    said(text)
    graph, found = read(text)
    if graph is None or found:
        assert found and all(d.span is not None for d in found)
        assert all(len(d.message) < 400 for d in found)
        return False
    source = archdsl.emit(graph)
    said(source)
    require_network(source, graph)
    return True


def test_the_plain_spec_is_built() -> None:
    assert judge({})


@settings(max_examples=examples(100, 400), suppress_health_check=list(HealthCheck))
@given(st.sampled_from(PLACES), names)
def test_one_name_is_refused_or_built(place: str, name: str) -> None:
    judge({place: name})


@settings(max_examples=examples(60, 200), suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.sampled_from(PLACES), names.filter(str.isidentifier), max_size=6))
def test_several_names_are_refused_or_built(places: dict[str, str]) -> None:
    judge(places)


@pytest.mark.parametrize("place", PLACES)
def test_plain_names_that_python_or_torch_has_are_built(place: str) -> None:
    for name in ("nn", "torch", "x", "self", "layers", "id", "exec", "match", "none_", "true_"):
        assert judge({place: name}), name


@pytest.mark.parametrize("place", ["item", "inner", "path", "shortcut", "aux"])
def test_attributes_of_modules_are_refused_where_they_would_hide_them(place: str) -> None:
    for name in dir(nn.Module) + dir(nn.Sequential) + dir(nn.ModuleList):
        if not name.startswith("_"):
            assert name_problem(name), name
            assert not judge({place: name}), name
