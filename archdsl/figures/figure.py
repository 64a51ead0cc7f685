"""A drawn figure and its files: the suffix chooses the format."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.files import make_folder, replacing
from archdsl.diagnostics.packages import require
from archdsl.figures.canvas.drawio import drawio
from archdsl.figures.canvas.pdf import pdf
from archdsl.figures.canvas.png import DPI, png
from archdsl.figures.canvas.scene import Omission, Scene, not_drawn
from archdsl.figures.canvas.slides import slides
from archdsl.figures.canvas.svg import svg
from archdsl.figures.canvas.tikz import tikz
from archdsl.figures.paper import Paper, save_entries


@dataclass(frozen=True)
class Figure:
    """A drawn figure: shows itself in a notebook, and saves itself in the format of a suffix.

    `caption` is a draft of one, in plain text, `description` alternative text: what one sees, and
    `omissions` what one does not, which both say, too; `texts` write it as text, by suffix; `draw`
    makes the scene, where it is a picture; `paper` is what its .tex has besides, and it has then no
    other format.
    """

    caption: str
    description: str
    omissions: tuple[Omission, ...]
    texts: Mapping[str, Callable[[], str]]
    draw: Callable[[], Scene] | None
    paper: Paper | None = None

    @property
    def left_out(self) -> str:
        """`Not drawn: conv1, batch norm, relu.`, or nothing."""
        return not_drawn(self.omissions)

    @cached_property
    def scene(self) -> Scene | None:
        """The drawing; a kind that can do without one (`graph` as text) makes it when asked."""
        return self.draw() if self.draw else None

    def formats(self) -> tuple[str, ...]:
        """The suffixes that this kind of figure can be saved with."""
        return (".tex",) if self.paper else (*self.texts, *(FORMATS if self.draw else ()))

    def render(self, suffix: str, text: str = "live", dpi: int = DPI) -> bytes:
        """The bytes of a file with this suffix (`.svg`); raises UsageError if there is none such.

        `text` is how an SVG holds its text: live, embedded (with its fonts) or outlines.
        """
        self.expect(suffix)
        if self.paper and self.scene:
            return tikz(self.scene, self.paper.frame).encode()
        if suffix in self.texts:
            return self.texts[suffix]().encode()
        scene = self.scene
        assert scene is not None
        if suffix == ".svg":
            return svg(scene, text).encode()
        if suffix == ".png":
            return png(scene, dpi)
        return FORMATS[suffix](scene)

    def expect(self, suffix: str) -> None:
        """Raises UsageError if this kind of figure is not written with a suffix."""
        if self.paper and suffix != ".tex":
            found = suffix or "a file without a suffix"
            raise UsageError(f"{self.paper.asked} is for .tex alone, not for {found}")
        if suffix not in self.formats():
            known = ", ".join(self.formats())
            wrong = f"cannot be written as `{suffix}`, only" if suffix else "needs a suffix:"
            raise UsageError(f"a figure of this kind {wrong} {known}")
        if suffix in _NEEDED:
            require(f"a {suffix} file", _NEEDED[suffix])

    def save(self, path: str | Path, text: str = "live", dpi: int = DPI) -> None:
        """Writes the file, whole or not at all; the suffix chooses the format.

        The folder is made if there is none. Entries of BibTeX are written beside it.
        """
        path = Path(path)
        data = self.render(path.suffix.lower(), text, dpi)
        make_folder(path.parent)
        for entries in self.beside(path):
            assert self.paper
            save_entries(entries, self.paper.entries)
        with replacing(path) as aside, open(aside, "xb") as file:
            file.write(data)

    def beside(self, path: Path) -> list[Path]:
        """The file of BibTeX that is written with one of TeX, if there is one."""
        return [path.with_suffix(".bib")] if self.paper and self.paper.entries else []

    def _repr_svg_(self) -> str | None:
        return svg(self.scene, "outlines") if self.scene else None

    def _repr_html_(self) -> str | None:
        write = self.texts.get(".html")
        return write() if write and self.draw is None else None


_NEEDED = {".pdf": "reportlab", ".png": "resvg_py", ".dot": "graphviz", ".pptx": "pptx"}

FORMATS: dict[str, Callable[[Any], bytes]] = {
    ".svg": lambda scene: svg(scene).encode(),
    ".pdf": pdf,
    ".png": png,
    ".tex": lambda scene: tikz(scene).encode(),
    ".pptx": slides,
    ".drawio": drawio,
}
