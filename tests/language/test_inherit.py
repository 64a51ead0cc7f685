"""Several files to one document: extends, import, the library, and the command line."""

import os
from pathlib import Path

import pytest

import archdsl
from archdsl.cli.main import run
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.sink import Sink, in_order
from archdsl.elaborate.document import elaborate
from archdsl.graph.graph import Graph
from archdsl.language import gallery
from archdsl.language.loader import LIBRARY, Loader, library_names
from archdsl.yaml.limits import Limits
from tests.support import check_error, errors, graph_of, line, read, verbs, whole, write

BASE = """
    archdsl: 1
    name: base
    cite: {title: The base}
    input: [3, 8, 8]
    params: {width: 4, act: relu, depth: {type: int, default: 1, max: 3}}
    scaling: {width: {base: 2, multiple_of: 4}, depth: {base: 1.5}}
    defaults: {conv: {bias: false}}
    blocks:
      unit: {params: {out: int}, seq: [{conv: {out: out, kernel: 3}}, $act]}
      other: {seq: [relu]}
    backbone: {stem: {unit: {out: width(width)}, repeat: depth}}
    head: {last: {other: {}}}
    outputs: {map: last}
    expect: {params: 108}
"""


def load(
    folder: Path, name: str = "child", **options: dict[str, str]
) -> tuple[Graph | None, list[str]]:
    """The graph of a file in a folder, and what is wrong with it, with the file's name."""
    sink = Sink()
    document = Loader(sink).load(str(folder / f"{name}.yaml"), **options)
    graph = elaborate(document, sink) if document is not None else None
    return graph, [
        f"{Path(d.span.file).name if d.span else ''}:{line(d)}" for d in in_order(sink.diagnostics)
    ]


def extended(folder: Path, child: str) -> Graph:
    write(folder, base=BASE, child="archdsl: 1\nextends: base.yaml\nname: child\n" + child)
    graph, problems = load(folder)
    assert problems == []
    assert graph is not None
    return graph


# extends


def test_a_spec_may_be_another_with_other_parameters(tmp_path: Path) -> None:
    graph = extended(tmp_path, "params: {width: 8, depth: 2}")
    assert graph.name == "child"
    assert graph.title == "The base"
    assert {node.id: str(node.output) for node in graph.nodes} == {
        "stem.0.0": "8x8x8", "stem.0.1": "8x8x8", "stem.1.0": "8x8x8", "stem.1.1": "8x8x8",
        "last.0": "8x8x8",
    }  # fmt: skip


def test_scaling_rules_are_merged_word_by_word(tmp_path: Path) -> None:
    graph = extended(tmp_path, "scaling: {phi: 1, width: {factor: 3}}")
    assert graph.by_id["stem.0.0"].output.channels == 12  # a factor, still a multiple of 4


def test_defaults_are_merged_argument_by_argument(tmp_path: Path) -> None:
    graph = extended(tmp_path, "defaults: {conv: {groups: 1}, batch_norm: {eps: 0.1}}")
    assert graph.by_id["stem.0.0"].op.bias is False


def test_a_block_is_replaced_whole(tmp_path: Path) -> None:
    graph = extended(tmp_path, "blocks: {other: {params: {k: 1}, seq: [{max_pool: {kernel: k}}]}}")
    assert graph.by_id["last.0"].op.verb == "max_pool"
    assert graph.by_id["stem.0.1"].op.verb == "relu"


def test_every_other_key_is_replaced(tmp_path: Path) -> None:
    graph = extended(tmp_path, "backbone: [tanh]\nhead: []\noutputs: {x: '0'}\ninput: [5, 4, 4]")
    assert [(node.id, str(node.output)) for node in graph.nodes] == [("0", "5x4x4")]
    assert dict(graph.outputs) == {"x": "0"}


def test_what_was_expected_of_the_base_is_not_expected_of_the_child(tmp_path: Path) -> None:
    """Decided: `expect` speaks of one network, so it is not inherited."""
    write(tmp_path, base=BASE, child="archdsl: 1\nextends: base.yaml\nname: child")
    document = Loader(Sink()).load(str(tmp_path / "child.yaml"))
    assert document is not None
    assert document.form.expect is None


def test_a_parameter_keeps_its_type_and_bounds(tmp_path: Path) -> None:
    write(tmp_path, base=BASE)
    write(tmp_path, child="archdsl: 1\nextends: base.yaml\nname: c\nparams: {depth: 4}")
    assert load(tmp_path)[1] == ["child.yaml:4:17 E0305 depth: 4 is more than 3"]


