"""Plots of what analysis finds: vectors, told apart without colour (matplotlib, extra `plot`)."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from archdsl.analysis.measures import MEASURES, Facts, Kind, Value
from archdsl.analysis.summary import stages_of, summarize
from archdsl.diagnostics.errors import UsageError
from archdsl.expressions.numbers import is_number
from archdsl.graph.graph import Graph
from archdsl.tables.axes import HEIGHT, NETWORKS, Figure, Look, broken, label
from archdsl.tables.summary import cell

BARS = 60  # that a page has room for
LEGEND = 12.0  # points of height for each network in it
LARGEST = 1e300  # number that an axis has a place for


def memory(graphs: Sequence[Graph], path: Path, look: Look | None = None) -> None:
    """Bytes alive while every op runs, in the order in which they run.

    One network stands over its stages; of several each has its line and says where it peaks.
    """
    lives = [list(Facts(graph).live.items()) for graph in graphs]
    for graph, live in zip(graphs, lives, strict=True):
        if not live:
            raise UsageError(f"{graph.name} has no ops, and so no memory to plot")
    figure = _figure(graphs, path, look)
    with figure as axes:
        for n, (name, live) in enumerate(zip(_names(graphs), lives, strict=True)):
            top = max(range(len(live)), key=lambda n: live[n][1])
            peak = cell(live[top][1], "bytes")
            sizes, places = [size for _, size in live], range(len(live))
            if len(graphs) == 1:
                shade = figure.look.shade(0.8)
                axes.fill_between(places, sizes, color=shade, step="mid", lw=0)
                side, above = "left" if top < len(live) / 2 else "right", figure.points(3)
                axes.annotate(
                    broken(f"{live[top][0]}: {peak}"), (top, sizes[top]), (0, above),
                    textcoords="offset points", ha=side, parse_math=False,
                )  # fmt: skip
                figure.bands(runs([id for id, _ in live], places, stages_of(graphs[0]), 0.5))
            line = figure.look.line(n, len(graphs) > 1)
            axes.step(
                places, sizes, where="mid", label=broken(f"{name}: {peak} at {live[top][0]}", 64),
                markevery=_every(n, len(live)), **line,
            )  # fmt: skip
        axes.set_xlim(-0.5, max(map(len, lives)) - 0.5)
        axes.set_ylim(0, 1.2 * max(size for live in lives for _, size in live) or 1)
        _told(figure, graphs)
        label(axes, "op, in order", "memory of activations", y_kind="bytes")


def field(graphs: Sequence[Graph], path: Path, look: Look | None = None) -> None:
    """The receptive field against depth, with the size of the image.

    One network stands over the stages in which its field is largest; of several each has its line.
    """
    fields = [_largest_fields(graph) for graph in graphs]
    figure = _figure(graphs, path, look)
    with figure as axes:
        for n, (name, seen) in enumerate(zip(_names(graphs), fields, strict=True)):
            depths = sorted(seen)
            if len(graphs) == 1:
                ids = [seen[depth][1] for depth in depths]
                figure.bands(runs(ids, depths, stages_of(graphs[0])))
            sizes = [seen[depth][0] for depth in depths]
            line = figure.look.line(n, len(graphs) > 1)
            axes.step(
                [*depths, depths[-1] + 1], [*sizes, sizes[-1]], where="post", label=broken(name),
                markevery=_every(n, len(depths)), **line,
            )  # fmt: skip
        start = min(depth for seen in fields for depth in seen)
        largest = max(size for seen in fields for size, _ in seen.values())
        images = Counter(graph.input.spatial[0] for graph in graphs)
        for size in images:
            axes.axhline(size, color=figure.look.shade(0.4), linestyle="--", lw=figure.points(0.6))
            words = "image" if len(images) == 1 else f"image of {size}"
            axes.annotate(words, (start, size), (2, figure.points(2)), textcoords="offset points")
        axes.set_ylim(0, 1.15 * max(largest, *images))
        axes.set_xlim(start, max(depth for seen in fields for depth in seen) + 1)
        _told(figure, graphs)
        label(axes, "depth (weighted layers)", "receptive field (pixels)")


def _largest_fields(graph: Graph) -> dict[int, tuple[int, str]]:
    """At every depth the largest receptive field, and what has it."""
    facts, seen = Facts(graph), dict[int, tuple[int, str]]()
    if len(graph.inputs) > 1:
        help = "`archdsl summary --show field` has the fields of each"
        raise UsageError(f"{graph.name} has several inputs; {help}")
    for id, found in facts.fields[next(iter(graph.inputs))].items():
        depth = facts.depths[id]
        if depth not in seen or found.size[0] > seen[depth][0]:
            seen[depth] = (found.size[0], id)
    if not seen:
        raise UsageError(f"{graph.name} has no image, and so no receptive field")
    return seen


def runs(
    ids: Sequence[str], places: Sequence[int], stages: Mapping[str, str], before: float = 0.0
) -> list[tuple[float, float, str]]:
    """From where to where the things at some places are of one stage, and which."""
    found: list[tuple[float, float, str]] = []
    ends = [*(place - before for place in places), places[-1] + 1 - before]
    for stage, run in groupby(range(len(ids)), key=lambda n: stages.get(ids[n], "")):
        first, *more = run
        found.append((ends[first], ends[(more or [first])[-1] + 1], stage))
    return found


def cost(
    graphs: Sequence[Graph],
    path: Path,
    look: Look | None = None,
    columns: Sequence[str] = ("parameters", "macs"),
) -> None:
    """Some costs by stages; past BARS those of the least together.

    Of one network the shares; of several what each costs, side by side, a panel for each cost.
    """
    table, wholes = costs(graphs, columns)
    if not table:
        raise UsageError(f"{' and '.join(graph.name for graph in graphs)}: no costs to plot")
    several = len(graphs) > 1
    names = [broken(stage, 24 if several else 40) for stage in table]
    each = len(graphs) if several else len(columns)
    tall = max(10.8 * max(name.count("\n") for name in names) + 23, 7.0 * each + 9)
    height = 72 + tall * len(names)
    figure = _figure(graphs, path, look, height, len(columns) if several else 1)
    with figure as axes:
        bar = 0.8 / each
        for c, column in enumerate(columns):
            heading, panel = MEASURES[column].heading, figure.axes[c if several else 0]
            for g, name in enumerate(_names(graphs)):
                values, n = [row[g][c] for row in table.values()], g if several else c
                whole = 1.0 if several else wholes[g][c] / 100 or 1.0
                panel.barh(
                    [row + n * bar for row in range(len(values))],
                    [value / whole for value in values], bar,
                    label=broken(name) if several else heading, **figure.look.fill(n),
                )  # fmt: skip
            if several:
                label(panel, heading, "", MEASURES[column].kind)
                panel.locator_params(axis="x", nbins=4)
        axes.set_yticks([row + 0.4 - bar / 2 for row in range(len(names))])
        axes.set_yticklabels(names, parse_math=False)
        axes.set_ylim(len(names) - bar / 2, -0.2 - bar / 2)
        for panel in figure.axes:
            panel.grid(visible=False, axis="y")
        _told(figure, graphs)
        if not several:
            label(axes, "share (%)", "")
            figure.legend(len(columns))


Costs = dict[str, list[list[float]]]  # by stages, networks and columns


def costs(graphs: Sequence[Graph], columns: Sequence[str]) -> tuple[Costs, list[list[float]]]:
    """The stages that cost anything, in order, and what whole networks cost.

    If they are many, the smaller ones are one.
    """
    table, order, wholes = Costs(), list[str](), list[list[float]]()
    for n, graph in enumerate(graphs):
        summary = summarize(graph, show=columns)
        wholes.append([_number(summary.value(column)) for column in columns])
        rows = {s.name: [_number(s.value(column)) for column in columns] for s in summary.stages}
        own = [stage for stage, values in rows.items() if any(values)]
        for stage in own:
            zeros = [[0.0] * len(columns) for _ in graphs]
            table.setdefault(stage, zeros)[n] = rows[stage]
        order = list(merged(order, own))
    table = {stage: table[stage] for stage in order}
    return (table if len(table) <= BARS else _gathered(table, wholes)), wholes


def merged(order: Sequence[str], own: Sequence[str]) -> Iterator[str]:
    """All stages: those that only `own` has after the one that they follow there, or at the end."""
    known, following = set(order), dict[str, list[str]]()
    before = "" if known.intersection(own) or not order else order[-1]
    for stage in own:
        if stage in known:
            before = stage
        else:
            following.setdefault(before, []).append(stage)
    for stage in ("", *order):
        yield from (stage,) if stage else ()
        yield from following.get(stage, ())


def _gathered(table: Costs, wholes: Sequence[Sequence[float]]) -> Costs:
    """The stages with the largest shares of any cost of any network, the others as one."""
    shares = {
        stage: max(
            value / (whole or 1)
            for values, total in zip(row, wholes, strict=True)
            for value, whole in zip(values, total, strict=True)
        )
        for stage, row in table.items()
    }
    large = set(sorted(shares, key=lambda stage: -shares[stage])[: BARS - 1])
    rest = [row for stage, row in table.items() if stage not in large]
    others = [[sum(column) for column in zip(*of, strict=True)] for of in zip(*rest, strict=True)]
    kept = {stage: row for stage, row in table.items() if stage in large}
    return kept | {f"{len(rest):,} others": others}


def _figure(
    graphs: Sequence[Graph], path: Path, look: Look | None, height: float = 0.0, panels: int = 1
) -> Figure:
    """A figure with room for a legend of the networks, if there are several."""
    if len(graphs) > NETWORKS:
        raise UsageError(f"{len(graphs)} networks are more than the {NETWORKS} that a plot holds")
    look = look or Look()
    height = height or HEIGHT * look.width
    return Figure(path, look, height + (LEGEND * len(graphs) if len(graphs) > 1 else 0.0), panels)


def _names(graphs: Sequence[Graph]) -> list[str]:
    """What the networks are called; those of one name are counted in their order."""
    counts, seen, names = Counter(graph.name for graph in graphs), Counter[str](), list[str]()
    for graph in graphs:
        seen[graph.name] += 1
        number = f" ({seen[graph.name]})" if counts[graph.name] > 1 else ""
        names.append(f"{graph.name}{number}")
    return names


def _told(figure: Figure, graphs: Sequence[Graph]) -> None:
    """The title of one network, or the legend of several."""
    figure.title(graphs[0].name if len(graphs) == 1 else "")
    if len(graphs) > 1:
        figure.legend()


def _every(number: int, count: int) -> tuple[int, int]:
    """Which points have marks: some eight, not those of the other lines."""
    step = max(1, count // 8)
    return (number * step // NETWORKS, step)


def frontier(
    records: Sequence[Mapping[str, Any]],
    x: str,
    y: str,
    path: Path,
    smallest: bool = False,
    look: Look | None = None,
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
    figure = Figure(path, look)
    with figure as axes:
        all_x, all_y = zip(*points, strict=True)
        size, shade = figure.points(3.5) ** 2, figure.look.shade(0.45)
        axes.scatter(all_x, all_y, s=size, facecolors="none", edgecolors=shade)
        best_x, best_y = zip(*best, strict=True)
        axes.plot(best_x, best_y, **figure.look.line(0))
        figure.title()
        label(axes, _heading(x), _heading(y), _kind(x), _kind(y))


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
    figure = Figure(path)
    with figure as axes:
        for n, (column, values) in enumerate(columns.items()):
            first = _number(values[0]) or 1
            sizes = [_number(value) / first for value in values]
            axes.plot(labels, sizes, label=MEASURES[column].heading, **figure.look.line(n))
        axes.set_yscale("log", base=2)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}x")
        figure.legend(min(4, len(columns)))
        label(axes, axis, "relative to the first")


def _heading(column: str) -> str:
    return MEASURES[column].heading if column in MEASURES else column


def _kind(column: str) -> Kind | None:
    return MEASURES[column].kind if column in MEASURES else None


def _is_number(record: Mapping[str, Any], column: str) -> bool:
    value = record.get(column)
    return is_number(value) and abs(value) < LARGEST  # which NaN is not


def _number(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
