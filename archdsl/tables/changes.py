"""A difference of two networks as text, Markdown, HTML or JSON."""

import json
from collections.abc import Callable
from html import escape
from typing import Any

from archdsl.analysis.diff import Change, Difference, Side
from archdsl.expressions.numbers import quantity
from archdsl.tables.text import aligned, html_table

HEADINGS = ("", "part", "what", "output", "parameters", "MACs")
MARKS = {"changed": "~", "added": "+", "removed": "-", "renamed": "="}


def text(difference: Difference) -> str:
    """A line per change, with what it was and what it is, and the totals."""
    before, after = difference.before, difference.after
    title = f"{before.path} -> {after.path}"
    if difference.same:
        return f"{title}: the same network\n"
    return "\n".join([title, "", *aligned([HEADINGS, *_rows(difference)], "llllll"), ""])


def markdown(difference: Difference) -> str:
    """A heading and a table as GitHub shows it."""
    title = f"# {difference.before.path} to {difference.after.path}"
    if difference.same:
        return f"{title}\n\nThe same network.\n"
    rows = [HEADINGS, ["---"] * len(HEADINGS), *_rows(difference)]
    lines = ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join([title, "", *lines, ""])


def html(difference: Difference) -> str:
    """A table of HTML without styles: a page's own apply."""
    title = f"{difference.before.path} to {difference.after.path}"
    if difference.same:
        return f"<p>{escape(title)}: the same network</p>\n"

    *body, total = _rows(difference)
    return html_table([title], HEADINGS, body, total, "l" * len(HEADINGS))


def to_json(difference: Difference) -> str:
    """The two networks and a list of changes, numbers exact; what is not there is null."""
    data = {
        "before": _side(difference.before),
        "after": _side(difference.after),
        "changes": [
            {
                "kind": change.kind,
                "count": change.count,
                "details": list(change.details),
                "before": _side(change.before),
                "after": _side(change.after),
            }
            for change in difference.changes
        ],
    }
    return json.dumps(data, indent=1) + "\n"


FORMATS: dict[str, Callable[[Difference], str]] = {
    "table": text,
    "markdown": markdown,
    "json": to_json,
}


def _rows(difference: Difference) -> list[list[str]]:
    rows = [_row(change) for change in difference.changes]
    total = Change("changed", difference.before, difference.after)
    return [*rows, ["", "total", "", *_row(total)[3:]]]


def _row(change: Change) -> list[str]:
    old, new = change.before, change.after
    what = ", ".join(change.details) or change.side.what
    if change.details and old and new and old.what == new.what and "." in change.side.path:
        what = f"{change.side.what}: {what}" if ":" in what else what
    path = change.side.path
    if old and new and old.path != new.path and change.kind == "renamed":
        path = f"{old.path} -> {new.path}"
    if change.count > 1:
        path += f" and {change.count - 1} more"
    return [
        MARKS[change.kind],
        path,
        what,
        _both(*(str(side.output or "") if side else None for side in (old, new))),
        _numbers(*(side.cost.parameters if side else None for side in (old, new))),
        _numbers(*(side.cost.macs if side else None for side in (old, new))),
    ]


def _both(old: str | None, new: str | None) -> str:
    """`64x56x56 -> 128x28x28`; one word where both are the same, or one is not there."""
    if old is None or new is None or old == new:
        return (old if new is None else new) or ""
    return f"{old} -> {new}"


def _numbers(old: int | None, new: int | None) -> str:
    words = _both(*(None if n is None else quantity(n) for n in (old, new)))
    if old and new and old != new:
        return f"{words} ({100 * (new / old - 1):+.1f}%)"
    return words


def _cell(word: str) -> str:
    return word.replace("|", "\\|").replace("*", "\\*")


def _side(side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    shape = side.output and list(side.output.shape)
    return {"path": side.path, "what": side.what, "output": shape, **side.cost._asdict()}
