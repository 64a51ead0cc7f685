"""Text to plain data and the place of every value; the only file that imports yaml.

Scalars follow the YAML 1.2 core schema. The document is read as a stream of events, so that
nothing is built (and no alias expanded) past the limits, whatever the file holds.
"""

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, NamedTuple, NoReturn

import yaml

from archdsl.diagnostics.diagnostic import Label, Span
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.sink import Sink
from archdsl.yaml.limits import Limits
from archdsl.yaml.syntax_errors import Mark, Stop, suspect

Path = tuple[str | int, ...]

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # as YAML counts lines
DIGITS = 40  # of a number
_TEXT = 100  # characters, which take the time of a value: an alias stands for all of them
_PIECES = 16  # into which commas may have cut one expression
_DEEPEST = 1000  # levels that libyaml reads, since PyYAML 6.0.4
_ALLOW_DEPTH = "--limit nesting=N allows more"
_TEXT_TAGS = ("!", "tag:yaml.org,2002:str")


@dataclass(slots=True, eq=False, repr=False)
class Source:
    """A parsed file: plain data, and for every path into it the spans of the value and its key.

    `bases` are the files that it extends, the nearest first.
    """

    name: str
    text: str
    data: Any
    spans: dict[Path, Span] = field(default_factory=dict)
    keys: dict[Path, Span] = field(default_factory=dict)
    values: int = 0  # aliases expanded
    bases: tuple[str, ...] = ()

    def span(self, path: Path) -> Span | None:
        """The span of the value at `path`, else of the nearest enclosing one."""
        while path and path not in self.spans:
            path = path[:-1]
        return self.spans.get(path)

    def __repr__(self) -> str:
        return f"Source({self.name!r})"

    def at(self, *path: str | int) -> "Place":
        return Place(self, path)


class Place(NamedTuple):
    """A path into a source: where a value stands, for messages about it."""

    source: Source
    path: Path

    def __truediv__(self, step: str | int) -> "Place":
        return Place(self.source, (*self.path, step))

    @property
    def data(self) -> Any:
        """The value itself."""
        value = self.source.data
        for step in self.path:
            value = value[step]
        return value

    @property
    def span(self) -> Span | None:
        """The span of the value, else of the nearest enclosing one."""
        return self.source.span(self.path)

    @property
    def written(self) -> Span | None:
        """The span of the value, of its key where there is none."""
        span = self.span
        empty = span is not None and (span.line, span.column) == (span.end_line, span.end_column)
        return self.key if empty else span

    @property
    def key(self) -> Span | None:
        """The span of the key that leads to the value, else of the value."""
        return self.source.keys.get(self.path) or self.span


def lines_of(text: str) -> list[str]:
    """The lines of a text, as YAML counts them."""
    return _LINE_BREAK.split(text)


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
    return decoded(raw, path, limits, sink)


def decoded(raw: bytes, name: str, limits: Limits, sink: Sink) -> str | None:
    """The text that bytes are, or None with the reason in `sink`."""
    if len(raw) > limits.document_bytes:
        message = f"the file is larger than {limits.document_bytes:,} bytes"
        help = "--limit document_bytes=N allows more"
        sink.error("E0106", message, Span(name, 1, 1, 1, 1), help=help)
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        before = raw[raw.rfind(b"\n", 0, error.start) + 1 : error.start]
        column = len(before.decode("utf-8-sig")) + 1
        message = f"the file is not UTF-8 text: byte {raw[error.start]:#04x}"
        span = Span(name, line, column, line, column + 1)
        sink.error("E0102", message, span, help="save it as UTF-8")
        return None


def parse(
    text: str, name: str, sink: Sink, limits: Limits | None = None, before: int = 0
) -> Source | None:
    """Plain data with spans, or None with the reasons in `sink`.

    `before` is the number of values in other files of the spec, which count for the limit.
    """
    source = Source(name, text, None)
    try:
        composer = _Composer(source, sink, limits or Limits(), before)
        source.data, source.values = composer.document(), composer.values - before
    except _Refused:
        return None
    except yaml.YAMLError as error:
        if "nesting depth" in str(error):
            _report_depth(source, sink, limits or Limits())
        else:
            _report_syntax(error, text, name, sink)
        return None
    except RecursionError:
        _report_depth(source, sink, Limits(nesting=_DEEPEST))
        return None
    except (UnicodeError, ValueError) as error:
        sink.error("E0103", f"the file is not YAML: {error}", Span(name, 1, 1, 1, 1))
        return None
    return source


class _Refused(Exception):
    """Parsing cannot go on; the diagnostic is in the sink."""


