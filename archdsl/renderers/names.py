"""What figures call parts of a network: as little of their paths as says which is meant."""

from collections.abc import Collection, Sequence
from itertools import takewhile


def short(path: str, among: Collection[str] = ()) -> str:
    """The end of a path from its last name on; from one before if others have that end too."""
    parts = path.split(".")
    for start in reversed(range(len(parts))):
        end = ".".join(parts[start:])
        named = not parts[start][:1].isdigit()
        if named and not any(f".{other}".endswith(f".{end}") for other in among if other != path):
            return end.lstrip("_")
    return path


def name_of(ids: Sequence[str], among: Sequence[str]) -> str:
    """What a run of paths is called: `layer1` for all of `layer1.0`, `.1`, ...; `features.2–3`."""
    first, last = ids[0], ids[-1]
    parent = whole(ids, among)
    if parent and (len(ids) > 1 or first.rpartition(".")[2][:1].isdigit()):
        return _part(parent, ids, among)
    name = short(first, among)
    return f"{name}–{rest_of(first, last)}" if len(ids) > 1 else name


def _part(part: str, ids: Sequence[str], among: Sequence[str]) -> str:
    """The name of a part, or of one around it that holds no more if others have that name."""
    parts = {path.rpartition(".")[0] for path in among}
    above = part.rpartition(".")[0]
    while short(part) != short(part, parts) and above and _under(above, among) == list(ids):
        part, above = above, above.rpartition(".")[0]
    return short(part, parts)


def whole(ids: Sequence[str], among: Sequence[str]) -> str:
    """The path that these and no others lie directly or deeper under, "" if there is none."""
    parent = ids[0].rpartition(".")[0]
    return parent if _under(parent, among) == list(ids) else ""


def _under(part: str, among: Sequence[str]) -> list[str]:
    return [path for path in among if path.startswith(part + ".")]


def largest(part: str, inside: set[str], among: Sequence[str]) -> str:
    """The largest part around one that holds only paths from `inside`, "" if there is none."""
    found = ""
    while part and inside.issuperset(_under(part, among)):
        found, part = short(part), part.rpartition(".")[0]
    return found


def rest_of(first: str, last: str) -> str:
    """The part of `last` that tells it from `first`, numbers whole."""
    pairs = zip(first, last, strict=False)
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    while alike and first[alike - 1].isdigit():
        alike -= 1
    return last[alike:]
