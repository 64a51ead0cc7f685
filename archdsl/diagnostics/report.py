"""Diagnostics to text: with the source lines and a caret, or in one line each."""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from archdsl.diagnostics.diagnostic import Diagnostic, Span
from archdsl.diagnostics.errors import SpecError
from archdsl.diagnostics.sink import Sink, in_order
from archdsl.diagnostics.text import counted

WIDTH = 100  # characters that are shown of a longer source line
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # as YAML counts lines
_CUT = "..."
_TAB = "    "
_STYLES = {"error": "1;31", "warning": "1;33", "aside": "1;34", "message": "1"}


class _Mark(NamedTuple):
    """A place to underline: the diagnostic's own, or that of one of its labels."""

    span: Span
    text: str
    primary: bool


def full(diagnostics: Sequence[Diagnostic], sources: Mapping[str, str], color: bool = False) -> str:
    """Every diagnostic with the lines it is about, and how many there are.

    `sources` maps the names of files to their texts; `color` adds the escape codes of terminals.
    """
    page = _Page(sources, color)
    blocks = ["\n".join(page.block(diagnostic)) for diagnostic in diagnostics]
    if len(blocks) > 1 or any("\n" in block for block in blocks):
        blocks.append(count(diagnostics))
    return "\n\n".join(blocks) + "\n" if blocks else ""


def concise(
    diagnostics: Sequence[Diagnostic], sources: Mapping[str, str], color: bool = False
) -> str:
    """A line each: `resnet50.yaml:12:5: E0205 unknown verb`."""
    lines = []
    for d in diagnostics:
        where = f"{place(d.span)}: " if d.span else ""
        lines.append(f"{where}{d.code} {printable(d.message)}\n")
    return "".join(lines)


def failure(sink: Sink, sources: Mapping[str, str]) -> SpecError:
    """The error that has everything in a sink, and shows it."""
    found = in_order(sink.diagnostics)
    return SpecError(found, full(found, sources))


def count(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors and 1 warning in 1 file`."""
    diagnostics = list(diagnostics)
    errors = sum(d.severity == "error" for d in diagnostics)
    kinds = ((errors, "error"), (len(diagnostics) - errors, "warning"))
    files = {d.span.file for d in diagnostics if d.span}
    where = f" in {counted(len(files), 'file')}" if files else ""
    return " and ".join(counted(number, noun) for number, noun in kinds if number) + where


def printable(text: str) -> str:
    """The text in one line, without characters that would act on a terminal."""
    return "".join(
        "\ufffd" if unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp") else letter
        for letter in text.replace("\n", " ").replace("\t", _TAB)
    )


def place(span: Span) -> str:
    """`specs/resnet50.yaml:12:5`."""
    return f"{file_name(span.file)}:{span.line}:{span.column}"


def file_name(name: str) -> str:
    """A path relative to the working directory if it lies below it; any other name as it is."""
    if os.path.isabs(name):
        relative = os.path.relpath(name)
        name = name if relative.startswith(os.pardir) else relative
    return printable(name)


class _Page:
    """What the blocks of a report share: the lines of the files, and whether there is colour."""

    def __init__(self, sources: Mapping[str, str], color: bool) -> None:
        self.sources, self.color = sources, color
        self.lines: dict[str, list[str]] = {}

    def block(self, d: Diagnostic) -> Iterator[str]:
        """The lines of one diagnostic; a single one where there is no source to show."""
        title = self.paint(f"{d.severity}[{d.code}]", d.severity)
        message = self.paint(f": {printable(d.message)}", "message")
        marks = [_Mark(d.span, "", True)] if d.span else []
        marks += [_Mark(label.span, label.text, False) for label in d.labels]
        if not any(self.line(mark.span).strip() for mark in marks):
            yield (f"{place(d.span)}: " if d.span else "") + title + message
            gutter = ""
        else:
            yield title + message
            gutter = " " * max(len(str(mark.span.line)) for mark in marks)
            yield from self.excerpts(marks, gutter)
        if d.help and gutter:
            yield self.paint(f"{gutter} |", "aside")
        if d.help:
            yield self.paint(f"{gutter} = ", "aside") + f"help: {printable(d.help)}"

    def excerpts(self, marks: Sequence[_Mark], gutter: str) -> Iterator[str]:
        """The marked lines, file by file in the order of the marks."""
        files = list(dict.fromkeys(mark.span.file for mark in marks))
        bar = self.paint(f"{gutter} |", "aside")
        for file in files:
            here = [mark for mark in marks if mark.span.file == file]
            arrow = "-->" if here[0].primary else ":::"
            yield self.paint(f"{gutter}{arrow} ", "aside") + place(here[0].span)
            yield bar
            yield from self.marked_lines(sorted(here, key=_reading_order), gutter)

    def marked_lines(self, marks: Sequence[_Mark], gutter: str) -> Iterator[str]:
        """Every marked line once, with its underlines; a long one again for every underline."""
        previous = 0
        for number, here in groupby(marks, key=lambda mark: mark.span.line):
            if previous and number > previous + 1:
                yield self.paint(_CUT, "aside")
            previous, before = number, None
            for mark in here:
                text, start, length = _excerpt(self.line(mark.span), mark.span)
                if text != before:
                    yield self.paint(f"{number:>{len(gutter)}} | ", "aside") + text
                before = text
                underline = f"{('^' if mark.primary else '-') * length} {printable(mark.text)}"
                style = "error" if mark.primary else "aside"
                bar = self.paint(f"{gutter} | ", "aside")
                yield bar + " " * start + self.paint(underline.rstrip(), style)

    def line(self, span: Span) -> str:
        """The line in which a span starts, or nothing if it isn't known."""
        if span.file not in self.lines:
            self.lines[span.file] = _LINE_BREAK.split(self.sources.get(span.file, ""))
        lines = self.lines[span.file]
        return lines[span.line - 1] if span.line <= len(lines) else ""

    def paint(self, text: str, style: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.color else text


def _reading_order(mark: _Mark) -> tuple[int, bool, int]:
    return mark.span.line, not mark.primary, mark.span.column


def _excerpt(line: str, span: Span) -> tuple[str, int, int]:
    """The line as shown, cut if it is long; where the underline starts, how long it is."""
    first = min(span.column - 1, len(line))
    last = span.end_column - 1 if span.end_line == span.line else len(line.rstrip())
    begin = max(0, min(first - WIDTH // 3, len(line) - WIDTH))
    end = min(begin + WIDTH, len(line))
    before, after = _CUT if begin else "", _CUT if end < len(line) else ""
    start = len(before) + _columns(line[begin:first])
    length = max(1, _columns(line[first : min(last, end)]))
    return before + printable(line[begin:end]) + after, start, length


def _columns(text: str) -> int:
    """How many columns a terminal needs for it."""
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in printable(text)
    )
