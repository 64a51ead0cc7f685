"""Which part of a network is one unit of a figure."""

from collections.abc import Mapping, Sequence

from archdsl.graph.graph import Graph, Scope


def owners_of(graph: Graph) -> dict[str, str]:
    """For every scope the scope that is its unit, "" if its parts are units themselves."""
    scopes = graph.scope_by_id
    rich = {""}  # scopes that hold whole blocks
    for scope in graph.scopes:
        if scope.kind in ("residual", "dense"):
            for outer in graph.around(scope.parent):
                if outer.id in rich or _splits(outer, scopes):
                    break
                rich.add(outer.id)
    rich -= _with_ways_past(graph, rich)
    rich |= _pyramids(graph)
    owner = {"": ""}
    for scope in graph.scopes:
        whole = scope.kind in ("dense", "residual", "branches") or scope.block
        closed = whole and (scope.id not in rich or scope.kind == "dense")
        owner[scope.id] = owner[scope.parent] or (scope.id if closed else "")
    return owner


def is_dense(graph: Graph, unit: str) -> bool:
    """Whether a unit is a dense block, whose layers are drawn as what they add."""
    return unit != "" and graph.scope_by_id[unit].kind == "dense"


def _pyramids(graph: Graph) -> set[str]:
    """Blocks that give maps of several resolutions: one box of one size would say less."""
    blocks = {
        scope.id: [outer.id for outer in graph.around(scope.id) if outer.block]
        for scope in graph.scopes
    }
    blocks = {id: around for id, around in blocks.items() if around}
    inside = [node for node in graph.nodes if node.scope in blocks]
    sizes: dict[str, set[tuple[int, ...]]] = {}
    takers: dict[str, set[str]] = {node.id: set() for node in inside}
    for node in graph.nodes if inside else ():
        for id in (id for id in node.inputs if id in takers):
            takers[id].add(node.scope)
    for id in graph.outputs.values():
        takers.get(id, set()).add("")
    for node in inside:
        for scope in takers[node.id]:
            for block in blocks[node.scope]:
                if block not in blocks.get(scope, ()):
                    sizes.setdefault(block, set()).add(node.output.spatial)
    return {id for id, found in sizes.items() if len(found) > 1}


def _splits(scope: Scope, scopes: Mapping[str, Scope]) -> bool:
    """Whether the parts of a scope stand beside one another in a block: it is shown whole."""
    outer = scopes.get(scope.parent)
    return scope.kind in ("residual", "branches") and outer is not None and outer.block != ""


def _with_ways_past(graph: Graph, rich: set[str]) -> set[str]:
    """Blocks with a way past one of the blocks in them (a cross stage of CSPNet): shown whole.

    A block of several inputs or results is not.
    """
    scopes, found = graph.scope_by_id, set[str]()
    ops: dict[str, list[int]] = {}  # where the ops of a scope are
    for number, node in enumerate(graph.nodes):
        for scope in graph.around(node.scope):
            ops.setdefault(scope.id, []).append(number)
    last = {id: n for n, node in enumerate(graph.nodes) for id in node.inputs}
    last |= dict.fromkeys(graph.outputs.values(), len(graph.nodes))
    farthest = {id: _farthest(graph, ops[id], last) for id in rich if id and scopes[id].block}
    for scope in graph.scopes:
        own = ops.get(scope.id)
        if own and scope.kind in ("residual", "dense"):
            past = (outer.id for outer in graph.around(scope.parent) if outer.id in farthest)
            found |= {id for id in past if farthest[id].get(own[0], 0) > own[-1]}
    return found


def _farthest(graph: Graph, ops: Sequence[int], last: Mapping[str, int]) -> dict[int, int]:
    """For every op of a block the last one that takes what comes from before it.

    `last` is that of the network; nothing if the block has several inputs or results.
    """
    inside = {graph.nodes[n].id for n in ops}
    given = {id: n for n in ops for id in graph.nodes[n].inputs if id not in inside}
    if len(given) != 1 or sum(last.get(id, 0) > ops[-1] for id in inside) != 1:
        return {}
    found, (reach,) = {}, given.values()
    for n in ops:
        found[n] = reach
        reach = max(reach, min(last.get(graph.nodes[n].id, n), ops[-1]))
    return found
