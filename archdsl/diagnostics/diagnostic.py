"""What can be wrong with a spec, as values: a code, a message, a place, what to write instead."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


OPTIONS = ("--set ", "--scale ", "--replace ", "--output-stride ", "--input ")  # with a value


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
        return self.file.startswith(OPTIONS)

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
