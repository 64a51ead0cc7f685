"""Figures by their geometry: what is drawn stands where a reader can read it."""

import dataclasses
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from math import sqrt

import pytest

import archdsl
from archdsl import Graph, UsageError
from archdsl.cli.main import FILES
from archdsl.expressions.numbers import quantity
from archdsl.figures.canvas.pen import Pen
from archdsl.figures.canvas.scene import Group, Item, Path, Scene, Text, flat
from archdsl.figures.canvas.theme import ROLES, load_theme
from archdsl.figures.draw import PICTURES, TEXTS, draw
from archdsl.figures.kinds.block_layout import BlockLayout
from archdsl.figures.network.block_kinds import block_kinds
from archdsl.figures.network.description import Description, describe
from archdsl.figures.network.tree import Box, Join, Mesh, Reducer, boxes
from archdsl.figures.options import KINDS, WIDTHS, Options, fold_of, shown_of, width_of
from archdsl.ops import OPS
from tests.support import graph_of

Extent = tuple[float, float, float, float]


@cache
def graph(name: str) -> Graph:
    return archdsl.load(name)


@cache
def scene(name: str, kind: str, width: str = "neurips") -> Scene:
    return drawn(graph(name), kind, width)


def drawn(graph: Graph, kind: str, width: str = "neurips") -> Scene:
    made = draw([graph], kind, Options(width_of(width)[0])).scene
    assert made is not None
    return made


def texts(made: Scene) -> list[Text]:
    return [item for item in made.flat() if isinstance(item, Text)]


def groups(items: tuple[Item, ...]) -> Iterator[Group]:
    for item in items:
        if isinstance(item, Group):
            yield item
            yield from groups(item.items)


@pytest.mark.parametrize("direction", ["down", "right"])
@pytest.mark.parametrize("name", ["resnet50", "googlenet", "inception_v3", "efficientnet_b0"])
def test_arrows_end_on_a_border(name: str, direction: str) -> None:
    """The tip of every arrow touches a box, a bar or the circle of a sign, or is the way out."""
    description = describe(graph(name))
    for kind in block_kinds(description):
        pen = Pen(load_theme("paper"))
        layout = BlockLayout(pen, direction, description.analysis)  # type: ignore[arg-type]
        layout.place(kind.shown.chain, 0.0, 0.0)
        flat = [item for item in Scene(0, 0, tuple(pen.items)).flat() if isinstance(item, Path)]
        tips = [
            path.commands[0][1]
            for path in flat
            if path.fill and not path.stroke and len(path.commands) == 4
        ]
        bodies = [path.box() for path in flat if path.fill and path.stroke]
        assert tips
        for x, y in tips:
            assert any(on_border(x, y, body) for body in bodies), (kind.name, x, y)


def on_border(x: float, y: float, box: Extent) -> bool:
    left, top, right, bottom = box
    slack = 0.7  # half of the lines
    across = left - slack <= x <= right + slack
    along = top - slack <= y <= bottom + slack
    near_side = min(abs(x - left), abs(x - right)) <= slack and along
    near_end = min(abs(y - top), abs(y - bottom)) <= slack and across
    return near_side or near_end


def test_plus_signs_stand_on_the_axis() -> None:
    pen = Pen(load_theme("paper"))
    description = describe(graph("resnet50"))
    for kind in block_kinds(description):
        BlockLayout(pen, "down", description.analysis).place(kind.shown.chain, 0.0, 100.0)
    circles = [
        item.box()
        for item in Scene(0, 0, tuple(pen.items)).flat()
        if isinstance(item, Path) and item.fill == pen.theme.paint("plain").fill
    ]
    assert len(circles) == len(block_kinds(description))
    assert all((left + right) / 2 == pytest.approx(100) for left, _, right, _ in circles)


