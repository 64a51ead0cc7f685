"""One layout for specs: what they say and their comments stay, indents and spaces become regular.

ruamel.yaml reads and writes; what is decided here is how, and how the rows of tables stand.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.emitter import RoundTripEmitter
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.tag import Tag

from archdsl.diagnostics.diagnostic import Span
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.sink import Sink
from archdsl.yaml.source import Path, Place, Source, lines_of, parse

INDENT = 2
_NO_WIDTH = 1_000_000  # no line is broken: where lines end is the writer's choice
_START = re.compile(r"\A((?:[ \t]*(?:#.*)?\r?\n)*)---[ \t]*\r?\n")  # comments go before it
_NULLS = ("", "~", "null", "Null", "NULL")
_TEXT, _NULL = Tag(suffix="tag:yaml.org,2002:str"), Tag(suffix="tag:yaml.org,2002:null")


def formatted(source: Source) -> str:
    """The text of a source in the one layout; it says the same, and every comment is in it.

    `{...}` and `[...]` that span lines become blocks, the rows of tables get columns, `'` becomes
    `"`, several blank lines become one; the rest is indents and spaces. Raises UsageError for a
    comment that cannot be kept where it stands.
    """
    result = _read(_rewritten(source), source)
    result = _read(_in_columns(result), source)
    result = _read(_with_blank_lines(result, source), source)
    result = _read(_tidy(result), source)
    _check_comments(source, result)
    return result.text


# reading and writing


def _rewritten(source: Source) -> str:
    """The text as the library writes it."""
    yaml, lines = _yaml(), lines_of(source.text)
    written = StringIO()
    try:
        data = yaml.load(_START.sub(r"\1", source.text))
    except Exception as error:  # it stumbles, in many ways, over YAML that libyaml reads
        raise UsageError(f"cannot lay out {source.name}: {error}") from error
    try:
        broken = [path for path in source.spans if _is_broken_flow(source.at(*path), lines)]
        _check_no_comments(source, [source.spans[path] for path in broken])
        for path in broken:
            _part(data, path).fa.set_block_style()
        yaml.dump(data, written)
    except YAMLError as error:
        raise UsageError(f"cannot lay out {source.name}: {error}") from error
    return written.getvalue()


class _Emitter(RoundTripEmitter):
    """Indents lists under keys, and not lists in lists: `- - relu`. Prefers double quotes."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.in_list: dict[int, bool] = {}  # by depth: whether what is open is a list in a list

    def increase_indent(
        self, flow: bool = False, sequence: bool | None = None, indentless: bool = False
    ) -> None:
        depth = len(self.indents)
        super().increase_indent(flow, sequence, indentless)
        if self.in_list.get(depth) and self.indent is not None:
            self.indent -= INDENT
        self.in_list[depth + 1] = self.indents.seq_seq()

    def expect_block_sequence_item(self, first: bool = False) -> None:
        self.sequence_dash_offset = 0 if self.in_list[len(self.indents)] else INDENT
        super().expect_block_sequence_item(first)

    def choose_scalar_style(self) -> Any:
        style = super().choose_scalar_style()
        plain = not re.search(r'["\\\n]', self.event.value)
        return '"' if style == "'" and plain and self.event.tag != str(_NULL) else style


