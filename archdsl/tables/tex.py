r"""A plot as pgfplots that can be edited: axes over the same data, a fragment to `\input`."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from archdsl.figures.canvas.svg import number
from archdsl.figures.canvas.tikz import encoding, escaped, fontsize, texed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

    from archdsl.tables.axes import Figure

DASHES = {"-": "solid", "--": "dashed", "-.": "dash dot", ":": "dotted"}
MARKS = {
    "o": "*", "s": "square*", "^": "triangle*", "D": "diamond*", "P": "+", "X": "x", "*": "star",
    "v": "triangle*,mark options={solid,rotate=180}",
}  # fmt: skip
PATTERNS = {
    "/": "north east lines", ".": "dots", "x": "crosshatch", "-": "horizontal lines", "+": "grid",
}  # fmt: skip
ANCHORS = {"left": "base west", "center": "base", "right": "base east"}
FEW = 6  # coordinates in a line of the file


def pgfplots(figure: "Figure") -> str:
    """The axes of a plot that is laid out, at their places, and what is on them.

    Raises UsageError for a letter that LaTeX does not know without packages.
    """
    writer = _Writer(figure)
    body = [*writer.ground(), *(line for axes in figure.axes for line in writer.axes(axes))]
    body += writer.above()
    packages = rf"{encoding(''.join(body))}\usepackage{{pgfplots}}"
    libraries = r"\pgfplotsset{compat=1.16} \usetikzlibrary{patterns}"
    return "\n".join(
        [
            rf"% {packages} {libraries}",
            r"% \input this file; the text takes the font of the paper.",
            r"\begin{tikzpicture}",
            *(rf"\definecolor{{{n}}}{{HTML}}{{{c}}}%" for c, n in writer.colors.items()),
            *body,
            r"\end{tikzpicture}%",
            "",
        ]
    )


class _Writer:
    """Writes the axes of a plot, and collects the colors that they need."""

    def __init__(self, figure: "Figure") -> None:
        self.figure, self.look = figure, figure.look
        theme = self.look.theme
        named = {"ink": theme.ink, "edge": theme.edge, "dimension": theme.dimension}
        self.known = {_hex(color): name for name, color in reversed(named.items())}
        self.colors: dict[str, str] = {}  # what they are called, by their digits

    def color(self, color: Any) -> str:
        """What a color is called: as the theme has it, or by a number."""
        digits = _hex(color)
        shade = f"shade{len(self.colors) + 1}"
        return self.colors.setdefault(digits, self.known.get(digits, shade))

    def font(self, size: float) -> str:
        return f"font={fontsize(self.figure.points(size))}"

    def ground(self) -> Iterator[str]:
        """The background of a theme that has one."""
        if paper := self.look.theme.background:
            width, height = (number(72 * inches) for inches in self.figure.size)
            yield rf"\fill[{self.color(paper)}] (0,0) rectangle ({width}bp,{height}bp);"

    def axes(self, axes: "Axes") -> Iterator[str]:
        yield r"\begin{axis}["
        yield from (f"  {option}," for option in self.options(axes))
        yield "]"
        for band in (band for band in axes.collections if band.get_gid() == "stages"):
            low, high = sorted(axes.get_ylim())
            yield r"\begin{pgfonlayer}{axis background}"
            for corner in (_vertices(path) for path in band.get_paths()):
                left, right = (_plain(corner[n][0]) for n in (0, 2))
                corners = (
                    f"(axis cs:{left},{_plain(low)}) rectangle (axis cs:{right},{_plain(high)})"
                )
                yield rf"\fill[{self.color(band.get_facecolor()[0])}] {corners};"
            yield r"\end{pgfonlayer}"
        for found in (found for found in axes.collections if found.get_gid() != "stages"):
            yield from self.collection(found)
        for bars in axes.containers:
            yield from self.bars(bars, axes)
        for line in axes.get_lines():
            yield from self.line(line, axes)
        for text in axes.texts:
            yield self.note(text, axes)
        yield r"\end{axis}"

    def options(self, axes: "Axes") -> Iterator[str]:
        """Where the axes stand, how far they reach, and what is said beside them."""
        width, height = (72 * inches for inches in self.figure.size)
        place, sizes = axes.get_position(), self.look.theme.sizes
        yield f"at={{({number(place.x0 * width)}bp,{number(place.y0 * height)}bp)}}"
        yield "anchor=south west, scale only axis, set layers"
        yield f"width={number(place.width * width)}bp, height={number(place.height * height)}bp"
        for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
            yield from self.scale(name, axis)
        edge = f"{self.color(self.look.theme.edge)}, line width={number(self.figure.points(0.6))}bp"
        yield f"axis lines=left, axis line style={{-, {edge}}}, tick style={{{edge}}}"
        yield f"tick align=outside, major tick length={number(self.figure.points(2.5))}bp"
        yield "scaled ticks=false"
        yield f"grid style={{{self.color(self.look.shade(0.88))}}}, clip=false"
        told = f"text={self.color(self.look.theme.dimension)}, {self.font(sizes.dimension)}"
        yield f"tick label style={{align=right, {told}}}"
        ink = f"text={self.color(self.look.theme.ink)}, align=center"
        yield f"label style={{{ink}, {self.font(sizes.box)}}}"
        if axes.get_title():
            apart = f"yshift={number(self.figure.points(self.figure.above))}bp"
            over = f"at={{(0.5,1)}}, anchor=south, {apart}"
            yield f"title style={{{over}, {ink}, {self.font(sizes.caption)}}}"
            yield f"title={{{self.title(axes.get_title())}}}"
        if self.figure.key is not None and axes is self.figure.axes[0]:
            yield from self.key(axes)

    def scale(self, name: str, axis: "Axis") -> Iterator[str]:
        low, high = axis.get_view_interval()
        yield f"{name}min={_plain(min(low, high))}, {name}max={_plain(max(low, high))}"
        if low > high:
            yield f"{name} dir=reverse"
        if axis.get_scale() == "log":
            yield f"{name}mode=log"
        ticks = [(tick.get_loc(), tick.label1) for tick in axis.get_major_ticks()]
        shown = [
            (at, label.get_text() if label.get_visible() else "")
            for at, label in ticks
            if min(low, high) <= at <= max(low, high)
        ]
        yield f"{name}tick={{{','.join(_plain(at) for at, _ in shown)}}}"
        yield f"{name}ticklabels={{{','.join(f'{{{_lines(text)}}}' for _, text in shown)}}}"
        if axis.get_gridlines()[0].get_visible():
            yield f"{name}majorgrids"
        if said := axis.get_label_text():
            yield f"{name}label={{{_lines(said)}}}"

    def key(self, axes: "Axes") -> Iterator[str]:
        """The legend, below all."""
        (found,) = self.figure.canvas.legends
        to = axes.transAxes.inverted().transform
        box = found.get_window_extent()
        x, y = to(((box.x0 + box.x1) / 2, box.y1))
        font = self.font(self.look.theme.sizes.dimension)
        place = f"at={{({x:.3f},{y:.3f})}}, anchor=north, draw=none, fill=none"
        place += ", /tikz/every even column/.append style={column sep=8bp}"
        ink = f"text={self.color(self.look.theme.ink)}"
        yield f"legend columns={self.figure.key}, legend cell align=left"
        yield f"legend style={{{place}, {ink}, {font}}}"

    def title(self, own: str) -> str:
        return texed(self.look.title) if self.look.title else _lines(own)

    def above(self) -> Iterator[str]:
        """The title of several panels."""
        if said := self.figure.canvas.get_suptitle():
            ink = f"text={self.color(self.look.theme.ink)}"
            place = "(current bounding box.north)"
            look = f"anchor=south, {ink}, {self.font(self.look.theme.sizes.caption)}"
            yield rf"\node[{look}] at {place} {{{self.title(said)}}};"

    def entry(self, label: Any, axes: "Axes") -> list[str]:
        """What the legend says of a plot, if there is one, which is that of the first axes."""
        keyed = self.figure.key is not None and axes is self.figure.axes[0]
        told = keyed and not str(label).startswith("_")
        return [rf"\addlegendentry{{{escaped(str(label))}}}"] if told else []

    def plot(
        self, options: Iterable[str], data: Iterable[Any], entry: list[str], end: str = ""
    ) -> Iterator[str]:
        forgotten = [] if entry else ["forget plot"]
        yield rf"\addplot[{', '.join(filter(None, [*options, *forgotten]))}] coordinates {{"
        points = [f"({_plain(x)},{_plain(y)})" for x, y in data]
        for start in range(0, len(points), FEW):
            yield "  " + " ".join(points[start : start + FEW])
        yield f"}}{end};"
        yield from entry

    def line(self, line: Any, axes: "Axes") -> Iterator[str]:
        color, wide = self.color(line.get_color()), f"line width={number(line.get_linewidth())}bp"
        options = [color, DASHES[str(line.get_linestyle())], wide]
        if not line.get_transform().contains_branch_seperately(axes.transData)[0]:  # across all
            (low, high), y = axes.get_xlim(), _plain(line.get_ydata()[0])
            way = f"(axis cs:{_plain(low)},{y}) -- (axis cs:{_plain(high)},{y})"
            yield rf"\draw[{', '.join(options)}] {way};"
            return
        xs, ys = [*map(float, line.get_xdata())], [*map(float, line.get_ydata())]
        style = line.get_drawstyle()
        options += ["const plot"] * style.startswith("steps")
        if style == "steps-mid":  # from half a step before each place to half a step behind
            xs, ys = [*(x - 0.5 for x in xs), xs[-1] + 0.5], [*ys, ys[-1]]
        if (mark := str(line.get_marker())) in MARKS:
            start, step = line.get_markevery() or (0, 1)
            size = f"mark size={number(line.get_markersize() / 2)}bp"
            options += [f"mark={MARKS[mark]}", size]
            options += ["mark options={solid}"] * ("options" not in MARKS[mark])
            options += [f"mark repeat={step}, mark phase={start + 1}"] * (step > 1)
        yield from self.plot(options, zip(xs, ys, strict=True), self.entry(line.get_label(), axes))

    def collection(self, found: Any) -> Iterator[str]:
        """Marks, or what is under a line."""
        from matplotlib.collections import PathCollection

        if isinstance(found, PathCollection):
            size = f"mark size={number(found.get_sizes()[0] ** 0.5 / 2)}bp"
            options = ["only marks", "mark=o", size, self.color(found.get_edgecolor()[0])]
            marks: Any = found.get_offsets()
            yield from self.plot(options, marks, [])
            return
        fill = f"fill={self.color(found.get_facecolor()[0])}"
        for path in found.get_paths():
            yield from self.plot(["draw=none", fill], _vertices(path), [], " -- cycle")

    def bars(self, bars: Any, axes: "Axes") -> Iterator[str]:
        first = bars.patches[0]
        edge = self.color(first.get_edgecolor())
        line = f"line width={number(first.get_linewidth())}bp"
        fill = f"fill={self.color(first.get_facecolor())}"
        hatch = PATTERNS.get((first.get_hatch() or "")[:1], "")
        pattern = f"postaction={{pattern={hatch}, pattern color={edge}}}" * bool(hatch)
        wide = f"bar width={_plain(first.get_height())}, bar shift=0pt"
        data = [(bar.get_width(), bar.get_y() + bar.get_height() / 2) for bar in bars.patches]
        options = ["xbar", wide, fill, f"draw={edge}", line, pattern, "area legend"]
        yield from self.plot(options, data, self.entry(bars.get_label(), axes))

    def note(self, note: Any, axes: "Axes") -> str:
        """Words at a place of the plot, or above all of it."""
        (x, y), (right, up) = note.xy, note.get_position()
        if note.xycoords != "data":
            y = axes.get_ylim()[1]
        options = [
            f"anchor={ANCHORS[note.get_ha()]}", f"xshift={number(right)}bp",
            f"yshift={number(up)}bp", f"text={self.color(note.get_color())}",
            f"font={fontsize(note.get_fontsize())}",
        ]  # fmt: skip
        place = f"(axis cs:{_plain(x)},{_plain(y)})"
        return rf"\node[{', '.join(options)}] at {place} {{{_lines(note.get_text())}}};"


def _hex(color: Any) -> str:
    from matplotlib.colors import to_hex

    return to_hex(color)[1:].upper()


def _vertices(path: Any) -> Any:
    return path.vertices


def _plain(value: Any) -> str:
    return f"{float(value):.10g}"


def _lines(text: str) -> str:
    return r"\\".join(map(escaped, text.split("\n")))
