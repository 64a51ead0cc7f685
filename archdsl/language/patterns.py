"""Patterns of paths: `layer4`, `*.bn1`, `layer?.0`; what one fits, it fits with all below."""

from collections.abc import Iterator

ANYWHERE = "*"
Ahead = frozenset[int]  # where in a pattern what is left of a path goes on
ALL: Ahead = frozenset([-1])  # everything from here on fits


def start(pattern: str) -> Ahead:
    """What lies ahead in the whole network."""
    return _settled(pattern, _open(pattern, {0}))


def fits(pattern: str, path: str) -> bool:
    """Whether a path, or one above it, is one of a pattern: `layer4`, `*.bn1`, `layer?.0`."""
    return fits_on(pattern, start(pattern), path)


def fits_on(pattern: str, ahead: Ahead, path: str) -> bool:
    """Whether the path goes on as a pattern does, of which so much lies ahead."""
    return any(found == ALL for _, found in _way(pattern, ahead, path))


def entered(pattern: str, ahead: Ahead, path: str) -> Ahead:
    """What of a pattern lies ahead in what stands at a path."""
    return [_settled(pattern, below) for below, _ in _way(pattern, ahead, path)][-1]


def _way(pattern: str, ahead: Ahead, path: str) -> Iterator[tuple[Ahead, Ahead]]:
    """What lies ahead below and at each part of a path; ALL where that fits."""
    for part in path.split("."):
        for sign in part if ahead != ALL else "":
            ahead = _step(pattern, ahead, sign)
        here = ALL if ahead == ALL or len(pattern) in ahead else ahead
        ahead = ALL if here == ALL else _step(pattern, ahead, ".")
        yield ahead, here


def _step(pattern: str, ahead: Ahead, sign: str) -> Ahead:
    near = [at for at in ahead if at < len(pattern)]
    stays = {at for at in near if pattern[at] == "*"}
    return _open(pattern, stays | {at + 1 for at in near if pattern[at] in (sign, "?")})


def _open(pattern: str, ahead: set[int]) -> Ahead:
    """With what a `*` lets begin: it may be nothing."""
    found = set[int]()
    for at in ahead:
        found.add(at)
        while at < len(pattern) and pattern[at] == "*":
            at += 1
            found.add(at)
    return frozenset(found)


def _settled(pattern: str, ahead: Ahead) -> Ahead:
    """ALL where what is left of the pattern fits everything."""
    return ALL if any(pattern[at:] == ANYWHERE for at in ahead) else ahead
