"""A theme: colors, sizes and the family of the text. Data, so that a user can write one."""

import os
from dataclasses import MISSING, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.report import failure
from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.yaml.fitting import fitted
from archdsl.yaml.json_schema import schema_of
from archdsl.yaml.limits import Limits
from archdsl.yaml.mistakes import kind_of, known
from archdsl.yaml.models import Pattern, Prose, Within, Words, key
from archdsl.yaml.source import Place, Source, parse, read_text

LAID_OUT = {"box": 7.0, "name": 6.8, "dimension": 6.4, "caption": 7.2}  # points
HATCHES = ("", "/", "\\", "x", "-", "|")
FLOOR = 6.0  # points: no text is smaller, but tall columns (5.6) and superscripts
_FORM = 'a color of the form "#1A1A1A"'
_ABSENT = "`extends: paper` takes it over"

Color = Annotated[str, Pattern("^#[0-9A-Fa-f]{6}$"), Words(_FORM)]
Background = Annotated[str, Pattern("^(#[0-9A-Fa-f]{6})?$"), Words(f'{_FORM}, or "" for none')]
Size = Annotated[float, Within(FLOOR, 36), Words(f"a size from {FLOOR:g} to 36 points")]


@dataclass(frozen=True)
class Paint:
    """The colors of an area, and lines over it."""

    absent: ClassVar[str] = _ABSENT

    fill: Color = key("The area.", MISSING)
    stroke: Color = key("The line around it.", MISSING)
    hatch: Literal["", "/", "\\", "x", "-", "|"] = key("Lines over it.", "")

    @property
    def lines(self) -> str:
        """The color of the hatch."""
        return mixed(self.fill, self.stroke, 0.2)


@dataclass(frozen=True)
class Sizes:
    """Sizes of text in points."""

    absent: ClassVar[str] = _ABSENT

    box: Size = key("In boxes.", MISSING)
    name: Size = key("Of stages.", MISSING)
    dimension: Size = key("Of shapes, costs and the legend.", MISSING)
    caption: Size = key("Of titles.", MISSING)

    @property
    def room(self) -> float:
        """How much larger the largest is than what layouts are made for, 1 if none is larger."""
        return max(1.0, *(float(vars(self)[name]) / size for name, size in LAID_OUT.items()))

    def shrunk(self, factor: float) -> "Sizes":
        return Sizes(**{name: vars(self)[name] / factor for name in LAID_OUT})


@dataclass(frozen=True)
class Roles:
    """What is painted, each as the legend calls it."""

    absent: ClassVar[str] = _ABSENT

    conv: Paint = key("k×k conv", MISSING)
    down: Paint = key("projects or strides", MISSING)
    pointwise: Paint = key("1×1 conv", MISSING)
    depthwise: Paint = key("depthwise conv", MISSING)
    pool: Paint = key("pooling", MISSING)
    attention: Paint = key("attention", MISSING)
    linear: Paint = key("linear", MISSING)
    norm: Paint = key("other", MISSING)
    plain: Paint = key("input", MISSING)


ROLES = {name: str(one.metadata["description"]) for name, one in known(Roles).items()}


@dataclass(frozen=True)
class Theme:
    """How figures look."""

    absent: ClassVar[str] = _ABSENT

    doc: Prose = key("What there is to say about it.", MISSING)
    family: Literal["sans", "serif"] = key("The family of the text.", MISSING)
    background: Background = key("Behind everything; empty for none.", MISSING)
    ink: Color = key("Text.", MISSING)
    dimension: Color = key("Shapes, costs, the legend.", MISSING)
    edge: Color = key("Arrows.", MISSING)
    container: Paint = key("Around what belongs together.", MISSING)
    light: Color = key("What the top of a slab turns to, half way.", MISSING)
    sizes: Sizes = key(default=MISSING)
    roles: Roles = key(default=MISSING)

    @property
    def paints(self) -> dict[str, Paint]:
        """The colors of every role."""
        return vars(self.roles)

    def paint(self, role: str) -> Paint:
        return self.paints[role]

    def deeper(self, role: str) -> Paint:
        """For the block of a stage that projects or strides."""
        if role == "conv":
            return self.roles.down
        paint = self.paints[role]
        return replace(paint, fill=mixed(paint.fill, paint.stroke, 0.35))


