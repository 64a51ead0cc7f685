"""What can be wrong with a spec, as values: a code, a message, a place, what to write instead."""

import difflib
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from archdsl.vocabulary import OTHER_WORDS, plain

Severity = Literal["error", "warning"]

CODES = {
    "E0102": "the file is not text",
    "E0103": "the file is not YAML",
    "E0104": "the document is not a spec",
    "E0105": "the same key twice",
    "E0106": "a limit is reached",
    "E0107": "YAML that a spec may not use",
    "E0108": "a comma that needs quotes",
    "E0201": "unknown key",
    "E0202": "missing key",
    "E0203": "wrong type of value",
    "E0204": "an item without a verb, or with two",
    "E0205": "unknown verb",
    "E0206": "unknown argument",
    "E0207": "missing argument",
    "E0208": "a name that cannot be used",
    "E0209": "unknown language version",
    "E0210": "another spec cannot be used",
    "E0211": "a block that contains itself",
    "E0212": "columns that do not fit",
    "E0301": "an expression that cannot be read",
    "E0302": "unknown name in an expression",
    "E0303": "an expression that has no value",
    "E0304": "not a whole number",
    "E0305": "a value out of range",
    "E0401": "two things with one path",
    "E0402": "unknown reference",
    "E0403": "a result that nothing uses",
    "E0404": "the wrong number of inputs",
    "E0501": "shapes that do not fit together",
    "E0502": "an operation that does not fit its input",
    "E0503": "shared weights that do not fit",
    "E0601": "not what the spec expects",
    "W0101": "compound scaling far from doubling",
    "W0102": "a bias before batch norm",
    "W0103": "a parameter that nothing uses",
    "W0104": "a block that nothing uses",
    "W0105": "a tap that nothing uses",
    "W0106": "a stride that skips pixels",
    "W0107": "a width that is no multiple of 8",
    "W0108": "a kernel larger than its map",
    "W0109": "an input whose axes seem to stand in another order",
}


MANY = 2_000  # names, in which to look for a near one would take long
_PLAIN = re.compile(r"[\w$.][^,:#\[\]{}\"'&*!|>%@`]*")  # text that needs no quotes anywhere


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in a file; lines and columns count from 1, the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def part(self, offset: int, length: int) -> "Span":
        """The characters `offset` to `offset + length` of a span that lies on one line."""
        if self.line != self.end_line:
            return self
        start = min(self.column + offset, self.end_column)
        return Span(
            self.file, self.line, start, self.line, min(start + length, max(self.end_column, start))
        )

    @property
    def is_point(self) -> bool:
        """Whether it is one place and no stretch: all that is known of a block of YAML."""
        return self.line == self.end_line and self.column >= self.end_column - 1

    @property
    def in_option(self) -> bool:
        """Whether it is in the value of an option of the command line."""
        return self.file.startswith(("--set ", "--scale "))

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Label:
    """A second place that explains the first."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing wrong: `message` is one terse sentence, `help` what to write instead."""

    code: str
    message: str
    span: Span | None = None
    labels: tuple[Label, ...] = ()
    help: str = ""
    severity: Severity = "error"


class SpecError(Exception):
    """A spec is wrong; `diagnostics` says every way in which it is, `report` shows them."""

    def __init__(self, diagnostics: Iterable[Diagnostic], report: str = "") -> None:
        self.diagnostics, self.report = tuple(diagnostics), report
        super().__init__(self.diagnostics, report)

    def __str__(self) -> str:
        return self.report or "\n".join(
            f"{d.span}: {d.code} {d.message}" if d.span else f"{d.code} {d.message}"
            for d in self.diagnostics
        )


class TooMany(Exception):
    """More is wrong with a spec than is reported; the last diagnostic in the sink says so."""


class UsageError(Exception):
    """The call is wrong (a missing file, an unknown `--set` name), whatever the spec says."""


class CheckpointError(UsageError):
    """A file of weights does not fit a module; the message lists every kind of difference."""


