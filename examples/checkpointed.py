"""What a dense net keeps to learn from, and what it keeps where its layers are computed again.

    python examples/checkpointed.py           # a minute and some gigabytes

A layer of a dense net reads all maps before it, so that what autograd keeps grows with the square
of the depth; computed again in the backward pass it keeps them once (Pleiss et al. 2017,
Memory-Efficient Implementation of DenseNets). One training step of every net is run in a process of
its own, whose peak of memory is asked of the system (Linux, macOS). Writes
results/checkpointed.json, of which `python docs/claims.py` makes a table of docs/claims.md, beside
what `archdsl summary` says.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import torch

import archdsl
from archdsl.graph.graph import Graph

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "checkpointed.json"
DEPTHS = {121: [6, 12, 24, 16], 169: [6, 12, 32, 32], 201: [6, 12, 48, 32]}
SPECS = {"kept": "densenet121", "computed again": str(HERE / "specs/densenet_checkpointed.yaml")}
BATCH = 16


def net(kind: str, depth: int) -> Graph:
    return archdsl.load(SPECS[kind], params={"layers": DEPTHS[depth]})


def peak() -> int:
    """The most bytes that this process has held."""
    return getrusage(RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def step(kind: str, depth: int) -> dict[str, float]:
    """The bytes by which one step of training raises the peak of this process, and its seconds."""
    module = archdsl.compile(net(kind, depth)).train()
    module(torch.randn(2, 3, 32, 32)).sum().backward()  # all gradients are there, all code is read
    images, before = torch.randn(BATCH, 3, 224, 224), peak()
    began = time.perf_counter()
    module(images).sum().backward()
    return {"bytes": peak() - before, "seconds": time.perf_counter() - began}


def main() -> None:
    found = []
    for depth in DEPTHS:
        for kind in SPECS:
            call = [sys.executable, __file__, kind, str(depth)]
            said = subprocess.run(call, check=True, capture_output=True, text=True).stdout
            found.append({"kind": kind, "depth": depth, **json.loads(said)})
            print(found[-1], flush=True)
    RESULTS.write_text(json.dumps({"batch": BATCH, "steps": found}, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(step(sys.argv[1], int(sys.argv[2]))))
    else:
        main()
