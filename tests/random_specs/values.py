"""Names and values of a random spec: literals, expressions, conditions."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.random_specs.place import Place

# Names that might clash with what emitted source uses itself
STEMS = ("conv", "block", "layer", "x", "out", "norm", "a", "stage", "branch_pool", "features",
         "stem", "self", "torch", "F", "nn", "math", "layers", "y", "in_channels", "size", "maps",
         "shortcut", "residual", "Tensor", "super", "padding", "width", "i", "module", "downsample",
         "kernel_size", "inplace", "joined", "gated", "range", "list", "dict", "int", "getattr",
         "OrderedDict", "DropPath", "tuple")  # fmt: skip


@dataclass
class Draw:
    """Draws names and values of one spec."""

    random: Random
    size: int  # of the longest sequence
    taken: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)  # what only side results have
    blocks: dict[str, dict[str, Any]] = field(default_factory=dict)

    def one(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def chance(self, percent: int) -> bool:
        return self.random.random() * 100 < percent

    def name(self, place: Place, stems: tuple[str, ...] = STEMS) -> str:
        """A name that nothing else in the spec has."""
        stem = self.one(*stems)
        number, name = 1, stem
        while name in self.taken:
            name, number = f"{stem}{number}", number + 1
        self.taken.add(name)
        return name + place.suffix

    def number(self, value: int, place: Place) -> int | str:
        """A whole number, or an expression that gives it where it is written."""
        if not self.chance(40):
            return value
        known = {**place.shape.names(), **place.naive.params, **place.names}
        flags = [n for n, v in known.items() if isinstance(v, bool)]
        whole = [n for n, v in known.items() if type(v) is int]
        if flags and self.chance(30):
            flag, other = self.one(*flags), self.one(1, 2, value, 2 * value)
            return (
                f"{value} if {flag} else {other}"
                if known[flag]
                else f"{other} if {flag} else {value}"
            )
        name = self.one(*whole)
        v = known[name]
        if v == value:
            return str(name)
        if v and value % v == 0:
            return f"{value // v} * {name}"
        if 0 <= value < 40 and self.chance(15):
            return self.one(f"len(range({value}))", f"len(range({name}, {name} + {value}))")
        if value and v % value == 0:
            return f"{name} // {v // value}"
        if place.naive.rules and self.chance(30):
            return f"{self.one(*place.naive.rules)}({value})"
        return f"{name} + {value - v}" if value > v else f"max(1, {name} - {v - value})"

    def flag(self, place: Place) -> Any:
        known = {**place.shape.names(), **place.naive.params, **place.names}
        own = [n for n, v in place.names.items() if isinstance(v, int)]
        if own and self.chance(70):
            name = self.one(*own)
        else:
            name = self.one(*(n for n, v in known.items() if isinstance(v, int)))
        v = known[name]
        if isinstance(v, bool):
            return self.one(name, f"not {name}")
        other = self.one(*(n for n, v in known.items() if type(v) is int))
        return self.one(
            True, f"{name} == {v}", f"{name} != {v}", f"{name} > 2", f"{name} == {other}"
        )

    def channels(self, place: Place) -> int:
        return int(self.one(4, 8, 2, 3, 6, 12, 16, 1, place.shape.channels, place.shape.channels))

    def axes(self, rank: int, *choices: int) -> Any:
        if self.chance(20):
            return [self.one(*choices) for _ in range(rank)]
        return self.one(*choices)
