"""The op level, for debugging: DOT and Mermaid as text, and positions by Graphviz for a drawing.

Dense blocks are one node each: with n^2 edges they would take Graphviz minutes and show nothing.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.packages import require
from archdsl.diagnostics.text import one_line
from archdsl.figures.canvas.pen import LINE, MIDDLE, Pen
from archdsl.figures.canvas.scene import Path, Run, words
from archdsl.figures.kinds.block_layout import hover
from archdsl.figures.network import labels
from archdsl.figures.network.description import Description
from archdsl.figures.network.tree import signature
from archdsl.figures.network.units import Unit
from archdsl.figures.options import Options
from archdsl.graph.graph import Node
from archdsl.ops.tensor import TensorSpec

if TYPE_CHECKING:
    import graphviz

HEIGHT, LINES = 20.0, 8.2  # of a node; between its two lines
SECONDS = 5  # after which Graphviz is given up
NODES = 3000  # more are no picture
PACKAGED = "graphviz-pure"  # the package and its program, which takes the options of `dot`
_PLAIN = re.compile(r"[\w.-]+")


@dataclass(frozen=True, slots=True)
class Vertex:
    """A node of the picture: an op, a dense block, blocks that repeat others, or the input."""

    id: str
    label: str
    role: str
    output: TensorSpec
    sources: dict[str, None]
    stands: tuple[str, ...] = ()


def vertices(description: Description, fold: int | None = None) -> list[Vertex]:
    """Every op, in order, dense blocks closed, but for one that holds the part to be drawn.

    Of equal blocks in a row, if they are more than `fold`, the others are one.
    """
    closed: dict[str, str] = {}
    told: dict[str, tuple[str, tuple[str, ...]]] = {}
    for unit in description.units:
        if unit.kind == "dense":
            closed[unit.id], told[unit.id] = unit.id, (f"dense block {unit.id}", (unit.id,))
    for first, rest in _repeated(description, fold).items():
        closed |= dict.fromkeys(rest, first)
        told[first] = f"the same ×{len(rest)}" if len(rest) > 1 else "the same again", rest
    inside: dict[str, str] = {}
    held: dict[str, list[str]] = {}  # what stands in one node, whole and op by op
    found: dict[str, Vertex] = {}
    for node in description.graph.nodes:
        block = closed.get(description.owners[node.id], "")
        inside[node.id] = block or node.id
        sources = {inside.get(id, id): None for id in node.inputs}
        sources.pop(block, None)
        if block in found:
            found[block].sources.update(sources)
            held[block].append(node.id)
            continue
        label, stands = told[block] if block else (_label(description, node), ())
        if block:
            held[block] = [*stands, node.id]
        role = "conv" if block else node.op.role() or "norm"
        output = description.analysis.outputs[block or node.id]
        vertex = Vertex(block or node.id, label, role, output, sources)
        found[vertex.id] = vertex
    found |= {id: replace(found[id], stands=tuple(held[id])) for id in held}
    inputs = description.graph.inputs.items()
    return [*(Vertex(id, id, "plain", spec, {}) for id, spec in inputs), *found.values()]


def _repeated(description: Description, fold: int | None) -> dict[str, tuple[str, ...]]:
    """Blocks that repeat those before them, by the first of them."""
    found: dict[str, tuple[str, ...]] = {}
    run: list[Unit] = []
    for unit in (*description.units, None) if fold else ():
        if unit and run and _repeats(description, run[-1], unit):
            run.append(unit)
            continue
        if len(run) > (fold or 0) and run[0].kind == "block":
            rest = tuple(other.id for other in run[fold:])
            found[rest[0]] = rest
        run = [unit] if unit else []
    return found


def _repeats(description: Description, before: Unit, unit: Unit) -> bool:
    """Whether a block is the one before it once more, with nothing between them."""
    direct = description.feeds[unit.id] == [before.id] and not before.after
    return direct and unit.chain != () and _whole(before) == _whole(unit)


def _whole(unit: Unit) -> object:
    return unit.kind, unit.block, unit.chain and signature(unit.chain), unit.numbers, unit.manner, (
        unit.input, unit.outputs,
    )  # fmt: skip


def _label(description: Description, node: Node) -> str:
    """What an op does, and whose weights it applies again."""
    channels = description.graph.spec(node.inputs[0]).channels
    label = labels.label(node, channels, description.reducer.even)
    shared = node.weights and "@" in node.id
    return f"{label}, weights of {node.path}" if shared else label


def _within(description: Description, only: str, fold: int | None = None) -> list[Vertex]:
    """The vertices of a part, and before them what feeds it, by name."""
    every = vertices(description, fold)
    if not only:
        return every
    part = [v for v in every if v.id == only or v.id.startswith(only + ".")]
    feeding = {source for vertex in part for source in vertex.sources} - {v.id for v in part}
    given = [Vertex(v.id, v.id, "plain", v.output, {}) for v in every if v.id in feeding]
    return [*given, *part]


def digraph(chosen: Sequence[Vertex], title: str = "") -> "graphviz.Digraph":
    """DOT, nodes named by their paths; by numbers where one is no plain path."""
    plain = all(_PLAIN.fullmatch(vertex.id) for vertex in chosen)  # edges take `a:b` for a port
    names = {vertex.id: vertex.id if plain else f"n{n}" for n, vertex in enumerate(chosen)}
    texts = {v.id: _text(v.label, str(v.output)) for v in chosen}
    nodes = {id: {"label": label, "tooltip": _text(id)} for id, label in texts.items()}
    heading = {"label": _text(title), "labelloc": "t"} if title else {}
    return _digraph(chosen, names, nodes, heading)


def _digraph(
    chosen: Sequence[Vertex], names: Mapping[str, str], nodes: Mapping[str, dict[str, str]],
    heading: dict[str, str],
) -> "graphviz.Digraph":  # fmt: skip
    require("--kind graph", "graphviz")
    import graphviz

    made = graphviz.Digraph("network", graph_attr=heading, node_attr={"shape": "box"})
    for vertex in chosen:
        made.node(names[vertex.id], **nodes[vertex.id])
    for vertex in chosen:
        for source in vertex.sources:
            if source in names:
                made.edge(names[source], names[vertex.id])
    return made


def _text(*lines: str) -> str:
    """Lines as Graphviz shows them, no escape, tag or entity in them read as one."""
    import graphviz

    escaped = r"\n".join(graphviz.escape(line.replace("&", "&amp;")) for line in lines)
    text: str = graphviz.nohtml(escaped)
    return text


_MERMAID = {'"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "#": "#35;", "\n": " "}


def mermaid(chosen: Sequence[Vertex], title: str = "") -> str:
    """A Mermaid flowchart."""
    numbers = {vertex.id: f"n{number}" for number, vertex in enumerate(chosen)}
    heading = ["---", f"title: {json.dumps(title, ensure_ascii=False)}", "---"] if title else []
    lines = [*heading, "flowchart TD"]
    for vertex in chosen:
        text = "".join(_MERMAID.get(letter, letter) for letter in vertex.label)
        lines.append(f'  {numbers[vertex.id]}["{text}<br>{vertex.output}"]')
        lines += [
            f"  {numbers[source]} --> {numbers[vertex.id]}"
            for source in vertex.sources
            if source in numbers
        ]
    return "\n".join([*lines, ""])


def digraph_of(description: Description, only: str = "", title: str = "") -> "graphviz.Digraph":
    """The ops of a network, or of a part of it, for whoever goes on with it."""
    return digraph(_within(description, only), one_line(title))


def texts(description: Description, options: Options) -> dict[str, Callable[[], str]]:
    """What writes the graph as text, by suffix."""
    chosen = _within(description, options.only, options.fold)
    title = one_line(options.title)
    return {".dot": lambda: digraph(chosen, title).source, ".mmd": lambda: mermaid(chosen, title)}


def graph(description: Description, options: Options, pen: Pen) -> float:
    """The kind `graph`, as wide as it needs to be; gives the height."""
    chosen = _within(description, options.only, options.fold)
    if len(chosen) > NODES:
        raise UsageError(f"{len(chosen)} ops are too many to draw; choose a part with --only")
    size = pen.theme.sizes.dimension
    runs = {vertex.id: (words(vertex.label), _second(vertex)) for vertex in chosen}
    sizes = {id: max(pen.measure(line, size) for line in pair) + 8 for id, pair in runs.items()}
    by_name = {f"n{number}": vertex for number, vertex in enumerate(chosen)}
    fixed = {"label": "", "fixedsize": "true", "height": f"{HEIGHT / 72:.4f}"}
    names = {vertex.id: name for name, vertex in by_name.items()}
    boxes = {id: {**fixed, "width": f"{wide / 72:.4f}"} for id, wide in sizes.items()}
    placed = _run(_digraph(chosen, names, boxes, {}).source)
    _, _, width, height = map(float, placed["bb"].split(","))
    left = max(LINE, (options.width - width) / 2)
    for edge in placed.get("edges", []):
        _edge(pen, edge, left, height)
    for node in placed["objects"]:
        vertex = by_name[node["name"]]
        x, y = map(float, node["pos"].split(","))
        _node(pen, vertex, runs[vertex.id], left + x, height - y, sizes[vertex.id], description)
    return height + 2


def _second(vertex: Vertex) -> tuple[Run, ...]:
    return labels.shape(vertex.output)


def _node(
    pen: Pen, vertex: Vertex, lines: tuple[tuple[Run, ...], ...], x: float, y: float, wide: float,
    description: Description,
) -> None:  # fmt: skip
    since, size = len(pen.items), pen.theme.sizes.dimension
    paint = pen.theme.paint(vertex.role)
    pen.rectangle(x - wide / 2, y - HEIGHT / 2, wide, HEIGHT, paint)
    for number, line in enumerate(lines):
        pen.text(x, y + MIDDLE * size + (number - 0.5) * LINES, line, size)
    title = hover(vertex.id, vertex.output, description.analysis)
    pen.grouped(since, vertex.id, title, vertex.stands)


def _edge(pen: Pen, edge: dict[str, Any], left: float, height: float) -> None:
    """A spline of Graphviz: `e,x,y` is the tip of the arrow, then a start and curves."""
    tip, *points = [
        tuple(map(float, part.removeprefix("e,").split(","))) for part in edge["pos"].split()
    ]
    placed = [(left + x, height - y) for x, y in points]
    curves = [
        ("C", (*placed[i], *placed[i + 1], *placed[i + 2])) for i in range(1, len(placed) - 2, 3)
    ]
    pen.items.append(Path((("M", placed[0]), *curves), "", pen.theme.edge, LINE, form="line"))
    pen.arrow([placed[-1], (left + tip[0], height - tip[1])])


def _run(text: str) -> dict[str, Any]:
    """Graphviz' positions as JSON."""
    program = _program()
    try:
        done = subprocess.run(
            [program, "-Tjson"], input=text, capture_output=True, text=True, timeout=SECONDS,
            check=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise UsageError(
            f"Graphviz found no layout in {SECONDS} s; choose a part with --only, or let"
            " Graphviz itself take its time: -o graph.dot"
        ) from error
    except (OSError, subprocess.CalledProcessError) as error:
        raise UsageError(f"Graphviz failed: {error}") from error
    return dict(json.loads(done.stdout))


def _program() -> str:
    """`dot` of the path, else the program of the package graphviz-pure; UsageError without both."""
    found = shutil.which("dot") or next(_packaged(), None) or shutil.which(PACKAGED)
    if found is None:
        raise UsageError(
            "--kind graph needs Graphviz: pip install graphviz-pure, or the graphviz package of"
            " your system; -o graph.dot and graph.mmd write text without it"
        )
    return found


def _packaged() -> Iterator[str]:
    """Where pip put the program, which is not on the path of an environment that is not active."""
    from importlib import metadata

    try:
        files = metadata.files(PACKAGED) or []
    except metadata.PackageNotFoundError:
        return
    for file in files:
        if file.stem == PACKAGED and not file.parent.name.endswith(".dist-info"):
            yield str(FilePath(str(file.locate())).resolve())
