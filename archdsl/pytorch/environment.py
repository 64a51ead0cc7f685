"""What an item sees while it is translated, and what its words stand for there."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, replace
from typing import Any

from archdsl.expressions.expression import Expression
from archdsl.expressions.scaling import Rule
from archdsl.expressions.template import Template
from archdsl.language.replacing import Replacements
from archdsl.language.syntax import (
    PLACES,
    Argument,
    Block,
    File,
    Formula,
    Item,
    Listed,
    Literal,
    Mapped,
    Name,
    Parameter,
    Text,
    Verb,
)
from archdsl.ops import OPS, ArgumentError, Kind, Op, arguments, kind
from archdsl.ops.kinds import whole_number
from archdsl.ops.tensor import INPUT
from archdsl.pytorch.entries import NAMELESS, Holder, Listing, Value
from archdsl.pytorch.naming import pattern, text_of
from archdsl.pytorch.python import call, identifiers
from archdsl.pytorch.sizes import nth_of
from archdsl.pytorch.symbols import Fixed, Symbol, known, names_in, symbol, variable, whole
from archdsl.pytorch.translator import Translator

Flow = Value | Listing | tuple[Value | Listing, ...] | None


@dataclass(frozen=True, eq=False)
class Factory:
    """A verb given as a value: what makes a module, with arguments that may vary.

    In expressions it is equal to the word that says it.
    """

    verb: str
    arguments: Mapping[str, Any]
    block: Block | None

    def __eq__(self, other: object) -> bool:
        return self is other or (not self.arguments and self.verb == other)

    def __hash__(self) -> int:
        return hash(self.verb)


@dataclass
class Level:
    """Where items stand: the holder of their modules, their path, the next number of a list."""

    holder: Holder
    path: str
    count: int = 0
    trail: str = ""
    guard: Symbol | None = None  # the condition under which all of it stands
    uncertain: Symbol | None = None  # the condition under which the last number is taken
    inner: "dict[str, Level]" = field(default_factory=dict)  # that keys with dots made

    @property
    def depth(self) -> int:
        """How many names its path has."""
        return len(self.path.split(".")) if self.path else 0

    def number(self) -> str:
        self.count += 1
        return str(self.count - 1)

    def child(self, title: str) -> str:
        title = self.trail + title if title.startswith("_") else title
        return f"{self.path}.{title}" if self.path else title


@dataclass(frozen=True)
class Maker:
    """What made a module: its item, what that sees, the number of a list there, and the mark of
    its application.
    """

    item: Item
    env: "Env"
    number: int
    again: str
    uses: "list[Env]" = field(default_factory=list)  # where it was used again


@dataclass
class Frame:
    """The items that references can name, and what made the modules that can be used again."""

    level: Level
    given: Flow
    taps: int = 0
    outer: "Frame | None" = None
    names: dict[str, Flow] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)  # the paths of the items in `names`
    labels: dict[str, Flow] = field(default_factory=dict)  # of the block or section
    makers: dict[str, Maker] = field(default_factory=dict)

    def apart(self) -> "Frame":
        """The same items; those that follow are not known here."""
        names, homes, labels = {**self.names}, {**self.homes}, {**self.labels}
        return replace(self, names=names, homes=homes, labels=labels, makers={**self.makers})

    def maker(self, title: str) -> Maker | None:
        """What made the module of an earlier item."""
        if title in self.names or self.outer is None:
            return self.makers.get(title)
        return self.outer.maker(title)

    def keep(self, title: str, flow: Flow) -> None:
        """Lets references name what an item gives."""
        self.names[title], self.homes[title] = flow, self.level.child(title)

    def home(self, title: str) -> str:
        """The path of an earlier item, "" if there is none."""
        if title in self.names or self.outer is None:
            return self.homes.get(title, "")
        return self.outer.home(title)

    def lists(self) -> dict[str, Any]:
        """The lists that have names here, as expressions have them: by the places in them."""
        outer = self.outer.lists() if self.outer is not None else {}
        named = {**self.labels, **self.names}
        many = {n: count_of(flow) for n, flow in named.items()}
        return {**outer, **{n: places_of(count) for n, count in many.items() if count is not None}}

    def every(self) -> dict[str, Flow]:
        """What all names stand for."""
        return {**(self.outer.every() if self.outer is not None else {}), **self.names}

    def find(self, title: str) -> Flow:
        if title in self.names:
            return self.names[title]
        if self.outer is None:
            raise KeyError(title)
        return self.outer.find(title)


@dataclass(frozen=True)
class Env:
    """Where an item stands: its file, frame, the values of names, what flows, and the condition."""

    file: File
    frame: Frame
    values: Mapping[str, Any]
    x: Flow
    guard: Symbol | None = None
    otherwise: Value | None = None  # what flows on where the condition does not hold
    replacing: Replacements | None = None  # of a chain, whose members have no paths yet

    def with_input(self, x: Flow) -> "Env":
        return replace(self, x=x, otherwise=None)

    def fed(self, x: Flow) -> "Env":
        """With another input; where the condition does not hold, what there was flows on."""
        passed = self.otherwise or (self.x if isinstance(self.x, Value) else None)
        return replace(self, x=x, otherwise=passed if self.guard is not None else None)

    def bind(self, values: Mapping[str, Any]) -> "Env":
        return replace(self, values={**self.values, **values})

    def at(self, level: Level) -> "Env":
        level.guard = self.guard
        inner = replace(self.frame, level=level, outer=self.frame, names={}, homes={}, makers={})
        return replace(self, frame=inner)

    @property
    def level(self) -> Level:
        return self.frame.level

    @property
    def first(self) -> Value:
        """What `C` is of."""
        x = self.x[0] if isinstance(self.x, tuple) else self.x
        if x is None:
            raise Fixed((), "there is no input")
        return nth_of(x, 0) if isinstance(x, Listing) else x


class Reading:
    """The words of items, read in their environment."""

    functions: Mapping[str, Any]
    rules: dict[str, Rule]
    values: dict[str, Value]  # by path, where they are single

    def evaluate(self, written: Any, env: Env) -> Any:
        """The value of what is written, or of a value itself."""
        match written:
            case Formula():
                if written.name is not None and written.name in env.values:
                    return env.values[written.name]
                return Translator(self.names(env), self.functions, self.rules)(written.expression)
            case Literal(value):
                return value
            case Verb(verb, arguments):
                return self.verb(verb, arguments, env)
            case Listed(parts):
                return [self.evaluate(part, env) for part in parts]
            case Mapped(parts):
                return {title: self.evaluate(part, env) for title, part in parts.items()}
            case Name(template):
                return self.key(template, env)
            case Text(template):
                return self.text(template, env)
        return written

    def names(self, env: Env) -> Mapping[str, Any]:
        lists = env.frame.lists()
        if env.x is None or env.x == ():
            return {**lists, **env.values}
        return {**lists, **sizes_of(env.first), **env.values}

    def expression(self, expression: Expression, env: Env) -> Any:
        return Translator(self.names(env), self.functions, self.rules)(expression)

    def test(self, raw: Any, env: Env) -> Any:
        value = self.evaluate(raw, env)
        if not isinstance(value, Symbol):
            return bool(value)
        if any(title[0] == "%" for title in identifiers(value.syntax)):
            raise Fixed(value.names, "a condition on the size of a map")
        return value

    def whole(self, raw: Any, env: Env) -> Any:
        value = self.evaluate(raw, env)
        try:
            return whole(value) if isinstance(value, Symbol) else whole_number(value)
        except ArgumentError as error:
            raise Fixed((), error.message) from error

    def key(self, template: Template, env: Env) -> str:
        """The name of an item where nothing in it varies."""
        text = self.formatted(template, env)
        if not isinstance(text, str):
            raise Fixed(names_in(*[part for part in text if not isinstance(part, str)]))
        return text

    def title(self, template: Template, env: Env) -> str:
        """The name of an item; where it varies, how that is written."""
        text = self.formatted(template, env)
        return text if isinstance(text, str) else pattern(text)

    def text(self, template: Template, env: Env) -> "str | Symbol":
        """A text, an f-string where some of it varies."""
        parts = self.formatted(template, env)
        if isinstance(parts, str):
            return parts
        return symbol(text_of(["", *parts]), "str", *parts)

    def formatted(self, template: Template, env: Env) -> "str | list[Any]":
        """A name: text, or its parts where some vary."""
        parts: list[Any] = []
        for part in template.parts:
            value = part if isinstance(part, str) else self.expression(part[1], env)
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            parts.append(value if isinstance(value, Symbol) else str(value))
        return "".join(parts) if known(*parts) else parts

    def reference(self, said: Name, env: Env, taps: Mapping[str, Flow]) -> Flow:
        found = self.found(said, env, taps)
        if said.index is None:
            return found
        if isinstance(found, Listing) and not found.elements:
            return self.nth(found, self.place(said, env), env)
        if isinstance(found, Listing):
            found = found.elements
        if not isinstance(found, tuple):
            raise Fixed((), "an index of what is no list")
        places = self.places(said, len(found), env)
        many = places if isinstance(places, list) else [places]
        picked = tuple(found[place] for place in many)
        return picked if isinstance(places, list) else picked[0]

    def nth(self, maps: Listing, place: Any, env: Env) -> Value:
        """The map at a place of a list of any number."""
        raise NotImplementedError

    def place(self, said: Name, env: Env) -> Any:
        """The place in a list that an index means, which may vary."""
        assert said.index is not None
        found = self.expression(said.index, env.bind({PLACES: variable(PLACES, "list")}))
        place = found.syntax.slice if isinstance(found.syntax, ast.Subscript) else None
        if place is None or isinstance(place, ast.Slice):
            raise Fixed(found.names - {PLACES}, "a slice of a list of any number")
        if isinstance(place, ast.Constant):
            return place.value
        return Symbol(place, "int", None, found.names - {PLACES})

    def places(self, said: Name, count: int, env: Env) -> Any:
        """The places in a list of so many that an index means."""
        assert said.index is not None
        found = self.expression(said.index, env.bind({PLACES: [*range(count)]}))
        if not known(found):
            raise Fixed(names_in(found))
        return found

    def found(self, said: Name, env: Env, taps: Mapping[str, Flow]) -> Flow:
        """What a reference stands for, before its index."""
        title = self.title(said.template, env)
        try:
            return env.frame.find(title)
        except KeyError:
            if title == INPUT:
                return env.frame.given
            if title in env.frame.labels:
                return env.frame.labels[title]
            seen = list(taps)[env.frame.taps :]
            if title in seen:
                return taps[title]
            listed = self.among(said, [taps[one] for one in seen], env)
            if listed is not None:
                return listed
        parts = title.split(".")
        for cut in range(len(parts) - 1, -1, -1):
            home = env.frame.home(".".join(parts[:cut]))
            path = ".".join([home, *parts[cut:]])
            found = [self.values[id] for id in self.ids_at(title, path) if id in self.values]
            if found and f"{path}@1" not in self.values:
                return found[0]
        raise Fixed((), f"no item {title}, or several")

    def among(self, said: Name, flows: Sequence[Flow], env: Env) -> Value | None:
        """The map of a list that a name with its place in it means; None if there is none."""
        raise NotImplementedError

    def ids_at(self, title: str, path: str) -> list[str]:
        """The values, by path, that may be what a tap or the item at a path gives."""
        raise NotImplementedError

    def references(self, said: Any, env: Env, taps: Mapping[str, Flow]) -> Flow:
        if isinstance(said, Name):
            return self.reference(said, env, taps)
        if not isinstance(said, Listed):
            raise Fixed((), "no reference")
        names = [part for part in said.parts if isinstance(part, Name)]
        tensors: list[Value | Listing] = []
        for name in names:
            flow = self.reference(name, env, taps)
            if isinstance(flow, tuple | Listing) is not name.spread:
                raise Fixed((), "a list in a list")
            tensors += flow if isinstance(flow, tuple) else [flow] if flow is not None else []
        return tuple(tensors) if len(tensors) != 1 else tensors[0]

    # parameters and arguments

    def parameter(self, parameter: Parameter, written: Any, env: Env) -> Any:
        """The value of a parameter of a block, from what is written for it."""
        value = self.written(parameter.type, written, env)
        try:
            if parameter.type == "int":
                return whole(value) if isinstance(value, Symbol) else whole_number(value)
        except ArgumentError as error:
            raise Fixed((), error.message) from error
        return value

    def written(self, type: str | None, written: Any, env: Env) -> Any:
        match written:
            case Formula(text) if type == "str" and not text.startswith("$"):
                return text
            case Listed(parts) if type != "item":
                return [self.written(type, part, env) for part in parts]
            case _ if type == "item":
                return self.factory(written, env)
        return self.evaluate(written, env)

    def factory(self, written: Any, env: Env) -> Any:
        """A verb given as a value."""
        value = self.evaluate(written, env)
        if isinstance(value, Factory) or (isinstance(value, Symbol) and value.type == "item"):
            return value
        if isinstance(value, Symbol):
            raise Fixed(value.names)
        block = env.file.block(value) if isinstance(value, str) else None
        if block is None and value not in OPS:
            raise Fixed((), f"no verb {value}")
        return Factory(value, {}, block)

    def verb(self, verb: str, arguments: Mapping[str, Argument], env: Env) -> Factory:
        block = env.file.block(verb)
        values: dict[str, Any] = {}
        for title, written in arguments.items():
            if block is not None:
                values[title] = self.parameter(block.parameters[title], written, env)
            else:
                values[title] = self.argument(written, kind(OPS[verb], title), env)
        return Factory(verb, values, block)

    def argument(self, written: Any, declared: Kind, env: Env) -> Any:
        """The value of an op's argument."""
        match written:
            case Formula(text) if text in declared.words:
                return text
        return self.evaluate(written, env)


