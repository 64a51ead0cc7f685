"""How long a value lives: one rule, which every `forward` keeps to and the memory model counts.

A value lives until the last part that reads it is done. A part is an op, or a scope (a block, a
stage, whatever has a name and holds others): what is handed to a scope stays until all of that is
done, since the caller of a module holds what the module is given. Whether the source has a class
for a scope or its ops stand one by one in the `forward` around it makes no difference.
"""

from collections.abc import Iterable, Mapping, Sequence

Scopes = tuple[str, ...]  # around a step, from the outermost on


def last_uses(
    made: Mapping[str, Scopes], steps: Sequence[tuple[Scopes, Iterable[str]]]
) -> dict[str, int]:
    """The number of the step at whose end nothing needs a value any more, of all that are read.

    `made` says in which scopes every value is made, `steps` in which each runs and what it reads.
    """
    done: dict[str, int] = {}
    for number, (scopes, _) in enumerate(steps):
        done |= dict.fromkeys(scopes, number)
    last: dict[str, int] = {}
    for number, (scopes, values) in enumerate(steps):
        for value in values:
            depth = _shared(made[value], scopes)
            end = done[scopes[depth]] if depth < len(scopes) else number
            last[value] = max(last.get(value, 0), end)
    return last


def _shared(one: Scopes, other: Scopes) -> int:
    """How many scopes, from the outermost on, two places have in common."""
    if one is other:
        return len(one)
    depth = 0
    while depth < min(len(one), len(other)) and one[depth] == other[depth]:
        depth += 1
    return depth
