"""The ways of a drawing, followed from border to border, held to the edges of its graph.

Lines are joined where one begins on another, or ends on it; what they say is read from points
alone. Nothing here uses how figures are laid out.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations, pairwise

from archdsl import Graph
from archdsl.figures.canvas.scene import Group, Item, Path, Text, flat, groups
from archdsl.graph.graph import Node
from tests.figures.test_figure_geometry import curve, on_border, tips

Point = tuple[float, float]
NEAR, HEAD = 0.75, 4.6  # points: what touches; from the end of a line to the tip of its arrow


def wrong_ways(
    drawn: Sequence[Group], items: Sequence[Item], graph: Graph, part: str = ""
) -> Iterator[str]:
    """Ways between groups that are no edges of the graph, and edges that are no ways."""
    shown, edges = _ways(drawn, items), edges_of(drawn, graph, _repeated(items), part)
    for a, b in sorted(shown.difference(*edges)):
        yield f"a way from {a} to {b} is none of the graph"
    for a, b in sorted({min(ways) for ways in edges if not ways & shown}):
        yield f"no way from {a} to {b}"
    yield from _crossed(drawn, items)
    yield from _opposed(items)


def _repeated(items: Sequence[Item]) -> list[tuple[str, int]]:
    """The parts of which a bracket says how often what stands under it repeats: `stage3 ×4`."""
    texts = [item.plain for item in items if isinstance(item, Text)]
    found = (re.fullmatch(r"(\S+) ×(\d+)", text) for text in texts)
    return [(match[1], int(match[2])) for match in found if match]


def edges_of(
    drawn: Sequence[Group], graph: Graph, repeated: Collection[tuple[str, int]] = (), part: str = ""
) -> list[set[tuple[str, str]]]:
    """What feeds what, in all or in one part; weights that are applied again are where they are.

    An edge from a norm, an activation or the like that is in a box may be drawn from there, or from
    what is before it. Of what is `repeated`, the ways from one time to the next are not drawn.
    """
    holder = {path: group.id for group in drawn for path in (group.id, *group.stands)}
    owner = {node.id: _owner(graph, node, holder, part) for node in graph.nodes}
    stands, found = {group.id: group.stands for group in drawn}, []
    for node in graph.nodes:
        for id in node.inputs[: node.op.inputs] if owner[node.id] else ():
            ways = [(at, owner[at]) for at in _before(graph, id) if owner.get(at)]
            if not ways or any(source == owner[node.id] for _, source in ways):
                continue
            ends = (ways[0][0], stands[ways[0][1]]), (node.id, stands[owner[node.id]])
            times = [[_time(graph, *end, *one) for end in ends] for one in repeated]
            if not any(None not in pair and pair[0] != pair[1] for pair in times):
                found.append({(source, owner[node.id]) for _, source in ways})
    return found


def _before(graph: Graph, id: str) -> Iterator[str]:
    """What gives a value: ops that need not be drawn, and what they are applied to."""
    yield id
    while id in graph.by_id and not graph.by_id[id].op.role():
        id = graph.by_id[id].inputs[0]
        yield id


def _time(graph: Graph, id: str, stands: Sequence[str], part: str, count: int) -> int | None:
    """Which time of what repeats an op is of: the number of its module, or the place of a sum."""
    numbers = [re.match(rf"{re.escape(part)}\.(\d+)\.", f"{path}.") for path in (id, *stands)]
    own, *others = [int(match[1]) for match in numbers if match] or [0]
    if numbers[0] and len({*others}) == count:
        return own - min(others)
    verbs = {graph.by_id[path].op.verb for path in stands if path in graph.by_id}
    alone = len(verbs) == 1 and len(stands) == count and id in stands
    return stands.index(id) if alone else None


def _owner(graph: Graph, node: Node, holder: Mapping[str, str], part: str) -> str:
    """The group that holds an op: itself or a part around it, else what applies its weights first.

    In a part that is drawn every application is drawn.
    """
    around = [node.id, *(scope.id for scope in graph.around(node.scope))]
    if part:
        return next((holder[p] for p in around if p in holder), "") if part in around else ""
    places = (*around, *(path.partition("@")[0] for path in around))
    return next((holder[place] for place in places if place in holder), "")


def _ways(drawn: Sequence[Group], items: Sequence[Item]) -> set[tuple[str, str]]:
    """Pairs of groups that lines lead from and to."""
    lines = _lines(items)
    boxes = {group.id: _border(group) for group in drawn}
    numbers = range(len(lines))
    leaving = {n: [m for m in numbers if m != n and _on(lines[m][0], lines[n])] for n in numbers}
    into = {n: [m for m in numbers if m != n and _on(lines[n][-1], lines[m])] for n in numbers}
    ends = {n: [id for id, box in boxes.items() if box and on_border(*lines[n][-1], box)]
            for n in numbers}  # fmt: skip
    onward, found = _onward(lines, items), set()
    for id, box in boxes.items():
        own = [n for n in numbers if box and on_border(*lines[n][0], box)]
        todo, seen = [*own], {*own}
        while todo:
            number = todo.pop()
            found |= {(id, other) for other in ends[number] if other != id}
            more = [m for m in leaving[number] if not _touches(lines[m][0], lines[number][-1])]
            if not ends[number]:
                more = leaving[number] + into[number] + onward.get(number, [])
            if number not in own and any(
                other and on_border(*lines[number][0], other) for other in boxes.values()
            ):  # joined to the way of another group: not to the other ways of that
                more = [m for m in more if not _touches(lines[m][0], lines[number][0])]
            todo += [m for m in more if m not in seen]
            seen |= {*more}
    return found


def _onward(lines: Sequence[Sequence[Point]], items: Sequence[Item]) -> dict[int, list[int]]:
    """For lines that end at a number those that begin at the same one, in a line further down."""
    texts = [item for item in items if isinstance(item, Text) and item.plain.isdecimal()]

    def at(point: Point, anchor: str) -> str:
        near = (t for t in texts if t.anchor == anchor and abs(t.x - point[0]) < 2)
        return next((t.plain for t in near if abs(t.box()[1] + t.box()[3] - 2 * point[1]) < 4), "")

    begin: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        begin.setdefault(at(line[0], "end"), []).append(number)
    ends = {number: at(line[-1], "start") for number, line in enumerate(lines)}
    return {number: begin.get(text, []) for number, text in ends.items() if text}


def _lines(items: Sequence[Item]) -> list[list[Point]]:
    """The lines between groups, not those in them."""
    paths = [item for item in items if isinstance(item, Path)]
    heads = tips(paths)
    lines = [_line(path, heads) for path in paths if path.stroke and not path.fill]
    return [line for line in lines if len(line) > 1]


def _crossed(drawn: Sequence[Group], items: Sequence[Item]) -> Iterator[str]:
    """Groups that a way goes through."""
    for group in drawn:
        box = _border(group)
        if box is None:
            continue
        left, top, right, bottom = box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1
        for line in _lines(items):
            inner = [p for a, b in pairwise(line) for p in _between(a, b)]
            if any(left < x < right and top < y < bottom for x, y in inner):
                yield f"a way goes through {group.id}"


def _opposed(items: Sequence[Item]) -> Iterator[str]:
    """Ways that lie on one another and lead against each other, so that no one sees which is which.

    Straight along an axis, as ways are that lie on one another.
    """
    along: dict[tuple[int, int], list[tuple[int, float, float]]] = {}
    for number, line in enumerate(_lines(items)):
        for a, b in pairwise(line):
            for axis in (0, 1):
                if abs(a[axis] - b[axis]) < 0.05 and abs(a[1 - axis] - b[1 - axis]) > HEAD:
                    at = axis, round(2 * a[axis])
                    along.setdefault(at, []).append((number, a[1 - axis], b[1 - axis]))
    for (axis, at), parts in along.items():
        for (n, a0, a1), (m, b0, b1) in combinations(parts, 2):
            shared = min(max(a0, a1), max(b0, b1)) - max(min(a0, a1), min(b0, b1))
            if n != m and (a1 > a0) != (b1 > b0) and shared > NEAR:
                yield f"ways lead against each other at {'xy'[axis]} = {at / 2}"


def _between(a: Point, b: Point) -> Iterator[Point]:
    """Points on a segment, no two more than 2 points apart."""
    steps = 1 + int(max(abs(a[0] - b[0]), abs(a[1] - b[1])) / 2)
    for n in range(steps + 1):
        yield a[0] + (b[0] - a[0]) * n / steps, a[1] + (b[1] - a[1]) * n / steps


def _line(path: Path, heads: Sequence[Point]) -> list[Point]:
    """The points of a line, up to the tip of its arrow if it has one."""
    points: list[Point] = []
    for letter, numbers in path.commands:
        if letter == "C":
            points += curve(points[-1], *numbers)
        elif letter != "Z":
            points.append((numbers[0], numbers[1]))
    (x0, y0), (x, y) = points[-2:]
    for a, b in heads:
        reach = ((a - x) ** 2 + (b - y) ** 2) ** 0.5
        ahead = (a - x) * (x - x0) + (b - y) * (y - y0)
        if reach < HEAD and ahead > 0.2 * reach * ((x - x0) ** 2 + (y - y0) ** 2) ** 0.5:
            return [*points, (a, b)]
    return points


def _border(group: Group) -> tuple[float, float, float, float] | None:
    boxes = [i.box() for i in flat(group.items) if isinstance(i, Path) and i.fill and i.stroke]
    return boxes[0] if boxes else None


def _on(point: Point, line: Sequence[Point]) -> bool:
    return any(_distance(point, a, b) < NEAR for a, b in pairwise(line))


def _touches(one: Point, other: Point) -> bool:
    return abs(one[0] - other[0]) < NEAR and abs(one[1] - other[1]) < NEAR


def _distance(point: Point, a: Point, b: Point) -> float:
    """From a point to the segment between two others."""
    (x, y), (dx, dy) = point, (b[0] - a[0], b[1] - a[1])
    length = dx * dx + dy * dy
    part = max(0.0, min(1.0, ((x - a[0]) * dx + (y - a[1]) * dy) / length)) if length else 0.0
    return ((a[0] + part * dx - x) ** 2 + (a[1] + part * dy - y) ** 2) ** 0.5


def wrong_insets(items: Sequence[Item], graph: Graph) -> Iterator[str]:
    """Wrong ways of the blocks that are drawn; of a dense block the first layer stands for all."""
    dense = {scope.id for scope in graph.scopes if scope.kind == "dense"}
    for group in groups(items):
        path = group.id.removesuffix(".block")
        if path != group.id and path in group.stands and path not in dense:
            inside = [one for one in groups(group.items) if one is not group]
            yield from wrong_ways(inside, group.items, graph, path)
