"""What a spec says must come out, held against what does."""

import re
from decimal import Decimal
from typing import Any

from archdsl.analysis.cost import analyze
from archdsl.diagnostics import Sink
from archdsl.graph import Graph
from archdsl.source import Place
from archdsl.syntax import Document

_QUANTITY = re.compile(r"(\d[\d_]*(?:\.\d+)?) ?([KMG]?)")
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}


def expectations(document: Document, graph: Graph, sink: Sink) -> None:
    """Reports where the graph is not what the document's `expect` says.

    `25_557_032` is exact; `25.6M` is held to its digits: it stands for 25.55 to 25.65 million.
    `output` is the shape of the one result. A spec that was changed from outside expects nothing.
    """
    expect, place = document.form.expect, document.file.source.at("expect")
    if expect is None:
        return
    total = analyze(graph).total
    _check_quantity("params", expect.params, total.parameters, place / "params", sink)
    _check_quantity("macs", expect.macs, total.macs, place / "macs", sink)
    if expect.output is not None:
        shapes = [list(graph.spec(id).shape) for id in graph.outputs.values()]
        if shapes != [expect.output]:
            found = ", ".join(map(str, shapes))
            message = f"output is {found}, expected {expect.output}"
            sink.error("E0601", message, (place / "output").span)


def _check_quantity(name: str, raw: Any, found: int, place: Place, sink: Sink) -> None:
    if raw is None:
        return
    written = _QUANTITY.fullmatch(str(raw))
    if written is None:
        message = f"{name} must be a number, like 25_557_032 or 4.09G"
        help = f"write {name}: {found} or {name}: {_rounded(found)}"
        sink.error("E0203", message, place.span, help=help)
        return
    digits, unit = written[1].replace("_", ""), _UNITS[written[2]]
    last_digit = Decimal(unit) / 10 ** len(digits.partition(".")[2])  # what it stands for
    slack = last_digit / 2 if unit > 1 else 0
    if abs(found - Decimal(digits) * unit) > slack:
        difference = int(found - Decimal(digits) * unit)
        help = f"{abs(difference):,} too {'many' if difference > 0 else 'few'}"
        sink.error("E0601", f"{name} is {found:,}, expected {raw}", place.span, help=help)


def _rounded(number: int) -> str:
    """`25.6M`."""
    unit = next((unit for unit in "GMK" if number >= _UNITS[unit]), "")
    return f"{number / _UNITS[unit]:.3g}{unit}"
