"""Text to plain data and the place of every value; the only file that imports yaml.

Scalars follow the YAML 1.2 core schema. The document is read as a stream of events, so that
nothing is built (and no alias expanded) past the limits, whatever the file holds.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from archdsl.diagnostics import Label, Sink, Span, UsageError
from archdsl.limits import Limits

Path = tuple[str | int, ...]

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_CORE_TAGS = {
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")
}


@dataclass(slots=True)
class Source:
    """A parsed file: plain data, and for every path into it the span of the value and of its key."""

    name: str
    text: str
    data: Any
    spans: dict[Path, Span] = field(default_factory=dict)
    keys: dict[Path, Span] = field(default_factory=dict)

    def span(self, path: Path) -> Span | None:
        """The span of the value at `path`, else of the nearest enclosing one."""
        while path and path not in self.spans:
            path = path[:-1]
        return self.spans.get(path)

    def key_span(self, path: Path) -> Span | None:
        """The span of the key that leads to `path`, else of the value."""
        return self.keys.get(path) or self.span(path)

    def copy_spans(self, other: "Source", path: Path) -> None:
        """Takes over from `other` the spans of everything at and below `path`."""
        for mine, theirs in ((self.spans, other.spans), (self.keys, other.keys)):
            for old in [p for p in mine if p[: len(path)] == path]:
                del mine[old]
            mine.update({p: s for p, s in theirs.items() if p[: len(path)] == path})


class _Refused(Exception):
    """Parsing cannot go on; the diagnostic is in the sink."""


def read_text(path: str, limits: Limits, sink: Sink) -> str | None:
    """The text of a file; raises UsageError if there is no such file or it can't be opened."""
    if os.path.isdir(path):
        raise UsageError(f"{path} is a directory, not a spec")
    try:
        with open(path, "rb") as file:
            raw = file.read(limits.document_bytes + 1)
    except FileNotFoundError:
        raise UsageError(f"no file {path}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {getattr(error, 'strerror', error)}") from None
    start = Span(path, 1, 1, 1, 1)
    if len(raw) > limits.document_bytes:
        sink.error(
            "E0106",
            f"the file is larger than {limits.document_bytes:,} bytes",
            start,
            help="--limit document_bytes=N allows more",
        )
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        place = Span(path, line, 1, line, 1)
        sink.error("E0102", f"the file is not UTF-8 text: byte {raw[error.start]:#04x}", place)
        return None


def parse(text: str, name: str, sink: Sink, limits: Limits | None = None) -> Source | None:
    """Plain data with spans, or None with the reasons in `sink`."""
    source = Source(name, text, None)
    composer = _Composer(source, sink, limits or Limits())
    try:
        source.data = composer.document()
    except _Refused:
        return None
    except yaml.YAMLError as error:
        _report_syntax(error, text, name, sink)
        return None
    except (UnicodeError, ValueError) as error:
        sink.error("E0103", f"the file is not YAML: {error}", Span(name, 1, 1, 1, 1))
        return None
    return source


