"""Two networks side by side, what they share in outline, what differs in color."""

from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from archdsl.diagnostics import UsageError
from archdsl.renderers.columns import Layers, folded, key_of, layers_of, place_columns
from archdsl.renderers.description import Description
from archdsl.renderers.legend import Entry
from archdsl.renderers.options import Options
from archdsl.renderers.pen import Pen


def difference(descriptions: Sequence[Description], options: Options, pen: Pen) -> float:
    """The kind `diff`; gives the height."""
    if len(descriptions) != 2:
        raise UsageError(f"diff compares two specs, not {len(descriptions)}")
    columns = marked([folded(list(layers_of(description))) for description in descriptions])
    same: Entry = (pen.theme.paint("plain"), "the same in both")
    return place_columns(descriptions, columns, options, pen, [same])


def marked(columns: Sequence[list[Layers]]) -> list[list[Layers]]:
    """Both columns, all boxes plain that stand in both in one order (the longest such sequences).

    Blocks that differ only in how often they repeat differ.
    """
    keys = [[(key_of(one), one.count) for one in column] for column in columns]
    matched = SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_matching_blocks()
    same: tuple[set[int], set[int]] = set(), set()
    for match in matched:
        same[0].update(range(match.a, match.a + match.size))
        same[1].update(range(match.b, match.b + match.size))
    return [
        [_plain(one) if number in alike else one for number, one in enumerate(column)]
        for column, alike in zip(columns, same, strict=True)
    ]


def _plain(one: Layers) -> Layers:
    return replace(one, boxes=tuple(replace(box, role="plain") for box in one.boxes))
