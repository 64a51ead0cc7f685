"""Items of a spec on their way into text: verbs with arguments, parts and modifiers."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

WIDTH = 110  # columns of a line of a spec


@dataclass
class Code:
    """An expression, where a number or word could stand."""

    text: str

    def __hash__(self) -> int:
        return hash(self.text)

    def __str__(self) -> str:
        return self.text


class Verb(str):
    """The verb of an op, as a value."""


@dataclass(frozen=True)
class First:
    """A value of the first turn of a `repeat`, and of the others."""

    first: Any
    other: Any


@dataclass(frozen=True)
class Ramp:
    """A rate that grows by steps: `top * (before + i) / steps`."""

    top: Any
    before: Any
    steps: Any


class Any_:
    """Any value: that of an item which is not there."""

    def __repr__(self) -> str:
        return "ANY"


ANY = Any_()


@dataclass
class Item:
    """One item: `parts` are the bodies of a combinator by the names of its arguments.

    `sizes` are those that come in, by their names in expressions; `sources` are the references of
    `from`, empty where it takes what flows.
    """

    verb: str
    arguments: dict[str, Any] = field(default_factory=dict)
    parts: "dict[str, Body]" = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    modifiers: dict[str, Any] = field(default_factory=dict)
    sizes: Any = field(default_factory=dict)  # or ANY
    there: bool = True
    free: frozenset[str] = frozenset()  # arguments that may have any value

    @property
    def channels(self) -> Any:
        """The channels that come in."""
        return ANY if self.sizes is ANY else self.sizes.get("C", 0)

    def walk(self) -> "Iterator[Item]":
        """The item and all in it."""
        yield self
        for body in self.parts.values():
            for inner in body.values():
                yield from inner.walk()


Body = dict[str, Item]
WAITING = "a block"  # the verb of a part that is to be a call of a block


def is_list(body: Body) -> bool:
    """Whether a body is numbered, as a list is."""
    return bool(body) and list(body) == [str(n) for n in range(len(body))]


# plain data


def plain_body(body: Body, listed: bool = False) -> Any:
    """A body as data: a list where its keys are numbers."""
    if listed or is_list(body):
        return [plain(item) for item in body.values()]
    return {key: plain(item) for key, item in body.items()}


def plain(item: Item) -> Any:
    """An item as data of YAML."""
    said = modifiers(item)
    if item.verb == "seq":
        only = _only(item.parts["items"])
        if only is not None:
            both = {**only.modifiers, **item.modifiers}
            return plain(replace(only, sources=item.sources, modifiers=both))
        body = plain_body(item.parts["items"], "listed" in item.modifiers)
        if isinstance(body, list) and not said:
            return body
        begins = {"for": said.pop("for")} if "for" in said else {}
        return {**begins, "seq": body, **said}
    if item.verb == "use":
        return {"use": item.arguments["use"], **said}
    content: dict[str, Any] = {n: value_of(v) for n, v in item.arguments.items() if n != "when"}
    for name, body in item.parts.items():
        if not body and name != "body":
            continue
        made = plain_body(body)
        word = next(iter(made)) if isinstance(made, dict) and len(made) == 1 else None
        content[name] = word if name == "after" and word and made[word] == word else made
    if "when" in item.arguments:
        content = {"when": value_of(item.arguments["when"]), **content}
    if not content and not said:
        return item.verb
    begins = {"for": said.pop("for")} if "for" in said else {}
    return {**begins, item.verb: content, **said}


def _only(body: Body) -> Item | None:
    """The combinator that is all of a sequence, and has no name of its own."""
    ((name, item), *more) = body.items()
    held = name.startswith("_") and item.parts and not more and not item.sources
    return item if held and item.modifiers.keys() <= {"tap"} else None


def modifiers(item: Item) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for name in ("for", "if"):
        if name in item.modifiers:
            said[name] = value_of(item.modifiers[name])
    if item.sources:
        said["from"] = item.sources[0] if len(item.sources) == 1 else list(item.sources)
    for name, value in item.modifiers.items():
        if name not in ("for", "if", "listed"):
            said[name] = value_of(value)
    return said


def value_of(value: Any) -> Any:
    """A value as data: expressions are text."""
    if isinstance(value, First):
        first, other = expression(value.first), expression(value.other)
        if (first, other) in (("true", "false"), ("false", "true")):
            return "first" if first == "true" else "not first"
        return value_of(value.first) if first == other else f"{first} if first else {other}"
    if isinstance(value, Ramp):
        before, steps = _operand(value.before), _operand(value.steps)
        turn = "i" if before == "0" else f"(i + {before})"
        return f"{_operand(value.top)} * {turn} / {steps}"
    if isinstance(value, Code):
        return value.text
    if isinstance(value, tuple | list):
        return [value_of(part) for part in value]
    if isinstance(value, dict):
        return {name: value_of(part) for name, part in value.items()}
    return value


def expression(value: Any) -> str:
    """A value in an expression, where words have quotes."""
    if isinstance(value, str):
        return f"'{value}'"
    found = value_of(value)
    return found if isinstance(found, str) else scalar(found)


def _operand(value: Any) -> str:
    """A value in arithmetic."""
    text = expression(value)
    return f"({text})" if " " in text else text


# text


def written(data: Mapping[str, Any]) -> str:
    """Data as YAML: in one line what fits into one, else a line for each part."""
    return "".join(f"{line}\n" for line in _block(data, 0))


def _block(data: Mapping[str, Any], indent: int) -> Iterator[str]:
    pad = " " * indent
    for key, value in data.items():
        plain_key = key if _KEY.fullmatch(str(key)) else scalar(key)
        yield from _entry(f"{pad}{plain_key}:", value, indent)


def _entry(start: str, value: Any, indent: int) -> Iterator[str]:
    """A key, or the dash of a list, with what stands there."""
    flow = _flow(value)
    if (
        not isinstance(value, dict | list)
        or not value
        or (len(start) + 1 + len(flow) <= WIDTH and _depth(value) <= DEPTH)
    ):
        yield f"{start} {flow}"
    elif isinstance(value, dict):
        yield start
        yield from _block(value, indent + 2)
    else:
        yield start
        yield from _list(value, indent + 2)


_KEY = re.compile(r"[A-Za-z_][\w.-]*\{[\w +]+\}")  # with an expression, where no brace closes it
DEPTH = 3  # of braces in a line


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max((_depth(part) for part in value.values()), default=0)
    if isinstance(value, list):
        return (1 if any(isinstance(v, dict | list) for v in value) else 0) + max(
            (_depth(part) for part in value), default=0
        )
    return 0


def _list(parts: list[Any], indent: int) -> Iterator[str]:
    pad = " " * indent
    for part in parts:
        flow = _flow(part)
        if not isinstance(part, dict | list) or not part:
            yield f"{pad}- {flow}"
        elif isinstance(part, dict) and len(part) == 1 and len(pad) + 2 + len(flow) <= WIDTH:
            if _depth(part) <= DEPTH:
                yield f"{pad}- {flow[1:-1]}"
            else:
                yield from _dashed(part, indent)
        elif len(pad) + 2 + len(flow) <= WIDTH and _depth(part) <= DEPTH:
            yield f"{pad}- {flow}"
        elif isinstance(part, dict):
            yield from _dashed(part, indent)
        else:
            inner = list(_list(part, indent + 2))
            yield f"{pad}- {inner[0].lstrip()}"
            yield from inner[1:]


def _dashed(part: dict[str, Any], indent: int) -> Iterator[str]:
    inner = list(_block(part, indent + 2))
    yield f"{' ' * indent}- {inner[0].lstrip()}"
    yield from inner[1:]


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return scalar(value)


def scalar(value: Any) -> str:
    """A number or a text as YAML has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        text = repr(value)
        return text[:-2] if text.endswith(".0") else text
    if not isinstance(value, str):
        return str(value)
    odd = set(value) & set(",[]{}:#'\"\n") or value != value.strip() or value[:1] in "-?&*!|>%@`"
    if odd or not value or _is_number(value) or value in ("true", "false", "null", "~"):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return value


def _is_number(text: str) -> bool:
    try:
        float(text.replace("_", ""))
    except ValueError:
        return False
    return True
