"""Analysis side by side with torchinfo, fvcore and PyTorch's flop counter, and static candidates.

    python benchmarks/analysis.py [--runs 3] [--candidates 500]

Needs the extra `bench`. Prints tables in Markdown: a cold process and a running one on the same
networks, the parameters and MACs that each tool counts, and how many networks of EfficientNet's
size are measured per second and where the time goes. Machines are noisy: read the ratios.

The others start from a module that exists and time one run of it, so "from graph" is what compares.
"From text" has what they do not: reading YAML with the place of every value, checking it, and, most
of the time, elaboration: each block once for every shape and arguments that it is given.
"""

import argparse
import time
from collections.abc import Callable
from itertools import product

from compiler import graph_of, in_turns, process, table

from archdsl.analysis.cost import Cost, analyze
from archdsl.analysis.measures import totals
from archdsl.graph.graph import Graph
from archdsl.language.gallery import find
from archdsl.study.candidates import Candidates, Point

NETWORKS = ("resnet50", "densenet121", "mobilenet_v2", "efficientnet_b0")
MAKE = "import torch; from torchvision import models; m = models.{name}().eval()\n"
IMAGE = "x = torch.zeros(1, 3, 224, 224)\n"
TOOLS = {
    "torchinfo": "import torchinfo; s = torchinfo.summary(m, (1, 3, 224, 224), verbose=0)\n"
    "found = s.total_params, s.total_mult_adds\n",
    "fvcore": "from fvcore.nn import FlopCountAnalysis\n"
    + IMAGE
    + "f = FlopCountAnalysis(m, x).unsupported_ops_warnings(False)\n"
    "f.uncalled_modules_warnings(False); found = "
    "sum(p.numel() for p in m.parameters()), int(f.total())\n",
    "torch": "from torch.utils.flop_counter import FlopCounterMode\n"
    + IMAGE
    + "c = FlopCounterMode(display=False)\nwith c, torch.no_grad(): m(x)\n"
    "found = sum(p.numel() for p in m.parameters()), c.get_total_flops() // 2\n",
}


def cold(runs: int) -> None:
    """A whole process: parameters and MACs of one network."""
    rows = []
    for name in NETWORKS[:1] + NETWORKS[-1:]:
        ours = process("-m", "archdsl", "summary", name, "--format", "json")
        theirs = [process("-c", MAKE.format(name=name) + code) for code in TOOLS.values()]
        mine, *others = in_turns(runs, ours, *theirs)
        ratios = [f"{taken / mine:.1f}" for taken in others]
        rows.append([name, f"{mine * 1e3:.0f} ms", *ratios])
    table("Cold: one process, times ours", ["network", "archdsl", *TOOLS], rows)


def warm(runs: int) -> None:
    """A running process: from the text of the spec, or of a graph, against a module that exists."""
    rows, counts = [], []
    for name in NETWORKS:
        path, graph = str(find(name)), graph_of(str(find(name)))
        scope: dict[str, object] = {}
        exec(MAKE.format(name=name), scope)
        theirs = [runner(code, scope) for code in TOOLS.values()]
        text, mine, *others = in_turns(
            runs,
            lambda path=path: everything(graph_of(path)),
            lambda g=graph: everything(g),
            *theirs,
        )
        ratios = [f"{taken / text:.0f} / {taken / mine:.0f}" for taken in others]
        rows.append([name, f"{text * 1e3:.1f} / {mine * 1e3:.1f} ms", *ratios])
        total = analyze(graph).total
        found = [(total.parameters, total.macs)]
        for action in theirs:
            action()
            found.append(scope["found"])  # type: ignore[arg-type]
        counts.append([name, *(f"{parameters:,} / {macs:,}" for parameters, macs in found)])
    head = ["network", "archdsl, from text / from graph", *TOOLS]
    table("Warm: times ours, from text / from graph", head, rows)
    table("Parameters / MACs", ["network", "archdsl", *TOOLS], counts)


def everything(graph: Graph) -> Cost:
    """What every node, every scope and the whole cost."""
    analysis = analyze(graph)
    assert analysis.costs
    return analysis.total


def runner(code: str, scope: dict[str, object]) -> Callable[[], object]:
    compiled = compile(code, "<tool>", "exec")
    return lambda: exec(compiled, scope)


def candidates(count: int) -> None:
    """Networks of EfficientNet's size per second of one core: other widths, and all three rules."""
    rows = []
    for rules in (("width",), ("width", "depth", "resolution")):
        spec, parts = Candidates("efficientnet_b0"), round(count ** (1 / len(rules)))
        spec.graph(Point({}, {}))
        factors = [0.8 + 0.6 * part / parts for part in range(parts)]
        points = [dict(zip(rules, p, strict=True)) for p in product(factors, repeat=len(rules))]
        elaborating = measuring = 0.0
        for point in points:
            start = time.process_time()
            graph = spec.graph(Point(point, {}))
            middle = time.process_time()
            totals(graph, ("parameters", "macs", "activations", "memory"))
            elaborating += middle - start
            measuring += time.process_time() - middle
        whole = elaborating + measuring
        row = [" x ".join(rules), f"{len(points):,}", f"{len(points) / whole:.0f}"]
        row += [f"{elaborating / whole:.0%}", f"{measuring / whole:.0%}"]
        rows.append([*row, f"{10_000 * whole / len(points):.0f} s"])
    head = ["axes", "candidates", "per second and core", "elaboration", "measures"]
    table("Static candidates", [*head, "10,000 on one core"], rows)


def main() -> None:
    """Runs all measurements."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="runs of each measurement (default 3)")
    parser.add_argument("--candidates", type=int, default=500, help="default 500")
    given = parser.parse_args()
    candidates(given.candidates)
    cold(given.runs)
    warm(given.runs)


if __name__ == "__main__":
    main()
