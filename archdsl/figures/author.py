"""What an author says of a figure: names, what is hidden, marked, noted, grouped, by patterns."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.expressions.numbers import quantity
from archdsl.figures.canvas.pictures import Picture, read_picture
from archdsl.figures.canvas.scene import Group, Item, Path, flat
from archdsl.figures.canvas.theme import Paint, Theme, lightness, mixed
from archdsl.figures.forms import GroupForm
from archdsl.figures.network.description import Description
from archdsl.figures.options import Options
from archdsl.graph.graph import INPUT, Graph

_PIECES = re.compile(r"\{([A-Za-z_]\w*)\}|(\*\*)|(\*)")
_SHADES = {"stroke": "line", "light": "top", "dark": "side"}  # of a role's color
HEAT = Paint("#EF8F6B", "#4A1A08"), Paint("#8A3416", "#F3B79E")  # of what costs most, under dark
# text and under light; what costs nothing has the fill of the input


@cache
def pattern(text: str) -> re.Pattern[str]:
    """Of paths: `{s}` and `*` are a name or a part of one, `**` any number of names.

    Raises UsageError for one that uses a name twice.
    """
    found, at = "", 0
    for piece in _PIECES.finditer(text):
        found += re.escape(text[at : piece.start()])
        found += f"(?P<{piece[1]}>[^.]+)" if piece[1] else ".+" if piece[2] else "[^.]+"
        at = piece.end()
    try:
        return re.compile(found + re.escape(text[at:]))
    except re.error:
        raise UsageError(f"pattern `{text}` has one name twice") from None


def matched(patterns: Iterable[str], path: str) -> str | None:
    """The first of some patterns that a path has."""
    return next((text for text in patterns if pattern(text).fullmatch(path)), None)


def named(labels: Mapping[str, str]) -> Callable[[str], str | None]:
    """What an author calls a path: `{s}` and `$s$` are what stood at `{s}`; None for the usual."""

    def name(path: str) -> str | None:
        text = matched(labels, path)
        found = pattern(text).fullmatch(path) if text is not None else None
        if text is None or found is None:
            return None
        said = labels[text]
        for piece, value in found.groupdict().items():
            said = said.replace(f"{{{piece}}}", value).replace(f"${piece}$", value)
        return said

    return name


def authored(description: Description, options: Options) -> Description:
    """The network under the names of the author, without what is hidden.

    Raises UsageError for a pattern that nothing has.
    """
    hidden = [u.id for u in description.units if _inside(options.hide, u.id) is not None]
    if len(hidden) == len(description.units) and hidden:
        raise UsageError(f"hide leaves nothing of {description.title} to draw")
    shown = tuple(unit for unit in description.units if unit.id not in hidden)
    called = named(options.label)
    return replace(description, units=shown, hidden=frozenset(hidden), called=called)


def expect_known(descriptions: Iterable[Description], options: Options) -> None:
    """Raises UsageError for a pattern of the author's that no part of any network has."""
    paths: dict[str, None] = {}
    for description in descriptions:
        paths |= dict.fromkeys(_paths(description.whole))
    asked = {
        "label": options.label, "hide": options.hide, "mark": options.mark, "note": options.note,
        "insets": options.insets,
        "group": [part for group in options.group for part in group.parts],
    }  # fmt: skip
    for key, patterns in asked.items():
        for text in patterns:
            if not any(pattern(text).fullmatch(path) for path in paths):
                hint = did_you_mean(text, paths)
                raise UsageError(f"{key} `{text}`: no part has this path{'; ' * bool(hint)}{hint}")
    for text, role in options.mark.items():
        if role not in options.roles:
            hint = did_you_mean(role, options.roles)
            raise UsageError(f"mark `{text}`: there is no role `{role}` in roles; {hint}")


def _paths(graph: Graph) -> Iterator[str]:
    """Every path that may be meant: networks, parts, ops, levels between them."""
    yield graph.name
    yield INPUT
    for path in (*(s.path for s in graph.scopes), *(n.path for n in graph.nodes)):
        while path:
            yield path
            path = path.rpartition(".")[0]


