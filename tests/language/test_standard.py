"""The standard library as its users meet it: `archdsl show`, and what it says of a block."""

import pytest
from yaml import safe_load

import archdsl
from archdsl.cli import main as cli
from archdsl.diagnostics.errors import UsageError
from archdsl.language.loader import LIBRARY
from archdsl.language.standard import Argument, StandardBlock, standard_block, standard_blocks

Captured = pytest.CaptureFixture[str]


def test_every_file_of_the_library_is_a_block_that_says_what_it_is() -> None:
    blocks = standard_blocks()
    assert [block.name for block in blocks] == sorted(p.stem for p in LIBRARY.glob("*.yaml"))
    assert all(block.doc.endswith(".") for block in blocks)


@pytest.mark.parametrize("block", standard_blocks(), ids=lambda block: block.name)
def test_the_parameters_are_those_of_the_file(block: StandardBlock) -> None:
    written = safe_load(block.text)["blocks"][block.name]
    assert [argument.name for argument in block.arguments] == list(written["params"])


def test_an_argument_says_its_type_its_default_and_what_it_is() -> None:
    given = {argument.name: argument for argument in standard_block("bottleneck").arguments}
    assert given["width"] == Argument("width", "int", None, "")
    assert given["groups"] == Argument("groups", "number", "1", "cardinality (ResNeXt)")
    assert given["stride_first"].default == "false"
    assert given["shortcut"].type == "item"
    assert standard_block("deeplab_head").arguments[1].default == "[12, 24, 36]"


@pytest.mark.parametrize("name", ["bottleneck", "basic", "squeeze_excite"])
def test_the_networks_that_use_a_block_have_it_in_their_graphs(name: str) -> None:
    block = standard_block(name)
    some = ["resnet18", "resnet50", "seresnet50", "densenet121", "plain20_cifar10", "vgg11",
            "regnet_y_400mf", "efficientnet_b0", "unet_resnet34"]  # fmt: skip
    mine = {spec for spec in some if any(s.block == name for s in archdsl.load(spec).scopes)}
    through = {spec for user in block.blocks for spec in standard_block(user).specs}
    assert {*block.specs} & {*some} <= mine <= {*block.specs} | through


def test_show_lists_the_library(capsys: Captured) -> None:
    assert cli.run(["show"]) == 0
    headings, _, *rows = capsys.readouterr().out.splitlines()
    assert headings.split() == ["block", "what", "it", "is"]
    assert [row.split()[0] for row in rows] == [block.name for block in standard_blocks()]
    assert max(map(len, rows)) <= 100


def test_show_tells_all_of_a_block(capsys: Captured) -> None:
    assert cli.run(["show", "projection"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "projection: A 1x1 convolution and batch norm that bring a shortcut to another shape"
        " (option B of He",
        "et al. 2016).",
        "",
        "parameter  value   default",
        "-----------------------------",
        "out        int     required",
        "stride     number  1",
        "",
        "blocks that use it: basic, bottleneck",
        "",
        "networks that use it: dla34, plain20_cifar10, plain56_cifar10, res2net50_26w_4s,"
        " resnet110_cifar10,",
        "  resnet20_cifar10, resnet56_cifar10",
        "",
        *(LIBRARY / "projection.yaml").read_text().splitlines(),
    ]


def test_show_of_no_block_is_a_wrong_call(capsys: Captured) -> None:
    assert cli.run(["show", "botleneck"]) == 2
    error = "error: no block `botleneck` in the standard library; did you mean `bottleneck`?\n"
    assert capsys.readouterr() == ("", error)
    with pytest.raises(UsageError, match="known: aspp"):
        standard_block("zzzzzz")
