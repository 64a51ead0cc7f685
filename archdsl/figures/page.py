"""A figure as one page of HTML: stages open into blocks, blocks into ops; nothing is fetched."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import escape

from archdsl.diagnostics.errors import UsageError
from archdsl.figures.canvas.svg import svg
from archdsl.figures.draw import as_wide_as_needed
from archdsl.figures.figure import Figure
from archdsl.figures.network.description import Description, Stage, describe
from archdsl.graph.graph import Graph, Node

OPEN = 600  # units that a page opens; of larger networks it has the stages alone
STYLE = """
body{font:14px Arial,Helvetica,sans-serif;color:#1A1A1A;margin:24px auto;max-width:1080px}
#figure{border:1px solid #DDD;overflow:hidden;touch-action:none;cursor:grab}
#figure svg{display:block;width:100%;height:auto}
g[data-part]:hover{opacity:.75}
details{margin:4px 0 4px 16px}summary{cursor:pointer}details svg{max-width:100%;height:auto}
table{border-collapse:collapse;margin:4px 16px}td,th{padding:2px 10px;text-align:left}
td:nth-child(n+4),th:nth-child(n+4){text-align:right}tr:nth-child(even){background:#F5F5F5}
"""
SCRIPT = """
const box = document.querySelector('#figure svg'), view = box.viewBox.baseVal;
const home = [view.x, view.y, view.width, view.height];
box.addEventListener('wheel', event => {
  event.preventDefault();
  const by = event.deltaY > 0 ? 1.15 : 1 / 1.15, frame = box.getBoundingClientRect();
  const x = (event.clientX - frame.left) / frame.width;
  const y = (event.clientY - frame.top) / frame.height;
  view.x += view.width * x * (1 - by); view.y += view.height * y * (1 - by);
  view.width *= by; view.height *= by;
}, {passive: false});
let held = null, moved = false;
box.addEventListener('pointerdown', event => { held = event; moved = false; });
addEventListener('pointermove', event => {
  if (!held) return;
  moved = moved || Math.hypot(event.movementX, event.movementY) > 2;
  const scale = view.width / box.getBoundingClientRect().width;
  view.x -= event.movementX * scale; view.y -= event.movementY * scale;
});
addEventListener('pointerup', () => { held = null; });
box.addEventListener('dblclick', () => { [view.x, view.y, view.width, view.height] = home; });
document.querySelector('#figure').addEventListener('click', event => {
  if (moved) return;
  for (let part = event.target.closest('g[id]'); part; part = part.parentElement.closest('g[id]')) {
    const found = document.getElementById('part:' + part.id);
    if (!found) continue;
    for (let one = found; one; one = one.parentElement.closest('details')) one.open = true;
    found.scrollIntoView({behavior: 'smooth', block: 'nearest'});
    return;
  }
});
"""


def paged(graphs: Sequence[Graph], figure: Figure) -> Figure:
    """A figure that can be saved as a page, too, if it is a picture."""
    if figure.draw is None:
        return figure
    return replace(figure, texts={**figure.texts, ".html": lambda: page(graphs, figure)})


def page(graphs: Sequence[Graph], figure: Figure) -> str:
    """The page of a figure of networks; a click on a part opens it below."""
    scene = figure.scene
    assert scene is not None
    title = escape(scene.title)
    parts = "\n".join(line for graph in graphs for line in _network(describe(graph)))
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n"
        f'<div id="figure">{svg(scene)}</div>\n<p>{escape(figure.caption)}</p>\n'
        f"{parts}\n<script>{SCRIPT}</script></body></html>\n"
    )


def _network(description: Description) -> Iterator[str]:
    """A network's stages, each with a figure of its blocks and the ops of each unit."""
    small = len(description.units) <= OPEN
    inside: dict[str, list[Node]] = {}
    for node in description.nodes:
        inside.setdefault(description.owners[node.id], []).append(node)
    yield f"<h2>{escape(description.title)}</h2>"
    for stage in description.stages:
        cost = stage.cost
        yield f'<details id="part:{escape(stage.id)}"><summary><b>{escape(stage.name)}</b> '
        yield f"{escape(stage.what)}, {stage.output}, {cost.parameters:,} parameters,"
        yield f" {cost.macs:,} MACs</summary>"
        yield from _blocks(description, stage) if small else ()
        for unit in stage.units if small else ():
            nested = unit.id != stage.id
            if nested:
                yield f'<details id="part:{escape(unit.id)}"><summary>{escape(unit.id)} '
                yield f"{escape(unit.block)}</summary>"
            yield from _ops(description, inside.get(unit.id, []))
            yield "</details>" * nested
        yield "</details>"


def _blocks(description: Description, stage: Stage) -> Iterator[str]:
    """The distinct blocks of a stage, if it has any that can be drawn."""
    if all(unit.kind == "op" for unit in stage.units):
        return
    try:
        drawn = as_wide_as_needed([description.only(stage.id)], "block").scene
    except UsageError:
        return
    if drawn is not None:
        yield _without_ids(svg(drawn, "live"))


def _without_ids(text: str) -> str:
    """A picture that stands in a page beside others: a page has every id once."""
    inner = text.replace(' aria-labelledby="title desc"', "")
    for name in ("title", "desc"):
        inner = inner.replace(f'<{name} id="{name}">', f"<{name}>")
    return inner.replace('<g id="', '<g data-part="')


def _ops(description: Description, nodes: Sequence[Node]) -> Iterator[str]:
    """The ops of a unit in a table."""
    yield "<table><tr><th>op</th><th></th><th>output</th><th>parameters</th><th>MACs</th></tr>"
    for node in nodes:
        cost = description.analysis.nodes[node.id]
        cells = (node.id, node.op.label(), str(node.output), f"{cost.parameters:,}")
        row = "".join(f"<td>{escape(cell)}</td>" for cell in (*cells, f"{cost.macs:,}"))
        yield f"<tr>{row}</tr>"
    yield "</table>"
