r"""Math in the text of figures, `$C_3$` or `$\frac{1}{4}$`, set in the fonts of figures.

What is known is what labels need: letters, numbers and signs, Greek and other signs by their names,
`_` and `^`, `\frac`, `\sqrt`, `\text` and `\mathbf`. Nothing else reaches TeX either.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, NoReturn

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.figures.canvas.font import font
from archdsl.figures.canvas.symbols import GREEK, SIGNS

MATH = re.compile(r"\$(?=\S)([^$]+)(?<=\S)\$(?!\d)")  # as Pandoc reads it: `$5 and $6` is none
RAISED, LOWERED, SHRUNK = 0.34, 0.16, 0.68  # of super- and subscripts, relative to the text
CAPITALS, DESCENT, AXIS = 0.74, 0.21, 0.27  # of its size: how high, how low, where a bar stands
_GAP, _BAR = 0.1, 0.06  # of the size: around the bar of a fraction; how thick it is
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|.", re.DOTALL)
_NAMES = {**GREEK, **SIGNS, "to": "→", "le": "≤", "ge": "≥", "ne": "≠", "ldots": "…", "dots": "…"}
_SPACES = {",": 0.17, ":": 0.22, ";": 0.28, " ": 0.25, "quad": 1.0, "!": -0.17}
_SET = frozenset("{}$%#&_\\")  # letters that are written behind a backslash
_ACTS = frozenset("#%&~")  # letters that do something in TeX
_SPACED = {**dict.fromkeys("+−×·±÷∩", 0.2), **dict.fromkeys("=<>≤≥≈≠≡→↔", 0.26)}
_FORMS = ("frac", "sqrt", "text", "mathrm", "mathbf")


def script(size: float, least: float) -> float:
    """The size of what is raised or lowered in a text of a size, where `least` can be read."""
    return max(SHRUNK * size, min(size, least))


@dataclass(frozen=True, slots=True)
class Piece:
    """Letters of one size, or a bar `thick` high, `x` and `rise` from where the text begins."""

    text: str
    bold: bool
    x: float
    rise: float
    size: float
    wide: float = 0.0
    thick: float = 0.0


@dataclass(frozen=True, slots=True)
class Block:
    """What is set: its width, how far it goes up and down from the baseline, in points."""

    width: float
    up: float
    down: float
    pieces: tuple[Piece, ...]

    def at(self, x: float, rise: float) -> "Block":
        pieces = tuple(
            Piece(p.text, p.bold, p.x + x, p.rise + rise, p.size, p.wide, p.thick)
            for p in self.pieces
        )
        return Block(self.width, self.up + rise, self.down - rise, pieces)


@dataclass(frozen=True, slots=True)
class Look:
    """How something is set: its size, that of its smallest letters, the font."""

    size: float
    least: float
    family: str
    bold: bool

    @property
    def smaller(self) -> "Look":
        return replace(self, size=script(self.size, self.least))


Level = Literal["", "sup", "sub"]
Linear = tuple[tuple[str, Level], ...]


@dataclass(frozen=True, slots=True)
class Word:
    """Letters in a row; behind others `spaced` by a part of the size, on both sides."""

    text: str
    bold: bool = False
    spaced: float = 0.0

    def joins(self, other: "Word") -> bool:
        """Whether both can be one."""
        return self.bold == other.bold and not self.spaced and not other.spaced

    def set(self, look: Look) -> Block:
        face = font(look.family, look.bold or self.bold)
        wide = face.width(self.text, look.size)
        piece = Piece(self.text, look.bold or self.bold, 0.0, 0.0, look.size)
        return Block(wide, CAPITALS * look.size, DESCENT * look.size, (piece,))

    def linear(self, level: Level) -> Linear:
        return ((self.text, level),)


@dataclass(frozen=True, slots=True)
class Space:
    """A gap, a part of the size."""

    wide: float

    def set(self, look: Look) -> Block:
        return Block(self.wide * look.size, 0.0, 0.0, ())

    def linear(self, level: Level) -> Linear:
        return ((" ", level),) if self.wide > 0.2 else ()


@dataclass(frozen=True, slots=True)
class Row:
    """One after the other."""

    items: "tuple[Item, ...]"

    def set(self, look: Look) -> Block:
        x, done = 0.0, list[Block]()
        for number, item in enumerate(self.items):
            gap = item.spaced * look.size if isinstance(item, Word) and number else 0.0
            block = item.set(look)
            done.append(block.at(x + gap, 0.0))
            x += block.width + (2 * gap if number < len(self.items) - 1 else gap)
        ups, downs = [b.up for b in done], [b.down for b in done]
        pieces = tuple(piece for block in done for piece in block.pieces)
        return Block(x, max(ups, default=0.0), max(downs, default=0.0), pieces)

    def linear(self, level: Level) -> Linear:
        return tuple(one for item in self.items for one in item.linear(level))


@dataclass(frozen=True, slots=True)
class Scripts:
    """Something with a superscript, a subscript, or one over the other."""

    base: "Item"
    sup: "Item | None"
    sub: "Item | None"

    def set(self, look: Look) -> Block:
        base = self.base.set(look)
        apart = 0.08 if self.sup and self.sub else 0.0
        scripts = ((self.sup, RAISED + apart), (self.sub, -LOWERED - apart))
        done = [s.set(look.smaller).at(base.width, up * look.size) for s, up in scripts if s]
        wide = base.width + max(block.width for block in done)
        every = (base, *done)
        pieces = tuple(piece for block in every for piece in block.pieces)
        return Block(wide, max(b.up for b in every), max(b.down for b in every), pieces)

    def linear(self, level: Level) -> Linear:
        sub = self.sub.linear(level or "sub") if self.sub else ()
        sup = self.sup.linear(level or "sup") if self.sup else ()
        return (*self.base.linear(level), *sub, *sup)


@dataclass(frozen=True, slots=True)
class Fraction:
    """One over the other, with a bar between them."""

    over: "Item"
    under: "Item"

    def set(self, look: Look) -> Block:
        over, under = self.over.set(look.smaller), self.under.set(look.smaller)
        wide = max(over.width, under.width) + 2 * _GAP * look.size
        axis, gap = AXIS * look.size, (_GAP + _BAR / 2) * look.size
        upper = over.at((wide - over.width) / 2, axis + gap)
        lower = under.at((wide - under.width) / 2, axis - gap - under.up)
        bar = Piece("", False, 0.0, axis, look.size, wide, _BAR * look.size)
        pieces = (*upper.pieces, bar, *lower.pieces)
        return Block(wide, upper.up, lower.down, pieces)

    def linear(self, level: Level) -> Linear:
        return (*_held(self.over, level), ("/", level), *_held(self.under, level))


@dataclass(frozen=True, slots=True)
class Root:
    """A square root, with a bar over what is in it."""

    inner: "Item"

    def set(self, look: Look) -> Block:
        inner, face = self.inner.set(look), font(look.family, look.bold)
        ends = [(x / face.units, y / face.units) for one in face.outline("√") for x, y, _ in one]
        across, high = (max(one) for one in zip(*ends, strict=True))  # of a size of 1
        size = max(look.size, (inner.up + _GAP * look.size) / high)
        sign = Word("√").set(replace(look, size=size))
        right, top, thick = across * size, high * size, _BAR * look.size
        bar = Piece("", False, right, top - thick / 2, look.size, inner.width, thick)
        pieces = (*sign.pieces, bar, *inner.at(right, 0.0).pieces)
        return Block(right + inner.width, top, inner.down, pieces)

    def linear(self, level: Level) -> Linear:
        return (("√", level), *_held(self.inner, level))


Item = Word | Space | Row | Scripts | Fraction | Root


def _held(item: Item, level: Level) -> Linear:
    """In one line, in brackets if it is more than one sign or word."""
    said = item.linear(level)
    return said if len(said) == 1 else (("(", level), *said, (")", level))


@cache
def formula(source: str) -> Item:
    """What stands between dollars; raises UsageError at what is not known."""
    return _Reader(source).row("")


@cache
def placed(source: str, size: float, family: str, bold: bool, least: float) -> Block:
    """A formula set in a size."""
    return formula(source).set(Look(size, least, family, bold))


class _Reader:
    """Reads math, token by token."""

    def __init__(self, source: str) -> None:
        self.source, self.at = source, 0
        self.tokens = [(found[0], found.start()) for found in _TOKEN.finditer(source)]

    def fail(self, message: str, help: str = "") -> NoReturn:
        place = self.tokens[self.at][1] if self.at < len(self.tokens) else len(self.source)
        where = f"math `${self.source}$`, letter {place + 1}"
        raise UsageError(f"{where}: {message}{'; ' * bool(help)}{help}")

    @property
    def token(self) -> str:
        """The next one, or nothing at the end."""
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def row(self, end: str) -> Row:
        """Everything up to a closing brace, or to the end."""
        items: list[Item] = []
        while self.token != end:
            if self.token == "}":
                self.fail("`}` closes nothing")
            if not self.token:
                self.fail("a `}` is missing")
            if self.token.isspace():
                self.at += 1
                continue
            items.append(self.scripts())
        return Row(_joined(items))

    def scripts(self) -> Item:
        """An item with what stands above and below it."""
        base = Word("") if self.token in ("^", "_") else self.item()
        found: dict[str, Item] = {}
        while self.token in ("^", "_"):
            if self.token in found:
                self.fail(f"a second `{self.token}`; put braces around what it belongs to")
            sign = self.token
            self.at += 1
            found[sign] = self.argument(f"`{sign}`")
        return Scripts(base, found.get("^"), found.get("_")) if found else base

    def argument(self, whose: str) -> Item:
        """What is in braces, or one item."""
        while self.token.isspace():
            self.at += 1
        if not self.token or self.token in ("^", "_", "}"):
            self.fail(f"{whose} needs something behind it")
        return self.item()

    def item(self) -> Item:
        """A group, a command or a letter."""
        token = self.token
        if token.startswith("\\"):
            return self.command(token[1:])
        if token in _ACTS:
            self.fail(f"`{token}` is written `\\{token}`")
        self.at += 1
        if token == "{":
            inner = self.row("}")
            self.at += 1
            return inner
        letter = {"-": "−", "'": "′", "*": "∙"}.get(token, token)
        return Word(letter, spaced=_SPACED.get(letter, 0.0))

    def command(self, name: str) -> Item:
        """What begins with a backslash."""
        if name not in _NAMES and name not in _SPACES and name not in (*_FORMS, *_SET):
            hint = did_you_mean(f"\\{name}", [f"\\{one}" for one in (*_NAMES, *_FORMS)])
            self.fail(f"there is no `\\{name}` in the math of figures", hint)
        self.at += 1
        if name in _NAMES:
            letter = _NAMES[name]
            return Word(letter, spaced=_SPACED.get(letter, 0.0))
        if name in _SPACES:
            return Space(_SPACES[name])
        if name in _SET:
            return Word(name)
        if name == "frac":
            over = self.argument("`\\frac`")
            return Fraction(over, self.argument("`\\frac`, for what is under its bar,"))
        if name == "sqrt":
            return Root(self.argument("`\\sqrt`"))
        return self.words(name)

    def words(self, name: str) -> Word:
        """Letters as they stand, spaces too."""
        if self.token != "{":
            self.fail(f"`\\{name}` needs braces behind it")
        self.at += 1
        text = ""
        while self.token != "}":
            if not self.token or self.token[0] in "{\\^_" or self.token in _ACTS:
                self.fail(f"`\\{name}` holds words alone, and ends with `}}`")
            text += self.token
            self.at += 1
        self.at += 1
        return Word(text, name == "mathbf")


def _joined(items: Sequence[Item]) -> tuple[Item, ...]:
    """Letters in a row as one word."""
    found: list[Item] = []
    for item in items:
        last = found[-1] if found else None
        if isinstance(item, Word) and isinstance(last, Word) and last.joins(item):
            found[-1] = Word(last.text + item.text, item.bold)
        else:
            found.append(item)
    return tuple(found)
