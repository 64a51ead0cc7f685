"""A study file: a spec, axes of what to change, constraints, columns, and maybe an objective."""

import itertools
import math
import os
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass
from typing import Annotated, Any, Literal, overload

from archdsl.analysis.measures import column, device_free
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.report import failure
from archdsl.diagnostics.sink import Sink
from archdsl.expressions.numbers import number
from archdsl.language.keys import VERSION, check_version
from archdsl.study.candidates import Point
from archdsl.yaml.fitting import fitted
from archdsl.yaml.json_schema import schema_of
from archdsl.yaml.limits import Limits
from archdsl.yaml.models import After, In, Length, Number, Of, Prose, Within, key, wrong
from archdsl.yaml.source import Source, parse, read_text

MOST_STEPS = 1e15  # that are told apart
COLUMNS = ("parameters", "macs", "activations", "memory")


@dataclass(frozen=True, slots=True)
class Steps(Sequence[float]):
    """Numbers from `low` on, each computed when it is asked for: `parts` of them lie as far apart
    as `by` says, a difference or a factor.
    """

    low: float
    by: float
    parts: int
    size: int
    log: bool

    def __len__(self) -> int:
        return self.size

    @overload
    def __getitem__(self, n: int) -> float: ...

    @overload
    def __getitem__(self, n: slice) -> list[float]: ...

    def __getitem__(self, n: int | slice) -> float | list[float]:
        if isinstance(n, slice):
            return [self[place] for place in range(self.size)[n]]
        if not 0 <= n < self.size:
            raise IndexError(n)
        part = n / self.parts
        return round(self.low * self.by**part if self.log else self.low + self.by * part, 10)


@dataclass(frozen=True, slots=True)
class Axis:
    """The values that one setting takes: listed, or between two numbers.

    Its name is `scale.NAME` or `set.NAME`.
    """

    name: str
    rule: bool  # of `scale`, not of `set`
    values: Sequence[Any] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False

    @property
    def setting(self) -> str:
        return self.name.partition(".")[2]

    @property
    def size(self) -> int:
        """The number of values, which may be more than a sequence can have."""
        return self.values.size if isinstance(self.values, Steps) else len(self.values)

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
class AxisForm:
    """An axis that is no list: numbers from one to another, evenly or by a factor."""

    range: Annotated[list[Number], Length(2)] | None = key("From one number to another, evenly.")
    log_range: Annotated[list[Number], Length(2)] | None = key("The same, by a factor.")
    step: Number | None = key("From a value to the next; a factor on a log range.")
    count: Annotated[int, Within(1)] | None = key("How many values.")

    def __post_init__(self) -> None:
        ends, log = self.log_range or self.range, self.log_range is not None
        if ends is None or None not in (self.range, self.log_range):
            raise wrong("an axis is a list, `range: [a, b]` or `log_range: [a, b]`")
        low, high = ends
        if not low < high or (log and low <= 0):
            raise wrong(f"{low:g} to {high:g} is no range", "", "log_range" if log else "range")
        if None not in (self.step, self.count):
            raise wrong("`step` and `count` both say which values", "keep one of the two", "count")
        if self.step is not None and self.step <= (1 if log else 0):
            raise wrong(f"a step of {self.step:g} leads nowhere", "", "step")

    def values(self) -> Sequence[float]:
        """The values from one end to the other; none where neither step nor count says them."""
        (low, high), log = self.log_range or self.range or (0, 0), self.log_range is not None
        across = high / low if log else high - low
        if self.count is not None:
            return Steps(low, across, max(1, self.count - 1), self.count, log)
        if self.step is None:
            return ()
        steps = math.log(across) / math.log(self.step) if log else across / self.step
        return Steps(low, self.step, 1, int(min(steps, MOST_STEPS) + 1e-9) + 1, log)


@dataclass(frozen=True)
class SampleForm:
    """How many candidates to draw, and by what."""

    random: Annotated[int, Within(1)] | None = key("This many, at random.")
    optuna: Annotated[int, Within(1)] | None = key("This many, that Optuna chooses.")
    seed: int = key("Other draws for another.", 0)

    def __post_init__(self) -> None:
        if (self.random is None) == (self.optuna is None):
            raise wrong("a sample is `random: N` or `optuna: N`")


@dataclass(frozen=True)
class ObjectiveForm:
    """What is run for every candidate: a command or a Python function."""

    command: str | None = key("A command; the last line that it prints is the number.")
    python: str | None = key("`file.py:function`, which gets the module and what is set.")
    timeout: Annotated[float, Within(0)] = key("Seconds for a command.", 3600)

    def __post_init__(self) -> None:
        if (self.command is None) == (self.python is None):
            raise wrong("an objective has a `command` or a `python` function, not both")


def _axis_fits(axis: list[Any] | AxisForm, info: Any) -> list[Any] | AxisForm:
    if axis == []:
        raise wrong("the list is empty")
    if isinstance(axis, AxisForm) and info.context["grid"] and axis.step is axis.count is None:
        raise wrong("a grid needs a `step` or a `count`")
    return axis


