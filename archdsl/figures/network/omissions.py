"""What a figure leaves out, in words: whatever is not drawn, nor in something that is, is named."""

from collections.abc import Collection, Iterator, Sequence

from archdsl.figures.canvas.scene import Item, Omission, groups
from archdsl.figures.network.description import Description
from archdsl.graph.graph import Graph, Node


def left_out(descriptions: Sequence[Description], items: Collection[Item]) -> Iterator[Omission]:
    """What no group of a drawing of networks stands for."""
    for number, description in enumerate(descriptions):
        inside = [group for group in groups(items) if group.of == number]
        held = {path for group in inside for path in (group.id, *group.stands)}
        several = len(descriptions) > 1
        yield from omitted(description, held, f" of {description.title}" * several)


def omitted(description: Description, held: Collection[str], whose: str = "") -> Iterator[Omission]:
    """What is in no part that is `held`; norms and the like unless they are held themselves."""
    graph = description.graph
    owners = description.owners
    unseen = [node for node in description.nodes if owners[node.id] in description.hidden]
    if unseen:
        ids = dict.fromkeys(owners[node.id] for node in unseen)
        yield Omission(", ".join(ids) + whose, frozenset(node.id for node in unseen))
    missing = [
        node
        for node in description.nodes
        if owners[node.id] not in description.hidden
        and node.op.role()
        and not any(path in held for path in _around(graph, node))
    ]
    if missing:
        units = dict.fromkeys(description.owners[node.id] for node in missing)
        names = description.names
        known = [id for id in names.order if id in units]
        yield Omission(names.several(known) + whose, frozenset(node.id for node in missing))
    silent = [n for n in description.nodes if not n.op.role() and n.id not in held]
    for verb in dict.fromkeys(node.op.verb for node in silent):
        alike = frozenset(node.id for node in silent if node.op.verb == verb)
        yield Omission(verb.replace("_", " "), alike)
    yield from _likened(description.nodes, graph)
    yield from aside(description)


def _likened(nodes: Sequence[Node], graph: Graph) -> Iterator[Omission]:
    """Inputs from which no way leads, since they are only what others are made as large as."""
    used = {id for node in nodes for id in node.inputs}
    taken = {id for node in nodes for id in node.inputs[: node.op.inputs]}
    for name in graph.inputs:
        if name in used - taken:
            yield Omission(f"{name} (its size alone is used)", frozenset((name,)))


def aside(description: Description) -> Iterator[Omission]:
    """What serves no output: auxiliary results by their names, and other ops by their parts."""
    whole = description.whole
    rest = {node.id for node in whole.nodes} - description.graph.by_id.keys()
    if description.part or not rest:
        return
    helping = whole.needed(whole.aux.values()) & rest
    if helping:
        yield Omission(f"{', '.join(whole.aux)} (in training only)", frozenset(helping))
    others = [node.id for node in whole.nodes if node.id in rest - helping]
    if others:
        parts = dict.fromkeys(id.partition(".")[0].partition("@")[0].lstrip("_") for id in others)
        yield Omission(f"{', '.join(parts)} (for no output)", frozenset(others))


def _around(graph: Graph, node: Node) -> Iterator[str]:
    """A node and the scopes around it, and the paths of their first applications."""
    yield from (node.id, node.path)
    for scope in graph.around(node.scope):
        yield from (scope.id, scope.id.partition("@")[0])
