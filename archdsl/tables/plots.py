"""Plots of what analysis finds: vectors, told apart without colour (matplotlib, extra `plot`)."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archdsl.analysis.measures import MEASURES, Facts, Kind, Value
from archdsl.analysis.summary import Stage, Summary, summarize
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.packages import require
from archdsl.files import make_folder, replacing
from archdsl.graph.graph import Graph
from archdsl.ops.base import sum_of
from archdsl.tables.summary import cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
GREYS = ("black", "0.45", "0.65", "0.25")
BARS = 60  # that a page has room for
LINE, TITLE = 40, 72  # characters of a name beside an axis, and above it, before it is broken
LARGEST = 1e300  # number that an axis has a place for
SUFFIXES = (".svg", ".pdf", ".png")
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "svg.fonttype": "none",
    "svg.hashsalt": "archdsl",
}


class Figure:
    """A figure with axes to draw on, written to a file at the end of the block."""

    def __init__(self, path: Path, width: float = 6.0, height: float = 3.6) -> None:
        """Raises UsageError for a name that is no picture's, or without matplotlib."""
        if path.suffix not in SUFFIXES:
            raise UsageError(f"--out {path}: a plot is a file {', '.join(SUFFIXES)}")
        require("a plot", "matplotlib")
        import matplotlib

        matplotlib.use("agg")
        self.path, self.size = path, (width, height)

    def __enter__(self) -> "Axes":
        import matplotlib
        from matplotlib.figure import Figure as Canvas

        self.style = matplotlib.rc_context(STYLE)
        self.style.__enter__()
        self.canvas = Canvas(self.size, layout="constrained")
        return self.canvas.add_subplot()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            make_folder(self.path.parent)
            metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
            with replacing(self.path) as aside:
                self.canvas.savefig(aside, metadata=metadata.get(self.path.suffix), dpi=200)
        self.style.__exit__(kind, error, trace)


def memory(graph: Graph, path: Path) -> None:
    """Bytes alive while every op runs, in the order in which they run."""
    live = list(Facts(graph).live.items())
    if not live:
        raise UsageError(f"{graph.name} has no ops, and so no memory to plot")
    with Figure(path) as axes:
        axes.fill_between(range(len(live)), [size for _, size in live], color="0.85", step="mid")
        axes.step(range(len(live)), [size for _, size in live], color="black", where="mid", lw=1)
        top = max(range(len(live)), key=lambda n: live[n][1])
        words = f"{live[top][0]}: {cell(live[top][1], 'bytes')}"
        side = "left" if top < len(live) / 2 else "right"
        axes.annotate(
            _broken(words), (top, live[top][1]), (0, 3), textcoords="offset points", ha=side
        )
        axes.set_ylim(0, 1.1 * live[top][1])
        axes.set_title(_broken(graph.name, TITLE))
        _label(axes, "op, in order", "memory of activations", y_kind="bytes")


def field(graph: Graph, path: Path) -> None:
    """The receptive field against depth, with the size of the image."""
    facts = Facts(graph)
    if len(graph.inputs) > 1:
        help = "`archdsl summary --show field` has the fields of each"
        raise UsageError(f"{graph.name} has several inputs; {help}")
    seen: dict[int, int] = {}
    for id, found in facts.fields[next(iter(graph.inputs))].items():
        depth = facts.depths[id]
        seen[depth] = max(seen.get(depth, 0), found.size[0])
    if not seen:
        raise UsageError(f"{graph.name} has no image, and so no receptive field")
    with Figure(path) as axes:
        depths = sorted(seen)
        axes.step(depths, [seen[n] for n in depths], color="black", where="post")
        axes.axhline(graph.input.spatial[0], color="0.45", linestyle="--", lw=1)
        size = graph.input.spatial[0]
        axes.annotate("image", (depths[0], size), (0, 3), textcoords="offset points")
        axes.set_title(_broken(graph.name, TITLE))
        _label(axes, "depth (weighted layers)", "receptive field (pixels)")


def cost(graph: Graph, path: Path, columns: Sequence[str] = ("parameters", "macs")) -> None:
    """The share of every stage in some costs; past BARS those of the least together."""
    summary = summarize(graph, show=columns)
    stages = _largest(summary, columns)
    if not stages:
        raise UsageError(f"{graph.name} has no costs to plot")
    names = [_broken(stage.path) for stage in stages]
    tallest = max(name.count("\n") for name in names)
    with Figure(path, height=1 + (0.32 + 0.15 * tallest) * len(stages)) as axes:
        bar = 0.8 / len(columns)
        for n, column in enumerate(columns):
            whole = _number(summary.value(column)) or 1
            axes.barh(
                [row + n * bar for row in range(len(stages))],
                [100 * _number(stage.value(column)) / whole for stage in stages],
                bar,
                label=MEASURES[column].heading,
                color="white" if n % 2 else "0.4",
                edgecolor="black",
                hatch="////" if n % 2 else None,
            )
        axes.set_yticks([row + 0.4 - bar / 2 for row in range(len(stages))])
        axes.set_yticklabels(names)
        axes.invert_yaxis()
        axes.legend(frameon=False)
        axes.set_title(_broken(graph.name, TITLE))
        _label(axes, "share (%)", "")


