"""The JSON Schemas: they take what is right, refuse what they can see, and show what editors do."""

import json
import re
from collections.abc import Iterator
from dataclasses import MISSING
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter, ValidationError

import archdsl
from archdsl.cli.main import run
from archdsl.diagnostics.sink import Sink
from archdsl.figures.canvas.theme import THEMES, Theme, theme_schema
from archdsl.graph.schema import graph_schema
from archdsl.language import gallery
from archdsl.language.keys import Cite, DocumentForm, ExpectForm, ParameterForm, RuleForm
from archdsl.language.loader import LIBRARY, library_names
from archdsl.language.schema import spec_schema
from archdsl.language.syntax import COMBINATORS, MODIFIERS, USE
from archdsl.ops import OPS, ArgumentError, arguments, kind
from archdsl.study.plan import StudyForm, study_schema
from archdsl.yaml.mistakes import known
from archdsl.yaml.models import made
from archdsl.yaml.source import parse
from tests import built
from tests.examples import examples
from tests.random_specs import specs

ROOT = Path(__file__).parent.parent.parent
BAD = sorted((ROOT / "tests" / "bad").glob("*.yaml"))
GRAPH = graph_schema()
SCHEMAS = {"graph": GRAPH, "spec": spec_schema(), "study": study_schema(), "theme": theme_schema()}
GRAPH_VALIDATOR = Draft202012Validator(GRAPH)
SPEC = Draft202012Validator(SCHEMAS["spec"])

UNSEEN = {  # codes that a schema cannot see, and why
    "E0105": "data have no key twice",
    "E0108": "data have texts, not where YAML ended one",
    "E0210": "another file",
    "E0211": "which block uses which",
    "E0301": "the inside of an expression",
    "E0302": "the inside of an expression",
    "E0303": "the value of an expression",
    "E0304": "the value of an expression",
    "E0402": "names of items that stand elsewhere",
    "E0403": "what uses a result",
    "E0501": "shapes",
    "E0502": "shapes",
    "E0503": "shapes",
    "E0601": "costs",
    **dict.fromkeys((f"W010{n}" for n in range(1, 10)), "not wrong"),
}
PARTLY = {  # files of other codes, and why a schema does not see them
    "E0103-in-imported-file": "another file",
    "E0106-absurd-repeat": "what a spec describes is large, not the spec",
    "E0106-depth-of-a-stage": "the value of an expression",
    "E0106-layers-of-a-dense-block": "what a spec describes is large, not the spec",
    "E0106-lists-gone-through": "what a spec describes is large, not the spec",
    "E0106-nodes-of-a-repeat": "what a spec describes is large, not the spec",
    "E0106-path": "the value of an expression",
    "E0106-too-many-parameters": "what a spec describes is large, not the spec",
    "E0106-width-factor": "the value of an expression",
    "E0203-cell-a-parameter": "the value of an expression",
    "E0203-column-of-a-number": "the value of an expression",
    "E0203-expect-a-word": "letters behind numbers are read by the check",
    "E0203-groups-a-flag": "what the base does with its parameter",
    "E0203-inherited-flag": "what the base does with its parameter",
    "E0203-list-in-a-cell": "the value of an expression",
    "E0203-parameter-type": "what the spec's own block takes",
    "E0203-stride-a-comparison": "the value of an expression",
    "E0205-no-such-op": "a spec may have a block of its own of that name",
    "E0206-block-parameter": "a spec may have a block of its own of that name",
    "E0206-expand-ratio": "a spec may have a block of its own of that name",
    "E0206-in-extended-file": "another file",
    "E0206-inherited-call": "another file",
    "E0206-modifier-inside": "a spec may have a block of its own of that name",
    "E0206-own-block": "what the spec's own block takes",
    "E0207-block-argument": "a spec may have a block of its own of that name",
    "E0207-kernel-missing": "`defaults` may say it",
    "E0207-own-block": "what the spec's own block takes",
    "E0208-text-in-a-name": "the value of an expression",
    "E0212-depths-for-stages": "the value of an expression",
    "E0212-short-row": "that two lists are equally long",
    "E0212-unequal-columns": "that two lists are equally long",
    "E0401-key-in-copies": "what keys become in copies",
    **dict.fromkeys(
        (
            f"E0205-{name}"
            for name in (
                "activation-of-torch",
                "block-misspelled",
                "block-not-defined",
                "dollar",
                "item-parameter",
                "mbconv",
                "named-in-list",
                "one-of-split-paths",
                "other-words",
                "shortcut-none",
                "torch-name",
            )
        ),
        "the names of the spec's own blocks",
    ),
    "E0305-choices": "that one value is among others",
    "E0305-depth-of-one-stage": "the value of an expression",
    "E0305-negative-repeat": "the value of an expression",
    "E0305-one-number-of-two": "how many axes the input has",
    "E0305-set": "what is set on the command line",
    "E0305-stride-in-a-table": "the value of an expression",
    "E0305-three-kernel-numbers": "how many axes the input has",
    "E0401-copies-of-one-name": "names that are computed",
    "E0401-same-import": "another file",
    "E0401-tap-of-a-column": "names that are computed",
    "E0401-two-taps": "that two values are equal",
    "E0404-block-inputs": "what the spec's own block takes",
    "E0404-concat-of-one": "what the item before gives",
}


