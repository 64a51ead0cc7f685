"""The fonts of the figures: advance widths and outlines, read from the shipped TrueType files."""

import struct
import unicodedata
from functools import cache, cached_property
from pathlib import Path

from archdsl.diagnostics.errors import UsageError

FOLDER = Path(__file__).parent / "fonts"
FAMILIES = {"sans": "Figure Sans", "serif": "Figure Serif"}
FALLBACKS = {"sans": "Arial, Helvetica, sans-serif", "serif": "'Times New Roman', Times, serif"}

Point = tuple[float, float, bool]  # x, y, whether the curve passes through it
Contour = list[Point]


class Font:
    """A TrueType font of simple tables: cmap format 4, no kerning."""

    def __init__(self, path: Path) -> None:
        self.path, self.data = path, path.read_bytes()
        self.widths: dict[str, float] = {}  # of texts that were measured, at size 1
        (count,) = struct.unpack_from(">H", self.data, 4)
        records = struct.iter_unpack(">4sIII", self.data[12 : 12 + 16 * count])
        self.tables = {tag.decode(): offset for tag, _, offset, _ in records}
        (self.units,) = struct.unpack_from(">H", self.data, self.tables["head"] + 18)

    @cached_property
    def glyphs(self) -> dict[int, int]:
        """Code point to glyph index."""
        start = self.tables["cmap"]
        (count,) = struct.unpack_from(">H", self.data, start + 2)
        for number in range(count):
            (offset,) = struct.unpack_from(">I", self.data, start + 8 + 8 * number)
            if self.data[start + offset : start + offset + 2] == b"\0\4":
                return self._segments(start + offset)
        raise ValueError(f"{self.path} has no cmap of format 4")

    def _segments(self, at: int) -> dict[int, int]:
        (doubled,) = struct.unpack_from(">H", self.data, at + 6)
        half, found = doubled // 2, {}
        ends = struct.unpack_from(f">{half}H", self.data, at + 14)
        starts = struct.unpack_from(f">{half}H", self.data, at + 16 + doubled)
        deltas = struct.unpack_from(f">{half}h", self.data, at + 16 + 2 * doubled)
        base = at + 16 + 3 * doubled
        offsets = struct.unpack_from(f">{half}H", self.data, base)
        for i, (first, last) in enumerate(zip(starts, ends, strict=True)):
            for code in range(first, min(last, 0xFFFE) + 1):
                glyph = code
                if offsets[i]:
                    place = base + 2 * i + offsets[i] + 2 * (code - first)
                    (glyph,) = struct.unpack_from(">H", self.data, place)
                found[code] = (glyph + deltas[i]) & 0xFFFF
        return found

    @cached_property
    def advances(self) -> tuple[int, ...]:
        """Width of each glyph in font units."""
        (count,) = struct.unpack_from(">H", self.data, self.tables["hhea"] + 34)
        pairs = struct.unpack_from(f">{2 * count}H", self.data, self.tables["hmtx"])
        return pairs[::2]

    def glyph(self, letter: str) -> int:
        """The index of a letter's glyph; raises UsageError if the font has none."""
        glyph = self.glyphs.get(ord(letter), 0)
        if not glyph:
            name = unicodedata.name(letter, "no name")
            raise UsageError(
                f"figures cannot show `{letter}` (U+{ord(letter):04X}, {name}): their fonts have"
                " Latin and Greek letters; write it in these, or give another --title"
            )
        return glyph

    def width(self, text: str, size: float) -> float:
        """The width in points of a text set at a size in points."""
        if text not in self.widths:
            last = len(self.advances) - 1
            units = sum(self.advances[min(self.glyph(letter), last)] for letter in text)
            self.widths[text] = units / self.units
        return self.widths[text] * size

    def outline(self, letter: str) -> list[Contour]:
        """The closed contours of a letter in font units, y upwards, of quadratic curves."""
        return self._contours(self.glyph(letter))

    def _contours(self, glyph: int) -> list[Contour]:
        (long,) = struct.unpack_from(">h", self.data, self.tables["head"] + 50)
        place = self.tables["loca"] + glyph * (4 if long else 2)
        start, end = struct.unpack_from(">2I" if long else ">2H", self.data, place)
        scale = 1 if long else 2
        if start == end:
            return []
        at = self.tables["glyf"] + start * scale
        (count,) = struct.unpack_from(">h", self.data, at)
        return self._simple(at + 10, count) if count >= 0 else self._composite(at + 10)

    def _simple(self, at: int, count: int) -> list[Contour]:
        ends = struct.unpack_from(f">{count}H", self.data, at)
        (instructions,) = struct.unpack_from(">H", self.data, at + 2 * count)
        at += 2 * count + 2 + instructions
        flags: list[int] = []
        while len(flags) <= ends[-1]:
            flag, at = self.data[at], at + 1
            again = 0
            if flag & 8:
                again, at = self.data[at], at + 1
            flags += [flag] * (again + 1)
        xs, at = self._coordinates(flags, at, 2, 16)
        ys, at = self._coordinates(flags, at, 4, 32)
        points = [(float(x), float(y), bool(f & 1)) for x, y, f in zip(xs, ys, flags, strict=True)]
        firsts = [0, *(end + 1 for end in ends[:-1])]
        return [points[a : b + 1] for a, b in zip(firsts, ends, strict=True)]

    def _coordinates(
        self, flags: list[int], at: int, short: int, same: int
    ) -> tuple[list[int], int]:
        value, values = 0, []
        for flag in flags:
            if flag & short:
                value += self.data[at] if flag & same else -self.data[at]
                at += 1
            elif not flag & same:
                value += struct.unpack_from(">h", self.data, at)[0]
                at += 2
            values.append(value)
        return values, at

    def _composite(self, at: int) -> list[Contour]:
        """Accented letters: the contours of other glyphs, moved."""
        contours: list[Contour] = []
        flags = 0x20
        while flags & 0x20:
            flags, glyph = struct.unpack_from(">2H", self.data, at)
            wide = flags & 1
            dx, dy = struct.unpack_from(">2h" if wide else ">2b", self.data, at + 4)
            at += (8 if wide else 6) + (2 if flags & 8 else 4 if flags & 0x40 else 0)
            part = self._contours(glyph)
            contours += [[(x + dx, y + dy, on) for x, y, on in contour] for contour in part]
        return contours


@cache
def font(family: str, bold: bool = False) -> Font:
    """A shipped font: `sans` or `serif`."""
    return Font(FOLDER / f"{family}{'-bold' if bold else ''}.ttf")
