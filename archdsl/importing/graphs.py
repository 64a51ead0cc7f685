"""What was recorded of a module as a graph: scopes from its modules, ids from its names."""

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch import nn

from archdsl.diagnostics.errors import ModuleError
from archdsl.expressions.names import identifier_problem, name_problem
from archdsl.graph.graph import Graph, Node, Scope
from archdsl.graph.returns import Returns
from archdsl.graph.verify import verify
from archdsl.importing.recording import Recorder
from archdsl.importing.simpler import simplify
from archdsl.importing.values import Frame, Step, Value
from archdsl.ops.tensor import TensorSpec


def assembled(
    recorder: Recorder,
    name: str,
    inputs: Mapping[str, TensorSpec],
    outputs: Mapping[str, Value],
    aux: Mapping[str, Value],
    returns: Returns | None = None,
) -> Graph:
    """The graph of what was recorded that the results need.

    Raises ModuleError for weights whose names no graph can have.
    """
    _require_names(recorder)
    simplify(recorder.root, (*outputs.values(), *aux.values()))
    needed = _needed(recorder.root, (*outputs.values(), *aux.values()))
    top = _Part("", None, _parts(recorder.root, needed))
    _settle(top)
    writer = _Writer(taken={"": dict.fromkeys(inputs, "")})
    writer.write(top, "", "", "")

    def id_of(value: Value) -> str:
        return value.input or writer.ids[value]

    graph = Graph(
        name=name,
        input=next(iter(inputs.values())),
        inputs=dict(inputs),
        nodes=tuple(writer.nodes),
        scopes=tuple(writer.scopes),
        outputs={name: id_of(value) for name, value in outputs.items()},
        aux={name: id_of(value) for name, value in aux.items()},
        returns=returns,
    )
    graph = _in_order(_named(graph, writer.classes), [*recorder.state])
    try:
        verify(graph)
    except ValueError as error:
        raise ModuleError(f"{name} is no graph of ours: {error}") from error
    return graph


def named_by_parts(graph: Graph) -> Graph:
    """The graph whose results in training only have the names of the parts that give them."""
    last = {node.id.partition(".")[0]: node.id for node in graph.nodes}
    names = {
        name: part
        for name, id in graph.aux.items()
        for part in [id.partition(".")[0]]
        if last[part] == id and part not in graph.outputs and "@" not in part
    }
    if len({*names.values()}) < len(graph.aux):
        return graph
    aux = {names[name]: id for name, id in graph.aux.items()}
    said = graph.returns
    if said is not None:
        fields = {field: names.get(name, name) for field, name in said.fields.items()}
        said = Returns(said.type, fields)
    return replace(graph, aux=aux, returns=said)


def _require_names(recorder: Recorder) -> None:
    for key in recorder.state:
        for part in key.split(".")[:-1]:
            problem = name_problem(part)
            if not problem and part.startswith("_"):
                problem = f"`{part}` cannot be a name: what starts with `_` adds no level to keys"
            if problem:
                raise ModuleError(f"{key}: {problem}")


def _needed(root: Frame, results: Iterable[Value]) -> set[Step]:
    steps = list(root.steps())
    by_output = {step.output: step for step in steps}
    needed: set[Step] = set()
    open = [value for value in results if not value.input]
    while open:
        step = by_output[open.pop()]
        if step not in needed:
            needed.add(step)
            open += [value for value in step.inputs if not value.input]
    return needed


@dataclass(eq=False)
class _Part:
    """A scope that may be, with what is in it."""

    path: str
    module: nn.Module | None
    children: "list[_Part | Step]"
    dissolved: bool = False

    def steps(self) -> "Iterable[Step]":
        for child in self.children:
            if isinstance(child, Step):
                yield child
            else:
                yield from child.steps()


def _parts(frame: Frame, needed: set[Step]) -> "list[_Part | Step]":
    found: list[_Part | Step] = []
    for part in frame.parts:
        if isinstance(part, Step):
            found += [part] if part in needed else []
            continue
        children = _parts(part, needed)
        if children:
            found.append(_Part(part.path, part.module, children))
    return found


