"""Tensors into a module: the one reading of a file that fits, whole or not at all, and a report."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, islice, takewhile
from typing import TYPE_CHECKING, Any

from archdsl.diagnostics.errors import CheckpointError, UsageError
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.graph.graph import Graph
from archdsl.graph.renames import Renames
from archdsl.weights.adapting import classifiers, require_kinds, stems
from archdsl.weights.ancestry import Target, ancestors
from archdsl.weights.matching import Match, Wanted, differences, insides, match
from archdsl.weights.reading import Content, Held, read_content, require_source
from archdsl.weights.report import Report, listed

if TYPE_CHECKING:
    from torch import Tensor, nn

PREFIXES = ("module.", "model.", "backbone.")
# What torch's wrappers put into paths at any depth.
INNER = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
DEPTH = 4  # of prefixes before prefixes


@dataclass(frozen=True)
class Reading:
    """One way to read a file: which of its state_dicts, without which prefix, by whose names."""

    held: Held
    tensors: Mapping[str, "Tensor"]
    dropped: tuple[str, ...] = ()
    prefix: str = ""
    inner: tuple[str, ...] = ()
    names: str = ""
    renames: Renames = field(default_factory=Renames)
    target: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """How it reads the file, where that is not as it is."""
        held = self.held
        others = f" ({', '.join(f'`{key}`' for key in held.others)} not)" if held.others else ""
        said = {
            f"what is inside of `{held.inside}`{others}": held.inside,
            f"without `{'`, `'.join(self.inner)}` in its keys": self.inner,
            f"without the prefix `{self.prefix}`": self.prefix,
            f"by the names of {self.names}": self.names,
            f"as a file of {self.target}": self.target,
        }
        return tuple(words for words, holds in said.items() if holds)


def load_weights(
    module: "nn.Module",
    source: str | os.PathLike[str] | Mapping[str, Any],
    *,
    renames: Renames | str | None = None,
    skip: str | Iterable[str] = (),
    inside: str | None = None,
    under: str = "",
    adapt: str | Iterable[str] = (),
    name: str = "",
) -> Report:
    """Loads a file, or a mapping of tensors, into a module; `name` is what messages call it.

    The other arguments are those of `archdsl.load_weights`.
    """
    require_source(source)
    if isinstance(renames, Renames) and renames.unmet:
        file = name or ("the mapping" if isinstance(source, Mapping) else os.fspath(source))
        raise CheckpointError(f"{file} is for another network: {renames.unmet}")
    content = read_content(source, inside, name)
    graph = Graph.of(module)
    wanted = _wanted(module.state_dict(), graph, _names_in(skip), under, _names_in(adapt))
    known = _names(content.name, graph, renames)
    reading, found = _fitting(content, wanted, graph, known)
    ready = {
        key: tensor.to(wanted.state[key].device, wanted.state[key].dtype)
        for key, (_, tensor) in found.found.items()
    }
    module.load_state_dict({**wanted.state, **ready})
    return _report(content, reading, found, graph)


def _names_in(said: str | Iterable[str]) -> tuple[str, ...]:
    return (said,) if isinstance(said, str) else tuple(said)


def _wanted(
    state: Mapping[str, "Tensor"],
    graph: Graph | None,
    skip: tuple[str, ...],
    under: str,
    adapt: tuple[str, ...],
) -> Wanted:
    require_kinds(adapt)
    wanted = Wanted(state, skip, under, frozenset() if graph is None else _in_training(graph))
    if adapt and graph is None:
        raise UsageError("adapt is for a module that archdsl compiled, which has a graph")
    if graph is not None and "classes" in adapt:
        wanted = replace(wanted, classes=frozenset(classifiers(graph)))
    if graph is not None and "channels" in adapt:
        wanted = replace(wanted, channels=frozenset(stems(graph)))
    return wanted


def _in_training(graph: Graph) -> frozenset[str]:
    """The keys of what the outputs do not need: auxiliary classifiers."""
    needed = graph.needed(graph.outputs.values())
    paths = {node.path for node in graph.nodes if node.id in needed}
    others = (node for node in graph.nodes if node.path not in paths)
    return frozenset(key for node in others for key, _ in graph.weights(node))


def _names(
    file: str, graph: Graph | None, renames: Renames | str | None
) -> list[tuple[str, Renames]]:
    """The names that keys may have, by their source: ours, and those that the spec knows."""
    if isinstance(renames, Renames):
        return [("", renames)]
    known = dict(graph.renames) if graph is not None else {}
    if isinstance(renames, str):
        if renames not in known:
            raise UsageError(f"no names of {renames}; {did_you_mean(renames, known)}")
        if known[renames].unmet:
            raise CheckpointError(f"{file} is for another network: {known[renames].unmet}")
        return [(renames, known[renames])]
    return [("", Renames()), *((name, one) for name, one in known.items() if not one.unmet)]


def _fitting(
    content: Content, wanted: Wanted, graph: Graph | None, known: list[tuple[str, Renames]]
) -> tuple[Reading, Match]:
    """The first reading that fits; raises CheckpointError with what is wrong with the nearest."""
    own = Target("", {key: key for key in wanted.state})
    others = ancestors(graph, wanted.state) if graph is not None and not wanted.under else ()
    nearest: tuple[Reading, Match] | None = None
    first: CheckpointError | None = None
    for target in chain([own], others):
        for held in content.held:
            for reading in _stripped(held):
                for name, renames in known:
                    reading = replace(reading, names=name, renames=renames, target=target.name)
                    try:
                        found = match(content.name, reading.tensors, target, renames, wanted)
                    except CheckpointError as error:
                        first = first or error
                        continue
                    if not found.wrong and (found.found or not wanted.state):
                        return reading, found
                    if nearest is None or found.wrong < nearest[1].wrong:
                        nearest = reading, found
    if nearest is None or (first is not None and len(known) == 1):
        assert first is not None
        raise first
    raise CheckpointError(_unfit(content, *nearest, wanted, graph))


def _unfit(
    content: Content, reading: Reading, found: Match, wanted: Wanted, graph: Graph | None
) -> str:
    """What is wrong with a reading of a file, and what could be asked for."""
    words = f" ({', '.join(reading.words)})" if reading.words else ""
    lines = [f"{content.name} does not fit the module{words}:", *differences(found)]
    lines += listed("left in the file", reading.dropped)
    if places := insides(found):
        said = " or ".join(f"inside='{reading.prefix}{place}'" for place in places)
        lines.append(f"  the keys of the module may lie at a path in the file: {said}")
    if origin := _origin(content):
        lines.append(f"  the file was saved from {origin}")
    keys = {text.partition(":")[0] for text in found.shapes}
    if graph is not None and keys and not found.missing and not found.over:
        first, last = stems(graph), classifiers(graph)
        asked = ["classes"] if keys & (last - wanted.classes) else []
        asked += ["channels"] if keys & (first - wanted.channels) else []
        if asked and keys <= first | last:
            lines.append(f"  adapt={asked} takes over all but what depends on these")
    return "\n".join(lines)


def _stripped(held: Held) -> Iterator[Reading]:
    """A state_dict as it is, and without what stands before the keys of one that is wrapped."""
    yield Reading(held, held.tensors)
    inner = tuple([word for word in INNER if any(word in key for key in held.tensors)])
    plain = {
        ".".join(part for part in key.split(".") if part not in inner): tensor
        for key, tensor in held.tensors.items()
    }
    if len(plain) < len(held.tensors):  # two would become one
        return
    if inner:
        yield Reading(held, plain, inner=inner)
    ready = [("", plain, tuple[str, ...]())]
    for _ in range(DEPTH):
        ready = [
            (f"{before}{prefix}", {k[len(prefix) :]: t for k, t in tensors.items() if fits(k)},
             (*dropped, *(f"{before}{k}" for k in tensors if not fits(k))))
            for before, tensors, dropped in ready
            for prefix, fits in ((p, _starting(p)) for p in PREFIXES)
            if any(map(fits, tensors))
        ]  # fmt: skip
        for before, tensors, dropped in ready:
            yield Reading(held, tensors, dropped, before, inner)
    levels = zip(*(key.split(".")[:-1] for key in plain), strict=False)
    before = ""
    for level in takewhile(lambda parts: len({*parts}) == 1, islice(levels, DEPTH)):
        before += f"{level[0]}."  # of another name, if all keys have it
        rest = {key[len(before) :]: tensor for key, tensor in plain.items()}
        yield Reading(held, rest, (), before, inner)


def _starting(prefix: str) -> Any:
    return lambda key: key.startswith(prefix) and len(key) > len(prefix)


def _report(content: Content, reading: Reading, found: Match, graph: Graph | None) -> Report:
    prefix = reading.prefix
    taken, renamed = [], {}
    for ours, (theirs, _) in found.found.items():
        if ours in found.adapted:
            continue
        if theirs == ours:
            taken.append(ours)
        else:
            renamed[prefix + theirs] = ours
    return Report(
        content.name,
        reading.words,
        tuple(taken),
        renamed,
        found.adapted,
        (*(prefix + key for key in found.left), *reading.dropped, *reading.held.left),
        tuple(key for key in found.absent if key not in found.adapted),
        _origin(content),
    )


def _origin(content: Content) -> str:
    """What a file that archdsl wrote says it was saved from."""
    said = content.metadata
    if "archdsl" not in said:
        return ""
    return f"{said.get('name', 'a network')} by archdsl {said['archdsl']}"
