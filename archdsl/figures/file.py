"""Figure files, and `figure:` in a spec: what is drawn of which networks, said in YAML."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, make_dataclass, replace
from pathlib import Path
from typing import Any

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.report import failure
from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.figures.canvas.scene import words
from archdsl.figures.canvas.theme import theme_names
from archdsl.figures.draw import draw
from archdsl.figures.figure import Figure
from archdsl.figures.forms import Kind
from archdsl.figures.options import OPTIONS, asked
from archdsl.figures.page import paged
from archdsl.figures.panels import Panel, panels
from archdsl.graph.graph import Graph
from archdsl.yaml.fitting import fitted
from archdsl.yaml.json_schema import schema_of
from archdsl.yaml.limits import Limits
from archdsl.yaml.models import Prose, key
from archdsl.yaml.source import Place, parse, read_text

SUFFIXES = (".yaml", ".yml")


def _keys() -> Iterator[tuple[str, Any, Any]]:
    """The options of the table as fields of a model, with `kind`."""
    yield "kind", Kind | None, key("The kind of figure.")
    for option in OPTIONS:
        kind = Prose if option.type is str else option.type
        yield option.name, kind | None, key(option.help, alias=option.key)


FigureKeys = make_dataclass("FigureKeys", _keys(), frozen=True)
FigureKeys.__doc__ = "What a spec says of its figures."
PanelForm = make_dataclass(
    "PanelForm",
    [
        ("figure", str | list[str] | None, key("The networks of the panel, if they are others.")),
        ("caption", str, key("What stands under it, behind its letter.", "")),
        *_keys(),
    ],
    frozen=True,
)
PanelForm.__doc__ = "One panel of a figure."
FigureForm = make_dataclass(
    "FigureForm",
    [
        (
            "figure",
            str | list[str],
            key(
                "Networks, by name or a path beside this file; `resnet50:layer3` is a part.",
                MISSING,
            ),
        ),
        ("doc", Prose | None, key("What there is to say about it.")),
        *_keys(),
        (
            "panels",
            dict[str, Any] | None,
            key("Panels by letters, and their `layout`: [a a, b c]."),
        ),
    ],
    frozen=True,
)
FigureForm.__doc__ = "A figure of networks."


def figure_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a figure file."""
    return schema_of(FigureForm, "A figure in archdsl")


WHOLE = {"width", "theme", "title", "legend", "with_"}  # options of a figure of panels as a whole


@dataclass(frozen=True)
class PanelRequest:
    """A panel: what it shows, and under which words."""

    letter: str
    caption: str
    request: "Request"


@dataclass(frozen=True)
class Request:
    """What is to be drawn: networks, a kind, options by name; or panels in rows of letters."""

    specs: tuple[str, ...]
    kind: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    layout: tuple[tuple[str, ...], ...] = ()
    panels: tuple[PanelRequest, ...] = ()

    @property
    def networks(self) -> list[str]:
        """The specs of all networks, each once."""
        every = [*self.specs, *(spec for panel in self.panels for spec in panel.request.specs)]
        return list(dict.fromkeys(parted(spec)[0] for spec in every))


