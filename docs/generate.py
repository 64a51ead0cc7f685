"""Writes the pages of `docs/` that are made from the code: `python docs/generate.py`.

A test holds the pages to what this writes.
"""

import re
import sys
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from importlib import metadata
from inspect import getdoc, getsource
from pathlib import Path
from typing import Any

from archdsl import emit, load
from archdsl.analysis import positions, summary
from archdsl.analysis.measures import totals
from archdsl.analysis.receptive_field import reductions
from archdsl.diagnostics import suggest
from archdsl.diagnostics.codes import CODES
from archdsl.diagnostics.explanations import explain
from archdsl.expressions import expression, parser
from archdsl.expressions import names as allowed
from archdsl.figures import options
from archdsl.figures.canvas import pictures, png, theme
from archdsl.figures.kinds import block as block_figure
from archdsl.figures.kinds import graph as graph_figure
from archdsl.figures.network import block_kinds, grid, layering, tree
from archdsl.language import gallery as networks
from archdsl.language.gallery import find, zoo
from archdsl.language.standard import standard_blocks
from archdsl.ops import OPS, Op, arguments, join
from archdsl.ops.kinds import CHANNELS
from archdsl.ops.pool import KERNEL
from archdsl.tables import axes, plots
from archdsl.yaml import source as yaml_source
from archdsl.yaml.limits import Limits

DOCS = Path(__file__).parent
sys.path.append(str(DOCS))
import beside  # noqa: E402 - these stand beside this file
import measured  # noqa: E402


def ops() -> str:
    """The reference of the ops, one table each."""
    parts = [
        "# Ops\n",
        "The primitive operations, their arguments and what they stand for. Arguments have "
        "PyTorch's meaning. An argument without a default is required; `C` is the number of input "
        "channels. Sizes are whole numbers, or lists with one number per spatial axis.\n",
    ]
    families: dict[str, list[type[Op]]] = {}
    for op in OPS.values():
        families.setdefault(op.__module__.rpartition(".")[2], []).append(op)
    for family, members in families.items():
        parts.append(f"## {family.capitalize()}\n")
        for op in members:
            parts.append(f"### `{op.verb}`\n\n{getdoc(op) or ''}\n")
            rows = [_argument(name, field) for name, field in arguments(op).items()]
            if rows:
                parts.append(
                    "\n".join(["| argument | value | default | |", "|---|---|---|---|", *rows, ""])
                )
    return "\n".join(parts)


def _argument(name: str, field: "Field[Any]") -> str:
    default = field.default
    if default is MISSING:
        shown = "required"
    elif default is CHANNELS:
        shown = "`C`"
    elif default is KERNEL:
        shown = "`kernel`"
    elif default is None:
        shown = ""
    else:
        shown = f"`{str(default).lower() if isinstance(default, bool) else default}`"
    return f"| `{name}` | {field.metadata['kind'].name} | {shown} | {field.metadata['doc']} |"


def gallery() -> str:
    """Every spec of the gallery with what it costs and what it gives."""
    rows = []
    for name in networks.names():
        graph = load(name)
        counted = totals(graph, ("parameters", "macs", "depth"))
        strides = reductions(graph, graph.taps.values())
        taps = [
            f"{tap} {graph.spec(id).channels}/{strides[id]}"
            for tap, id in graph.taps.items()
            if re.fullmatch(r"[cp][0-9]", tap)
        ]
        lines = len(Path(find(name)).read_text(encoding="utf-8").splitlines())
        size = "x".join(map(str, graph.input.shape))
        rows.append(
            f"| [{name}](../specs/{name}.yaml) | {graph.title} | {size} "
            f"| {counted['parameters']:,} | {counted['macs']:,} | {counted['depth']} "
            f"| {', '.join(taps)} | {lines} |"
        )
    head = [
        "# The gallery\n",
        "Each spec is held to an implementation that is not ours: keys, shapes and order of",
        "the `state_dict`, parameters, MACs, and outputs in float64 to the ninth digit. MACs are",
        "of one image of the given size; depth counts weighted layers on the longest path;",
        "features are channels/reduction ([to build on](heads.md)). A spec of a few lines",
        "extends another.\n",
        "| spec | paper | input | parameters | MACs | depth | features | lines |",
        "|---|---|---|---|---|---|---|---|",
    ]
    others = [f"| [{name}](../specs/zoo/{name}.yaml) | {_zoo(name)} |" for name in zoo()]
    more = [
        "",
        "## The zoo\n",
        "Other sizes of those above, and some that stand alone; keys, shapes, order, costs and",
        "outputs are torchvision's, timm's or segmentation_models_pytorch's, or those of a network",
        "that the tests write from its paper.\n",
        "| spec | extends | parameters |",
        "|---|---|---|",
    ]
    differences = (DOCS / "differences.md").read_text(encoding="utf-8")
    return "\n".join([*head, *rows, *more, *others, "", differences])


