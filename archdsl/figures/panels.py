"""Panels: several figures as one, each over its letter, with one legend for all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from archdsl.diagnostics.errors import UsageError
from archdsl.figures.author import color_names
from archdsl.figures.canvas.pen import Pen
from archdsl.figures.canvas.scene import Group, Item, Omission, Run, Scene, moved, not_drawn, words
from archdsl.figures.canvas.theme import load_theme
from archdsl.figures.draw import MARGIN, described, fitted, titled
from archdsl.figures.figure import Figure
from archdsl.figures.kinds.legend import Entry, draw_legend
from archdsl.figures.network.captions import Caption, caption_of, description_of
from archdsl.figures.options import Options
from archdsl.figures.paper import paper_of
from archdsl.graph.graph import Graph

BETWEEN, BELOW = 14.0, 18.0  # beside one another; for the words under a panel


@dataclass(frozen=True)
class Panel:
    """What a panel shows, and the words under it."""

    caption: str
    graphs: Sequence[Graph]
    parts: Sequence[str]
    kind: str
    options: Options


def panels(layout: Sequence[Sequence[str]], made: Mapping[str, Panel], options: Options) -> Figure:
    """A figure of panels in rows; a letter that stands several times in a row is as much wider.

    Raises UsageError if a panel cannot be drawn in its width, or stands in two places.
    """
    theme = load_theme(options.theme)
    margin = MARGIN if theme.background else 0.0
    width, pen = options.width - 2 * margin, Pen(theme)
    top, collected = 0.0, list[Entry]()
    captions, seen, missing = list[Caption](), list[str](), list[Left]()
    for runs in _rows(layout):
        shares = sum(count for _, count in runs)
        share = (width - BETWEEN * (len(runs) - 1)) / shares
        drawn: list[tuple[str, float, Scene]] = []
        for letter, count in runs:
            one = made[letter]
            asked = replace(one.options, width=share * count, zoom=1.0, theme=options.theme)
            networks = described(one.graphs, one.kind, asked, one.parts)
            plain = replace(theme, background="")
            scene, left = fitted(networks, one.kind, asked, plain, collected)
            missing += [({graph.name for graph in one.graphs}, left)]
            under = caption_of(networks, one.kind, asked, "", scene)
            captions.append(replace(under, said=f"({letter}) {under.said}"))
            seen.append(f"({letter}) {description_of(networks, '')}")
            drawn.append((letter, share * count, scene))
        top = _row(pen, drawn, made, top)
    if options.legend:
        top = draw_legend(pen, list(dict(collected).items()), width, top)
    items, height = titled(pen, replace(options, width=width), top)
    never = [one for names, left in missing for one in left if _never(one, names, missing)]
    said = not_drawn(never)
    names_of = dict.fromkeys(graph.name for panel in made.values() for graph in panel.graphs)
    title = options.title or ", ".join(names_of)
    size = options.width, height + 0.5 + 2 * margin
    captions += [Caption(said)] * bool(said)
    caption = " ".join(map(str, captions))
    roles = {name: role for panel in made.values() for name, role in panel.options.roles.items()}
    scene = Scene(
        *size, moved(items, margin, margin), title, caption, "\n".join([*seen, said]),
        theme.background, color_names(theme, replace(options, roles=roles)),
    )  # fmt: skip
    paper = paper_of(captions, "panels", options)
    return Figure(caption, scene.description, tuple(never), {}, lambda: scene, paper)


Left = tuple[set[str], list[Omission]]  # what a panel of some networks does not show


def _rows(layout: Sequence[Sequence[str]]) -> Iterator[list[tuple[str, int]]]:
    """The panels of each row, and of how many shares; UsageError for one in two places."""
    letters = set[str]()
    for row in layout:
        runs = [(letter, len(list(run))) for letter, run in groupby(row)]
        for letter, _ in runs:
            if letter in letters:
                raise UsageError(f"panel `{letter}` stands in two places of the layout")
            letters.add(letter)
        yield runs


def _never(omission: Omission, names: set[str], panels: Sequence[Left]) -> bool:
    """Whether no panel of the same networks shows what one leaves out."""
    others = (left for of, left in panels if of == names)
    return all(omission.ids <= {id for one in left for id in one.ids} for left in others)


def _row(
    pen: Pen, drawn: Sequence[tuple[str, float, Scene]], made: Mapping[str, Panel], top: float
) -> float:
    """Draws panels with level tops, their words in a line under the highest; gives the bottom."""
    height = max(scene.height for _, _, scene in drawn)
    size, x = pen.theme.sizes.caption, 0.0
    for letter, width, scene in drawn:
        inside = moved(scene.items, x + (width - scene.width) / 2, top)
        pen.items.append(Group(f"panel.{letter}", f"panel {letter}", _named(inside, letter)))
        runs = (Run(f"({letter}) ", bold=True), *words(made[letter].caption))
        pen.text(x + width / 2, top + height + size + 3, runs, size)
        x += width + BETWEEN
    return top + height + BELOW


def _named(items: Sequence[Item], letter: str) -> tuple[Item, ...]:
    """The items, their groups under the letter: two panels may show one network."""
    return tuple(
        replace(item, id=f"{letter}:{item.id}", items=_named(item.items, letter))
        if isinstance(item, Group)
        else item
        for item in items
    )