def data_of(path: Path) -> Any:
    source = parse(path.read_text(encoding="utf-8"), str(path), Sink())
    return source and source.data


def complaints(schema: dict[str, Any] | Draft202012Validator, data: Any) -> list[str]:
    validator = schema if isinstance(schema, Draft202012Validator) else Draft202012Validator(schema)
    return [f"{list(e.absolute_path)}: {e.message}" for e in validator.iter_errors(data)]


@pytest.mark.parametrize("document", SCHEMAS)
def test_a_schema_is_one(document: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", document]) == 0
    printed = json.loads(capsys.readouterr().out)
    Draft202012Validator.check_schema(printed)
    assert printed == json.loads(json.dumps(SCHEMAS[document]))
    assert printed["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("name", gallery.names())
def test_every_spec_of_the_gallery_is_valid(name: str) -> None:
    assert complaints(SPEC, data_of(Path(gallery.find(name)))) == []


LONG = {  # whose nodes take seconds to be gone through
    "densenetblur121d", "efficientnet_v2_s", "ghostnet_100", "hrnet_w18", "inception_resnet_v2",
    "inception_v4",
}  # fmt: skip


@pytest.mark.parametrize("name", built.quick(sorted(built.VARIED - LONG)[::3]))
def test_a_graph_of_the_gallery_is_valid(name: str) -> None:
    assert complaints(GRAPH_VALIDATOR, json.loads(built.graph(name).to_json())) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), 2),
        (("nodes", 0, "op"), "cnov"),
        (("nodes", 0, "arguments", "kernal"), 3),
        (("nodes", 0, "arguments", "stride"), 0),
        (("nodes", 0, "output", "shape"), []),
        (("scopes", 0, "kind"), "folder"),
        (("outputs",), []),
        (("more",), 1),
    ],
)
def test_a_wrong_graph_is_refused(path: tuple[Any, ...], value: Any) -> None:
    graph = json.loads(archdsl.load("resnet18").to_json())
    part = graph
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    assert complaints(GRAPH_VALIDATOR, graph)


@pytest.mark.parametrize("name", sorted(library_names()))
def test_every_file_of_the_library_is_valid(name: str) -> None:
    assert complaints(SPEC, data_of(LIBRARY / f"{name}.yaml")) == []