def _zoo(name: str) -> str:
    """What another size extends, and its parameters, which it is held to."""
    text = Path(find(name)).read_text(encoding="utf-8")
    base, params = re.search(r"extends: (\w+)", text), re.search(r"params: ([\d_]+)[,}]", text)
    assert params is not None
    folder = "zoo/" if base is not None and base[1] in zoo() else ""
    link = f"[{base[1]}](../specs/{folder}{base[1]}.yaml)" if base is not None else ""
    return f"{link} | {int(params[1]):,}"


def library() -> str:
    """The blocks of the standard library: what each takes, who uses it, and its YAML."""
    parts = [
        "# The standard library\n",
        "Blocks that specs share. A spec uses them without an import; a block of its own by the "
        "same name goes first. `archdsl show BLOCK` prints what stands here. A parameter without "
        "a default is required; `C` is the number of input channels.\n",
    ]
    for block in standard_blocks():
        parts.append(f"## `{block.name}`\n\n{block.doc}\n")
        rows = [
            f"| `{a.name}` | {a.type} | {'required' if a.default is None else f'`{a.default}`'} "
            f"| {a.doc} |"
            for a in block.arguments
        ]
        if rows:
            head = ["| parameter | value | default | |", "|---|---|---|---|"]
            parts.append("\n".join([*head, *rows, ""]))
        linked = [f"[`{name}`](#{name})" for name in block.blocks]
        linked += [f"[{name}](../specs/{name}.yaml)" for name in block.specs]
        if linked:
            parts.append(f"Used by {', '.join(linked)}.\n")
        parts.append(f"```yaml\n{block.text}```\n")
    return "\n".join(parts)


def errors() -> str:
    """What every diagnostic means, with a wrong example and the right one."""
    head = [
        "# Errors and warnings\n",
        "Every diagnostic has a code. `archdsl explain E0304` prints what stands here.\n",
        *(f"* [{code}](#{code.lower()}): {title}" for code, title in CODES.items()),
    ]
    pages = []
    for code in CODES:
        title, _, text = explain(code).partition("\n")
        pages.append(f'\n<a name="{code.lower()}"></a>\n\n#{title}\n{text}')
    return "\n".join(head) + "\n" + "".join(pages)


FIXED = {  # limits that no option raises
    (yaml_source, "DIGITS"): "digits of a number in a file",
    (parser, "MAX_DEPTH"): "levels of an expression",
    (expression, "MAX_ITEMS"): "items of a list that an expression gives",
    (expression, "MAX_MAGNITUDE"): "size of a number that an expression gives",
    (allowed, "LONGEST"): "characters of a name",
    (join, "MOST"): "tensors in one sum or product",
    (positions, "MOST"): "positions that receptive fields look up, where positions differ",
    (summary, "MOST_VALUES"): "values of a summary: rows times columns",
    (suggest, "MANY"): "names, among which the one that was meant is looked for",
    (suggest, "LONG"): "characters of such a name",
    (theme, "DEPTH"): "themes that extend one another",
    (grid, "MANY"): "cells of a pyramid",
    (layering, "MANY"): "parts of a picture whose ways cross, and layers that these pass",
    (pictures, "BYTES"): "bytes of a picture at an input or output",
    (pictures, "PIXELS"): "pixels of such a picture",
    (block_figure, "BOXES"): "boxes of a block",
    (tree, "WOVEN"): "boxes whose ways cross",
    (block_kinds, "FORMS"): "forms of a block, among which those drawn as one are looked for",
    (tree, "DEEPEST"): "joins in joins that a picture follows",
    (graph_figure, "NODES"): "ops of a `graph` that is drawn",
    (graph_figure, "SECONDS"): "seconds for Graphviz",
    (options, "LARGEST"): "points of a picture, either way",
    (png, "PIXELS"): "pixels of a PNG",
    (axes, "NETWORKS"): "networks in one plot",
    (plots, "BARS"): "bars of a plot; the last gathers the others",
}