def _inside(patterns: Iterable[str], path: str) -> str | None:
    """The first pattern that a path, or a part around it, has."""
    patterns = [*patterns]
    while path and patterns:
        if (found := matched(patterns, path)) is not None:
            return found
        path = path.rpartition(".")[0]
    return None


def grouped_units(description: Description, group: GroupForm) -> frozenset[str]:
    """The units under a brace."""
    if group.section is None:
        ids = (u.id for u in description.units if _inside(group.parts, u.id) is not None)
        return frozenset(ids)
    sections = _sections(description.graph)
    return frozenset(u.id for u in description.units if sections.get(u.id) == group.section)


def _sections(graph: Graph) -> dict[str, str]:
    """The section of the spec that each node and scope was written in."""
    document: Any = getattr(graph.written, "document", None)
    items = [
        (item, name)
        for name, section in (document.sections if document else {}).items()
        for item in section.items
    ]
    spans = {item.span: name for item, name in items}
    keys = [(_written(item.key), name) for item, name in items if item.key is not None]
    found: dict[str, str] = {}
    parts = [(scope.id, scope.parent, scope.span) for scope in graph.scopes]
    for id, above, span in (*parts, *((n.id, n.scope, n.span) for n in graph.nodes)):
        by_key = (name for form, name in keys if form.fullmatch(id)) if not above else ()
        found[id] = found.get(above) or spans.get(span) or next(iter(by_key), "")
    return found


def _written(key: Any) -> re.Pattern[str]:
    """The key of an item as a pattern of the paths that it gives: `layer{row + 1}`."""
    pieces = (re.escape(part) if isinstance(part, str) else "[^.]+" for part in key.parts)
    return re.compile("".join(pieces))


# colors


def colored(
    items: Iterable[Item], descriptions: Sequence[Description], options: Options, theme: Theme
) -> tuple[Item, ...]:
    """The items in the colors of the author's marks, or by a cost."""
    if options.color != "role":
        return tuple(_by_cost(items, descriptions, options, theme))
    if not options.mark:
        return tuple(items)
    paints = {name: Paint(one.fill, one.stroke) for name, one in options.roles.items()}

    def marked(group: Group) -> Paint | None:
        ids = [path.removesuffix(".block") for path in group.stands or (group.id,)]
        marks = {_inside(options.mark, path.partition("@")[0]) for path in ids}
        mark = marks.pop() if len(marks) == 1 else None
        return paints[options.mark[mark]] if mark is not None else None

    return tuple(_painted(item, marked, theme) for item in items)


def _painted(
    item: Item, paint_of: Callable[[Group], Paint | None], theme: Theme, paint: Paint | None = None
) -> Item:
    """An item, and all in it, in another paint wherever it has that of a role."""
    if isinstance(item, Group):
        paint = paint_of(item) or paint
        return replace(item, items=tuple(_painted(i, paint_of, theme, paint) for i in item.items))
    if paint is None or not isinstance(item, Path):
        return item
    known = _shades(theme)
    fill, stroke = known.get(item.fill), known.get(item.stroke)
    own = _own(paint, theme)
    return replace(
        item, fill=own[fill] if fill else item.fill, stroke=own[stroke] if stroke else item.stroke
    )


@cache
def _shades(theme: Theme) -> dict[str, str]:
    """Which shade of a role a color is: its fill, line, or the light and dark sides of a slab."""
    found: dict[str, str] = {}
    for role, plain in theme.paints.items():
        if role != "plain":
            for paint in (plain, theme.deeper(role)):
                shades = _own(paint, theme)
                found |= {shades[name]: name for name in ("light", "dark", "stroke", "fill")}
    return found


def _own(paint: Paint, theme: Theme) -> dict[str, str]:
    return {
        "fill": paint.fill,
        "stroke": paint.stroke,
        "light": mixed(paint.fill, theme.light, 0.5),
        "dark": mixed(paint.fill, paint.stroke, 0.2),
    }


def pictured(items: Sequence[Item], options: Options) -> tuple[Item, ...]:
    """The items with the author's pictures on the sides of the first slab and of the last.

    Raises UsageError if there are no such slabs.
    """
    wanted = {0: options.input_image, -1: options.output_image}
    slabs = [n for n, item in enumerate(items) if isinstance(item, Group) and _sides(item)]
    found = list(items)
    for which, name in wanted.items():
        if name and not slabs:
            raise UsageError(f"there is no slab that {name} could be on; --kind strip has slabs")
        if name:
            place = slabs[which]
            found[place] = _with(found[place], _sides(items[place])[which], read_picture(name))
    return tuple(found)


