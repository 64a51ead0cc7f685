"""How weights start: a scheme of `torch.nn.init` and its settings."""

from dataclasses import dataclass
from typing import Any

from archdsl.ops.base import ArgumentError, Kind, kind_of

PER_GROUP = "fan_out_per_group"  # as TensorFlow counts; torch.nn.init adds the groups up
_FANS = ("fan_in", "fan_out", PER_GROUP)
_GAINS = ("relu", "leaky_relu", "linear")

# scheme -> settings it takes; words where a setting is one of some words, else a number
SCHEMES: dict[str, dict[str, tuple[str, ...] | None]] = {
    "kaiming_normal": {"mode": _FANS, "nonlinearity": _GAINS},
    "kaiming_uniform": {"mode": _FANS, "nonlinearity": _GAINS, "a": None},
    "xavier_normal": {"gain": None},
    "xavier_uniform": {"gain": None},
    "normal": {"mean": None, "std": None},
    "trunc_normal": {"mean": None, "std": None, "a": None, "b": None},
    "uniform": {"a": None, "b": None},
    "constant": {"val": None},
    "zeros": {},
    "ones": {},
}  # fmt: skip


SETTING_WORDS = (*_FANS, *_GAINS)


@dataclass(frozen=True, slots=True)
class Init:
    """A scheme of `torch.nn.init` for the weight, and one for the bias (None: PyTorch's own)."""

    scheme: str
    settings: tuple[tuple[str, float | str], ...] = ()
    bias: "Init | None" = None


def _read(value: Any, rank: int) -> Init:
    if isinstance(value, Init):
        return value
    if isinstance(value, str):
        value = {value: {}}
    if not isinstance(value, dict) or not value:
        raise ArgumentError(f"expected a scheme, not {kind_of(value)}", _KNOWN, "E0203")
    value = dict(value)
    bias = value.pop("bias", None)
    if len(value) != 1 or next(iter(value)) not in SCHEMES:
        raise ArgumentError(f"`{', '.join(value)}` is not a scheme", _KNOWN)
    ((scheme, settings),) = value.items()
    if isinstance(bias, int | float) and not isinstance(bias, bool):
        bias = {"constant": {"val": float(bias)}}
    start = None if bias is None else _read(bias, rank)
    return Init(scheme, _settings(scheme, settings or {}), start)


def _settings(scheme: str, settings: Any) -> tuple[tuple[str, float | str], ...]:
    if not isinstance(settings, dict):
        raise ArgumentError(
            f"{scheme} takes a mapping of settings, not {kind_of(settings)}", code="E0203"
        )
    known = SCHEMES[scheme]
    for name, value in settings.items():
        if name not in known:
            takes = ", ".join(known) or "none"
            raise ArgumentError(f"{scheme} has no setting `{name}`", f"it takes {takes}", "E0206")
        choices = known[name]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if (value not in choices) if choices else not number:
            expected = " or ".join(choices) if choices else "a number"
            raise ArgumentError(f"{name} of {scheme} is {expected}, not {kind_of(value)}")
    return tuple(settings.items())


_KNOWN = "known: " + ", ".join(SCHEMES)
INIT = Kind("initialisation scheme", _read, tuple(SCHEMES))