class _Resolver(VersionedResolver):
    """Takes every plain scalar for text, so that numbers are written as they were."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        if kind is ScalarNode:
            return _NULL if implicit[0] and value in _NULLS else _TEXT
        return super().resolve(kind, value, implicit)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.Emitter, yaml.Resolver = _Emitter, _Resolver
    yaml.preserve_quotes = True
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    yaml.width = _NO_WIDTH
    yaml.indent(mapping=INDENT, sequence=2 * INDENT, offset=INDENT)
    return yaml


def _read(text: str, original: Source) -> Source:
    """The text as a source, which must say what the original says."""
    source = parse(text, original.name, Sink())
    if source is None or source.data != original.data:
        raise UsageError(f"cannot lay out {original.name} without changing what it says")
    return source


def _is_broken_flow(place: Place, lines: list[str]) -> bool:
    """Whether a value is written in brackets, on several lines."""
    span = place.span
    if span is None or span.line == span.end_line or not isinstance(place.data, dict | list):
        return False
    return lines[span.line - 1][span.column - 1] in "{["


def _part(data: Any, path: Path) -> Any:
    for step in path:
        data = data[step]
    return data


# tables


def _in_columns(source: Source) -> str:
    """The text with the cells of tables in columns: numbers to the right, words to the left."""
    lines = lines_of(source.text)
    for path in source.spans:
        rows = source.at(*path).data
        if path[-2:] == ("for", "rows") and rows and all(isinstance(row, list) for row in rows):
            places = [source.at(*path, n) for n in range(len(rows))]
            apart = len({place.span and place.span.line for place in places}) == len(rows)
            if apart and len({len(row) for row in rows}) == 1 and all(map(_is_flow, places)):
                _align(lines, places)
    return "\n".join(lines)


def _is_flow(row: Place) -> bool:
    """Whether a row is written in brackets, every cell in its place."""
    return bool(row.data) and all(
        cell is not None and row.span is not None and cell.line == row.span.end_line
        for cell in ((row / n).span for n in range(len(row.data)))
    )


def _align(lines: list[str], rows: list[Place]) -> None:
    table = [[_cell(lines, row / n) for n in range(len(row.data))] for row in rows]
    numbers = [
        all(isinstance(row.data[n], int | float) for row in rows) for n in range(len(table[0]))
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row, cells in zip(rows, table, strict=True):
        assert row.span is not None
        line, start, end = row.span.line - 1, row.span.column - 1, row.span.end_column - 1
        comma = [", "] * (len(cells) - 1) + ["]"]
        padded = [
            f"{cell:>{width}}{after}" if number else f"{cell + after:{width + len(after)}}"
            for cell, after, width, number in zip(cells, comma, widths, numbers, strict=True)
        ]
        text, comment = lines[line][:start] + "[" + "".join(padded), lines[line][end:]
        if comment.strip():  # stays in its column if there is room
            column = len(lines[line]) - len(comment.lstrip())
            text = f"{text:{column - 1}} {comment.lstrip()}"
        lines[line] = text.rstrip()


def _cell(lines: list[str], place: Place) -> str:
    """The text of a cell, with its quotes."""
    span = place.source.spans[place.path]
    line = lines[span.line - 1]
    quote = int(line[span.column - 2] in "\"'")
    return line[span.column - 1 - quote : span.end_column - 1 + quote]


# lines


def _with_blank_lines(source: Source, original: Source) -> str:
    """The text with a blank line before all that had one: the library loses some."""
    apart = set(_apart(original))
    lines, starts = lines_of(source.text), {line: mark for mark, line in _marks(source).items()}
    inside = _lines_inside(source)
    kept: list[str] = []
    for n, line in enumerate(lines):
        if starts.get(n) in apart and n not in inside and kept and kept[-1].strip():
            kept.append("")
        kept.append(line)
    return "\n".join(kept)


def _apart(source: Source) -> Iterator[object]:
    """What begins the lines that follow blank ones."""
    lines, inside = lines_of(source.text), _lines_inside(source)
    for mark, n in _marks(source).items():
        if n and n not in inside and not lines[n - 1].strip():
            yield mark


def _marks(source: Source) -> dict[object, int]:
    """What begins a line, with the line: a key, a value, a comment (the n-th like it)."""
    first: dict[int, tuple[int, Path, bool]] = {}
    for spans, is_key in ((source.keys, True), (source.spans, False)):
        for path, span in spans.items():
            place = span.column, path, is_key
            first[span.line - 1] = min(place, first.get(span.line - 1, place))
    marks: dict[object, int] = {(path, is_key): n for n, (_, path, is_key) in first.items()}
    seen: Counter[str] = Counter()
    for line, text in _comments(source):
        if line - 1 not in first:
            marks[text, seen[text]] = line - 1
        seen[text] += 1
    return marks


def _tidy(source: Source) -> str:
    """The text without blank lines that follow others, comments indented as what they stand at."""
    lines = lines_of(source.text)
    kept: list[str] = []
    inside, before, after = _lines_inside(source), 0, _indents_behind(lines)
    for n, line in enumerate(lines):
        if n not in inside:
            line = line.rstrip()
            if not line and (not kept or not kept[-1]):
                continue
            if line.lstrip().startswith("#"):
                line = _indented(line, before, after[n])
        kept.append(line)
        before = _indent(line, before)
    return "\n".join(kept).rstrip("\n") + "\n"


def _lines_inside(source: Source) -> set[int]:
    """The lines in which a text goes on, where every character counts."""
    return {
        n
        for path, span in source.spans.items()
        if span.line != span.end_line and isinstance(source.at(*path).data, str)
        for n in range(span.line, span.end_line)
    }


def _indents_behind(lines: Sequence[str]) -> list[int]:
    """For every line, how far the next with something other than a comment is indented."""
    indents = [0]
    for line in lines[:0:-1]:
        indents.append(_indent(line, indents[-1]))
    return indents[::-1]


def _indent(line: str, otherwise: int) -> int:
    """How far a line with something other than a comment is indented."""
    text = line.lstrip()
    return len(line) - len(text) if text and not text.startswith("#") else otherwise


def _indented(comment: str, before: int, after: int) -> str:
    """A comment where it is, if something beside it is, else where what follows it is."""
    text = comment.lstrip()
    column = len(comment) - len(text)
    return " " * (column if column in (before, after) else after) + text


# comments


def _check_no_comments(source: Source, spans: Sequence[Span]) -> None:
    """Raises UsageError for a comment inside of brackets that are to become a block."""
    lines = {line for span in spans for line in range(span.line, span.end_line)}
    for line, text in _comments(source) if lines else ():
        if line in lines:
            place = f"{source.name}:{line}"
            raise UsageError(f"{place}: cannot keep the comment `{text}` inside brackets")


def _check_comments(before: Source, after: Source) -> None:
    """Raises UsageError for a comment that got lost."""
    kept = Counter(text for _, text in _comments(after))
    for line, text in _comments(before):
        kept[text] -= 1
        if kept[text] < 0:
            place = f"{before.name}:{line}"
            raise UsageError(f"{place}: cannot keep the comment `{text}` here; move it up or down")


def _comments(source: Source) -> Iterator[tuple[int, str]]:
    """The comments of a source, with their lines: what follows a `#` outside of texts and keys."""
    taken: dict[int, list[tuple[int, int]]] = {}
    for span in (*source.keys.values(), *_texts(source)):
        taken.setdefault(span.line, []).append((span.column, span.end_column))
    inside = _lines_inside(source)
    for n, line in enumerate(lines_of(source.text)):
        for match in re.finditer(r"(?<!\S)#", line) if n not in inside else ():
            column = match.start() + 1
            if not any(start <= column < end for start, end in taken.get(n + 1, ())):
                yield n + 1, line[match.start() :].rstrip()
                break


def _texts(source: Source) -> Iterator[Span]:
    """The places of quoted and plain texts that stand in one line."""
    for path, span in source.spans.items():
        if span.line == span.end_line and isinstance(source.at(*path).data, str):
            yield span
