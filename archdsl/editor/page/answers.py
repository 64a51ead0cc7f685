"""What the page shows of a text, computed in a process of its own, which can be ended.

Everything here is plain data: what goes to the worker and what comes back.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from archdsl.analysis.diff import compare
from archdsl.analysis.summary import summarize
from archdsl.api.reading import load, read
from archdsl.diagnostics.diagnostic import Diagnostic
from archdsl.diagnostics.errors import UsageError
from archdsl.editor.completion import Offer, completion
from archdsl.editor.fixes import fix
from archdsl.editor.results import Results
from archdsl.editor.view import View, visible
from archdsl.expressions.numbers import is_number
from archdsl.figures.canvas.svg import svg
from archdsl.figures.canvas.theme import theme_names
from archdsl.figures.draw import draw
from archdsl.figures.options import KINDS, OPTIONS, Option, Options, asked, data_of
from archdsl.graph.graph import Graph
from archdsl.language.standard import standard_block
from archdsl.language.syntax import Literal
from archdsl.tables import changes
from archdsl.tables.summary import html

COLUMNS = ("parameters", "macs", "memory", "field")
ONE = tuple(kind for kind in KINDS if kind not in ("diff", "scaling"))  # kinds of one network
FILES = {"input_image", "output_image", "with_"}  # options of files, of which a page has none


@dataclass(frozen=True)
class Question:
    """A text, where it would stand, and what is to be shown of it."""

    text: str
    name: str
    kind: str = "hero"
    settings: dict[str, str] = field(default_factory=dict)
    scale: dict[str, str] = field(default_factory=dict)
    other: str = ""  # a network of the gallery to compare with
    options: dict[str, Any] = field(default_factory=dict)  # of the figure, lists and so on as YAML


@dataclass(frozen=True)
class Mistake:
    """One thing wrong: its place as offsets in the text, and what to write there if known."""

    code: str
    severity: str
    message: str
    help: str
    line: int
    start: int
    end: int
    fix: str = ""


@dataclass(frozen=True)
class Slider:
    """A number of the spec that can be moved: a parameter, or the factor of a scaling rule."""

    name: str
    value: float
    whole: bool
    rule: bool = False
    choices: tuple[float, ...] = ()  # all that it may be, if the spec says so


@dataclass(frozen=True)
class Answer:
    """What there is to show; `figure` is SVG or a table, `table` HTML, "" where there is none.

    `why` says why there is none; `lines` are the lines of this text by the ids of figures' boxes.
    """

    mistakes: tuple[Mistake, ...] = ()
    figure: str = ""
    table: str = ""
    why: str = ""
    lines: dict[str, int] = field(default_factory=dict)
    sliders: tuple[Slider, ...] = ()


class Seen:
    """What the process has read last, so that a slider or another figure reads nothing again.

    `view` is the newest text, with when the other files that it stands on were changed; `good` the
    newest that could be read, whose names are offered while a text is none, `graph` that of the
    newest that was right.
    """

    def __init__(self) -> None:
        self.view: View | None = None
        self.good: View | None = None
        self.graph: Graph | None = None
        self.stamps: dict[str, int] = {}

    def look(self, name: str, text: str) -> View:
        view = self.view
        if (
            view is not None
            and (view.name, view.text) == (name, text)
            and self.stamps == _stamps(view)
        ):
            return view
        self.view = view = View(name, text)
        self.stamps = _stamps(view)
        if view.document is not None:
            before = self.graph if self.good is not None and self.good.name == name else None
            self.good, self.graph = view, view.graph or before
        return view

    def names(self, view: View) -> View:
        """The view whose names are offered in one: itself, or the last good one of its file."""
        good = self.good
        return good if good is not None and good.name == view.name else view


def _stamps(view: View) -> dict[str, int]:
    """When the other files that a text stands on were changed, in nanoseconds."""
    others = {path for path in view.reading.sources if path != view.name and os.path.exists(path)}
    return {path: os.stat(path).st_mtime_ns for path in others}


SEEN = Seen()


def offers(name: str, text: str, line: int, column: int) -> list[Offer]:
    """What may be written at a place (from 1), as in editors; nothing where there is no place."""
    view = SEEN.look(name, text)
    if line < 1 or column < 1 or line > len(view.lines):
        return []
    return completion(view, SEEN.names(view), line, column, SEEN.graph)


def answer(question: Question) -> Answer:
    """Reads a text; draws and measures the network that it is."""
    view = SEEN.look(question.name, question.text)
    mistakes = tuple(_mistake(view, found) for found in view.reading.diagnostics)
    sliders = tuple(_sliders(view))
    graph = view.graph
    if graph is None:
        return Answer(mistakes, sliders=sliders)
    lines = _lines(view)
    if question.settings or question.scale:
        changed = _changed(question)
        if isinstance(changed, str):
            return Answer(mistakes, why=changed, sliders=sliders)
        graph = changed
    table = _table(graph, question)
    try:
        figure = _figure(graph, question)
    except UsageError as error:
        return Answer(mistakes, "", table, str(error), lines, sliders)
    return Answer(mistakes, figure, table, "", lines, sliders)


def exported(question: Question, suffix: str) -> bytes | str:
    """The figure as a file of a suffix, or why there is none."""
    changed = _changed(question)
    if isinstance(changed, str):
        return changed
    try:
        written: bytes = _drawn(changed, question).render(suffix)
        return written
    except UsageError as error:
        return str(error)


def _changed(question: Question) -> Graph | str:
    """The graph with what the sliders say, or what is wrong with that."""
    seen = SEEN.look(question.name, question.text).graph
    if seen is not None and not (question.settings or question.scale):
        return seen
    try:
        said = question.settings, question.scale
        reading = read(question.name, *said, text=question.text)
    except UsageError as error:
        return str(error)
    return reading.graph if reading.graph is not None else reading.report()


def options_of(kind: str) -> list[Option]:
    """The options that a figure of a kind honours, and a page has."""
    return [option for option in OPTIONS if option.honoured(kind) and option.name not in FILES]


def block_of(name: str) -> tuple[str, str, str]:
    """What a block of the library is, its file, and a call of it to be filled in."""
    block = standard_block(name)
    wanted = ", ".join(f"{one.name}: " for one in block.arguments if one.default is None)
    return block.doc, block.text, f"{name}: {{{wanted}}}" if wanted else name


def _drawn(graph: Graph, question: Question) -> Any:
    if question.other:
        return draw([graph, load(question.other)], "diff", _asked("diff", question))
    return draw([graph], question.kind, _asked(question.kind, question))


def _asked(kind: str, question: Question) -> Options:
    """The options of a figure; raises UsageError for what is none, or would read a file."""
    known = {option.name: option for option in options_of(kind)}
    given = {name: value for name, value in question.options.items() if name in known}
    if given.get("theme", "paper") not in theme_names():
        raise UsageError(f"a page has the themes {', '.join(theme_names())}")
    for name, value in given.items():
        if known[name].type not in (str, bool):
            given[name] = data_of(known[name], str(value))
    return asked(kind, given)


def _table(graph: Graph, question: Question) -> str:
    """The stages, or what another network that is compared has differently."""
    if question.other:
        return changes.html(compare(graph, load(question.other)))
    return html(summarize(graph, show=COLUMNS))


def _figure(graph: Graph, question: Question) -> str:
    figure = _drawn(graph, question)
    if figure.scene is None:  # a table
        written: bytes = figure.render(".html")
        return written.decode()
    return svg(figure.scene)


def _mistake(view: View, found: Diagnostic) -> Mistake:
    """A diagnostic at its place here; one of another file where that is named."""
    span = view.place_of(found)
    mended = fix(view, found)
    if span is None:
        return Mistake(found.code, found.severity, found.message, found.help, 1, 0, 0)
    span = visible(span, view.lines)
    start = view.starts[span.line - 1] + span.column - 1
    end = view.starts[min(span.end_line, len(view.lines)) - 1] + span.end_column - 1
    text = mended.text if mended is not None else ""
    size = len(view.text)
    at = min(start, size), min(max(end, start), size)
    return Mistake(found.code, found.severity, found.message, found.help, span.line, *at, text)


def _lines(view: View) -> dict[str, int]:
    """For every part of the network the line of this text that it comes from."""
    results = Results(view)
    found: dict[str, int] = {}
    for mark in view.marks:
        if mark.kind in ("item", "verb"):
            for id in results.of(mark):
                found.setdefault(id, mark.span.line)
    graph = view.graph
    for scope in graph.scopes if graph is not None else ():
        if scope.id not in found and scope.parent in found:
            found[scope.id] = found[scope.parent]
    for node in graph.nodes if graph is not None else ():
        if node.id not in found and node.scope in found:
            found[node.id] = found[node.scope]
    return found


def _sliders(view: View) -> Sequence[Slider]:
    """The document's parameters that are numbers, and its scaling rules with a factor."""
    document = view.document
    if document is None:
        return []
    found = []
    for parameter in document.parameters.values():
        value = parameter.default.value if isinstance(parameter.default, Literal) else None
        if is_number(value) and value > 0:
            choices = tuple(parameter.form.choices or ())
            found.append(Slider(parameter.name, value, isinstance(value, int), choices=choices))
    found += [Slider(name, 1, False, True) for name in document.rules]
    return found