def _settle(top: _Part) -> None:
    """Dissolves what can be no scope: whose weights are used outside, or that has some itself."""
    inside: dict[str, Counter[str]] = {}
    everywhere = Counter(step.path for step in top.steps() if step.path)
    parts: list[_Part] = []

    def look(part: _Part) -> None:
        for child in part.children:
            if isinstance(child, _Part):
                parts.append(child)
                inside.setdefault(child.path, Counter())
                inside[child.path] += Counter(step.path for step in child.steps() if step.path)
                look(child)

    look(top)
    under: dict[str, set[str]] = {part.path: set() for part in parts}
    for path in everywhere:
        names = path.split(".")
        for n in range(1, len(names) + 1):
            under.get(".".join(names[:n]), set()).add(path)
    for part in parts:
        held = {step.path for step in part.steps() if step.path}
        own = any(path == part.path for path in held)
        strange = any(not path.startswith(f"{part.path}.") for path in held)
        outside = any(inside[part.path][p] < everywhere[p] for p in under[part.path])
        recursive = any(child.path == part.path for child in _inner(part))
        part.dissolved = own or strange or outside or recursive
    broken = {part.path for part in parts if part.dissolved}
    for part in parts:  # one module is a scope wherever it is called, or nowhere
        part.dissolved = part.path in broken


def _inner(part: _Part) -> Iterable[_Part]:
    for child in part.children:
        if isinstance(child, _Part):
            yield child
            yield from _inner(child)


@dataclass
class _Writer:
    """Gives ids, in the order in which everything runs."""

    nodes: list[Node] = field(default_factory=list)
    scopes: list[Scope] = field(default_factory=list)
    classes: dict[str, str] = field(default_factory=dict)  # of scopes that are no containers
    ids: dict[Value, str] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)  # of paths with the marks of their scope
    taken: dict[str, dict[str, str]] = field(
        default_factory=dict
    )  # by scope, names and their verbs

    def write(self, part: _Part, scope: str, path: str, marks: str) -> None:
        """The children of a part, which stand in a scope."""
        self._reserve(part, path)
        for child in self._flat(part, ""):
            what, stem = child
            if isinstance(what, Step):
                self._node(what, scope, path, marks, stem)
                continue
            again = self._again(what.path, marks)
            id = f"{what.path}{again}"
            self.scopes.append(Scope(id, "sequence", scope))
            if type(what.module) not in CONTAINERS:
                self.classes[id] = snake(type(what.module).__name__)
            self.write(what, id, what.path, again)

    def _flat(self, part: _Part, stem: str) -> "Iterable[tuple[_Part | Step, str]]":
        """The children of a scope: steps with the name that they have from dissolved modules."""
        for child in part.children:
            if isinstance(child, Step):
                yield child, stem
            elif child.dissolved or _single(child):
                last = child.path.rpartition(".")[2]
                alone = len(list(child.steps())) == 1
                yield from self._flat(child, last if alone else stem or last)
            else:
                yield child, ""

    def _reserve(self, part: _Part, path: str) -> None:
        """Names that are not free for what has no weights: those of what has."""
        taken = self.taken.setdefault(path, {})
        for what, _ in self._flat(part, ""):
            full = what.path
            if full:
                name = full[len(path) + 1 if path else 0 :].partition(".")[0]
                taken[name] = ""

    def _again(self, path: str, marks: str) -> str:
        """The marks of one more application of what is at a path."""
        count = self.calls[path + marks]
        self.calls[path + marks] += 1
        return f"{marks}@{count}" if count else marks

    def _node(self, step: Step, scope: str, path: str, marks: str, stem: str) -> None:
        if step.path:
            where = step.path
        else:
            where = self._free(stem or step.name, step, path, scope)
        id = f"{where}{self._again(where, marks)}"
        self.ids[step.output] = id
        inputs = tuple(value.input or self.ids[value] for value in step.inputs)
        specs = [value.spec for value in step.inputs]
        cost = step.op.cost(step.weights, step.output.spec, specs)
        self.nodes.append(Node(id, step.op, inputs, step.output.spec, step.weights, cost, scope))

    def _free(self, wanted: str, step: Step, path: str, scope: str) -> str:
        """A name in a scope that nothing else has; in one more call of it that of the first."""
        taken = self.taken.setdefault(path, {})
        base = re.sub(r"[^A-Za-z0-9_]", "_", wanted).strip("_") or step.op.verb
        if name_problem(base) or (base.isdigit() and not path):
            base = step.op.verb
        name, number = base, 2
        while name in taken and not self._repeats(f"{path}.{name}" if path else name, scope):
            name, number = (
                f"{base}{number}" if not base.isdigit() else f"{step.op.verb}{base}_{number}",
                number + 1,
            )
        taken[name] = step.op.verb
        return f"{path}.{name}" if path else name

    def _repeats(self, full: str, scope: str) -> bool:
        """Whether a name was given in an earlier call of this module, and not yet in this one."""
        mark = scope.partition("@")[1:]
        return bool(mark[0]) and full in self._named() and full + "".join(mark) not in self.calls

    def _named(self) -> set[str]:
        return {id.partition("@")[0] for id in self.ids.values()}