def _sides(item: Item) -> list[Path]:
    """The sides of the slabs in a group."""
    return [one for one in flat([item]) if isinstance(one, Path) and one.form == "side"]


def _with(item: Item, side: Path, picture: Picture) -> Item:
    if isinstance(item, Group):
        return replace(item, items=tuple(_with(one, side, picture) for one in item.items))
    return replace(side, picture=picture) if item == side else item


def color_names(theme: Theme, options: Options) -> dict[str, str]:
    """What the colors of a figure are called, by the roles that they paint."""
    mine = {name: Paint(one.fill, one.stroke) for name, one in options.roles.items()}
    paints = {**theme.paints, "container": theme.container, **mine}
    fills: dict[str, str] = {}
    for role, paint in paints.items():
        name = re.sub(r"[^A-Za-z0-9]", "", role) or "mine"
        fills[paint.fill] = fills.get(paint.fill, "") + name
    found = {theme.ink: "ink", theme.dimension: "dimension", theme.edge: "edge"}
    found = fills | {color: name for color, name in found.items() if color not in fills}
    for paint in (*paints.values(), *(theme.deeper(role) for role in theme.paints)):
        name = found.setdefault(paint.fill, f"deeper{len(found)}")
        for shade, color in _own(paint, theme).items():
            found.setdefault(color, f"{name}{_SHADES.get(shade, '')}")
    return found


def told(
    descriptions: Sequence[Description], options: Options, theme: Theme
) -> tuple[list[tuple[Paint, str]], list[tuple[Paint, str]]]:
    """What the legend says of the author's roles, and of a scale of costs."""
    if options.color != "role":
        most = largest(descriptions, options.color)
        unit = {"macs": "MACs", "params": "params", "memory": "B alive"}[options.color]
        words = {part: f"{quantity(round(part * most))} {unit}" for part in (0.0, 0.5, 1.0)}
        return [], [(shade(part, theme), text) for part, text in words.items()]
    used = {options.mark[text]: None for text in options.mark}
    roles = [(options.roles[name], name) for name in used]
    return [(Paint(one.fill, one.stroke), one.legend or name) for one, name in roles], []


def shade(part: float, theme: Theme) -> Paint:
    """The paint of a part of the largest cost."""
    plain = theme.paint("plain").fill
    heat = HEAT[lightness(theme.ink) > lightness(plain)]
    return Paint(mixed(plain, heat.fill, part), heat.stroke)


def _by_cost(
    items: Iterable[Item], descriptions: Sequence[Description], options: Options, theme: Theme
) -> Iterator[Item]:
    costs = [costs_of(description, options.color) for description in descriptions]
    most = largest(descriptions, options.color)

    def heat(group: Group) -> Paint | None:
        cost = costs[group.of].get(group.id.removesuffix(".block"))
        if group.stands and all(path in costs[group.of] for path in group.stands):
            cost = max(costs[group.of][path] for path in group.stands)
        return None if cost is None else shade(cost / most if most else 0.0, theme)

    for item in items:
        yield _painted(item, heat, theme)


def largest(descriptions: Iterable[Description], measure: str) -> int:
    """The cost of the unit that costs most."""
    found = (
        costs.get(unit.id, 0)
        for description in descriptions
        for costs in [costs_of(description, measure)]
        for unit in description.units
    )
    return max(found, default=0)


def costs_of(description: Description, measure: str) -> Mapping[str, int]:
    """By the path of a node or scope its MACs, parameters, or the most bytes alive in it."""
    name = {"params": "parameters"}.get(measure, measure)
    if name != "memory":
        return {id: getattr(cost, name) for id, cost in description.analysis.costs.items()}
    from archdsl.analysis.memory import live_bytes

    live = live_bytes(description.graph)
    found = {node.id: live.get(node.id, 0) for node in description.graph.nodes}
    for node in description.graph.nodes:
        for scope in description.graph.around(node.scope):
            found[scope.id] = max(found.get(scope.id, 0), live.get(node.id, 0))
    return found