def _column(name: str, _: Any) -> str:
    name = column(name)
    try:
        device_free(name)
    except UsageError as error:
        message, _, help = str(error).partition("; ")
        raise wrong(message, help) from None
    return name


def _constraint(text: str, _: Any) -> "Constraint":
    found = re.fullmatch(r"\s*(\w+)\s*(<=|>=)\s*(\S.*)", text)
    if found is None:
        raise wrong(f"`{text}` is no constraint", "write `macs <= 400M`")
    name = _column(found[1], None)
    try:
        return Constraint(name, found[2] == "<=", number(found[3]))
    except UsageError as error:
        raise wrong(str(error)) from None


def _file_name(name: str, _: Any) -> str:
    if not name or os.path.basename(name) != name:
        raise wrong(f"`{name}` cannot name a study: its results are NAME.csv")
    return name


_Column = Annotated[str, After(_column)]


@dataclass(frozen=True)
class StudyForm:
    """Many networks: a spec, axes of what is changed of it, and what is measured."""

    archdsl: Annotated[Any, In("version")] = key("The version of the language.", MISSING)
    study: Annotated[str, After(_file_name)] = key("What it and its results are called.", MISSING)
    spec: str = key("A name of the gallery, or a path beside this file.", MISSING)
    doc: Prose | None = key("What there is to say about it.")
    scale: dict[str, Annotated[list[Number] | AxisForm, After(_axis_fits)]] = key(
        "Axes over scaling rules, and `phi`.", {}
    )
    set: dict[str, Annotated[list[Any] | AxisForm, After(_axis_fits)]] = key(
        "Axes over parameters of the spec.", {}
    )
    sample: Literal["grid"] | SampleForm = key("Which combinations; all of them: `grid`.", "grid")
    where: list[Annotated[Constraint, Of(str), After(_constraint)]] = key(
        "What candidates must keep to: `macs <= 400M`.", []
    )
    columns: list[_Column] = key("What is measured.", [*COLUMNS])
    objective: ObjectiveForm | None = None
    minimize: str | None = key("The column of which Optuna looks for little.")
    maximize: str | None = key("The column of which Optuna looks for much.")
    workers: Annotated[int, Within(1)] | None = key("Processes; as many as cores without it.")

    def __post_init__(self) -> None:
        if not self.scale and not self.set:
            raise wrong("the study has no axes", "name some under `scale` or `set`")
        by_optuna = isinstance(self.sample, SampleForm) and self.sample.optuna is not None
        if by_optuna and (self.minimize is None) == (self.maximize is None):
            message = "a sample by optuna needs `minimize` or `maximize`, a column"
            raise wrong(message, "", "sample")

    def axes(self) -> Iterator["Axis"]:
        """All axes, those of the scaling rules first."""
        for rule, axes in ((True, self.scale), (False, self.set)):
            for name, raw in axes.items():
                whole = f"{'scale' if rule else 'set'}.{name}"
                if isinstance(raw, AxisForm):
                    low, high = raw.log_range or raw.range or (0, 0)
                    log = raw.log_range is not None
                    yield Axis(whole, rule, raw.values(), low, high, log)
                else:
                    yield Axis(whole, rule, tuple(raw))


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
    limits: Limits

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
        return math.prod(axis.size for axis in self.axes)

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


def study_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a study."""
    schema = schema_of(StudyForm, "A study in archdsl")
    schema["$defs"]["version"] = {"const": VERSION}
    return schema | {"anyOf": [{"required": ["scale"]}, {"required": ["set"]}]}


def read_study(path: str, limits: Limits | None = None) -> Study:
    """The study in a file; raises SpecError with every way in which it is wrong."""
    sink, limits = Sink(), limits or Limits()
    text = read_text(path, limits, sink)
    source = parse(text, path, sink, limits) if text is not None else None
    form = None
    if source is not None and check_version(source, sink):
        context = {"grid": source.data.get("sample", "grid") == "grid"}
        form = fitted(StudyForm, source.data, source.at(), sink, context)
    if source is None or form is None or sink.failed:
        raise failure(sink, {path: text or ""})
    folder = os.path.dirname(os.path.abspath(path))
    beside = os.path.join(folder, form.spec)
    study = Study(
        form.study,
        folder,
        beside if os.path.isfile(beside) else form.spec,
        tuple(form.axes()),
        tuple(form.where),
        tuple(dict.fromkeys((*form.columns, *(c.column for c in form.where)))),
        form,
        limits,
    )
    _check_size(study, source, sink)
    if sink.failed:
        raise failure(sink, {path: text or ""})
    return study


def _check_size(study: Study, source: Source, sink: Sink) -> None:
    """Reports more values or candidates than the limit allows, before any of them is made."""
    most, help = study.limits.candidates, "--limit candidates=N allows more"
    for axis in study.axes:
        if axis.size > most:
            place = source.at(*axis.name.split(".", 1))
            message = f"axis {axis.name} has more than {most:,} values"
            sink.error("E0106", message, place.span, help=help)
    if study.size > most and not sink.failed:
        place = source.at("sample" if study.sampler != "grid" else "study")
        message = f"the study has {study.size:,} candidates, more than {most:,}"
        sink.error("E0106", message, place.span, help=help)