def _single(part: _Part) -> bool:
    """Whether a module does one thing, so that it is this."""
    steps = list(part.steps())
    return len(steps) == 1


CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_WORD = re.compile(  # of a class's name: it has three letters or more, or only large ones
    r"(?<=[a-z0-9])(?=[A-Z][a-z]{2}|[A-Z]{2,}(?![a-z])|[A-Z](?![A-Za-z]))"
    r"|(?<=[A-Z])(?=[A-Z][a-z]{2})|_+"
)


def _named(graph: Graph, classes: Mapping[str, str]) -> Graph:
    """The graph whose scopes are blocks, by the classes of their modules.

    Scopes of one block with equal inputs hold the same; where they do not, a number tells them
    apart.
    """
    held: dict[str, list[Node]] = {scope.id: [] for scope in graph.scopes}
    for node in graph.nodes:
        for scope in graph.around(node.scope):
            held[scope.id].append(node)
    variants: dict[Hashable, list[Hashable]] = {}
    found = []
    for scope in graph.scopes:
        block = classes.get(scope.id, "")
        if not block:
            found.append(scope)
            continue
        inputs, structure = _structure(graph, scope, held[scope.id])
        known = variants.setdefault((block, inputs), [])
        if structure not in known:
            known.append(structure)
        number = known.index(structure)
        said = (("variant", number),) if number else ()
        found.append(replace(scope, block=block, inputs=inputs, arguments=said))
    return replace(graph, scopes=tuple(found))


def _structure(
    graph: Graph, scope: Scope, nodes: Sequence[Node]
) -> tuple[tuple[TensorSpec, ...], Hashable]:
    """What a scope takes, and what it holds but for where it stands."""
    inside = {node.id: n for n, node in enumerate(nodes)}
    outside: dict[str, int] = {}
    for node in nodes:
        for id in node.inputs:
            if id not in inside:
                outside.setdefault(id, -1 - len(outside))
    prefix = len(scope.path)
    structure = tuple(
        (node.path[prefix:], node.op, tuple(inside.get(i, outside.get(i)) for i in node.inputs))
        for node in nodes
    )
    return tuple(graph.spec(id) for id in outside), structure


def snake(title: str) -> str:
    """`basic_block` for `BasicBlock`, `convnext_block` for `ConvNeXtBlock`."""
    name = "_".join(word.lower() for word in _WORD.split(title) if word) or "block"
    return name if not identifier_problem(name) else f"{name}_block"


def _in_order(graph: Graph, keys: Sequence[str]) -> Graph:
    """The graph whose modules are made in the order of the keys."""
    if list(graph.state) == list(keys):
        return graph
    places: dict[str, int] = {}
    for n, key in enumerate(keys):
        while key:
            places.setdefault(key, n)  # of a level that of its first weight
            key = key.rpartition(".")[0]
    made: list[tuple[int, str]] = []
    before: dict[str, int] = {}
    for node in graph.nodes:
        where = [places[key] for key, _ in graph.weights(node)]
        if not where:  # behind what stands before it in its scope, else where that begins
            scope = node.scope
            while scope and scope not in before and scope.partition("@")[0] not in places:
                scope = graph.scope_by_id[scope].parent
            where = [before.get(scope, places.get(scope.partition("@")[0], 0))]
        before[node.scope] = min(where)
        made.append((min(where), node.id))
    return replace(graph, made=tuple(id for _, id in sorted(made, key=lambda pair: pair[0])))