def test_branches_lie_symmetrically_about_their_axis() -> None:
    description = describe(graph("googlenet"))
    (kind,) = block_kinds(description)
    layout = BlockLayout(Pen(load_theme("paper")), "down", description.analysis)
    extent = layout.measure(kind.shown.chain)
    assert extent.before == extent.after


def test_a_repeated_stage_names_what_differs_apart() -> None:
    kinds = block_kinds(describe(graph("resnet50")))
    assert [(kind.name, len(kind.units)) for kind in kinds] == [("layer3.0", 4), ("layer3.1–5", 12)]


def test_stages_are_those_of_the_papers_tables() -> None:
    """He et al. 2016, table 1; Sandler et al. 2018, table 2; Huang et al. 2017, table 1."""
    found = {
        name: [(stage.repeat, stage.output.channels) for stage in describe(graph(name)).stages]
        for name in ("resnet50", "mobilenet_v2", "densenet121")
    }
    assert found["resnet50"][2:6] == [(3, 256), (4, 512), (6, 1024), (3, 2048)]
    mobile = [(1, 16), (2, 24), (3, 32), (4, 64), (3, 96), (3, 160), (1, 320)]
    assert found["mobilenet_v2"][1:8] == mobile
    assert [repeat for repeat, _ in found["densenet121"][2:9:2]] == [6, 12, 24, 16]


def test_inception_v3_has_its_five_modules() -> None:
    kinds = block_kinds(describe(graph("inception_v3")))
    joins = [kind.shown.chain[-1] for kind in kinds]
    assert [len(join.paths) for join in joins if isinstance(join, Join)] == [4, 3, 4, 3, 4]


def test_a_u_net_is_drawn_as_a_u() -> None:
    """Both ends of a shortcut stand in one row, what is decoded right of what is encoded."""
    at = spots("unet")
    encoded, decoded = at["down1.conv"], at["outc"]
    assert encoded[0] < decoded[0] and encoded[1] == pytest.approx(decoded[1])


def spots(name: str) -> dict[str, tuple[float, float]]:
    """The middle of every cell of a pyramid."""
    made = draw([graph(name)], "pyramid", Options(WIDTHS["double"])).scene
    assert made is not None
    boxes = {group.id: group.box() for group in groups(made.items)}
    return {id: ((left + right) / 2, (a + b) / 2) for id, (left, a, right, b) in boxes.items()}


def unit_of(description: Description, tap: str) -> str:
    """The unit that gives a named feature."""
    return description.owners[description.reducer.source[description.graph.taps[tap]]]


def test_a_head_that_several_maps_share_is_drawn_once_and_fed_by_all_of_them() -> None:
    """Lin et al. 2017 (RetinaNet), figure 3: both subnets on P3 to P7."""
    description = describe(graph("retinanet_resnet50_fpn"))
    levels = [unit_of(description, f"p{level}") for level in range(3, 8)]
    assert not [unit.id for unit in description.units if "@" in unit.id]
    at = spots("retinanet_resnet50_fpn")
    for name, channels in (("classification", 819), ("regression", 36)):
        parts = [unit for unit in description.units if unit.id.startswith(f"head.{name}_head")]
        head, last = parts[0], parts[-1]
        assert description.feeds[head.id] == levels
        assert [spec.spatial[0] for spec in last.outputs] == [100, 50, 25, 13, 7]
        assert {spec.channels for spec in last.outputs} == {channels}
        assert max(at[level][0] for level in levels) < at[last.id][0]


def test_a_feature_pyramid_stands_in_rows_of_one_resolution() -> None:
    description = describe(graph("fasterrcnn_resnet50_fpn"))
    at = spots("fasterrcnn_resnet50_fpn")
    for level in range(2, 6):
        stage, lateral, smooth = (
            at[unit_of(description, f"{tap}{level}")] for tap in ("c", "inner", "p")
        )
        assert stage[0] < lateral[0] < smooth[0]
        assert stage[1] == pytest.approx(lateral[1]) == pytest.approx(smooth[1])
    ends = {id: spot for id, spot in at.items() if "cls_logits" in id or "bbox_pred" in id}
    (logits, boxes) = ends.values()
    assert logits[0] == pytest.approx(boxes[0])


