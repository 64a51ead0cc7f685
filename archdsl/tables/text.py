"""Text in columns."""

from collections.abc import Sequence


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
