"""Holds random specs to what PyTorch measures: `python -m tests.fuzz.measured OUT --until 5000`.

By number, as `tests.random_specs` draws them: the shape of every node, parameters and buffers,
multiply-accumulates, the peak of inference and what training keeps within 1% of the peak, and on
small ones the receptive field by gradients. OUT gets a line of JSON for each number, with what
PyTorch measured; a run goes on where an earlier one stopped. `--again` judges the memory of the
lines that are there once more, by the model as it is now; it runs nothing.
"""

import argparse
import contextlib
import io
import json
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import archdsl
from archdsl.analysis.memory import memory
from archdsl.graph.graph import Graph
from tests.allocations import peak_of_inference, saved_by_training
from tests.analysis import test_fields_by_gradients as fields
from tests.fuzz.legal import SIZES, forget
from tests.interpret import run
from tests.random_specs import spec

WITHIN = 0.01  # of the peak
SMALL = 14  # nodes of a network whose field gradients are asked for
FUSED = {
    "attention", "window_attention", "cosine_window_attention", "relative_attention",
    "pooled_attention",
}  # fmt: skip
DIVIDING = {"softmax", "normalize", "layer_norm", "rms_norm", "instance_norm"}
Record = dict[str, Any]


def network(number: int) -> Graph:
    document, _ = spec(number, 1 + number % SIZES)
    return archdsl.loads(yaml.safe_dump(document, sort_keys=False))


def kind(graph: Graph) -> str:
    """Of what kind a network is, for its memory: kernels differ, and what is computed again."""
    verbs = {node.op.verb for node in graph.nodes}
    if any(graph.regions(node) for node in graph.nodes):
        return "recomputed"  # tests/elaborate/test_checkpoint.py
    return "fused" if verbs & FUSED else "matmul" if "matmul" in verbs else "plain"


def judged(number: int) -> Record:
    """What PyTorch measures of a network, and what of that is otherwise than said."""
    record: Record = {"number": number, "failed": {}}
    start = time.process_time()
    try:
        graph = network(number)
        record |= {"nodes": len(graph.nodes), "kind": kind(graph)}
        with torch.device("meta"):
            told = static(graph)
        record["failed"] |= {what: why for what, why in told.items() if why}
        if record["kind"] in ("plain", "matmul"):
            record |= taken(graph)
        if asked(graph):
            record["field"] = True
            record["failed"] |= field(graph)
    except Exception:
        record["failed"]["run"] = traceback.format_exc()
    finally:
        forget()
    return record | {"seconds": round(time.process_time() - start, 3)}


def static(graph: Graph) -> dict[str, str]:
    """Shapes, parameters and MACs, where nothing is computed: what differs, by what it is."""
    module, total = archdsl.compile(graph).eval(), archdsl.analyze(graph).total
    built = graph.select(graph.outputs, graph.aux)
    images = [torch.zeros(2, *x.shape) for x in graph.inputs.values()]
    with torch.no_grad():
        values = run(built, dict(module.state_dict()), *images).values
        with FlopCounterMode(display=False) as counter, sdpa_kernel([SDPBackend.MATH]):
            given = module(*(x[:1] for x in images))
    wrong = [n.id for n in built.nodes if tuple(values[n.id].shape[1:]) != n.output.shape]
    outputs = given if isinstance(given, Mapping) else {"": given}
    said = {name: graph.spec(id).shape for name, id in graph.outputs.items()}
    wrong += [name for name, x in outputs.items() if tuple(x.shape[1:]) != said[name]]
    numbers = {
        "parameters": (total.parameters, sum(p.numel() for p in module.parameters())),
        "buffers": (total.buffers, sum(b.numel() for b in module.buffers())),
        "macs": (total.macs, counter.get_total_flops() / 2),
    }
    found = {what: f"{a}, not {b}" if a != b else "" for what, (a, b) in numbers.items()}
    return {"shapes": ", ".join(wrong), **found}


def taken(graph: Graph) -> Record:
    """What PyTorch allocates for two images."""
    module = archdsl.compile(graph)
    images = [torch.randn(2, *x.shape) for x in graph.inputs.values()]
    peak = peak_of_inference(module, *images)
    return {"peak": peak, "saved": saved_by_training(module, *images)}


def off(record: Record) -> float:
    """By which part of the peak the memory is off, by what the model says now."""
    said = memory(network(record["number"]), batch=2)
    worst = max(abs(said.peak - record["peak"]), abs(said.saved - record["saved"]))
    return float(worst / record["peak"])


def asked(graph: Graph) -> bool:
    """Whether gradients can tell the field: a small network of one map, and maps on the way.

    What an unpooled value is the largest of has no gradient, nor has one number over itself; what
    comes by the lesser weight of a transposed window may never be the largest.
    """
    if not graph.nodes or len(graph.inputs) > 1 or graph.aux or len(graph.nodes) > SMALL:
        return False
    last = graph.nodes[-1]
    if graph.outputs != {"": last.id} or not 0 < last.output.rank == graph.input.rank:
        return False
    verbs = {node.op.verb for node in graph.nodes}
    if "conv_transpose" in verbs and any("max_pool" in verb for verb in verbs):
        return False
    return not any(
        node.op.verb == "max_unpool" or (node.op.verb in DIVIDING and 1 in node.output.shape)
        for node in graph.nodes
    )


def field(graph: Graph) -> dict[str, str]:
    try:
        with contextlib.redirect_stdout(io.StringIO()) as told:
            fields.check(graph)
    except AssertionError:
        return {"field": told.getvalue() + traceback.format_exc(limit=-1)}
    return {}


def report(records: Iterable[Record]) -> bool:
    """Prints what a run found; whether all is as promised."""
    records = [*records]
    seconds = sum(record["seconds"] for record in records)
    print(f"{len(records):,} specs in {seconds:,.0f} s of one core")
    wrong = Counter(what for record in records for what in record["failed"])
    print(f"  shapes, parameters, buffers, macs, field: {dict(wrong) or 'all as PyTorch has it'}")
    print(f"  fields: {sum('field' in record for record in records):,} asked")
    for name in ("plain", "matmul"):
        measured = [r for r in records if r.get("kind") == name and "off" in r]
        beyond = [(r["number"], round(r["off"], 3)) for r in measured if r["off"] > WITHIN]
        print(f"  memory, {name}: {len(beyond)} of {len(measured)} off by over 1%: {beyond[:20]}")
    for record in records:
        for what, why in record["failed"].items():
            print(f"{record['number']} {what}: {why}")
    return not wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path, help="the file of what was measured")
    parser.add_argument("--start", type=int, default=0, help="the first number")
    parser.add_argument("--until", type=int, default=5000, help="the first that is not tried")
    parser.add_argument("--again", action="store_true", help="judges the memory once more")
    arguments = parser.parse_args()
    out: Path = arguments.out
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.backends.mha.set_fastpath_enabled(False)  # the counter does not see into it
    records = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    done = {record["number"] for record in records}
    with out.open("a", encoding="utf-8") as file:
        for number in range(arguments.start, 0 if arguments.again else arguments.until):
            if number not in done:
                records.append(judged(number))
                file.write(json.dumps(records[-1]) + "\n")
                file.flush()
    for record in records:
        if "peak" in record:
            record["off"] = off(record)
    sys.exit(not report(records))


if __name__ == "__main__":
    main()