@pytest.mark.parametrize("path", sorted(THEMES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_theme_is_valid(path: Path) -> None:
    assert complaints(SCHEMAS["theme"], data_of(path)) == []


def studies_of_the_docs() -> Iterator[Any]:
    for page in (ROOT / "docs").glob("*.md"):
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            if re.search(r"^study:", block, re.MULTILINE):
                yield yaml.safe_load(block)


def test_every_study_of_the_docs_is_valid() -> None:
    found = [complaints(SCHEMAS["study"], study) for study in studies_of_the_docs()]
    assert found and not any(found)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_schema_refuses_what_it_can_see(path: Path) -> None:
    try:
        data = data_of(path)
    except UnicodeDecodeError:
        return
    if data is None:  # no YAML, of which an editor says so itself
        return
    unseen = path.stem[:5] in UNSEEN or path.stem in PARTLY
    assert (complaints(SPEC, data) == []) == unseen


@settings(max_examples=examples(30, 200), deadline=None)
@given(specs())
def test_random_specs_are_valid(document: Any) -> None:
    data = json.loads(json.dumps(document[0] if isinstance(document, tuple) else document))
    assert complaints(SPEC, data) == []


@pytest.mark.parametrize(
    ("study", "place"),
    [
        ({"scale": {"width": 3}}, "width"),
        ({"set": {"n": {"range": [1, 2, 3]}}}, "range"),
        ({"set": {"n": [1]}, "wheer": []}, "wheer"),
        ({"set": {"n": [1]}, "sample": "gird"}, "gird"),
        ({}, "under any of"),
    ],
)
def test_a_wrong_study_is_refused(study: dict[str, Any], place: str) -> None:
    found = complaints(SCHEMAS["study"], {"archdsl": 1, "study": "s", "spec": "x", **study})
    assert found and place in str(found)


@pytest.mark.parametrize(
    "theme",
    [{}, {"extends": "paper", "inkk": "#000000"}, {"extends": "paper", "ink": "black"},
     {"extends": "paper", "sizes": {"box": 3}}, {"extends": "paper", "roles": {"convv": {}}}],
)  # fmt: skip
def test_a_wrong_theme_is_refused(theme: dict[str, Any]) -> None:
    assert complaints(SCHEMAS["theme"], theme)


def test_an_editor_knows_every_verb_with_its_arguments() -> None:
    defs = SCHEMAS["spec"]["$defs"]
    verbs = {*OPS, *COMBINATORS, USE, *library_names()}
    assert verbs | {*MODIFIERS} == defs["item"]["properties"].keys()
    for verb, op in OPS.items():
        shown = defs[verb]
        assert list(shown["properties"]) == list(arguments(op))
        assert shown["description"] == " ".join((op.__doc__ or "").split())
        assert all(one["description"] for one in shown["properties"].values())
    assert "cardinality" in defs["bottleneck"]["properties"]["groups"]["description"]
    assert defs["bottleneck"]["properties"]["expansion"]["default"] == 4
    assert all(defs[name]["description"] for name in [USE, *library_names()])


LITERALS = [
    None, True, False, -5, -1, 0, 1, 2, 64, 2**31 - 1, 2**31, 2.0, 0.01, 0.5, 0.99, 1.0, 1.5, -0.5,
    1e29, "same", "auto", "valid", "bilinear", "nearest", "zeros", "reflect", "normal", "ones",
    [], [0], [1], [3, 1], [2.0, 1, 0], [0, 1, 2], [-1, 64], ["same"],
    {}, {"normal": None}, {"normal": {"std": 0.02}}, {"xavier_uniform": {"gain": 2}},
    {"trunc_normal": {"a": -2, "b": 2}, "bias": 0},
    {"kaiming_normal": {"mode": "fan_out"}, "bias": "ones"},
    {"constant": {"val": 1}, "bias": {"uniform": {"a": 0, "b": 1}}},
]  # fmt: skip


@pytest.mark.parametrize("verb", OPS)
def test_no_literal_is_refused_that_an_op_takes(verb: str) -> None:
    """Held to what reads the argument; of the others those that are never right are refused."""
    defs = SCHEMAS["spec"]["$defs"]
    for name, declared in arguments(OPS[verb]).items():
        read, form = kind(OPS[verb], name).read, kind(OPS[verb], name).form
        if form == "reference":
            continue
        validator = Draft202012Validator({**defs[verb], "$defs": defs})
        for value in LITERALS:
            right = value is None and declared.default is None
            for rank in (1, 2, 3):
                try:
                    read(value, rank)
                    right = True
                except ArgumentError:
                    pass
            valid = validator.is_valid({name: value})
            assert valid or not right, (name, value)
            listed = isinstance(value, list | dict | str) or value is None
            assert right or not valid or listed or abs(value) > 1e20, (name, value)


ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 40), st.floats(0, 40), st.sampled_from(
        ["grid", "on", "off", "up", "int", "#1A1A1A", "", "sans", "macs <= 3M", "macs", "x"])),
    lambda part: st.lists(part, max_size=2) | st.dictionaries(st.sampled_from(
        ["range", "step", "count", "fill", "stroke", "random", "python", "keys", "title", "box"]),
        part, max_size=3),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=examples(150, 400), deadline=None)
@given(
    st.sampled_from([Cite, RuleForm, ParameterForm, ExpectForm, DocumentForm, StudyForm, Theme]),
    st.data(),
)
def test_a_model_takes_what_pydantic_says_that_it_takes(model: Any, data: Any) -> None:
    """Our schemas for pydantic's core against those that pydantic makes of the same classes."""
    keys = known(model)
    needed = {name for name, one in keys.items() if one.default is one.default_factory is MISSING}
    chosen = data.draw(st.lists(st.sampled_from([*keys, "unknown"]), max_size=3, unique=True))
    document = {name: data.draw(ANY) for name in {*needed, *chosen}}
    text, context = json.dumps(document), {"grid": True}
    try:
        expected: Any = TypeAdapter(model).validate_json(
            text, strict=True, extra="forbid", context=context
        )
    except ValidationError:
        expected = None
    try:
        found: Any = made(model, json.loads(text), context)
    except ValidationError:
        found = None
    assert repr(found) == repr(expected)