def test_ways_over_a_row_keep_apart() -> None:
    """Where paths cross, every way has a height of its own, but those from one cell."""
    crossed = archdsl.loads(
        "archdsl: 1\nname: crossed\ninput: [3, 64, 64]\nbackbone:\n"
        "  a: {conv: {out: 32, kernel: 3, stride: 2}}\n"
        "  b: {conv: {out: 32, kernel: 5, stride: 2}, from: input}\n"
        "  c: {add: {}, from: [a, b]}\n"
        "  d: {conv: {out: 64, kernel: 3}, from: a}\n"
        "  e: {concat: {}, from: [c, d, b]}\n"
    )
    made = draw([crossed]).scene
    assert made is not None
    levels: dict[float, set[float]] = {}  # height of a way over the row: where its ways start
    for item in made.flat():
        lines = isinstance(item, Path) and not item.fill and len(item.commands) > 4
        if isinstance(item, Path) and lines:
            (x, _), heights = item.commands[0][1], [n[-1] for _, n in item.commands if n]
            levels.setdefault(round(min(heights), 3), set()).add(round(x, 3))
    assert len(levels) == 3 and all(len(starts) == 1 for starts in levels.values())


def test_a_strip_shows_no_line_where_there_is_none() -> None:
    for name in ("unet", "resnet50_fpn"):
        with pytest.raises(UsageError, match="is no line of stages; --kind pyramid"):
            draw([graph(name)], "strip")
    assert draw([graph("resnet50_fpn")], "strip", Options(only="body")).scene


def test_a_block_with_residuals_in_one_of_its_branches_is_one_slab() -> None:
    """As the C3 of YOLOv5: opened, its branches would make no line of stages."""
    made = graph_of("""
        blocks:
          unit: {residual: {body: {conv: {conv: {kernel: 3, out: C}}}}}
          partial:
            body:
              split:
                branches:
                  paths:
                    deep: [{conv: {out: 4, kernel: 1}}, {unit: {}, repeat: 2}]
                    flat: {conv: {out: 4, kernel: 1}}
              last: {conv: {out: 8, kernel: 1}}
        backbone: {stem: {conv: {kernel: 3, out: 8}}, stage: partial}
    """)
    found = describe(made)
    assert found.linear and [unit.id for unit in found.units] == ["stem", "stage"]
    assert [text.plain for text in texts(drawn(made, "hero"))].count("concat, 8") == 1


CROSS_STAGES = """
    blocks:
      unit: {residual: {body: {conv: {conv: {kernel: 3}}}}}
      cross_stage:
        params: {depth: int}
        body:
          wide: {conv: {out: 8, kernel: 1}}
          _halves:
            branches:
              split: [4, 4]
              paths: {_past: [], _through: {inline: {units: {unit: {}, repeat: depth}}}}
    backbone:
      stages: [{for: {depth: [3, 5, 1]}, cross_stage: {depth: depth}}]
"""


def test_a_block_with_a_way_past_its_residuals_is_one_slab() -> None:
    """CSPNet, figure 3b; of residuals that are alike the others are counted."""
    found = describe(graph_of(CROSS_STAGES))
    assert [unit.id for unit in found.units] == ["stages.0", "stages.1", "stages.2"]
    assert found.linear
    told = [[b.label for b in boxes(unit.chain) if b.verb == "more"] for unit in found.units]
    assert told == [["the same, 3 in all"], ["the same, 5 in all"], []]


