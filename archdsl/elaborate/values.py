"""What is written to what it is worth: expressions, names, parameters, arguments of ops."""

import math
from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import NoReturn

from archdsl.diagnostics.diagnostic import Label, Span
from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.elaborate.builder import Builder
from archdsl.elaborate.env import (
    Evaluated,
    Flow,
    Here,
    ItemValue,
    Origin,
    Poison,
    Said,
    fail,
)
from archdsl.expressions.expression import (
    ExpressionError,
    Names,
    UnknownName,
    Value,
    describe,
)
from archdsl.expressions.scaling import Function, Rule
from archdsl.expressions.template import Template
from archdsl.language.keys import ParameterForm
from archdsl.language.syntax import (
    SHAPE_NAMES,
    Argument,
    Formula,
    Listed,
    Literal,
    Mapped,
    Name,
    Parameter,
    Verb,
)
from archdsl.names import name_problem
from archdsl.ops import OPS, ArgumentError, Kind, kind
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

    def evaluate(self, written: Said, here: Here) -> Value:
        """The value of what is written."""
        match written:
            case Formula():
                return self.formula(written, here)
            case Literal(value) | Evaluated(value):
                return value
            case Verb(verb, arguments, place):
                return self.verb(verb, arguments, place, here)
            case Listed(parts, place):
                self.build.read(place.span, len(parts))
                return [self.evaluate(part, here) for part in parts]
            case Mapped(parts):
                return {name: self.evaluate(part, here) for name, part in parts.items()}
            case Name(template, place):
                return self.format(template, place.span, here)

    def formula(self, formula: Formula, here: Here) -> Value:
        """The value of an expression."""
        name, expression = formula.name, formula.expression
        if name is not None and name in here.names:
            value = here.names[name]
            if isinstance(value, list):
                self.build.read(formula.place.span, len(value))
            return value
        try:
            self.read(expression.names, expression.text, formula.place, here)
            return expression(self.names(expression.names, here))
        except ExpressionError as error:
            self.report(error, formula, formula.place.span, here)

    def format(self, template: Template, span: Span | None, here: Here) -> str:
        """A name with its expressions evaluated; `span` is that of the whole."""
        if not template.expressions:
            return template.text
        name = Name(template, Place(here.file.source, ()))
        self.read(template.names, template.text, name.place, here)
        try:
            return template.format(self.names(template.names, here))
        except ExpressionError as error:
            self.report(error, name, span, here)

    def read(self, names: Iterable[str], text: str, place: Place, here: Here) -> None:
        """Counts the lists that an expression may go through, each as often as there is room."""
        for name in names:
            value = here.names.get(name)
            if isinstance(value, list):
                self.build.read(place.span, len(value) * (1 + len(text) // (len(name) + 5)))

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

    def report(
        self, error: ExpressionError, written: Said, span: Span | None, here: Here
    ) -> NoReturn:
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
        fail(self.sink, error.code, message, span, help, self.origins(written, here))

    # numbers

    def number(self, written: Said, here: Here) -> float:
        value = self.evaluate(written, here)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            message = f"expected a number, not {kind_of(value)}"
            labels = self.origins(written, here)
            fail(self.sink, "E0203", message, written.place.span, labels=labels)
        return float(value)

    def whole(self, written: Said, here: Here, minimum: int) -> int:
        value = self.evaluate(written, here)
        try:
            number = whole_number(value)
            if number < minimum:
                raise ArgumentError(f"{number} is less than {minimum}")
        except ArgumentError as error:
            self.fail(error, _last_word(written.place.path), written, here)
        return number

    def test(self, written: Said, here: Here) -> bool:
        """Whether an expression is true; a number is, unless it is 0."""
        value = self.evaluate(written, here)
        if not isinstance(value, bool | int | float):
            message = f"expected true or false, not {kind_of(value)}"
            labels = self.origins(written, here)
            fail(self.sink, "E0203", message, written.place.span, labels=labels)
        return bool(value)

    # parameters and arguments

    def parameter(self, parameter: Parameter, written: Said, here: Here) -> Value:
        """The value of a parameter, checked against its type and bounds."""
        value = self.of_parameter(parameter.type, written, here)
        try:
            value = _of_type(parameter.type, value)
            _check_bounds(parameter.form, value)
        except ArgumentError as error:
            declared = parameter.place
            if error.bound is not None and declared.path[-1] == "default":
                declared = Place(declared.source, (*declared.path[:-1], error.bound))
            self.fail(error, parameter.name, written, here, declared)
        return value

    def of_parameter(self, type: str | None, written: Said, here: Here) -> Value:
        """The value of what is written for a parameter of a type."""
        match written:
            case Evaluated(value):
                return value
            case Formula(text) if type == "str" and not text.startswith("$"):
                return text  # in a call of `$verb`, whose types are known only here
            case Listed(parts, place) if type != "item":
                self.build.read(place.span, len(parts))
                return [self.of_parameter(type, part, here) for part in parts]
            case _ if type == "item":
                return self.item(written, here)
        return self.evaluate(written, here)

    def item(self, written: Said, here: Here) -> ItemValue:
        """A verb given as a value, which may be a word that is the value of a name."""
        value = self.evaluate(written, here)
        if isinstance(value, ItemValue):
            return value
        block = here.file.block(value) if isinstance(value, str) else None
        if block is None and (not isinstance(value, str) or value not in OPS):
            known = [*OPS, *here.file.blocks]
            help = did_you_mean(value, known) if isinstance(value, str) else ""
            message = f"expected an op or block, not {describe(value)}"
            labels = self.origins(written, here)
            fail(self.sink, "E0205", message, written.place.span, help, labels)
        return ItemValue(value, block=block)

    def verb(
        self, verb: str, arguments: Mapping[str, Argument], place: Place, here: Here
    ) -> ItemValue:
        """A verb with its arguments: `{leaky_relu: {slope: 0.1}}`."""
        block = here.file.block(verb)
        values, origins = [], {}
        for name, argument in arguments.items():
            origins[name] = Origin(argument, here)
            if block is None:
                values.append((name, self.argument(argument, kind(OPS[verb], name), here)))
            elif name in block.parameters:
                values.append((name, self.parameter(block.parameters[name], argument, here)))
        return ItemValue(verb, tuple(values), block, origins)

    def argument(self, written: Said, kind: Kind, here: Here) -> Value:
        """The value of an op's argument."""
        match written:
            case Formula(text) if text in kind.words:
                return text  # in a call of `$verb`, whose words are known only here
            case Name(_, place):
                message = f"`{place.path[-1]}` names an item, which a verb as a value cannot"
                fail(self.sink, "E0203", message, place.span)
        return self.evaluate(written, here)

    def fail(
        self,
        error: ArgumentError,
        what: str,
        written: Said,
        here: Here,
        declared: Place | None = None,
        labels: tuple[Label, ...] = (),
    ) -> NoReturn:
        """Reports a value that cannot be used, with the values of the names that it comes from."""
        help, known = error.help, ""
        if isinstance(written, Formula):
            known = self.known(written, here)
            if error.code == "E0304":
                last = "ceil({})" if what == "repeat" else '"make_divisible({}, 8)"'
                ways = [way.format(written.text) for way in ("floor({})", "round({})", last)]
                help = f"round it: {ways[0]}, {ways[1]} or {ways[2]}"
                if written.name in here.names:
                    help = f"round it where `{written.name}` gets its value"
        if declared is not None and declared.key is not None and declared != written.place:
            labels += (Label(declared.key, "declared here"),)
        labels += self.origins(written, here)
        message = f"{what}: {error.message}{known}"
        fail(self.sink, error.code, message, written.place.span, help, labels)

    def origins(
        self, written: Said, here: Here, known: tuple[Origin, ...] = ()
    ) -> tuple[Label, ...]:
        """Where the names in an expression have their values from, and those that give them.

        `known` are the origins that led there.
        """
        match written:
            case Evaluated(_, _, Origin(source, there)):
                return self.origins(source, there, known)
            case Formula(_, expression):
                names, functions = expression.names, expression.functions
            case Name(template):
                names, functions = template.names, {}
            case _:
                return ()
        found = [label for name in names for label in self.origin(name, here, known)]
        return tuple(dict.fromkeys([*found, *self.scaled(functions)]))

    def scaled(self, functions: Iterable[str]) -> Iterator[Label]:
        """The scaling rules among functions, where they change anything."""
        for name in functions:
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
            if self.is_documents(name, here) and (span := self.settled[name][0].span):
                yield Label(span, said)
            return
        written, there, heading = origin
        if isinstance(written, Evaluated) and written.origin is not None:
            written, there, heading = written.origin
        further = self.origins(written, there, (*known, origin))
        only_a_name = isinstance(written, Formula) and written.name is not None
        span = written.place.span
        if span and not (only_a_name and further) and not self.sink.in_library(span):
            yield Label(span, said)
        if heading is not None and heading.span is not None:
            yield Label(heading.span, f"the column of {name}")
        yield from further

    def is_documents(self, name: str, here: Here) -> bool:
        """Whether a name is that of a parameter of the document there."""
        return name in self.settled and here.names.get(name) is self.settled[name][1]

    def known(self, formula: Formula, here: Here) -> str:
        """The values of the other names in an expression: ` (C = 64, i = 2)`."""
        mentioned = formula.expression.names
        values = self.names(mentioned, here).values
        names = [n for n in mentioned if n in values and not self.is_documents(n, here)]
        known = ", ".join(f"{name} = {describe(values[name])}" for name in names)
        return f" ({known})" if known and formula.text not in mentioned else ""


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
