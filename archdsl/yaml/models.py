"""Documents of known keys: models that pydantic holds data to, what is wrong said in our words.

A model is a frozen dataclass, each field with the type of its value. pydantic-core checks it by a
schema that is made here at the first use, since importing the rest of pydantic takes as long as
half of a cold `check`; it reads the same classes where they are wanted as JSON Schema.
"""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic_core import PydanticCustomError, SchemaValidator, core_schema

from archdsl.diagnostics.text import one_line
from archdsl.yaml.mistakes import class_of, known, words_of

Schema = core_schema.CoreSchema
Make = Callable[[Any], Schema]  # of the schema of a type
_Model = TypeVar("_Model")


def key(description: str = "", default: Any = None, *, alias: str = "") -> Any:
    """A field of a model: what it says, its default (MISSING: required), its key if it is another.

    Description and alias are in the words that pydantic reads, too.
    """
    metadata = {"description": description} if description else {}
    metadata |= {"alias": alias} if alias else {}
    if isinstance(default, dict | list):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


# what types say beside their class, as pydantic asks for it


@dataclass(frozen=True)
class Words:
    """Says what a value must be, whatever of its type does not fit."""

    words: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Make) -> Schema:
        words = self.words
        return core_schema.custom_error_schema(handler(source), "unfit", custom_error_message=words)


@dataclass(frozen=True)
class Of:
    """The type of the data, where that is not the type of what is made of them."""

    kind: Any

    def __get_pydantic_core_schema__(self, source: Any, handler: Make) -> Schema:
        return handler(self.kind)


@dataclass(frozen=True)
class Before:
    """A function of a value before it is checked."""

    read: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Make) -> Schema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))


@dataclass(frozen=True)
class After:
    """A function of a value that fits, and of what pydantic knows beside it."""

    read: Callable[[Any, core_schema.ValidationInfo], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Make) -> Schema:
        return core_schema.with_info_after_validator_function(self.read, handler(source))


@dataclass(frozen=True)
class Pattern:
    """What a text is like; it is then in upper case."""

    pattern: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Make) -> Schema:
        schema: Any = handler(source)
        return {**schema, "pattern": self.pattern, "to_upper": True}


@dataclass(frozen=True)
class Within:
    """The least number, and the largest."""

    least: float
    most: float | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Make) -> Schema:
        schema: Any = handler(source)
        return {**schema, "ge": self.least} | ({} if self.most is None else {"le": self.most})


@dataclass(frozen=True)
class Length:
    """How long a list is."""

    length: int

    def __get_pydantic_core_schema__(self, source: Any, handler: Make) -> Schema:
        schema: Any = handler(source)
        return {**schema, "min_length": self.length, "max_length": self.length}


@dataclass(frozen=True)
class In:
    """What the JSON Schema of a value is that is read in its own way: one of its `$defs`."""

    name: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Make) -> Schema:
        return handler(source)

    def __get_pydantic_json_schema__(self, schema: Schema, handler: Make) -> dict[str, str]:
        return {"defined": self.name}  # pydantic takes a `$ref` for one of its own


def unfit(words: str, help: str = "") -> PydanticCustomError:
    """What a function raises for a value that is not what it must be."""
    return PydanticCustomError("unfit", "{words}", {"words": words, "help": help})


def wrong(message: str, help: str = "", *at: str) -> PydanticCustomError:
    """What a function raises for a value of the right type that cannot be, or for one `at` it."""
    context = {"message": message, "help": help, "at": at}
    return PydanticCustomError("wrong", "{message}", context)


Number = Annotated[int | float, Words("a number")]
Quantity = Annotated[int | float | str, Words("a number or text")]  # a number, or an expression
# `arxiv: 1512.03385` is a number in YAML
Prose = Annotated[str, Of(int | float | str), Words("text"), After(lambda value, _: str(value))]
Line = Annotated[Prose, After(lambda value, _: one_line(value))]


# types to schemas


_PLAIN = {
    Any: core_schema.any_schema(),
    str: core_schema.str_schema(strict=True),
    bool: core_schema.bool_schema(strict=True),
    int: core_schema.int_schema(strict=True),
    float: core_schema.float_schema(strict=True),
}


def _schema(kind: Any) -> Schema:
    """The schema of a type, as pydantic would make it."""
    origin, parts = get_origin(kind), get_args(kind)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if origin is Annotated:
        make: Make = _schema
        for one in parts[1:]:
            make = _refined(one, make)
        return make(parts[0])
    if origin is Literal:
        return core_schema.literal_schema(list(parts))
    if origin is list:
        return core_schema.list_schema(_schema(parts[0]), strict=True)
    if origin is dict:
        return core_schema.dict_schema(_schema(parts[0]), _schema(parts[1]), strict=True)
    if origin in (Union, UnionType):
        return _one_of(parts)
    return _model(kind)


def _refined(one: Any, make: Make) -> Make:
    return lambda kind: one.__get_pydantic_core_schema__(kind, make)


def _one_of(kinds: tuple[Any, ...]) -> Schema:
    """One of some types; of lists, texts and mappings the one that the value is."""
    members = [_schema(kind) for kind in kinds if kind is not NoneType]
    inner = members[0] if len(members) == 1 else core_schema.union_schema([*members])
    classes = {class_of(kind): kind for kind in kinds if kind is not NoneType}
    if len(members) > 1 and not {int, float} & classes.keys():
        words = " or ".join(words_of(kind) for kind in classes.values())
        choices = {one.__name__: _schema(kind) for one, kind in classes.items()}
        inner = core_schema.tagged_union_schema(
            choices,
            lambda value: type(value).__name__,
            custom_error_type="unfit",
            custom_error_message=words,
        )
    return core_schema.nullable_schema(inner) if NoneType in kinds else inner


def _model(model: Any) -> Schema:
    """A mapping of the keys of a model."""
    parts = []
    for name, one in known(model).items():
        schema = _schema(one.type)
        if one.default_factory is not MISSING:
            factory = one.default_factory
            schema = core_schema.with_default_schema(schema, default_factory=factory)
        elif one.default is not MISSING:
            schema = core_schema.with_default_schema(schema, default=one.default)
        parts.append(core_schema.dataclass_field(one.name, schema, validation_alias=name))
    arguments = core_schema.dataclass_args_schema(model.__name__, parts, extra_behavior="forbid")
    names = [one.name for one in fields(model)]
    after = hasattr(model, "__post_init__")
    slots = "__slots__" in vars(model)
    return core_schema.dataclass_schema(
        model, arguments, names, post_init=after, frozen=True, slots=slots
    )


# data to models


_validators: dict[Any, SchemaValidator] = {}


def made(model: type[_Model], data: Any, context: Any = None) -> _Model:
    """The data as a model; raises ValidationError. `context` is what its functions may ask for."""
    if model not in _validators:
        _validators[model] = SchemaValidator(_schema(model))
    found: _Model = _validators[model].validate_python(data, context=context)
    return found
