"""Warnings: what each finds and what it leaves alone, and how they are turned off and on."""

from collections.abc import Iterator
from copy import deepcopy
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
import yaml

import archdsl
from archdsl.cli.main import run
from archdsl.diagnostics.diagnostic import Diagnostic
from archdsl.diagnostics.sink import Sink, in_order
from archdsl.elaborate.document import elaborate
from archdsl.graph.graph import Graph
from archdsl.language.gallery import find, names
from archdsl.language.loader import Loader
from archdsl.language.written import Written
from archdsl.lint.rules import DEFAULT, LINTS, lint
from tests.random_specs import spec
from tests.support import errors, labels, line, read, whole, write


def found(text: str, *codes: str) -> list[Diagnostic]:
    """What the lints of these codes find in a spec that is right."""
    sink = Sink()
    document = Loader(sink).loads(whole(text), "spec.yaml")
    assert document is not None
    graph = elaborate(document, sink)
    assert graph is not None
    lint(document, graph, codes, sink)
    assert all(diagnostic.severity == "warning" for diagnostic in sink.diagnostics)
    return in_order(sink.diagnostics)


def warnings(text: str, *codes: str) -> list[str]:
    return [line(diagnostic) for diagnostic in found(text, *codes)]


def test_a_bias_before_batch_norm() -> None:
    text = "backbone:\n  a: {conv: {out: 8, kernel: 3}}\n  b: batch_norm"
    (diagnostic,) = found(text, "W0102")
    assert line(diagnostic) == "2:6 W0102 the bias of a does nothing: batch norm follows"
    assert labels(diagnostic) == ["3 takes every channel's mean away"]
    assert warnings(text.replace("kernel: 3", "kernel: 3, bias: false"), "W0102") == []
    assert warnings(text.replace("b: batch_norm", "b: [relu, batch_norm]"), "W0102") == []
    linear = "input: [4]\nbackbone: [{linear: {out: 8}}, batch_norm]"
    assert len(warnings(linear, "W0102")) == 1


def test_a_bias_that_something_else_sees_is_none_of_them() -> None:
    text = (
        "backbone:\n  a: {conv: {out: 8, kernel: 3}%s}\n  b: batch_norm\n  c: {add: {}, from: [%s]}"
    )
    assert len(warnings(text % ("", "b, b"), "W0102")) == 1
    assert warnings(text % ("", "a, b"), "W0102") == []
    assert warnings(text % (", tap: t", "b, b"), "W0102") == []


def test_copies_of_one_item_are_one_warning() -> None:
    text = "backbone: [{repeat: 5, seq: [{conv: {out: 8, kernel: 3}}, batch_norm]}]"
    (warning,) = warnings(text, "W0102")
    assert warning.endswith("the bias of 0.0 does nothing: batch norm follows (and 4 more like it)")


def test_a_block_is_not_used_by_prose_a_name_or_a_parameter() -> None:
    text = """
        name: gn
        doc: a net with gn
        params: {gn: 8}
        blocks: {gn: {seq: [{group_norm: {groups: 1}}]}}
        backbone: {gn: {conv: {out: gn, kernel: 3}}}
    """
    assert warnings(text, "W0104") == ["4:10 W0104 nothing uses the block `gn`"]


def test_a_block_is_used_by_a_verb_an_argument_or_a_cell() -> None:
    text = """
        params: {act: a}
        blocks:
          a: {seq: [relu]}
          b: {seq: [relu]}
          c: {seq: [d]}
          d: {seq: [relu]}
          e: {seq: [relu]}
          f: {params: {inner: e}, seq: [$inner]}
        backbone:
          0: {$act: {}}
          "x{row}": {for: {unit: [b, relu]}, $unit: {}}
          1: c
          2: f
    """
    assert warnings(text, "W0104") == []
    assert warnings(text.replace("for: {unit: [b, relu]}", "for: {unit: [relu]}"), "W0104") == [
        "4:3 W0104 nothing uses the block `b`"
    ]


