"""What a figure says held to its graph: every op drawn, folded or named, every number its own.

Nothing here uses how figures are made: it reads the scene (groups of texts and paths, each with the
paths that it stands for), the caption and the graph.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from math import hypot

from archdsl import Graph
from archdsl.figures.canvas.scene import Group, Path, Scene, Text, flat, groups, magnified
from archdsl.figures.figure import Figure
from archdsl.graph.graph import Node
from archdsl.ops.tensor import TensorSpec
from tests.figures.test_figure_geometry import problems
from tests.figures.ways import wrong_insets, wrong_ways

SMALLEST = 6.0  # points
TALLEST = 14_400.0
ARROW = 4.2  # points: how long a tip is in a paper
COUNT = re.compile(r"^(?!resize|up-conv).* ×(\d+)$")
SHAPE = re.compile(r"(\d+–)?\d+(×\d+)+(²|³)?")


def lies(figure: Figure, graphs: Sequence[Graph], kind: str, part: str = "") -> Iterator[str]:
    """What is missing, or said and not so."""
    missing = {id for omission in figure.omissions for id in omission.ids}
    for omission in figure.omissions:
        for place, text in (("caption", figure.caption), ("description", figure.description)):
            if omission.words not in text:
                yield f"the {place} does not say what is left out: {omission.words}"
    scene = figure.scene if kind != "table" else None
    plain = _of_one_size(scene) if scene is not None else None
    for number, graph in enumerate(graphs):
        if len(graphs) == 1:  # else a path may be of one and not of another
            yield from _unnamed(figure, graph)
        if plain is not None:
            drawn = [group for group in groups(plain.items) if group.of == number]
            yield from _unaccounted(drawn, graph, missing, part)
            if kind in ("pyramid", "hero") and not part and len(graph.inputs) > 1:
                said = {text.split("  ")[0] for text in _texts(Group("", "", plain.items))}
                yield from (f"no input {i}" for i in graph.inputs if i not in said | missing)
            yield from _other_shapes(drawn, graph)
            yield from _other_names(drawn, graph)
            yield from _other_forks(drawn, graph)
            yield from _other_counts(drawn, graph)
            if kind in ("block", "hero"):
                yield from wrong_insets(plain.items, graph)
            if kind == "pyramid" and not part:
                yield from wrong_ways(drawn, plain.items, graph)
    if plain is not None and scene is not None:
        if kind != "graph":
            yield from problems(plain, plain.width, TALLEST)
        yield from _small(scene)


def _of_one_size(scene: Scene) -> Scene:
    """A slide, or a scene of large text, as small as one in a paper: by its arrows."""
    heads = [p.commands for p in scene.flat() if isinstance(p, Path) and p.fill and not p.stroke
             and len(p.commands) == 4]  # fmt: skip
    if not heads:
        return scene
    (tip, a, b) = (numbers for _, numbers in heads[0][:3])
    long = hypot(tip[0] - (a[0] + b[0]) / 2, tip[1] - (a[1] + b[1]) / 2)
    return magnified(scene, ARROW / long)


def _unnamed(figure: Figure, graph: Graph) -> Iterator[str]:
    """Omissions whose words do not say one of their ops: by its verb, its part or its result."""
    for omission in figure.omissions:
        told = set(re.findall(r"\w+", omission.words))
        for node in graph.nodes:
            if node.id in omission.ids:
                parts = (part.lstrip("_") for part in node.path.split("."))
                known = {*parts, *node.op.verb.split("_"), *graph.aux}
                if not known & told and not set("–,") & set(omission.words):
                    yield f"left out as {omission.words!r}: {node.id}"


def _unaccounted(
    drawn: Sequence[Group], graph: Graph, missing: Collection[str], part: str
) -> Iterator[str]:
    """Ops with weights that are neither in something drawn nor left out by name."""
    held = {path for group in drawn for path in (group.id, *group.stands)}
    for node in graph.nodes:
        inside = not part or f"{node.id}.".startswith(f"{part}.")
        if node.weights and inside and node.id not in missing and not _holds(graph, held, node):
            yield f"neither drawn nor named: {node.id}"


def _holds(graph: Graph, held: Collection[str], node: Node) -> bool:
    """Whether an op, or a part around it, is held: itself or where its weights are used first."""
    if not node.op.role():
        return node.id in held
    around, scope = [node.id], node.scope
    while scope:
        around.append(scope)
        scope = graph.scope_by_id[scope].parent
    return any(path in held or path.partition("@")[0] in held for path in around)


def _other_shapes(drawn: Sequence[Group], graph: Graph) -> Iterator[str]:
    """Shapes under a name that are none of what goes in, or out, of what a group stands for."""
    for group in drawn:
        given = {text for path in (group.id, *group.stands) for text in _shapes(graph, path)}
        for text in _texts(group):
            if SHAPE.fullmatch(text) and given and text.rpartition("–")[2] not in given:
                yield f"{group.id} is said to be {text}, not {' or '.join(sorted(given))}"


def _other_names(drawn: Sequence[Group], graph: Graph) -> Iterator[str]:
    """A shape under a name (bold) that is not what the part of that name gives."""
    for group in drawn:
        bold = [run.text for item in flat(group.items) if isinstance(item, Text)
                for run in item.runs if run.bold]  # fmt: skip
        paths = [
            p
            for p in (*graph.scope_by_id, *graph.by_id)
            if len(bold) == 1
            and _ends(p.partition("@")[0], bold[0])  # of weights applied again, too
        ]
        kernels = {text for path in paths for text in _kernels(graph, path)}
        shapes = [t for t in _texts(group) if SHAPE.fullmatch(t) and t not in kernels]
        if not shapes:
            continue
        given = {_of(graph.spec(id)) for path in paths for id in graph.results_at(path)}
        if given and not {text.rpartition("–")[2] for text in shapes} & given:
            yield f"{bold[0]} is said to be {shapes}, not {' or '.join(sorted(given))}"


def _ends(path: str, name: str) -> bool:
    return f".{path}".replace("._", ".").endswith(f".{name}")


def _texts(group: Group) -> Iterator[str]:
    """The lines of a group, raised numbers as such."""
    raised = {"2": "²", "3": "³"}
    for item in flat(group.items):
        if isinstance(item, Text):
            yield "".join(raised.get(run.text, "^") if run.sup else run.text for run in item.runs)


def _shapes(graph: Graph, path: str) -> Iterator[str]:
    """All that goes into a part, and that it gives, as figures write it."""
    if path in graph.inputs:
        yield _of(graph.inputs[path])
        return
    inside = _inside(graph, path)
    ids = {node.id for node in inside}
    yield from _kernels(graph, path)
    specs = [graph.spec(id) for node in inside for id in node.inputs if id not in ids]
    specs += [node.output for node in inside]
    yield from map(_of, specs)


def _inside(graph: Graph, path: str) -> list[Node]:
    return [n for n in graph.nodes if f"{n.id}.".startswith((f"{path}.", f"{path}@"))]


def _kernels(graph: Graph, path: str) -> Iterator[str]:
    kernels = [getattr(node.op, "kernel", ()) for node in _inside(graph, path)]
    yield from ("×".join(map(str, k)) for k in kernels if isinstance(k, tuple))


def _of(spec: TensorSpec) -> str:
    if spec.layout == "channels_last" and spec.rank == 1:
        return f"{spec.spatial[0]}×{spec.channels}"
    channels, spatial = spec.channels, spec.spatial
    if len(spatial) > 1 and len(set(spatial)) == 1 and spatial[0] != 1:
        return f"{channels}×{spatial[0]}{'²' if len(spatial) == 2 else '³'}"
    return "×".join(map(str, (channels, *spatial)))


def _other_counts(drawn: Sequence[Group], graph: Graph) -> Iterator[str]:
    """`×N` where fewer than N things stand together; layers of a dense block are counted, too."""
    dense = {scope.id for scope in graph.scopes if scope.kind == "dense"}
    for group in drawn:
        counts = [int(n) for text in _texts(group) for n in COUNT.findall(text)]
        parts = len(group.stands)
        if counts and parts and not dense & set(group.stands):
            inside = [n for n in graph.nodes if n.op.role() and _holds(graph, group.stands, n)]
            if max(counts) > max(parts, len(inside)):
                yield f"{group.id} says ×{max(counts)}, and stands for {parts}"


def _other_forks(drawn: Sequence[Group], graph: Graph) -> Iterator[str]:
    """Ways of a block that leave at one place in the drawing, and not in the graph.

    Norms and activations that are not drawn may stand on a way, but not tell it from another.
    """
    dense = {scope.id for scope in graph.scopes if scope.kind == "dense"}
    for inset in drawn:
        if not inset.id.endswith(".block") or inset.id.removesuffix(".block") in dense:
            continue
        if inset.id in graph.scope_by_id or inset.id in graph.by_id:  # a part of that name
            continue
        shown = {path for group in groups(inset.items) for path in (group.id, *group.stands)}
        inside = [n for n in _inside(graph, inset.id.removesuffix(".block")) if n.id in shown]
        left: dict[str, dict[str, int]] = {}
        for node in inside:
            for id in node.inputs[: node.op.inputs]:
                at = id
                while at in graph.by_id and at not in shown and not graph.by_id[at].op.role():
                    at = graph.by_id[at].inputs[0]
                values = left.setdefault(at, {})
                values[id] = values.get(id, 0) + 1
        for at, values in left.items():
            hidden = [id for id in values if id != at and _within(graph, id, inset)]
            if len(values) > 1 and hidden:
                yield f"{inset.id}: {', '.join(values)} leave at one place"
            if at not in shown and any(values[id] > 1 for id in hidden):
                yield f"{inset.id}: ways leave before {', '.join(hidden)}"


def _within(graph: Graph, id: str, inset: Group) -> bool:
    return f"{id}.".startswith(f"{inset.id.removesuffix('.block')}.")


def _small(scene: Scene) -> Iterator[str]:
    for item in flat(scene.items):
        if isinstance(item, Text):
            for piece in item.letters():
                if piece.size < SMALLEST - 1e-6:
                    yield f"small: {piece.text!r} of {piece.size:.2f} pt"
