"""What a file holds, for lists of symbols, folding, colours and hints."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from archdsl.diagnostics.diagnostic import Span
from archdsl.editor.marks import Mark
from archdsl.editor.results import Results
from archdsl.editor.view import View
from archdsl.language.syntax import SECTIONS
from archdsl.yaml.syntax_errors import indentation

TOKENS = {  # kind of mark -> LSP's word for what it is coloured as
    "key": "keyword",
    "modifier": "keyword",
    "verb": "function",
    "block": "class",
    "parameter": "parameter",
    "column": "variable",
    "name": "variable",
    "function": "method",
    "argument": "property",
    "item": "property",
    "label": "label",
    "reference": "label",
    "file": "string",
}


@dataclass(frozen=True)
class Symbol:
    """Something with a name, and what is in it; `span` is the name, `end` its last line."""

    name: str
    kind: str
    span: Span
    end: int
    detail: str = ""
    inner: list["Symbol"] = field(default_factory=list)


def symbols(view: View) -> list[Symbol]:
    """The document's keys, with blocks and items below them."""
    roots: list[Symbol] = []
    open: list[tuple[int, Symbol]] = []
    for mark in view.marks:
        if mark.kind not in ("key", "block", "item"):
            continue
        if mark.kind == "key" and mark.text not in (*SECTIONS, "blocks", "params"):
            continue
        symbol = _symbol(view, mark)
        while open and (open[-1][0] >= mark.span.column or open[-1][1].end < mark.span.line):
            open.pop()
        (open[-1][1].inner if open else roots).append(symbol)
        open.append((mark.span.column, symbol))
    return roots


def _symbol(view: View, mark: Mark) -> Symbol:
    kind = {"key": "Namespace", "block": "Class", "item": "Field"}[mark.kind]
    detail = mark.item.verb if mark.item is not None else ""
    return Symbol(mark.text, kind, mark.span, last_line(view, mark.span.line), detail)


def last_line(view: View, line: int) -> int:
    """The last line of what begins at a line: those behind it that are indented further."""
    indent, end = indentation(view.lines[line - 1]), line
    for number in range(line, len(view.lines)):
        text = view.lines[number]
        if text.strip() and indentation(text) <= indent:
            break
        if text.strip():
            end = number + 1
    return end


def folds(view: View) -> Iterator[tuple[int, int]]:
    """The first and last lines of what can be folded."""
    for number, text in enumerate(view.lines, 1):
        if text.strip() and not text.lstrip().startswith("#"):
            end = last_line(view, number)
            if end > number:
                yield number, end


def hints(view: View, results: Results, first: int, last: int) -> Iterator[tuple[int, str]]:
    """For lines from `first` to `last` the shapes that their items give."""
    seen = set()
    for mark in view.marks:
        line = mark.span.line
        if mark.kind not in ("item", "verb") or line in seen or not first <= line <= last:
            continue
        shapes = [*dict.fromkeys(filter(None, map(results.gives, results.of(mark))))]
        if shapes:
            seen.add(line)
            more = f" and {len(shapes) - 4} more" if len(shapes) > 4 else ""
            yield line, ", ".join(shapes[:4]) + more
