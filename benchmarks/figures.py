"""Figures beside those of other tools: time, size on paper, and how large the text comes out.

    python benchmarks/figures.py [--plotneuralnet CLONE]

Prints three tables in Markdown. The first has the networks that every tool drew: torchview (needs
`dot`) and visualtorch trace torchvision's modules; a tool that is not installed has no row.
PlotNeuralNet is no package: it needs a clone of github.com/HarisIqbal88/PlotNeuralNet and
`pdflatex`, and somebody who places every box. Here its boxes stand in a row, one for each stage,
with the numbers that our description has. `text` is the size in points of the smallest letters once
the picture is small enough for a page of text of 5.5 by 9 inches. The second has, for each kind,
how many ms of a core the slowest network takes from a graph to SVG. The third has how
long after a spec is saved `archdsl draw --watch` has written the figure anew.
"""

import argparse
import io
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import archdsl
from archdsl import UsageError
from archdsl.figures.canvas.scene import Text
from archdsl.figures.draw import PICTURES
from archdsl.figures.network.description import describe
from archdsl.figures.network.units import resolution
from archdsl.language import gallery

NETWORKS = ("resnet50", "googlenet", "densenet121")
OURS = ("hero", "strip", "block", "columns")
PAGE = 5.5, 9.0  # inches of text on a page
SCREEN = 96  # dots per inch of pictures that do not say
ROUNDS = 3
SAVES = 15


@dataclass(frozen=True)
class Picture:
    """Inches, bytes, and the size in points of the smallest text, None without text."""

    width: float
    height: float
    size: int
    text: float | None

    @property
    def printed(self) -> str:
        """The size of the text on a page that the picture is made to fit."""
        if self.text is None:
            return "no text"
        return f"{self.text * min(1, PAGE[0] / self.width, PAGE[1] / self.height):.1f}"


Draw = Callable[[], Picture]


def ours(name: str, kind: str) -> Draw:
    """From a spec that is read to the text of an SVG."""
    graph = archdsl.load(name)

    def draw() -> Picture:
        figure = archdsl.draw(graph, kind=kind)
        svg, scene = figure.render(".svg"), figure.scene
        assert scene is not None
        smallest = min(item.size for item in scene.flat() if isinstance(item, Text))
        return Picture(scene.width / 72, scene.height / 72, len(svg), smallest)

    return draw


def model(name: str) -> Any:
    """Torchvision's module."""
    import torchvision

    options = {"init_weights": False} if name == "googlenet" else {}
    return getattr(torchvision.models, name)(weights=None, **options).eval()


def torchview(name: str) -> Draw:
    """Every module and tensor, as SVG by Graphviz."""
    import torch
    from torchview import draw_graph

    module = model(name)

    def draw() -> Picture:
        with torch.inference_mode(), tempfile.TemporaryDirectory() as folder:
            drawn = draw_graph(module, input_size=(1, 3, 224, 224), device="cpu")
            path = Path(drawn.visual_graph.render(directory=folder, format="svg"))
            svg = path.read_text()
        sizes = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', svg)
        scale = re.search(r"scale\(([\d.]+)", svg)
        assert sizes is not None and scale is not None
        smallest = min(map(float, re.findall(r'font-size="([\d.]+)"', svg)))
        width, height = (float(size) / 72 for size in sizes.groups())
        return Picture(width, height, len(svg), smallest * float(scale[1]))

    return draw


def visualtorch(name: str) -> Draw:
    """Boxes in a row, as PNG; with the legend and the sizes that it writes if asked."""
    import visualtorch as tool
    from PIL import ImageFont

    module, font = model(name), ImageFont.load_default()

    def draw() -> Picture:
        options = {"style": "flow", "legend": True, "show_dimension": True, "font": font}
        image, file = tool.render(module, (1, 3, 224, 224), **options), io.BytesIO()
        image.save(file, "png")
        width, height = (pixels / SCREEN for pixels in image.size)
        return Picture(width, height, len(file.getvalue()), font.size * 72 / SCREEN)

    return draw


