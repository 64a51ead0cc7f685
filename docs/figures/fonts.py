"""Makes the fonts of the figures: subsets of Liberation 2.1 Sans and Serif, under other names.

    apt-get install fonts-liberation2 && pip install fonttools && python docs/figures/fonts.py

The license (SIL OFL 1.1) reserves the name Liberation for the unmodified fonts. Hints, kerning and
ligatures are left out, so that every program sets a line at the sum of its advance widths.
"""

from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

SOURCE = Path("/usr/share/fonts/truetype/liberation2")
TARGET = Path(__file__).parents[2] / "archdsl" / "figures" / "canvas" / "fonts"
RANGES = (
    (0x20, 0x7E), (0xA0, 0x17F), (0x218, 0x21B), (0x2C6, 0x2DD), (0x370, 0x3FF),
    (0x2010, 0x2027), (0x2030, 0x203A), (0x20AC, 0x20AC), (0x2122, 0x2122), (0x2190, 0x2195),
    (0x2202, 0x2265),
)  # fmt: skip
STYLES = {
    "sans": ("LiberationSans-Regular", "Figure Sans", "Regular"),
    "sans-bold": ("LiberationSans-Bold", "Figure Sans", "Bold"),
    "serif": ("LiberationSerif-Regular", "Figure Serif", "Regular"),
    "serif-bold": ("LiberationSerif-Bold", "Figure Serif", "Bold"),
}


def make(source: Path, target: Path, family: str, style: str) -> None:
    """Writes a subset of a font under another family name."""
    options = subset.Options(hinting=False, layout_features=[], notdef_outline=True)
    options.drop_tables += ["GPOS", "GSUB", "GDEF", "kern", "DSIG", "gasp"]
    font = TTFont(source, recalcTimestamp=False)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=[code for a, b in RANGES for code in range(a, b + 1)])
    subsetter.subset(font)
    names = {1: family, 2: style, 3: f"archdsl {family} {style}", 4: f"{family} {style}".strip()}
    names[6] = f"{family} {style}".replace(" ", "")
    for record in list(font["name"].names):
        if record.nameID in names:
            record.string = names[record.nameID]
        elif record.nameID not in (0, 13, 14):
            font["name"].names.remove(record)
    font.save(target)


if __name__ == "__main__":
    for name, (file, family, style) in STYLES.items():
        make(SOURCE / f"{file}.ttf", TARGET / f"{name}.ttf", family, style)
