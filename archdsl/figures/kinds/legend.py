"""The legend: the colors of a figure that it uses, in as many lines as it takes."""

from collections.abc import Iterable

from archdsl.figures.canvas.pen import DASH, EDGE, MIDDLE, Pen
from archdsl.figures.canvas.scene import Path, polygon
from archdsl.figures.canvas.theme import ROLES, Paint
from archdsl.figures.network.tree import QUIET, Box

SWATCH, HEIGHT, BETWEEN = 8.0, 11.0, 13.0
_CHANGING = ("pool", "attention", "depthwise")  # roles that several verbs have
_WORDS = {
    "resize": "resize", "depthwise": "depthwise", "squeeze_excite": "squeeze-excite",
    "attention": "attention", "window_attention": "window attention",
    "cosine_window_attention": "window attention", "relative_attention": "relative attention",
    "pooled_attention": "pooled attention",
}  # fmt: skip
Entry = tuple[Paint | None, str]  # no paint: a dashed line

DASHED: Entry = (None, "projection shortcut")


def entries(pen: Pen, boxes: Iterable[Box]) -> list[Entry]:
    """An entry for every role that boxes have, in the order of the theme."""
    verbs: dict[str, set[str]] = {}
    for box in boxes:
        verbs.setdefault(box.role, set()).add(box.verb)
    return [(pen.theme.paint(role), words_of(role, verbs[role])) for role in ROLES if role in verbs]


def words_of(role: str, verbs: set[str]) -> str:
    """What the legend says of a role, by the verbs that have it."""
    found = [words for verb, words in _WORDS.items() if verb in verbs and role in _CHANGING]
    if role == "norm" and QUIET in verbs:
        found = ["norm, activation", *([ROLES[role]] if verbs - {QUIET} else [])]
    if role == "conv" and "opaque" in verbs:
        found = [*([ROLES[role]] if verbs - {"opaque"} else []), "imported part"]
    if role == "pool" and verbs - {"resize"}:
        found.insert(0, "pooling")
    if role == "depthwise" and verbs - {"depthwise"}:  # conv, std_conv, ... with groups
        found.append("grouped conv")
    return ", ".join(found) or ROLES[role]


def draw_legend(pen: Pen, found: Iterable[Entry], width: float, top: float) -> float:
    """Draws the entries in the theme's order, those of the same words as one; gives the bottom.

    What the author marks stands last; a scale of costs instead of the colors of roles.
    """
    lines_only = [entry for entry in found if entry[0] is None] if pen.scale else found
    found = [*lines_only, *(pen.scale or pen.marks)]
    if pen.collected is not None:
        pen.collected += found
        return top
    order = list(pen.theme.paints.values())
    last = len(order)  # colors that no role has; after them lines
    found = sorted(
        found,
        key=lambda entry: (
            last + 1 if entry[0] is None else order.index(entry[0]) if entry[0] in order else last
        ),
    )
    size = pen.theme.sizes.dimension
    paints: dict[str, list[Paint | None]] = {}
    for paint, words in found:
        paints.setdefault(words, []).append(paint)
    sizes = {
        words: len(of) * (SWATCH + 3) + pen.measure(words, size) for words, of in paints.items()
    }
    lines: list[list[str]] = [[]]
    for words, wide in sizes.items():
        filled = sum(sizes[other] + BETWEEN for other in lines[-1])
        if lines[-1] and filled + wide > width:
            lines.append([])
        lines[-1].append(words)
    y = top
    for line in lines:
        x = (width - sum(sizes[words] for words in line) - BETWEEN * (len(line) - 1)) / 2
        for words in line:
            _entry(pen, paints[words], words, x, y)
            x += sizes[words] + BETWEEN
        y += HEIGHT if line else 0
    return y


def _entry(pen: Pen, paints: list[Paint | None], words: str, x: float, y: float) -> None:
    size = pen.theme.sizes.dimension
    for paint in paints:
        if paint is None:
            line = polygon([(x - 3, y + 3.5), (x + SWATCH, y + 3.5)], closed=False)
            pen.items.append(Path(line, "", pen.theme.edge, EDGE, DASH))
        else:
            pen.rectangle(x, y, SWATCH, 7.0, paint, radius=1.3)
        x += SWATCH + 3
    pen.text(x, y + 3.5 + MIDDLE * size, words, size, pen.theme.dimension, "start")
