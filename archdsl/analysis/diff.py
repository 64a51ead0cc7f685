"""What changed between two networks: parts aligned by name, then by content, with their costs."""

from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from archdsl.analysis.alignment import aligned
from archdsl.analysis.cost import Analysis, Cost, analyze
from archdsl.graph.graph import Graph, Node, Scope, name_within
from archdsl.ops.tensor import TensorSpec

Keys = dict[Hashable, int]
CHECKPOINT = "checkpoint"  # the modifier that a part has or not
Kind = Literal["changed", "added", "removed", "renamed"]


@dataclass(frozen=True, slots=True)
class Side:
    """A part as one of the networks has it."""

    path: str
    what: str
    output: TensorSpec | None
    cost: Cost


@dataclass(frozen=True, slots=True)
class Change:
    """A part that is not the same in both; `details` says which arguments differ and how.

    Equal changes of parts in a row are one change with a `count` and the costs of all.
    """

    kind: Kind
    before: Side | None
    after: Side | None
    details: tuple[str, ...] = ()
    count: int = 1

    @property
    def side(self) -> Side:
        side = self.after or self.before
        assert side is not None
        return side


@dataclass(frozen=True, slots=True)
class Difference:
    """What two networks, and all their parts that differ, are and cost."""

    before: Side
    after: Side
    changes: tuple[Change, ...]

    @property
    def same(self) -> bool:
        return not self.changes and self.before.cost == self.after.cost


@dataclass
class _Part:
    """A node or scope with what is in it; those of equal content, and no others, have one key.

    `name` is the last part of the id: two applications of shared weights have two names.
    """

    name: str
    side: Side
    key: int
    settings: dict[str, Any]
    children: list["_Part"] = field(default_factory=list)
    block: str = ""


def compare(before: Graph, after: Graph, depth: int | None = None) -> Difference:
    """What is not the same in two networks, down to a depth of names.

    Without a depth it goes down to the part that explains the difference - a block called with
    other arguments, or an op - and leaves out what only follows from another part.
    """
    keys: Keys = {}
    roots = _tree(before, keys), _tree(after, keys)
    changes = _changes(*roots, depth or 0, depth is None)
    changes = [*_inputs(before, after), *changes]
    if before.returns != after.returns:
        old, new = (Side("returns", str(g.returns or "the results"), None, Cost())
                    for g in (before, after))  # fmt: skip
        changes.append(Change("changed", old, new))
    return Difference(roots[0].side, roots[1].side, tuple(_merged(changes)))


def _inputs(before: Graph, after: Graph) -> Iterator[Change]:
    """The inputs that are not the same."""
    for name in {**before.inputs, **after.inputs}:
        old, new = (
            Side(name, "input", graph.inputs[name], Cost()) if name in graph.inputs else None
            for graph in (before, after)
        )
        if old != new:
            yield Change("changed" if old and new else "added" if new else "removed", old, new)


def _key(content: Hashable, keys: Keys) -> int:
    """A number for what a part holds: contents are compared once, however deep they are."""
    return keys.setdefault(content, len(keys))


def _tree(graph: Graph, keys: Keys) -> _Part:
    analysis = analyze(graph)
    output = next((graph.spec(id) for id in graph.outputs.values()), None)
    root = _Part("", Side(graph.name, "network", output, analysis.total), -1, {})
    parts = {"": root}
    labels: dict[int, str] = {}
    for node in graph.nodes:
        leaf = _leaf(graph, node, analysis, keys, labels)
        _home(node.scope, parts, graph, analysis).children.append(leaf)
    for id in reversed([id for id in parts if id]):
        part = parts[id]
        inner = tuple((child.name, child.key) for child in part.children)
        part.key = _key((part.side.what, part.settings[CHECKPOINT], inner), keys)
    return root


def _home(id: str, parts: dict[str, _Part], graph: Graph, analysis: Analysis) -> _Part:
    """The part of a scope, put where its first node stands."""
    if id not in parts:
        scope = graph.scope_by_id[id]
        siblings = _home(scope.parent, parts, graph, analysis).children
        side = Side(id, scope.block or scope.kind, analysis.outputs.get(id), analysis.costs[id])
        settings = {**dict(scope.arguments), **_training(graph, scope)}
        parts[id] = _Part(name_within(id, scope.parent), side, -1, settings, block=scope.block)
        siblings.append(parts[id])
    return parts[id]


