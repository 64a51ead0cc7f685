"""Two networks side by side, what they share in outline, what differs in color."""

from collections.abc import Container, Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from archdsl.diagnostics.errors import UsageError
from archdsl.figures.canvas.pen import Pen
from archdsl.figures.kinds.columns import (
    Layers,
    box_text,
    expect_columns,
    folded,
    key_of,
    layers_of,
    place_columns,
)
from archdsl.figures.kinds.legend import Entry
from archdsl.figures.network.description import Description
from archdsl.figures.options import Options


def difference(descriptions: Sequence[Description], options: Options, pen: Pen) -> float:
    """The kind `diff`; gives the height."""
    if len(descriptions) != 2:
        raise UsageError(f"diff compares two specs, not {len(descriptions)}")
    made = [folded(list(layers_of(description))) for description in descriptions]
    expect_columns(descriptions, made)
    columns = marked(made)
    same: Entry = (pen.theme.paint("plain"), "the same in both")
    return place_columns(descriptions, columns, options, pen, [same])


def marked(columns: Sequence[list[Layers]]) -> list[list[Layers]]:
    """Both columns, all boxes plain that stand in both in one order (the longest such sequences).

    Blocks that differ only in how often they repeat differ.
    """
    keys = [[(key_of(one), one.count) for one in column] for column in columns]
    matcher = SequenceMatcher(None, keys[0], keys[1], autojunk=False)
    made: tuple[list[Layers], list[Layers]] = ([], [])
    for what, a, b, c, d in matcher.get_opcodes():
        old, new = columns[0][a:b], columns[1][c:d]
        if what == "equal":
            old, new = [_plain(one) for one in old], [_plain(one) for one in new]
        elif len(old) == len(new):
            pairs = [_compared(*pair) for pair in zip(old, new, strict=True)]
            old, new = [one for one, _ in pairs], [one for _, one in pairs]
        made[0].extend(old)
        made[1].extend(new)
    return list(made)


def _compared(old: Layers, new: Layers) -> tuple[Layers, Layers]:
    """Two blocks of one place: plain where they agree; those that differ in shortcuts say how."""
    alike = replace(old, shortcut=()), replace(new, shortcut=())
    counts = old.count, new.count
    if counts == (1, 1) and key_of(alike[0]) == key_of(alike[1]):
        return _noted(old), _noted(new)
    if old.count != new.count or old.residual != new.residual or old.hidden or new.hidden:
        return old, new
    before, after = ([box.terms for box in one.boxes] for one in (old, new))
    found = SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    return (
        _plain(old, {block.a + n for block in found for n in range(block.size)}),
        _plain(new, {block.b + n for block in found for n in range(block.size)}),
    )


def _noted(one: Layers) -> Layers:
    return replace(_plain(one), notes=tuple(map(box_text, one.shortcut)) or ("identity",))


def _plain(one: Layers, places: Container[int] | None = None) -> Layers:
    """Its boxes, or those at some places, as what stands in both networks."""
    boxes = (
        replace(box, role="plain") if places is None or place in places else box
        for place, box in enumerate(one.boxes)
    )
    return replace(one, boxes=tuple(boxes))
