"""Specs to figures to files: themes are found, kinds drawn, suffixes choose the format."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archdsl.diagnostics.errors import UsageError
from archdsl.figures.canvas.pdf import pdf
from archdsl.figures.canvas.png import DPI, png
from archdsl.figures.canvas.svg import svg
from archdsl.figures.canvas.theme import load_theme
from archdsl.figures.canvas.tikz import tikz
from archdsl.figures.kinds.every import Picture, picture
from archdsl.figures.options import WIDTHS, Options
from archdsl.files import make_folder, replacing
from archdsl.graph.graph import Graph


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