def test_extends_may_go_on_and_paths_are_relative_to_each_file(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    write(tmp_path / "inner", base=BASE)
    write(tmp_path / "inner", middle="archdsl: 1\nextends: base.yaml\nname: m\nparams: {width: 8}")
    write(tmp_path, child="archdsl: 1\nextends: inner/middle.yaml\nname: c\nparams: {depth: 2}")
    graph, problems = load(tmp_path)
    assert problems == []
    assert graph is not None
    assert [node.output.channels for node in graph.nodes] == [8] * 5


def test_errors_stand_in_the_file_that_they_come_from(tmp_path: Path) -> None:
    write(tmp_path, base=BASE)
    write(
        tmp_path,
        child="""
            archdsl: 1
            extends: base.yaml
            name: child
            params: {width: nope, act: gleu}
            backbone: {stem: {unit: {otu: 3}}}
        """,
    )
    assert load(tmp_path)[1] == [
        "child.yaml:4:17 E0302 unknown name `nope`",
        "child.yaml:4:28 E0302 unknown name `gleu`",
        "child.yaml:5:26 E0206 unit has no argument `otu`",
    ]
    write(tmp_path, base=BASE.replace("kernel: 3", "kernel: 9, padding: 0"))
    write(tmp_path, child="archdsl: 1\nextends: base.yaml\nname: child")
    assert load(tmp_path)[1] == [
        "base.yaml:9:62 E0502 a 9x9 kernel does not fit a map of 8x8",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("extends", "problem"),
    [
        ("bsae.yaml", "child.yaml:2:10 E0210 no file {folder}/bsae.yaml"),
        ("child.yaml",
         "child.yaml:2:10 E0210 extends goes round in a circle: child.yaml leads back here"),
        ("/etc/hostname", "child.yaml:2:10 E0210 extends takes a path relative to this file"),
        ("3", "child.yaml:2:10 E0203 extends must be the path of a file"),
        ("[base.yaml]", "child.yaml:2:10 E0203 extends must be the path of a file"),
        ("'a\\0b'", "child.yaml:2:11 E0210 no file {folder}/a\\0b"),
        (".", "child.yaml:2:10 E0210 no file {folder}/."),
        ("broken.yaml",
         "broken.yaml:1:5 E0103 the file is not YAML: did not find expected node content"),
        ("list.yaml", "list.yaml:1:1 E0104 a spec is a mapping, this document is a list"),
        ("old.yaml", "old.yaml:1:10 E0209 language version 0 is not known"),
    ],
)  # fmt: skip
def test_what_cannot_be_extended(tmp_path: Path, extends: str, problem: str) -> None:
    write(tmp_path, base=BASE, broken="a: [", list="[1]", old="archdsl: 0")
    write(tmp_path, child=f"archdsl: 1\nextends: {extends}\nname: child")
    graph, problems = load(tmp_path)
    assert graph is None
    assert problems[0].startswith(problem.format(folder=tmp_path)[:60])
    assert len(problems) == 1


def test_a_longer_circle_is_found(tmp_path: Path) -> None:
    write(tmp_path, child="archdsl: 1\nextends: b.yaml\nname: a")
    write(tmp_path, b="archdsl: 1\nextends: child.yaml\nname: b")
    assert load(tmp_path)[1] == [
        "b.yaml:2:10 E0210 extends goes round in a circle: child.yaml leads back here"
    ]


def test_a_misspelt_file_gets_a_suggestion(tmp_path: Path) -> None:
    write(tmp_path, base=BASE, child="archdsl: 1\nextends: bsae.yaml\nname: c")
    sink = Sink()
    Loader(sink).load(str(tmp_path / "child.yaml"))
    assert sink.diagnostics[0].help == "did you mean `base.yaml`?"


def test_a_file_is_not_suggested_for_its_ending(tmp_path: Path) -> None:
    write(tmp_path, b=BASE, child="archdsl: 1\nextends: blocks.yaml\nname: c")
    sink = Sink()
    Loader(sink).load(str(tmp_path / "child.yaml"))
    assert sink.diagnostics[0].help == "known: b.yaml, child.yaml"


def test_a_child_needs_a_name_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, base=BASE, child="archdsl: 1\nextends: base.yaml")
    assert load(tmp_path)[1] == ["child.yaml:1:1 E0202 `name` is missing"]


