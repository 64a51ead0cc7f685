"""What a call names as weights, loaded: a file, a mapping, a url, published ones."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from archdsl.diagnostics.errors import UsageError
from archdsl.graph.graph import Graph
from archdsl.weights.fetching import HUB, fetched, is_remote
from archdsl.weights.loading import load_weights
from archdsl.weights.preprocess import transform_of
from archdsl.weights.published import Published, find, unlike
from archdsl.weights.reading import require_source
from archdsl.weights.report import Report

if TYPE_CHECKING:
    from torch import nn


def load_given(
    module: "nn.Module", source: str | os.PathLike[str] | Mapping[str, Any], **said: Any
) -> Report:
    """Loads into a module what a call names; `said` is the rest of `archdsl.load_weights`.

    The module has the report as `loaded`, and the transform that published weights want as
    `preprocess`.
    """
    require_source(source)
    graph = Graph.of(module)
    if isinstance(source, Mapping) or (name := os.fspath(source)) == "":
        report = load_weights(module, source, **said)
    elif is_remote(name):
        report = load_weights(module, fetched(name), name=name, **said)
    elif os.path.exists(name) or graph is None or _is_path(name, source):
        report = load_weights(module, name, **said)
    else:
        report = _load_published(module, graph, find(graph, name), said)
    module.__dict__["loaded"] = report
    return report


def _is_path(name: str, source: object) -> bool:
    """Whether a name can only be that of a file."""
    return not isinstance(source, str) or "\0" in name or os.path.splitext(name)[1] in _SUFFIXES


_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".tar", ".safetensors")


def _load_published(
    module: "nn.Module", graph: Graph, one: Published, said: dict[str, Any]
) -> Report:
    form = one.form
    if form.hub is None and form.url is None:
        raise UsageError(f"{one.name} says neither `url` nor `hub`, where its file is")
    path = fetched(f"{HUB}{form.hub}" if form.hub else str(form.url), form.sha256 or "")
    if said.get("renames") is None and one.source in graph.renames:
        said = {**said, "renames": one.source}
    report = load_weights(module, path, name=one.name, **said)
    if form.preprocess is not None:
        module.__dict__["preprocess"] = transform_of(form.preprocess)
    changed = unlike(graph, one.network) if one.network == graph.name else []
    notes = [f"not as in {one.network}: {', '.join(changed)}"] if changed else []
    return replace(report, notes=tuple(notes))
