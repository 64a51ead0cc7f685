"""The graph: flat, typed, frozen. Hierarchy is metadata: a node knows the scope it stands in."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from archdsl.diagnostics.diagnostic import Span
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.packages import require
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.expressions.scaling import Rule
from archdsl.graph.outward import OUTWARD
from archdsl.graph.renames import Renames
from archdsl.graph.returns import Returns
from archdsl.ops import Cost, Op, Weight, arguments
from archdsl.ops.tensor import INPUT as INPUT
from archdsl.ops.tensor import TensorSpec

if TYPE_CHECKING:
    import networkx

SHOWN = 3  # outputs that a graph's short form names
ScopeKind = Literal["block", "sequence", "repeat", "dense", "residual", "branches"]


@dataclass(frozen=True, slots=True)
class Node:
    """One operation.

    `id` is its path in the spec, with `@1`, `@2`... where shared weights are applied again;
    `scope` the id of the scope it stands in, "" at the top; `inputs` ids of nodes, or `input`;
    `output`, `weights` and `cost` what its op gives, has and costs for these inputs; `residual`
    whether it adds the body and the shortcut of what the spec calls a residual.
    """

    id: str
    op: Op
    inputs: tuple[str, ...]
    output: TensorSpec
    weights: tuple[Weight, ...]
    cost: Cost
    scope: str
    span: Span | None = None
    residual: bool = False

    @property
    def name(self) -> str:
        """The path in its scope, which may have dots: `convs.0`."""
        return name_within(self.path, self.scope)

    @property
    def holds_weights(self) -> bool:
        """Whether it is a module with weights, and not a parameter itself."""
        return any(weight.name for weight in self.weights)

    @property
    def path(self) -> str:
        """The id without the mark of a repeated application: where the weights are."""
        return self.id.partition("@")[0]


@dataclass(frozen=True, slots=True)
class Scope:
    """A named part of the network: a module, the prefix of its weights, a cluster of a figure.

    Two block scopes with equal `block`, `arguments` and `inputs` hold the same subgraph.
    """

    id: str
    kind: ScopeKind
    parent: str
    block: str = ""
    arguments: tuple[tuple[str, Any], ...] = ()
    inputs: tuple[TensorSpec, ...] = ()
    span: Span | None = None

    @property
    def path(self) -> str:
        return self.id.partition("@")[0]

    @property
    def name(self) -> str:
        return name_within(self.path, self.parent)


def name_within(id: str, scope: str) -> str:
    """What a scope calls what is at an id in it; of keys with `_`, which add no level, the last."""
    outer = scope.partition("@")[0]
    name = id[len(outer) + 1 if outer else 0 :]
    return name.rpartition(".")[2] if name.startswith("_") else name


@dataclass(frozen=True, repr=False)
class Graph:
    """A network: nodes in an order in which they can run, scopes before what they hold.

    `input` is what it is given, the first if there are several: `inputs` are all by their ids,
    `input` for a single one without a name. `outputs` maps names to node ids ("" names the single
    result of a spec without `outputs`), `taps` feature names to node ids, `aux` names to node ids
    that exist in training only, `renames` sources of weights to how their tensors become ours.
    `made` are the nodes' ids in the order in which their modules are made, empty where that is the
    order of the nodes. `returns` are the results as training returns them, None for the usual way.
    `frozen` are the paths of nodes whose parameters do not learn, `recomputed` those of nodes and
    scopes of which training keeps nothing: the backward pass computes them again. `whole` is the
    graph that this one was selected from, if it is a part.
    `written` is the spec that it was elaborated from, None if it was read from JSON; no graph
    depends on it.
    """

    name: str
    input: TensorSpec
    nodes: tuple[Node, ...]
    scopes: tuple[Scope, ...]
    outputs: Mapping[str, str]
    taps: Mapping[str, str] = field(default_factory=dict)
    aux: Mapping[str, str] = field(default_factory=dict)
    renames: Mapping[str, Renames] = field(default_factory=dict)
    title: str = ""
    citation: str = ""
    made: tuple[str, ...] = ()
    returns: Returns | None = None
    written: object = field(default=None, compare=False)
    inputs: Mapping[str, TensorSpec] = field(default_factory=dict)
    frozen: frozenset[str] = frozenset()
    recomputed: frozenset[str] = frozenset()
    whole: "Graph | None" = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not self.inputs:
            object.__setattr__(self, "inputs", {INPUT: self.input})

    @property
    def given(self) -> str:
        """What it is given: `3x224x224`, or `rgb 3x64x64, depth 1x32x32`."""
        return named_shapes(self.inputs)

    @property
    def factors(self) -> dict[str, float]:
        """The factors of its spec's scaling rules (depth, width...), none if it is from JSON."""
        rules: Mapping[str, object] = getattr(self.written, "functions", {})
        return {name: rule.factor for name, rule in rules.items() if isinstance(rule, Rule)}

    @property
    def doc(self) -> str | None:
        """What its spec says of itself, "" for nothing, None if it is from JSON."""
        document: Any = getattr(self.written, "document", None)
        return document and (document.form.doc or "")

    @property
    def cited(self) -> Mapping[str, Any] | None:
        """Where its spec says that it was published, by key; None if there is no spec."""
        document: Any = getattr(self.written, "document", None)
        if document is None:
            return None
        said = vars(document.form.cite) if document.form.cite else {}
        return {name: value for name, value in said.items() if value is not None}

    def __repr__(self) -> str:
        """`<Graph resnet50: 3x224x224 to 1000, 126 nodes>`."""
        results = [f"{name} {self.spec(id)}".strip() for name, id in self.outputs.items()]
        to = ", ".join(results[:SHOWN]) + (", ..." if len(results) > SHOWN else "")
        return f"<Graph {self.name}: {self.given} to {to}, {len(self.nodes)} nodes>"

    def __deepcopy__(self, memo: dict[int, Any]) -> "Graph":
        """Itself, since nothing in it changes."""
        return self

    @staticmethod
    def of(module: object) -> "Graph | None":
        """The graph of a module that was compiled from one, None for any other."""
        graph = vars(module).get("graph")
        return graph if isinstance(graph, Graph) else None

    @cached_property
    def by_id(self) -> dict[str, Node]:
        return {node.id: node for node in self.nodes}

    @cached_property
    def scope_by_id(self) -> dict[str, Scope]:
        return {scope.id: scope for scope in self.scopes}

    @cached_property
    def again(self) -> dict[str, str]:
        """What is said behind a path where its weights are applied again: `again`, then `use 3`."""
        found: dict[str, str] = {}
        times = Counter[str]()
        parts: list[Scope | Node] = [*self.scopes, *self.nodes]
        for part in parts:
            times[part.path] += 1
            if part.id != part.path:
                count = times[part.path]
                found[part.id] = "again" if count == 2 else f"use {count}"
        return found

    def called(self, id: str, name: str = "") -> str:
        """A node or a scope for readers, by its path or a name: `head (again)` for `head@1`."""
        name = name or id
        return f"{name.partition('@')[0]} ({self.again[id]})" if id in self.again else name

    def around(self, scope: str) -> Iterator[Scope]:
        """The scope with this id and those that hold it, the innermost first; none for ""."""
        while scope:
            found = self.scope_by_id[scope]
            yield found
            scope = found.parent

    def block_around(self, scope: str) -> str:
        """The path of the outermost block around what stands in a scope, "" if there is none."""
        blocks = [one.path for one in self.around(scope) if one.block]
        return blocks[-1] if blocks else ""

    def regions(self, node: Node) -> tuple[str, ...]:
        """The ids of the recomputed parts that a node stands in or is, the outermost first."""
        if not self.recomputed:
            return ()
        parts: list[Node | Scope] = [node, *self.around(node.scope)]
        return tuple([part.id for part in parts if part.path in self.recomputed][::-1])

    @cached_property
    def chains(self) -> dict[str, tuple[str, ...]]:
        """For every scope, and "" for the top, those around what stands in it, outermost first."""
        found: dict[str, tuple[str, ...]] = {"": ()}
        for scope in self.scopes:
            found[scope.id] = (*found[scope.parent], scope.id)
        return found

    @cached_property
    def uses(self) -> Counter[str]:
        """How many inputs, outputs and auxiliary outputs a node or the input is."""
        taken = (id for node in self.nodes for id in node.inputs)
        return Counter((*taken, *self.outputs.values(), *self.aux.values()))

    @property
    def returned(self) -> dict[str, str]:
        """What evaluation returns: ids by name, "" for a tensor that has none."""
        said = self.returns
        if said is None or not said.is_dict:
            return dict(self.outputs)
        fields = said.fields.items()
        return {field: self.outputs[name] for field, name in fields if name in self.outputs}

    @cached_property
    def _gives(self) -> dict[str, TensorSpec]:
        return {**self.inputs, **{node.id: node.output for node in self.nodes}}

    def spec(self, id: str) -> TensorSpec:
        """What the node, or the input, with this id gives; raises UsageError if there is none."""
        try:
            return self._gives[id]
        except (KeyError, TypeError):
            raise UsageError(self._unknown(id)) from None

    def _unknown(self, id: Any) -> str:
        """What is said where there is no such node: it may be a part, or called nearly so."""
        if not isinstance(id, str):
            return f"the id of a node is a text, not {repr(id)[:40]}"
        if inside := self.nodes_at(id):
            return f"`{id}` is a part of several nodes; its last is `{inside[-1].id}`"
        return f"no node `{id}`; {did_you_mean(id, [*self._gives, *self.scope_by_id])}"

    def specs(self, node: Node) -> tuple[TensorSpec, ...]:
        """What a node is given."""
        gives = self._gives
        return tuple([gives[id] for id in node.inputs])

    def weights(self, node: Node) -> tuple[tuple[str, Weight], ...]:
        """The state_dict keys of a node's parameters and buffers, in order."""
        path = node.path
        return tuple((f"{path}.{w.name}" if w.name else path, w) for w in node.weights)

    @property
    def in_making(self) -> Sequence[Node]:
        """The nodes in the order in which their modules are made."""
        return [self.by_id[id] for id in self.made] if self.made else self.nodes

    @cached_property
    def state(self) -> dict[str, Weight]:
        """The state_dict: keys in PyTorch's order, a module's own tensors before its children's."""
        order: dict[str, Any] = {}
        parts: list[Node | Scope] = [*self.nodes, *self.scopes]
        levels = {level for part in parts for level in levels_of(part)}
        for node in self.in_making:
            for key, weight in self.weights(node):
                *path, name = key.split(".")
                _level(order, path).setdefault(name, weight)
            if levels:  # which are there before what follows, whatever they hold
                names = node.path.split(".")
                made = (names[:n] for n in range(1, len(names)))
                for path in (path for path in made if ".".join(path) in levels):
                    _level(order, path)
        return dict(_flattened(order, ""))

    def select(self, outputs: Mapping[str, str], aux: Mapping[str, str] | None = None) -> "Graph":
        """The part of the graph that the given results need, with these results as its outputs.

        `outputs` and `aux` are ids of nodes by the names of results; raises UsageError for others.
        """
        aux = aux or {}
        for given in (outputs, aux):
            if not isinstance(given, Mapping):
                raise UsageError(f"results are ids of nodes by name, not {repr(given)[:40]}")
            for id in given.values():
                self.spec(id)
        needed = self.needed([*outputs.values(), *aux.values()])
        nodes = tuple([node for node in self.nodes if node.id in needed])
        scopes = holding(self.scopes, nodes)
        if len(nodes) == len(self.nodes) and (outputs, aux) == (self.outputs, self.aux):
            return self
        return replace(
            self,
            nodes=nodes,
            scopes=scopes,
            outputs=dict(outputs),
            taps={name: id for name, id in self.taps.items() if id in needed},
            aux=dict(aux),
            made=tuple([id for id in self.made if id in needed]),
            returns=self.returns if (outputs, aux) == (self.outputs, self.aux) else None,
            frozen=self.frozen and self.frozen & paths_of(nodes),
            recomputed=self.recomputed and self.recomputed & paths_of(nodes, scopes),
            whole=self.whole or self,
        )

    def needed(self, results: Iterable[str]) -> set[str]:
        """The ids of the results and of all that they are computed from."""
        needed = set(results)
        for node in reversed(self.nodes):
            if node.id in needed:
                needed.update(node.inputs)
        return needed

    def nodes_at(self, path: str) -> list[Node]:
        """The node at a path, or all nodes of the part there, in order; none where nothing is."""
        if path in self.by_id:
            return [self.by_id[path]]
        inside = {path} & self.scope_by_id.keys()
        for scope in self.scopes:
            if scope.parent in inside:
                inside.add(scope.id)
        return [node for node in self.nodes if node.scope in inside]

    def results_at(self, path: str) -> list[str]:
        """The nodes at a path, or of the part there, whose results others take: ids in order."""
        if path in self.by_id:
            return [path]
        held = {node.id for node in self.nodes_at(path)}
        outside = (node for node in self.nodes if node.id not in held)
        taken = {id for node in outside for id in node.inputs}
        taken |= {*self.outputs.values(), *self.taps.values(), *self.aux.values()}
        return [node.id for node in self.nodes if node.id in held & taken]

    def to_networkx(self) -> "networkx.MultiDiGraph[str]":
        """A `networkx.MultiDiGraph` of ids, with an edge for every input of a node, in order.

        A node has `op`, `label`, `shape`, `scope`, what it costs (`parameters`, `buffers`, `macs`,
        `activations`) and its arguments (`arguments.kernel`); an edge, whose key is the place of
        the input, the `shape` that passes. All are words and numbers, which GraphML can hold:
        shapes and lists are `64x56x56`, what is not given is left out.
        """
        require("to_networkx", "networkx")
        import networkx

        view: networkx.MultiDiGraph[str] = networkx.MultiDiGraph(name=self.name)
        for id, spec in self.inputs.items():
            view.add_node(id, op=INPUT, shape=str(spec), scope="")
        for node in self.nodes:
            op, cost = node.op, node.cost._asdict()
            del cost["nodes"]
            given = {f"arguments.{name}": _plain(getattr(op, name)) for name in arguments(type(op))}
            said = {name: value for name, value in given.items() if value is not None}
            shape, scope = str(node.output), node.scope
            view.add_node(
                node.id, op=op.verb, label=op.label(), shape=shape, scope=scope, **cost, **said
            )
            for place, id in enumerate(node.inputs):
                view.add_edge(id, node.id, key=place, shape=str(self.spec(id)))
        return view

    def _repr_svg_(self) -> str | None:
        """The hero figure, for notebooks; None if the network fits none."""
        drawn: str | None = OUTWARD["svg"](self)
        return drawn

    def to_json(self) -> str:
        """The documented JSON form, which `from_json` reads back."""
        text: str = OUTWARD["json"](self)
        return text

    @staticmethod
    def from_json(text: str, *, limits: Mapping[str, Any] | None = None) -> "Graph":
        """The graph that `to_json` wrote.

        Nothing in the text is believed: it may be a stranger's. `limits` are as for `load`. Raises
        ValueError, naming the field, if `text` is anything else.
        """
        graph: Graph = OUTWARD["from_json"](text, limits)
        return graph