# import


BLOCKS = """
    archdsl: 1
    defaults: {conv: {bias: false}}
    blocks:
      unit: {params: {out: C}, seq: [{helper: {out: out}}, relu]}
      helper: {params: {out: C}, seq: [{conv: {out: width(out), kernel: 3}}]}
"""
IMPORTING = """
    archdsl: 1
    name: net
    input: [3, 8, 8]
    import: blocks.yaml
    backbone: [unit, {unit: {out: 5}}, {conv: {kernel: 1}}]
"""


def test_the_blocks_of_an_imported_file_are_usable(tmp_path: Path) -> None:
    write(tmp_path, blocks=BLOCKS, child=IMPORTING)
    graph, problems = load(tmp_path)
    assert problems == []
    assert graph is not None
    assert [str(node.output) for node in graph.nodes] == ["3x8x8"] * 2 + ["5x8x8"] * 3


def test_an_imported_block_sees_its_own_file_and_the_scaling_rules(tmp_path: Path) -> None:
    importing = (
        IMPORTING
        + """
    params: {out: 7}
    scaling: {width: {factor: 2}}
    blocks: {helper: {seq: [tanh]}}
    """
    )
    write(tmp_path, blocks=BLOCKS, child=importing.replace("conv:", "helper:").replace(
        "{helper: {kernel: 1}}", "helper"))  # fmt: skip
    graph, problems = load(tmp_path)
    assert problems == []
    assert graph is not None
    assert [node.op.verb for node in graph.nodes] == ["conv", "relu", "conv", "relu", "tanh"]
    assert [str(node.output) for node in graph.nodes][:2] == ["6x8x8", "6x8x8"]


def test_an_imported_file_has_its_own_defaults_before_the_documents(tmp_path: Path) -> None:
    importing = IMPORTING + "    defaults: {conv: {bias: true, padding: 0}}\n"
    write(tmp_path, blocks=BLOCKS, child=importing)
    graph, _ = load(tmp_path)
    assert graph is not None
    convs = [node.op for node in graph.nodes if node.op.verb == "conv"]
    assert [(op.bias, op.padding) for op in convs] == [
        (False, (0, 0)), (False, (0, 0)), (True, (0, 0)),
    ]  # fmt: skip


def test_an_imported_block_does_not_see_the_documents_parameters(tmp_path: Path) -> None:
    blocks = BLOCKS.replace("kernel: 3", "kernel: size")
    write(tmp_path, blocks=blocks, child=IMPORTING + "    params: {size: 3}\n")
    assert load(tmp_path)[1] == ["blocks.yaml:5:69 E0302 unknown name `size`"]


def test_a_file_may_import_others_and_two_may_import_one(tmp_path: Path) -> None:
    write(tmp_path, blocks=BLOCKS)
    for name in ("a", "b"):
        inner = f"archdsl: 1\nimport: [blocks.yaml]\nblocks: {{{name}: {{seq: [unit]}}}}"
        write(tmp_path, **{name: inner})
    importing = IMPORTING.replace("blocks.yaml", "[a.yaml, b.yaml]")
    write(tmp_path, child=importing.split("backbone")[0] + "backbone: [a, b]")
    graph, problems = load(tmp_path)
    assert problems == []
    assert graph is not None
    assert [node.id for node in graph.nodes] == ["0.0.0.0", "0.0.1", "1.0.0.0", "1.0.1"]


def test_blocks_of_one_name_in_two_files_stay_apart(tmp_path: Path) -> None:
    write(tmp_path, a="archdsl: 1\nblocks: {a: {seq: [inner]}, inner: {seq: [relu]}}")
    write(tmp_path, b="archdsl: 1\nblocks: {b: {seq: [inner]}, inner: {seq: [tanh]}}")
    text = "archdsl: 1\nname: n\ninput: [3, 8, 8]\n"
    write(tmp_path, child=text + "import: [a.yaml]\nblocks: {b: {seq: [relu]}}\nbackbone: [a, b]")
    assert load(tmp_path)[1] == []
    write(tmp_path, child=text + "import: [a.yaml, b.yaml]\nbackbone: [a, b]")
    assert load(tmp_path)[1] == ["child.yaml:4:18 E0401 two imported blocks are named inner"]
    write(tmp_path, c="archdsl: 1\nimport: b.yaml\nblocks: {c: {seq: [b]}}")
    write(tmp_path, child=text + "import: [a.yaml, c.yaml]\nbackbone: [a, c]")
    graph, problems = load(tmp_path)
    assert problems == []
    assert graph is not None
    assert [node.op.verb for node in graph.nodes] == ["relu", "tanh"]
    assert [scope.block for scope in graph.scopes] == ["a", "inner", "c", "b", "inner_2"]


