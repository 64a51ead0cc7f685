"""Names with expressions in them: `layer{row + 1}`."""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

from archdsl.expressions.expression import Expression, ExpressionError, Names, describe
from archdsl.expressions.parser import parse


@dataclass(frozen=True, eq=False)
class Template:
    """A name, its parts words or expressions (with the place where each begins).

    One that is a text `escapes` braces, by two for each: its parts have one.
    """

    text: str
    parts: tuple[str | tuple[int, Expression], ...]
    escapes: bool = False

    @property
    def plain(self) -> str:
        """The name itself, where it has no expressions."""
        return "".join(part for part in self.parts if isinstance(part, str))

    @cached_property
    def names(self) -> dict[str, int]:
        """The names that its expressions mention, with the place of the first mention."""
        found: dict[str, int] = {}
        for offset, expression in self.expressions:
            for name, place in expression.names.items():
                found.setdefault(name, offset + place)
        return found

    @cached_property
    def expressions(self) -> list[tuple[int, Expression]]:
        return [part for part in self.parts if not isinstance(part, str)]

    @property
    def ends(self) -> tuple[str, str]:
        """The words that it begins and ends with, empty where an expression stands there."""
        first, last = self.parts[0], self.parts[-1]
        return first if isinstance(first, str) else "", last if isinstance(last, str) else ""

    @property
    def levels(self) -> int:
        """The dots that are written in it."""
        return sum(part.count(".") for part in self.parts if isinstance(part, str))

    def format(self, names: Names) -> str:
        """The name; raises ExpressionError for a part that is neither a word nor a whole number."""
        return "".join(
            part if isinstance(part, str) else self._shown(*part, names) for part in self.parts
        )

    def _shown(self, offset: int, expression: Expression, names: Names) -> str:
        try:
            value = expression(names)
        except ExpressionError as error:
            error.offset += offset
            raise
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        braces = isinstance(value, str) and ("{" in value or "}" in value) and not self.escapes
        if braces or value is None or isinstance(value, bool | float | list):
            message = f"{describe(value)} cannot be part of a name"
            raise ExpressionError("E0208", message, offset, len(expression.text))
        return str(value)

    def could_be(self, name: str) -> bool:
        """Whether the expressions might give parts that make up this name, judged by its ends."""
        if not self.expressions:
            return name == self.text
        start, end = self.ends
        return name.startswith(start) and name.endswith(end)


@lru_cache(maxsize=20_000)
def parse_template(text: str, escapes: bool = False) -> Template:
    """Reads a name, or a text that may have braces by two for each.

    Raises ExpressionError for an expression or brace that can't be read.
    """
    parts: list[str | tuple[int, Expression]] = []
    escaped = r"(\{\{|\}\})" if escapes else "($.)"
    for match in re.finditer(escaped + r"|\{([^{}]*)\}|([^{}]+)|(.)", text, re.DOTALL):
        if match[4]:
            help = f"write `{2 * match[4]}` for the brace itself" if escapes else ""
            message = f"`{match[4]}` without its partner"
            raise ExpressionError("E0301", message, match.start(), help=help)
        if match[1] or match[3]:
            parts.append(match[3] or match[1][0])
            continue
        try:
            parts.append((match.start(2), parse(match[2])))
        except ExpressionError as error:
            moved = (error.offset + match.start(2), error.length, error.help)
            raise ExpressionError(error.code, error.message, *moved) from None
    return Template(text, tuple(parts), escapes)


def forgiving(text: str) -> Template:
    """The name as it is written, or what can be made of it."""
    try:
        return parse_template(text)
    except ExpressionError:
        return parse_template(text.partition("{")[0].replace("}", "") + "{0}")