def mixed(color: str, other: str, part: float) -> str:
    """A color that is this part of the way to another."""
    pairs = zip(_channels(color), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * part):02X}" for a, b in pairs)


def lightness(color: str) -> int:
    """How light a color is, by its channels."""
    return sum(_channels(color))


def _channels(color: str) -> tuple[int, ...]:
    return tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))


def theme_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a theme; one that extends another says what it likes."""
    schema = schema_of(Theme, "A theme in archdsl")
    required = schema.pop("required")
    for part in schema["$defs"].values():
        part.pop("required", None)
    extends = {"type": "string", "description": "A theme, by its name or a path beside this file."}
    schema["properties"] = {"extends": extends, **schema["properties"]}
    return schema | {"anyOf": [{"required": ["extends"]}, {"required": required}]}


THEMES = Path(__file__).parent / "themes"
DEPTH = 8  # themes that extend one another


def theme_names() -> list[str]:
    """The themes that come with archdsl."""
    return sorted(path.stem for path in THEMES.glob("*.yaml"))


@cache
def load_theme(name: str | Path) -> Theme:
    """The theme of a name, or in a file.

    Raises UsageError if there is none, and SpecError with every way in which it is wrong.
    """
    path = _theme_path(str(name))
    if path is None:
        hint = did_you_mean(str(name), theme_names())
        raise UsageError(f"there is no theme `{name}`, nor a file of that name; {hint}")
    reader = _Reader(path.parent.resolve(), Sink(), {})
    source = reader.read(path, ())
    theme = fitted(Theme, source.data, source.at(), reader.sink) if source else None
    if theme is None or reader.sink.failed:
        raise failure(reader.sink, reader.texts)
    return theme


def _theme_path(name: str, beside: Path | None = None) -> Path | None:
    if name in theme_names():
        return THEMES / f"{name}.yaml"
    path = beside / name if beside else Path(name)
    return path if path.suffix and os.path.isfile(path) else None


@dataclass(frozen=True)
class _Reader:
    """Reads the file of a theme, and the one that it extends: it lies in or below `home`."""

    home: Path
    sink: Sink
    texts: dict[str, str]

    def read(self, path: Path, chain: tuple[Path, ...]) -> Source | None:
        """A theme with what it extends; `chain` are the files that led here."""
        text = read_text(str(path), Limits(), self.sink)
        source = parse(text, str(path), self.sink) if text is not None else None
        self.texts[str(path)] = text or ""
        if source is None:
            return None
        if not isinstance(source.data, dict):
            message = f"a theme is a mapping, this document is {kind_of(source.data)}"
            self.sink.error("E0104", message, source.at().span)
            return None
        if "extends" not in source.data:
            return source
        place, chain = source.at("extends"), (*chain, path.resolve())
        target = self.target(source.data.pop("extends"), place, path.parent, chain)
        base = self.read(target, chain) if target is not None else None
        return base and _over(base, source)

    def target(self, name: Any, place: Place, beside: Path, chain: tuple[Path, ...]) -> Path | None:
        """The file that a theme extends, if it can be used."""
        if not isinstance(name, str):
            message = f"extends must be the name of a theme, or a file, not {kind_of(name)}"
            self.sink.error("E0203", message, place.span)
            return None
        target = _theme_path(name, beside)
        if target is None:
            message = f"there is no theme `{name}`, nor a file of that name"
            self.sink.error("E0210", message, place.span, help=did_you_mean(name, theme_names()))
        elif not any(target.resolve().is_relative_to(one) for one in (self.home, THEMES.resolve())):
            message = f"{name} lies outside {self.home}, the folder of the theme that is read"
            self.sink.error("E0210", message, place.span)
            return None
        elif len(chain) > DEPTH:
            message = f"more than {DEPTH} themes extend one another"
            self.sink.error("E0106", message, place.span)
            return None
        elif target.resolve() in chain:
            message = f"extends goes round in a circle: {name} leads back here"
            self.sink.error("E0210", message, place.span)
            return None
        return target


def _over(base: Source, theme: Source) -> Source:
    """A theme over the one that it extends; every span stays in its file."""
    spans, keys = {**base.spans, **theme.spans}, {**base.keys, **theme.keys}
    return Source(theme.name, theme.text, _merged(base.data, theme.data), spans, keys)


def _merged(under: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """Mappings merged entry by entry."""
    merged = dict(under)
    for name, value in data.items():
        old = under.get(name)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[name] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return merged