@pytest.mark.parametrize(
    ("blocks", "problem"),
    [
        ("archdsl: 1\nblocks: {}",
         "child.yaml:4:9 E0210 {folder}/blocks.yaml has no blocks to import"),
        ("archdsl: 1\nname: x",
         "child.yaml:4:9 E0210 {folder}/blocks.yaml has no blocks to import"),
        ("archdsl: 1\nbloks: {}", "blocks.yaml:2:1 E0201 unknown key `bloks`"),
        ("blocks: {}", "blocks.yaml:1:1 E0202 `archdsl` is missing"),
        ("archdsl: 1\nblocks: {unit: {seq: [rleu]}}", "blocks.yaml:2:23 E0205 unknown verb `rleu`"),
        ("archdsl: 1\nimport: child.yaml\nblocks: {unit: {seq: [relu]}}",
         "blocks.yaml:2:9 E0210 import goes round in a circle: child.yaml leads back here"),
    ],
)  # fmt: skip
def test_what_cannot_be_imported(tmp_path: Path, blocks: str, problem: str) -> None:
    child = "archdsl: 1\nname: n\ninput: [3, 8, 8]\nimport: blocks.yaml\nbackbone: [relu]"
    write(tmp_path, blocks=blocks, child=child)
    assert problem.format(folder=tmp_path) in load(tmp_path)[1]


# the library


def test_a_block_of_the_library_needs_no_import() -> None:
    text = "backbone: [{conv_bn_act: {out: 4, stride: 2}}]"
    assert verbs(text) == {"0.0": "conv", "0.1": "batch_norm", "0.2": "relu"}


def test_a_block_of_ones_own_comes_before_the_librarys() -> None:
    text = "blocks: {conv_bn_act: {seq: [tanh]}}\nbackbone: [conv_bn_act]"
    assert verbs(text) == {"0.0": "tanh"}


@pytest.mark.parametrize("name", sorted(library_names()))
def test_every_file_of_the_library_holds_the_block_it_is_named_after(name: str) -> None:
    sink = Sink()
    loader = Loader(sink)
    document = loader.loads(whole(f"params: {{block: {name}}}"))
    assert sink.diagnostics == []
    assert document is not None
    block = document.file.blocks[name]
    assert block.body is not None
    assert block.file.source.name == str(LIBRARY / f"{name}.yaml")


# the command line


def test_settings_change_parameters_and_are_read_as_yaml(tmp_path: Path) -> None:
    write(tmp_path, child=BASE)
    settings = {"width": "2 * 4", "act": "{leaky_relu: {slope: 0.1}}", "depth": "2"}
    graph, problems = load(tmp_path, settings=settings)
    assert problems == []
    assert graph is not None
    assert graph.by_id["stem.1.1"].op.verb == "leaky_relu"
    assert graph.by_id["stem.1.1"].output.channels == 8


def test_a_wrong_setting_is_shown_where_it_stands(tmp_path: Path) -> None:
    write(tmp_path, child=BASE)
    for settings, problem in [
        ({"depth": "4"}, "--set depth=4:1:1 E0305 depth: 4 is more than 3"),
        ({"width": "3 +"}, "--set width=3 +:1:4 E0301 the expression ends too early"),
        ({"act": "rleu"}, "--set act=rleu:1:1 E0302 unknown name `rleu`"),
        ({"width": "[1"}, "--set width=[1:1:1 E0103 this `[` is not closed"),
    ]:  # fmt: skip
        graph, problems = load(tmp_path, settings=settings)
        assert graph is None
        assert problems == [problem]


def test_a_setting_that_the_spec_does_not_have_is_a_usage_error(tmp_path: Path) -> None:
    write(tmp_path, child=BASE)
    with pytest.raises(UsageError, match="--set widht: no such parameter; did you mean `width`"):
        load(tmp_path, settings={"widht": "3"})
    with pytest.raises(UsageError, match=r"--set width= *has no value"):
        load(tmp_path, settings={"width": " "})


