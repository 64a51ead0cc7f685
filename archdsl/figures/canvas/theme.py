"""A theme: colors, sizes and the family of the text. Data, so that a user can write one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.suggest import did_you_mean

HATCHES = ("", "/", "\\", "x", "-", "|")
FLOOR = 6.0  # points: no text is smaller, but tall columns (5.6) and superscripts
ROLES = {
    "conv": "k×k conv",
    "down": "projects or strides",
    "pointwise": "1×1 conv",
    "depthwise": "depthwise conv",
    "pool": "pooling",
    "attention": "attention",
    "linear": "linear",
    "norm": "other",
    "plain": "input",
}


@dataclass(frozen=True, slots=True)
class Paint:
    """The colors of an area, as `#RRGGBB`, and lines over it: one of HATCHES."""

    fill: str
    stroke: str
    hatch: str = ""

    @property
    def lines(self) -> str:
        """The color of the hatch."""
        return mixed(self.fill, self.stroke, 0.2)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of text in points."""

    box: float
    name: float
    dimension: float
    caption: float


@dataclass(frozen=True, slots=True)
class Theme:
    """How figures look. `background` may be empty: none."""

    doc: str
    family: str
    background: str
    ink: str
    dimension: str
    edge: str
    container: Paint
    light: str
    sizes: Sizes
    roles: Mapping[str, Paint]

    def paint(self, role: str) -> Paint:
        return self.roles[role]

    def deeper(self, role: str) -> Paint:
        """For the block of a stage that projects or strides."""
        if role == "conv":
            return self.roles["down"]
        paint = self.roles[role]
        return replace(paint, fill=mixed(paint.fill, paint.stroke, 0.35))


def theme_from(data: Mapping[str, Any], name: str) -> Theme:
    """A theme from plain data, whole; raises UsageError that names the key that is wrong."""
    keys = [field.name for field in fields(Theme)]
    for key in data:
        if key not in keys:
            raise UsageError(f"theme {name}: there is no key `{key}`{_maybe(str(key), keys)}")
    for key in keys:
        if key not in data:
            raise UsageError(f"theme {name}: `{key}` is missing; `extends: paper` takes it over")
    roles = _mapping(data["roles"], f"{name}: roles", list(ROLES))
    sizes = _mapping(data["sizes"], f"{name}: sizes", [field.name for field in fields(Sizes)])
    return Theme(
        doc=str(data["doc"]),
        family=_choice(data["family"], f"{name}: family", ("sans", "serif")),
        background=data["background"] and _color(data["background"], f"{name}: background"),
        ink=_color(data["ink"], f"{name}: ink"),
        dimension=_color(data["dimension"], f"{name}: dimension"),
        edge=_color(data["edge"], f"{name}: edge"),
        container=_paint(data["container"], f"{name}: container"),
        light=_color(data["light"], f"{name}: light"),
        sizes=Sizes(**{key: _size(value, f"{name}: sizes.{key}") for key, value in sizes.items()}),
        roles={role: _paint(value, f"{name}: roles.{role}") for role, value in roles.items()},
    )


def mixed(color: str, other: str, part: float) -> str:
    """A color that is this part of the way to another."""
    pairs = zip(_channels(color), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * part):02X}" for a, b in pairs)


def _channels(color: str) -> tuple[int, ...]:
    return tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))


def _color(value: Any, place: str) -> str:
    if not isinstance(value, str) or not re.fullmatch("#[0-9A-Fa-f]{6}", value):
        raise UsageError(f'theme {place}: `{value}` is not a color of the form "#1A1A1A"')
    return value.upper()


def _size(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not FLOOR <= value <= 36:
        raise UsageError(f"theme {place}: `{value}` is not a size from {FLOOR:g} to 36 points")
    return float(value)


def _choice(value: Any, place: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise UsageError(f"theme {place}: `{value}` is not one of {', '.join(choices)}")
    return str(value)


def _paint(value: Any, place: str) -> Paint:
    given = {"hatch": "", **value} if isinstance(value, Mapping) else value
    colors = _mapping(given, place, ["fill", "stroke", "hatch"])
    return Paint(
        _color(colors["fill"], f"{place}.fill"),
        _color(colors["stroke"], f"{place}.stroke"),
        _choice(colors["hatch"], f"{place}.hatch", HATCHES),
    )


def _mapping(value: Any, place: str, keys: list[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UsageError(f"theme {place}: expected a mapping of {', '.join(keys)}")
    for key in value:
        if key not in keys:
            raise UsageError(f"theme {place}: there is no `{key}`{_maybe(str(key), keys)}")
    missing = [key for key in keys if key not in value]
    if missing:
        raise UsageError(f"theme {place}: `{missing[0]}` is missing")
    return value


def _maybe(key: str, keys: list[str]) -> str:
    hint = did_you_mean(key, keys)
    return f"; {hint}" if hint else ""


THEMES = Path(__file__).parent / "themes"


DEPTH = 8  # themes that extend one another


def theme_names() -> list[str]:
    """The themes that come with archdsl."""
    return sorted(path.stem for path in THEMES.glob("*.yaml"))


@cache
def load_theme(name: str | Path) -> Theme:
    """The theme of a name, or in a file; raises UsageError if it is wrong."""
    return theme_from(_theme_data(str(name), None, DEPTH), str(name))


def _theme_data(name: str, beside: Path | None, depth: int) -> dict[str, Any]:
    """The keys of a theme over those of the theme that it extends."""
    path = _theme_path(name, beside)
    data = _read(path)
    base = data.pop("extends", None)
    if base is None:
        return data
    if not isinstance(base, str) or not depth:
        raise UsageError(f"theme {name}: `extends` names no other theme, or goes round in a circle")
    return _over(_theme_data(base, path.parent, depth - 1), data)


def _over(under: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """Mappings merged entry by entry."""
    merged = dict(under)
    for key, value in data.items():
        old = under.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _over(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _theme_path(name: str, beside: Path | None) -> Path:
    if name in theme_names():
        return THEMES / f"{name}.yaml"
    path = beside / name if beside else Path(name)
    if not path.suffix or not path.is_file():
        hint = did_you_mean(name, theme_names())
        raise UsageError(f"there is no theme `{name}`, nor a file of that name; {hint}")
    return path


def _read(path: Path) -> dict[str, Any]:
    from archdsl.diagnostics.report import concise
    from archdsl.yaml.source import parse

    sink = Sink()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the theme {path}: {error}") from error
    source = parse(text, str(path), sink)
    if source is None:
        complaint = concise(sink.diagnostics, {str(path): text})
        raise UsageError(f"theme {path}: {complaint.strip()}")
    if not isinstance(source.data, dict):
        raise UsageError(f"theme {path}: expected a mapping")
    return source.data