def _leaf(
    graph: Graph, node: Node, analysis: Analysis, keys: Keys, labels: dict[int, str]
) -> _Part:
    """A node; `labels` are those of ops, many of which are one object."""
    op = node.op
    if id(op) not in labels:
        labels[id(op)] = op.label()
    side = Side(node.id, labels[id(op)], node.output, analysis.costs[node.id])
    again = _training(graph, node)
    key = _key((op, graph.specs(node), node.output, *again.values()), keys)
    settings = {**vars(op), **again}
    return _Part(name_within(node.id, node.scope), side, key, settings, block=op.verb)


def _training(graph: Graph, part: Node | Scope) -> dict[str, Any]:
    """What a spec says of a part that is for training alone."""
    return {CHECKPOINT: part.path in graph.recomputed}


def _changes(before: _Part, after: _Part, depth: int, explain: bool) -> list[Change]:
    """The changes in what two parts hold."""
    changes: list[Change] = []
    for old, new in _pairs(before.children, after.children):
        if old is None or new is None:
            if explain and (old or new or before).name.startswith("_"):
                continue
            kind: Kind = "removed" if new is None else "added"
            changes.append(Change(kind, old.side if old else None, new.side if new else None))
        elif old.key != new.key:
            changes += _changed(old, new, depth, explain)
        elif old.name != new.name:
            changes.append(Change("renamed", old.side, new.side))
    return changes


def _changed(old: _Part, new: _Part, depth: int, explain: bool) -> list[Change]:
    details = _details(old, new)
    change = Change("changed", old.side, new.side, details)
    leaf = not old.children or not new.children
    if leaf and explain and not details:
        return []
    if leaf or (explain and details) or (not explain and depth <= 1):
        return [change]
    inner = _changes(old, new, depth - 1, explain)
    return inner if explain else [change, *inner]


def _details(old: _Part, new: _Part) -> tuple[str, ...]:
    """`groups: 1 -> 32` for the arguments that differ, or the one verb and the other."""
    if old.block != new.block:
        return (f"{old.side.what} -> {new.side.what}",)
    names = {**old.settings, **new.settings}
    return tuple(
        f"{name}: {_shown(old.settings.get(name))} -> {_shown(new.settings.get(name))}"
        for name in names
        if old.settings.get(name) != new.settings.get(name)
    )


def _shown(value: Any) -> str:
    if isinstance(value, tuple) and value and len(set(map(str, value))) == 1:
        value = value[0]
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def _pairs(
    before: Sequence[_Part], after: Sequence[_Part]
) -> list[tuple[_Part | None, _Part | None]]:
    """Parts of one name, then of equal content, then those left alone; in the order of `after`."""
    if [part.name for part in before] == [part.name for part in after]:
        return list(zip(before, after, strict=True))
    names = {part.name: part for part in before}
    partner = {part.name: names.pop(part.name) for part in after if part.name in names}
    left = [part for part in before if part.name in names]
    new = [part for part in after if part.name not in partner]
    for a, b in aligned([part.key for part in left], [part.key for part in new]):
        partner[new[b].name] = left[a]
    matched = {id(part) for part in partner.values()}
    waiting = deque(part for part in before if id(part) not in matched)
    position = {id(part): n for n, part in enumerate(before)}
    pairs: list[tuple[_Part | None, _Part | None]] = []
    for part in after:
        old = partner.get(part.name)
        while old is not None and waiting and position[id(waiting[0])] < position[id(old)]:
            pairs.append((waiting.popleft(), None))
        pairs.append((old, part))
    return pairs + [(part, None) for part in waiting]


def _merged(changes: list[Change]) -> list[Change]:
    """Equal changes in a row as one."""
    merged: list[Change] = []
    for change in changes:
        if merged and _alike(merged[-1], change):
            last = merged[-1]
            merged[-1] = Change(
                change.kind,
                _sum(last.before, change.before),
                _sum(last.after, change.after),
                change.details,
                last.count + 1,
            )
        else:
            merged.append(change)
    return merged


def _alike(one: Change, other: Change) -> bool:
    def shape(change: Change) -> tuple[Hashable, ...]:
        sides = (change.before, change.after)
        return (
            change.kind,
            change.details,
            *(side and (side.what, side.path.rpartition(".")[0]) for side in sides),
        )

    explained = bool(one.details) or one.kind in ("added", "removed")
    return explained and shape(one) == shape(other)


def _sum(one: Side | None, other: Side | None) -> Side | None:
    """Two sides as one, at the path of the first."""
    if one is None or other is None:
        return one or other
    return Side(one.path, one.what, other.output, one.cost + other.cost)
