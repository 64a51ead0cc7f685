"""Numbers that follow from the sizes of what comes in, or from each other."""

from collections.abc import Collection, Iterator, Sequence
from itertools import combinations_with_replacement
from typing import Any

from archdsl.importing.items import ANY, Code

Columns = dict[str, list[Any]]  # what every call has, by names in expressions

_WIDTHS = ("out", "groups", "width", "channels", "start", "stop", "heads")
_SIZE = "size"  # what an axis of a shape is called


def is_axis(name: str) -> bool:
    """Whether an argument of this name is the size of an axis of a shape."""
    return name.rstrip("0123456789").endswith(_SIZE)


def is_size(name: str) -> bool:
    """Whether an argument of this name is a number of channels, or another size."""
    return name.rstrip("0123456789").endswith((*_WIDTHS, _SIZE))


def columns(sizes: Sequence[Any]) -> Columns:
    """The sizes of all calls by the names that all have."""
    known = [given for given in sizes if given is not ANY]
    names = [name for name in known[0] if all(name in given for given in known)] if known else []
    return {n: [ANY if given is ANY else given[n] for given in sizes] for n in names}


def pairs(one: Sequence[Any], other: Sequence[Any]) -> list[tuple[Any, Any]]:
    return list(zip(one, other, strict=True))


def alike(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether values are equal where both are known."""
    return all(
        a is ANY or b is ANY or (a == b and type(a) is type(b)) for a, b in pairs(one, other)
    )


def same(values: Sequence[Any]) -> bool:
    """Whether all that are known are one."""
    known = [value for value in values if value is not ANY]
    return all(value == known[0] and type(value) is type(known[0]) for value in known)


def multiple(values: Sequence[Any], known: Columns) -> Code | None:
    """Sizes as a multiple, or a part, of what is known; the first that does."""
    return next((made for n, others in known.items() for made in _ratio(values, n, others)), None)


def _ratio(values: Sequence[Any], name: str, others: Sequence[Any]) -> Iterator[Code]:
    """Values as what has a name, so many times or so many parts of it."""
    both = [(a, b) for a, b in pairs(values, others) if a is not ANY and b is not ANY]
    if not both or any(b is ANY and a is not ANY for a, b in pairs(values, others)):
        return
    if all(a == b for a, b in both):
        yield Code(name)
    elif all(b and a % b == 0 for a, b in both) and len({a // b for a, b in both}) == 1:
        yield Code(f"{both[0][0] // both[0][1]} * {name}")
    elif all(a and b % a == 0 for a, b in both) and len({b // a for a, b in both}) == 1:
        yield Code(f"{name} // {both[0][1] // both[0][0]}")


def axis(values: Sequence[Any], known: Columns, used: Collection[str]) -> Any:
    """The size of an axis by what is known: one number, a multiple, a product; None if none is.

    Of two that say it the one that is not yet `used` for another axis.
    """
    found = [value for value in values if value is not ANY]
    if same(values):
        return found[0] if found else ANY
    if any(type(value) is not int for value in found):
        return None
    free = sorted(known, key=lambda name: any(name in text.split() for text in used))
    ordered = {name: known[name] for name in free}
    equal = (name for name, others in ordered.items() if _equal(values, others))
    made = next(map(Code, equal), None) or multiple(values, ordered)
    return made or multiple(values, products(ordered))


def _equal(values: Sequence[Any], others: Sequence[Any]) -> bool:
    return all(a is ANY or (a == b and type(b) is int) for a, b in pairs(values, others))


def products(known: Columns) -> Columns:
    """Products of two that are known, but for channels, which are no side of a map."""
    found: Columns = {}
    for one, other in combinations_with_replacement((name for name in known if name != "C"), 2):
        both = pairs(known[one], known[other])
        if all(type(n) is int for pair in both for n in pair if n is not ANY):
            found[f"{one} * {other}"] = [ANY if ANY in pair else pair[0] * pair[1] for pair in both]
    return found


def root(values: Sequence[Any], known: Columns) -> Code | None:
    """A factor that is one over the root of what is known, as attention has."""
    if not all(value is ANY or type(value) is float for value in values):
        return None
    for name, others in known.items():
        if all(
            a is ANY or (b is not ANY and b > 0 and b**-0.5 == a) for a, b in pairs(values, others)
        ):
            return Code(f"{name} ** -0.5")
    return None
