"""What pydantic finds wrong with a document, in our words."""

from collections.abc import Iterator
from dataclasses import Field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic_core import ErrorDetails, ValidationError

from archdsl.diagnostics.suggest import did_you_mean, nearest
from archdsl.diagnostics.text import as_yaml

Path = tuple[str | int, ...]


class Mistake(NamedTuple):
    """What is wrong with the value at a path, or with its key."""

    code: str
    path: Path
    message: str
    help: str = ""
    of_key: bool = False


def mistakes(error: ValidationError, model: Any, data: Any) -> Iterator[Mistake]:
    """What pydantic finds wrong with data that are no such model, in our words.

    A model may have `helps`: what to write for a key that is missing or wrong, `absent`: what for
    every key that is missing, and a `noun` for its keys.
    """
    return (_mistake(one, model, data) for one in error.errors(include_url=False))


_WORDS = {  # what the value must be, by pydantic's types of errors
    "string_type": "text",
    "string_too_short": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "list_type": "a list",
    "tuple_type": "a list",
    "literal_error": "{expected}",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "dataclass_type": "a mapping",
    "greater_than_equal": "{ge} or more",
    "less_than_equal": "{le} or less",
    "less_than": "less than {lt}",
    "too_short": "a list of {min_length}",
    "too_long": "a list of {max_length}",
}


def expected(error: ErrorDetails) -> str:
    """What a value must be, for an error of pydantic."""
    words = _WORDS.get(error["type"])
    return error["msg"] if words is None else words.format(**error.get("ctx", {}))


def _mistake(error: ErrorDetails, model: Any, data: Any) -> Mistake:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    path, owner, of = _reached(model, error["loc"], data)
    name = str(path[-1]) if path else ""
    help = context.get("help") or getattr(owner, "helps", {}).get(name, "")
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        near = did_you_mean(name, _types(owner))
        noun = getattr(owner, "noun", "key")
        return Mistake("E0201", path, f"unknown {noun} `{name}`", near, of_key=True)
    if kind == "missing":
        help = help or getattr(owner, "absent", "")
        return Mistake("E0202", path[:-1], f"`{name}` is missing", help)
    if kind == "wrong":
        return Mistake("E0305", (*path, *context["at"]), context["message"], help)
    words = context.get("words") or expected(error)
    if kind == "literal_error":
        words = words_of(of)
        close = nearest(str(value), map(str, get_args(of)))
        help = f"did you mean `{close}`?" if close else help
    if path and isinstance(path[-1], int):
        name = f"{path[-2]}[{name}]" if len(path) > 1 else f"[{name}]"
    shown = f"one of {len(value)}" if kind in ("too_short", "too_long") else _shown(value)
    return Mistake("E0203", path, f"{name} must be {words}, not {shown}", help)


def words_of(kind: Any) -> str:
    """What a value of a type is called: of those that stand beside another, and of words."""
    if get_origin(kind) is Literal:
        *before, last = (f"`{choice}`" for choice in get_args(kind))
        return f"{', '.join(before)} or {last}" if before else last
    names: dict[type, str] = {list: "a list", dict: "a mapping", str: "text"}
    return names[class_of(kind)]


def _shown(value: Any) -> str:
    if isinstance(value, str) and len(value) < 40:
        return f"`{value}`"
    return kind_of(value)


def kind_of(value: Any) -> str:
    """What a value is, in a reader's words."""
    words = {list: "a list", dict: "a mapping", str: "text", NoneType: "nothing"}
    return words.get(type(value)) or as_yaml(value)


def _reached(model: Any, loc: Path, value: Any) -> tuple[Path, Any, Any]:
    """Where an error of pydantic is: its path, the last model on it, the type that is there."""
    path: list[str | int] = []
    owner, kind, steps = model, model, iter(loc)
    for step in steps:
        if keys := _types(kind):
            owner, kind = kind, keys.get(str(step), Any)
        else:  # a list or mapping
            kind = get_args(kind)[-1]
        inside = isinstance(value, list) or (isinstance(value, dict) and step in value)
        value = value[step] if inside else None
        path.append(step)
        kind, several = _chosen(kind, value)
        if several:  # pydantic has a step of its own for which of several types it was
            next(steps, None)
    return tuple(path), owner, kind


def known(model: Any) -> dict[str, Field[Any]]:
    """The keys of a model, as they are written, with its fields."""
    return {one.metadata.get("alias", one.name): one for one in fields(model)}


def _types(model: Any) -> dict[str, Any]:
    """The types of the keys of a model, ours or pydantic's own."""
    if is_dataclass(model):
        return {name: one.type for name, one in known(model).items()}
    inner = getattr(model, "model_fields", {})
    return {one.alias or name: one.annotation for name, one in inner.items()}


def _chosen(kind: Any, value: Any) -> tuple[Any, bool]:
    """The type that a value is meant to be of, and whether there were several."""
    if get_origin(kind) is Annotated:
        return _chosen(get_args(kind)[0], value)
    if get_origin(kind) not in (Union, UnionType):
        return kind, False
    members = [member for member in get_args(kind) if member is not NoneType]
    if len(members) == 1:
        return _chosen(members[0], value)
    return next((m for m in members if isinstance(value, class_of(m))), members[0]), True


def class_of(kind: Any) -> type:
    """The class of the data of a type."""
    if get_origin(kind) is Annotated:
        return class_of(get_args(kind)[0])
    if get_origin(kind) is Literal:
        return str
    plain: type = get_origin(kind) or kind
    return dict if _types(plain) else plain
