"""Tables as text in columns, and as HTML."""

from collections.abc import Iterable, Sequence
from html import escape


def aligned(rows: Sequence[Sequence[str]], columns: str) -> list[str]:
    """Rows as lines, with a rule under the first; `columns` says l(eft) or r(ight) for each."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if side == "l" else cell.rjust(width)
            for cell, width, side in zip(row, widths, columns, strict=True)
        ).rstrip()
        for row in rows
    ]
    return [lines[0], "-" * (sum(widths) + 2 * len(widths) - 2), *lines[1:]]


def html_table(
    title: Iterable[str], headings: Sequence[str], rows: Iterable[Sequence[str]],
    total: Sequence[str], sides: str,
) -> str:  # fmt: skip
    """A table of HTML without styles, under the lines of a title; `sides` is as in `aligned`."""
    names = {"l": "left", "r": "right"}
    align = [f' style="text-align: {names[side]}"' for side in sides]

    def row(cells: Sequence[str], tag: str) -> str:
        said = zip(cells, align, strict=True)
        return f"<tr>{''.join(f'<{tag}{look}>{escape(cell)}</{tag}>' for cell, look in said)}</tr>"

    said = "<br>".join(map(escape, title))
    head = f'<tr><th colspan="{len(align)}"{align[0]}>{said}</th></tr>'
    body = [row(cells, "td") for cells in rows]
    return "\n".join(
        ["<table>", head, row(headings, "th"), *body, row(total, "th"), "</table>", ""]
    )