class _Composer:
    """Builds the data from the events of the parser, and counts while it does."""

    def __init__(self, source: Source, sink: Sink, limits: Limits, before: int) -> None:
        self.source, self.sink, self.limits = source, sink, limits
        self.events: Iterator[Any] = yaml.parse(source.text, Loader=_Loader)
        self.anchors: dict[str, tuple[Path, int, Any]] = {}  # place, number of values, value
        self.before = self.values = before

    def document(self) -> Any:
        event = next(self.events)
        while not isinstance(event, yaml.DocumentStartEvent):
            if isinstance(event, yaml.StreamEndEvent):
                place = Span(self.source.name, 1, 1, 1, 1)
                help = "a spec begins with `archdsl: 1`"
                self.refuse("E0104", "the file is empty", place, help)
            event = next(self.events)
        data = self.value(next(self.events), ())
        next(self.events)
        after = next(self.events)
        if not isinstance(after, yaml.StreamEndEvent):
            help = "one file is one spec: put the rest into a file of its own"
            self.refuse("E0104", "a second document in one file", self.span(after), help)
        return data

    def value(self, event: Any, path: Path) -> Any:
        span = self.span(event)
        self.count(1, span)
        self.check_nesting(path, span)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(str(event.anchor), path, span)
        if event.tag is not None and event.tag not in _TEXT_TAGS:
            help = "other files come in by `extends` and `import`; quotes make a text of anything"
            self.refuse("E0107", f"a spec may not use the tag `{event.tag}`", span, help)
        before = self.values
        self.source.spans[path] = span
        if isinstance(event, yaml.ScalarEvent):
            result = self.scalar(event, path)
        elif isinstance(event, yaml.SequenceStartEvent):
            result = self.sequence(event, path)
        else:
            result = self.mapping(event, path)
        if event.anchor:
            self.anchors[event.anchor] = (path, self.values - before + 1, result)
        return result

    def sequence(self, start: Any, path: Path) -> list[Any]:
        result: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            result.append(self.value(event, (*path, len(result))))
        self.close(path, event)
        return self.mend_list(result, path) if start.flow_style else result

    def mapping(self, start: Any, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            where = self.span(event)
            if not isinstance(event, yaml.ScalarEvent):
                braces = isinstance(event, yaml.MappingStartEvent)
                help = "an expression has no braces" if braces else "write one key for each"
                self.refuse("E0107", "a key must be a plain name", where, help)
            key = event.value
            if not key:
                help = f"`&{event.anchor}` stands before a value, behind the key and its colon"
                help = help if event.anchor else "give it a name, before the colon"
                self.refuse("E0107", "a key without a name", where, help)
            if key == "<<" and event.implicit[0]:
                help = "what several items share goes into `defaults`, or into a block"
                self.refuse("E0107", "a spec may not use merge keys (`<<`)", where, help)
            there = (*path, key)
            if key in result:
                first = [Label(self.source.keys[there], "first here")]
                message, help = f"`{key}` stands here twice", "keep one of the two"
                self.sink.error("E0105", message, where, labels=first, help=help)
                there = (*path, f"{key} (again)")
            self.source.keys[there] = where
            value = self.value(next(self.events), there)
            result.setdefault(key, value)
        self.close(path, event)
        return self.mend_mapping(result, path) if start.flow_style else result

    def scalar(self, event: Any, path: Path) -> Any:
        text, span = event.value, self.source.spans[path]
        self.count(len(text) // _TEXT, span)
        if event.tag is not None or not event.implicit[0]:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INT.fullmatch(text):
            if len(text) > DIGITS:
                self.refuse("E0106", f"a number of more than {DIGITS} digits", span)
            return int(text, 0 if text[:2] in ("0o", "0x") else 10)
        finite = _FLOAT.fullmatch(text)
        if not finite and not _INFINITE.fullmatch(text):
            return text
        number = float(text if finite else text.replace(".", ""))
        if not math.isfinite(number):
            self.refuse("E0203", f"expected a number, not {number}", span)
        return number

    def alias(self, anchor: str, path: Path, span: Span) -> Any:
        if anchor not in self.anchors:
            message = f"the alias `*{anchor}` has no anchor `&{anchor}` before it"
            self.refuse("E0103", message, span, f"a parameter is written `{anchor}`, without `*`")
        origin, size, value = self.anchors[anchor]
        self.count(size - 1, span)  # one is counted for the alias
        self.copy_places(value, origin, path)
        return value

    def copy_places(self, value: Any, origin: Path, path: Path) -> None:
        span = self.source.spans[path] = self.source.spans[origin]
        self.check_nesting(path, span)
        if isinstance(value, dict):
            for key, child in value.items():
                self.source.keys[*path, key] = self.source.keys[*origin, key]
                self.copy_places(child, (*origin, key), (*path, key))
        elif isinstance(value, list):
            for index, child in enumerate(value):
                self.copy_places(child, (*origin, index), (*path, index))

    # what YAML takes apart at a comma: `{out: max(1, C)}` is `out: max(1` and a key `C)`

    def mend_mapping(self, data: dict[str, Any], path: Path) -> dict[str, Any]:
        keys, mended = list(data), dict(data)
        for start, key in enumerate(keys):
            if not _opens(data[key]):
                continue
            rest = keys[start + 1 : start + _PIECES]
            pieces = [data[key], *takewhile(lambda name: data[name] is None, rest)]
            length = _closing(pieces)
            if length:
                last = self.source.keys[*path, keys[start + length - 1]]
                mended[key] = self.mend((*path, key), pieces[:length], last, f"{key}: ")
                for piece in pieces[1:length]:
                    del mended[piece]
        return mended

    def mend_list(self, data: list[Any], path: Path) -> list[Any]:
        mended: list[Any] = []
        start = 0
        while start < len(data):
            here, there = (*path, start), (*path, len(mended))
            value, length = data[start], 0
            if _opens(value):
                length = _closing(data[start : start + _PIECES])
            if length:
                last = self.source.spans[*path, start + length - 1]
                value = self.mend(here, data[start : start + length], last, "")
            if here != there:
                self.copy_places(value, here, there)
            mended.append(value)
            start += length or 1
        return mended

    def mend(self, path: Path, pieces: list[Any], last: Span, before: str) -> Any:
        """The whole text, reported as what needs quotes, or brackets if it is Python's tuple."""
        first = self.source.spans[path]
        span = Span(first.file, first.line, first.column, last.end_line, last.end_column)
        text = ", ".join(map(str, pieces))
        if span.line == span.end_line:
            line = lines_of(self.source.text)[span.line - 1]
            text = line[span.column - 1 : span.end_column - 1]
        self.source.spans[path] = span
        message = "YAML ends a value at a comma inside {...} and [...]"
        numbers = re.fullmatch(r"\(([\d\s,]+)\)", text)
        if numbers:
            help = f"a list has square brackets: {before}[{numbers[1]}]"
            self.sink.error("E0108", message, span, help=help)
            return [int(number) for number in re.findall(r"\d{1,9}", text)]
        self.sink.error("E0108", message, span, help=f'put it in quotes: {before}"{text}"')
        return text

    # limits and places

    def count(self, number: int, span: Span) -> None:
        self.values += number
        if self.values > self.limits.values:
            where = "all files together, " if self.before else ""
            message = f"more than {self.limits.values:,} values, {where}aliases expanded"
            self.refuse("E0106", message, span, "--limit values=N allows more")

    def check_nesting(self, path: Path, span: Span) -> None:
        if len(path) > self.limits.nesting:
            message = f"nested deeper than {self.limits.nesting} levels"
            self.refuse("E0106", message, span, _ALLOW_DEPTH)

    def close(self, path: Path, event: Any) -> None:
        """Extends the span of a list or mapping to its end."""
        start, end = self.source.spans[path], event.end_mark
        if end.column == 0 and end.line + 1 > start.line:  # a block ends before the next line
            return
        self.source.spans[path] = Span(
            start.file, start.line, start.column, end.line + 1, end.column + 1
        )

    def span(self, event: Any) -> Span:
        """The place of an event; that of quoted text is between the quotes."""
        start, end = event.start_mark, event.end_mark
        quote = int(getattr(event, "style", None) in ("'", '"') and start.line == end.line)
        begin = start.line + 1, start.column + 1 + quote
        return Span(self.source.name, *begin, end.line + 1, end.column + 1 - quote)

    def refuse(self, code: str, message: str, span: Span, help: str = "") -> NoReturn:
        self.sink.error(code, message, span, help=help)
        raise _Refused


def _opens(value: Any) -> bool:
    return isinstance(value, str) and value.count("(") > value.count(")")


def _closing(pieces: list[Any]) -> int:
    """How many pieces it takes until the parentheses that the first one opens are closed, or 0."""
    depth = 0
    for length, piece in enumerate(pieces, 1):
        if isinstance(piece, list | dict):
            return 0
        depth += str(piece).count("(") - str(piece).count(")")
        if depth <= 0:
            return length
    return 0


def _report_depth(source: Source, sink: Sink, limits: Limits) -> None:
    """One diagnostic for a text that YAML's reader, or Python, cannot follow so deep."""
    message, help = "the file is nested deeper than this machine can follow", ""
    if limits.nesting < _DEEPEST:
        message, help = f"nested deeper than {limits.nesting} levels", _ALLOW_DEPTH
    sink.error("E0106", message, Span(source.name, 1, 1, 1, 1), help=help)


def _report_syntax(error: yaml.YAMLError, text: str, name: str, sink: Sink) -> None:
    """One diagnostic for a YAML error, with the usual suspects named."""
    lines = lines_of(text)
    while len(lines) > 1 and not lines[-1].split("#")[0].strip():
        lines.pop()  # comments and blank lines at the end are not where anything went wrong
    found = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    context = getattr(error, "context_mark", None)
    at = Mark(found.line, found.column) if found else Mark(0, 0)
    if isinstance(error, yaml.reader.ReaderError):
        at = Mark(text.count("\n", 0, error.position), 0)
    if at.line >= len(lines):  # the end of the file; show where the text ends
        at = Mark(len(lines) - 1, len(lines[-1]))
    begun = Mark(context.line, context.column) if context else None
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", "unreadable"))
    reason = suspect(Stop(problem, at, begun, lines))
    labels = [Label(_span(name, reason.second), reason.label)] if reason.second else []
    span = _span(name, reason.at, reason.length)
    sink.error("E0103", reason.message, span, labels=labels, help=reason.help)


def _span(name: str, mark: Mark, length: int = 1) -> Span:
    line, column = mark.line + 1, mark.column + 1
    return Span(name, line, column, line, column + length)
