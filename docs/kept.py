"""What scripts find out of one network after another: kept in files, so that they go on.

A file has `versions` of packages and `networks`, whose rows are written one by one; what has a row
is passed over unless it is named.
"""

import contextlib
import json
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import archdsl

SIDES = (64, 96, 128, 188, 224)  # pixels of an image, for those that take more


def keep(
    path: Path,
    names: Sequence[str],
    asked: Sequence[str],
    tried: Callable[[str], Any],
    packages: Sequence[str],
    order: Callable[[Sequence[str]], Sequence[str]] = list,
) -> None:
    """Writes a row of every network that is asked for, else of all that have none.

    Rows stand in the order of `names`; `order` is that in which they are made.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else '{"networks": {}}'
    data = json.loads(text)
    rows = data["networks"]
    for name in order(asked or [name for name in names if name not in rows]):
        rows[name] = tried(name)
        data["versions"] = {package: metadata.version(package) for package in packages}
        data["networks"] = {name: rows[name] for name in names if name in rows}
        path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def smallest(graph: archdsl.Graph) -> archdsl.Graph:
    """The network of a graph for the smallest image with which it has the same weights."""
    if len(graph.inputs) > 1 or len(graph.input.spatial) != 2:
        return graph
    for side in SIDES:
        if side >= min(graph.input.spatial):
            break
        with contextlib.suppress(archdsl.SpecError):
            smaller = archdsl.load(graph.name, input=[graph.input.channels, side, side])
            if smaller.state == graph.state:
                return smaller
    return graph
