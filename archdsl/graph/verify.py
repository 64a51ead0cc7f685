"""The invariants of a graph: what everything behind it relies on."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import zip_longest
from typing import NoReturn

from archdsl.diagnostics.text import one_line
from archdsl.expressions.names import identifier_problem, name_problem
from archdsl.graph.graph import INPUT, Graph, Node, Scope, levels_of, paths_of
from archdsl.ops import Op, ShapeError, arguments, kind
from archdsl.ops.tensor import AXES, TensorSpec

_ID = re.compile(r"([^@]+)((?:@(?:0|[1-9][0-9]*))*)")  # a path, the marks of its application
_SAID = 300  # characters of a message
_problem = lru_cache(maxsize=10_000)(name_problem)


def verify(graph: Graph) -> None:
    """Raises ValueError, naming the field and the node, if an invariant of graphs does not hold.

    Names are a spec's. Ids are unique and inputs come first; shapes and weights are what the ops
    say. Every scope exists, stands after its parent, holds its nodes' ids and holds them without a
    gap. What is at one path is one module. Every result has a node, every node leads to one.
    """
    _verify_names(graph)
    _verify_scopes(graph)
    specs = dict(graph.inputs)
    for n, node in enumerate(graph.nodes):
        _verify_node(f"nodes[{n}]", node, specs)
        specs[node.id] = node.output
    _verify_places(graph)
    _verify_shared(graph)
    _verify_results(graph)
    _verify_returns(graph)
    learning = {n.path for n in graph.nodes if any(w.kind == "parameter" for w in n.weights)}
    for path in sorted(graph.frozen - learning):
        refuse("frozen", f"nothing learns at {path}")
    modules = paths_of(graph.scopes, [node for node in graph.nodes if node.holds_weights])
    for path in sorted(graph.recomputed - modules):
        refuse("recomputed", f"there is no part with weights at {path}")
    if graph.made and (
        set(graph.made) != specs.keys() - graph.inputs.keys() or len(graph.made) != len(graph.nodes)
    ):
        refuse("made", "made does not name every node once")


def refuse(field: str, message: str) -> NoReturn:
    """Raises the ValueError for a field: `nodes[3].inputs`."""
    said = one_line(f"{field}: {message}")
    raise ValueError(said if len(said) <= _SAID else f"{said[:_SAID]}...")


def inputs_of(
    field: str, id: str, inputs: Sequence[str], specs: Mapping[str, TensorSpec]
) -> tuple[TensorSpec, ...]:
    """What a node is given, of what is given before it."""
    missing = [input for input in inputs if input not in specs]
    if missing:
        refuse(f"{field}.inputs", f"node {id}: its input {missing[0]} is not before it")
    return tuple(specs[input] for input in inputs)


def inferred(field: str, id: str, op: Op, given: Sequence[TensorSpec]) -> TensorSpec:
    """What an op gives for these inputs; raises ValueError if it cannot take them."""
    likes = sum(bool(getattr(op, n)) for n in arguments(type(op)) if _is_reference(type(op), n))
    if op.inputs is None and len(given) < 2:
        refuse(f"{field}.inputs", f"node {id}: {op.verb} joins two or more inputs")
    if op.inputs is not None and len(given) != op.inputs + likes:
        wanted, found = op.inputs + likes, len(given)
        refuse(f"{field}.inputs", f"node {id}: {op.verb} takes {wanted}, here are {found}")
    try:
        return op.infer(*given)
    except ShapeError as error:
        refuse(field, f"node {id}: {error.message}")


def _is_reference(op: type[Op], name: str) -> bool:
    return kind(op, name).form == "reference"


# names


def verify_inputs(inputs: Mapping[str, TensorSpec]) -> None:
    """Raises ValueError unless each is a vector, or a map with its channels first, and has a name.

    A single one is `input`.
    """
    for name, input in inputs.items():
        single = [*inputs] == [INPUT]
        field = INPUT if single else f"inputs.{name}"
        if input.layout != "channels_first" or input.rank > max(AXES):
            refuse(field, "expected channels first and at most three more axes")
        if not single and (problem := identifier_problem(name) or name_problem(name)):
            refuse("inputs", problem)


def _verify_names(graph: Graph) -> None:
    if problem := identifier_problem(graph.name):
        refuse("name", problem)
    verify_inputs(graph.inputs)
    if graph.input != next(iter(graph.inputs.values())):
        refuse("input", "expected the first of the inputs")
    for field, results in (("outputs", graph.outputs), ("taps", graph.taps), ("aux", graph.aux)):
        for name in results:
            single = field == "outputs" and len(results) == 1 and name == ""
            parts = name.split(".") if field == "outputs" else [name]  # features by their paths
            problem = next(filter(None, map(_problem, parts)), "")
            if not single and problem:
                refuse(field, problem)
    for n, scope in enumerate(graph.scopes):
        if scope.block and (problem := identifier_problem(scope.block)):
            refuse(f"scopes[{n}].block", problem)
        if not scope.block and (scope.arguments or scope.inputs):
            refuse(f"scopes[{n}]", f"scope {scope.id}: only a block has arguments and inputs")
        for name, _ in scope.arguments:
            if problem := identifier_problem(name):
                refuse(f"scopes[{n}].arguments", problem)


def _verify_inside(field: str, part: Node | Scope, outer: str) -> None:
    """The id of a part is that of the scope `outer` and names in it: all add levels, or none."""
    within, inner = _ID.fullmatch(outer), _ID.fullmatch(part.id)
    path, marks = within.groups() if within else ("", "")
    if inner is None:
        refuse(f"{field}.id", f"`{part.id}` is no path")
    if not inner[1].startswith(f"{path}." if path else "") or not inner[2].startswith(marks):
        refuse(f"{field}.id", f"{part.id} does not lie in {outer}")
    names = inner[1][len(path) + 1 if path else 0 :].split(".")
    for name in names:
        if problem := _problem(name):
            refuse(f"{field}.id", problem)
    if len({name.startswith("_") for name in names}) > 1:
        refuse(f"{field}.id", f"{part.id} does not lie directly in `{outer}`")


# scopes


def _verify_scopes(graph: Graph) -> None:
    known = {""}
    for n, scope in enumerate(graph.scopes):
        if scope.parent not in known or scope.id in known:
            message = f"scope {scope.id}: its parent {scope.parent!r} is not before it"
            refuse(f"scopes[{n}].parent", message)
        _verify_inside(f"scopes[{n}]", scope, scope.parent)
        if scope.name.startswith("_"):
            message = f"scope {scope.id}: a name that starts with `_` adds no level, so no scope"
            refuse(f"scopes[{n}].id", message)
        known.add(scope.id)


def _verify_places(graph: Graph) -> None:
    """Every node stands in its scope; what is in a scope is there together, in order."""
    chains: dict[str, tuple[str, ...]] = {"": ("",)}
    for scope in graph.scopes:
        chains[scope.id] = (*chains[scope.parent], scope.id)
    open, entered = [""], [""]
    for n, node in enumerate(graph.nodes):
        chain = chains.get(node.scope)
        if chain is None:
            refuse(f"nodes[{n}].scope", f"node {node.id}: no scope {node.scope}")
        _verify_inside(f"nodes[{n}]", node, node.scope)
        for id in node.inputs:
            source = chains[graph.by_id[id].scope] if id in graph.by_id else ()
            if source != chain:
                _verify_border(graph, f"nodes[{n}].inputs", node, id, source)
        while tuple(open) != chain[: len(open)]:
            open.pop()
        entered += chain[len(open) :]
        open += chain[len(open) :]
    for n, (id, scope) in enumerate(zip_longest(entered[1:], graph.scopes)):
        if scope is None or id != scope.id:
            again = id in entered[: n + 1]
            place = graph.scopes.index(graph.scope_by_id[str(id)]) if again else n
            named = graph.scopes[place].id
            message = f"scope {named}: scopes stand as their nodes do, all of one together"
            refuse(f"scopes[{place}]", message)
    paths = {scope.path for scope in graph.scopes}
    parts: list[Node | Scope] = [*graph.nodes, *graph.scopes]
    levels = {level for part in parts for level in levels_of(part)}
    for n, node in enumerate(graph.nodes):
        if node.path in paths or node.path in levels:
            refuse(f"nodes[{n}].id", f"two things are named {node.path}")
    for n, scope in enumerate(graph.scopes):
        if scope.path in levels:
            refuse(f"scopes[{n}].id", f"two things are named {scope.path}")


def _verify_border(graph: Graph, field: str, node: Node, id: str, source: Sequence[str]) -> None:
    """What a block takes is among the inputs that it says; `source` are the scopes it is from."""
    scope = graph.scope_by_id.get(node.scope)
    while scope is not None and scope.id not in source:
        if scope.block and graph.spec(id) not in scope.inputs:
            refuse(field, f"node {node.id}: {scope.id} has no input like {id}")
        scope = graph.scope_by_id.get(scope.parent)


# nodes


def _verify_node(field: str, node: Node, specs: Mapping[str, TensorSpec]) -> None:
    """`specs` are what the nodes before it give."""
    if node.id in specs:
        refuse(f"{field}.id", f"node {node.id} stands twice")
    given = inputs_of(field, node.id, node.inputs, specs)
    output = inferred(field, node.id, node.op, given)
    if output != node.output:
        message = f"node {node.id}: {node.op.verb} gives {output}, not {node.output}"
        refuse(f"{field}.output", message)
    if node.op.weights(*given) != node.weights:
        refuse(field, f"node {node.id}: these are not the weights of {node.op.verb}")
    if node.op.cost(node.weights, output, given) != node.cost:
        refuse(field, f"node {node.id}: {node.op.verb} does not cost that")
    if node.weights and node.name.startswith("_"):
        message = f"{node.op.verb} has weights, so its name cannot start with `_`"
        refuse(f"{field}.id", f"node {node.id}: {message}")


def _verify_shared(graph: Graph) -> None:
    """What stands at one path is one module, applied again: the same layers, in the same order."""
    first: dict[str, tuple[Node, tuple[TensorSpec, ...]]] = {}
    for n, node in enumerate(graph.nodes):
        given = graph.specs(node)
        before, taken = first.setdefault(node.path, (node, given))
        if before.weights != node.weights:
            refuse(f"nodes[{n}]", f"weight {_key(graph, before, node)} has two shapes")
        if before.op != node.op or not node.op.serves(given, taken):
            refuse(f"nodes[{n}]", f"node {node.id}: it is not the {before.op.verb} of {before.id}")
    held: dict[str, list[int]] = {}
    for n, node in enumerate(graph.nodes):
        scope = graph.scope_by_id.get(node.scope)
        while scope is not None:
            held.setdefault(scope.id, []).append(n)
            scope = graph.scope_by_id.get(scope.parent)
    original: dict[str, Scope] = {}
    for n, scope in enumerate(graph.scopes):
        before_ = original.setdefault(scope.path, scope)
        alike = _call(before_) == _call(scope)
        if not alike or not _same(graph, held[before_.id], held[scope.id]):
            refuse(f"scopes[{n}]", f"scope {scope.id}: it is not the module of {before_.id}")


def _key(graph: Graph, *nodes: Node) -> str:
    """The first key of a weight that is not the same in two nodes."""
    one, other = (dict(graph.weights(node)) for node in nodes)
    return next(key for key in {**one, **other} if one.get(key) != other.get(key))


def _call(scope: Scope) -> tuple[object, ...]:
    return scope.kind, scope.block, scope.arguments, scope.parent.partition("@")[0]


def _same(graph: Graph, one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether nodes are alike, and take their inputs alike from each other, as far as both go."""
    nodes = graph.nodes
    places = [{nodes[n].id: place for place, n in enumerate(each)} for each in (one, other)]

    def taken(n: int, inside: Mapping[str, int]) -> Iterable[int | None]:
        return [inside.get(id) for id in nodes[n].inputs]

    return all(
        nodes[a].path == nodes[b].path and taken(a, places[0]) == taken(b, places[1])
        for a, b in zip(one, other, strict=False)
    )


# results


def _verify_results(graph: Graph) -> None:
    if not graph.outputs:
        refuse("outputs", "a graph has a result")
    used = {id for node in graph.nodes for id in node.inputs}
    for field, results in (("outputs", graph.outputs), ("taps", graph.taps), ("aux", graph.aux)):
        for name, id in results.items():
            if id not in graph.inputs and id not in graph.by_id:
                refuse(f"{field}.{name}", f"result {name!r}: no node {id}")
            used.add(id)
    for n, node in enumerate(graph.nodes):
        if node.id not in used:
            refuse(f"nodes[{n}]", f"nothing uses the result of {node.id}")


def _verify_returns(graph: Graph) -> None:
    """Every result is in one field."""
    returns = graph.returns
    if returns is None:
        return
    if problem := returns.type_problem():
        refuse("returns.type", problem)
    if not returns.is_dict and not graph.aux:
        refuse("returns", "a tuple is for results in training only, and there are none")
    for field in returns.fields:
        if problem := returns.field_problem(field):
            refuse("returns.fields", problem)
    given, results = list(returns.fields.values()), [*graph.outputs, *graph.aux]
    if sorted(given) != sorted(results) or len({*results}) < len(results):
        refuse("returns.fields", "expected every result in one field")
