"""What is allowed and yet most likely not meant: warnings about a spec that is right."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from archdsl.diagnostics.diagnostic import Label, Span
from archdsl.diagnostics.sink import Sink, TooMany
from archdsl.graph.graph import Graph, Node
from archdsl.language.loader import LIBRARY
from archdsl.language.syntax import Document
from archdsl.language.written import Written
from archdsl.lint.unused import Found, unused_blocks, unused_parameters, unused_taps
from archdsl.ops.base import times

UNIT = 8  # channels that the matrix units of GPUs take at a time


class Finding(NamedTuple):
    """One doubtful thing; of several at one place the first is reported."""

    message: str
    span: Span
    labels: tuple[Label, ...]
    help: str


@dataclass(frozen=True)
class Subject:
    """What lints look at: a document, and the graph that it describes."""

    document: Document
    graph: Graph

    def calls(self, node: Node) -> Iterator[Span]:
        """Where a node is written, then the calls that it stands in."""
        places = [node.span, *(scope.span for scope in self.graph.around(node.scope))]
        return (place for place in places if place is not None)

    def finding(self, node: Node, message: str, help: str, *labels: Label) -> Finding:
        """A finding about a node; if it stands in a block of the library, at the call of that."""
        written, *calls = self.calls(node)
        mine = (place for place in (written, *calls) if not place.file.startswith(str(LIBRARY)))
        span = next(mine, written)
        if span != written:
            labels = (Label(written, "this one, in the library"), *labels)
        return Finding(message, span, labels, help)


Lint = Callable[[Subject], Iterable[Finding]]


def lint(document: Document, graph: Graph, codes: Collection[str], sink: Sink) -> None:
    """Reports what the lints of these codes find, and of those that the spec says are `on`.

    Those that the spec says are `off` don't run.
    """
    subject, said = Subject(document, graph), document.form.lint
    asked = (c for c in LINTS if said.get(c, "on" if c in codes else "off") == "on")
    with suppress(TooMany):
        for code in asked:
            _report(code, LINTS[code](subject), sink)


def _report(code: str, found: Iterable[Finding], sink: Sink) -> None:
    """Reports what one lint finds, in the order of the file; of those in one place the first."""
    findings = sorted(found, key=lambda finding: finding.span)
    for span, same in groupby(findings, key=lambda finding: finding.span):
        first, *others = same
        more = f" (and {len(others)} more like it)" if others else ""
        message, labels, help = first.message + more, first.labels, first.help
        sink.error(code, message, span, labels=labels, help=help, severity="warning")


# lints of graphs


def _bias_before_batch_norm(subject: Subject) -> Iterator[Finding]:
    """Batch norm takes the mean of every channel away, and with it a bias."""
    graph = subject.graph
    users = _users(graph)
    for norm in graph.nodes:
        before = graph.by_id.get(norm.inputs[0])
        if norm.op.verb != "batch_norm" or before is None or users[before.id] != [norm.id]:
            continue
        if before.cost.macs and getattr(before.op, "bias", False):
            message = f"the bias of {before.id} does nothing: batch norm follows"
            help = "write `bias: false`, or for all of them `defaults: {conv: {bias: false}}`"
            labels = [Label(norm.span, "takes every channel's mean away")] if norm.span else []
            yield subject.finding(before, message, help, *labels)


def _stride_in_1x1(subject: Subject) -> Iterator[Finding]:
    for node in subject.graph.nodes:
        op: Any = node.op
        if op.verb == "conv" and set(op.kernel) == {1} and set(op.stride) != {1}:
            (x,) = subject.graph.specs(node)
            seen = node.output.elements // node.output.channels
            all = x.elements // x.channels
            message = f"{node.id}: a 1x1 convolution with stride reads {seen} of {all} pixels"
            help = "pool before it, or put the stride into a larger kernel"
            yield subject.finding(node, message, help)


def _odd_width(subject: Subject) -> Iterator[Finding]:
    graph, last = subject.graph, _last_layers(subject.graph)
    for node in graph.nodes:
        given, width = graph.specs(node)[0].channels, getattr(node.op, "out", UNIT)
        if width % UNIT and width != given and node.id not in last:
            message = f"{node.id} has {width} channels, not a multiple of {UNIT}"
            help = f"GPUs fill up to the next: make_divisible({width}, {UNIT})"
            yield subject.finding(node, message, help)


def _kernel_larger_than_map(subject: Subject) -> Iterator[Finding]:
    """Padding makes it fit, and at no place do all of its weights meet the map."""
    for node in subject.graph.nodes:
        op: Any = node.op
        if op.verb not in ("conv", "max_pool", "avg_pool"):
            continue
        size = subject.graph.specs(node)[0].spatial
        dilation = getattr(op, "dilation", None) or (1,) * len(size)
        reach = tuple(d * (k - 1) + 1 for k, d in zip(op.kernel, dilation, strict=True))
        if any(r > n for r, n in zip(reach, size, strict=True)):
            message = f"{node.id}: a kernel of {times(reach)} reads a map of {times(size)}"
            help = "use a larger input, fewer strides before it, or a smaller kernel"
            yield subject.finding(node, message, help)


def _users(graph: Graph) -> dict[str, list[str]]:
    """What takes the result of every node; the name of a result that leaves the network, too."""
    users: dict[str, list[str]] = {id: [] for id in (*graph.inputs, *graph.by_id)}
    for node in graph.nodes:
        for id in node.inputs:
            users.setdefault(id, []).append(node.id)
    for results in (graph.outputs, graph.taps, graph.aux):
        for name, id in results.items():
            users[id].append(name)
    return users


def _last_layers(graph: Graph) -> set[str]:
    """The layers whose width is that of a result, as the number of classes."""
    open, last = [*graph.outputs.values(), *graph.aux.values()], set()
    while open:
        node = graph.by_id.get(open.pop())
        if node is not None and node.id not in last:
            last.add(node.id)
            open += [] if hasattr(node.op, "out") else node.inputs
    return last


def _of_document(find: Callable[[Document], Found]) -> Lint:
    """The lint that reports what `find` finds in a document."""

    def findings(subject: Subject) -> Iterator[Finding]:
        for message, span, help in find(subject.document):
            yield Finding(message, span, (), help)

    return findings


def _unused_taps(subject: Subject) -> Iterator[Finding]:
    written = subject.graph.written
    meant = written.taps if isinstance(written, Written) else {}
    for message, span, help in unused_taps(subject.document, meant):
        yield Finding(message, span, (), help)


LINTS: dict[str, Lint] = {
    "W0102": _bias_before_batch_norm,
    "W0103": _of_document(unused_parameters),
    "W0104": _of_document(unused_blocks),
    "W0105": _unused_taps,
    "W0106": _stride_in_1x1,
    "W0107": _odd_width,
    "W0108": _kernel_larger_than_map,
}
PEDANTIC = {"W0105", "W0106", "W0107"}  # good networks do all of these, so they must be asked for
DEFAULT = LINTS.keys() - PEDANTIC