def test_a_block_of_several_inputs_or_results_is_opened() -> None:
    outputs = "depth: int}\n        outputs: {a: wide, b: _halves}"
    stage = "[{cross_stage: {depth: 2}}, concat]"
    text = CROSS_STAGES.replace("depth: int}", outputs)
    text = text.replace("[{for: {depth: [3, 5, 1]}, cross_stage: {depth: depth}}]", stage)
    assert "stages.0.units.1" in [unit.id for unit in describe(graph_of(text)).units]


CROSSED = """
    input: [8, 8, 8]
    blocks:
      cell:
        body:
          a: {conv: {kernel: 3, out: 8}}
          b: {conv: {kernel: 3, out: 8}, from: input}
          c: {add: {}, from: [a, b]}
          d: {conv: {kernel: 3, out: 8}, from: b}
          e: {concat: {}, from: [c, d, b]}
    backbone: {cell: cell}
"""


def test_what_is_no_tree_has_ways_that_cross() -> None:
    """A node that two joins share makes no series-parallel graph."""
    crossed = graph_of(CROSSED)
    (unit,) = describe(crossed).units
    (mesh,) = unit.chain
    assert isinstance(mesh, Mesh) and not mesh.open
    assert mesh.takes == ((-1,), (-1,), (0, 1), (1,), (2, 3, 1))
    words = [text.plain for text in texts(drawn(crossed, "block"))]
    assert words.count("3×3, 8") == 3 and "concat, 24" in words


def test_what_crosses_is_as_small_a_part_as_can_be() -> None:
    """The shortcut of a residual stands beside what crosses in its body."""
    inside = "[{conv: {out: 8, kernel: 1}}, cell, {conv: {out: 8, kernel: 1}}]"
    text = CROSSED.replace("{cell: cell}", f"{{r: {{residual: {{body: {inside}}}}}}}")
    (unit,) = describe(graph_of(text)).units
    (join,) = unit.chain
    assert isinstance(join, Join) and join.skips and join.shortcut == ()
    assert [type(item) for item in join.body] == [Box, Mesh, Box]


def test_a_block_of_several_inputs_shows_each() -> None:
    found = drawn(
        graph_of("""
            blocks:
              both:
                inputs: [a, b]
                body: {c: {concat: {}, from: [a, b]}, d: {conv: {kernel: 3, out: 5}}}
            input: [4, 8, 8]
            backbone:
              x: {conv: {kernel: 3, out: 2}}
              y: {conv: {kernel: 3, out: 3}, from: input}
              z: {both: {}, from: [x, y]}
        """),
        "block",
    )
    words = [text.plain for text in texts(found)]
    assert words[:4] == ["concat, 5", "3×3, 5", "2×82", "3×82"]


def test_more_boxes_than_a_picture_has_are_not_opened() -> None:
    line = "          c: {add: {}, from: [a, b]}\n"
    many = "".join(
        f"          c{n}: {{add: {{}}, from: [{f'c{n - 2}' if n > 1 else 'a'}, b]}}\n"
        for n in range(130)
    )
    crossed = graph_of(CROSSED.replace(line, f"{line}{many}").replace("[c,", "[c, c128, c129,"))
    assert describe(crossed).units[0].chain == ()
    assert draw([crossed], "strip").scene is not None
    with pytest.raises(UsageError, match="more than 120 boxes whose ways cross; --kind graph"):
        draw([crossed], "block")


def test_every_op_has_a_role_that_themes_know_or_is_left_out() -> None:
    assert {op.drawn for op in OPS.values()} <= {"", *ROLES}


def test_the_command_names_every_kind() -> None:
    assert set(KINDS) == {*PICTURES, *TEXTS}
    assert "draw" in FILES