def _largest(summary: Summary, columns: Sequence[str]) -> list[Stage]:
    """The stages that cost anything, in order; if they are many, the smaller ones as one."""
    found = [s for s in summary.stages if any(_number(s.value(c)) for c in columns)]
    if len(found) <= BARS:
        return found
    whole = {column: _number(summary.value(column)) or 1 for column in columns}
    shares = [max(_number(s.value(c)) / whole[c] for c in columns) for s in found]
    large = set(sorted(range(len(found)), key=lambda n: -shares[n])[: BARS - 1])
    rest = [stage for n, stage in enumerate(found) if n not in large]
    values = {column: sum(_number(stage.value(column)) for stage in rest) for column in columns}
    cost = sum_of(stage.cost for stage in rest)
    others = Stage(f"{len(rest):,} others", "", (), cost, values)
    return [*(stage for n, stage in enumerate(found) if n in large), others]


def frontier(
    records: Sequence[Mapping[str, Any]], x: str, y: str, path: Path, smallest: bool = False
) -> None:
    """Two columns of results against each other, and those that no other beats in both.

    Less of `x` is better; more of `y`, or less with `smallest`.
    """
    points = [
        (float(record[x]), float(record[y]))
        for record in records
        if record.get("status") in (None, "ok") and _is_number(record, x) and _is_number(record, y)
    ]
    if not points:
        raise UsageError(f"no results with numbers in both {x} and {y}")
    best = undominated(points, smallest)
    with Figure(path) as axes:
        all_x, all_y = zip(*points, strict=True)
        axes.scatter(all_x, all_y, s=14, facecolors="none", edgecolors="0.55")
        best_x, best_y = zip(*best, strict=True)
        axes.plot(best_x, best_y, "o-", color="black", ms=4, lw=1)
        _label(axes, _heading(x), _heading(y), _kind(x), _kind(y))


def undominated(
    points: Sequence[tuple[float, float]], smallest: bool = False
) -> list[tuple[float, float]]:
    """The points than which none has less of x and a better y, by x."""
    best: list[tuple[float, float]] = []
    for x, y in sorted(points, key=lambda p: (p[0], p[1] if smallest else -p[1])):
        if not best or (y < best[-1][1] if smallest else y > best[-1][1]):
            best.append((x, y))
    return best


def family(
    labels: Sequence[float], columns: Mapping[str, Sequence[Value]], axis: str, path: Path
) -> None:
    """Costs against phi, each relative to the first, on a scale of doublings."""
    with Figure(path) as axes:
        for n, (column, values) in enumerate(columns.items()):
            first = _number(values[0]) or 1
            axes.plot(
                labels,
                [_number(value) / first for value in values],
                marker=MARKS[n % len(MARKS)],
                color=GREYS[n % len(GREYS)],
                linestyle=("-", "--", "-.", ":")[n % 4],
                ms=4,
                lw=1,
                label=MEASURES[column].heading,
            )
        axes.set_yscale("log", base=2)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}x")
        axes.legend(frameon=False)
        _label(axes, axis, "relative to the first")


def _label(
    axes: "Axes", x: str, y: str, x_kind: Kind | None = None, y_kind: Kind | None = None
) -> None:
    axes.set_xlabel(_broken(x, TITLE), parse_math=False)
    axes.set_ylabel(_broken(y), parse_math=False)
    for axis, kind in ((axes.xaxis, x_kind), (axes.yaxis, y_kind)):
        if kind is not None:
            axis.set_major_formatter(_ticks(kind))


def _broken(name: str, length: int = LINE) -> str:
    """A name in lines that leave the axes their room."""
    return "\n".join(name[n : n + length] for n in range(0, len(name), length))


def _ticks(kind: Kind) -> Callable[[float, float], str]:
    def tick(value: float, position: float) -> str:
        if kind == "number" or value <= 0:
            return f"{value:g}"
        return cell(value, kind).replace(".00 ", " ")

    return tick


def _heading(column: str) -> str:
    return MEASURES[column].heading if column in MEASURES else column


def _kind(column: str) -> Kind | None:
    return MEASURES[column].kind if column in MEASURES else None


def _is_number(record: Mapping[str, Any], column: str) -> bool:
    value = record.get(column)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < LARGEST  # which NaN is not


def _number(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
