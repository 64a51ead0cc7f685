"""Architecture tables: what they say, held to papers and to the layers of the graph."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archdsl
from archdsl.analysis.measures import is_layer
from archdsl.figures.kinds.table import _latex_entry
from archdsl.figures.kinds.table_rows import Entry
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
        "56×56: (input 1 + input 2 → 1×1, 18 → resize ×2); "
        "28×28: (input 1 → 3×3, 36, /2 + input 2)]"
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


def test_what_is_taken_again_has_a_letter() -> None:
    """The first block of a dual path network takes parts of both its layers twice."""
    block = (
        "{body: {p: {conv: {kernel: 1, out: 6}}, c: {conv: {kernel: 3, out: 6}, from: input},"
        " p1: {slice: {stop: 4}, from: p}, c1: {slice: {stop: 4}, from: c}, s: {add: {},"
        " from: [p1, c1]}, p2: {slice: {start: 4}, from: p}, c2: {slice: {start: 4}, from: c},"
        " cat: {concat: {}, from: [s, p2, c2]}}}"
    )
    assert cells(table_of(net("  b: dual", blocks=f"{{dual: {block}}}")))["8×8"] == (
        "(a = 1×1, 6; b = 3×3, 6; ((a → first 4 + b → first 4) | a → last 2 | b → last 2)"
        " → concat, 8)"
    )


Ways = Counter[tuple[str, ...]]


def ways_of(text: str, start: Ways, known: dict[str, Ways]) -> Ways:
    """The ways through a line of a table: the layers and joins on each, with how many there are."""
    *before, last = parted(text, "; ")
    for said in before:
        name, _, told = said.partition(" = ")
        known[name] = ways_of(told, start, known)
    for part in (piece for line in parted(last, " · ") for piece in parted(line, " → ")):
        if part in known:
            start = known[part]
        elif part[0] in "([":
            inner, _, count = part[1:].rpartition(part[0].translate({40: ")", 91: "]"}))
            for _ in range(int(count.removeprefix(" ×") or 1)):
                start = joined(inner, start, known)
        elif part != "identity":
            start = on(
                start, re.sub(" conv|, \\d+$" if part.startswith("concat") else " conv", "", part)
            )
    return start


def joined(text: str, start: Ways, known: dict[str, Ways]) -> Ways:
    """What stands in parentheses."""
    for between, joins in ((" + ", ["add"]), (" | ", [])):
        if len(paths := parted(text, between)) > 1 and len(parted(text, "; ")) == 1:
            sides = (ways_of(path, start, known) for path in paths)
            total = sum(sides, Ways())
            return on(total, *joins)
    return ways_of(text, start, {**known})


def on(ways: Ways, *labels: str) -> Ways:
    return Ways({(*way, *labels): count for way, count in ways.items()})


def parted(text: str, between: str) -> list[str]:
    """The parts of a text outside of its brackets."""
    found, depth = [""], 0
    for piece in re.split(rf"([()\[\]]|{re.escape(between)})", text):
        depth += (piece in ("(", "[")) - (piece in (")", "]"))
        if piece == between and not depth:
            found.append("")
        else:
            found[-1] += piece
    return found


@st.composite
def crossing(draw: st.DrawFn) -> dict[str, Any]:
    """A block of convolutions and joins in which anything may take anything before it."""
    items: dict[str, Any] = {}
    free: list[str] = []
    for n in range(draw(st.integers(2, 7))):
        known = ["input", *items]
        verb = draw(st.sampled_from(["conv", "conv", "add", "multiply"]))
        taken = draw(st.permutations(known))[: 1 if verb == "conv" else 2]
        if len(taken) == 1:
            items[f"i{n}"] = {
                "conv": {"kernel": draw(st.sampled_from([1, 3, 5]))},
                "from": taken[0],
            }
        else:
            items[f"i{n}"] = {verb: {}, "from": taken}
        free = [name for name in free if name not in taken] + [f"i{n}"]
    if len(free) > 1:
        items["end"] = {"concat": {}, "from": free}
    return items


def through(graph: Graph) -> Iterator[Ways]:
    """The ways from the input to each node."""
    found = {"input": Ways({(): 1})}
    for node in graph.nodes:
        op: Any = node.op
        label = f"{op.kernel[0]}×{op.kernel[0]}, {op.out}" if op.verb == "conv" else op.verb
        found[node.id] = on(sum((found[id] for id in node.inputs), Ways()), label)
        yield found[node.id]


@given(crossing())
def test_the_ways_of_a_line_are_those_of_the_block(items: dict[str, Any]) -> None:
    graph = net("  b: woven", blocks=json.dumps({"woven": {"body": items}}))
    said = cells(table_of(graph))["8×8"]
    *_, all_ways = through(graph)
    assert ways_of(said, Ways({(): 1}), {}) == all_ways, said


def test_a_line_in_latex_has_brackets_only_where_it_repeats() -> None:
    assert _latex_entry(Entry(("conv",))) == "conv"
    assert _latex_entry(Entry(("conv",), 2)).endswith(r"\right]\times 2$")
