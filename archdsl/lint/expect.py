"""What a spec says must come out, held against what does."""

from typing import Any

from archdsl.analysis.cost import analyze
from archdsl.diagnostics.sink import Sink
from archdsl.expressions.numbers import read_quantity, rounded
from archdsl.graph.graph import Graph
from archdsl.language.syntax import Document
from archdsl.yaml.source import Place


def expectations(document: Document, graph: Graph, sink: Sink) -> None:
    """Reports where the graph is not what the document's `expect` says.

    `25_557_032` is exact; `25.6M` is held to its digits: it stands for 25.55 to 25.65 million.
    `output` is the shape of the one result. A spec that was changed from outside expects nothing.
    """
    expect, place = document.form.expect, document.file.source.at("expect")
    if expect is None:
        return
    total = analyze(graph).total
    quantities = {"params": total.parameters, "parameters": total.parameters, "macs": total.macs}
    for name, quantity in quantities.items():
        _check_quantity(name, getattr(expect, name), quantity, place / name, sink)
    if expect.output is not None:
        shapes = [list(graph.spec(id).shape) for id in graph.outputs.values()]
        if shapes != [expect.output]:
            found = ", ".join(map(str, shapes))
            message = f"output is {found}, expected {expect.output}"
            sink.error("E0601", message, (place / "output").span)


def _check_quantity(name: str, raw: Any, found: int, place: Place, sink: Sink) -> None:
    if raw is None:
        return
    written = read_quantity(str(raw))
    if written is None:
        message = f"{name} must be a number, like 25_557_032 or 4.09G"
        forms = dict.fromkeys((f"{found:_}", rounded(found)))
        help = "write " + " or ".join(f"{name}: {form}" for form in forms)
        sink.error("E0203", message, place.span, help=help)
        return
    slack = written.last_digit / 2 if written.last_digit > 1 else 0
    if abs(found - written.value) > slack:
        difference = int(found - written.value)
        help = f"{abs(difference):,} too {'many' if difference > 0 else 'few'}"
        sink.error("E0601", f"{name} is {found:,}, expected {raw}", place.span, help=help)
