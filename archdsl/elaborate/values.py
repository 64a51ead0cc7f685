"""What is written to what it is worth: expressions, names, parameters, arguments of ops."""

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import UnionType
from typing import NoReturn

from archdsl.diagnostics.diagnostic import Span
from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.elaborate.budget import Budget
from archdsl.elaborate.env import (
    Evaluated,
    Here,
    ItemValue,
    Origin,
    Poison,
    Said,
    Setting,
    fail,
)
from archdsl.elaborate.explain import Values, first_shape, shape_names
from archdsl.expressions.expression import (
    ExpressionError,
    Names,
    UnknownName,
    Value,
    describe,
)
from archdsl.expressions.names import key_problem
from archdsl.expressions.numbers import is_number
from archdsl.expressions.template import Template
from archdsl.language.keys import ParameterForm
from archdsl.language.syntax import (
    SHAPE_NAMES,
    Argument,
    Block,
    Formula,
    Listed,
    Literal,
    Mapped,
    Name,
    Parameter,
    Text,
    Verb,
)
from archdsl.ops import OPS, ArgumentError, Kind, kind
from archdsl.ops.kinds import kind_of, whole_number
from archdsl.yaml.source import Path, Place

_STEP = 3  # characters of an expression, which take the time of a value
_RANGE = 60  # values that take the time of the longest list that `range` makes


class Evaluator:
    """Evaluates what is written somewhere; what has no value is reported and raises Poison."""

    def __init__(self, sink: Sink, budget: Budget, setting: Setting, explain: Values) -> None:
        self.sink, self.budget, self.setting, self.explain = sink, budget, setting, explain
        self.kept: dict[Block, dict[str, Value]] = {}  # of the constants of blocks

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
                self.budget.read(place, len(parts))
                return [self.evaluate(part, here) for part in parts]
            case Mapped(parts):
                return {name: self.evaluate(part, here) for name, part in parts.items()}
            case Name(template, place) | Text(template, place):
                return self.format(template, place.span, here)

    def formula(self, formula: Formula, here: Here) -> Value:
        """The value of an expression."""
        name, expression = formula.name, formula.expression
        if name is not None and name in here.names:
            value = here.names[name]
            if isinstance(value, list):
                self.budget.read(formula.place, len(value))
            return value
        try:
            self.read(expression.names, expression.text, formula.place, here)
            return expression(self.names(expression.names, here))
        except ExpressionError as error:
            self.report(error, formula, formula.place.span, here)

    def format(self, template: Template, span: Span | None, here: Here) -> str:
        """A name with its expressions evaluated; `span` is that of the whole."""
        if not template.expressions:
            return template.plain if template.escapes else template.text
        file = here.file.source.at()
        self.read(template.names, template.text, file, here)
        try:
            return template.format(self.names(template.names, here))
        except ExpressionError as error:
            self.report(error, Name(template, file), span, here)

    def read(self, names: Iterable[str], text: str, place: Place, here: Here) -> None:
        """Counts what an expression computes, and the lists that it may go through, each as often
        as there is room."""
        self.budget.read(place, len(text) // _STEP + _RANGE * text.count("range"))
        for name in names:
            value = here.names.get(name)
            if isinstance(value, list):
                self.budget.read(place, len(value) * (1 + len(text) // (len(name) + 5)))

    def name(self, template: Template, place: Place, here: Here) -> str:
        """The name of an item, which a module can have."""
        name = self.format(template, place.key, here)
        if template.expressions and (problem := key_problem(name)):
            fail(self.sink, "E0208", problem, place.key)
        if name.count(".") != template.levels:
            message = f"`{name}` has a dot that an expression gives"
            fail(self.sink, "E0208", message, place.key, "the levels of a key are written in it")
        return name

    def names(self, wanted: Mapping[str, int], here: Here) -> Names:
        """What an expression sees; the shape only where it asks for more than there is without."""
        known = here.names
        if wanted.keys() <= known.keys():
            return Names(known, self.setting.functions)
        values = {**shape_names(here.x), **{name: known[name] for name in wanted if name in known}}
        for name in wanted.keys() - values.keys():
            flow = here.frame.flow(name)
            if isinstance(flow, tuple):  # of which an expression may want to know the length
                values[name] = [*range(len(flow))]
        return Names(values, self.setting.functions)

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
                first = first_shape(here.x)
                message, help = f"there is no `{error.name}` here", "no input has a shape yet"
                help = f"the input is {first}" if first else help
                if first and first.layout == "channels_last":
                    help += ", its channels last: only a map with channels first has `H` and `W`"
        fail(self.sink, error.code, message, span, help, self.explain.origins(written, here))

    # numbers

    def number(self, written: Said, here: Here) -> float:
        value = self.evaluate(written, here)
        if not is_number(value) or not math.isfinite(value):
            message = f"expected a number, not {kind_of(value)}"
            labels = self.explain.origins(written, here)
            fail(self.sink, "E0203", message, written.place.span, labels=labels)
        return float(value)

    def whole(self, written: Said, here: Here, minimum: int) -> int:
        value = self.evaluate(written, here)
        try:
            number = whole_number(value)
            if number < minimum:
                raise ArgumentError(f"{number} is less than {minimum}")
        except ArgumentError as error:
            self.explain.refuse(error, _last_word(written.place.path), written, here)
        return number

    def test(self, written: Said, here: Here) -> bool:
        """Whether an expression is true; a number is, unless it is 0."""
        value = self.evaluate(written, here)
        if not isinstance(value, bool | int | float):
            message = f"expected true or false, not {kind_of(value)}"
            labels = self.explain.origins(written, here)
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
            self.explain.refuse(error, parameter.name, written, here, declared)
        return value

    def constants(self, block: Block) -> dict[str, Value]:
        """The values of a block's parameters whose defaults are the same in every call."""
        if block not in self.kept:
            self.kept[block] = {}
            for name, parameter in block.parameters.items():
                with suppress(ArgumentError):
                    value = _constant(parameter, block)
                    if value is not None:
                        _check_bounds(parameter.form, value)
                        self.kept[block][name] = value
        return self.kept[block]

    def of_parameter(self, type: str | None, written: Said, here: Here) -> Value:
        """The value of what is written for a parameter of a type."""
        match written:
            case Evaluated(value):
                return value
            case Formula(text) if type == "str" and not text.startswith("$"):
                return text  # in a call of `$verb`, whose types are known only here
            case Listed(parts, place) if type != "item":
                self.budget.read(place, len(parts))
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
            labels = self.explain.origins(written, here)
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


def _last_word(path: Path) -> str:
    """The key under which a value stands, itself or a list that holds it."""
    return next(step for step in reversed(path) if isinstance(step, str))


def _constant(parameter: Parameter, block: Block) -> Value:
    """The value of a default that nothing changes, None if there is none."""
    match parameter.default:
        case Literal(value) if parameter.type != "item" and not parameter.broken:
            return _of_type(parameter.type, value)
        case Verb(verb, arguments) if not arguments and not parameter.broken:
            return ItemValue(verb, (), block.file.block(verb))
    return None


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
