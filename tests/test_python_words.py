"""What is given and what is said in Python: numbers of others, and errors without options."""

from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

import archdsl

GIVEN = {
    "numpy": {"classes": np.int64(7), "depths": np.array([1, 1, 1, 1]), "stride_first": np.True_},
    "torch": {"classes": torch.tensor(7), "depths": torch.tensor([1, 1, 1, 1])},
    "omegaconf": OmegaConf.create({"n": 7, "classes": "${n}", "depths": [1, 1, "${depths[0]}", 1]}),
    "tuple": {"classes": 7, "depths": (1, 1, 1, 1)},
}


@pytest.mark.parametrize("kind", GIVEN)
def test_numbers_of_other_packages_are_parameters(kind: str) -> None:
    given = GIVEN[kind]
    params = {name: given[name] for name in given if name != "n"}
    graph = archdsl.load("resnet50", params=params)
    assert graph.spec(graph.outputs[""]).channels == 7
    assert [n.id for n in graph.nodes if n.id.endswith("conv3")] == [
        f"layer{n}.0.conv3" for n in (1, 2, 3, 4)
    ]
    assert archdsl.load("resnet18", scale={"width": np.float32(0.5)}).state["conv1.weight"].shape[
        0
    ] == 32  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"params": {"clases": 3}}, "params={'clases': ...}: no such parameter; did you mean"),
        ({"params": {"classes": "a b"}}, "--> params={'classes': a b}:1:3"),
        ({"scale": {"widht": 1}}, "scale={'widht': ...}: no such rule; did you mean `width`"),
        ({"limits": {"nodes": 2}}, "help: limits={'nodes': N} allows more"),
        ({"replace": {"relu": "silo"}}, '--> replace={"relu": "silo"}:1:11'),
        ({"input": [3, 8, "x"]}, '--> input=[3, 8, "x"]:1:9'),
        ({"output_stride": "x"}, "--> output_stride=x:1:1"),
        ({"params": {"classes": object()}}, "is no value: numbers, texts, lists and mappings"),
    ],
    ids=["params", "value", "scale", "limits", "replace", "input", "stride", "object"],
)
def test_errors_name_keywords(given: dict[str, Any], said: str) -> None:
    with pytest.raises((archdsl.SpecError, archdsl.UsageError)) as caught:
        archdsl.load("resnet50", **given)
    assert said in str(caught.value)
    words = [line for line in str(caught.value).splitlines() if "|" not in line]
    assert not [line for line in words if "--" in line.replace("-->", "")]


def test_lines_of_the_user_are_left_as_they_are() -> None:
    text = "archdsl: 1\nname: n\ninput: [3, 8, 8]\nbackbone: [relu, silo] # --set classes=3\n"
    with pytest.raises(archdsl.SpecError, match="# --set classes=3"):
        archdsl.loads(text)


def test_the_input_is_given_in_the_call() -> None:
    graph = archdsl.load("resnet18", input=[1, 64, 96])
    assert (str(graph.input), graph.state["conv1.weight"].shape) == ("1x64x96", (64, 1, 7, 7))
    model = archdsl.compile("resnet18", input=(1, 64, 64), params={"classes": 2})
    assert model.eval()(torch.zeros(1, 1, 64, 64)).shape == (1, 2)
    with pytest.raises(archdsl.UsageError, match="a graph is past that"):
        archdsl.compile(graph, input=[3, 64, 64])


NO_SPECS = {
    "nothing": (None, "not a NoneType"),
    "a number": (18, "not an int"),
    "bytes": (b"resnet18", "not a bytes"),
    "a module": (torch.nn.ReLU(), "not a ReLU"),
    "a text": ("archdsl: 1\nname: n\n", "`loads` reads the text of one"),
}


@pytest.mark.parametrize("what", NO_SPECS)
@pytest.mark.parametrize("call", [archdsl.load, archdsl.compile, archdsl.check, archdsl.draw])
def test_what_is_no_spec_is_called_what_it_is(call: Any, what: str) -> None:
    given, said = NO_SPECS[what]
    with pytest.raises(archdsl.UsageError, match=r"^a spec is a path, or the name of a ") as caught:
        call(given)
    assert str(caught.value).endswith(said)


def test_what_is_no_text_and_no_mapping_is_called_what_it_is() -> None:
    wrong: Any
    for wrong in (None, {"archdsl": 1}, 3):
        with pytest.raises(archdsl.UsageError, match=r"the text of a spec is a string, not an? "):
            archdsl.loads(wrong)
    for name in ("params", "scale", "limits"):
        wrong = {name: ["classes=10"]}
        with pytest.raises(archdsl.UsageError, match=r"\{'classes': 10\}, not a list"):
            archdsl.load("resnet18", **wrong)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: archdsl.compile("resnet18", features=[3]), r"^features must be Sequence\[str\]"),
        (lambda: archdsl.draw("resnet18", width=12), r"^width must be str \| None, not 12$"),
        (lambda: archdsl.summarize("resnet18", depth="2"), r"^depth must be int \| None, not '2'$"),
        (lambda: archdsl.to_spec("resnet18"), r"^graph must be Graph, not 'resnet18'$"),
        (
            lambda: archdsl.save_weights(archdsl.load("resnet18"), "x.pt"),
            "^module must be Module, ",
        ),
    ],
)
def test_an_argument_of_another_type_is_named(call: Any, said: str) -> None:
    with pytest.raises(archdsl.UsageError, match=said):
        call()


def test_an_argument_that_there_is_not_is_pythons_own_error() -> None:
    call: Any = archdsl.load
    with pytest.raises(TypeError, match="unexpected keyword argument 'parms'"):
        call("resnet18", parms={})
