"""How weights start: a scheme of `torch.nn.init` and its settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archdsl.ops.kinds import NUMBER, ArgumentError, Kind, Read, kind_of

PER_GROUP = "fan_out_per_group"  # as TensorFlow counts; torch.nn.init adds the groups up
_MODES = ("fan_in", "fan_out", PER_GROUP)
_NONLINEARITIES = ("relu", "leaky_relu", "linear")
_WORDS = {"mode": _MODES, "nonlinearity": _NONLINEARITIES}  # of settings that are no numbers
_FAN = {  # scheme -> settings it takes; these need to know how many inputs an output has
    "kaiming_normal": ("mode", "nonlinearity", "a"),
    "kaiming_uniform": ("mode", "nonlinearity", "a"),
    "xavier_normal": ("gain",),
    "xavier_uniform": ("gain",),
}
_PLAIN = {
    "normal": ("mean", "std"),
    "trunc_normal": ("mean", "std", "a", "b"),
    "uniform": ("a", "b"),
    "constant": ("val",),
    "zeros": (),
    "ones": (),
}
SCHEMES = (*_FAN, *_PLAIN)
_BOUNDS = {"trunc_normal": (-2.0, 2.0), "uniform": (0.0, 1.0)}  # where no `a` and `b` are given


@dataclass(frozen=True, slots=True)
class Init:
    """A scheme of `torch.nn.init` for the weight, and one for the bias (None: PyTorch's own)."""

    scheme: str
    settings: tuple[tuple[str, float | str], ...] = ()
    bias: "Init | None" = None

    def __str__(self) -> str:
        told = [f"{name}={value}" for name, value in self.settings]
        told += [f"bias={self.bias}"] if self.bias is not None else []
        return f"{self.scheme}({', '.join(told)})"


def _reader(schemes: dict[str, tuple[str, ...]]) -> Read:
    """Reads a scheme's name, or a mapping of it to its settings, beside it perhaps `bias`."""
    known = "known: " + ", ".join(schemes)

    def read(value: Any, rank: int) -> Init:
        if isinstance(value, Init):
            return value
        if isinstance(value, str):
            value = {value: {}}
        if not isinstance(value, dict):
            raise ArgumentError(f"expected a scheme, not {kind_of(value)}", known, "E0203")
        chosen = [name for name in value if name != "bias"]
        if len(chosen) != 1 or chosen[0] not in schemes:
            shown = "`" + ", ".join(chosen) + "`" if chosen else "nothing"
            raise ArgumentError(f"expected a scheme, not {shown}", known)
        scheme, bias = chosen[0], value.get("bias")
        if isinstance(bias, int | float) and not isinstance(bias, bool):
            bias = {"constant": {"val": float(bias)}}
        settings = _settings(scheme, schemes[scheme], value[scheme] or {})
        return Init(scheme, settings, None if bias is None else _read_vector(bias, rank))

    return read


def _settings(
    scheme: str, known: tuple[str, ...], settings: Any
) -> tuple[tuple[str, float | str], ...]:
    if not isinstance(settings, dict):
        message = f"{scheme} takes a mapping of settings, not {kind_of(settings)}"
        raise ArgumentError(message, code="E0203")
    for name, value in settings.items():
        if name not in known:
            takes = "it takes " + (", ".join(known) or "none")
            raise ArgumentError(f"{scheme} has no setting `{name}`", takes, "E0206")
        if name in _WORDS and value not in _WORDS[name]:
            expected = " or ".join(_WORDS[name])
            raise ArgumentError(f"{name} of {scheme} is {expected}, not {kind_of(value)}")
        if name not in _WORDS:
            _require_number(scheme, name, value)
    if scheme == "constant" and "val" not in settings:
        raise ArgumentError("constant needs `val`", "write {constant: {val: 1}}", "E0207")
    if scheme in _BOUNDS:
        _require_bounds(scheme, settings)
    return tuple(settings.items())


def _require_number(scheme: str, name: str, value: Any) -> None:
    """Numbers are as large as those of any op, spreads and gains not negative."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ArgumentError(f"{name} is a number, not {kind_of(value)}", code="E0203")
    try:
        NUMBER.read(value, 0)
    except ArgumentError as error:
        raise ArgumentError(f"{name} of {scheme}: {error.message}") from error
    if name in ("std", "gain") and value < 0:
        raise ArgumentError(f"{name} of {scheme} is {value}, less than 0")


def _require_bounds(scheme: str, settings: Mapping[str, Any]) -> None:
    """`a` below `b`, and a truncated normal that PyTorch can draw: its mean near them."""
    low, high = _BOUNDS[scheme]
    low, high = settings.get("a", low), settings.get("b", high)
    if low >= high:
        raise ArgumentError(f"{scheme} needs a below b")
    if scheme == "trunc_normal":
        mean, std = settings.get("mean", 0.0), settings.get("std", 1.0)
        if std == 0:
            raise ArgumentError(f"std of {scheme} is 0", "write {constant: {val: ...}}")
        if not low - 2 * std <= mean <= high + 2 * std:
            raise ArgumentError(f"{scheme} needs a mean at most 2 std from a and b")


def _read_scale(value: Any, rank: int) -> Init | None:
    """As every vector, but a scale starts at one without being told."""
    init = _read_vector(value, rank)
    ones = init.scheme == "ones" or init.settings == (("val", 1),)
    return None if ones and init.bias is None else init


def _schema(schemes: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """The JSON Schema of a scheme with its settings."""
    settings = {name: {"type": ["number"]} for names in schemes.values() for name in names}
    settings |= {name: {"enum": [*words]} for name, words in _WORDS.items()}
    taken = {
        scheme: {
            "type": ["object", "null"],
            "properties": {name: settings[name] for name in names},
            "additionalProperties": False,
        }
        for scheme, names in schemes.items()
    }
    inner = {"type": ["object"]} if schemes is _PLAIN else _schema(_PLAIN)
    bias = {"bias": {**inner, "type": ["number", "object", "null"]}}
    return {"type": ["object"], "properties": {**taken, **bias}, "additionalProperties": False}


_read_vector = _reader(_PLAIN)
_ALL = _FAN | _PLAIN
INIT = Kind(
    "initialisation scheme",
    _reader(_ALL),
    (*_ALL, *_MODES, *_NONLINEARITIES),
    "mapping",
    _schema(_ALL),
)
SCALE_INIT = Kind(INIT.name, _read_scale, tuple(_PLAIN), "mapping", _schema(_PLAIN))