def is_figure(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a figure file: YAML with `figure` and without `archdsl`."""
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return False
    sink = Sink()
    text = read_text(str(path), Limits(), sink)
    source = parse(text, str(path), sink) if text is not None else None
    data = source.data if source else None
    return isinstance(data, dict) and "figure" in data and "archdsl" not in data


def read_figure(path: str | os.PathLike[str]) -> Request:
    """The request of a figure file; raises SpecError with every way in which it is wrong."""
    sink, name = Sink(), str(path)
    text = read_text(name, Limits(), sink)
    source = parse(text, name, sink) if text is not None else None
    if source is not None and not isinstance(source.data, dict):
        sink.error("E0104", "a figure is a mapping", source.at().span)
    elif source is not None:
        form = fitted(FigureForm, source.data, source.at(), sink)
        request = _request(form, source.at(), Path(path).parent, sink) if form else None
        if request is not None and not sink.failed:
            return request
    raise failure(sink, {name: text or ""})


def check_figure(place: Place, data: Any, sink: Sink) -> None:
    """Reports what is wrong with the `figure` of a spec."""
    form = fitted(FigureKeys, data, place, sink)
    if form is None:
        return
    _check_values(form, place, sink)
    if form.theme is not None and form.theme not in theme_names():
        message, help = f"there is no theme `{form.theme}`", did_you_mean(form.theme, theme_names())
        sink.error("E0305", message, (place / "theme").span, help=help)


def of_spec(graph: Graph) -> Mapping[str, Any]:
    """What the spec of a graph says of its figures."""
    document: Any = getattr(graph.written, "document", None)
    said: Any = getattr(getattr(document, "form", None), "figure", None)
    return said if isinstance(said, dict) else {}


def request_of(
    specs: Sequence[str | os.PathLike[str]], kind: str | None, given: Mapping[str, Any]
) -> Request:
    """What is asked for in a call: a figure file with options over its own, or networks."""
    files = [spec for spec in specs if is_figure(spec)]
    if not files:
        return Request(tuple(map(str, specs)), kind, given)
    if len(specs) > 1:
        raise UsageError(f"{files[0]} is a figure file, which says itself what it shows")
    found = read_figure(files[0])
    return replace(found, kind=kind or found.kind, values={**found.values, **given})


def for_graphs(request: Request, graphs: Sequence[Graph]) -> tuple[str, dict[str, Any]]:
    """The kind and the options, over those of the spec; which has some for other kinds, too."""
    said = dict(of_spec(graphs[0])) if len(graphs) == 1 else {}
    kind = request.kind or said.pop("kind", None) or "hero"
    said.pop("kind", None)
    honoured = {option.name for option in OPTIONS if option.honoured(kind)}
    usual = {name: value for name, value in said.items() if name in honoured}
    return kind, usual | dict(request.values)


def figure_of(request: Request, graphs: Mapping[str, Graph]) -> Figure:
    """The figure that is asked for, of the networks by their specs."""
    of = [graphs[parted(spec)[0]] for spec in request.specs]
    if not request.panels:
        kind, values = for_graphs(request, of)
        parts = [parted(spec)[1] for spec in request.specs]
        return paged(of, draw(of, kind, asked(kind, values), parts))
    for name in request.values.keys() - WHOLE:
        raise UsageError(f"{name} is for one panel; say it there")
    made: dict[str, Panel] = {}
    for panel in request.panels:
        own = [graphs[parted(spec)[0]] for spec in panel.request.specs]
        kind, values = for_graphs(panel.request, own)
        parts = [parted(spec)[1] for spec in panel.request.specs]
        made[panel.letter] = Panel(panel.caption, own, parts, kind, asked(kind, values))
    every = [graphs[name] for name in request.networks]
    return paged(every, panels(request.layout, made, asked("hero", request.values)))


def parted(spec: str) -> tuple[str, str]:
    """`resnet50:layer3` as the spec and the part."""
    before, colon, part = spec.rpartition(":")
    if before in ("torchvision", "timm") or before.endswith(".py"):
        return spec, ""  # a module, in place of a spec
    if not colon or os.path.exists(spec) or "/" in part or "\\" in part or not before:
        return spec, ""
    return before, part


def _request(form: Any, place: Place, folder: Path, sink: Sink) -> Request | None:
    """A form as a request; names of files lie beside the figure file or below."""
    specs = _specs(form.figure, place / "figure", folder, sink)
    values = _check_values(form, place, sink, folder)
    layout, panels = _panels(form.panels, place / "panels", folder, specs, values, sink)
    return Request(specs, form.kind, values, layout, panels)


def _specs(said: Any, place: Place, folder: Path, sink: Sink) -> tuple[str, ...]:
    names = [said] if isinstance(said, str) else said
    return tuple(_beside(name, place, folder, sink) for name in names)


def _beside(name: str, place: Place, folder: Path, sink: Sink) -> str:
    """A name of the gallery as it is; a path in the folder of the figure file, or an error."""
    path, part = parted(name)
    if Path(path).suffix.lower() not in SUFFIXES and os.sep not in path:
        return name
    _expect_inside(path, place, folder, sink)
    return os.path.join(folder, path) + (f":{part}" if part else "")


def _expect_inside(path: str, place: Place, folder: Path, sink: Sink) -> None:
    home = folder.resolve()
    if not (home / path).resolve().is_relative_to(home):
        sink.error("E0210", f"{path} lies outside the folder of the figure", place.span)


def _check_values(
    form: Any, place: Place, sink: Sink, folder: Path | None = None
) -> dict[str, Any]:
    """The options that are given; those that are no option of the kind are reported."""
    given = {option.name: getattr(form, option.name) for option in OPTIONS}
    values = {name: value for name, value in given.items() if value is not None}
    for name, value in values.items():
        if folder is None and form.kind is None:
            kind = next(o.kinds.split()[0] for o in OPTIONS if o.name == name)
        else:
            kind = form.kind or "hero"
        texts, at = value.items() if isinstance(value, dict) else (), place / name.rstrip("_")
        right = [_readable(text, at / of, sink) for of, text in texts]
        try:
            asked(kind, {name: value} if all(right) else {})
        except UsageError as error:
            _refuse(error, at, sink)
    if folder is None and "with_" in values:
        message = "what a paper has is for figure files and calls, which know that it is TeX"
        sink.error("E0305", message, (place / "with").span)
    theme = values.get("theme")
    for name in ("input_image", "output_image"):
        if name in values and folder is None:
            message = "pictures are for figure files and calls, which know where they lie"
            sink.error("E0305", message, (place / name).span)
        elif name in values and folder is not None:
            _expect_inside(values[name], place / name, folder, sink)
            values[name] = os.path.join(folder, values[name])
    if folder is not None and theme is not None and theme not in theme_names():
        _expect_inside(theme, place / "theme", folder, sink)
        values["theme"] = os.path.join(folder, theme)
    return values


def _readable(text: Any, place: Place, sink: Sink) -> bool:
    """Whether a text can be shown; reports math that is none."""
    try:
        words(text if isinstance(text, str) else "")
    except UsageError as error:
        _refuse(error, place, sink)
        return False
    return True


def _refuse(error: UsageError, place: Place, sink: Sink) -> None:
    message, _, help = str(error).partition("; ")
    sink.error("E0305", message.replace("--", ""), place.span, help=help)


def _panels(
    data: Any, place: Place, folder: Path, specs: tuple[str, ...], values: Mapping[str, Any],
    sink: Sink,
) -> tuple[tuple[tuple[str, ...], ...], tuple[PanelRequest, ...]]:  # fmt: skip
    """The rows of letters and the panels behind them."""
    if data is None:
        return (), ()
    layout = data.get("layout")
    rows = layout if isinstance(layout, list) else [layout]
    if not rows or not all(isinstance(row, str) and row.split() for row in rows):
        message, help = "panels need a `layout`, rows of letters", "write `layout: [a a, b c]`"
        sink.error("E0202", message, place.span, help=help)
        return (), ()
    letters = tuple(tuple(row.split()) for row in rows)
    named = list(dict.fromkeys(letter for row in letters for letter in row))
    found: list[PanelRequest] = []
    for letter in named:
        if letter not in data:
            sink.error("E0202", f"panel `{letter}` of the layout is missing", place.span)
            continue
        at = place / letter
        form = fitted(PanelForm, data[letter], at, sink) if isinstance(data[letter], dict) else None
        if not isinstance(data[letter], dict):
            sink.error("E0203", f"panel `{letter}` must be a mapping", at.span)
        if form is None:
            continue
        _readable(form.caption, at / "caption", sink)
        own = _check_values(form, at, sink, folder)
        if "with_" in own:
            sink.error("E0305", "with is for the figure as a whole", (at / "with").span)
        of = specs if form.figure is None else _specs(form.figure, at / "figure", folder, sink)
        usual = {name: values[name] for name in ("theme",) if name in values}
        found.append(PanelRequest(letter, form.caption, Request(of, form.kind, usual | own)))
    for name in data.keys() - {"layout", *named}:
        message = f"panel `{name}` is not in the layout"
        sink.error("E0201", message, (place / name).key)
    return letters, tuple(found)
