"""How long networks take by several engines, as text or JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from archdsl.expressions.numbers import quantity
from archdsl.tables.text import aligned

if TYPE_CHECKING:
    from archdsl.speed.benchmark import Benchmark, Timed

HEADINGS = ("", "ms", "spread", "ratio", "of matrix rate", "memory")


def text(benchmarks: "Sequence[Benchmark]") -> str:
    """A table for every network and number of images, and why rows are not there."""
    parts = []
    for one in benchmarks:
        rows = [HEADINGS, *(row(timed) for timed in one.rows)]
        lines = [title(one), "", *(aligned(rows, "lrrrrr") if one.rows else ["nothing could run"])]
        lines += [f"not run: {way}: {why}" for way, why in one.failed.items()]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def title(one: "Benchmark") -> str:
    """What was measured, and how fast the machine was."""
    images = f"{one.images} image{'s' if one.images > 1 else ''}"
    threads = f"{one.threads} thread{'s' if one.threads > 1 else ''}"
    rate = f"matrices at {one.rate / 1e9:.0f} GFLOP/s"
    load = "load {:.1f} to {:.1f}".format(*one.load)
    turns = f"{one.turns} turn{'s' if one.turns > 1 else ''}"
    macs = quantity(one.macs * one.images)
    return f"{one.network}, {images}, {macs} MACs; {rate}, {threads}, {turns}, {load}"


def row(timed: "Timed") -> tuple[str, ...]:
    """The cells of a row."""
    return (
        timed.title,
        f"{1000 * timed.seconds:.2f}",
        f"{100 * timed.spread:.0f}%",
        f"{timed.ratio:.2f}",
        f"{100 * timed.share:.0f}%",
        "" if timed.memory is None else f"{timed.memory / 1e6:.0f} MB",
    )


def to_json(benchmarks: "Sequence[Benchmark]") -> str:
    """All numbers: seconds, shares as parts of one, bytes."""
    return json.dumps([asdict(one) for one in benchmarks], indent=1) + "\n"
