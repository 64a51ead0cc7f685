"""Two sequences side by side: which entries of the one are which of the other."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Sequence

MOST = 200  # entries that stay alone, up to which their number is the least there can be

Entries = Sequence[Hashable]
Pairs = list[tuple[int, int]]  # a place in the one and a place in the other, both growing


def aligned(before: Entries, after: Entries, apart: bool = True) -> Pairs:
    """The places of equal entries, in order: as many as there can be, if `MOST` or fewer are left.

    Where more are, those that stand once in both are taken first, and with `apart` what lies
    between them is aligned by itself. So the work grows with the length, and not with its square.
    """
    start, end = 0, 0
    most = min(len(before), len(after))
    while start < most and before[start] == after[start]:
        start += 1
    while end < most - start and before[-1 - end] == after[-1 - end]:
        end += 1
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    inner = _fewest_alone(old, new)
    if inner is None:
        inner = _between_anchors(old, new) if apart else _in_passing(old, new)
    tail = ((len(before) - n, len(after) - n) for n in range(end, 0, -1))
    return [*((n, n) for n in range(start)), *((start + i, start + j) for i, j in inner), *tail]


def _fewest_alone(old: Entries, new: Entries) -> Pairs | None:
    """The most pairs there can be, None if that leaves more than `MOST` entries (Myers 1986).

    `furthest[k]` is how far in `old` one comes with so many left alone, k places ahead of `new`.
    """
    furthest = {1: 0}
    earlier = []
    for alone in range(MOST + 1):
        earlier.append(dict(furthest))
        for k in range(-alone, alone + 1, 2):
            x = furthest[k + 1] if _is_new(furthest, k, alone) else furthest[k - 1] + 1
            while x < len(old) and x - k < len(new) and old[x] == new[x - k]:
                x += 1
            furthest[k] = x
            if x >= len(old) and x - k >= len(new):
                return _way(earlier, x, k)
    return None


def _is_new(furthest: dict[int, int], k: int, alone: int) -> bool:
    """Whether the last that is left alone on the way to diagonal k is an entry of `new`."""
    return k == -alone or (k != alone and furthest[k - 1] < furthest[k + 1])


def _way(earlier: list[dict[int, int]], x: int, k: int) -> Pairs:
    """The pairs on the way that ends at `x` on diagonal k, found from its end."""
    pairs: Pairs = []
    for alone in range(len(earlier) - 1, -1, -1):
        new = _is_new(earlier[alone], k, alone)
        before = k + 1 if new else k - 1
        start = earlier[alone][before]
        pairs += ((at, at - k) for at in range(x - 1, start - new, -1))
        x, k = start, before
    return pairs[::-1]


def _between_anchors(old: Entries, new: Entries) -> Pairs:
    """Pairs of entries that stand once in both, and of what lies between (patience diff)."""
    once = [{key for key, n in Counter(side).items() if n == 1} for side in (old, new)]
    places = {key: i for i, key in enumerate(old) if key in once[0] & once[1]}
    anchors = _rising([(places[key], j) for j, key in enumerate(new) if key in places])
    pairs: Pairs = []
    i = j = 0
    for a, b in [*anchors, (len(old), len(new))]:
        pairs += ((i + n, j + m) for n, m in aligned(old[i:a], new[j:b], apart=False))
        pairs += [(a, b)] if a < len(old) else []
        i, j = a + 1, b + 1
    return pairs


def _rising(pairs: Pairs) -> Pairs:
    """The most of some pairs in whose order the first numbers grow, as the second do."""
    ends: list[int] = []  # the least number with which so many can end
    last: list[int] = []  # and its place
    before: list[int] = []
    for place, (first, _) in enumerate(pairs):
        length = bisect_left(ends, first)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1], last[length : length + 1] = [first], [place]
    run: Pairs = []
    place = last[-1] if last else -1
    while place >= 0:
        run.append(pairs[place])
        place = before[place]
    return run[::-1]


def _in_passing(old: Entries, new: Entries) -> Pairs:
    """Pairs found by going through both once, past the fewer entries to the next equal ones."""
    in_old, in_new = _places(old), _places(new)
    pairs: Pairs = []
    i = j = 0
    while i < len(old) and j < len(new):
        ahead, behind = _next(in_old, new[j], i), _next(in_new, old[i], j)
        if ahead is None or behind is None:
            i, j = i + (behind is None), j + (ahead is None)
        elif ahead == i:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif min(ahead - i, behind - j) > MOST:
            i, j = i + 1, j + 1
        elif ahead - i <= behind - j:
            i = ahead
        else:
            j = behind
    return pairs


def _places(entries: Entries) -> dict[Hashable, list[int]]:
    places: dict[Hashable, list[int]] = {}
    for place, key in enumerate(entries):
        places.setdefault(key, []).append(place)
    return places


def _next(places: dict[Hashable, list[int]], key: Hashable, start: int) -> int | None:
    """The first place of an entry from a start on."""
    found = places.get(key, [])
    at = bisect_left(found, start)
    return found[at] if at < len(found) else None