def test_a_parameter_is_not_used_by_a_word_of_its_name() -> None:
    text = "params: {same: 1, act: relu}\nbackbone: [{conv: {kernel: 3, padding: same}}, $act]"
    assert warnings(text, "W0103") == ["1:10 W0103 nothing uses the parameter `same`"]


def test_parameters_that_nothing_uses() -> None:
    text = """
        params: {a: 1, b: 2, c: b, d: 3, e: relu, f: 4, g: [1], h: 5}
        scaling: {width: {multiple_of: f}}
        defaults: {conv: {dilation: a}}
        blocks:
          unit:
            params: {width: int, k: 3, d: 1, spare: 7}
            conv: {out: width, kernel: k * d}
        backbone:
          "x{h}": {unit: {width: c}}
          y: $e
          z: {scale: {factor: "g[0]"}}
    """
    assert warnings(text, "W0103") == [
        "1:28 W0103 nothing uses the parameter `d`",
        "6:38 W0103 nothing uses the parameter of unit `spare`",
    ]


def test_a_parameter_is_used_by_the_index_of_a_reference() -> None:
    text = """
        blocks:
          pick:
            params: {n: int}
            body:
              a: {relu: {}, as: "s[0]"}
              b: {tanh: {}, as: "s[1]"}
              c: {concat: {}, from: [a, b, "s[n]"]}
        backbone: [{pick: {n: 1}}]
    """
    assert warnings(text, "W0103") == []


def without(part: Any, block: str, parameter: str) -> None:
    """Takes a parameter away from the calls of a block, wherever they are written."""
    if isinstance(part, dict | list):
        for inner in part.values() if isinstance(part, dict) else part:
            without(inner, block, parameter)
    if isinstance(part, dict) and isinstance(part.get(block), dict):
        part[block].pop(parameter, None)


def structure(graph: Graph) -> list[Any]:
    """Its nodes with their inputs by position: what is applied again has other marks behind `@`."""
    order = {id: i for i, id in enumerate([*graph.inputs, *(node.id for node in graph.nodes)])}
    return [(node.path, node.op, [order[id] for id in node.inputs]) for node in graph.nodes]


@pytest.mark.parametrize(
    "seeds", [range(30), pytest.param(range(30, 500), marks=pytest.mark.slow)], ids=str
)
def test_what_is_said_of_unused_parameters_can_be_done(seeds: range) -> None:
    followed = 0
    for seed in seeds:
        document, _ = spec(seed, 6)
        text = yaml.safe_dump(document, sort_keys=False)
        for one in found(text, "W0103"):
            words = one.message.split("`")
            block = words[0].split()[-1] if " of " in words[0] else ""
            if block:
                document["blocks"][block]["params"].pop(words[1])
            else:
                document["params"].pop(words[1])
            if "of its calls" in one.help:
                without(document, block, words[1])
            followed += 1
        before, after = read(text)[0], read(yaml.safe_dump(document, sort_keys=False))
        assert after[1] == [], seed
        assert before is not None
        assert after[0] is not None
        assert structure(before) == structure(after[0]), seed
    assert followed > len(seeds)


def test_blocks_that_nothing_uses() -> None:
    text = """
        params: {act: soft}
        blocks:
          unit: {seq: [inner]}
          inner: {relu: {}}
          spare: {seq: [unit]}
          soft: {tanh: {}}
          hard: {relu: {}}
        backbone:
          a: unit
          b: $act
          c: {for: {act: [hard]}, inline: [$act]}
    """
    assert warnings(text, "W0104") == ["5:3 W0104 nothing uses the block `spare`"]


def test_taps_that_nothing_uses() -> None:
    text = """
        backbone:
          a: {relu: {}, tap: one}
          b: {relu: {}, tap: two}
          c{row}: {for: {n: [3, 4]}, relu: {}, tap: "n{n}"}
          d: {relu: {}, tap: last}
          e: {add: {}, from: [d, n3]}
          f: {resize: {like: one}}
        outputs: {y: f, z: last}
    """
    assert warnings(text, "W0105") == ["3:22 W0105 nothing in this spec uses the tap `two`"]


