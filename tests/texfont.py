"""The figures' own font for pdfTeX, so that its pages can be held to our PDF pixel by pixel."""

import subprocess
from pathlib import Path

from archdsl.figures.canvas.font import FOLDER, font

LETTERS = {code: chr(code) for code in range(0x20, 0x7F)} | {0x80: "×", 0x81: "–", 0x82: "→"}
SYMBOLS = {"times": 0x80, "rightarrow": 0x82}  # math that figures use
FILES = {"m": "sans", "b": "sans-bold"}


def preamble(folder: Path) -> str:
    """Writes the font as TeX wants it, and gives what makes it the font of a document."""
    names = " ".join(f"/uni{ord(LETTERS.get(code, ' ')):04X}" for code in range(256))
    (folder / "figure.enc").write_text(f"/FigureEncoding [ {names} ] def\n")
    lines = [r"\usepackage{tikz}\renewcommand{\rmdefault}{figure}"]
    lines.append(r"\DeclareFontFamily{OT1}{figure}{}")
    for series, file in FILES.items():
        (folder / f"{file}.pl").write_text(_properties(series == "b"))
        (folder / f"{file}.ttf").write_bytes((FOLDER / f"{file}.ttf").read_bytes())
        command = ["pltotf", f"{file}.pl", f"{file}.tfm"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        lines.append(rf"\pdfmapline{{={file} <figure.enc <{file}.ttf}}")
        lines.append(rf"\DeclareFontShape{{OT1}}{{figure}}{{{series}}}{{n}}{{<-> {file}}}{{}}")
    lines.append(r"\DeclareSymbolFont{figure}{OT1}{figure}{m}{n}")
    for name, code in SYMBOLS.items():
        lines.append(rf'\DeclareMathSymbol{{\{name}}}{{\mathord}}{{figure}}{{"{code:X}}}')
    return "\n".join(lines)


def _properties(bold: bool) -> str:
    """The widths of letters in TeX's property list format; `--` is a dash."""
    lines = ["(DESIGNSIZE R 10)", "(LIGTABLE (LABEL C -)(LIG C - O 201)(STOP))"]
    for code, letter in LETTERS.items():
        width = font("sans", bold).width(letter, 1.0)
        lines.append(f"(CHARACTER O {code:o} (CHARWD R {width:.5f})(CHARHT R .74)(CHARDP R .21))")
    space = font("sans", bold).width(" ", 1.0)
    return "\n".join([*lines, f"(FONTDIMEN (SPACE R {space:.5f})(XHEIGHT R .52)(QUAD R 1))", ""])
