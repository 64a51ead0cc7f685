"""A page for every network of the gallery: figure, table, spec, source, weights, differences."""

import re
from html import escape
from pathlib import Path

from archdsl import analyze, draw, emit, load, summarize
from archdsl.diagnostics.errors import UsageError
from archdsl.graph.graph import Graph
from archdsl.language import gallery
from archdsl.weights.published import Published, published

DOCS = Path(__file__).parent
WIDTHS = ("neurips", "double", "30cm", "60cm")  # the first is the default


def write(name: str, folder: Path) -> None:
    """Writes the page of a network and its figure into a folder."""
    graph, spec = load(name), Path(gallery.path(name)).read_text(encoding="utf-8")
    parts = [
        f"# {name}\n",
        f"{_doc(graph)}\n",
        _figure(name, graph, folder),
        f"{_facts(graph)}\n",
        f"## Stages\n\n{summarize(graph)._repr_html_()}\n",
        f"## Weights\n\n{_weights(graph)}\n",
        f"## Beside the paper\n\n{_differences(name)}\n",
        f"## The spec\n\n{_family(name, spec)}```yaml\n{spec}```\n",
        f"## The source\n\nWhat `archdsl build {name}` writes.\n\n```python\n{emit(graph)}```\n",
    ]
    (folder / f"{name}.md").write_text("\n".join(parts), encoding="utf-8")


def _doc(graph: Graph) -> str:
    said = " ".join((graph.doc or "").split())
    return "\n\n".join(escape(part, quote=False) for part in (graph.citation, said) if part)


def _facts(graph: Graph) -> str:
    total = analyze(graph).total
    given = ", ".join(str(graph.spec(id)) for id in graph.outputs.values())
    taps = ", ".join(f"`{tap}`" for tap in graph.taps)
    facts = {
        "input": ", ".join(map(str, graph.inputs.values())),
        "gives": given,
        "parameters": f"{total.parameters:,}",
        "multiply-accumulates": f"{total.macs:,}",
        "features": taps,
    }
    said = {name: fact for name, fact in facts.items() if fact}
    head = [f"| {' | '.join(said)} |", f"|{' --- |' * len(said)}"]
    return "\n".join([*head, f"| {' | '.join(said.values())} |"])


def _figure(name: str, graph: Graph, folder: Path) -> str:
    """The hero at the narrowest width that it fits, or why there is none."""
    why = ""
    for width in WIDTHS:
        try:
            figure = draw(graph, width=width)
            svg = figure._repr_svg_()
        except UsageError as error:
            why = str(error)
            continue
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
        again = f"archdsl draw {name}" + (f" --width {width}" if width != WIDTHS[0] else "")
        alt = escape(figure.caption).replace("[", "(").replace("]", ")")
        return f"![{alt}]({name}.svg){{.figure}}\n\n`{again} -o {name}.pdf`\n"
    return f"No figure of the whole at these widths: {escape(why, quote=False)}\n"


def _weights(graph: Graph) -> str:
    known = published(graph)
    keys = ", ".join(graph.renames)
    end = f"\n\nKeys of other packages that are known, too: {keys}." if keys else ""
    if not known:
        return f"None that are published are known.{end}"
    head = ["| `weights=` | of | claimed | licence |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *map(_entry, known)]) + end


def _entry(one: Published) -> str:
    claims = one.form.metrics.values()
    said = ", ".join(f"{value} {what}" for metrics in claims for what, value in metrics.items())
    return f"| `{one.name}` | {one.network} | {said} | {one.form.licence or 'not said'} |"


def _differences(name: str) -> str:
    """The rows of `differences.md` that name a network."""
    text = (DOCS / "differences.md").read_text(encoding="utf-8")
    rows = [row for row in text.splitlines() if name in named(row)]
    if not rows:
        return "No difference between its paper's numbers and ours is known."
    head = ["| network | the paper says | the spec | why |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *rows])


def named(row: str) -> list[str]:
    """The networks that a row of a table names in its first cell."""
    match = re.match(r"\| [^|]*\(((?:`\w+`(?:, )?)+)\) \|", row)
    return re.findall(r"`(\w+)`", match[1]) if match else []


def _family(name: str, spec: str) -> str:
    """What it extends, and what extends it."""
    base = extended(spec)
    said = [f"Extends [{base}]({base}.md)."] if base else []
    others = [other for other in gallery.every() if extended(_text(other)) == name]
    if others:
        said.append("Extended by " + ", ".join(f"[{o}]({o}.md)" for o in others) + ".")
    return " ".join(said) + "\n\n" if said else ""


def extended(spec: str) -> str:
    """The network that a spec extends, "" for none."""
    found = re.search(r"^extends: (\S+)$", spec, re.MULTILINE)
    return Path(found[1]).stem if found else ""


def _text(name: str) -> str:
    return Path(gallery.path(name)).read_text(encoding="utf-8")
