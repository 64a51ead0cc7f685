"""Part of a graph as a tree of sequences and joins (series-parallel reduction)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from archdsl.figures.network import labels
from archdsl.graph.graph import INPUT, Graph, Node
from archdsl.ops.tensor import TensorSpec


@dataclass(frozen=True, slots=True)
class Box:
    """One drawn operation, or several that a figure shows as one."""

    id: str
    verb: str
    label: str
    role: str
    output: TensorSpec
    count: int = 1
    kernel: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Join:
    """Paths side by side from one place to one node. An empty path hands its input on."""

    id: str
    verb: str
    paths: "tuple[Chain, ...]"
    output: TensorSpec

    @property
    def residual(self) -> bool:
        """Whether one path is the body and the other a shortcut."""
        return self.verb in ("add", "multiply") and len(self.paths) == 2

    @property
    def body(self) -> "Chain":
        return max(self.paths, key=length)

    @property
    def shortcut(self) -> "Chain":
        return self.paths[1] if self.body is self.paths[0] else self.paths[0]


Element = Box | Join
Chain = tuple[Element, ...]


class IrreducibleError(Exception):
    """A part of a network that is no tree of sequences and joins."""


def length(chain: Chain) -> int:
    """The number of boxes in a chain."""
    return sum(1 if isinstance(item, Box) else sum(map(length, item.paths)) + 1 for item in chain)


def boxes(chain: Chain) -> list[Box]:
    """Every box of a chain, in order."""
    found: list[Box] = []
    for item in chain:
        found += [item] if isinstance(item, Box) else [b for p in item.paths for b in boxes(p)]
    return found


def signature(chain: Chain) -> tuple[object, ...]:
    """What two blocks of one kind have in common: all but their numbers."""
    return tuple(
        (item.verb, item.role, item.kernel, item.count, _masked(item.label))
        if isinstance(item, Box)
        else (item.verb, *(signature(path) for path in item.paths))
        for item in chain
    )


def numbers(chain: Chain) -> list[str]:
    """What blocks of one signature may differ in, as written in boxes and bars, in order."""
    found: list[str] = []
    for item in chain:
        if isinstance(item, Box):
            found += _terms(item.label)
            continue
        for path in item.paths:
            found += numbers(path)
        if item.verb and not item.residual:
            found.append(str(item.output.channels))
    return found


@lru_cache(4096)  # labels recur
def _terms(label: str) -> tuple[str, ...]:
    """The parts of a label, and last those that it may leave out: `("3×3", "64", "/1", ...)`."""
    parts, optional = [], dict.fromkeys(("/", "g=", "d="), "1")
    for part in label.split(", "):
        mark = next((mark for mark in optional if part.startswith(mark)), "")
        if mark:
            optional[mark] = part.removeprefix(mark)
        else:
            parts.append(part)
    return (*parts, *(mark + value for mark, value in optional.items()))


@lru_cache(4096)
def _masked(label: str) -> str:
    """A label without what `numbers` gives: `#×#, #`."""
    return ", ".join(re.sub(r"\d+", "#", part) for part in _terms(label)[:-3])


class Reducer:
    """Reduces parts of one graph; `drawn` are the nodes that figures show."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.source: dict[str, str] = {INPUT: INPUT}
        self.drawn: dict[str, tuple[Node, tuple[str, ...]]] = {}
        self.roles: dict[str, str] = {}
        for node in graph.nodes:
            self._see(node)

    def _see(self, node: Node) -> None:
        inputs = tuple(self.source[id] for id in node.inputs)
        role = labels.role(node)
        if node.op.verb == "resize":
            inputs = inputs[:1]
        if not role or (node.op.verb in labels.JOINS and len(inputs) < 2):
            self.source[node.id] = inputs[0]
            return
        self.source[node.id] = node.id
        self.roles[node.id] = role
        self.drawn[node.id] = node, inputs

    @cached_property
    def dominators(self) -> dict[str, tuple[str, int]]:
        """For every drawn node the nearest one that all ways to it pass, and its depth."""
        found: dict[str, tuple[str, int]] = {INPUT: (INPUT, 0)}
        for id, (_, inputs) in self.drawn.items():
            near = self._meet(found, inputs)
            found[id] = near, found[near][1] + 1
        return found

    @staticmethod
    def _meet(found: dict[str, tuple[str, int]], ids: Sequence[str]) -> str:
        """The nearest common dominator of nodes, themselves included."""
        first, *rest = ids
        for other in rest:
            while first != other:
                if found[first][1] < found[other][1]:
                    other = found[other][0]
                else:
                    first = found[first][0]
        return first

    def chain(self, start: str, end: str) -> Chain:
        """What lies between two nodes, `end` included; raises IrreducibleError."""
        seen: set[str] = set()
        chain = self._chain(self.source[start], self.source[end], seen)
        return tuple(_excited(item) for item in chain)

    def _chain(self, start: str, end: str, seen: set[str]) -> Chain:
        items: list[Element] = []
        at = end
        while at != start:
            if at == INPUT or at in seen:
                raise IrreducibleError(end)
            seen.add(at)
            node, inputs = self.drawn[at]
            if len(inputs) == 1:
                items.append(self.box(node))
                at = inputs[0]
                continue
            fork = self._meet(self.dominators, inputs)
            paths = self._paths(fork, inputs, seen)
            items.append(Join(at, node.op.verb, paths, node.output))
            at = fork
        return tuple(reversed(items))

    def _paths(self, fork: str, inputs: tuple[str, ...], seen: set[str]) -> tuple[Chain, ...]:
        """The paths of a join; those that share their beginning are one that forks later."""
        groups: dict[str, list[str]] = {}
        for id in inputs:
            groups.setdefault(self._first(fork, id), []).append(id)
        paths: list[Chain] = []
        for group in groups.values():
            if len(group) == 1 or group[0] == fork:
                paths += [self._chain(fork, id, seen) for id in group]
                continue
            later = self._meet(self.dominators, group)
            inner = self._paths(later, tuple(group), seen)
            stem = self._chain(fork, later, seen)
            paths.append((*stem, Join(f"{later}.fork", "", inner, self.graph.spec(later))))
        return tuple(paths)

    def _first(self, fork: str, id: str) -> str:
        """The node after `fork` that all ways from there to `id` pass, or `fork` itself."""
        while id != fork and self.dominators[id][0] != fork:
            id = self.dominators[id][0]
        return id

    def box(self, node: Node) -> Box:
        channels = self.graph.spec(node.inputs[0]).channels
        kernel = getattr(node.op, "kernel", ())
        words = labels.label(node, channels)
        return Box(node.id, node.op.verb, words, self.roles[node.id], node.output, 1, kernel)


def _excited(item: Element) -> Element:
    """Squeeze-and-excite as one box: a map times what its global pooling gives (Hu et al.)."""
    if isinstance(item, Box):
        return item
    paths = tuple(tuple(_excited(part) for part in path) for path in item.paths)
    item = replace(item, paths=paths)
    if not (item.residual and item.verb == "multiply" and not item.shortcut):
        return item
    gate = boxes(item.body)
    if gate[0].verb not in ("global_avg_pool", "adaptive_avg_pool") or len(gate) < 3:
        return item
    words = f"SE, {gate[1].output.channels}"
    return Box(item.id, "squeeze_excite", words, "attention", item.output)


def folded(chain: Chain) -> Chain:
    """Equal boxes in a row as one with a count."""
    items: list[Element] = []
    for item in chain:
        last = items[-1] if items else None
        if isinstance(item, Box) and isinstance(last, Box) and _same(item, last):
            items[-1] = replace(last, count=last.count + item.count)
        else:
            items.append(item)
    return tuple(items)


def _same(a: Box, b: Box) -> bool:
    return (a.label, a.role, a.output) == (b.label, b.role, b.output)
