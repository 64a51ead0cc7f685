"""Other people's names of weights, and what they are here."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from archdsl.expressions.expression import ExpressionError, Names
from archdsl.expressions.template import Template, parse_template

_PIECE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Rename:
    """`theirs: ours`, both paths of modules or the beginnings of such; `ours` None drops the key.

    In theirs, `{s}` stands for a part of a path or a piece of one; in ours it may be used in
    expressions, as a number where it is one: `stage{s}.unit{u}` to `layer{s}.{u - 1}`.
    """

    theirs: str
    ours: str | None

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        seen: set[str] = set()
        parts = _PIECE.split(self.theirs)
        for position, part in enumerate(parts):
            if position % 2 and part not in seen:
                seen.add(part)
                parts[position] = f"(?P<{part}>[^.]+?)"
            elif position % 2:
                parts[position] = f"(?P={part})"
            else:
                parts[position] = re.escape(part)
        return re.compile("".join(parts) + r"(?=\.|$)")

    @cached_property
    def template(self) -> Template:
        return parse_template(self.ours or "")

    def apply(self, key: str) -> tuple[bool, str | None]:
        """Whether the rule is for this key, and what becomes of it.

        Raises ValueError if ours can't be computed from the key.
        """
        match = self.pattern.match(key)
        if match is None:
            return False, key
        if self.ours is None:
            return True, None
        values = {n: int(v) if v.isdecimal() else v for n, v in match.groupdict().items()}
        try:
            return True, self.template.format(Names(values, {})) + key[match.end() :]
        except ExpressionError as error:
            raise ValueError(f"`{key}` cannot become `{self.ours}`: {error.message}") from None


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


def rename(key: str, renames: Iterable[Rename]) -> str | None:
    """Our name for a key: by the first rule that fits; unchanged if none does, None if dropped."""
    for rule in renames:
        fits, name = rule.apply(key)
        if fits:
            return name
    return key
