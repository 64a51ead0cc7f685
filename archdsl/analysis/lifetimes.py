"""How long the variables of `forward` hold what flows through a network."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from archdsl.graph.graph import Graph

_Values = dict[str, None]  # each once, in order


@dataclass
class _Forward:
    """The steps of one `forward`: calls of modules and ops, each with the values that it takes.

    `last` is the number of the last step that needs a value, `inf` where it is returned.
    """

    steps: dict[str, _Values] = field(default_factory=dict)  # step -> values from outside of it
    gives: dict[str, _Values] = field(default_factory=dict)  # step -> values used outside of it
    arguments: _Values = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)

    def take(self, step: str, value: str, is_argument: bool) -> None:
        self.steps[step].setdefault(value)
        if is_argument:
            self.arguments.setdefault(value)
        self.last[value] = max(self.last.get(value, 0), len(self.steps) - 1)

    def give(self, step: str, value: str, is_returned: bool) -> None:
        self.gives.setdefault(step, {}).setdefault(value)
        if is_returned:
            self.last[value] = inf

    @property
    def is_chain(self) -> bool:
        """Whether every step takes what the one before it gives, and nothing else."""
        before = self.arguments
        for number, (step, taken) in enumerate(self.steps.items()):
            given = self.gives.get(step, {})
            ends = number == len(self.steps) - 1
            if taken != before or len(given) != 1 or (self.last.get(*given) == inf) != ends:
                return False
            before = given
        return len(self.arguments) == 1

    def let_go(self, named: Collection[str]) -> dict[str, str]:
        """The step at whose end the variable of a value is assigned again; "" for the end.

        What is `named` has a variable of its own.
        """
        several = len(self.arguments) > 1
        names = [f"argument {n}" if several else "x" for n in range(len(self.arguments))]
        holders = dict(zip(names, self.arguments, strict=True))
        variables = {value: variable for variable, value in holders.items()}
        gone: dict[str, str] = {}

        def is_dead(variable: str, number: int) -> bool:
            held = holders.get(variable)
            return held is not None and self.last.get(held, -1) <= number

        for number, (step, taken) in enumerate(self.steps.items()):
            before = ["x", *(variables[id] for id in taken if id in variables)]
            first = 0  # of these that may be dead: what is not stays so until the step is done
            for value in self.gives.get(step, {step: None}):
                while first < len(before) and not is_dead(before[first], number):
                    first += 1
                reused = before[first] if first < len(before) else ""
                free = (v for v in ("out", step) if v not in holders or is_dead(v, number))
                variable = value if value in named else reused or next(free, value)
                if variable in holders:
                    gone[holders[variable]] = step
                holders[variable], variables[value] = value, variable
        return gone | dict.fromkeys(holders.values(), "")


def last_uses(graph: Graph) -> dict[str, int]:
    """The position of the node at whose end a value is let go.

    A value is in a variable of every `forward` that gives or takes it, until the variable is
    assigned again or the `forward` is done. A block has a `forward`, and so has what runs its
    modules one after another; what stands in other lists is called by the `forward` around it.
    """
    every = _chains(graph, [scope.id for scope in graph.scopes])
    found = _forwards(graph, every)
    own = [scope.id for scope in graph.scopes if scope.block or found[scope.id].is_chain]
    chains = _chains(graph, own)
    done: dict[str, int] = {}
    for position, node in enumerate(graph.nodes):
        done.update(dict.fromkeys((*chains[node.scope], node.id), position))
    ends = dict.fromkeys(graph.inputs, len(graph.nodes))
    ends |= {node.id: done[node.id] for node in graph.nodes}
    named = {id for name, id in graph.outputs.items() if name}
    for around, forward in _forwards(graph, chains).items():
        for value, step in forward.let_go(() if around else named).items():
            ends[value] = max(ends[value], done[step or around])
    return ends | dict.fromkeys(graph.outputs.values(), len(graph.nodes))


def _chains(graph: Graph, own: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """By scope, the scopes around it that have a `forward`, from the network's on."""
    own = set(own)
    chains: dict[str, tuple[str, ...]] = {"": ("",)}
    for scope in graph.scopes:
        around = chains[scope.parent]
        chains[scope.id] = (*around, scope.id) if scope.id in own else around
    return chains


def _forwards(graph: Graph, chains: Mapping[str, tuple[str, ...]]) -> dict[str, _Forward]:
    """By scope, the steps of its `forward`."""
    forwards = {around: _Forward() for chain in chains.values() for around in chain}
    places: dict[str, tuple[str, ...]] = dict.fromkeys(graph.inputs, ("",))
    places |= {node.id: chains[node.scope] for node in graph.nodes}
    for node in graph.nodes:
        chain = places[node.id]
        for depth, around in enumerate(chain):
            forwards[around].steps.setdefault(_step(chain, depth, node.id), {})
        for id in node.inputs:
            source = places[id]
            shared = len(chain) if source is chain else _shared(source, chain)
            for depth in range(shared - 1, len(chain)):
                step = _step(chain, depth, node.id)
                forwards[chain[depth]].take(step, id, depth >= shared or id in graph.inputs)
            for depth in range(shared - 1, len(source) if id in graph.by_id else 0):
                step = _step(source, depth, id)
                forwards[source[depth]].give(step, id, depth >= shared)
    for id in graph.outputs.values():
        for depth, around in enumerate(places[id] if id in graph.by_id else ()):
            forwards[around].give(_step(places[id], depth, id), id, True)
    return forwards


def _step(chain: Sequence[str], depth: int, id: str) -> str:
    """The step of a `forward` in which a node runs."""
    return chain[depth + 1] if depth + 1 < len(chain) else id


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many scopes, from the outermost on, two places have in common."""
    return sum(a == b for a, b in zip(one, other, strict=False))
