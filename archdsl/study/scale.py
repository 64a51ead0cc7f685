"""Scaling a spec: families by phi, the largest under budgets, and the paper's grid search.

All of it compares true costs of elaborated networks, not a formula (Tan & Le 2019, section 3).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import product
from pathlib import Path

from archdsl.analysis.measures import Value, column, device_free, totals
from archdsl.diagnostics.errors import SpecError, UsageError
from archdsl.diagnostics.files import write_text
from archdsl.diagnostics.text import as_yaml
from archdsl.expressions.numbers import number
from archdsl.language import gallery
from archdsl.study.candidates import PHI, Candidates, Point
from archdsl.yaml.limits import Limits

COLUMNS = ("parameters", "macs", "activations", "memory")
PRECISION = 2e-4  # of a factor
LARGEST = 64.0  # factor or phi that a search tries
Say = Callable[[str], None]


@dataclass(frozen=True)
class Row:
    """A scaled network: what was set, what it measures, how it compares to the base."""

    label: str
    scale: Mapping[str, float]
    input: tuple[int, ...]
    values: Mapping[str, Value]
    note: str = ""


@dataclass(frozen=True)
class Family:
    """Networks scaled from one spec, in order, with the measures that were asked for."""

    spec: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    warning: str = ""


def family(
    candidates: Candidates, phis: Iterable[float], columns: Sequence[str] = COLUMNS
) -> Family:
    """The spec at every phi."""
    columns = tuple(map(column, columns))
    rows = [row(candidates, f"phi={phi:g}", {PHI: phi}, columns) for phi in phis]
    return Family(candidates.path, columns, tuple(rows), warning(candidates, [PHI]))


def largest(
    candidates: Candidates,
    budgets: Mapping[str, float],
    columns: Sequence[str] = COLUMNS,
    say: Say = lambda text: None,
) -> Family:
    """The largest phi, and the largest single factor of every rule, under all budgets."""
    budgets = {column(name): most for name, most in budgets.items()}
    for name in budgets:
        device_free(name)
    columns = tuple(dict.fromkeys((*map(column, columns), *budgets)))
    used = candidates.uses()
    dimensions = [*([PHI] if candidates.document.rules else []), *used]
    rows = []
    for name in dimensions:
        say(f"searching the largest {name}")
        best = _search(candidates, name, budgets)
        label = f"{name}={best:.4g}" if best is not None else name
        if best is None:
            note = "over the budget however small"
            rows.append(Row(label, {}, (), dict.fromkeys(columns), note))
        else:
            scale = {name: best} if name == PHI else {PHI: 0, name: best}
            note = "no limit found" if best >= LARGEST else ""
            rows.append(row(candidates, label, scale, columns, note))
    return Family(candidates.path, columns, tuple(rows), warning(candidates, dimensions))


def _search(candidates: Candidates, name: str, budgets: Mapping[str, float]) -> float | None:
    """The largest phi or factor under the budgets, by bisection; costs grow with it in steps."""

    def fits(value: float) -> bool:
        point = Point({PHI: value} if name == PHI else {PHI: 0, name: value}, {})
        try:
            values = candidates.measure(point, tuple(budgets))
        except SpecError:
            return value < 1  # too small to be a network is not too large
        return all(_number(values[column]) <= limit for column, limit in budgets.items())

    low, high = (-LARGEST, 1.0) if name == PHI else (1 / LARGEST, 1.0)
    while fits(high):
        low, high = high, high + 1 if name == PHI else high * 2
        if high > LARGEST:
            return LARGEST
    while high - low > PRECISION * max(1.0, abs(high)):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    value = _rounded(low, fits)
    return value if fits(value) and _exists(candidates, name, value) else None


def _rounded(value: float, fits: Callable[[float], bool]) -> float:
    """The number with the fewest digits that is within a thousandth and fits as well."""
    for digits in range(1, 6):
        short = float(f"{value:.{digits}g}")
        if abs(short - value) <= abs(value) * 1e-3 and fits(short):
            return short
    return value


def _exists(candidates: Candidates, name: str, value: float) -> bool:
    try:
        candidates.graph(Point({PHI: value} if name == PHI else {PHI: 0, name: value}, {}))
    except SpecError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Target:
    """What a search wants: `factor` times what the base has of a measure."""

    factor: float
    column: str


def target(text: str) -> Target:
    """`2x macs`; raises UsageError for anything else."""
    factor, _, name = text.strip().partition(" ")
    if not factor.endswith("x") or not name:
        raise UsageError(f"--search `{text}`: write a factor and a column, as in `2x macs`")
    name = column(name.strip().lower())
    device_free(name)
    wanted = Target(number(factor[:-1]), name)
    if wanted.factor <= 0:
        raise UsageError(f"--search `{text}`: the factor must be above 0")
    return wanted


def grid(start: float, stop: float, step: float, most: int = Limits().candidates) -> list[float]:
    """`start`, `start + step`... up to `stop`; raises UsageError for more than `most` of them."""
    if not (step > 0 and start <= stop and all(map(math.isfinite, (start, stop, step)))):
        raise UsageError(f"a grid from {start:g} to {stop:g} needs a step above 0, not {step:g}")
    if (stop - start) / step >= most:
        raise too_many(f"a grid from {start:g} to {stop:g} by {step:g} has", most, "factors")
    count = int((stop - start) / step + 1e-9) + 1
    return [round(start + n * step, 10) for n in range(count)]


def too_many(what: str, most: int, of: str) -> UsageError:
    return UsageError(f"{what} more than {most:,} {of}; --limit candidates=N allows more")


def search(
    candidates: Candidates,
    wanted: Target,
    factors: Sequence[float],
    columns: Sequence[str] = COLUMNS,
    top: int = 20,
    say: Say = lambda text: None,
) -> Family:
    """Every (depth, width, resolution) of a grid, those nearest to the target first.

    Depth, width and resolution are the paper's alpha, beta and gamma at phi 1. Of those that make
    the same network only the first counts. How near is the ratio of costs, either way.
    """
    columns = tuple(dict.fromkeys((*map(column, columns), wanted.column)))
    base = _number(candidates.measure(Point({PHI: 0}, {}), (wanted.column,))[wanted.column])
    used = candidates.uses()
    if not base or not used:
        return Family(candidates.path, columns, (), warning(candidates, []))
    size = len(factors) ** len(used)
    if size > candidates.limits.candidates:
        raise too_many("the grid of this search has", candidates.limits.candidates, "networks")
    found = nsmallest(
        top, _tried(candidates, wanted, base, used, factors, columns, say), lambda pair: pair[0]
    )
    rows = tuple(candidate for _, candidate in found)
    return Family(candidates.path, columns, rows, warning(candidates, used))


def _tried(
    candidates: Candidates,
    wanted: Target,
    base: float,
    used: Sequence[str],
    factors: Sequence[float],
    columns: Sequence[str],
    say: Say,
) -> Iterator[tuple[float, Row]]:
    """The networks of a grid, each with how far away it is from what is wanted."""
    seen: set[object] = set()
    size = len(factors) ** len(used)
    for count, combination in enumerate(product(factors, repeat=len(used)), 1):
        say(f"candidate {count:,} of {size:,}")
        scale = dict(zip(used, combination, strict=True))
        label = ", ".join(f"{name}={factor:g}" for name, factor in scale.items())
        try:
            candidate = row(candidates, label, {PHI: 0, **scale}, columns)
        except SpecError:
            continue
        network = (candidate.input, tuple(candidate.values.items()))
        ratio = _number(candidate.values[wanted.column]) / base
        if network in seen or not ratio:
            continue
        seen.add(network)
        note = f"{ratio:.3f}x"
        away = max(ratio / wanted.factor, wanted.factor / ratio)
        yield away, Row(label, candidate.scale, candidate.input, candidate.values, note)


def row(
    candidates: Candidates,
    label: str,
    scale: Mapping[str, float],
    columns: Sequence[str],
    note: str = "",
) -> Row:
    """The network under a scaling; raises SpecError if there is none."""
    graph = candidates.graph(Point(scale, {}))
    return Row(label, scale, graph.input.shape, totals(graph, columns), note)


def warning(candidates: Candidates, names: Sequence[str]) -> str:
    """What to say of a spec that does not scale, or not by phi."""
    used = candidates.uses()
    if not used:
        return (
            "the spec uses none of depth(), width() and resolution(), so nothing scales; write them"
            " where sizes stand: repeat: depth(3), out: width(64), input: [3, resolution(224), ...]"
        )
    bases = [n for n, rule in candidates.document.rules.items() if "base" in rule.numbers]
    if PHI in names and not bases:
        return (
            "the spec has no scaling rules with a base, so phi changes nothing; add"
            " scaling: {depth: {base: 1.2}, width: {base: 1.1}, resolution: {base: 1.15}}"
        )
    return ""


def write_specs(candidates: Candidates, result: Family, count: int, folder: Path) -> Iterator[Path]:
    """Writes the first networks of a family as specs that extend the base; gives their paths.

    They say what was set of the base as well. Raises UsageError for a folder from which they could
    not extend it.
    """
    from os.path import relpath

    from archdsl.diagnostics.files import make_folder

    base, stem = Path(candidates.path).resolve(), Path(candidates.path).stem
    extended = Path(relpath(candidates.path, folder)).as_posix()
    if base.is_relative_to(gallery.folder().resolve()):
        extended = stem
    elif not base.is_relative_to(folder.resolve()):
        message = f"--out {folder}: specs there cannot extend {candidates.path}, which lies outside"
        raise UsageError(f"{message}; choose its folder, or one above that")
    make_folder(folder)
    for position, scaled in enumerate(result.rows[:count], 1):
        name = f"{stem}_{position}".replace("-", "_")
        path = folder / f"{name}.yaml"
        lines = ["archdsl: 1", f"extends: {extended}", f"name: {name}", f"doc: {_doc(scaled)}"]
        if candidates.settings:
            lines += ["params:", *(f"  {n}: {v}" for n, v in candidates.settings.items())]
        if candidates.output_stride:
            lines.append(f"output_stride: {candidates.output_stride}")
        if candidates.replaced:
            replaced = [rule.written for rule in candidates.document.replacements]
            lines.append(f"replace: {as_yaml(replaced)}")
        if scaled.input:
            scale: dict[str, float | str] = {**candidates.scale, **scaled.scale}
            rules = [f"  {rule}: {_yaml(rule, factor)}" for rule, factor in scale.items()]
            lines += ["scaling:", *rules, "expect:", *_expected(scaled)]
        write_text(path, "\n".join([*lines, ""]))
        yield path


def _yaml(rule: str, factor: float | str) -> str:
    return str(factor) if rule == PHI else f"{{factor: {factor}}}"


def _doc(scaled: Row) -> str:
    return f'"{scaled.label}{": " if scaled.note else ""}{scaled.note}"'


def _expected(scaled: Row) -> list[str]:
    words = {"parameters": "params", "macs": "macs"}
    return [f"  {word}: {scaled.values[n]}" for n, word in words.items() if n in scaled.values]


def _number(value: Value) -> float:
    """A value to compare; raises UsageError for a measure that is no number."""
    if isinstance(value, int | float):
        return float(value)
    raise UsageError(f"a budget or target must be a number, {value!r} is none")