def named_shapes(inputs: Mapping[str, TensorSpec]) -> str:
    """What a network is given, each by its name if it has one."""
    if [*inputs] == [INPUT]:
        return str(inputs[INPUT])
    return ", ".join(f"{name} {spec}" for name, spec in inputs.items())


def _plain(value: Any) -> str | int | float | None:
    """An argument as a word or a number: `3x3` for sizes, `normal(std=0.02)` for a scheme."""
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    return value if value is None or isinstance(value, str | int | float) else str(value)


def paths_of(*parts: Iterable[Node | Scope]) -> frozenset[str]:
    """Where nodes or scopes stand."""
    return frozenset([part.path for several in parts for part in several])


def holding(scopes: Sequence[Scope], nodes: Iterable[Node]) -> tuple[Scope, ...]:
    """The scopes that hold one of the nodes, at any depth."""
    used = {node.scope for node in nodes}
    for scope in reversed(scopes):
        if scope.id in used:
            used.add(scope.parent)
    return tuple(scope for scope in scopes if scope.id in used)


def levels_of(part: Node | Scope) -> Iterator[str]:
    """The paths of the levels between a part and its scope: `convs` for `convs.0`."""
    path = part.path
    for _ in range(part.name.count(".")):
        path = path.rpartition(".")[0]
        yield path


def _level(order: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """What stands at a path of nested mappings, which are made where they are not there."""
    for part in path:
        order = order.setdefault(part, {})
    return order


def _flattened(order: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Weight]]:
    """The weights of a module, then those of its children; parameters before buffers."""
    own = {name: weight for name, weight in order.items() if isinstance(weight, Weight)}
    for name, weight in sorted(own.items(), key=lambda pair: pair[1].kind != "parameter"):
        yield f"{prefix}{name}", weight
    for name, inner in order.items():
        if name not in own:
            yield from _flattened(inner, f"{prefix}{name}.")