def test_reduction_takes_no_time() -> None:
    reducer = Reducer(graph("resnet50"))
    (unit, *_) = [unit for unit in describe(graph("resnet50")).units if unit.kind == "block"]
    assert unit.chain and reducer.dominators


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: draw([graph("resnet18")], "heroo"), "there is no kind `heroo`"),
        (lambda: draw([graph("resnet18")], "dense"), "resnet18 has no dense block"),
        (lambda: draw([graph("vgg16")], "block"), "vgg16 has no blocks to draw"),
        (lambda: draw([graph("resnet18")], "pyramid"), "has no neck"),
        (lambda: draw([graph("efficientnet_b0")], "pyramid"), "has no neck"),
        (lambda: draw([graph("resnet18")] * 2, "hero"), "shows one network"),
        (lambda: draw([graph("resnet18")] * 2, "graph").render(".dot"), "shows one network"),
        (lambda: draw([graph("resnet18")], "diff"), "compares two specs, not 1"),
        (lambda: draw([graph("resnet18")], "scaling"), "give two specs or more"),
        (
            lambda: draw([graph("vgg16")], "strip", Options(30.0)),
            "in 10 rows does not fit a width of 30 pt",
        ),
        (lambda: draw([graph("inception_v3")], "block", Options(180)), "give a larger --width"),
        (
            lambda: draw([graph("resnet18")], options=Options(only="nix")),
            "nothing to draw at `nix`",
        ),
        (lambda: width_of("wide"), "neither a name nor a length"),
        (lambda: width_of("0.2in"), "from 1 to 100 inches"),
        (lambda: shown_of("names,weights"), "there is no `weights` to show"),
        (lambda: fold_of("1"), "not auto, none or a number"),
    ],
)
def test_what_cannot_be_drawn_is_a_clear_error(call: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call()  # type: ignore[operator]


def test_widths_are_lengths() -> None:
    assert width_of("single") == (234, 1)
    assert width_of("2.54cm") == pytest.approx((72, 1))
    assert width_of("slide") == (480, 2)


def test_a_slide_is_the_same_picture_twice_as_large() -> None:
    small = draw([graph("resnet18")], options=Options(480)).scene
    large = draw([graph("resnet18")], options=Options(480, 2.0)).scene
    assert small and large and (large.width, large.height) == (960, 2 * small.height)
    assert [2 * text.size for text in texts(small)] == [text.size for text in texts(large)]


def test_only_draws_a_part() -> None:
    made = draw([graph("resnet50")], "strip", Options(only="layer3")).scene
    assert made is not None
    words = {text.plain for text in texts(made)}
    assert "layer3" in words and "layer2" not in words and "input" not in words


def test_the_costs_of_a_part_are_not_those_of_the_network() -> None:
    (stage,) = [row for row in archdsl.summarize("resnet50").summary.stages if row.path == "layer3"]
    amount = f"{quantity(stage.cost.parameters)} parameters, {quantity(stage.cost.macs)} MACs"
    figure = draw([graph("resnet50")], "strip", Options(only="layer3"))
    assert figure.caption.startswith(f"resnet50 layer3 ({amount})")
    assert figure.description.startswith("resnet50 layer3: from an input of 512x28x28: layer3")
    table = draw([graph("resnet50")], "table", Options(only="layer3")).render(".md").decode()
    assert amount.replace(" parameters, ", " / ").removesuffix(" MACs") in table


def test_show_adds_costs_and_drops_names() -> None:
    made = draw([graph("resnet18")], "strip", Options(show=frozenset({"params"}))).scene
    assert made is not None
    words = [text.plain for text in texts(made)]
    assert "9.41 K params" in words and "conv1" not in words and "64×1122" not in words


def test_folding_shows_as_many_as_asked() -> None:
    def slabs(fold: int | None) -> int:
        made = draw([graph("resnet101")], "strip", Options(495, fold=fold)).scene
        assert made is not None
        return sum(1 for group in groups(made.items) if group.id.startswith("layer3."))

    assert (slabs(3), slabs(0), slabs(None)) == (3, 6, 23)


def test_height_follows_the_root_of_resolution() -> None:
    made = scene("resnet50", "strip")
    heights = {}
    for group in groups(made.items):
        fronts = [
            item for item in group.items if isinstance(item, Path) and len(item.commands) == 5
        ]
        if fronts:
            _, top, _, bottom = fronts[-1].box()
            heights[group.id] = bottom - top - fronts[-1].width
    assert heights["input"] == pytest.approx(70)
    assert heights["conv1"] == pytest.approx(70 * (112 / 224) ** 0.5)
    assert heights["layer4.2"] == pytest.approx(70 * (7 / 224) ** 0.5)


def test_groups_are_named_by_paths_and_say_their_costs() -> None:
    found = {group.id: group.title for group in groups(scene("resnet50", "block").items)}
    assert (
        found["layer3.1.conv2"] == "layer3.1.conv2: 256x14x14, 589,824 parameters, 115,605,504 MACs"
    )


def test_a_caption_explains_letters_only_where_there_are_any() -> None:
    for name, lettered in (("hrnet_w18", False), ("resnet18", True)):
        figure = draw([archdsl.load(name)], "hero", Options(WIDTHS["single"]))
        assert ("Letters mark" in figure.caption) == lettered


def test_the_caption_and_the_description_say_what_is_drawn() -> None:
    figure = draw([graph("resnet50")])
    assert "25.56 M parameters, 4.09 G MACs" in figure.caption
    assert "square root of resolution" in figure.caption
    assert "layer3, bottleneck ×6, giving 1024×14^2" in figure.description


def test_what_two_specs_share_is_plain_in_a_diff() -> None:
    made = draw([graph("resnet50"), graph("resnet50d")], "diff").scene
    assert made is not None
    plain = load_theme("paper").paint("plain").fill
    fills = {
        group.id: path.fill
        for group in groups(made.items)
        for path in group.items
        if isinstance(path, Path) and path.fill
    }
    assert fills["fc"] == plain and fills["conv1.0"] != plain
    assert fills["layer2.0.conv2"] == plain, "only the shortcut differs: ResNet-D"
    words = [text.plain for text in texts(made)]
    assert words.count("2×2 avg pool, /2") == 3 and words.count("1×1 conv, 512, /2") == 1


def test_a_diff_colors_only_what_a_block_has_more() -> None:
    """Hu et al. 2018: what squeeze-and-excitation adds to a bottleneck is its gate."""
    made = draw([graph("resnet50"), graph("seresnet50")], "diff").scene
    assert made is not None
    theme = load_theme("paper")
    fills = {item.fill for item in made.flat() if isinstance(item, Path) and item.stroke}
    plain, gate = theme.paint("plain").fill, theme.paint("attention").fill
    assert fills == {"", plain, gate, theme.container.fill}


def test_scaling_says_the_factors_of_the_paper() -> None:
    """Tan & Le 2019: from B0 to B7 resolution 224 to 600, depth x 3.1, width x 2."""
    made = draw([graph("efficientnet_b0"), graph("efficientnet_b7")], "scaling").scene
    assert made is not None
    words = {text.plain for text in texts(made)}
    assert {"depth ×3.1", "width ×2", "resolution ×2.68"} <= words


def test_blocks_stand_left_to_right_in_the_order_of_the_network() -> None:
    rows: dict[float, list[float]] = {}
    for text in texts(scene("mobilenet_v2", "block")):
        if text.plain.startswith("("):
            rows.setdefault(text.y, []).append(text.x)
    assert all(a < b for row in rows.values() for a, b in pairwise(row))


def test_options_are_plain_data() -> None:
    assert dataclasses.replace(Options(), width=300.0).width == 300.0


@pytest.mark.parametrize("name", ["resnet50", "googlenet", "efficientnet_b0", "densenet121"])
def test_a_caption_cites_a_table_only_of_a_spec_that_says_no_more(name: str) -> None:
    """With a doc it may depart from the table, as torchvision's GoogLeNet does."""
    assert graph(name).citation.endswith(", table 1")
    caption = draw([graph(name)]).caption
    assert "After " in caption and "arXiv" in caption
    assert ("table" in caption) == (name == "densenet121")
    copy = Graph.from_json(graph(name).to_json())
    assert "table" not in draw([copy]).caption  # JSON does not say what the spec does


GATED = """
    input: [16, 32, 32]
    blocks:
      gated:
        branches:
          join: VERB
          paths: {filter: [{conv: {kernel: 3}}, tanh], gate: [{conv: {kernel: 5}}, sigmoid]}
      projected:
        residual:
          body: [{conv: {kernel: 3, out: 32}}]
          shortcut: {down: {conv: {kernel: 1, out: 32}}}
    backbone: {a: gated, b: projected}
"""


@pytest.mark.parametrize("verb", ["multiply", "add"])
def test_only_what_the_spec_calls_a_residual_projects(verb: str) -> None:
    made = graph_of(GATED.replace("VERB", verb))
    words = [text.plain for text in texts(drawn(made, "block"))]
    assert "(a) a gated" in words
    assert [word for word in words if "projection" in word] == [
        "(b) b projected, projection",
        "projection shortcut",
    ]
    parts = {group.id: group for group in groups(drawn(made, "block").items)}
    dashed = {id for id in ("a.block", "b.block") if any(map(_dash, parts[id].items))}
    assert dashed == {"b.block"}
    table = draw([made], "table").render(".md").decode()
    assert "3×3, 16 \\| 5×5, 16" in table
    assert "gated, 16" in [text.plain for text in texts(drawn(made, "columns"))]


def test_a_map_of_three_axes_is_a_cuboid_of_its_sides() -> None:
    """By the square root, measured on the front faces of 8 x 32 x 32 and 2 x 8 x 8."""
    made = graph_of("""
        input: [3, 8, 32, 32]
        backbone: {a: {conv: {kernel: 3, out: 64}}, b: {conv: {kernel: 3, out: 64, stride: 4}}}
    """)
    sizes = {}
    for group in groups(drawn(made, "strip").items):
        faces = [i for i in flat(group.items) if isinstance(i, Path) and i.form == "front"]
        if faces and group.id in ("a", "b"):
            left, top, right, bottom = faces[0].box()
            sizes[group.id] = right - left, bottom - top
    line = 0.65  # half of it on either side
    (thick, high), (thin, low) = [(w - line, h - line) for w, h in (sizes["a"], sizes["b"])]
    assert thick / high == pytest.approx(sqrt(8 / 32), rel=0.02)
    assert low / high == pytest.approx(sqrt(8 / 32), rel=0.02) == thin / thick


def _dash(item: Item) -> bool:
    return isinstance(item, Path) and item.dash != ()


@pytest.mark.parametrize(
    ("shape", "scale", "words"),
    [
        ("[3, 64, 64]", "sqrt", ""),
        ("[3, 64, 64]", "linear", " A mark breaks slabs of 8 pixels or less, which are larger."),
        ("[3, 32, 64]", "sqrt", ""),
        ("[3, 64]", "sqrt", ""),
        (
            "[3, 64, 64, 64]",
            "sqrt",
            " Of maps of three axes thickness is the square root of depth or time.",
        ),
    ],
)
def test_a_caption_says_which_heights_are_not_to_scale(shape: str, scale: str, words: str) -> None:
    made = graph_of(f"""
        input: {shape}
        backbone: {{a: {{conv: {{kernel: 3, out: 8, stride: 8}}}}, b: {{conv: {{kernel: 1}}}}}}
    """)
    caption = draw([made], "strip", Options(scale=scale)).caption
    told = caption.partition("thickness: ")[2].partition("channels.")[2]
    assert told.partition(" Not drawn")[0] == words


@pytest.mark.parametrize(
    ("shape", "high", "deep"),
    [("[3, 64, 16]", 70, 35), ("[3, 16, 64]", 35, 70), ("[3, 64]", 70, 0)],
)
def test_a_slab_is_as_high_and_as_deep_as_its_map(shape: str, high: float, deep: float) -> None:
    """By the square root; back goes 0.3 to the right, and 0.186 up, of a side."""
    made = graph_of(f"input: {shape}\nbackbone: [{{conv: {{kernel: 1}}}}]")
    found = drawn(made, "strip")
    (first, *_) = (item for item in found.items if isinstance(item, Group))
    faces = [item.box() for item in first.items if isinstance(item, Path)]
    _, top, right, bottom = faces[-1]
    assert bottom - top == pytest.approx(high + 0.65)
    assert max(box[2] for box in faces) - right == pytest.approx(0.3 * deep)
    assert top - min(box[1] for box in faces) == pytest.approx(0.186 * deep)


@pytest.mark.parametrize(("side", "marks"), [(3, 1), (8, 1), (9, 0), (64, 0)])
def test_a_mark_breaks_a_slab_that_would_be_too_low(side: int, marks: int) -> None:
    """70 points at 64 pixels: 8 would be 8.75 high, less than the 9 that can be seen."""
    made = graph_of(f"""
        input: [3, 64, 64]
        backbone: [{{adaptive_avg_pool: {{size: {side}}}}}, {{conv: {{kernel: 1}}}}]
    """)
    scene = draw([made], "strip", Options(scale="linear")).scene
    assert scene is not None
    gaps = [i for i in scene.flat() if isinstance(i, Path) and i.fill == "#FFFFFF" and not i.stroke]
    assert len(gaps) == 2 * marks


def test_the_legend_says_grouped_of_every_convolution_in_groups() -> None:
    """NFNet's are weight-standardised ones, of 2 and 6 groups."""
    scene = draw([archdsl.load("nfnet_f0")], "hero", Options(WIDTHS["double"])).scene
    said = {item.plain for item in scene.flat() if isinstance(item, Text)}
    assert "grouped conv" in said and "depthwise" not in said


def test_the_legend_of_closed_blocks_says_what_colors_them() -> None:
    scene = draw([archdsl.load("efficientnet_b0")], "columns", Options(WIDTHS["single"])).scene
    said = {item.plain for item in scene.flat() if isinstance(item, Text)}
    assert "depthwise" in said and "grouped conv" not in said


def test_shortcuts_of_columns_end_in_a_plus() -> None:
    """One for each of the sixteen residuals of ResNet-34, on the axis."""
    found = drawn(graph("resnet34"), "columns", "double")
    circles = [item for item in found.flat() if isinstance(item, Path) and _is_circle(item)]
    assert len(circles) == 16
    assert len({round((item.box()[0] + item.box()[2]) / 2, 3) for item in circles}) == 1


def _is_circle(path: Path) -> bool:
    return [letter for letter, _ in path.commands] == list("MCCCCZ") and path.stroke != ""


@pytest.mark.parametrize(
    ("stride", "units"), [(2, ["p.high", "p.low", "p.up", "p.sum", "p.more"]), (1, ["p"])]
)
def test_a_block_that_gives_maps_of_several_resolutions_is_opened(
    stride: int, units: list[str]
) -> None:
    """Under any name: a feature pyramid is its rows, and no box of one size."""
    made = graph_of(f"""
        blocks:
          pyramid:
            outputs: {{a: sum, b: more}}
            body:
              high: {{conv: {{kernel: 1}}}}
              low: {{conv: {{kernel: 3, stride: {stride}}}, from: high}}
              up: {{resize: {{size: [8, 8]}}}}
              sum: {{add: {{}}, from: [high, up]}}
              more: {{conv: {{kernel: 1}}, from: low}}
        input: [4, 8, 8]
        backbone: {{p: pyramid, e: {{conv: {{kernel: 1}}, each: p}}}}
    """)
    assert [unit.id for unit in describe(made).units if unit.id.startswith("p")] == units
