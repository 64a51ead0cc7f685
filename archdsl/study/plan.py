"""A study file: a spec, axes of what to change, constraints, columns, and maybe an objective."""

import itertools
import math
import os
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass
from typing import Any, Literal

from archdsl.analysis.measures import device_free
from archdsl.diagnostics.errors import SpecError, UsageError
from archdsl.diagnostics.sink import Sink, in_order
from archdsl.language.keys import check_version
from archdsl.numbers import number
from archdsl.study.candidates import Point
from archdsl.yaml.fields import (
    ANY,
    LIST,
    NUMBER,
    TEXT,
    WHOLE,
    at_least,
    either,
    form_of,
    key,
    list_of,
    mapping_of,
    one_of,
    validate,
)
from archdsl.yaml.limits import Limits
from archdsl.yaml.source import parse, read_text

MAX_CANDIDATES = 10_000_000
COLUMNS = ("parameters", "macs", "activations", "memory")


@dataclass(frozen=True)
class AxisForm:
    """An axis that is no list: numbers from one to another, evenly or by a factor."""

    range: list[float] | None = key(list_of(NUMBER, 2))
    log_range: list[float] | None = key(list_of(NUMBER, 2))
    step: float | None = key(NUMBER)
    count: int | None = key(at_least(1))


@dataclass(frozen=True)
class SampleForm:
    """How many candidates to draw, and by what."""

    random: int | None = key(at_least(1))
    optuna: int | None = key(at_least(1))
    seed: int = key(WHOLE, 0)


@dataclass(frozen=True)
class ObjectiveForm:
    """What is run for every candidate: a command or a Python function."""

    command: str | None = key(TEXT)
    python: str | None = key(TEXT)
    timeout: float = key(at_least(0, NUMBER), 3600)  # seconds


_AXIS = form_of(AxisForm)


@dataclass(frozen=True)
class StudyForm:
    """The keys of a study file."""

    archdsl: Any = key(ANY, MISSING)
    study: str = key(TEXT, MISSING)
    spec: str = key(TEXT, MISSING)
    doc: str | None = key(TEXT)
    scale: dict[str, list[float] | AxisForm] = key(mapping_of(either(list_of(NUMBER), _AXIS)), {})
    set: dict[str, list[Any] | AxisForm] = key(mapping_of(either(LIST, _AXIS)), {})
    sample: Literal["grid"] | SampleForm = key(either(one_of("grid"), form_of(SampleForm)), "grid")
    where: list[str] = key(list_of(TEXT), [])
    columns: list[str] = key(list_of(TEXT), [*COLUMNS])
    objective: ObjectiveForm | None = key(form_of(ObjectiveForm))
    minimize: str | None = key(TEXT)
    maximize: str | None = key(TEXT)
    workers: int | None = key(at_least(1))


@dataclass(frozen=True, slots=True)
class Axis:
    """The values that one setting takes: listed, or between two numbers.

    Its name is `scale.NAME` or `set.NAME`.
    """

    name: str
    rule: bool  # of `scale`, not of `set`
    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False

    @property
    def setting(self) -> str:
        return self.name.partition(".")[2]

    def draw(self, source: random.Random) -> Any:
        if self.values:
            return source.choice(self.values)
        if self.log:
            return math.exp(source.uniform(math.log(self.low), math.log(self.high)))
        return source.uniform(self.low, self.high)


@dataclass(frozen=True, slots=True)
class Constraint:
    """`macs <= 400M`."""

    column: str
    at_most: bool
    limit: float

    def holds(self, value: Any) -> bool:
        return bool(value <= self.limit if self.at_most else value >= self.limit)


@dataclass(frozen=True)
class Study:
    """A study, read and checked."""

    name: str
    folder: str
    spec: str
    axes: tuple[Axis, ...]
    constraints: tuple[Constraint, ...]
    columns: tuple[str, ...]
    form: StudyForm

    @property
    def objective(self) -> ObjectiveForm | None:
        return self.form.objective

    @property
    def sampler(self) -> str:
        sample = self.form.sample
        return "grid" if isinstance(sample, str) else "optuna" if sample.optuna else "random"

    @property
    def size(self) -> int:
        """How many candidates there are."""
        sample = self.form.sample
        if not isinstance(sample, str):
            return sample.optuna or sample.random or 0
        return math.prod(len(axis.values) for axis in self.axes)

    def points(self) -> Iterator[Point]:
        """The candidates of a grid or of random draws, the same in every run."""
        sample = self.form.sample
        if isinstance(sample, str):
            for values in itertools.product(*(axis.values for axis in self.axes)):
                yield self.point(dict(zip((a.name for a in self.axes), values, strict=True)))
            return
        source = random.Random(sample.seed)
        for _ in range(sample.random or 0):
            yield self.point({axis.name: axis.draw(source) for axis in self.axes})

    def point(self, values: Mapping[str, Any]) -> Point:
        scale = {axis.setting: values[axis.name] for axis in self.axes if axis.rule}
        params = {axis.setting: values[axis.name] for axis in self.axes if not axis.rule}
        return Point(scale, params)


