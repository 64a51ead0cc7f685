r"""A scene as TikZ that can be edited: a fragment to `\input` that takes the paper's own font."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import dist

from archdsl.diagnostics.errors import UsageError
from archdsl.figures.canvas.formula import script
from archdsl.figures.canvas.pictures import Picture
from archdsl.figures.canvas.scene import Command, Path, Point, Run, Scene, Text, end_of, words
from archdsl.figures.canvas.shapes import Link, Node, Part, Port, Shape, links, shapes
from archdsl.figures.canvas.svg import number
from archdsl.figures.canvas.symbols import GREEK, SIGNS

_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"{''}",
    "×": r"\ensuremath{\times}", "→": r"\ensuremath{\rightarrow}", "·": r"\ensuremath{\cdot}",
    "−": r"\ensuremath{-}", "≤": r"\ensuremath{\leq}", "≥": r"\ensuremath{\geq}",
    "…": r"\ldots{}", "–": "--", "\u00a0": "~", "`": r"\symbol{96}",
}  # fmt: skip
_NAMED = {letter: name for name, letter in (GREEK | SIGNS).items()} | {"∆": "Delta", "∙": "cdot"}
_LATIN = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABEZHIKMNOPTYXo")  # Greek letters of the same shape
_T1 = frozenset("ĄąĘęĮįŲųÐðÞþĐđŊŋ«»‹›‚„")  # LaTeX sets these in the encoding T1 only
_PLAIN = (
    {chr(code) for code in (*range(0x20, 0x7F), *range(0xA0, 0x180))} - set("ĦħĸĿŀŉŦŧſ")
) | set("‐‒–—―‖‘’‚“”„†‡•‰‹›€™←↑↓ȘșȚț")  # what LaTeX knows without packages
_IN_WORDS = re.compile(r"\\text\{([^}]*)\}")
_SLACK = 0.5  # points by which text may be wider than in our font; then it is squeezed
_CAPITALS = 0.72  # of its size: how high the text of a box counts
_ANCHORS = {"start": "base west", "middle": "base", "end": "base east"}
_SIDES = {(0.5, 0.0): "north", (0.5, 1.0): "south", (0.0, 0.5): "west", (1.0, 0.5): "east"}
_PREAMBLE = r"""
\newcommand\raised[3]{\raisebox{#1}{\fontsize{#2}{#2}\selectfont #3}}% by, size, text
\newcommand\formula[2]{{% size of scripts in it, math
  \renewcommand\defaultscriptratio{#1}\renewcommand\defaultscriptscriptratio{#1}$#2$}}
\tikzset{
  at most/.style={% text of a wider font is squeezed
    execute at begin node={\setbox0\hbox\bgroup},
    execute at end node={\egroup\ifdim\wd0>#1\resizebox{#1}{\height}{\box0}\else\box0\fi}},
  slab/.pic={\slab#1},
}
\def\slab#1#2#3#4#5#6{% its name, style, thickness, height, how far it goes back and up
  \node[minimum width={(#3+#5)*1bp},minimum height={(#4+#6)*1bp},anchor=north west] (#1) {};
  \path[#2 top] (0,#6) -- (#5,0) -- (#3+#5,0) -- (#3,#6) -- cycle;
  \path[#2 side] (#3,#6) -- (#3+#5,0) -- (#3+#5,#4) -- (#3,#4+#6) -- cycle;
  \path[#2] (0,#6) rectangle (#3,#4+#6);}
"""
_HEAD = r"""\pgfdeclarearrow{name=figure,
  setup code={\pgfarrowssetlineend{-%(line)sbp}\pgfarrowssetbackend{-%(long)sbp}},
  drawing code={\pgfsetcornersarced{\pgfpointorigin}\pgfpathmoveto{\pgfpointorigin}%%
    \pgfpathlineto{\pgfqpoint{-%(long)sbp}{%(wide)sbp}}%%
    \pgfpathlineto{\pgfqpoint{-%(long)sbp}{-%(wide)sbp}}\pgfpathclose\pgfusepathqfill}}
"""


@dataclass(frozen=True)
class Frame:
    """The environment around a picture, with caption and label in LaTeX; empty is left out."""

    environment: str
    caption: str
    label: str

    def around(self, picture: Sequence[str]) -> list[str]:
        """The lines of a picture, in the environment."""
        under = [rf"\caption{{{self.caption}}}"] * bool(self.caption)
        under += [rf"\label{{{self.label}}}"] * bool(self.label)
        name = self.environment
        return [rf"\begin{{{name}}}", r"\centering", *picture, *under, rf"\end{{{name}}}"]


def tikz(scene: Scene, frame: Frame | None = None) -> str:
    """The text of a `tikzpicture` that needs only the package tikz.

    Every node has a name, made of its path; arrows run between names. How things look is said once,
    at the top. A frame is the environment that it stands in.
    """
    found = shapes(scene)
    writer = _Writer(scene)
    drawn = [line for shape in found for line in writer.shape(shape, None)]
    arrows = [writer.link(link) for link in links(found)]
    texts = "".join(item.plain for item in scene.flat() if isinstance(item, Text))
    texts += frame.caption if frame else ""
    packages = encoding(texts) + r"\usepackage{tikz}"
    corner = f"({_pair(scene.width, scene.height)})"
    ground = [rf"\fill[{writer.color(scene.background)}] (0,0) rectangle {corner};"]
    about = [
        f"% {_comment(scene.title)}: {_comment(scene.caption)}",
        rf"% {packages}; \input this file; the text takes the font of the paper.",
    ]
    picture = [
        r"\begin{tikzpicture}[x=1bp,y=-1bp,line join=round,inner sep=0pt,outer sep=0pt]",
        *_PREAMBLE.strip().splitlines(),
        *_head(scene),
        *writer.styles(),
        rf"\path[use as bounding box] (0,0) rectangle {corner};",
        *(ground if scene.background else []),
        *drawn,
        *arrows,
    ]
    picture.append(r"\end{tikzpicture}%")
    return "\n".join([*about, *(frame.around(picture) if frame else picture), ""])


def encoding(texts: str) -> str:
    """What a preamble needs besides for the letters in some texts: the encoding T1, or nothing."""
    return r"\usepackage[T1]{fontenc}" * bool(_T1 & set(texts))


def escaped(text: str) -> str:
    """Text for LaTeX; raises UsageError at a letter that it does not know without packages."""
    return "".join(map(_letter, text.translate(_LATIN)))


def texed(text: str) -> str:
    """Text of the user's for LaTeX, math as such; raises UsageError as `escaped` does."""
    return "".join(f"${_math(run.text)}$" if run.math else escaped(run.text) for run in words(text))


def _letter(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    name = _NAMED.get(letter)
    if name:
        return rf"\ensuremath{{\{name}}}"
    if letter not in _PLAIN:
        raise UsageError(
            f"LaTeX cannot show `{letter}` (U+{ord(letter):04X}) without packages;"
            " write it in other letters, or save the figure as .pdf"
        )
    return letter


def _head(scene: Scene) -> Iterator[str]:
    """The head of arrows, of the size that the first has, if there is one."""
    heads = (item for item in scene.flat() if isinstance(item, Path) and item.form == "head")
    for head in heads:
        tip, left, right = (end_of(command) for command in head.commands[:3])
        long = dist(tip, ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2))
        sizes = {"line": 0.8 * long, "long": long, "wide": dist(left, right) / 2}
        yield from (_HEAD % {name: number(size) for name, size in sizes.items()}).splitlines()
        return


class _Writer:
    """Writes shapes, and collects the colors and styles that they need."""

    def __init__(self, scene: Scene) -> None:
        self.names = scene.names
        self.colors: dict[str, str] = {}  # what they are called, by the color
        self.looks: dict[str, str] = {}  # what styles say, by what they are called

    def styles(self) -> Iterator[str]:
        """The colors by their names, then the styles, each with what it says."""
        for color, name in self.colors.items():
            yield rf"\definecolor{{{name}}}{{HTML}}{{{color[1:].upper()}}}%"
        yield r"\tikzset{"
        for name, says in self.looks.items():
            yield f"  {name}/.style={{{says}}},"
        yield "}"

    def color(self, color: str) -> str:
        """What a color is called: as the theme has it, or by a number."""
        if color and color not in self.colors:
            number = len(self.colors) + 1
            name = plain = self.names.get(color, f"color{number}")
            while name in self.colors.values():
                name = f"{plain}{number}"
            self.colors[color] = name
        return self.colors.get(color, "none")

    def style(self, name: str, *says: str) -> str:
        """The name of a style that says this; two that say the same are one."""
        said, plain, count = ",".join(filter(None, says)), name, 1
        while self.looks.setdefault(name, said) != said:
            count += 1
            name = f"{plain} {count}"
        return name

    def shape(self, shape: Shape, inside: Node | None) -> Iterator[str]:
        """The lines of a shape but of links, in or beside a node that it moves with."""
        if isinstance(shape, Part):
            own = [one for one in shape.shapes if isinstance(one, Node)]
            yield rf"\begin{{scope}}% {_comment(shape.title or shape.id)}"
            for one in shape.shapes:
                yield from self.shape(one, own[0] if len(own) == 1 else None)
            yield r"\end{scope}"
        elif isinstance(shape, Node):
            yield self.node(shape)
            for part in shape.parts:
                if part.picture is not None:
                    yield _picture(part, part.picture)
                    yield self.path(replace(part, fill="", picture=None), shape)
            label = shape.label
            yield from (self.text(text, shape) for text in shape.texts if text is not label)
        elif isinstance(shape, Text):
            yield self.text(shape, None)
        elif isinstance(shape, Path):
            yield self.path(shape, inside)

    def node(self, node: Node) -> str:
        (x, y), (left, top, right, bottom), front = node.middle, node.box, node.front
        fill = self.color(front.fill)
        if node.kind == "slab":
            return self.slab(node)
        size = f"minimum width={number(right - left)}bp,minimum height={number(bottom - top)}bp"
        look = self.area(front)
        if node.kind != "box":
            arms = [
                _arms(part, self.area(part), node.middle)
                for part in node.parts
                if part.form == "arms"
            ]
            across = f"minimum size={number(right - left)}bp"
            name = self.style(f"{fill} {node.kind}", "circle", look, across, *arms)
            return rf"\node[{name}] ({node.name}) at ({_pair(x, y)}) {{}};"
        corners = f"rounded corners={number(node.corner)}bp" if node.corner else ""
        options, words = [self.style(f"{fill} box", look, corners), size], ""
        if node.label is not None:
            high = f"text height={number(_CAPITALS * node.label.size)}bp,text depth=0bp"
            look = self.style(f"{self.letters(node.label)} in box", *self.font(node.label), high)
            options += [look, f"at most={number(node.label.width + _SLACK)}bp"]
            words = _words(node.label)
        return rf"\node[{','.join(options)}] ({node.name}) at ({_pair(x, y)}) {{{words}}};"

    def slab(self, node: Node) -> str:
        left, top, right, bottom = node.box
        front = node.front.box()
        half = node.front.width / 2
        name = self.style(f"{self.color(node.front.fill)} slab", self.area(node.front))
        for part in node.parts[:-1]:
            self.looks[f"{name} {part.form}"] = self.area(part)
        sizes = front[2] - front[0] - 2 * half, front[3] - front[1] - 2 * half
        back = right - left - sizes[0], bottom - top - sizes[1]
        said = "".join(f"{{{number(size)}}}" for size in (*sizes, *back))
        return rf"\pic at ({_pair(left, top)}) {{slab={{{{{node.name}}}{{{name}}}{said}}}}};"

    def area(self, path: Path) -> str:
        """What a style says of an area and its line."""
        says = [f"fill={self.color(path.fill)}"] if path.fill else []
        return ",".join([*says, *self.stroke(path)])

    def stroke(self, path: Path) -> Iterator[str]:
        if path.stroke:
            yield f"draw={self.color(path.stroke)},line width={number(path.width)}bp"
        if path.dash:
            on, off = path.dash
            yield f"dash pattern=on {number(on)}bp off {number(off)}bp"

    def letters(self, text: Text) -> str:
        """What the look of a text is called: `ink 7`."""
        return f"{self.color(text.color)} {number(text.size)}"

    def font(self, text: Text) -> tuple[str, str]:
        return f"text={self.color(text.color)}", f"font={fontsize(text.size)}"

    def text(self, text: Text, node: Node | None) -> str:
        """A line of text, at a place or beside a node."""
        look = self.style(self.letters(text), *self.font(text))
        options = [look, f"anchor={_ANCHORS[text.anchor]}"]
        if text.angle:
            options.append(f"rotate={number(-text.angle)}")
        options.append(f"at most={number(text.width + _SLACK)}bp")
        place = f"({_pair(text.x, text.y)})"
        if node is not None:
            x, y = node.middle
            place = f"([shift={{({_pair(text.x - x, text.y - y)})}}]{node.name}.center)"
        return rf"\node[{','.join(options)}] at {place} {{{_words(text)}}};"

    def path(self, path: Path, node: Node | None) -> str:
        """What is neither node nor link: a mark on a node, or a line of the drawing."""
        options, (x, y) = (
            [self.style(f"{self.color(path.fill or path.stroke)} mark", self.area(path))],
            (0.0, 0.0),
        )
        if node is not None:
            x, y = node.middle
            options.append(f"shift={{({node.name}.center)}}")
        return rf"\path[{','.join(options)}] {_drawn(path.commands, x, y)};"

    def link(self, link: Link) -> str:
        """A line from node to node, its corners relative to where it begins."""
        dashed = "dashed " * bool(link.path.dash)
        name = f"{dashed}{self.color(link.path.stroke)} {'arrow' if link.tip else 'line'}"
        look = self.style(name, *self.stroke(link.path), "-figure" if link.tip else "")
        if link.turn:
            look += f",rounded corners={number(link.turn)}bp"
        return rf"\draw[{look}] {_port(link.source, link.start)}{_way(link)};"


def _picture(path: Path, picture: Picture) -> str:
    """A picture on its area, read from its file."""
    (x0, y0), (x1, y1), (x2, y2) = path.corners
    turned = ",".join(map(number, (x1 - x0, y0 - y1, x0 - x2, y2 - y0)))
    file = rf"\includegraphics[width=1bp,height=1bp]{{{picture.name}}}"
    place = f"cm={{{turned},({_pair(x2, y2)})}}"
    return rf"\node[anchor=south west,transform shape,{place}] at (0,0) {{{file}}};"


def _way(link: Link) -> str:
    """The steps of a link: relative, the last corner between the one before and the end."""
    drawn, at, last = "", link.start, len(link.steps) - 1
    for place, (letter, n) in enumerate(link.steps):
        to = end_of((letter, n))
        end = _port(link.target, to) if place == last and link.target else ""
        goal = end or f"++({_pair(to[0] - at[0], to[1] - at[1])})"
        if letter == "C":
            near, far = _pair(n[0] - at[0], n[1] - at[1]), _pair(n[2] - to[0], n[3] - to[1])
            drawn += f" .. controls +({near}) and +({far}) .. {goal}"
        elif place == last - 1 and link.target and (bend := _bend(at, to, link.end)):
            return f"{drawn} {bend} {_port(link.target, link.end)}"
        else:
            drawn += f" -- {goal}"
        at = to
    return drawn


def _bend(a: Point, corner: Point, b: Point) -> str:
    """How TikZ says a right angle between two points."""
    if abs(a[0] - corner[0]) < 0.01 and abs(corner[1] - b[1]) < 0.01:
        return "|-"
    return "-|" if abs(a[1] - corner[1]) < 0.01 and abs(corner[0] - b[0]) < 0.01 else ""


def _port(port: Port | None, point: Point) -> str:
    """A place of a node by the name of its side, else a point."""
    if port is None:
        return f"({_pair(*point)})"
    name, (left, top, right, bottom) = port.node.name, port.node.box
    if port.node.kind == "dot":
        return f"({name}.center)"
    for (x, y), side in _SIDES.items():
        dx, dy = (port.x - x) * (right - left), (port.y - y) * (bottom - top)
        if max(abs(dx), abs(dy)) < 0.05:
            return f"({name}.{side})"
        if port.node.kind == "box" and (abs(dy) < 0.05 if x == 0.5 else abs(dx) < 0.05):
            return f"([shift={{({_pair(dx, dy)})}}]{name}.{side})"
    x, y = port.node.middle
    return f"([shift={{({_pair(point[0] - x, point[1] - y)})}}]{name}.center)"


def _arms(path: Path, look: str, middle: Point) -> str:
    """What a style says of the plus or cross in a sign."""
    x, y = middle
    drawn = ""
    for letter, n in path.commands:
        if n:
            step = f"+({_pair(n[0] - x, n[1] - y)})"
            drawn += f" -- {step}" if letter == "L" else f" {step}"
    return rf"path picture={{\draw[{look}] (path picture bounding box.center){drawn};}}"


def _drawn(commands: Sequence[Command], x: float, y: float) -> str:
    """A path as TikZ says it, from a point."""
    drawn = ""
    for letter, numbers in commands:
        n = [one - (y if i % 2 else x) for i, one in enumerate(numbers)]
        if letter == "C":
            controls = f"({_pair(*n[:2])}) and ({_pair(*n[2:4])})"
            drawn += f" .. controls {controls} .. ({_pair(*n[4:])})"
        else:
            drawn += {"M": " {}", "L": " -- {}", "Z": " -- cycle"}[letter].format(
                f"({_pair(*n)})" if n else ""
            )
    return drawn.strip()


def _pair(x: float, y: float) -> str:
    return f"{number(x)},{number(y)}"


def _words(text: Text) -> str:
    return "".join(_run(run, text) for run in text.runs)


def _run(run: Run, text: Text) -> str:
    if run.math:
        small = number(script(text.size, text.least) / text.size)  # TeX's own is 0.7, then 0.5
        return rf"\formula{{{small}}}{{{_math(run.text)}}}"
    said = escaped(run.text).replace("  ", "~~")  # TeX would make one space of several
    if run.rise:
        size = run.size(text.size, text.least)
        said = rf"\raised{{{number(run.rise * text.size)}bp}}{{{number(size)}bp}}{{{said}}}"
    return rf"\textbf{{{said}}}" if run.bold else said


def _math(source: str) -> str:
    """Math as TeX reads it without packages: but for letters that it has names for, and words."""
    source = _IN_WORDS.sub(lambda found: rf"\mathrm{{{found[1].replace(' ', '~')}}}", source)
    return "".join(letter if letter.isascii() else _named(letter) for letter in source)


def _named(letter: str) -> str:
    said = _letter(letter).removeprefix(r"\ensuremath{").removesuffix("}")
    return f"{{{said}}}"


def fontsize(size: float) -> str:
    """The command for letters of a size, in points."""
    return rf"\fontsize{{{number(size)}bp}}{{{number(size * 1.2)}bp}}\selectfont"


def _comment(text: str) -> str:
    return re.sub(r"\s+", " ", text)
