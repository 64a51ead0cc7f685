"""What figures fold: a reader finds every width of every block, in every network of the gallery."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache

import pytest

import archdsl
from archdsl import Graph
from archdsl.figures.canvas.scene import Group, Item, Text, flat
from archdsl.figures.draw import draw
from archdsl.figures.kinds.columns import Layers, folded, layers_of, rows_of
from archdsl.figures.kinds.difference import marked
from archdsl.figures.kinds.table_rows import compare
from archdsl.figures.network.block_kinds import BlockKind, block_kinds
from archdsl.figures.network.description import Description, describe
from archdsl.figures.network.tree import boxes
from archdsl.figures.network.units import Unit
from archdsl.figures.options import WIDTHS, Options
from archdsl.language import gallery
from archdsl.ops import OPS
from tests import built
from tests.built import graph as network
from tests.figures.test_figure_geometry import LINES, PLAIN, SUITS

WEIGHTED = ("conv", "conv_transpose", "linear", "attention", "window_attention")
Numbers = list[tuple[object, ...]]


@cache
def description(name: str) -> Description:
    return describe(network(name))


def content(graph: Graph, unit: Unit) -> Numbers:
    """What every weighted op of a block is, from the graph itself: no drawing knows of this."""
    nodes = [node for node in graph.nodes if f"{node.id}.".startswith(f"{unit.id}.")]
    fields = ("out", "kernel", "groups", "heads")
    return [
        (node.op.verb, *(getattr(node.op, name, 1) for name in fields))
        for node in nodes
        if node.op.verb in WEIGHTED
    ]


def differ(graph: Graph, units: Sequence[Unit]) -> bool:
    """Whether blocks of the same ops are not of the same widths; a first projection aside."""
    rest = units[1:] if units[0].projects else units
    found: dict[str, set[str]] = {}
    for unit in rest:
        if unit.kind == "block":
            made = [node.op.verb for node in graph.nodes if node.id.startswith(f"{unit.id}.")]
            kernels = [part[2] for part in content(graph, unit)]
            found.setdefault(f"{made} {kernels}", set()).add(str(content(graph, unit)))
    return any(len(contents) > 1 for contents in found.values())


@pytest.mark.parametrize("name", built.quick())
def test_an_inset_and_its_list_tell_the_numbers_of_every_block(name: str) -> None:
    """A reader who puts the numbers of a line for those of the drawn one has the block itself."""
    found = description(name)
    kinds = block_kinds(found)
    blocks = [unit for unit in found.units if unit.kind != "op" and unit.chain]
    assert sorted(u.id for kind in kinds for u in kind.units) == sorted(u.id for u in blocks)
    for kind in kinds:
        rows = kind.rows() or [(kind.name, [], True)]
        (drawn,) = [numbers for _, numbers, shown in rows if shown]
        assert len(set(drawn)) == len(drawn)
        for variant, (_, numbers, _) in zip(kind.variants, rows, strict=True):
            read = dict(zip(drawn, numbers, strict=True))
            for unit in variant.units:
                said = [substituted(label, read) for label in labels(kind.shown)]
                assert said == [substituted(label, {}) for label in labels(unit)], unit.id


def labels(unit: Unit) -> list[str]:
    return [str(unit.input.channels), *(box.label for box in boxes(unit.chain))]


def substituted(label: str, read: dict[str, str]) -> set[str]:
    """The parts of a label after reading; what it does not say is 1."""
    silent = ["/1"] * ("/" not in label) + ["d=1"] * ("d=" not in label)
    parts = [*label.split(", "), *silent, *["g=1"] * ("g=" not in label)]
    return {f"{n}: {read.get(part, part)}" for n, part in enumerate(sorted(parts, key=order))}


def order(part: str) -> str:
    return part[:2] if part[:1] in "/gd" else ""


@pytest.mark.parametrize("kind", ["hero", "block"])
@pytest.mark.parametrize("name", built.quick())
def test_every_line_of_a_list_is_printed(name: str, kind: str) -> None:
    if name not in SUITS[kind] - PLAIN:
        return
    kinds = block_kinds(description(name))
    made = draw([network(name)], kind, Options(WIDTHS["double"])).scene
    assert made is not None
    printed = [text.plain for text in made.flat() if isinstance(text, Text)]
    titles = [text for text in printed if text.startswith("(")]
    for one in kinds:
        if any(title.partition(") ")[2].startswith(one.name) for title in titles):
            assert not missing(one, printed)
        else:
            assert kind == "hero"  # the rarest are left out there


def missing(kind: BlockKind, printed: list[str]) -> list[str]:
    return [word for name, row, _ in kind.rows() for word in (name, *row) if word not in printed]


@pytest.mark.parametrize("name", gallery.names())
def test_columns_fold_only_what_is_alike(name: str) -> None:
    every = list(layers_of(description(name)))
    for run in runs(every, [one.count if not dense(one) else 1 for one in folded(every)]):
        assert len({str(content(network(name), one.unit)) for one in run}) == 1


def dense(one: Layers) -> bool:
    return one.unit.kind == "dense"


def runs(every: Sequence[Layers], counts: Sequence[int]) -> Iterator[Sequence[Layers]]:
    start = 0
    for count in counts:
        yield every[start : start + count]
        start += count
    assert start == len(every)


@pytest.mark.parametrize("name", gallery.names())
def test_a_table_counts_only_blocks_of_the_same_widths(name: str) -> None:
    """Strides and shortcuts may differ, as in the tables of papers."""
    table, found = compare([description(name)]), description(name)
    entries = [entry for row in table.rows for cell in row.cells for entry in cell]
    if any(entry.between == "; " for entry in entries):
        return  # parts of several maps, which test_figure_tables counts
    layers = [Layers(unit, (), count=unit.layers) for unit in found.units]
    every = [one for row in rows_of([layers]) for one in row.cells[0]]
    shortcuts = table.rows[-1].cells[0] if table.rows[-1].size == "Shortcuts" else ()
    for entry in entries[: len(entries) - len(shortcuts)]:
        run, left = [], entry.count
        while left:
            run.append(every.pop(0))
            left -= run[-1].count
        plain = [one.unit for one in run if not one.unit.projects]
        assert len({str(content(network(name), unit)) for unit in plain}) <= 1, entry
        assert any(", " in line for line in entry.lines) or run[0].unit.kind == "op", entry
    assert not every


@pytest.mark.parametrize("name", sorted(LINES))
def test_stages_say_where_widths_vary(name: str) -> None:
    found = description(name)
    made = draw([network(name)], "strip", Options(WIDTHS["double"])).scene
    assert made is not None
    by_id = {unit.id: unit for unit in found.units}
    for group in stages(made.items):
        units = [by_id[part.id] for part in group.items if isinstance(part, Group)]
        words = [text.plain for text in flat(group.items) if isinstance(text, Text)]
        if len(units) < 2 or not words:
            continue
        assert ("widths vary" in words) == differ(network(name), units), group.id
        ends = {unit.output.channels for unit in (units[0], units[-1])}
        assert (len(ends) > 1) == ("–" in words[1]), group.id


def stages(items: Sequence[Item]) -> Iterator[Group]:
    return (item for item in items if isinstance(item, Group))


@pytest.mark.parametrize("name", gallery.names())
def test_blocks_that_are_drawn_once_have_the_same_norms_and_activations(name: str) -> None:
    graph = network(name)
    for kind in block_kinds(description(name)):
        if kind.shown.kind != "dense" and not any(
            b.verb == "more" for b in boxes(kind.shown.chain)
        ):
            assert len({str(quiet(graph, unit)) for unit in kind.units}) == 1, kind.name


def quiet(graph: Graph, unit: Unit) -> list[str]:
    """The ops of a block without weights that are told apart by their names, and by what scales."""
    nodes = [node for node in graph.nodes if node.id.startswith(f"{unit.id}.")]
    silent = [node for node in nodes if not node.op.role() and "drop" not in node.op.verb]
    return [f"{node.op.verb} {getattr(node.op, 'factor', '')}" for node in silent]


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "vgg11_bn", "vit_b_16"])
def test_a_diff_of_networks_that_differ_in_one_activation_is_not_white(name: str) -> None:
    """Whichever it is; and of a network and itself it is."""
    graph = archdsl.load(name)
    assert colors(graph, graph) == {"plain"}
    places = [n for n, node in enumerate(graph.nodes) if node.op.verb in ("relu", "gelu")]
    assert len(places) > 5
    for place in places[:: max(1, len(places) // 6)]:
        nodes = list(graph.nodes)
        nodes[place] = replace(nodes[place], op=OPS["tanh"]())
        assert len(colors(graph, replace(graph, nodes=tuple(nodes)))) > 1, nodes[place].id


def colors(one: Graph, other: Graph) -> set[str]:
    """The roles of the boxes of a diff."""
    columns = [folded(list(layers_of(describe(graph)))) for graph in (one, other)]
    return {box.role for column in marked(columns) for layers in column for box in layers.boxes}
