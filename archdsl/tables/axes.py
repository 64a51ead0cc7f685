"""What every plot stands on: its size, fonts and colors as figures have them, and its file."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archdsl.analysis.measures import Kind
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.files import make_folder, replacing
from archdsl.diagnostics.packages import require
from archdsl.figures.canvas.font import FALLBACKS, FAMILIES, font
from archdsl.figures.canvas.png import DPI, expect_pixels
from archdsl.figures.canvas.scene import words
from archdsl.figures.canvas.theme import Theme, load_theme, mixed
from archdsl.figures.options import LARGEST, WIDTHS, width_of
from archdsl.tables.summary import cell
from archdsl.tables.tex import pgfplots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
NETWORKS = len(MARKS)  # that a plot tells apart
DASHES = ("-", "--", "-.", ":")
SHADES = (0.0, 0.4, 0.2, 0.55)  # of lines, from the ink to the paper
FILLS = ((0.45, ""), (1.0, "////"), (0.8, ""), (1.0, "...."), (0.1, ""), (1.0, "xxxx"),
         (0.8, "----"), (0.8, "++++"))  # fmt: skip
LINE, TITLE = 40, 72  # characters of a name beside an axis, and above it, before it is broken
HEIGHT = 0.6  # of a plot, in its widths
SUFFIXES = (".svg", ".pdf", ".png", ".tex")
OTHER = "DejaVu Sans"  # which comes with matplotlib, for letters that our fonts have not
LENGTHS = {  # points
    "lines.linewidth": 1.0,
    "lines.markersize": 3.5,
    "axes.linewidth": 0.6,
    "grid.linewidth": 0.5,
    "patch.linewidth": 0.6,
    "hatch.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
}


@dataclass(frozen=True)
class Look:
    """How a plot looks: `width` in points, and `zoom` how much larger than that it is shown.

    `title` is the line above it, "" for its own; `dpi` is for PNG alone, None for that of figures.
    """

    width: float = WIDTHS["neurips"]
    zoom: float = 1.0
    theme: Theme = field(default_factory=lambda: load_theme("paper"))
    title: str = ""
    dpi: int | None = None

    @property
    def paper(self) -> str:
        return self.theme.background or "#FFFFFF"

    def shade(self, part: float) -> str:
        """A color between the ink (0) and the paper (1)."""
        return mixed(self.theme.ink, self.paper, part)

    def line(self, number: int, marked: bool = True) -> dict[str, Any]:
        """How one of several lines is drawn: as no other of the first eight."""
        mark = {"marker": MARKS[number % len(MARKS)]} if marked else {}
        shade = self.shade(SHADES[number % len(SHADES)])
        return {"color": shade, "linestyle": DASHES[number % len(DASHES)], **mark}

    def fill(self, number: int) -> dict[str, Any]:
        """How one of several bars is filled: as no other of the first eight."""
        part, hatch = FILLS[number % len(FILLS)]
        return {"color": self.shade(part), "edgecolor": self.theme.ink, "hatch": hatch}

    def style(self) -> dict[Any, Any]:
        """The settings of matplotlib."""
        theme, sizes = self.theme, self.theme.sizes
        lengths = LENGTHS | {
            "font.size": sizes.box,
            "axes.labelsize": sizes.box,
            "axes.titlesize": sizes.caption,
            "legend.fontsize": sizes.dimension,
            "xtick.labelsize": sizes.dimension,
            "ytick.labelsize": sizes.dimension,
        }
        return {
            **{name: length * self.zoom for name, length in lengths.items()},
            "font.family": [FAMILIES[theme.family], OTHER],
            "mathtext.fontset": {"sans": "stixsans", "serif": "stix"}[theme.family],
            "text.color": theme.ink,
            "axes.labelcolor": theme.ink,
            "axes.edgecolor": theme.edge,
            "axes.facecolor": "none",
            "xtick.color": theme.edge,
            "ytick.color": theme.edge,
            "xtick.labelcolor": theme.dimension,
            "ytick.labelcolor": theme.dimension,
            "grid.color": self.shade(0.88),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "legend.frameon": False,
            "svg.fonttype": "none",
            "svg.hashsalt": "archdsl",
            "pdf.fonttype": 42,
        }


def look_of(
    width: str = "neurips", theme: str = "paper", title: str = "", dpi: int | None = None
) -> Look:
    """The look that options of figures ask for.

    Raises UsageError for a width, a theme or a letter that there is not, and SpecError for a file
    of a theme that is wrong.
    """
    points, zoom = width_of(width)
    found = load_theme(theme)
    for run in words(title):
        if not run.math:
            font(found.family).width(run.text, 1.0)  # a letter that it has not is an error
    return Look(points, zoom, found, title, dpi)


class Figure:
    """A figure with axes to draw on, written to a file at the end of the block.

    `height` in points, as laid out; `panels` stand side by side over the same rows.
    """

    def __init__(
        self, path: Path, look: Look | None = None, height: float = 0.0, panels: int = 1
    ) -> None:
        """Raises UsageError for a name that is no picture's, too large a one, or no matplotlib."""
        self.path, self.look, self.panels = path, look or Look(), panels
        if path.suffix not in SUFFIXES:
            raise UsageError(f"--out {path}: a plot is a file {', '.join(SUFFIXES)}")
        if self.look.dpi and path.suffix != ".png":
            raise UsageError("--dpi is for .png alone, which -o does not name")
        width, height = self.look.width, height or HEIGHT * self.look.width
        if height > LARGEST:
            raise UsageError(f"a plot of {height / 72:,.0f} inches is higher than any page")
        self.size = (width * self.look.zoom / 72, height * self.look.zoom / 72)
        self.dpi = self.look.dpi or DPI
        if path.suffix == ".png":
            expect_pixels(72 * self.size[0], 72 * self.size[1], self.dpi)
        require("a plot", "matplotlib")
        import matplotlib

        matplotlib.use("agg")
        self.names: list[tuple[Text, float, float]] = []  # that go where they do not fit
        self.above = 5.0  # points between the axes and the title
        self.key: int | None = None  # the columns of the legend, if there is one

    def __enter__(self) -> "Axes":
        import matplotlib
        from matplotlib.figure import Figure as Canvas
        from matplotlib.font_manager import fontManager

        known = {entry.fname for entry in fontManager.ttflist}
        for bold in (False, True):
            if (file := str(font(self.look.theme.family, bold).path)) not in known:
                fontManager.addfont(file)
        self.context = matplotlib.rc_context(self.look.style())
        self.context.__enter__()
        self.canvas = Canvas(self.size, layout="constrained")
        axes = self.canvas.subplots(1, self.panels, sharey=True, squeeze=False)
        self.axes: list[Axes] = list(axes[0])
        return self.axes[0]

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if kind is None:
                self.save()
        finally:
            self.context.__exit__(None, None, None)

    def save(self) -> None:
        """Writes the file; raises UsageError if the width leaves the axes no room."""
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "constrained_layout not applied")
            try:
                self.canvas.draw_without_rendering()
            except UserWarning:
                width = f"the plot does not fit a width of {self.look.width:g} pt"
                raise UsageError(f"{width}; give a larger --width") from None
        for text, start, end in self.names:
            ends = self.axes[0].transData.transform([(start, 0), (end, 0)])[:, 0]
            if text.get_window_extent().width + self.points(3) > ends[1] - ends[0]:
                text.remove()
        make_folder(self.path.parent)
        suffix = self.path.suffix
        metadata: Any = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix)
        ground = self.look.theme.background or ("#FFFFFF" if suffix == ".png" else "none")
        with replacing(self.path) as aside:
            if suffix == ".tex":
                aside.write_text(pgfplots(self), "utf-8")
                return
            self.canvas.savefig(aside, metadata=metadata, dpi=self.dpi, facecolor=ground)
            if suffix == ".svg":  # for readers who have not our fonts, those that are as wide
                drawn, others = aside.read_text("utf-8"), FALLBACKS[self.look.theme.family]
                aside.write_text(drawn.replace(f"'{OTHER}'", others), "utf-8")

    def points(self, size: float) -> float:
        """A length of the layout in points of the file."""
        return size * self.look.zoom

    def title(self, own: str = "") -> None:
        """The line above: the user's, in which math is set, or the plot's own."""
        runs = words(self.look.title)
        if any(run.math for run in runs):
            parts = (run.text if run.math else run.text.replace("$", r"\$") for run in runs)
            text = "".join(f"${p}$" if run.math else p for run, p in zip(runs, parts, strict=True))
            self.heading(text, parse_math=True)
        elif title := "".join(run.text for run in runs) or own:
            self.heading(broken(title, TITLE), parse_math=False)

    def heading(self, text: str, parse_math: bool) -> None:
        if self.panels > 1:
            size = self.points(self.look.theme.sizes.caption)
            self.canvas.suptitle(text, fontsize=size, parse_math=parse_math)
        else:
            self.axes[0].set_title(text, pad=self.points(self.above), parse_math=parse_math)

    def legend(self, columns: int = 1) -> None:
        """What the marks of the first axes stand for, below all."""
        handles, labels = self.axes[0].get_legend_handles_labels()
        self.key = columns
        found = self.canvas.legend(handles, labels, loc="outside lower center", ncols=columns)
        for text in found.get_texts():
            text.set_parse_math(False)

    def bands(self, stages: Sequence[tuple[float, float, str]]) -> None:
        """Stages from one place of the axis to another, every other one shaded, by their names."""
        from matplotlib.collections import PolyCollection

        (axes,), look = self.axes, self.look
        place = axes.get_xaxis_transform()
        shaded = [[(a, 0), (a, 1), (b, 1), (b, 0)] for a, b, _ in stages[::2]]
        band = PolyCollection(shaded, transform=place, fc=look.shade(0.94), lw=0, zorder=0)
        band.set_gid("stages")
        axes.add_collection(band, autolim=False)
        whole, size = stages[-1][1] - stages[0][0], self.points(look.theme.sizes.dimension)
        offset = self.points(2)
        for start, end, name in stages:
            room = (end - start) / whole * self.size[0] * 72
            if len(name) * size / 4 < room:  # it may fit, which only the layout tells
                text = axes.annotate(
                    name, ((start + end) / 2, 1), (0, offset), xycoords=place, fontsize=size,
                    textcoords="offset points", ha="center", color=look.theme.dimension,
                    parse_math=False,
                )  # fmt: skip
                self.names.append((text, start, end))
        axes.grid(visible=False, axis="x")
        self.above = look.theme.sizes.dimension + 7


def label(
    axes: "Axes", x: str, y: str, x_kind: Kind | None = None, y_kind: Kind | None = None
) -> None:
    """What the axes count."""
    axes.set_xlabel(broken(x, TITLE), parse_math=False)
    axes.set_ylabel(broken(y), parse_math=False)
    for axis, kind in ((axes.xaxis, x_kind), (axes.yaxis, y_kind)):
        if kind is not None:
            axis.set_major_formatter(_ticks(kind))


def broken(name: str, length: int = LINE) -> str:
    """A name in lines that leave the axes their room."""
    return "\n".join(name[n : n + length] for n in range(0, len(name), length))


def _ticks(kind: Kind) -> Callable[[float, float], str]:
    def tick(value: float, position: float) -> str:
        if kind == "number" or value <= 0:
            return f"{value:g}"
        return cell(value, kind).replace(".00 ", " ")

    return tick