class _Composer:
    def __init__(self, source: Source, sink: Sink, limits: Limits) -> None:
        self.source, self.sink, self.limits = source, sink, limits
        self.events: Iterator[Any] = yaml.parse(source.text, Loader=_Loader)
        self.anchors: dict[str, tuple[Path, int, Any]] = {}
        self.values = 0

    def document(self) -> Any:
        name = self.source.name
        event = next(self.events)
        while not isinstance(event, yaml.DocumentStartEvent):
            if isinstance(event, yaml.StreamEndEvent):
                self.refuse("E0104", "the file is empty", Span(name, 1, 1, 1, 1))
            event = next(self.events)
        data = self.value(next(self.events), ())
        next(self.events)
        after = next(self.events)
        if not isinstance(after, yaml.StreamEndEvent):
            self.refuse("E0104", "a second document in one file", self.span(after))
        return data

    def value(self, event: Any, path: Path) -> Any:
        span = self.span(event)
        self.values += 1
        if self.values > self.limits.values:
            self.refuse("E0106", f"more than {self.limits.values:,} values", span, "values")
        if len(path) > self.limits.nesting:
            self.refuse(
                "E0106", f"nested deeper than {self.limits.nesting} levels", span, "nesting"
            )
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event.anchor, path, span)
        if event.tag is not None and event.tag not in _CORE_TAGS and event.tag != "!":
            self.refuse("E0107", f"a spec may not use the tag {event.tag}", span)
        before = self.values
        result: Any
        if isinstance(event, yaml.ScalarEvent):
            result = self.scalar(event, path)
        elif isinstance(event, yaml.SequenceStartEvent):
            result = []
            self.source.spans[path] = span
            while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
                result.append(self.value(event, (*path, len(result))))
            self.close(path, event)
        else:
            result = self.mapping(path, span)
        if getattr(event, "anchor", None):
            self.anchors[event.anchor] = (path, self.values - before + 1, result)
        return result

    def mapping(self, path: Path, span: Span) -> dict[str, Any]:
        result: dict[str, Any] = {}
        self.source.spans[path] = span
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            where = self.span(event)
            if not isinstance(event, yaml.ScalarEvent):
                self.refuse("E0107", "a key must be a plain name", where)
            key = event.value
            if key == "<<" and event.implicit[0]:
                self.refuse("E0107", "a spec may not use merge keys (`<<`)", where)
            there = (*path, key)
            if key in result:
                first = self.source.keys[there]
                self.sink.error(
                    "E0105",
                    f"`{key}` stands here twice",
                    where,
                    labels=[Label(first, "first here")],
                    help="keep one of the two",
                )
                there = (*path, f"{key} (again)")
            self.source.keys[there] = where
            value = self.value(next(self.events), there)
            result.setdefault(key, value)
        self.close(path, event)
        return result

    def scalar(self, event: Any, path: Path) -> Any:
        span = self.span(event)
        text = event.value
        if event.style in ("'", '"') and span.line == span.end_line:
            span = Span(span.file, span.line, span.column + 1, span.line, span.end_column - 1)
        self.source.spans[path] = span
        if event.tag == "tag:yaml.org,2002:str" or not event.implicit[0]:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INT.fullmatch(text):
            if len(text) > 40:
                self.refuse("E0106", "a number of more than 40 digits", span)
            return int(text, 0 if text[:2] in ("0o", "0x") else 10)
        if _FLOAT.fullmatch(text):
            return float(text)
        return text

    def alias(self, anchor: str, path: Path, span: Span) -> Any:
        if anchor not in self.anchors:
            self.refuse("E0103", f"the alias *{anchor} has no finished anchor before it", span)
        origin, size, value = self.anchors[anchor]
        self.values += size
        if self.values > self.limits.values:
            self.refuse(
                "E0106",
                f"aliases expand to more than {self.limits.values:,} values",
                span,
                "values",
            )
        self.copy_places(value, origin, path)
        return value

    def copy_places(self, value: Any, origin: Path, path: Path) -> None:
        self.source.spans[path] = self.source.spans[origin]
        if len(path) > self.limits.nesting:
            span = self.source.spans[path]
            self.refuse(
                "E0106", f"nested deeper than {self.limits.nesting} levels", span, "nesting"
            )
        if isinstance(value, dict):
            for key, child in value.items():
                self.source.keys[*path, key] = self.source.keys[*origin, key]
                self.copy_places(child, (*origin, key), (*path, key))
        elif isinstance(value, list):
            for index, child in enumerate(value):
                self.copy_places(child, (*origin, index), (*path, index))

    def close(self, path: Path, event: Any) -> None:
        start, end = self.source.spans[path], event.end_mark
        if end.column == 0 and end.line + 1 > start.line:  # a block ends before the next line
            return
        self.source.spans[path] = Span(
            start.file, start.line, start.column, end.line + 1, end.column + 1
        )

    def span(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        return Span(
            self.source.name, start.line + 1, start.column + 1, end.line + 1, end.column + 1
        )

    def refuse(self, code: str, message: str, span: Span, limit: str = "") -> NoReturn:
        help = f"--limit {limit}=N allows more" if limit else ""
        self.sink.error(code, message, span, help=help)
        raise _Refused


def _report_syntax(error: yaml.YAMLError, text: str, name: str, sink: Sink) -> None:
    """One diagnostic for a YAML error, with the usual suspects named."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    problem = getattr(error, "problem", None) or "unreadable character"
    lines = text.splitlines() or [""]
    here = lines[line - 1] if line <= len(lines) else ""
    help = ""
    if "\t" in here[: len(here) - len(here.lstrip())] or "'\\t'" in problem:
        help = "indent with spaces: YAML does not allow tabs"
    elif re.search(r"[\[{]", text) and ("flow" in problem or "expected ','" in problem):
        help = "a bracket is not closed, or a comma is missing before this"
    elif re.search(r"\w:[^\s/]", here):
        help = "put a space after the colon"
    labels = []
    context = getattr(error, "context_mark", None)
    if context is not None and context.line + 1 != line:
        place = Span(
            name, context.line + 1, context.column + 1, context.line + 1, context.column + 2
        )
        labels.append(Label(place, getattr(error, "context", "") or "begun here"))
    span = Span(name, line, column, line, column + 1)
    sink.error("E0103", f"the file is not YAML: {problem}", span, labels=labels, help=help)
