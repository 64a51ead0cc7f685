r"""A scene as TikZ: a fragment to `\input` into a paper, whose own font it takes."""

import re

from archdsl.renderers.scene import Path, Run, Scene, Text
from archdsl.renderers.svg import number

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
_ANCHORS = {"start": "base west", "middle": "base", "end": "base east"}


def tikz(scene: Scene) -> str:
    """The text of a `tikzpicture` that needs only the package tikz."""
    colors = sorted({c for item in scene.flat() for c in _colors(item)} | {scene.background} - {""})
    lines = [
        f"% {_comment(scene.title)}: {_comment(scene.caption)}",
        r"% \usepackage{tikz}; \input this file; the text takes the font of the paper.",
        *(rf"\definecolor{{{_color(c)}}}{{HTML}}{{{c[1:].upper()}}}" for c in colors),
        r"\begin{tikzpicture}[x=1bp,y=-1bp,line join=round,inner sep=0pt,outer sep=0pt]",
        rf"\path[use as bounding box] (0,0) rectangle ({_pair(scene.width, scene.height)});",
    ]
    if scene.background:
        corner = _pair(scene.width, scene.height)
        lines.append(rf"\fill[{_color(scene.background)}] (0,0) rectangle ({corner});")
    lines += [_path(item) if isinstance(item, Path) else _text(item) for item in scene.flat()]
    return "\n".join([*lines, r"\end{tikzpicture}", ""])


def escaped(text: str) -> str:
    """Text for LaTeX."""
    greek = {letter: rf"\ensuremath{{\{name}}}" for letter, name in _GREEK.items()}
    return "".join(_ESCAPES.get(c) or greek.get(c, c) for c in text)


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
    size, skip = number(text.size), number(text.size * 1.2)
    options = [f"anchor={_ANCHORS[text.anchor]}", f"text={_color(text.color)}"]
    if text.angle:
        options.append(f"rotate={number(-text.angle)}")
    font = rf"\fontsize{{{size}bp}}{{{skip}bp}}\selectfont"
    runs = "".join(_run(run) for run in text.runs)
    return rf"\node[{','.join(options)}] at ({_pair(text.x, text.y)}) {{{font} {runs}}};"


def _run(run: Run) -> str:
    text = escaped(run.text)
    if run.sup or run.sub:
        text = rf"\text{'super' if run.sup else 'sub'}script{{{text}}}"
    return rf"\textbf{{{text}}}" if run.bold else text


def _comment(text: str) -> str:
    return re.sub(r"\s+", " ", text)