def test_a_spec_that_is_changed_from_outside_expects_nothing(tmp_path: Path) -> None:
    write(tmp_path, child=BASE)
    path = str(tmp_path / "child.yaml")
    as_written = Loader(Sink()).load(path)
    changed = Loader(Sink()).load(path, settings={"width": "8"})
    assert as_written is not None
    assert changed is not None
    assert as_written.form.expect is not None
    assert changed.form.expect is None


# what a spec expects


EXPECTING = "backbone: [{{conv: {{out: 4, kernel: 3, bias: false}}}}]\nexpect: {{{}}}"  # 108, 6912


@pytest.mark.parametrize(
    "expect",
    [
        "params: 108", "params: 1_0_8", "params: 0.11K", "params: 0.1K", "params: 108.0",
        "macs: 6912", "macs: 6_912", "macs: 6.91K", "macs: 6.9 K", "macs: 7K", "macs: 0.0M",
        "output: [4, 8, 8]", "params: 108, macs: 6.9K, output: [4, 8, 8]",
    ],
)  # fmt: skip
def test_what_is_expected_is_held_to_its_digits(expect: str) -> None:
    assert errors(EXPECTING.format(expect)) == []


@pytest.mark.parametrize(
    ("expect", "column", "code", "message"),
    [
        ("params: 109", 18, "E0601", "params is 108, expected 109"),
        ("params: 0.12K", 18, "E0601", "params is 108, expected 0.12K"),
        ("params: 0.110K", 18, "E0601", "params is 108, expected 0.110K"),
        ("macs: 6.92K", 16, "E0601", "macs is 6,912, expected 6.92K"),
        ("macs: 6.9G", 16, "E0601", "macs is 6,912, expected 6.9G"),
        ("output: [4, 8]", 18, "E0601", "output is [4, 8, 8], expected [4, 8]"),
        ("macs: many", 16, "E0203", "macs must be a number, like 25_557_032 or 4.09G"),
        ("macs: -3", 16, "E0203", "macs must be a number, like 25_557_032 or 4.09G"),
    ],
)
def test_what_comes_out_otherwise_is_an_error(
    expect: str, column: int, code: str, message: str
) -> None:

    _, (found,) = read(EXPECTING.format(expect))
    assert line(found) == f"2:{column} {code} {message}"


def test_an_expected_number_may_be_pasted_from_the_help() -> None:

    _, (found,) = read(EXPECTING.format("macs: lots"))
    assert found.help == "write macs: 6_912 or macs: 6.91K"


def test_with_several_results_there_is_no_one_output() -> None:
    text = "backbone: {a: relu, b: tanh}\noutputs: {x: a, y: b}\nexpect: {output: [3, 8, 8]}"
    check_error(text, 3, 18, "E0601", "output is [3, 8, 8], [3, 8, 8], expected [3, 8, 8]")
    assert graph_of(text.split("expect")[0])


# the folder whose files a spec may use


def test_a_spec_stays_in_its_folder_tree(tmp_path: Path) -> None:
    write(tmp_path, base=BASE, child="archdsl: 1\nextends: mine/../base.yaml\nname: child\n")
    (tmp_path / "mine").mkdir()
    write(tmp_path / "mine", child="archdsl: 1\nextends: ../base.yaml\nname: child\n")
    assert load(tmp_path)[1] == []
    assert load(tmp_path / "mine")[1] == [
        f"child.yaml:2:10 E0210 ../base.yaml lies outside {tmp_path / 'mine'}, "
        "the folder that the spec may use"
    ]
    (tmp_path / "mine" / "here.yaml").symlink_to(tmp_path / "base.yaml")
    write(
        tmp_path / "mine",
        child="archdsl: 1\nimport: here.yaml\nname: child\ninput: [3, 8, 8]\nbackbone: [relu]\n",
    )
    assert "here.yaml lies outside" in load(tmp_path / "mine")[1][0]


def test_what_is_outside_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for name in ("there", "not_there"):
        write(tmp_path, there=BASE)
        write(tmp_path / "mine", child=f"archdsl: 1\nextends: ../{name}.yaml\nname: child\n")
        (problem,) = load(tmp_path / "mine")[1]
        assert problem.startswith(f"child.yaml:2:10 E0210 ../{name}.yaml lies outside")


