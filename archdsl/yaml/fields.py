"""Mappings of known keys: what each value must be, how it is read, and what is said if it is not.

A form is a frozen dataclass whose fields are made by `key`.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, field, fields
from typing import Any, NamedTuple, NoReturn, TypeVar

from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.suggest import did_you_mean, nearest
from archdsl.diagnostics.text import as_yaml
from archdsl.yaml.source import Place

EXAMPLES = {  # of the keys at the top of a spec
    "name": "name the network: `name: resnet50`",
    "input": "say what the network is given: `input: [3, 224, 224]`",
    "backbone": "put the items of the network under `backbone:`, or say what it `extends:`",
    "params": "give every parameter a value: `params: {classes: 1000}`",
    "blocks": "name every block: `blocks: {unit: {seq: [...]}}`",
    "outputs": "name every output: `outputs: {logits: fc}`",
}
_Form = TypeVar("_Form")


class Unfit(Exception):
    """A value is not what it must be; the reason is in the sink."""


Read = Callable[[Any, Place, Sink], Any]  # value as written, where, for what is wrong -> as meant


class Type(NamedTuple):
    """What a value must be: in words, by its class, and how one of that class is read."""

    words: str
    classes: tuple[type, ...]
    read: Read = lambda value, place, sink: value

    def __call__(self, value: Any, place: Place, sink: Sink) -> Any:
        """The value as meant; raises Unfit."""
        if type(value) not in self.classes:
            unfit(value, self.words, place, sink)
        return self.read(value, place, sink)


def unfit(value: Any, words: str, place: Place, sink: Sink, help: str = "") -> NoReturn:
    """Reports a value that is not what it must be."""
    name = place.path[-1]
    shown = f"`{value}`" if isinstance(value, str) and len(value) < 40 else kind_of(value)
    if place.path == ("outputs",) and isinstance(value, list):
        help = f"name every output: `outputs: {as_yaml({str(one): one for one in value})}`"
    help = help or (EXAMPLES.get(str(name), "") if len(place.path) == 1 else "")
    sink.error("E0203", f"{name} must be {words}, not {shown}", place.span, help=help)
    raise Unfit


def kind_of(value: Any) -> str:
    """What a value is, in a reader's words."""
    words = {list: "a list", dict: "a mapping", str: "text", type(None): "nothing"}
    return words.get(type(value)) or as_yaml(value)


ANY = Type("anything", (type(None), bool, int, float, str, list, dict))
TEXT = Type("text", (str,))
FLAG = Type("true or false", (bool,))
WHOLE = Type("a whole number", (int,))
NUMBER = Type("a number", (int, float))
QUANTITY = Type("a number or text", (int, float, str))  # a number, or an expression
LIST = Type("a list", (list,))
MAPPING = Type("a mapping", (dict,))


def one_of(*words: str) -> Type:
    """One of some words."""
    *before, last = (f"`{word}`" for word in words)
    expected = f"{', '.join(before)} or {last}" if before else last

    def read(value: Any, place: Place, sink: Sink) -> str:
        if value in words:
            return str(value)
        close = nearest(str(value), words)
        unfit(value, expected, place, sink, f"did you mean `{close}`?" if close else "")

    return Type(expected, (str,), read)


def at_least(least: int, number: Type = WHOLE) -> Type:
    """A number that is not less than another."""

    def read(value: Any, place: Place, sink: Sink) -> Any:
        if value < least:
            unfit(value, f"{least} or more", place, sink)
        return value

    return Type(number.words, number.classes, read)


def list_of(part: Type, length: int | None = None) -> Type:
    """A list of which every part is of a type."""

    def read(value: Any, place: Place, sink: Sink) -> list[Any]:
        if length is not None and len(value) != length:
            unfit(value, f"a list of {length}", place, sink)
        return list(_all(part, dict(enumerate(value)), place, sink).values())

    return Type(LIST.words, LIST.classes, read)


def mapping_of(part: Type) -> Type:
    """A mapping of which every value is of a type."""
    return Type(MAPPING.words, MAPPING.classes, lambda v, place, sink: _all(part, v, place, sink))


def form_of(form: type[Any]) -> Type:
    """A mapping that is a form."""

    def read(value: Any, place: Place, sink: Sink) -> Any:
        made = validate(form, value, place, sink)
        if made is None:
            raise Unfit
        return made

    return Type(MAPPING.words, MAPPING.classes, read)


def either(*types: Type) -> Type:
    """A value of one of some types, told apart by their classes."""

    def read(value: Any, place: Place, sink: Sink) -> Any:
        return next(t for t in types if type(value) in t.classes)(value, place, sink)

    words = " or ".join(type.words for type in types)
    return Type(words, tuple(one for type in types for one in type.classes), read)


def _all(part: Type, values: Mapping[Any, Any], place: Place, sink: Sink) -> dict[Any, Any]:
    """All values as meant; raises Unfit, with every one that is not."""
    result = {}
    for step, value in values.items():
        try:
            result[step] = part(value, place / step, sink)
        except Unfit:
            continue
    if len(result) < len(values):
        raise Unfit
    return result


# forms


def key(type: Type, default: Any = None, *, alias: str = "", null: bool | None = None) -> Any:
    """A field of a form: the type of its value, and its default, MISSING where it is required.

    `alias` is the key where that is a word of Python. A key whose default is None may say null,
    unless `null` is false.
    """
    metadata = {"type": type, "alias": alias, "null": default is None if null is None else null}
    if isinstance(default, dict | list):
        return field(default_factory=lambda: default.copy(), metadata=metadata)
    return field(default=default, metadata=metadata)


def keys_of(form: Any) -> dict[str, Field[Any]]:
    """The keys of a form, as they are written."""
    return {field.metadata["alias"] or field.name: field for field in fields(form)}


def values_of(
    form: type[Any], data: Mapping[str, Any], place: Place, sink: Sink
) -> tuple[dict[str, Any], bool]:
    """The fields of a form that fit, and whether all do; what does not is reported."""
    known, values, good = keys_of(form), dict[str, Any](), True
    for name, value in data.items():
        if name not in known:
            help = did_you_mean(name, known)
            sink.error("E0201", f"unknown key `{name}`", (place / name).key, help=help)
            good = False
            continue
        wanted = known[name]
        read, null = wanted.metadata["type"], value is None and wanted.metadata["null"]
        try:
            values[wanted.name] = None if null else read(value, place / name, sink)
        except Unfit:
            good = False
    for name, wanted in known.items():
        needed = wanted.default is MISSING and wanted.default_factory is MISSING
        if needed and name not in data:
            sink.error("E0202", f"`{name}` is missing", place.span)
            good = False
    return values, good


def validate(form: type[_Form], data: Mapping[str, Any], place: Place, sink: Sink) -> _Form | None:
    """The data as a form, or None with a diagnostic for every value that does not fit."""
    values, good = values_of(form, data, place, sink)
    return form(**values) if good else None