def tapped(part: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a spec names results as features or labels."""
    if isinstance(part, dict | list):
        for key, inner in part.items() if isinstance(part, dict) else enumerate(part):
            if key in ("tap", "as"):
                yield (*path, key)
            yield from tapped(inner, (*path, key))


@pytest.mark.parametrize(
    "seeds", [range(30), pytest.param(range(30, 500), marks=pytest.mark.slow)], ids=str
)
def test_a_tap_is_unused_where_the_spec_is_right_without_it(seeds: range) -> None:
    found = 0
    for seed in seeds:
        document, _ = spec(seed, 40)
        loader = Loader(Sink())
        read_document = loader.loads(yaml.safe_dump(document, sort_keys=False), "spec.yaml")
        assert read_document is not None
        graph = elaborate(read_document, loader.sink)
        assert graph is not None
        assert isinstance(graph.written, Written)
        lint(read_document, graph, ["W0105"], loader.sink)
        warned = {diagnostic.span for diagnostic in loader.sink.diagnostics}
        for path in tapped(document):
            without = deepcopy(document)
            reduce(getitem, path[:-1], without).pop(path[-1])
            wrong = read(yaml.safe_dump(without, sort_keys=False))[1]
            unused = all(one.code == "E0403" for one in wrong)  # a result that the tap alone used
            span = read_document.file.source.spans[path]
            made = span in graph.written.taps
            where = f"seed {seed}: {path}"
            assert unused or span not in warned, where
            assert span in warned or not (unused and made), where  # another `if` may need it
            found += made
    assert found > len(seeds) / 4


def test_a_stride_that_skips_pixels() -> None:
    text = "backbone: [{conv: {kernel: %s, stride: 2}}]"
    assert warnings(text % 1, "W0106") == [
        "1:12 W0106 0: a 1x1 convolution with stride reads 16 of 64 pixels"
    ]
    assert warnings(text % "[1, 2], padding: 0", "W0106") == []
    assert warnings("backbone: [{conv: {kernel: 1}}]", "W0106") == []


def test_widths_that_are_no_multiples_of_8() -> None:
    text = """
        backbone:
          a: {conv: {out: 12, kernel: 1}}
          b: {conv: {out: 12, kernel: 3, groups: 12}}
          c: {conv: {out: 16, kernel: 1}}
        head: [{conv: {out: 10, kernel: 1}}, {resize: {scale: 2}}]
    """
    assert warnings(text, "W0107") == ["2:6 W0107 a has 12 channels, not a multiple of 8"]


@pytest.mark.parametrize(
    ("item", "reach"),
    [
        ("{conv: {kernel: 3}}", "3x3"),
        ("{conv: {kernel: 2, dilation: 3, padding: 2}}", "4x4"),
        ("{max_pool: {kernel: 3, stride: 1, padding: 1}}", "3x3"),
    ],
)
def test_a_kernel_larger_than_its_map(item: str, reach: str) -> None:
    (warning,) = warnings(f"input: [8, 2, 2]\nbackbone: [{item}]", "W0108")
    assert warning == f"2:12 W0108 0: a kernel of {reach} reads a map of 2x2"
    assert warnings(f"input: [8, 4, 4]\nbackbone: [{item}]", "W0108") == []


def test_what_a_block_of_the_library_does_is_shown_at_its_call() -> None:
    text = "backbone:\n  a: {basic: {width: 8, stride: 2}}"
    (diagnostic,) = found(text, "W0106")
    assert line(diagnostic).startswith("2:6 W0106 a.downsample.0: a 1x1 convolution")
    assert diagnostic.labels[0].span.file.endswith("projection.yaml")


def test_a_spec_turns_warnings_off_and_on_and_hands_that_down(tmp_path: Path) -> None:
    base = whole("""
        params: {spare: 1}
        lint: {W0103: off, W0107: on}
        backbone: [{conv: {out: 9, kernel: 1}}, batch_norm, relu, {conv: {out: 8, kernel: 1}}]
    """)
    write(
        tmp_path,
        base=base,
        same="archdsl: 1\nextends: base.yaml\nname: same\n",
        other="archdsl: 1\nextends: base.yaml\nname: other\nlint: {W0107: off, W0102: off}\n",
    )
    codes = {
        name: [d.code for d in archdsl.check(tmp_path / f"{name}.yaml")]
        for name in ("base", "same", "other")
    }
    assert codes == {"base": ["W0102", "W0107"], "same": ["W0102", "W0107"], "other": []}


def test_compound_scaling_is_turned_off_like_the_others(tmp_path: Path) -> None:
    scaling = "scaling: {depth: {base: 2}, width: {base: 2}, resolution: {base: 2}}\n"
    assert warnings(scaling) == [
        "1:1 W0101 depth * width^2 * resolution^2 is 32.00 per phi, not near 2"
    ]
    assert warnings(scaling + "lint: {W0101: off}\n") == []


def test_what_is_wrong_with_lint_itself(tmp_path: Path) -> None:
    write(tmp_path, bad=whole("lint: {W0199: off, W0102: false}"))
    assert [line(d) for d in archdsl.check(tmp_path / "bad.yaml")] == [
        "1:8 E0201 unknown warning `W0199`",
        "1:27 E0203 W0102 must be `on` or `off`, not false",
    ]


@pytest.mark.parametrize("axes", ["3, 8, 8", "3, 16, 112, 112", "16, 8, 4, 4", "64, 56, 56"])
def test_inputs_that_are_as_they_seem(axes: str) -> None:
    assert errors(f"input: [{axes}]") == []


def test_an_input_in_another_order_may_be_meant() -> None:
    text = "input: [16, resolution(16), 3]"
    assert errors(text) == ["1:8 W0109 the input is read as 16 channels of 16x3"]
    assert "`input: [3, 16, resolution(16)]`" in read(text)[1][0].help
    assert errors(f"{text}\nlint: {{W0109: off}}") == []


def test_warnings_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = whole("backbone: [{conv: {out: 9, kernel: 1}}, batch_norm, {linear: {out: 8}}]")
    write(tmp_path, spec=spec.replace("{linear: {out: 8}}", "{conv: {out: 8, kernel: 1}}"))
    for options, codes in (
        ([], ["W0102"]),
        (["--ignore", "W0102"], []),
        (["--pedantic"], ["W0102", "W0107"]),
        (["--pedantic", "--ignore", "W0107"], ["W0102"]),
    ):
        assert run(["check", "--format", "concise", *options, "spec.yaml"]) == 0
        assert [text.split()[1] for text in capsys.readouterr().out.splitlines()] == codes
    assert run(["check", "--ignore", "W0199", "spec.yaml"]) == 2


def test_other_commands_do_not_warn(tmp_path: Path) -> None:
    write(tmp_path, spec=whole("params: {spare: 1}"))
    assert archdsl.load(tmp_path / "spec.yaml").name == "net"
    assert archdsl.check(tmp_path / "spec.yaml") != []


def test_every_lint_finds_something_in_the_gallery_or_is_silent_there_for_a_reason() -> None:
    """The networks that switch one off really have it."""
    off = {"vgg16_bn": "W0102", "resnet20_cifar10": "W0104", "deeplabv3_resnet50": "W0108"}
    assert off.keys() <= set(names())
    for name, code in off.items():
        path = find(name)
        text = Path(path).read_text(encoding="utf-8").replace(f"{code}: off", f"{code}: on")
        sink = Sink()
        document = Loader(sink).loads(text, path)
        graph = elaborate(document, sink) if document is not None else None
        assert document is not None and graph is not None
        lint(document, graph, DEFAULT, sink)
        assert [d.code for d in sink.diagnostics] == [code]
    assert LINTS.keys() >= DEFAULT
