"""One version of one spec as an editor has it: its text, what was read of it, what is where."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate

from archdsl.api.reading import Reading, read
from archdsl.diagnostics.diagnostic import Diagnostic, Span
from archdsl.diagnostics.sink import Sink, in_order
from archdsl.editor.marks import Mark, marks_of
from archdsl.graph.graph import Graph
from archdsl.language.loader import Loader
from archdsl.language.syntax import Document
from archdsl.lint.rules import DEFAULT
from archdsl.yaml.limits import Limits
from archdsl.yaml.source import Source, lines_of, parse

NETWORK = ("name", "input", "backbone", "extends")  # keys that no file of mere blocks has


@dataclass(frozen=True)
class View:
    """A spec, or a file of blocks, at one moment.

    `opened` are the texts of other files that the editor holds, by their real paths. Nothing is
    read before it is asked for, and each part once.
    """

    name: str
    text: str
    opened: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)

    @cached_property
    def lines(self) -> list[str]:
        return lines_of(self.text)

    @property
    def is_spec(self) -> bool:
        """Whether it is a spec at all, and no other YAML that an editor has open."""
        return any(line.startswith("archdsl") for line in self.lines)

    @property
    def source(self) -> Source | None:
        """This file alone as plain data, None where it is no YAML."""
        return self._parsed[0]

    @cached_property
    def _parsed(self) -> tuple[Source | None, Source | str]:
        """Its data, and what is read on: the data, or the text where that has mistakes to say."""
        sink = Sink()
        source = parse(self.text, self.name, sink, self.limits)
        return source, self.text if source is None or sink.diagnostics else source

    @cached_property
    def reading(self) -> Reading:
        """Its graph, its document and all that is wrong, with what it extends and imports."""
        data = self.source.data if self.source is not None else None
        if isinstance(data, dict) and "blocks" in data and not data.keys() & set(NETWORK):
            return self._blocks()
        said = self._parsed[1]
        return read(self.name, limits=self.limits, lints=DEFAULT, text=said, opened=self.opened)

    def _blocks(self) -> Reading:
        """What is wrong with a file that only others import."""
        loader = Loader(Sink(), self.limits, opened=self.opened)
        document = loader.library(self._parsed[1], self.name)
        found = in_order(loader.sink.diagnostics)
        return Reading(None, found, loader.sources, document)

    @property
    def document(self) -> Document | None:
        return self.reading.document

    @property
    def graph(self) -> Graph | None:
        return self.reading.graph

    @cached_property
    def marks(self) -> list[Mark]:
        """What stands in this file and means something, in the order of the file."""
        if self.document is None or self.source is None:
            return []
        return marks_of(self.document, self.name, self.source)

    def mark_at(self, line: int, column: int) -> Mark | None:
        """The smallest mark at a place; lines and columns count from 1."""
        around = [m for m in self.marks if contains(m.span, line, column)]
        return min(around, key=lambda m: extent(m.span), default=None)

    @cached_property
    def starts(self) -> list[int]:
        """The offsets in the text at which lines begin, and one of a line behind the last."""
        return [*accumulate((len(line) + 1 for line in self.lines), initial=0)]

    def place_of(self, found: Diagnostic) -> Span | None:
        """Where a diagnostic stands in this file; one of another file where that is named here."""
        places = (found.span, *(label.span for label in found.labels))
        return next((span for span in places if self.is_here(span)), None)

    def is_here(self, span: Span | None) -> bool:
        """Whether a place is in this file."""
        return span is not None and same_file(span.file, self.name)


def visible(span: Span, lines: Sequence[str]) -> Span:
    """What to mark of a span: of a point, which is all that is known of a block, its line."""
    if not span.is_point or span.line > len(lines):
        return span
    return replace(span, end_line=span.line, end_column=len(lines[span.line - 1]) + 1)


def contains(span: Span, line: int, column: int) -> bool:
    """Whether a place is in a span, or at its end."""
    start, end = (span.line, span.column), (span.end_line, span.end_column)
    return start <= (line, column) <= end


def extent(span: Span) -> tuple[int, int]:
    """How much a span covers: lines, then columns."""
    return span.end_line - span.line, span.end_column - span.column


def same_file(one: str, other: str) -> bool:
    return one == other or os.path.realpath(one) == os.path.realpath(other)
