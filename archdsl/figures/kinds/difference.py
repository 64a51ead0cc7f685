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
from archdsl.figures.network.manner import quiet_of, words_of
from archdsl.figures.options import Options

Opcode = tuple[str, int, int, int, int]


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
    keys = [[(key_of(one), one.unit.after, one.count) for one in column] for column in columns]
    made: tuple[list[Layers], list[Layers]] = ([], [])
    for what, a, b, c, d in _matched(*keys):
        old, new = columns[0][a:b], columns[1][c:d]
        if what == "equal":
            old, new = [_plain(one) for one in old], [_plain(one) for one in new]
        else:
            old, new = _paired(old, new)
        made[0].extend(old)
        made[1].extend(new)
    return list(made)


def _matched(old: Sequence[object], new: Sequence[object]) -> Sequence[Opcode]:
    return SequenceMatcher(None, old, new, autojunk=False).get_opcodes()


def _paired(old: list[Layers], new: list[Layers]) -> tuple[list[Layers], list[Layers]]:
    """Layers that differ, compared one by one: those at one place, or that boxes tell are alike."""
    old, new = list(old), list(new)
    keys = [[(key_of(_plainly(one)), one.count) for one in column] for column in (old, new)]
    whole: Sequence[Opcode] = [("equal", 0, len(old), 0, len(new))]
    matched = whole if len(old) == len(new) else _matched(*keys)
    for what, a, b, c, d in matched:
        for first, second in zip(range(a, b), range(c, d), strict=False):
            if what == "equal":
                old[first], new[second] = _compared(old[first], new[second])
    return old, new


def _compared(old: Layers, new: Layers) -> tuple[Layers, Layers]:
    """Two blocks of one place: plain where they agree; those that differ in shortcuts say how."""
    alike = replace(old, shortcut=()), replace(new, shortcut=())
    counts = old.count, new.count
    shortcuts = counts == (1, 1) and key_of(_plainly(alike[0])) == key_of(_plainly(alike[1]))
    if shortcuts and old.shortcut != new.shortcut and _quiet(old) == _quiet(new):
        return _noted(old), _noted(new)
    if old.count == new.count and key_of(_plainly(old)) == key_of(_plainly(new)):
        return _told(old, new), _told(new, old)
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


def _quiet(one: Layers) -> object:
    return quiet_of(one.unit.manner), one.unit.after


def _plainly(one: Layers) -> Layers:
    return replace(one, unit=replace(one.unit, manner=()))


def _told(one: Layers, other: Layers) -> Layers:
    """Layers that differ only in norms and activations keep their colors, and say in which."""
    ways = [(unit.manner, unit.after) for unit in (one.unit, other.unit)]
    told = dict.fromkeys(words_of(*pair) for pair in zip(*ways, strict=True) if pair[0] != pair[1])
    return replace(one, notes=(", ".join(told),))


def _plain(one: Layers, places: Container[int] | None = None) -> Layers:
    """Its boxes, or those at some places, as what stands in both networks."""
    boxes = (
        replace(box, role="plain") if places is None or place in places else box
        for place, box in enumerate(one.boxes)
    )
    return replace(one, boxes=tuple(boxes))
