"""What repeats inside of a block, drawn once: a box says how often there is one."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from archdsl.figures.network.labels import Term
from archdsl.figures.network.tree import Box, Chain, Element, Join, Mesh, boxes, numbers, signature

MORE = "more"  # the verb of a box that stands for what repeats
Places = range  # of boxes of a mesh that follow one another


def folded(chain: Chain) -> Chain:
    """With a box that counts the others for joins in a row that are alike, in meshes too."""
    found: list[Element] = []
    for _, run in groupby(chain, key=lambda item: (signature((item,)), *numbers((item,)))):
        first, *others = [_with_fewer(one) if isinstance(one, Mesh) else one for one in run]
        if isinstance(first, Join):
            first = replace(first, paths=tuple(map(folded, first.paths)))
        found.append(first)
        if isinstance(first, Join) and others:
            found.append(_more(others[-1], tuple(_ids(others)), len(others), others[0].id))
        else:
            found += others
    return tuple(found)


def _more(last: Element, stands: Sequence[str], count: int, id: str) -> Box:
    """What stands for some elements, of which one is the last; it says how often there is one."""
    told = Term("more", (count + 1,), "the same, {} in all", brief="{} in all")
    return Box(id, MORE, (told,), "norm", last.output, tuple(stands))


def _ids(chain: Iterable[Element]) -> Iterator[str]:
    """The paths of all that a chain draws."""
    for item in chain:
        if isinstance(item, Join):
            yield item.id
            for path in item.paths:
                yield from _ids(path)
        else:
            yield from (path for box in boxes((item,)) for path in (box.id, *box.stands))


def _with_fewer(mesh: Mesh) -> Mesh:
    """A mesh in which numbered parts that repeat the one before them, and take it, are one box."""
    at = 0
    while at < len(mesh.boxes):
        for run in _runs(mesh, at):
            mesh = _without(mesh, run)
            break
        at += 1
    return mesh


def _runs(mesh: Mesh, start: int) -> Iterator[list[Places]]:
    """The parts from a box on that repeat each other, two or more; those of outer parts first."""
    names = mesh.boxes[start].id.split(".")
    for end, name in enumerate(names):
        parent = ".".join((*names[:end], ""))
        run = [part] if name.isdigit() and (part := _part(mesh, f"{parent}{name}.", start)) else []
        while run and (part := _part(mesh, f"{parent}{int(name) + len(run)}.", run[-1].stop)):
            if not _repeats(mesh, run[-1], part):
                break
            run.append(part)
        if len(run) > 1:
            yield run


def _part(mesh: Mesh, prefix: str, start: int) -> Places:
    """The boxes of a part if they follow one another from a place on, and there are several."""
    inside = [n for n, box in enumerate(mesh.boxes) if box.id.startswith(prefix)]
    whole = len(inside) > 1 and inside == [*range(start, start + len(inside))]
    return range(start, start + len(inside)) if whole else range(0)


def _repeats(mesh: Mesh, a: Places, b: Places) -> bool:
    """Whether a part is another over again, takes nothing but its last box, and alone does."""
    boxes_of = [[(mesh.boxes[n].verb, mesh.boxes[n].terms) for n in part] for part in (a, b)]
    if boxes_of[0] != boxes_of[1] or not _alone(mesh, a) or not _alone(mesh, b):
        return False
    entry = {taken for n in a for taken in mesh.takes[n] if taken not in a}
    wires = [tuple(-1 if t in entry else t - a.start for t in mesh.takes[n]) for n in a]
    others = [tuple(-1 if t == a[-1] else t - b.start for t in mesh.takes[n]) for n in b]
    taking = {n for n, takes in enumerate(mesh.takes) if a[-1] in takes and n not in a}
    return len(entry) == 1 and wires == others and a[-1] not in mesh.ends and taking <= {*b}


def _alone(mesh: Mesh, part: Collection[int]) -> bool:
    """Whether nothing but the last box of a part is taken by others."""
    inner = {*part} - {max(part)}
    taken = {t for n, takes in enumerate(mesh.takes) if n not in part for t in takes}
    return not inner & (taken | {*mesh.ends})


def _without(mesh: Mesh, run: Sequence[Places]) -> Mesh:
    """A mesh with one box for all parts of a run but the first."""
    first, last = run[0][-1], run[-1][-1]
    gone = range(first + 1, last + 1)
    stands = tuple(_ids(mesh.boxes[n] for n in gone))
    more = _more(mesh.boxes[last], stands, len(run) - 1, mesh.boxes[last].id)
    place = {n: n if n <= first else first + 1 if n == last else n - len(gone) + 1
             for n in range(len(mesh.boxes)) if n not in gone or n == last}  # fmt: skip
    takes = [
        (first,) if n == last else tuple(place.get(t, t) for t in mesh.takes[n]) for n in place
    ]
    ends = tuple(place[n] for n in mesh.ends)
    kept = tuple(more if n == last else mesh.boxes[n] for n in place)
    return replace(mesh, boxes=kept, takes=tuple(takes), ends=ends)
