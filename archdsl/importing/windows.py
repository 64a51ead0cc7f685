"""How learned tables number the distances between the positions of a window."""

from collections.abc import Sequence
from typing import Any

from archdsl.importing.values import Unread


def distances(index: Sequence[int], rows: int) -> dict[str, Any]:
    """The window whose distances number the rows of a table so; raises Unread if none has them."""
    for signed in (True, False):
        for height in range(1, rows + 1):
            across, rest = divmod(rows, 2 * height - 1 if signed else height)
            width, odd = divmod(across + 1, 2) if signed else (across, 0)
            if rest or odd or not width or len(index) % (height * width):
                continue
            for stride in (1, 2, 4):
                if numbered(height, width, signed, stride) == index:
                    return {"window": [height, width], "signed": signed, "stride": stride}
    raise Unread("positions that a tensor says")


def numbered(height: int, width: int, signed: bool, stride: int) -> list[int]:
    """The rows of a table for every query and key of a window."""
    found = []
    for y in range(0, height, stride):
        for x in range(0, width, stride):
            for i in range(height):
                for j in range(width):
                    down, across = y - i, x - j
                    if signed:
                        found.append((down + height - 1) * (2 * width - 1) + across + width - 1)
                    else:
                        found.append(abs(down) * width + abs(across))
    return found