def read_study(path: str) -> Study:
    """The study in a file; raises SpecError with every way in which it is wrong."""
    sink, limits = Sink(), Limits()
    text = read_text(path, limits, sink)
    source = parse(text, path, sink, limits) if text is not None else None
    good = source is not None and check_version(source, sink)
    form = validate(StudyForm, source.data, source.at(), sink) if source and good else None
    if form is None or sink.failed:
        from archdsl.diagnostics.report import full

        found = in_order(sink.diagnostics)
        raise SpecError(found, full(found, {path: text or ""}))
    folder = os.path.dirname(os.path.abspath(path))
    beside = os.path.join(folder, form.spec)
    axes = [_axis(f"scale.{name}", raw, True, form) for name, raw in form.scale.items()]
    axes += [_axis(f"set.{name}", raw, False, form) for name, raw in form.set.items()]
    constraints = tuple(_constraint(text) for text in form.where)
    columns = tuple(dict.fromkeys((*form.columns, *(c.column for c in constraints))))
    for column in columns:
        device_free(column)
    study = Study(
        form.study,
        folder,
        beside if os.path.isfile(beside) else form.spec,
        tuple(axes),
        constraints,
        columns,
        form,
    )
    _check(study)
    return study


def _check(study: Study) -> None:
    """Raises UsageError for what no candidate can make right."""
    form = study.form
    if not study.name or os.path.basename(study.name) != study.name:
        raise UsageError(f"`{study.name}` cannot name a study: its results are NAME.csv")
    if not study.axes:
        raise UsageError("the study has no axes: name some under `scale` or `set`")
    if study.size > MAX_CANDIDATES:
        raise UsageError(f"the study has {study.size:,} candidates, more than {MAX_CANDIDATES:,}")
    if form.objective and (form.objective.command is None) == (form.objective.python is None):
        raise UsageError("an objective has a `command` or a `python` function, not both")
    if not isinstance(form.sample, str) and bool(form.sample.random) == bool(form.sample.optuna):
        raise UsageError("a sample is `random: N` or `optuna: N`")
    if study.sampler == "optuna" and (form.minimize is None) == (form.maximize is None):
        raise UsageError("a sample by optuna needs `minimize` or `maximize`, a column")


def _axis(name: str, raw: list[Any] | AxisForm, rule: bool, form: StudyForm) -> Axis:
    if isinstance(raw, list):
        if not raw:
            raise UsageError(f"axis {name}: the list is empty")
        return Axis(name, rule, tuple(raw))
    log, ends = raw.log_range is not None, raw.log_range or raw.range
    if ends is None or (raw.range is not None and log):
        raise UsageError(f"axis {name}: give a list, `range: [a, b]` or `log_range: [a, b]`")
    low, high = ends
    if low >= high or (log and low <= 0):
        raise UsageError(f"axis {name}: {low:g} to {high:g} is no range")
    if raw.step is None and raw.count is None:
        if form.sample == "grid":
            raise UsageError(f"axis {name}: a grid needs a `step` or a `count`")
        return Axis(name, rule, (), low, high, log)
    if raw.count is not None:
        parts = [n / max(1, raw.count - 1) for n in range(raw.count)]
        values = [low * (high / low) ** p if log else low + (high - low) * p for p in parts]
    else:
        step = raw.step or 0
        if step <= (1 if log else 0):
            raise UsageError(f"axis {name}: a step of {step:g} leads nowhere")
        count = math.log(high / low) / math.log(step) if log else (high - low) / step
        turns = range(int(count + 1e-9) + 1)
        values = [low * step**n if log else low + step * n for n in turns]
    return Axis(name, rule, tuple(round(value, 10) for value in values))


def _constraint(text: str) -> Constraint:
    found = re.fullmatch(r"\s*(\w+)\s*(<=|>=)\s*(\S.*)", text)
    if found is None:
        raise UsageError(f"`{text}` is no constraint; write `macs <= 400M`")
    device_free(found[1])
    return Constraint(found[1], found[2] == "<=", number(found[3]))
