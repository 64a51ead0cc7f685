"""What others published for a network: entries of its spec, and of torchvision's and timm's tables.

The tables are data, one file a package, made from the package itself by `docs/published.py`: an
entry changes with the package, not with the network, and a spec that extends another must not take
its entries over as its own, as it does all else. So they are by the name of a network of the
gallery. A spec's own entries are its own to extend.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.graph.graph import Graph
from archdsl.language import gallery
from archdsl.language.keys import PublishedForm
from archdsl.yaml.models import made

TABLES = Path(__file__).parent / "tables"
_IN_TRAINING = ("init", "rate", "frozen", "bias_init")  # of ops: what weights do not depend on
SHOWN = 4  # differences that a note names


@dataclass(frozen=True)
class Published:
    """An entry of a source, for a network; `network` is empty for that of the spec itself."""

    source: str
    entry: str
    form: PublishedForm
    network: str = ""

    @property
    def name(self) -> str:
        return f"{self.source}/{self.entry}"


@cache
def table(source: str) -> Mapping[str, Mapping[str, PublishedForm]]:
    """The entries of a package by network and name, the default first."""
    data = json.loads((TABLES / f"{source}.json").read_text(encoding="utf-8"))
    return {
        network: {entry: made(PublishedForm, form) for entry, form in entries.items()}
        for network, entries in data["networks"].items()
    }


def tables() -> list[str]:
    """The packages of which there are tables, torchvision first."""
    return sorted((path.stem for path in TABLES.glob("*.json")), reverse=True)


def published(graph: Graph) -> list[Published]:
    """What there is for a network, by source, the default of each first.

    First what its spec says, then what is known of it if it is one of the gallery, then of the
    networks of the gallery that it extends, if that is another network by its sections.
    """
    found = list(_own(graph))
    for n, network in enumerate(networks(graph)):
        for source in tables():
            known = {one.name for one in found}
            for entry, form in table(source).get(network, {}).items():
                one = Published(source, entry, form, network)
                if one.name not in known:
                    found.append(one)
        if n == 0 and found and _whole(graph):
            break
    return found


def _own(graph: Graph) -> Iterator[Published]:
    for source, form in getattr(_document(graph), "form", _NONE).weights.items():
        for entry, published in form.entries.items():
            yield Published(source, entry, published)


class _NONE:
    weights: Mapping[str, Any] = {}


def _document(graph: Graph) -> Any:
    return getattr(graph.written, "document", None)


def networks(graph: Graph) -> list[str]:
    """The networks of the gallery that a graph is, or comes from, the nearest first."""
    document = _document(graph)
    if document is None:
        return []
    source = document.file.source
    files = {os.path.realpath(gallery.path(name)): name for name in gallery.every()}
    paths = (os.path.realpath(path) for path in (source.name, *source.bases))
    return [files[path] for path in paths if path in files]


def _whole(graph: Graph) -> bool:
    """Whether all sections of a spec are those of one that it extends, or it extends none."""
    document = _document(graph)
    source = document.file.source
    spans = [source.at(section).span for section in document.sections]
    own = [span for span in spans if span is None or span.file == source.name]
    return not own or not source.bases


def find(graph: Graph, name: str) -> Published:
    """The entry of a name: `torchvision`, for its default, or `torchvision/IMAGENET1K_V1`."""
    source, slash, _ = name.partition("/")
    known = published(graph)
    for one in known:
        if name == one.name or (not slash and name == one.source):
            return one
    names = [one.name for one in known]
    sources = list(dict.fromkeys(one.source for one in known))
    if not known:
        raise UsageError(
            f"no file {name}, and no published weights of {graph.name} are known: "
            "`archdsl weights` lists those of a network"
        )
    help = did_you_mean(name, names if slash and source in sources else [*sources, *names])
    raise UsageError(f"no file {name}, and no such published weights of {graph.name}; {help}")


def unlike(graph: Graph, network: str) -> list[str]:
    """In what a graph is not the network that weights were published for: `conv1.stride 2 for 1`.

    Arguments that a weight does not depend on, and those of the classifier, do not count.
    """
    from archdsl.weights.ancestry import gallery_graph

    theirs = gallery_graph(network)
    changed = []
    for node in graph.nodes:
        other = theirs.by_id.get(node.id)
        if other is None or other.op == node.op:
            continue
        if type(other.op) is not type(node.op):
            changed.append(f"{node.id} is {node.op.verb} for {other.op.verb}")
            continue
        for one in fields(node.op):
            ours, before = getattr(node.op, one.name), getattr(other.op, one.name)
            if ours != before and one.name not in (*_IN_TRAINING, "out"):
                changed.append(f"{node.id}.{one.name} is {_said(ours)} for {_said(before)}")
    rest = [f"and {len(changed) - SHOWN} more"] if len(changed) > SHOWN else []
    return [*changed[:SHOWN], *rest]


def _said(value: Any) -> str:
    """An argument in a note: sizes that are alike once."""
    if isinstance(value, tuple) and value:
        return str(value[0]) if len(set(value)) == 1 else "x".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
