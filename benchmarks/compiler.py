"""What the compiler costs, side by side with what people use instead, in one run.

    python benchmarks/compiler.py [--runs 7]

Needs the extra `bench`. Prints four tables in Markdown: checking a spec from a cold start and in a
running process, elaboration per node as networks grow, and construction and forward time of the
emitted module against torchvision's class. A process elaborates a block of the library once for
all specs, as an editor does, so a running one is measured with such blocks and without. Machines
are noisy: read the ratios, which compare medians of runs that took turns.
"""

import argparse
import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import archdsl
from archdsl.analysis.cost import analyze
from archdsl.diagnostics.sink import Sink
from archdsl.elaborate.document import elaborate
from archdsl.elaborate.replay import COMMON
from archdsl.graph.graph import Graph
from archdsl.language.gallery import find
from archdsl.language.loader import Loader
from archdsl.yaml.limits import Limits

NETWORKS = ("resnet50", "googlenet", "densenet121", "mobilenet_v2", "efficientnet_b0")
WIDE = Limits(items=10**7, nodes=10**7, connections=10**7, parameters=10**15)

DEEP = """
archdsl: 1
name: deep
input: [3, 32, 32]
defaults: {{conv: {{bias: false}}}}
blocks:
  unit:
    params: {{inner: int}}
    residual:
      body:
        bn1: batch_norm
        relu1: relu
        conv1: {{conv: {{out: inner, kernel: 1}}}}
        bn2: batch_norm
        relu2: relu
        conv2: {{conv: {{kernel: 3}}}}
        bn3: batch_norm
        relu3: relu
        conv3: {{conv: {{out: 64, kernel: 1}}}}
backbone:
  conv1: {{conv: {{out: 64, kernel: 3}}}}
  stage: {{unit: {{inner: {inner}}}, repeat: {count}}}
head: [global_avg_pool, flatten, {{linear: {{out: 10}}}}]
"""


def in_turns(runs: int, *actions: Callable[[], object]) -> list[float]:
    """The median seconds of each action, run one after another in turns after one warm-up."""
    for action in actions:
        action()
    times: list[list[float]] = [[] for _ in actions]
    for _ in range(runs):
        for taken, action in zip(times, actions, strict=True):
            gc.collect()
            start = time.perf_counter()
            action()
            taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in times]


def table(title: str, head: list[str], rows: list[list[str]]) -> None:
    """One Markdown table."""
    print(f"\n{title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def process(*arguments: str) -> Callable[[], object]:
    """Running Python with these arguments in a process of its own.

    The first run leaves bytecode, which an installed package has from the start.
    """
    bytecode = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, *arguments]
    return lambda: subprocess.run(command, check=True, capture_output=True, env=bytecode)


def cold(runs: int) -> None:
    """A whole process: checking a spec, against importing and building with torchvision."""
    build = "from torchvision.models import resnet50\n"
    others = {
        "`import torch`": "import torch",
        "torchvision: `resnet50()`": build + "resnet50()",
        "torchinfo: `summary(resnet50())`": (
            f"from torchinfo import summary\n{build}"
            "summary(resnet50(), (1, 3, 224, 224), verbose=0)"
        ),
        "torchvision, meta device": f"import torch\n{build}with torch.device('meta'): resnet50()",
    }
    check = process("-m", "archdsl", "check", str(find("resnet50")))
    mine, *theirs = in_turns(runs, check, *(process("-c", code) for code in others.values()))
    rows = [["`archdsl check resnet50.yaml`", f"{mine * 1e3:.0f} ms", "1"]]
    for name, taken in zip(others, theirs, strict=True):
        rows.append([name, f"{taken * 1e3:.0f} ms", f"{taken / mine:.1f}"])
    table("Cold: one process", ["what", "median", "times ours"], rows)


def graph_of(text_or_path: str, from_text: bool = False) -> Graph:
    """A spec from its text to its graph; of others only blocks of the library are kept."""
    loader = Loader(Sink())
    document = loader.loads(text_or_path) if from_text else loader.load(text_or_path)
    assert document is not None
    graph = elaborate(document, loader.sink)
    assert graph is not None
    return graph


def constructor(name: str) -> object:
    """torchvision's network on the meta device, with the parts that ours has."""
    import torch
    from torchvision import models

    plain = {"init_weights": False, "transform_input": False}
    with torch.device("meta"):
        return getattr(models, name)(**(plain if name == "googlenet" else {}))


def first(path: str) -> object:
    """A network, and no block of the library was elaborated before."""
    COMMON.clear()
    return analyze(graph_of(path))


def warm(runs: int) -> None:
    """In a running process: text to graph and costs, against building a module without weights."""
    rows = []
    for name in NETWORKS:
        path = str(find(name))
        new, again, theirs = in_turns(
            runs,
            lambda path=path: first(path),
            lambda path=path: analyze(graph_of(path)),
            lambda name=name: constructor(name),
        )
        times = [f"{taken * 1e3:.1f} ms" for taken in (theirs, new, again)]
        rows.append([name, *times, f"{theirs / new:.1f}", f"{theirs / again:.1f}"])
    head = ["network", "torchvision, meta device", "the first time", "again", "times ours", "again"]
    table("Warm: from the text of the spec each time, to its graph and costs", head, rows)


def growth(runs: int) -> None:
    """Elaboration per node: where all blocks are alike (replayed), and where all differ."""
    rows = []
    for count in (16, 333, 3_333, 11_111):
        row = []
        for inner in ("16", "16 + i"):
            loader = Loader(Sink())
            document = loader.loads(DEEP.format(count=count, inner=inner))
            assert document is not None
            graph = elaborate(document, loader.sink, WIDE)
            assert graph is not None
            (taken,) = in_turns(runs, lambda document=document: elaborate(document, Sink(), WIDE))
            row.append(f"{taken / len(graph.nodes) * 1e6:.1f} us")
        rows.append([f"{3 * count + 2:,}", f"{len(graph.nodes):,}", *row])
    head = ["weighted layers", "nodes", "per node, blocks alike", "per node, blocks all different"]
    table("Growth", head, rows)


def modules(runs: int) -> None:
    """Construction and forward time of the emitted module against torchvision's class."""
    import torch
    from torchvision import models

    rows = []
    for name in NETWORKS:
        graph = archdsl.load(name)
        plain = {"init_weights": False, "transform_input": False}
        theirs = getattr(models, name)(**(plain if name == "googlenet" else {})).eval()
        ours = archdsl.compile(graph).eval()
        ours.load_state_dict(theirs.state_dict())
        image = torch.randn(1, *graph.input.shape)
        network = type(ours)

        def mine(network: type = network) -> object:
            with torch.device("meta"):
                return network()

        build, build_theirs = in_turns(runs, mine, lambda name=name: constructor(name))
        with torch.inference_mode():
            run, run_theirs = in_turns(
                3 * runs,
                lambda ours=ours, image=image: ours(image),
                lambda theirs=theirs, image=image: theirs(image),
            )
        rows.append(
            [
                name,
                f"{build * 1e3:.1f} / {build_theirs * 1e3:.1f} ms = {build / build_theirs:.2f}",
                f"{run * 1e3:.0f} / {run_theirs * 1e3:.0f} ms = {run / run_theirs:.2f}",
            ]
        )
    head = ["network", "construction (meta), ours / torchvision", "forward, ours / torchvision"]
    table("Modules", head, rows)


def main() -> None:
    """Runs all measurements."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=7, help="runs of each measurement (default 7)")
    runs = parser.parse_args().runs
    cold(runs)
    warm(runs)
    growth(runs)
    modules(runs)


if __name__ == "__main__":
    main()
