"""Architecture tables: what they say, held to papers and to the layers of the graph."""

import re

import pytest

import archdsl
from archdsl.analysis.measures import is_layer
from archdsl.graph.graph import Graph
from tests import built

CONV = r"(?:dw |up-conv )?(?<![\d×=])\d+(?:×\d+)*(?: conv)?, \d+"
LAYER = re.compile(rf"{CONV}|(?:linear|attention), \d+|patch merging")


def table_of(graph: Graph | str, **options: str) -> str:
    text = archdsl.draw(graph, kind="table", **options).render(".md").decode()  # type: ignore[arg-type]
    return text.replace("\\", "")


def cells(table: str) -> dict[str, str]:
    rows = (line.split(" | ", 1) for line in table.splitlines()[2:])
    return {size.removeprefix("| "): rest.removesuffix(" |") for size, rest in rows}


def net(body: str, input: str = "[4, 8, 8]", blocks: str = "{}") -> Graph:
    return archdsl.loads(
        f"archdsl: 1\nname: net\ninput: {input}\nblocks: {blocks}\nbackbone:\n{body}"
    )


def layers(cell: str) -> int:
    """How many layers with weights a cell says, repeats counted."""
    cell = re.sub(r"(?:\d+×\d+(?:, )?)+: ", "", cell)  # the sizes of lines
    assert "the same" not in cell
    inner = re.compile(r"[\[(]([^\[\]()]*)[\])](?: ×(\d+))?")
    while found := inner.search(cell):
        repeated = " · ".join([found[1]] * int(found[2] or 1))
        cell = cell[: found.start()] + repeated + cell[found.end() :]
    return len(LAYER.findall(cell)) + 2 * len(re.findall(r"\bSE, \d+", cell))


@pytest.mark.parametrize("name", built.quick())
def test_every_layer_with_weights_is_in_the_table(name: str) -> None:
    graph = built.graph(name)
    graph = graph.select(graph.outputs)
    weighted = {node.path for node in graph.nodes if is_layer(node)}
    rows = [line.split(" | ", 1)[1] for line in table_of(graph).splitlines()[2:-1]]
    assert sum(map(layers, rows)) == len(weighted)


def test_the_layers_of_a_cell_are_counted() -> None:
    assert layers("3×3 conv, 64, /2<br>[1×1 conv, 64 · dw 3×3, 64] ×3") == 7
    assert layers("[56×56: [3×3 conv, 18] ×4; 28×28, 7×7: 3×3, 36, g=2] ×2") == 10
    assert layers("(part 1 of 2 | part 2 of 2 → (1×1, 64 + identity) ×3) → concat") == 3
    assert layers("[SE, 64 · linear, 10 · 2×2 max pool, /2 · resize ×2 · concat, 128]") == 3


def test_both_paths_of_a_join_are_shown_and_how_they_join() -> None:
    gate = (
        "{branches: {join: multiply, paths: {a: [{conv: {kernel: 3}}], b: [{conv: {kernel: 1}}]}}}"
    )
    graph = net(
        "  g: {gated: {}, repeat: 4}\n  last: {conv: {kernel: 3}}", blocks=f"{{gated: {gate}}}"
    )
    assert cells(table_of(graph))["8×8"] == "[(3×3, 4 | 1×1, 4) → multiply] ×4<br>3×3 conv, 4"


def test_a_gate_on_what_a_block_gives_is_shown() -> None:
    table = table_of("ese_vovnet39b")
    assert "1×1 conv, 256 · (identity | global avg pool → 1×1, 256) → multiply]" in table


def test_a_cross_stage_splits_and_concats() -> None:
    cell = cells(table_of("cspresnet50"))["64×64"]
    assert cell.endswith(
        "[1×1 conv, 256 · (part 1 of 2 | part 2 of 2 → (1×1, 64 → 3×3, 64 → 1×1, 128 + identity) ×3"
        " → 1×1, 128) → concat · 1×1 conv, 128]"
    )


def test_shortcuts_that_project_have_a_row() -> None:
    assert cells(table_of("resnet50"))["shortcuts"] == (
        "1×1, 256<br>1×1, 512, /2<br>1×1, 1024, /2<br>1×1, 2048, /2"
    )
    assert "shortcuts" not in cells(table_of("vgg11_bn"))


def test_maps_of_several_sizes_that_run_together_are_one_row() -> None:
    """Wang et al. 2020, figure 2: exchange units, 1, 4 and 3 of them, over 2, 3 and 4 sizes."""
    table = cells(table_of("hrnet_w18"))
    assert len(table) <= 18
    stage = table["56×56, 28×28"]
    assert stage == (
        "[56×56: [3×3 conv, 18 · 3×3 conv, 18] ×4; 28×28: [3×3 conv, 36 · 3×3 conv, 36] ×4; "
        "56×56: (identity + 1×1, 18 → resize ×2); 28×28: (3×3, 36, /2 + identity)]"
    )
    assert table["56×56, 28×28, 14×14"].endswith("] ×4")
    assert table["56×56, 28×28, 14×14, 7×7"].endswith("] ×3")


def test_joins_outside_of_blocks_say_what_they_join() -> None:
    graph = net("  a: {conv: {kernel: 3}}\n  b: {conv: {kernel: 1}}\n  c: {add: {}, from: [a, b]}")
    assert cells(table_of(graph))["8×8"] == "3×3 conv, 4<br>1×1 conv, 4<br>add of a, b"


def test_a_row_has_layers_of_its_own_size_alone() -> None:
    graph = net(
        "  a: {conv: {kernel: 3, padding: 0}}\n  b: {conv: {kernel: 3, padding: 0}}", "[4, 32, 32]"
    )
    assert cells(table_of(graph)).keys() == {"30×30", "28×28", "params / MACs"}


@pytest.mark.parametrize(
    ("input", "size", "end"), [("[1, 64]", "32", "1"), ("[1, 8, 8, 8]", "4×4×4", "1×1×1")]
)
def test_sizes_have_as_many_axes_as_the_maps(input: str, size: str, end: str) -> None:
    graph = net("  a: {conv: {kernel: 3, stride: 2}}\n  b: flatten\n  c: {linear: {out: 3}}", input)
    assert list(cells(table_of(graph))) == [size, end, "params / MACs"]


def test_blocks_that_differ_in_activations_alone_stand_apart_and_say_so() -> None:
    one = "{{seq: [{{conv: {{kernel: 3}}}}, {act}, {{conv: {{kernel: 1}}}}]}}"
    blocks = f"{{relus: {one.format(act='relu')}, gelus: {one.format(act='gelu')}}}"
    graph = net("  a: {relus: {}, repeat: 2}\n  b: {gelus: {}}", blocks=blocks)
    assert cells(table_of(graph))["8×8"] == (
        "[3×3 conv, 4 · 1×1 conv, 4 · relu] ×2<br>[3×3 conv, 4 · 1×1 conv, 4 · gelu]"
    )
