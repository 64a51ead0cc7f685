r"""A scene as TikZ: a fragment to `\input` into a paper, whose own font it takes."""

import re

from archdsl.diagnostics.errors import UsageError
from archdsl.figures.canvas.scene import Path, Run, Scene, Text
from archdsl.figures.canvas.svg import number

_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"{''}",
    "×": r"\ensuremath{\times}", "→": r"\ensuremath{\rightarrow}", "·": r"\ensuremath{\cdot}",
    "−": r"\ensuremath{-}", "≤": r"\ensuremath{\leq}", "≥": r"\ensuremath{\geq}",
    "…": r"\ldots{}", "–": "--", "\u00a0": "~", "`": r"\symbol{96}",
}  # fmt: skip
_GREEK_NAMES = (
    "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau"
    " upsilon varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
)
_GREEK = dict(
    zip(
        "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ",
        _GREEK_NAMES.split(),
        strict=True,
    )
)
_SYMBOL_NAMES = {
    "∂": "partial", "∆": "Delta", "∏": "prod", "∑": "sum", "√": "surd", "∞": "infty", "∩": "cap",
    "∫": "int", "≈": "approx", "≠": "neq", "≡": "equiv", "∙": "cdot", "↔": "leftrightarrow",
    "↕": "updownarrow", "ς": "varsigma", "ϑ": "vartheta", "ϕ": "phi", "ϖ": "varpi",
    "ϱ": "varrho", "ϵ": "epsilon", "′": "prime",
}  # fmt: skip
_LATIN = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABEZHIKMNOPTYXo")  # Greek letters of the same shape
_T1 = frozenset("ĄąĘęĮįŲųÐðÞþĐđŊŋ«»‹›‚„")  # LaTeX sets these in the encoding T1 only
_PLAIN = (
    {chr(code) for code in (*range(0x20, 0x7F), *range(0xA0, 0x180))} - set("ĦħĸĿŀŉŦŧſ")
) | set("‐‒–—―‖‘’‚“”„†‡•‰‹›€™←↑↓ȘșȚț")  # what LaTeX knows without packages
_SLACK = 3.0  # points by which text may be wider than in our font; then it is squeezed
_FIT = (  # \archdslfit{width}{text}
    r"\providecommand{\archdslfit}[2]{{\setbox0\hbox{#2}\ifdim\wd0>#1\relax"
    r"\resizebox{#1}{\height}{\box0}\else\box0\fi}}%"
)
_ANCHORS = {"start": "base west", "middle": "base", "end": "base east"}


def tikz(scene: Scene) -> str:
    """The text of a `tikzpicture` that needs only the package tikz."""
    colors = sorted({c for item in scene.flat() for c in _colors(item)} | {scene.background} - {""})
    texts = "".join(item.plain for item in scene.flat() if isinstance(item, Text))
    packages = r"\usepackage[T1]{fontenc}" * bool(_T1 & set(texts)) + r"\usepackage{tikz}"
    lines = [
        f"% {_comment(scene.title)}: {_comment(scene.caption)}",
        rf"% {packages}; \input this file; the text takes the font of the paper.",
        *(rf"\definecolor{{{_color(c)}}}{{HTML}}{{{c[1:].upper()}}}%" for c in colors),
        _FIT,
        r"\begin{tikzpicture}[x=1bp,y=-1bp,line join=round,inner sep=0pt,outer sep=0pt]",
        rf"\path[use as bounding box] (0,0) rectangle ({_pair(scene.width, scene.height)});",
    ]
    if scene.background:
        corner = _pair(scene.width, scene.height)
        lines.append(rf"\fill[{_color(scene.background)}] (0,0) rectangle ({corner});")
    lines += [_path(item) if isinstance(item, Path) else _text(item) for item in scene.flat()]
    return "\n".join([*lines, r"\end{tikzpicture}%", ""])


def escaped(text: str) -> str:
    """Text for LaTeX; raises UsageError at a letter that it does not know without packages."""
    return "".join(map(_letter, text.translate(_LATIN)))


def _letter(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    name = _GREEK.get(letter) or _SYMBOL_NAMES.get(letter)
    if name:
        return rf"\ensuremath{{\{name}}}"
    if letter not in _PLAIN:
        raise UsageError(
            f"LaTeX cannot show `{letter}` (U+{ord(letter):04X}) without packages;"
            " write it in other letters, or save the figure as .pdf"
        )
    return letter


def _colors(item: Path | Text) -> set[str]:
    return {item.color} if isinstance(item, Text) else {item.fill, item.stroke} - {""}


def _color(color: str) -> str:
    return f"archdsl{color[1:].upper()}"


def _pair(x: float, y: float) -> str:
    return f"{number(x)},{number(y)}"


def _path(path: Path) -> str:
    options = [f"fill={_color(path.fill)}"] if path.fill else []
    if path.stroke:
        options += [f"draw={_color(path.stroke)}", f"line width={number(path.width)}bp"]
    if path.dash:
        on, off = path.dash
        options.append(f"dash pattern=on {number(on)}bp off {number(off)}bp")
    drawn = ""
    for letter, n in path.commands:
        if letter == "C":
            controls = f"({_pair(*n[:2])}) and ({_pair(*n[2:4])})"
            drawn += f" .. controls {controls} .. ({_pair(*n[4:])})"
        else:
            drawn += {"M": "{}", "L": " -- {}", "Z": " -- cycle"}[letter].format(
                f"({_pair(*n)})" if n else ""
            )
    return rf"\path[{','.join(options)}] {drawn.strip()};"


def _text(text: Text) -> str:
    options = [f"anchor={_ANCHORS[text.anchor]}", f"text={_color(text.color)}"]
    if text.angle:
        options.append(f"rotate={number(-text.angle)}")
    runs = "".join(_run(run, rise, size) for run, _, rise, size in text.placed())
    fitted = rf"\archdslfit{{{number(text.width + _SLACK)}bp}}{{{runs}}}"
    font = _font(text.size)
    return rf"\node[{','.join(options)}] at ({_pair(text.x, text.y)}) {{{font}{fitted}}};"


def _run(run: Run, rise: float, size: float) -> str:
    text = escaped(run.text).replace("  ", "~~")  # TeX would make one space of several
    if rise:
        text = rf"\raisebox{{{number(rise)}bp}}{{{_font(size)}{text}}}"
    return rf"\textbf{{{text}}}" if run.bold else text


def _font(size: float) -> str:
    return rf"\fontsize{{{number(size)}bp}}{{{number(size * 1.2)}bp}}\selectfont "


def _comment(text: str) -> str:
    return re.sub(r"\s+", " ", text)