def safety() -> str:
    """The page on safety, with the tables of the limits as they are."""
    page = (DOCS / "safety.md").read_text(encoding="utf-8")
    rows = [f"| {int(getattr(where, name)):,} | {of} |" for (where, name), of in FIXED.items()]
    table = "\n".join(["| limit | of |", "| ---: | --- |", *rows])
    return _between(_limits(page), "<!-- fixed: python docs/generate.py -->\n", table)


def _limits(page: str) -> str:
    notes = dict(re.findall(r"^    (\w+): \w+ = .*?  # (.+)$", getsource(Limits), re.MULTILINE))
    limits = [limit for limit in fields(Limits) if limit.name != "root"]
    rows = [f"| `{x.name}` | {x.default:,} | {notes[x.name]} |" for x in limits]
    table = "\n".join(["| limit | is | of |", "| --- | ---: | --- |", *rows])
    return _between(page, "<!-- limits: python docs/generate.py -->\n", table)


def _between(page: str, start: str, table: str) -> str:
    before, _, rest = page.partition(start)
    end = "<!-- end -->"
    return f"{before}{start}\n{table}\n\n{end}{rest.partition(end)[2]}"


WHOLE = ("resnet50", "densenet121", "mobilenet_v2")  # shown to the last line


def sources() -> str:
    """The page that shows emitted source, and how long it is beside torchvision's."""
    path = DOCS / "sources.md"
    version = metadata.version("torchvision").partition("+")[0]
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    lengths = before.partition("## Forward time")[0]
    kept = dict(re.findall(r"^\| `(\w+)` \|.*?\|.*?\|.*?\|(.*)\|$", lengths, re.MULTILINE))
    is_other = bool(before) and f"torchvision {version}" not in before  # whose counts are kept
    shown = re.findall(r"torchvision ([\d.]+\d)", before)[0] if is_other else version
    rows = []
    for name in beside.NETWORKS:
        ours = beside.counted(emit(load(name)))
        theirs = kept[name] if is_other else _row(beside.counted(beside.of_torchvision(name)))
        rows.append(f"| `{name}` |{_row(ours)}|{theirs}|")
    head = [
        "# Sources\n",
        "What `archdsl build` writes; [source.md](source.md) says how it comes about.\n",
        f"## Beside torchvision {shown}\n",
        f"{(getdoc(beside) or '').partition(chr(10) * 2)[2]}\n",
        "| | lines, ours | classes | functions | lines, torchvision's | classes | functions |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    whole = [f"\n## `{name}`\n\n```python\n{emit(load(name))}```" for name in WHOLE]
    times = ["\n## Forward time\n", measured.forward()]
    return "\n".join([*head, *rows, *times, *whole, ""])


def _row(counts: tuple[int, int, int]) -> str:
    return f" {' | '.join(map(str, counts))} "


def imports() -> str:
    """The page on modules as graphs and specs, with what comes of some."""
    import importing

    text = (DOCS / "import.txt").read_text(encoding="utf-8")
    tables = {"torchvision": importing.of_torchvision(), "timm": importing.of_timm()}
    return text.format(**tables, spec=importing.spec_of("resnet50"))


def exports() -> str:
    """How networks are exported, and the gallery by all formats."""
    return _filled("export.txt", measured.exports(len(networks.every())))


def speed() -> str:
    """How networks are made fast, and what was measured."""
    return _filled("speed.txt", measured.speed())


def editors() -> str:
    """How editors are set up, and how long they wait."""
    page = (DOCS / "editors.md").read_text(encoding="utf-8")
    return _between(page, "<!-- editor: python docs/generate.py -->\n", measured.editor())


def ecosystem() -> str:
    """Other packages, and what became of the gallery's networks in each."""
    page = (DOCS / "ecosystem.md").read_text(encoding="utf-8")
    return _between(page, "<!-- clients: python docs/generate.py -->\n", measured.clients())


def _filled(name: str, table: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8").replace("{table}\n", table)


PAGES: dict[str, Callable[[], str]] = {
    "ops.md": ops,
    "gallery.md": gallery,
    "library.md": library,
    "errors.md": errors,
    "safety.md": safety,
    "sources.md": sources,
    "import.md": imports,
    "export.md": exports,
    "speed.md": speed,
    "editors.md": editors,
    "ecosystem.md": ecosystem,
}


def main() -> None:
    """Writes every page."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
