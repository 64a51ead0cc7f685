"""The command `draw`: specs to figures in files."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archdsl.api.reading import Reading
from archdsl.cli.console import (
    Changes,
    Command,
    Settings,
    change,
    color,
    complain,
    modules,
    network_of,
    networks,
    pairs,
    show,
    status_of,
)
from archdsl.cli.console import dpi as resolution
from archdsl.cli.console import output_stride as stride
from archdsl.cli.progress import progress
from archdsl.diagnostics.errors import UsageError
from archdsl.figures import forms
from archdsl.figures.options import KINDS, OPTIONS, Option, data_of

if TYPE_CHECKING:
    from archdsl.graph.graph import Graph

POLL = 0.03  # seconds between looks at the files with --watch


@dataclass(frozen=True)
class Job:
    """What is to be drawn, and where it goes."""

    specs: Sequence[str]
    kind: str | None
    outs: Sequence[Path]
    text: str | None
    dpi: int | None
    changed: Changes
    given: Settings


def _scales(
    context: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> tuple[str | None, Settings]:
    """`--scale sqrt` is how slabs follow sizes, `--scale width=1.4` a rule of the spec."""
    (table,) = (option for option in OPTIONS if option.name == "scale")
    words = [text for text in texts if "=" not in text]
    for word in words:
        if word not in table.choices:
            choices = ", ".join(table.choices)
            raise click.BadParameter(f"`{word}` is neither {choices} nor name=value.")
    rules = pairs(context, option, tuple(text for text in texts if "=" in text))
    return (words[-1] if words else None), rules


def _names(_: click.Context, option: click.Parameter, text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _pairs(
    context: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> Settings | None:
    return pairs(context, option, texts) if texts else None


def _yaml(_: click.Context, option: click.Parameter, text: str | None) -> Any:
    (table,) = (one for one in OPTIONS if one.name == option.name)
    return None if text is None else data_of(table, text)


_READ: dict[Any, dict[str, Any]] = {  # how options of a type are read, and what their value is
    forms.Label: {"multiple": True, "callback": _pairs, "metavar": "PATH=TEXT"},
    forms.Paths: {"callback": _names, "metavar": "PATH,..."},
    forms.With: {"callback": _names, "metavar": "caption,label,bib"},
    forms.Roles: {"callback": _yaml, "metavar": "YAML"},
    forms.Groups: {"callback": _yaml, "metavar": "YAML"},
    forms.Rows: {"type": click.IntRange(1, 6)},
}


def click_option(option: Option, kinds: bool = True) -> Callable[[Command], Command]:
    """An option of a command, from its row of the table; its help says for which `kinds` it is."""
    name, words = option.flag, [option.help]
    settings: dict[str, Any] = {"default": None}
    if option.name == "scale":
        words.append("Or a scaling rule: width=1.4.")
        settings |= {"multiple": True, "callback": _scales}
    elif isinstance(option.default, bool):
        name += f"/--no-{option.name}"
    elif option.choices:
        settings["type"] = click.Choice(option.choices)
    elif option.type in _READ:
        settings |= _READ[option.type]
    others = [kind for kind in KINDS if not option.honoured(kind)]
    if others and kinds:
        few = len(others) < len(KINDS) / 2
        words.append(f"Not for {', '.join(others)}." if few else f"For {option.named}.")
    if option.default:
        words.append(f"[default: {option.default if option.default is not True else option.name}]")
    return click.option(name, option.name, help=" ".join(words), **settings)


def figure_options(command: Command) -> Command:
    """All options of the table, in its order."""
    for option in reversed(OPTIONS):
        command = click_option(option)(command)
    return command


@click.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...", shell_complete=networks)
@click.option(
    "--kind", metavar="|".join(KINDS), help="[default: hero]",
    shell_complete=lambda context, option, begun: [k for k in KINDS if k.startswith(begun)],
)  # fmt: skip
@click.option(
    "-o", "--out", "outs", type=click.Path(path_type=Path), multiple=True, metavar="FILE",
    help="Where to write, as svg, pdf, png, tex, html, pptx or drawio. Can be given again.",
)  # fmt: skip
@figure_options
@click.option(
    "--text", type=click.Choice(["live", "embedded", "outlines"]),
    help="How an SVG holds its text: for the reader's fonts, with ours, or as shapes.",
)  # fmt: skip
@resolution
@modules
@click.option("--watch", is_flag=True, help="Draw again whenever a spec changes.")
@change("--set")
@change("--replace")
@stride
@change("--limit")
def draw(
    specs: Sequence[str], kind: str | None, outs: Sequence[Path], text: str | None, dpi: int | None,
    watch: bool, settings: Settings, limits: Settings, replace: tuple[str, ...],
    output_stride: str | None, shapes: tuple[str, ...], arguments: Settings, **options: Any,
) -> int:  # fmt: skip
    """Draw networks as figures for papers, slides and pages.

    Several specs go side by side in block, columns, table, scaling and diff; `resnet50:layer3` is a
    part of one. A SPEC may be a figure file, which says what is drawn in these words.
    """
    options["scale"], rules = options["scale"]
    written = {out.suffix.lower() for out in outs} or {".svg"}
    for name, value, suffix in (("text", text, ".svg"), ("dpi", dpi, ".png")):
        if value and suffix not in written:
            raise UsageError(f"--{name} is for {suffix} alone, which -o does not name")
    changed = Changes(settings, rules, limits, replace, output_stride, shapes, arguments)
    given = {name: value for name, value in options.items() if value is not None}
    job = Job(specs, kind, outs, text, dpi, changed, given)
    with progress() as say:
        say(f"drawing {', '.join(specs)}")
        status, readings = _drawn(job)
    if watch:
        _watch(job, readings)
    return status


def _drawn(job: Job) -> tuple[int, list[Reading]]:
    """Reads the specs and writes the figure; what was there stays if one is wrong."""
    from archdsl.figures.file import figure_of, request_of

    request = request_of(job.specs, job.kind, job.given)
    readings = [network_of(spec, job.changed) for spec in request.networks]
    for reading in readings:
        if reading.diagnostics:
            show(reading.report(color=color(sys.stderr)), err=True)
    graphs = [reading.graph for reading in readings if reading.graph is not None]
    if len(graphs) < len(readings):
        wrong = [status_of(reading.diagnostics) for reading in readings if reading.graph is None]
        return max(wrong), readings
    from archdsl.figures.canvas.png import DPI

    figure = figure_of(request, dict(zip(request.networks, graphs, strict=True)))
    if not job.outs and figure.draw is None:
        show(figure.render(figure.formats()[0]).decode())
        return 0, readings
    outs = job.outs or [Path(_stem(job, graphs) + (".tex" if figure.paper else ".svg"))]
    for out in outs:
        figure.expect(out.suffix.lower())
    for out in outs:
        figure.save(out, job.text or "live", job.dpi or DPI)
    if figure.left_out:
        show(f"{figure.left_out}\n", err=True)
    wrote = [file for out in outs for file in (out, *figure.beside(out))]
    show(f"wrote {', '.join(map(str, wrote))}\n{figure.caption}\n")
    return 0, readings


def _stem(job: Job, graphs: Sequence["Graph"]) -> str:
    """What a figure is called that has no name: as its file, else as the networks in it."""
    from archdsl.figures.file import is_figure, of_spec

    if len(job.specs) == 1 and is_figure(job.specs[0]):
        return Path(job.specs[0]).stem
    said = of_spec(graphs[0]).get("kind") if len(graphs) == 1 else None
    return "-".join([*(graph.name for graph in graphs), job.kind or said or "hero"])


def _watch(job: Job, readings: list[Reading]) -> None:
    """Draws again when a file that was read changes, until interrupted."""
    files = {Path(name) for reading in readings for name in reading.sources}
    seen = _times(files)
    show(f"watching {', '.join(sorted(map(str, files)))}\n", err=True)
    while True:
        time.sleep(POLL)
        now = _times(files)
        if now == seen:
            continue
        seen = now
        started = time.perf_counter()
        try:
            _, readings = _drawn(job)
        except UsageError as error:
            complain(str(error))
            continue
        files |= {Path(name) for reading in readings for name in reading.sources}
        seen = _times(files) | now  # what changed while it was drawn is seen next
        show(f"drawn in {(time.perf_counter() - started) * 1000:.0f} ms\n", err=True)


def _times(files: set[Path]) -> dict[Path, int]:
    """When each file was changed last; 0 while it is not there."""
    return {file: file.stat().st_mtime_ns if file.is_file() else 0 for file in files}