def sizes_of(x: Value) -> dict[str, Any]:
    """The shape of a map as expressions have it; what is not known is what `forward` is given."""
    found: dict[str, Any] = x.spec.names()
    for axis, title in enumerate(found):
        if found[title] is None:
            shape = ast.Attribute(ast.Name(x.mark or NAMELESS), "shape")
            place = ast.Constant(axis + 1)  # behind the batch
            found[title] = Symbol(ast.Subscript(shape, place), "int", None, frozenset())
    return {title: size for title, size in found.items() if size is not None}


def count_of(flow: Flow) -> Any:
    """How many maps a list has; None of a single map."""
    if isinstance(flow, tuple):
        lists = [part for part in flow if isinstance(part, Listing)]
        return None if lists else len(flow)
    return flow.count if isinstance(flow, Listing) else None


def places_of(count: Any) -> Any:
    """A list of so many, as expressions have it."""
    return symbol(call("list", call("range", count)), "list", count) if isinstance(
        count, Symbol) else [*range(count)]  # fmt: skip


def takes_channels(op: type[Op]) -> bool:
    """Whether what makes such a module must know the channels of its input."""
    plain = op.__module__.endswith((".activation", ".regularize")) or op.verb == "identity"
    return not plain or op.verb in ("prelu", "layer_scale")


__all__ = ["MISSING", "Env", "Factory", "Flow", "Frame", "Item", "Level", "Reading", "arguments"]
