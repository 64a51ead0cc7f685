"""The networks that a network comes from, whose files have what it has."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.sink import Sink, TooMany
from archdsl.elaborate.document import elaborate
from archdsl.graph.graph import Graph
from archdsl.language import gallery
from archdsl.language.document import read_document
from archdsl.language.loader import Loader
from archdsl.language.syntax import SECTIONS, Document
from archdsl.yaml.limits import Limits
from archdsl.yaml.source import Source

_UNUSED = ("expect", "freeze", "lint", "weights")  # which say nothing of what there is


@dataclass(frozen=True)
class Target:
    """A network that a file may be of: its keys, with the module's, or None where it lacks one."""

    name: str
    places: Mapping[str, str | None]


def ancestors(graph: Graph, keys: Mapping[str, Any]) -> Iterator[Target]:
    """The networks whose files a module can be loaded from, beside its own: nearest first.

    The first is the one that a backbone was cut from. The others are those that its spec extends,
    with this network's parameters and blocks: the parts of the sections that it took over are its
    own, at the paths that its `under` says.
    """
    if graph.whole is not None:
        whole = graph.whole.state
        yield Target(graph.whole.name, {key: key if key in keys else None for key in whole})
    document: Document | None = getattr(graph.written, "document", None)
    if document is None:
        return
    bases = document.file.source.bases
    for n, path in enumerate(bases):
        found = _ancestor(document, path)
        if found is None:
            continue
        base, theirs = found
        inherited = _inherited(document, set(bases[n:]))
        paths = [((theirs.form.under or {}).get(s, ""), _under(document, s)) for s in inherited]
        places = {key: _place(key, paths, keys) for key in base.state}
        if any(places.values()):
            yield Target(base.name, places)


@cache
def gallery_graph(network: str) -> Graph:
    """A network of the gallery as it is."""
    sink = Sink()
    document = Loader(sink).load(gallery.path(network))
    graph = document and elaborate(document, sink)
    assert graph, f"{network} of the gallery is wrong"
    return graph


def _under(document: Document, section: str) -> str:
    return (document.form.under or {}).get(section, "")


def _inherited(document: Document, files: set[str]) -> list[str]:
    """The sections of a document that stand in these files."""
    spans = {section: document.file.source.at(section).span for section in document.sections}
    return [section for section, span in spans.items() if span is not None and span.file in files]


def _place(key: str, paths: list[tuple[str, str]], keys: Mapping[str, Any]) -> str | None:
    """Our key for one of a base's, if the module has it."""
    for theirs, ours in paths:
        if not theirs or key.startswith(f"{theirs}."):
            rest = key[len(theirs) + 1 if theirs else 0 :]
            here = f"{ours}.{rest}" if ours else rest
            if here in keys:
                return here
    return None


def _ancestor(document: Document, path: str) -> tuple[Graph, Document] | None:
    """A network that a document extends, as it is with the document's parameters and blocks.

    None if it cannot be that: another network's parameters, say, that its own items cannot take.
    """
    own = document.file.source
    sink = Sink()
    loader = Loader(sink, Limits(root=document.file.limits.root))
    loader.home = os.path.dirname(own.name)
    try:
        base = loader.read(path, ())
    except (TooMany, UsageError):
        base = None
    if base is None:
        return None
    said = (*SECTIONS, "name", "input", "outputs", "returns", "under")
    data = {key: value for key, value in own.data.items() if key not in (*said, *_UNUSED)}
    data |= {key: base.data[key] for key in said if key in base.data}
    source = Source(own.name, own.text, data)
    for mine, ours, theirs in (
        (source.spans, own.spans, base.spans),
        (source.keys, own.keys, base.keys),
    ):
        mine.update({p: span for p, span in ours.items() if not p or p[0] not in said})
        mine.update({p: span for p, span in theirs.items() if p and p[0] in said})
    theirs_document = read_document(source, loader.file(source, ()), sink)
    if sink.failed:
        return None
    theirs_document.replacements = document.replacements  # those of the call, too
    graph = elaborate(theirs_document, sink, document.file.limits)
    return None if graph is None else (graph, theirs_document)
