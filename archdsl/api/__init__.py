"""From a spec or graph to a module, its source, its costs, its figures and files."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload
from warnings import warn

from archdsl.api.reading import Spec, graph_of, load, loads
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.voice import speaking_python

if TYPE_CHECKING:
    from pathlib import Path

    import graphviz
    from torch import Tensor, nn

    from archdsl.analysis.cost import Analysis
    from archdsl.analysis.summary import Summary
    from archdsl.api.compiled import Backbone, Network
    from archdsl.figures.figure import Figure
    from archdsl.graph.graph import Graph
    from archdsl.graph.renames import Renames
    from archdsl.speed.optimize import Optimized
    from archdsl.tables.summary import Table
    from archdsl.weights.report import Report

Features = Sequence[str] | Mapping[str, str]


def from_torch(
    module: "nn.Module",
    example_inputs: "Tensor | Sequence[Tensor] | Mapping[str, Tensor]",
    *,
    name: str | None = None,
) -> "Graph":
    """The graph of a PyTorch module: its ops, its modules as scopes, its weights by their keys.

    `example_inputs` are one tensor, several in order, or several by the names of `forward`'s
    arguments, each with a batch; only their shapes count. The module's own code is run, on tensors
    without values, in evaluation, and in training where some weights are for that alone. `name` is
    the network's, that of the class in small letters without it. What no op of ours is becomes a
    node that is drawn and counted, and a warning says why no spec can be had. Raises ModuleError,
    with the module and the line, for what depends on values, writes over what is read later or
    changes its buffers; UsageError for inputs that are none.
    """
    from archdsl.diagnostics.packages import require

    require("from_torch", "torch")
    from archdsl.importing.reading import from_torch

    return from_torch(module, example_inputs, name)


@speaking_python
def to_spec(graph: "Graph") -> str:
    """The text of a spec that is the graph: read again it has the same weights in their order,
    the same ops, settings, connections and results.

    It is meant for graphs of imported modules; one that was read from a spec gets another text.
    Raises ModuleError where no spec can say it, with the reason, and UsageError for no graph.
    """
    from archdsl.importing.specs import spec_of

    return spec_of(graph, loads)


class Compiling(TypedDict, total=False):
    """What `compile` is given beside `features`, which says what it gives."""

    weights: str | os.PathLike[str] | Mapping[str, Any] | None
    adapt: str | Iterable[str]
    params: Mapping[str, Any] | None
    scale: Mapping[str, Any] | None
    replace: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
    output_stride: int | None
    input: Sequence[int] | Mapping[str, Sequence[int]] | None


@overload
def compile(spec: Spec, *, features: None = None, **how: Unpack[Compiling]) -> "Network": ...


@overload
def compile(spec: Spec, *, features: Features, **how: Unpack[Compiling]) -> "Backbone": ...


@speaking_python
def compile(
    spec: Spec,
    *,
    features: Features | None = None,
    weights: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    adapt: str | Iterable[str] = (),
    params: Mapping[str, Any] | None = None,
    scale: Mapping[str, Any] | None = None,
    replace: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    output_stride: int | None = None,
    input: Sequence[int] | Mapping[str, Sequence[int]] | None = None,
) -> "Network | Backbone":
    """The PyTorch module of a spec or graph; what changes the spec is as for
    `load`.

    With `features`, taps or paths as `layer4.1.bn2`, it is a backbone: `forward` gives a dict of
    these maps, `feature_info` says the channels and the reduction of each, and nothing behind
    the last is made. A mapping gives them other names: `{"out": "c5"}`. Where all results are maps,
    `out_channels` is the number of channels of each, or one for all.

    `weights` ("torchvision", a path...) are loaded, and `adapt`ed, as by `load_weights`; the report
    is the module's `loaded`. What they have no values for is warned of.
    """
    from archdsl.pytorch.module import compile_graph

    module = compile_graph(graph_of(spec, params, scale, replace, output_stride, input), features)
    if weights is not None:
        report = load_weights(module, weights, adapt=adapt)
        if report.untrained or report.notes:
            warn(str(report), stacklevel=3)
    elif adapt:
        raise UsageError("adapt says how weights are loaded; there are none")
    return module


@speaking_python
def emit(
    spec: Spec,
    *,
    features: Features | None = None,
    class_name: str | None = None,
    params: Mapping[str, Any] | None = None,
    scale: Mapping[str, Any] | None = None,
    replace: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    output_stride: int | None = None,
) -> str:
    """The Python source of a spec or graph, which needs only PyTorch.

    `features` and what changes the spec are as for `compile`; `class_name` is what the
    network's class is called, its name in capitals (`Resnet50`) without it. Raises UsageError for
    a tap that does not exist, or a name that no class can have.
    """
    from archdsl.pytorch.module import select_features
    from archdsl.pytorch.source import emit

    graph = graph_of(spec, params, scale, replace, output_stride)
    return emit(graph if features is None else select_features(graph, features), class_name)


@speaking_python
def analyze(
    spec: Spec,
    *,
    params: Mapping[str, Any] | None = None,
    scale: Mapping[str, Any] | None = None,
    replace: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    output_stride: int | None = None,
) -> "Analysis":
    """Parameters, multiply-accumulates and activations of every node, every scope, the whole."""
    from archdsl.analysis.cost import analyze

    return analyze(graph_of(spec, params, scale, replace, output_stride))


@speaking_python
def summarize(
    spec: Spec,
    depth: int | None = None,
    *,
    params: Mapping[str, Any] | None = None,
    scale: Mapping[str, Any] | None = None,
    replace: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    output_stride: int | None = None,
) -> "Table":
    """The stages of a spec or graph, to a depth of names, as a table that shows itself."""
    from archdsl.analysis.summary import summarize

    graph = graph_of(spec, params, scale, replace, output_stride)
    return table(summarize(graph, depth), graph)


def table(summary: "Summary", graph: "Graph") -> "Table":
    """A summary of a graph as a table; in LaTeX a stage is its layers in brackets."""
    from archdsl.tables.summary import Table

    def blocks(rows: Mapping[str, Sequence[str]]) -> dict[str, str]:
        from archdsl.figures.kinds.table import latex_cells

        return latex_cells(graph, rows)

    return Table(summary, blocks)


@speaking_python
def draw(
    *specs: Spec,
    kind: str | None = None,
    width: str | None = None,
    theme: str | os.PathLike[str] | None = None,
    show: str | None = None,
    only: str | None = None,
    title: str | None = None,
    legend: bool | None = None,
    scale: Literal["sqrt", "linear", "log"] | None = None,
    dims: Literal["under", "edges"] | None = None,
    shape: Literal["boxes", "slabs"] | None = None,
    direction: Literal["auto", "down", "right"] | None = None,
    fold: str | None = None,
    label: Mapping[str, str] | None = None,
    hide: Sequence[str] | None = None,
    mark: Mapping[str, str] | None = None,
    roles: Mapping[str, Mapping[str, str]] | None = None,
    note: Mapping[str, str] | None = None,
    group: Sequence[Mapping[str, Any]] | None = None,
    insets: Sequence[str] | None = None,
    input_image: str | os.PathLike[str] | None = None,
    output_image: str | os.PathLike[str] | None = None,
    rows: int | None = None,
    color: Literal["role", "macs", "params", "memory"] | None = None,
    with_: Sequence[Literal["caption", "label", "bib"]] | None = None,
) -> "Figure":
    """A figure of specs or graphs, which shows itself in a notebook; `fig.save("x.pdf")` writes it.

    `kind` (`hero`) and the rest are as for `archdsl draw`, whose help says what they are without a
    value and which kinds honour them. One spec may be a figure file; `resnet50:layer3` is a part of
    a network. Raises UsageError if it cannot be drawn so.
    """
    values = {
        "width": width, "theme": theme, "show": show, "only": only, "title": title,
        "legend": legend, "scale": scale, "dims": dims, "shape": shape, "direction": direction,
        "fold": fold, "label": label, "hide": hide, "mark": mark, "roles": roles, "note": note,
        "group": group, "insets": insets, "input_image": input_image, "output_image": output_image,
        "rows": rows, "color": color, "with_": with_,
    }  # fmt: skip
    return _drawn(specs, kind, {n: value for n, value in values.items() if value is not None})


def _drawn(specs: Sequence[Spec], kind: str | None, given: Mapping[str, Any]) -> "Figure":
    from archdsl.figures.file import Request, figure_of, request_of
    from archdsl.graph.graph import Graph
    from archdsl.language.gallery import said

    graphs = {f"graph {n}": spec for n, spec in enumerate(specs) if isinstance(spec, Graph)}
    names = [f"graph {n}" if isinstance(one, Graph) else said(one) for n, one in enumerate(specs)]
    request = Request(tuple(names), kind, given) if graphs else request_of(names, kind, given)
    for name in request.networks:
        if name not in graphs:
            graphs[name] = load(name)
    return figure_of(request, graphs)


def digraph(spec: Spec, *, only: str = "", title: str = "") -> "graphviz.Digraph":
    """The ops of a spec or graph as a `graphviz.Digraph`: a notebook shows it, and it can go on.

    `only` is the path of a part. Dense blocks are one node each.
    """
    from archdsl.figures.kinds import graph as kind
    from archdsl.figures.network.description import describe

    return kind.digraph_of(describe(graph_of(spec)), only, title)


@speaking_python
def load_weights(
    module: "nn.Module",
    source: str | os.PathLike[str] | Mapping[str, Any],
    *,
    renames: "Renames | str | None" = None,
    skip: str | Iterable[str] = (),
    inside: str | None = None,
    under: str = "",
    adapt: str | Iterable[str] = (),
) -> "Report":
    """Loads weights into a module, whole or not at all, and reports what became of every key.

    `source` is the path of a safetensors or PyTorch file, a mapping of tensors or arrays, published
    weights ("torchvision", "timm/a1_in1k"), a url, or a repository of the Hugging Face Hub
    ("hf-hub:timm/resnet50.a1_in1k"); what is elsewhere is fetched once, held to its SHA-256 and
    kept where `torch.hub` does. `model.preprocess` is what published weights want of an image. A
    file may be what a training loop saved (`state_dict`, `model`, `network`, `teacher`, `model_ema`
    or `state_dict_ema`, in this order; `inside` says another key, or a path before keys), with the
    prefix that a wrapper puts before keys, by the names of a source that the spec knows
    (`renames="timm"`), and the file of a network that this one is cut from or extends: of these
    readings the first is taken that fits. A file of a part says with `under` where the part is:
    "backbone.body". What begins with a path in `skip` is left out, of the module (a new classifier)
    and of the file (another's).

    `adapt=["classes"]` leaves the classifier as it is where the numbers of classes differ,
    `"channels"` takes the first convolution over to other channels as timm does: their sum for one,
    else repeated and scaled. Nothing changes if anything does not fit: CheckpointError lists what
    is missing, left over or of another shape, or says which parameter of the network is not as the
    source's.
    """
    from archdsl.weights.given import load_given

    return load_given(
        module, source, renames=renames, skip=skip, inside=inside, under=under, adapt=adapt
    )


@speaking_python
def save_weights(module: "nn.Module", path: str | os.PathLike[str]) -> None:
    """Writes the weights of a module: safetensors by the suffix, else PyTorch's format.

    safetensors say in their metadata which version wrote them, the network's name, spec, parameters
    and the hash of its graph. Raises UsageError for no module.
    """
    from archdsl.weights import saving

    saving.save_weights(module, path)


@speaking_python
def export(
    network: "Spec | nn.Module",
    folder: str | os.PathLike[str],
    to: str | Sequence[str] = ("onnx",),
    *,
    weights: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    dynamic_size: bool = False,
) -> "dict[str, Path]":
    """Writes a network as files that other runtimes load, and gives their paths by format.

    `network` is a spec, a graph, or a module that `compile` made; a spec gets `weights`, or those
    that training starts with. `to` is one or some of "onnx", "openvino", "pt2", "safetensors" and
    "torchscript". Inputs and outputs have their names, `input` and `output` if the spec has none;
    nodes of ONNX and OpenVINO the paths of their modules. There may be any number of images, with
    `dynamic_size` of any size, where the network allows it. The metadata say the spec, the version
    and the costs. Raises UsageError for a format that is none, or cannot hold the network.
    """
    from torch import nn

    from archdsl.pytorch.exporting import export, formats

    to = formats(to)
    if isinstance(network, nn.Module):
        if weights is not None:
            raise UsageError("weights are for a spec; a module has its own")
        return export(network, folder, to, dynamic_size)
    return export(compile(network, weights=weights), folder, to, dynamic_size)


@speaking_python
def optimize(
    network: "Spec | nn.Module",
    engine: str = "best",
    *,
    weights: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    batch: int = 1,
    example: "Sequence[Tensor] | None" = None,
    tolerance: float = 1e-4,
) -> "Optimized":
    """A network for inference, as fast as it gets here: called as the module, with equal results.

    `network` is a spec, a graph, or a module that `compile` made, which stays what it is; a spec
    gets `weights`. Batch norms and factors per channel become part of the convolutions before them,
    parallel convolutions that are added become one, what only training has is left out. `engine` is
    "torch", "inductor", "onnxruntime" or "openvino"; "best" tries those that are here, in turns on
    `batch` images, and keeps the fastest. There may be any number of images afterwards. The result
    is held to the module's on random images or an `example`, one tensor per input: raises
    UsageError if the difference is above `tolerance`, as a share of the largest number, or if the
    engine is not here.
    """
    from torch import nn

    from archdsl.speed.optimize import optimize

    if isinstance(network, nn.Module):
        if weights is not None:
            raise UsageError("weights are for a spec; a module has its own")
        return optimize(network, engine, batch, example, tolerance)
    return optimize(compile(network, weights=weights), engine, batch, example, tolerance)
