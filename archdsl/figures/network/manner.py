"""In what blocks that look alike may differ: norms, activations, and what no box says of its op."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from math import prod
from typing import Any

from archdsl.graph.graph import Graph, Node

SAID = frozenset(  # by boxes and lists
    ("kernel", "out", "stride", "dilation", "groups", "heads", "size", "scale")
)
TRAINING = frozenset(("init", "rate", "momentum", "std", "start"))  # what no result depends on
PASSED = frozenset(("dropout", "drop_path", "identity"))  # ops that no result depends on

OPAQUE = frozenset(("result", "counted", "reason"))  # follow from the part and from what it takes

Step = tuple[str, tuple[tuple[str, Any], ...], tuple[int, ...], bool]
Manner = tuple[Step, ...]


def manner_of(graph: Graph, nodes: Sequence[Node]) -> Manner:
    """Every op in order: its verb, its arguments but for numbers that boxes say, what it takes.

    An input is how many ops before it stands, 0 for what comes from outside; last is whether it is
    drawn.
    """
    kept = [node for node in nodes if node.op.verb not in PASSED]
    place = {node.id: number for number, node in enumerate(kept)}
    for node in nodes:
        if node.op.verb in PASSED and node.inputs[0] in place:
            place[node.id] = place[node.inputs[0]]
    return tuple(
        (
            node.op.verb,
            tuple(_arguments(graph, node)),
            tuple(number - place.get(id, number) for id in node.inputs),
            node.op.role() != "",
        )
        for number, node in enumerate(kept)
    )


def _arguments(graph: Graph, node: Node) -> Iterator[tuple[str, Any]]:
    op: Any = node.op
    hidden = SAID | TRAINING if op.role() else TRAINING
    for field in fields(op):
        value = getattr(op, field.name)
        if field.name == "padding":
            value = _kept(op)
        elif op.verb == "slice":  # boxes say all of it
            continue
        elif op.verb == "reshape":
            value = _moved(graph.spec(node.inputs[0]).shape, graph.spec(node.id).shape)
        elif field.name in OPAQUE and op.verb == "opaque":
            continue
        elif field.name == "held":
            channels = graph.spec(node.inputs[0]).channels
            value = tuple((w.name, *(size / channels for size in w.shape)) for w in value)
        elif field.name in hidden:
            continue
        yield field.name, value


def _moved(before: Sequence[int], after: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """How a reshape splits and joins axes: of each part how many, and their sizes after.

    One size follows from the others, for maps of other sizes too: the largest of each part.
    """
    found: list[tuple[int, ...]] = []
    i = j = 0
    while i < len(before) or j < len(after):
        taken, made = 1, 1
        while (old := prod(before[i : i + taken])) != (new := prod(after[j : j + made])):
            taken, made = taken + (old < new), made + (old > new)
        sizes = list(after[j : j + made])
        if sizes:
            sizes[sizes.index(max(sizes))] = -1
        found.append((len(before[i : i + taken]), *sizes))
        i, j = i + taken, j + made
    return tuple(found)


def _kept(op: Any) -> Any:
    """The padding, or "same" if it is that which keeps the size of a map."""
    dilation = getattr(op, "dilation", None) or (1,) * len(op.kernel)
    same = tuple(d * (k - 1) // 2 for k, d in zip(op.kernel, dilation, strict=True))
    return "same" if op.padding == same else op.padding


def kinds_of(manner: Manner) -> Manner:
    """The ops of a manner, each once, whatever it takes: of a block that counts its parts."""
    return tuple(sorted({(verb, given, (), drawn) for verb, given, _, drawn in manner}, key=repr))


def quiet_of(manner: Manner) -> frozenset[str]:
    """The norms and activations of a manner."""
    return frozenset(_word(step) for step in manner if not step[3])


def words_of(manner: Manner, other: Manner) -> str:
    """What a manner has that another has not, `gelu`; else where they part, `relu → conv`.

    What both have, and not as often, is counted: `1 lrn`.
    """
    words, others = [_word(step) for step in manner], [_word(step) for step in other]
    has, had = Counter(words), Counter(others)
    own = [f"{has[word]} {word}" if word in had else word for word in has - had]
    fewer = [f"{has[word]} {word}" for word in had - has if word in has]
    none = [word for word in had - has if word not in has]
    if own or fewer or none:
        return ", ".join([*own, *fewer]) or f"without {', '.join(none)}"
    parts = [n for n, pair in enumerate(zip(words, others, strict=True)) if len({*pair}) > 1]
    return " → ".join(words[parts[0] : parts[0] + 2]) if parts else "other arguments"


def _word(step: Step) -> str:
    """`batch norm`, `scale 0.2`."""
    verb, arguments, _, _ = step
    told = [f"{value:g}" for name, value in arguments if name == "factor"]
    return " ".join([verb.replace("_", " "), *told])
