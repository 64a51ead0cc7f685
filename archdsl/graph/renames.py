"""Other people's names of weights, and what they are here."""

import re
from dataclasses import dataclass
from functools import cached_property
from heapq import merge
from itertools import takewhile

from archdsl.expressions.expression import ExpressionError, Names
from archdsl.expressions.template import Template, parse_template

_PIECE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Rename:
    """`theirs: ours`, both paths of modules or the beginnings of such; `ours` None drops the key,
    and an empty text the level.

    In theirs, `{s}` stands for a part of a path or a piece of one; in ours it may be used in
    expressions, as a number where it is one: `stage{s}.unit{u}` to `layer{s}.{u - 1}`.
    """

    theirs: str
    ours: str | None

    @cached_property
    def components(self) -> list[list[str]]:
        """Theirs between its dots: texts, with the names of pieces at the odd places."""
        return [_PIECE.split(part) for part in self.theirs.split(".")]

    def match(self, key: str) -> dict[str, str] | None:
        """What the names in theirs stand for in a key, None if the rule is not for it.

        A component is read from left to right, and a name takes as little as it can: no shorter
        piece of it would let what follows fit. One that stands again is what it was before; those
        that are alone in a component come first, since nothing else says what they are.
        """
        parts = key.split(".")
        if len(parts) < len(self.components):
            return None
        found: dict[str, str] = {}
        pairs = zip(self.components, parts, strict=False)
        for component, part in sorted(pairs, key=lambda pair: len(pair[0])):
            if not _read(component, part, found):
                return None
        return found

    @cached_property
    def template(self) -> Template:
        return parse_template(self.ours or "")

    def apply(self, key: str) -> tuple[bool, str | None]:
        """Whether the rule is for this key, and what becomes of it.

        Raises ValueError if ours can't be computed from the key.
        """
        found = self.match(key)
        if found is None:
            return False, key
        if self.ours is None:
            return True, None
        values = {n: int(v) if v.isdecimal() else v for n, v in found.items()}
        try:
            name = self.template.format(Names(values, {}))
        except ExpressionError as error:
            raise ValueError(f"`{key}` cannot become `{self.ours}`: {error.message}") from None
        rest = key.split(".")[len(self.components) :]
        if not name and not rest:
            raise ValueError(f"`{key}` cannot become `{self.ours}`: nothing is left of it")
        return True, ".".join([name, *rest] if name else rest)


def _read(component: list[str], part: str, found: dict[str, str]) -> bool:
    """Whether a component is this part of a key; adds what its names stand for to `found`."""
    while len(component := _known(component, found)) > 1:
        before, name, behind = component[:3]
        if not part.startswith(before):
            return False
        start, last = len(before), len(component) == 3
        end = len(part) - len(behind) if last else part.find(behind, start + 1)
        if end <= start:
            return False
        found[name], part, component = part[start:end], part[end:], component[2:]
    return part == component[0]


def _known(component: list[str], found: dict[str, str]) -> list[str]:
    """A component with what is found in the place of names."""
    result = component[:1]
    for name, text in zip(component[1::2], component[2::2], strict=True):
        if name in found:
            result[-1] += found[name] + text
        else:
            result += [name, text]
    return result


@dataclass(frozen=True)
class Renames:
    """How the weights of one source become ours.

    With `reshape` a tensor may have other axes there behind its first, if it has as many elements:
    a 1x1 convolution for a linear layer. `unmet` says which parameter this network has otherwise
    than the source's, or nothing.
    """

    rules: tuple[Rename, ...] = ()
    reshape: bool = False
    unmet: str = ""

    @cached_property
    def beginnings(self) -> dict[str, list[int]]:
        """The numbers of rules by how the keys begin that they may fit."""
        found: dict[str, list[int]] = {}
        for number, rule in enumerate(self.rules):
            found.setdefault(rule.theirs.partition("{")[0], []).append(number)
        return found

    @cached_property
    def lengths(self) -> list[int]:
        """How long beginnings are, each length once."""
        return sorted({len(beginning) for beginning in self.beginnings})

    def rename(self, key: str) -> str | None:
        """Our name for a key: by the first rule that fits; unchanged if none, None if dropped.

        Raises ValueError if ours can't be computed from the key.
        """
        lengths = takewhile(lambda length: length <= len(key), self.lengths)
        near = [self.beginnings.get(key[:length], ()) for length in lengths]
        for number in merge(*near):
            fits, name = self.rules[number].apply(key)
            if fits:
                return name
        return key
