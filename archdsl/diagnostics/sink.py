"""Collects the diagnostics of a run."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from archdsl.diagnostics.diagnostic import Diagnostic, Label, Severity, Span


class TooMany(Exception):
    """More is wrong with a spec than is reported; the last diagnostic in the sink says so."""


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


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """By place in the file, so that a reader goes through the spec once."""
    return sorted(
        diagnostics,
        key=lambda d: (d.span.file, d.span.line, d.span.column) if d.span else ("", 0, 0),
    )
