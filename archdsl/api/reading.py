"""From a spec, by path, name or text, to its graph and everything there is to say of it."""

import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from warnings import warn

from archdsl.diagnostics.diagnostic import Diagnostic
from archdsl.diagnostics.errors import SpecError, UsageError
from archdsl.diagnostics.sink import Sink, in_order
from archdsl.diagnostics.text import type_of
from archdsl.diagnostics.voice import speaking_python
from archdsl.graph.graph import Graph

if TYPE_CHECKING:
    from archdsl.language.loader import Loader
    from archdsl.language.syntax import Document
    from archdsl.yaml.limits import Limits
    from archdsl.yaml.source import Source

Spec = str | os.PathLike[str] | Graph


@dataclass(frozen=True)
class Reading:
    """What came of reading a spec: its graph unless it is wrong, and everything there is to say.

    `document` is the syntax tree, as far as there is one.
    """

    graph: Graph | None
    diagnostics: list[Diagnostic]
    sources: Mapping[str, str]
    document: "Document | None" = None

    def report(self, format: str = "full", color: bool = False) -> str:
        """The diagnostics in one of `formats.FORMATS`."""
        from archdsl.diagnostics.formats import FORMATS

        return FORMATS[format](self.diagnostics, self.sources, color)

    def require(self) -> Graph:
        """The graph; raises SpecError if there is none, and warns of what is merely doubtful."""
        if self.graph is None:
            raise SpecError(self.diagnostics, self.report())
        if self.diagnostics:
            warn(self.report(), stacklevel=4)
        return self.graph


def settings_of(texts: Iterable[str]) -> dict[str, str]:
    """The settings that `name=value` says, one each. Raises UsageError for another form."""
    settings = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not name or not sign:
            raise UsageError(f"`{text}` is not of the form name=value.")
        settings[name] = value
    return settings


def read(
    spec: str | os.PathLike[str],
    settings: Mapping[str, str] | None = None,
    scale: Mapping[str, str] | None = None,
    limits: "Limits | None" = None,
    lints: Collection[str] = (),
    replaced: Sequence[str] = (),
    output_stride: str | None = None,
    *,
    input: str | None = None,
    text: "str | Source | None" = None,
    opened: Mapping[str, str] | None = None,
) -> Reading:
    """Reads the spec at a path or of a name; `settings` and `scale` are as on the command line.

    `replaced` are texts of `--replace`, `output_stride` is one, too, and `input` what the key has.
    `lints` are the codes of those that look at it if it is right. With a `text`, or what was parsed
    of one, that is read, as if it stood at the path; `opened` are texts that stand for those of
    other files, by real paths, as an editor has them. Raises UsageError for a file that is not
    there or a setting that the spec does not have.
    """
    from archdsl.language.gallery import find
    from archdsl.yaml.limits import Limits

    path = find(spec) if text is None else os.fspath(spec)

    def load(loader: "Loader") -> "Document | None":
        loader.opened = opened or {}
        said = settings, scale, replaced, output_stride, input
        return loader.load(path, *said) if text is None else loader.loads(text, path, *said)

    return _read(load, limits or Limits(), lints, replaced)


@speaking_python
def load(
    spec: str | os.PathLike[str],
    *,
    params: Mapping[str, Any] | None = None,
    scale: Mapping[str, Any] | None = None,
    limits: Mapping[str, Any] | None = None,
    replace: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    output_stride: int | None = None,
    input: Sequence[int] | Mapping[str, Sequence[int]] | None = None,
) -> Graph:
    """The graph of a spec: a path, or the name of one in the gallery (`resnet50`).

    `params` changes the spec's parameters (`{"classes": 10}`), `scale` its scaling rules
    (`{"width": 1.4}`, `{"phi": 3}`), `limits` what it may ask for (`{"nodes": 10**6}`, `{"root":
    "../specs"}`), `replace` its ops, as the key of a spec does (`{"relu": "silu"}`, `[{"op":
    "relu", "at": "layer4", "with": "silu"}]`), `output_stride` that of its backbone, `input` the
    shape that it is given (`[1, 28, 28]`). Raises SpecError if the spec is wrong, UsageError if
    there is no such file or parameter.
    """
    from archdsl.yaml.limits import Limits

    allowed = Limits().override(_as_text(limits))
    settings = _as_text(params), _as_text(scale)
    stride = None if output_stride is None else str(output_stride)
    rules = [_in_json(replace)] if replace else []  # as the command line would have it
    shape = None if input is None else _in_json(input)
    return read(
        spec, *settings, allowed, replaced=rules, output_stride=stride, input=shape
    ).require()


