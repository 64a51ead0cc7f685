"""Specs to figures to files: themes are found, kinds drawn, suffixes choose the format."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from archdsl.diagnostics import Sink, UsageError, did_you_mean
from archdsl.files import make_folder, replacing
from archdsl.graph import Graph
from archdsl.renderers.figure import Picture, picture
from archdsl.renderers.options import WIDTHS, Options
from archdsl.renderers.pdf import pdf
from archdsl.renderers.png import DPI, png
from archdsl.renderers.svg import svg
from archdsl.renderers.theme import Theme, theme_from
from archdsl.renderers.tikz import tikz

THEMES = Path(__file__).parent / "renderers" / "themes"
DEPTH = 8  # themes that extend one another


@dataclass(frozen=True)
class Figure:
    """A drawn figure: shows itself in a notebook, and saves itself in the format of a suffix."""

    picture: Picture

    @property
    def caption(self) -> str:
        """A draft of the caption, in plain text."""
        return self.picture.caption

    @property
    def description(self) -> str:
        """Alternative text: what one sees."""
        return self.picture.description

    def formats(self) -> tuple[str, ...]:
        """The suffixes that this kind of figure can be saved with."""
        return (*self.picture.texts, *(FORMATS if self.picture.draw else ()))

    def render(self, suffix: str, text: str = "live", dpi: int = DPI) -> bytes:
        """The bytes of a file with this suffix (`.svg`); raises UsageError if there is none such.

        `text` is how an SVG holds its text: live, embedded (with its fonts) or outlines.
        """
        if suffix in self.picture.texts:
            return self.picture.texts[suffix]().encode()
        self.expect(suffix)
        scene = self.picture.scene
        assert scene is not None
        if suffix == ".svg":
            return svg(scene, text).encode()
        if suffix == ".png":
            return png(scene, dpi)
        return FORMATS[suffix](scene)

    def expect(self, suffix: str) -> None:
        """Raises UsageError if this kind of figure is not written with a suffix."""
        if suffix not in self.formats():
            known = ", ".join(self.formats())
            wrong = f"cannot be written as `{suffix}`, only" if suffix else "needs a suffix:"
            raise UsageError(f"a figure of this kind {wrong} {known}")

    def save(self, path: str | Path, text: str = "live", dpi: int = DPI) -> None:
        """Writes the file, whole or not at all; the suffix chooses svg, pdf, png or tex.

        The folder is made if there is none.
        """
        path = Path(path)
        data = self.render(path.suffix.lower(), text, dpi)
        make_folder(path.parent)
        with replacing(path) as aside, open(aside, "xb") as file:
            file.write(data)

    def _repr_svg_(self) -> str | None:
        scene = self.picture.scene
        return svg(scene, "outlines") if scene else None

    def _repr_html_(self) -> str | None:
        write = self.picture.texts.get(".html")
        return write() if write else None


FORMATS: dict[str, Callable[[Any], bytes]] = {
    ".svg": lambda scene: svg(scene).encode(),
    ".pdf": pdf,
    ".png": png,
    ".tex": lambda scene: tikz(scene).encode(),
}


def draw(
    graphs: Sequence[Graph],
    kind: str = "hero",
    options: Options | None = None,
    theme: str | Path = "paper",
) -> Figure:
    """A figure of networks; raises UsageError if it cannot be drawn as asked."""
    return Figure(picture(graphs, kind, options or Options(), load_theme(theme)))


def hero(graph: Graph) -> Figure:
    """The hero figure, as narrow as papers set it and the network fits, else as wide as two pages.

    Raises UsageError if it fits none.
    """
    for width in (WIDTHS["neurips"], WIDTHS["double"]):
        with suppress(UsageError):
            return draw([graph], "hero", Options(width))
    return draw([graph], "hero", Options(2 * WIDTHS["double"]))


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
    from archdsl.report import concise
    from archdsl.source import parse

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