def plotneuralnet(name: str, clone: Path) -> Draw:
    """A box for every stage, one beside the other, as PDF."""
    import pypdf

    sys.path.insert(0, str(clone))
    from pycore import tikzeng

    graph = archdsl.load(name)

    def draw() -> Picture:
        boxes, to = [], "(0,0,0)"
        for number, stage in enumerate(describe(graph).stages):
            side, id = resolution(stage.output), f"s{number}"
            boxes.append(
                tikzeng.to_Conv(
                    id, round(side), stage.output.channels, offset="(2,0,0)", to=to,
                    width=max(1, stage.output.channels / 128), height=max(2, side / 4),
                    depth=max(2, side / 4), caption=stage.name.replace("_", r"\_"),
                )
            )  # fmt: skip
            to = f"({id}-east)"
        body = tikzeng.to_begin().replace(r"\begin{document}", "")
        page = (
            r"\documentclass{article}\usepackage{tikz}\pagestyle{empty}\input{init}"
            rf"\usetikzlibrary{{3d}}{tikzeng.to_cor()}\begin{{document}}\setbox0=\hbox{{{body}"
            rf"{''.join(boxes)}\end{{tikzpicture}}}}\hoffset-1in\voffset-1in\topskip0pt"
            r"\pdfpagewidth\wd0\pdfpageheight\ht0\shipout\box0\end{document}"
        )
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "page.tex").write_text(page)
            subprocess.run(
                ["pdflatex", "-interaction=batchmode", "page.tex"], cwd=folder, check=True,
                env={**os.environ, "TEXINPUTS": f"{clone / 'layers'}:"}, capture_output=True,
            )  # fmt: skip
            pdf = (Path(folder) / "page.pdf").read_bytes()
        sheet = pypdf.PdfReader(io.BytesIO(pdf)).pages[0]
        sizes: list[float] = []
        sheet.extract_text(
            visitor_text=lambda text, cm, tm, font, size: text.strip() and sizes.append(size)
        )
        width, height = float(sheet.mediabox.width) / 72, float(sheet.mediabox.height) / 72
        return Picture(width, height, len(pdf), min(sizes))

    return draw


def drawings(clone: Path | None) -> Iterator[tuple[str, str, Draw]]:
    """Network, tool, and what draws it, for every tool that is there."""
    for name in NETWORKS:
        for kind in OURS:
            yield name, f"archdsl {kind}", ours(name, kind)
        for tool in (torchview, visualtorch):
            try:
                yield name, tool.__name__, tool(name)
            except ImportError as error:
                print(f"no {tool.__name__}: {error}", file=sys.stderr)
        if clone:
            yield name, "PlotNeuralNet, by hand", plotneuralnet(name, clone)


def best(
    draw: Callable[[], Any], clock: Callable[[], float] = time.perf_counter
) -> tuple[float, Any]:
    """The least seconds of some rounds, and what came out."""
    times = []
    for _ in range(ROUNDS):
        started = clock()
        result = draw()
        times.append(clock() - started)
    return min(times), result


def slowest(kinds: Sequence[str]) -> dict[str, tuple[float, str]]:
    """Seconds of a core from a graph to SVG for each kind, and of which network of the gallery."""
    found = dict.fromkeys(kinds, (0.0, ""))
    for name in gallery.names():
        graph = archdsl.load(name)
        for kind in kinds:
            figure = partial(archdsl.draw, graph, kind=kind, width="double")
            with suppress(UsageError):  # this kind does not suit it
                seconds, _ = best(lambda: figure().render(".svg"), time.process_time)  # noqa: B023
                found[kind] = max(found[kind], (seconds, name))
    return found


def watched(name: str) -> list[float]:
    """Seconds from every save of a spec until its new figure is there."""
    with tempfile.TemporaryDirectory() as folder:
        spec, aside, figure = (Path(folder) / f for f in ("spec.yaml", "aside", "figure.svg"))
        text = Path(gallery.find(name)).read_text(encoding="utf-8")
        spec.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "archdsl", "draw", str(spec), "-o", str(figure), "--watch"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as watch:
            assert watch.stderr is not None
            said = watch.stderr.readline()
            assert said.startswith(b"watching"), said
            times = []
            for number in range(SAVES):
                before = figure.stat().st_mtime_ns
                aside.write_text(f"{text}\n# {number}\n", encoding="utf-8")
                saved = time.perf_counter()
                aside.replace(spec)
                while figure.stat().st_mtime_ns == before:
                    time.sleep(0.001)
                times.append(time.perf_counter() - saved)
                watch.stderr.readline()  # it says how long it took, and waits for the next
            watch.terminate()
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plotneuralnet", type=Path, metavar="CLONE")
    clone = parser.parse_args().plotneuralnet
    print("| network | tool | ms | inches | kB | text, pt |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for name, tool, draw in drawings(clone and clone.resolve()):
        seconds, made = best(draw)
        inches = f"{made.width:.1f} x {made.height:.1f}"
        print(
            f"| {name} | {tool} | {seconds * 1000:.0f} | {inches} | {made.size / 1000:.0f}"
            f" | {made.printed} |"
        )
    print("\n| kind | slowest, ms of a core | of |\n| --- | ---: | --- |")
    kinds = [kind for kind in PICTURES if kind not in ("graph", "scaling", "diff")]
    for kind, (seconds, name) in slowest(kinds).items():
        print(f"| {kind} | {seconds * 1000:.0f} | {name} |")
    print("\n| save to new figure, ms | fastest | median | slowest |\n| --- | ---: | ---: | ---: |")
    for name in NETWORKS:
        times = [1000 * seconds for seconds in watched(name)]
        shown = f"{min(times):.0f} | {statistics.median(times):.0f} | {max(times):.0f}"
        print(f"| {name} | {shown} |")


if __name__ == "__main__":
    main()
