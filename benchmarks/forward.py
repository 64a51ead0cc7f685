"""Forward time of emitted modules beside torchvision's, in one run.

    taskset -c 0 python benchmarks/forward.py docs/forward.json [--turns 60]

One image on one thread, in inference. Ours, torchvision's module and a second one of torchvision's
take short turns, in a changing order; measured is the processor's time, and kept the median of the
turns' own ratios with the middle half of them. What torchvision's second module is off from the
first is what the machine adds.
"""

import argparse
import json
import statistics
import time
from itertools import permutations
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision import models

import archdsl

NETWORKS = ("resnet50", "mobilenet_v2", "densenet121", "googlenet", "efficientnet_b0",
            "inception_v3")  # fmt: skip
PLAIN: dict[str, Any] = {"init_weights": False, "transform_input": False}


def of_torchvision(name: str) -> nn.Module:
    """torchvision's network, which gives what ours does in inference."""
    made: nn.Module = getattr(models, name)(
        weights=None, **(PLAIN if name in ("googlenet", "inception_v3") else {})
    )
    return made.eval()


def quartiles(ratios: list[float]) -> list[float]:
    return [round(part, 4) for part in statistics.quantiles(ratios, n=4)]


def measured(name: str, turns: int) -> dict[str, Any]:
    """The times of a network in milliseconds, and the quartiles of ratios of its turns."""
    theirs, again = of_torchvision(name), of_torchvision(name)
    graph = archdsl.load(name)
    ours = archdsl.compile(graph).eval()
    ours.load_state_dict(theirs.state_dict())
    again.load_state_dict(theirs.state_dict())
    image, modules = torch.randn(1, *graph.input.shape), (ours, theirs, again)
    found: list[list[float]] = [[], [], []]
    orders = list(permutations(range(3)))
    with torch.inference_mode():
        for module in modules * 2:
            module(image)
        for turn in range(turns):
            for place in orders[turn % len(orders)]:
                start = time.process_time()
                modules[place](image)
                found[place].append(time.process_time() - start)
    mine, first, second = found
    return {
        "network": name,
        "ours": round(statistics.median(mine) * 1e3, 1),
        "torchvision": round(statistics.median([*first, *second]) * 1e3, 1),
        "ratio": quartiles([2 * a / (b + c) for a, b, c in zip(*found, strict=True)]),
        "noise": quartiles([c / b for b, c in zip(first, second, strict=True)]),
    }


def main() -> None:
    """Runs all measurements and writes them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="what the numbers are written to")
    parser.add_argument("--turns", type=int, default=60, help="turns of a network (default 60)")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in NETWORKS:
        rows.append(measured(name, given.turns))
        print(rows[-1], flush=True)
    said = {"torch": torch.__version__, "turns": given.turns, "networks": rows}
    given.file.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
