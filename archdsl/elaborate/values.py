"""What is written to what it is worth: expressions, names, parameters, arguments of ops."""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from types import UnionType
from typing import Any, NoReturn

from archdsl.diagnostics.diagnostic import Label, Span
from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.elaborate.builder import Builder
from archdsl.elaborate.env import Flow, Given, Here, ItemValue, Origin, Poison, fail
from archdsl.expressions.expression import (
    ExpressionError,
    Names,
    UnknownName,
    Value,
    describe,
    parse,
)
from archdsl.expressions.scaling import Function, Rule
from archdsl.expressions.template import Template, parse_template
from archdsl.language.keys import ParameterForm
from archdsl.language.syntax import SHAPE_NAMES, Parameter
from archdsl.names import name_problem
from archdsl.ops import OPS, WORDS, ArgumentError, Kind, kind
from archdsl.ops.base import kind_of, whole_number
from archdsl.ops.tensor import TensorSpec
from archdsl.yaml.source import Path, Place


class Evaluator:
    """Evaluates what is written somewhere; what has no value is reported and raises Poison."""

    def __init__(self, sink: Sink, build: Builder) -> None:
        self.sink, self.build = sink, build
        self.functions: Mapping[str, Function] = {}  # the document's scaling rules
        self.settled: Mapping[str, tuple[Place, Value]] = {}  # the document's parameters
        self.scaling: Place | None = None  # where those rules stand

    # expressions and names

    def evaluate(self, raw: Any, place: Place, here: Here) -> Value:
        """A value as written: an expression, `$name`, a list of them, or itself."""
        if isinstance(raw, list):
            self.build.read(place.span, len(raw))
            return [self.evaluate(item, place / n, here) for n, item in enumerate(raw)]
        if not isinstance(raw, str):
            return raw
        text = raw.removeprefix("$")
        if text in here.names:
            value = here.names[text]
            if isinstance(value, list):
                self.build.read(place.span, len(value))
            return value
        try:
            expression = parse(text)
            self.read(expression.names, text, place.span, here)
            return expression(self.names(expression.names, here))
        except ExpressionError as error:
            self.report(error, raw, place.span, here)

    def format(self, template: Template, span: Span | None, here: Here) -> str:
        """A name with its expressions evaluated; `span` is that of the whole."""
        if not template.expressions:
            return template.text
        self.read(template.names, template.text, span, here)
        try:
            return template.format(self.names(template.names, here))
        except ExpressionError as error:
            self.report(error, template.text, span, here)

    def read(self, names: Iterable[str], text: str, span: Span | None, here: Here) -> None:
        """Counts the lists that an expression may go through, each as often as there is room."""
        for name in names:
            value = here.names.get(name)
            if isinstance(value, list):
                self.build.read(span, len(value) * (1 + len(text) // (len(name) + 5)))

    def name(self, template: Template, place: Place, here: Here) -> str:
        """The name of an item, which a module can have."""
        name = self.format(template, place.key, here)
        if template.expressions and (problem := name_problem(name)):
            fail(self.sink, "E0208", problem, place.key)
        return name

    def names(self, wanted: Mapping[str, int], here: Here) -> Names:
        """What an expression sees; the shape only where it asks for more than there is without."""
        first = _first(here.x)
        if first is None or wanted.keys() <= here.names.keys():
            return Names(here.names, self.functions)
        return Names({**first.names(), **here.names}, self.functions)

    def report(self, error: ExpressionError, raw: str, span: Span | None, here: Here) -> NoReturn:
        """Reports an error at its token.

        Names were checked where they are written: one that is missing now is either the shape's or
        that of something that failed and is reported already.
        """
        span = span and span.part(error.offset, error.length)
        message, help = error.message, error.help
        if isinstance(error, UnknownName):
            if self.sink.failed and (error.name not in SHAPE_NAMES or here.x is None):
                raise Poison from None
            if error.name in SHAPE_NAMES:
                first = _first(here.x)
                message, help = f"there is no `{error.name}` here", "no input has a shape yet"
                help = f"the input is {first}" if first else help
        labels = self.origins(Given(raw, Place(here.file.source, ())), here)
        fail(self.sink, error.code, message, span, help, labels)

    # numbers

    def number(self, raw: Any, place: Place, here: Here) -> float:
        value = self.evaluate(raw, place, here)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            message = f"expected a number, not {kind_of(value)}"
            labels = self.origins(Given(raw, place), here)
            fail(self.sink, "E0203", message, place.span, labels=labels)
        return float(value)

    def whole(self, raw: Any, place: Place, here: Here, minimum: int) -> int:
        value = self.evaluate(raw, place, here)
        try:
            number = whole_number(value)
        except ArgumentError as error:
            self.fail(error, _last_word(place.path), Given(raw, place), here)
        if number < minimum:
            little = ArgumentError(f"{number} is less than {minimum}")
            self.fail(little, _last_word(place.path), Given(raw, place), here)
        return number

    def test(self, raw: Any, place: Place, here: Here) -> bool:
        """Whether an expression is true; a number is, unless it is 0."""
        value = self.evaluate(raw, place, here)
        if not isinstance(value, bool | int | float):
            message = f"expected true or false, not {kind_of(value)}"
            labels = self.origins(Given(raw, place), here)
            fail(self.sink, "E0203", message, place.span, labels=labels)
        return bool(value)

    # parameters and arguments

    def parameter(self, parameter: Parameter, given: Given, here: Here) -> Value:
        """The value of a parameter, checked against its type and bounds."""
        value = given.raw if given.evaluated else self.written(parameter.type, given, here)
        try:
            value = _of_type(parameter.type, value)
            _check_bounds(parameter.form, value)
        except ArgumentError as error:
            declared = parameter.place
            if error.bound is not None and declared.path[-1] == "default":
                declared = Place(declared.source, (*declared.path[:-1], error.bound))
            self.fail(error, parameter.name, given, here, declared)
        return value

    def fail(
        self,
        error: ArgumentError,
        what: str,
        given: Given,
        here: Here,
        declared: Place | None = None,
        labels: tuple[Label, ...] = (),
    ) -> NoReturn:
        """Reports a value that cannot be used, with the values of the names that it comes from."""
        help, known = error.help, ""
        if isinstance(given.raw, str) and not given.evaluated:
            known = self.known(given.raw, here)
            if error.code == "E0304":
                last = "ceil({})" if what == "repeat" else '"make_divisible({}, 8)"'
                ways = [way.format(given.raw) for way in ("floor({})", "round({})", last)]
                help = f"round it: {ways[0]}, {ways[1]} or {ways[2]}"
                if given.raw.isidentifier() and given.raw in here.names:
                    help = f"round it where `{given.raw}` gets its value"
        if declared is not None and declared.key is not None and declared != given.place:
            labels += (Label(declared.key, "declared here"),)
        labels += self.origins(given, here)
        message = f"{what}: {error.message}{known}"
        fail(self.sink, error.code, message, given.place.span, help, labels)

    def origins(
        self, given: Given, here: Here, known: tuple[Origin, ...] = ()
    ) -> tuple[Label, ...]:
        """Where the names in an expression have their values from, and those that give them.

        `known` are the origins that led there.
        """
        if given.origin is not None:
            given, here, _ = given.origin
        if given.evaluated or not isinstance(given.raw, str):
            return ()
        found = [x for n in _mentioned(given.raw) for x in self.origin(n, here, known)]
        return tuple(dict.fromkeys([*found, *self.scaled(given.raw)]))

    def scaled(self, raw: str) -> Iterator[Label]:
        """The scaling rules in an expression, where they change anything."""
        for name in _called(raw):
            rule = self.functions.get(name)
            at = (self.scaling / name / "factor").span if self.scaling is not None else None
            if isinstance(rule, Rule) and rule.factor != 1 and at is not None:
                yield Label(at, f"{name} multiplies by {rule.factor:g}")

    def origin(self, name: str, here: Here, known: tuple[Origin, ...]) -> Iterator[Label]:
        """Where a name has its value from, unless that is a name alone, which has its own."""
        origin = here.origin(name)
        if name not in here.names:
            return
        said = f"{name} is {describe(here.names[name])}"
        if origin is None or any(origin is one for one in known):
            if self.from_document(name, here) and (span := self.settled[name][0].span):
                yield Label(span, said)
            return
        given, there, heading = origin
        if given.origin is not None:
            given, there, heading = given.origin
        further = self.origins(given, there, (*known, origin))
        only_a_name = isinstance(given.raw, str) and given.raw.removeprefix("$").isidentifier()
        span = given.place.span
        if span and not (only_a_name and further) and not self.sink.in_library(span):
            yield Label(span, said)
        if heading is not None and heading.span is not None:
            yield Label(heading.span, f"the column of {name}")
        yield from further

    def from_document(self, raw: str, here: Here) -> set[str]:
        """The names in an expression that are the document's parameters there."""
        names = _mentioned(raw).keys() & self.settled.keys()
        return {name for name in names if here.names.get(name) is self.settled[name][1]}

    def known(self, raw: str, here: Here) -> str:
        """The values of the other names in an expression: ` (C = 64, i = 2)`."""
        mentioned = _mentioned(raw)
        values, shown = self.names(mentioned, here).values, self.from_document(raw, here)
        names = [name for name in mentioned if name in values and name not in shown]
        known = ", ".join(f"{name} = {describe(values[name])}" for name in names)
        return f" ({known})" if known and raw not in mentioned else ""

    def written(self, type: str | None, given: Given, here: Here) -> Value:
        """The value of what is written for a parameter of a type."""
        raw, place = given.raw, given.place
        if type == "item" or isinstance(raw, dict):
            return self.item(raw, place, here)
        if isinstance(raw, list):
            self.build.read(place.span, len(raw))
            return [self.written(type, Given(v, place / n), here) for n, v in enumerate(raw)]
        if isinstance(raw, str):
            is_word = type == "str" and not raw.startswith("$")
            if is_word or (type is None and raw in WORDS and raw not in here.names):
                return raw
        return self.evaluate(raw, place, here)

    def item(self, raw: Any, place: Place, here: Here) -> ItemValue:
        """A verb given as a value: `relu`, `{leaky_relu: {slope: 0.1}}`, or a name for one."""
        written = raw
        if isinstance(raw, str) and (raw.startswith("$") or raw in here.names):
            value = self.evaluate(raw, place, here)
            if isinstance(value, ItemValue):
                return value
            raw = value
        verb: Any = raw
        given: Mapping[str, Any] = {}
        if isinstance(raw, dict):
            ((verb, given),) = raw.items()
        block = here.file.blocks.get(verb) if isinstance(verb, str) else None
        if block is None and (not isinstance(verb, str) or verb not in OPS):
            known = [*OPS, *here.file.blocks]
            help = did_you_mean(verb, known) if isinstance(verb, str) else ""
            message = f"expected an op or block, not {describe(verb)}"
            labels = self.origins(Given(written, place), here)
            fail(self.sink, "E0205", message, place.span, help, labels)
        values, origins = [], {}
        for name, value in (given or {}).items():
            argument = Given(value, place / verb / name)
            origins[name] = Origin(argument, here)
            if block is None:
                values.append((name, self.argument(argument, kind(OPS[verb], name), here)))
            elif name in block.parameters:
                values.append((name, self.parameter(block.parameters[name], argument, here)))
        return ItemValue(verb, tuple(values), block, origins)

    def argument(self, given: Given, kind: Kind, here: Here) -> Value:
        """The value of an op's argument: a word it knows, a mapping of such, or an expression."""
        raw, place = given.raw, given.place
        if given.evaluated or (isinstance(raw, str) and raw in kind.words):
            return raw
        if isinstance(raw, dict):
            return {
                name: self.argument(Given(value, place / name), kind, here)
                for name, value in raw.items()
            }
        if isinstance(raw, list):
            return [self.argument(Given(v, place / n), kind, here) for n, v in enumerate(raw)]
        return self.evaluate(raw, place, here)


def _called(raw: str) -> Mapping[str, int]:
    """The functions in an expression, in order."""
    try:
        return parse(raw.removeprefix("$")).functions
    except ExpressionError:
        return {}


def _mentioned(raw: str) -> Mapping[str, int]:
    """The names in an expression or in the braces of a name, in order."""
    try:
        return parse(raw.removeprefix("$")).names
    except ExpressionError:
        with suppress(ExpressionError):
            return parse_template(raw).names
    return {}


def _last_word(path: Path) -> str:
    """The key under which a value stands, itself or a list that holds it."""
    return next(step for step in reversed(path) if isinstance(step, str))


def _first(flow: Flow) -> TensorSpec | None:
    """The shape that `C`, `H` and `W` are of: the first input's."""
    if isinstance(flow, tuple):
        return flow[0].spec if flow else None
    return flow.spec if flow is not None else None


def _of_type(type: str | None, value: Value) -> Value:
    """The value as one of the type; raises ArgumentError if it is none."""
    if type == "int":
        return whole_number(value)
    if type in _CLASSES:
        classes, name = _CLASSES[type]
        if not isinstance(value, classes) or (isinstance(value, bool) and type != "bool"):
            raise ArgumentError(f"expected {name}, not {kind_of(value)}", code="E0203")
    return value


_CLASSES: dict[str | None, tuple[type | UnionType, str]] = {
    "float": (int | float, "a number"),
    "bool": (bool, "true or false"),
    "list": (list, "a list"),
    "str": (str, "a word"),
}


def _check_bounds(form: ParameterForm, value: Value) -> None:
    shown = value.verb if isinstance(value, ItemValue) else value
    if form.choices is not None and shown not in form.choices:
        choices = ", ".join(map(str, form.choices))
        help = did_you_mean(shown, map(str, form.choices)) if isinstance(shown, str) else ""
        raise ArgumentError(f"{describe(shown)} is not one of {choices}", help, bound="choices")
    for number in value if isinstance(value, list) else [value]:
        if isinstance(number, int | float):
            if form.min is not None and number < form.min:
                raise ArgumentError(f"{number:g} is less than {form.min:g}", bound="min")
            if form.max is not None and number > form.max:
                raise ArgumentError(f"{number:g} is more than {form.max:g}", bound="max")
