"""How long figures take and how large they are: `python benchmarks/figures.py`.

With torchview and torchvision installed, and `dot` on the path, their drawing of the same networks
stands beside ours.
"""

import re
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import archdsl

NETWORKS = ("resnet50", "googlenet", "densenet121")
KINDS = ("hero", "strip", "block", "columns")
ROUNDS = 5


def ours(name: str, kind: str) -> Callable[[], str]:
    """From a spec that is read to the text of an SVG."""
    graph = archdsl.load(name)
    return lambda: archdsl.draw(graph, kind=kind).render(".svg").decode()


def torchview(name: str) -> Callable[[], str] | None:
    """What torchview draws of torchvision's network, as SVG; None where it is not installed."""
    try:
        import torch
        import torchview
        import torchvision
    except ImportError:
        return None
    if shutil.which("dot") is None:
        return None
    options = {"weights": None} | ({"init_weights": False} if name == "googlenet" else {})
    model = getattr(torchvision.models, name)(**options).eval()

    def draw() -> str:
        with torch.inference_mode():
            drawn = torchview.draw_graph(model, input_size=(1, 3, 224, 224), device="cpu")
        with tempfile.TemporaryDirectory() as folder:
            path = drawn.visual_graph.render(directory=folder, format="svg")
            return Path(path).read_text()

    return draw


def measure(draw: Callable[[], str]) -> str:
    """The best time of some rounds, inches, kilobytes."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        text = draw()
        times.append(time.perf_counter() - started)
    sizes = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', text)
    width, height = (float(size) / 72 for size in sizes.groups()) if sizes else (0.0, 0.0)
    return f"{min(times) * 1000:8.1f} ms {width:7.1f} x {height:6.1f} in {len(text) / 1000:7.1f} kB"


def main() -> None:
    for name in NETWORKS:
        for kind in KINDS:
            print(f"{name:12} archdsl {kind:9} {measure(ours(name, kind))}")
        theirs = torchview(name)
        if theirs is not None:
            print(f"{name:12} torchview         {measure(theirs)}")


if __name__ == "__main__":
    main()