@dataclass
class Sink:
    """Collects the diagnostics of one run; the same complaint about the same place counts once."""

    diagnostics: list[Diagnostic] = field(default_factory=list)
    context: tuple[tuple[Span, str | Callable[[], str]], ...] = ()
    extended: dict[str, Label] = field(default_factory=dict)  # files, and where each is extended
    library: str = ""  # the folder of blocks that are no user's to change
    most: int = sys.maxsize  # diagnostics, before it gives up
    _seen: set[tuple[str, Span | None, str]] = field(default_factory=set)

    def error(
        self,
        code: str,
        message: str,
        span: Span | None,
        *,
        labels: Iterable[Label] = (),
        help: str = "",
        severity: Severity = "error",
    ) -> None:
        """Adds a diagnostic, with the labels of the surrounding `within`.

        Raises TooMany where there are enough.
        """
        labels, written = list(labels), span
        span = self.outside_library(span)
        where = (code, span, "" if self.context and span == written else message)
        if where in self._seen:
            return
        self._seen.add(where)
        if written is not None and written != span:
            labels.append(Label(written, "here, in the library"))
        context = [(place, text) for place, text in self.context if place != written]
        labels += [
            Label(place, text if isinstance(text, str) else text()) for place, text in context
        ]
        places = [span, *(label.span for label in labels)]
        labels += [label for place in places for label in self._extensions(place)]
        unique = tuple(dict.fromkeys(labels))
        self.diagnostics.append(Diagnostic(code, message, span, unique, help, severity))
        if len(self.diagnostics) == self.most:
            message = f"{self.most:,} mistakes are found; the rest of the spec is not looked at"
            help = "--limit mistakes=N allows more"
            severity = "error" if self.failed else "warning"
            self.diagnostics.append(Diagnostic("E0106", message, span, (), help, severity))
            raise TooMany

    def outside_library(self, span: Span | None) -> Span | None:
        """The call of a block of the library, for a place in it."""
        places = (span, *(place for place, _ in self.context))
        return next((p for p in places if p is None or not self.in_library(p)), span)

    def in_library(self, span: Span) -> bool:
        return bool(self.library) and span.file.startswith(self.library)

    def _extensions(self, span: Span | None) -> Iterator[Label]:
        """Where the file of a span is extended, and the file that does it, and so on."""
        file = span.file if span is not None else ""
        while file in self.extended:
            yield self.extended[file]
            file = self.extended[file].span.file

    @contextmanager
    def within(self, span: Span | None, text: str | Callable[[], str]) -> Iterator[None]:
        """Everything reported inside carries the label (`in this call of bottleneck`).

        A text that takes time to make is given as a function, called only if there is need.
        """
        before = self.context
        if span is not None:
            self.context = ((span, text), *before)
        try:
            yield
        finally:
            self.context = before

    def fresh(self) -> "Sink":
        """A sink with nothing in it yet, for the same files."""
        return Sink(extended=self.extended, library=self.library, most=self.most)

    @property
    def failed(self) -> bool:
        return any(d.severity == "error" for d in self.diagnostics)

    def raise_if_failed(self) -> None:
        if self.failed:
            raise SpecError(in_order(self.diagnostics))


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """By place in the file, so that a reader goes through the spec once."""
    return sorted(
        diagnostics,
        key=lambda d: (d.span.file, d.span.line, d.span.column) if d.span else ("", 0, 0),
    )


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `name` was most likely meant to be, or None: also where there are so many
    that nobody wrote them by hand."""
    found = set(candidates)
    if len(found) > MANY:
        return name if name in found else None
    known = sorted(found)
    bare = {plain(candidate): candidate for candidate in reversed(known)}
    if plain(name) in bare:
        return bare[plain(name)]
    for word in OTHER_WORDS.get(plain(name), ()):
        if word in known:
            return word
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """A help line: the nearest candidate, else the short list of what there is."""
    known = sorted(set(candidates))
    close = nearest(name, known)
    if close is not None:
        return f"did you mean `{close}`?"
    if not known:
        return ""
    shown = known[:12]
    return "known: " + ", ".join(shown) + (", ..." if len(known) > len(shown) else "")


def one_line(text: str) -> str:
    """Free text in one line, without characters that act on a terminal or hide what follows."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def as_yaml(value: Any) -> str:
    """A value as one may write it in a spec, in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {as_yaml(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_yaml, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    needs_quotes = isinstance(value, str) and not _PLAIN.fullmatch(value)
    return json.dumps(value, ensure_ascii=False) if needs_quotes else str(value)


def counted(number: int, noun: str) -> str:
    """`1 input`, `2 inputs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
