"""Kinds of arguments: what a spec may write for a field of an op, and what that becomes."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field
from typing import Any, Literal


class ArgumentError(Exception):
    """A value that an argument cannot take; `argument` is its name, once that is known.

    `bound` is the word of a declaration that it does not keep to: `choices`, `min` or `max`.
    """

    def __init__(
        self, message: str, help: str = "", code: str = "E0305", bound: str | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.help, self.code, self.bound = message, help, code, bound
        self.argument = ""


class RankError(ArgumentError):
    """Numbers for more or fewer axes than the input has."""


Read = Callable[[Any, int], Any]  # value as written, spatial rank of the input -> normalised value


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of argument: `read` normalises a value or raises ArgumentError; `words` stay words.

    In a spec it is written as a `value` (an expression, or one of the words), a `word` (nothing
    but one of the words), a `mapping` (or a value), or a `reference` to another item. `schema` is
    the JSON Schema of such values that are neither words nor expressions.
    """

    name: str
    read: Read
    words: tuple[str, ...] = ()
    form: Literal["value", "word", "mapping", "reference"] = "value"
    schema: Mapping[str, Any] = field(default_factory=dict)


CHANNELS: Any = object()  # a default that stands for the channels of the input
KERNEL: Any = object()  # a default that stands for the kernel


def argument(kind: Kind, doc: str, default: Any = MISSING) -> Any:
    """A field of an op: its kind, one line of documentation, a default unless it is required."""
    metadata = {"kind": kind, "doc": doc}
    if default is MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


def added(kind: Kind, doc: str, default: Any) -> Any:
    """A field that came later: files of graphs leave it out where it is the default."""
    return field(default=default, metadata={"kind": kind, "doc": doc, "later": True})


def whole_number(value: Any) -> int:
    """An int, from an int or a float without a fraction."""
    if isinstance(value, float) and value.is_integer():
        return _sized(int(value))
    if isinstance(value, bool) or not isinstance(value, int):
        if isinstance(value, float):
            raise ArgumentError(f"{value:g} is not a whole number", code="E0304")
        raise ArgumentError(f"expected a whole number, not {kind_of(value)}", code="E0203")
    return _sized(value)


def _sized(number: int) -> int:
    if abs(number) > LARGEST:
        raise ArgumentError(f"{number:g} is too large")
    return number


def kind_of(value: Any) -> str:
    """What a value is, in a reader's words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the word `{value}`"
    if value is None:
        return "nothing"
    if isinstance(value, list | tuple):
        return "a list"
    return "a mapping" if isinstance(value, dict) else str(value)


LARGEST = 2**31 - 1  # more than any size, little enough for the numbers of a machine


def _whole(minimum: int) -> Read:
    def read(value: Any, rank: int) -> int:
        number = whole_number(value)
        if number < minimum:
            raise ArgumentError(f"{number} is less than {minimum}")
        return number

    return read


HUGE = 1e30  # more than any setting of a network, little enough to compute with


def _number(minimum: float, maximum: float) -> Read:
    def read(value: Any, rank: int) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ArgumentError(f"expected a number, not {kind_of(value)}", code="E0203")
        if abs(value) > HUGE:
            raise ArgumentError(f"{value:g} is too large")
        if not minimum <= value <= maximum:
            bounds = f"{minimum:g} to {maximum:g}" if maximum < HUGE else f"{minimum:g} or more"
            help = f"write {value / 100:g}" if maximum == 1 < value <= 100 else ""
            raise ArgumentError(f"{value:g} is out of range ({bounds})", help)
        return float(abs(value) if minimum >= 0 else value)  # -0.0 is 0.0 where nothing is below

    return read


def _flag(value: Any, rank: int) -> bool:
    if not isinstance(value, bool):
        help = {0: "write `false`", 1: "write `true`"}.get(value, "") if value in (0, 1) else ""
        raise ArgumentError(f"expected true or false, not {kind_of(value)}", help, "E0203")
    return value


def _axes(minimum: int, words: tuple[str, ...] = ()) -> Read:
    def read(value: Any, rank: int) -> tuple[int, ...] | str:
        if isinstance(value, str) and value in words:
            return value
        items = list(value) if isinstance(value, list | tuple) else [value] * rank
        if len(items) != rank:
            numbers = "1 number" if len(items) == 1 else f"{len(items)} numbers"
            raise RankError(f"{numbers} for {rank} spatial {'axis' if rank == 1 else 'axes'}")
        return tuple(_whole(minimum)(item, rank) for item in items)

    return read


def _shape(value: Any, rank: int) -> tuple[int, ...]:
    if not isinstance(value, list | tuple):
        raise ArgumentError(f"expected a list, not {kind_of(value)}", code="E0203")
    return tuple(whole_number(item) for item in value)


def _word(words: tuple[str, ...]) -> Read:
    def read(value: Any, rank: int) -> str:
        if value not in words:
            raise ArgumentError(f"expected one of {', '.join(words)}, not {kind_of(value)}")
        return str(value)

    return read


def _wholes(minimum: int) -> dict[str, Any]:
    return {"type": ["integer"], "minimum": minimum, "maximum": LARGEST}


def _per_axis(minimum: int) -> dict[str, Any]:
    return {**_wholes(minimum), "type": ["integer", "array"], "items": _wholes(minimum)}


WHOLE = Kind("whole number, 1 or more", _whole(1), schema=_wholes(1))
INDEX = Kind("whole number, 0 or more", _whole(0), schema=_wholes(0))
NUMBER = Kind("number", _number(-HUGE, HUGE), schema={"type": ["number"]})
POSITIVE = Kind("number, 0 or more", _number(0, HUGE), schema={"type": ["number"], "minimum": 0})
RATE = Kind(
    "number from 0 to 1", _number(0, 1), schema={"type": ["number"], "minimum": 0, "maximum": 1}
)
FLAG = Kind("true or false", _flag, schema={"type": ["boolean"]})
AXES = Kind("whole number, or one per axis", _axes(1), schema=_per_axis(1))
SHAPE = Kind(
    "list of whole numbers", _shape, schema={"type": ["array"], "items": {"type": ["integer"]}}
)
REFERENCE = Kind("reference", lambda value, rank: bool(value), form="reference")
CONV_PADDING = Kind(
    "auto, same, valid, or whole numbers",
    _axes(0, ("auto", "same", "valid")),
    ("auto", "same", "valid"),
    schema=_per_axis(0),
)
POOL_PADDING = Kind("same, or whole numbers", _axes(0, ("same",)), ("same",), schema=_per_axis(0))
BORDERS = Kind("whole number, or one per axis", _axes(0), schema=_per_axis(0))


def words(*choices: str) -> Kind:
    """An argument that is one of some words."""
    return Kind(" or ".join(choices), _word(choices), choices, "word")