def test_another_folder_can_be_allowed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    write(tmp_path, base=BASE)
    write(tmp_path / "mine", child="archdsl: 1\nextends: ../base.yaml\nname: child\n")
    child = tmp_path / "mine" / "child.yaml"
    assert archdsl.load(child, limits={"root": str(tmp_path)}).name == "child"
    assert run(["check", str(child), "--limit", f"root={tmp_path}"]) == 0
    with pytest.raises(UsageError, match="must be a folder"):
        archdsl.load(child, limits={"root": str(child)})


def test_a_network_of_the_gallery_goes_by_its_name(tmp_path: Path) -> None:
    write(tmp_path, child="{archdsl: 1, extends: resnet18, name: child, expect: {}}")
    graph, found = load(tmp_path)
    assert not found and graph is not None
    assert list(graph.state) == list(archdsl.load("resnet18").state)
    write(tmp_path, child="{archdsl: 1, extends: resnt18, name: child}")
    (problem,) = archdsl.check(tmp_path / "child.yaml")
    assert problem.help == "did you mean `resnet18`?"


def test_a_file_goes_before_the_network_of_its_name(tmp_path: Path) -> None:
    write(tmp_path, base=BASE)
    (tmp_path / "base.yaml").rename(tmp_path / "resnet18")
    write(tmp_path, child="{archdsl: 1, extends: resnet18, name: child}")
    graph, _ = load(tmp_path)
    assert graph is not None and list(graph.outputs) == ["map"]


def test_the_gallery_is_always_allowed(tmp_path: Path) -> None:
    path = os.path.relpath(gallery.find("resnet18"), tmp_path)
    write(tmp_path, child=f"archdsl: 1\nextends: {path}\nname: child\n")
    assert load(tmp_path)[1] == []


def limited(path: Path, limits: Limits | None = None) -> str:
    """The one mistake of a spec that asks for too much, with its place."""
    loader = Loader(Sink(), limits or Limits())
    assert loader.load(str(path)) is None
    (found,) = loader.sink.diagnostics
    return line(found)


def chain(folder: Path, length: int, params: str) -> Path:
    """Specs that extend one another, each with these parameters."""
    head = "archdsl: 1\nname: n\n"
    for n in range(length):
        base = f"extends: c{n + 1}.yaml\n" if n < length - 1 else "input: [4, 8, 8]\n"
        body = "" if n < length - 1 else "backbone: [relu]\n"
        (folder / f"c{n}.yaml").write_text(f"{head}{base}{body}params:\n{params}")
    return folder / "c0.yaml"


def test_the_number_of_files_is_limited(tmp_path: Path) -> None:
    path = chain(tmp_path, 6, "  p: 1\n")
    said = limited(path, Limits(files=4))
    assert said == "3:10 E0106 more than 4 files that are extended and imported"
    assert Loader(Sink(), Limits(files=5)).load(str(path)) is not None


def test_the_values_of_all_files_are_limited_together(tmp_path: Path) -> None:
    many = "".join(f"  p{n}: 1\n" for n in range(9_000))
    said = limited(chain(tmp_path, 20, many))
    assert said.endswith("E0106 more than 20,000 values, all files together, aliases expanded")
    few = "".join(f"  p{n}: 1\n" for n in range(30))
    said = limited(chain(tmp_path, 5, few), Limits(values=200))
    what = "more than 200 values, those of extended files counted again"
    assert said == f"3:10 E0106 {what}"


def test_the_bytes_of_all_files_are_limited_together(tmp_path: Path) -> None:
    for n in range(3):
        block = f"blocks: {{b{n}: {{seq: [relu]}}}}\n"
        (tmp_path / f"i{n}.yaml").write_text(f"archdsl: 1\n{block}" + "#" * 1000)
    path = tmp_path / "s.yaml"
    path.write_text(whole("import: [i0.yaml, i1.yaml, i2.yaml]"))
    said = limited(path, Limits(all_bytes=3000))
    assert said == "1:28 E0106 more than 3,000 bytes in all files together"
    assert Loader(Sink(), Limits(all_bytes=4000)).load(str(path)) is not None


def test_a_long_text_counts_as_often_as_it_is_named() -> None:
    text = f"doc: &a {'a' * 50_000}\nbackbone: [{', '.join(['*a'] * 4000)}]"
    assert errors(text) == ["2:164 E0106 more than 20,000 values, aliases expanded"]
