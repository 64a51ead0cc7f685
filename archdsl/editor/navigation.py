"""From a word to where it is declared, to all its uses, and to another name for it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from archdsl.diagnostics.diagnostic import Span
from archdsl.diagnostics.errors import UsageError
from archdsl.editor.marks import Mark, declared_at
from archdsl.editor.results import pattern_of
from archdsl.editor.view import View
from archdsl.expressions.names import identifier_problem, key_problem
from archdsl.language import gallery
from archdsl.language.syntax import Block, Parameter
from archdsl.yaml.source import Place


def definition(view: View, line: int, column: int) -> Span | None:
    """Where what stands at a place (from 1) is declared; None if it is nowhere in a file."""
    mark = view.mark_at(line, column)
    if mark is None:
        return None
    if mark.kind == "file":
        return _file(view, mark.text)
    if mark.kind == "reference":
        found = next(iter(referred(view, mark)), None)
        return found.span if found else None
    return _declared(mark)


def references(view: View, line: int, column: int) -> list[Mark]:
    """All words of this file that mean the same as the one at a place, in order."""
    mark = view.mark_at(line, column)
    return [] if mark is None else [*_alike(view, mark)]


def referred(view: View, reference: Mark) -> list[Mark]:
    """The items and labels that a reference may mean, those of its own block."""
    name = reference.text.split(".")[0]
    found = []
    for mark in view.marks:
        if mark.block is not reference.block or mark.item is None:
            continue
        if mark.kind == "item" and mark.item.key is not None:
            whole = (name, reference.text)
            pattern = pattern_of(mark.item.key)
            if mark.text in whole or any(pattern.fullmatch(one) for one in whole):
                found.append(mark)
        elif mark.kind == "label":
            named = next((n for n in mark.item.modifiers.names if n.text == mark.text), None)
            if mark.text in (name, reference.text) or (
                named is not None and pattern_of(named.template).fullmatch(name)
            ):
                found.append(mark)
    return found


@dataclass(frozen=True)
class Renaming:
    """Another name for something: the places where it stands, and what else that means."""

    spans: tuple[Span, ...]
    note: str = ""


def rename(view: View, line: int, column: int, name: str) -> Renaming:
    """The places to write another name at.

    The text with the new name is read once more: raises UsageError if it is no name, means
    something else already, or would leave the spec broken.
    """
    mark = view.mark_at(line, column)
    kinds = ("block", "parameter", "name", "verb", "argument", "item", "label", "reference")
    if mark is None or mark.kind not in (*kinds, "column"):
        raise UsageError("there is nothing here that could have another name")
    if mark.kind in ("verb", "argument", "name") and mark.target is None:
        raise UsageError(f"`{mark.text}` is a word of the language")
    if "{" in mark.text:
        raise UsageError("a name with expressions in it is changed by hand")
    problem = (key_problem if mark.kind == "item" else identifier_problem)(name)
    if problem:
        raise UsageError(problem)
    marks = [*_alike(view, mark)]
    outside = _declared(mark)
    if outside is not None and not view.is_here(outside):
        raise UsageError(f"`{mark.text}` is declared in {os.path.basename(outside.file)}")
    spans = tuple(dict.fromkeys(found.span for found in marks))
    if not spans or any(_written(view, span) != mark.text for span in spans):
        raise UsageError(f"`{mark.text}` stands in places where it is part of another name")
    after = View(view.name, _with(view, spans, name), view.opened, view.limits)
    broken = [d for d in after.reading.diagnostics if d.severity == "error"]
    if broken and not any(d.severity == "error" for d in view.reading.diagnostics):
        raise UsageError(f"the spec would be wrong with that name: {broken[0].message}")
    return Renaming(spans, _keys_that_change(view, after))


def _keys_that_change(before: View, after: View) -> str:
    if before.graph is None or after.graph is None:
        return ""
    lost = [key for key in before.graph.state if key not in after.graph.state]
    if not lost:
        return ""
    new = next(key for key in after.graph.state if key not in before.graph.state)
    return f"{len(lost)} keys of the weights change: {lost[0]} becomes {new}"


def _with(view: View, spans: tuple[Span, ...], name: str) -> str:
    lines = [*view.lines]
    for span in sorted(spans, reverse=True):
        line = lines[span.line - 1]
        lines[span.line - 1] = line[: span.column - 1] + name + line[span.end_column - 1 :]
    return "\n".join(lines)


def _written(view: View, span: Span) -> str:
    return view.lines[span.line - 1][span.column - 1 : span.end_column - 1]


def _declared(mark: Mark) -> Span | None:
    """Where what a mark means is declared, if it has a place."""
    match mark.target:
        case Block():
            return mark.target.place.key
        case Parameter():
            return declared_at(mark.target)
        case Place():
            return mark.target.key
    return mark.span if mark.kind in ("item", "label", "block", "parameter") else None


def _alike(view: View, mark: Mark) -> Iterator[Mark]:
    """The marks that mean the same as one."""
    if mark.kind == "reference":
        meant = referred(view, mark)
        mark = meant[0] if meant else mark
    for other in view.marks:
        if mark.kind in ("item", "label"):
            same = other is mark or _is_item_and_label(mark, other)
            if same or (other.kind == "reference" and mark in referred(view, other)):
                yield other
        elif mark.target is not None:
            if other.target is mark.target or _same_place(other, mark):
                yield other
        elif (other.kind, other.text) == (mark.kind, mark.text):
            yield other


def _is_item_and_label(one: Mark, other: Mark) -> bool:
    """Whether a key and a label of one name call the same result."""
    kinds = {one.kind, other.kind}
    return kinds == {"item", "label"} and one.text == other.text and one.item is other.item


def _same_place(one: Mark, other: Mark) -> bool:
    """Whether two marks are of one column of a `for`."""
    return isinstance(one.target, Place) and one.target == other.target


def _file(view: View, name: str) -> Span | None:
    """The beginning of a file that `extends` or `import` names."""
    beside = os.path.join(os.path.dirname(view.name), name)
    path = beside if os.path.isfile(beside) else gallery.path(name)
    return Span(path, 1, 1, 1, 1) if os.path.isfile(path) else None