@speaking_python
def loads(text: str) -> Graph:
    """The graph of a spec in a string. Raises SpecError if the spec is wrong."""
    if not isinstance(text, str):
        raise UsageError(f"the text of a spec is a string, not {type_of(text)}")
    return read("<text>", text=text).require()


def check(spec: str | os.PathLike[str], *, pedantic: bool = False) -> list[Diagnostic]:
    """Everything that is wrong with a spec, or doubtful, in the order of the file.

    With `pedantic` also what good networks do for a reason.
    """
    from archdsl.lint.rules import DEFAULT, LINTS

    return read(spec, lints=LINTS if pedantic else DEFAULT).diagnostics


def graph_of(
    spec: Spec,
    params: Mapping[str, Any] | None = None,
    scale: Mapping[str, Any] | None = None,
    replace: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    output_stride: int | None = None,
    input: Sequence[int] | Mapping[str, Sequence[int]] | None = None,
) -> Graph:
    """The graph of a spec as `load` has it, or the one that is given; that cannot be changed."""
    if not isinstance(spec, Graph):
        said: dict[str, Any] = {"params": params, "scale": scale, "replace": replace}
        return load(spec, **said, output_stride=output_stride, input=input)
    if params or scale or replace or output_stride or input:
        what = "params, scale, replace, output_stride and input"
        raise UsageError(f"{what} change a spec; a graph is past that")
    return spec


def _read(
    load: "Callable[[Loader], Document | None]",
    limits: "Limits",
    lints: Collection[str] = (),
    said: Sequence[str] = (),
) -> Reading:
    """Reads a spec; once more if it is wrong and plug-ins had ops with names that stand in it.

    `said` is what was said besides its text.
    """
    from archdsl.language.loader import Loader

    loader = Loader(Sink(), limits)
    reading = _elaborated(loader, load(loader), lints)
    if reading.graph is None:
        from archdsl import plugins

        if plugins.wanted([*loader.sources.values(), *said]):
            loader = Loader(Sink(), limits)
            reading = _elaborated(loader, load(loader), lints)
    return reading


def _elaborated(loader: Any, document: Any, lints: Collection[str] = ()) -> Reading:
    from archdsl.elaborate.document import elaborate
    from archdsl.lint.expect import expectations

    sink = loader.sink
    graph = elaborate(document, sink, loader.limits) if document is not None else None
    if graph is not None:
        expectations(document, graph, sink)
    if document is not None and document.figure is not None:
        from archdsl.figures.file import check_figure

        check_figure(document.figure, document.form.figure, sink)
    if graph is not None and lints:
        from archdsl.lint.rules import lint

        lint(document, graph, lints, sink)
    graph = None if sink.failed else graph
    return Reading(graph, in_order(sink.diagnostics), loader.sources, document)


def _as_text(values: Mapping[str, Any] | None) -> dict[str, str]:
    """Values as the command line would have them: text in YAML, of which JSON is a part."""
    if not isinstance(values or {}, Mapping):
        raise UsageError(
            f"names and their values are a mapping, {{'classes': 10}}, not {type_of(values)}"
        )
    return {
        name: value if isinstance(value, str) else _in_json(value)
        for name, value in (values or {}).items()
    }


def _in_json(value: Any) -> str:
    try:
        return json.dumps(value, default=_plain)
    except ValueError:
        raise UsageError("a value holds itself") from None


def _plain(value: Any) -> Any:
    """Numbers of numpy and torch, and nodes of OmegaConf, as what JSON knows."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise UsageError(f"{value!r} is no value: numbers, texts, lists and mappings of them are")
