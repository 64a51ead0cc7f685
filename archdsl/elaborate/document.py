"""Document to graph, with shapes inferred on the way."""

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Sequence as Sequence_
from dataclasses import replace
from typing import Any

from archdsl.diagnostics.diagnostic import Span
from archdsl.diagnostics.sink import Sink, TooMany
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.diagnostics.text import as_yaml, counted
from archdsl.elaborate.blocks import apply
from archdsl.elaborate.env import Flow, Frame, Here, Level, Poison, Tensor, fail
from archdsl.elaborate.items import Run
from archdsl.elaborate.replay import Records
from archdsl.elaborate.returns import returns
from archdsl.elaborate.scaling import _functions
from archdsl.elaborate.weights import _renames
from archdsl.expressions.expression import Value
from archdsl.expressions.names import name_problem
from archdsl.graph.graph import Graph, holding, paths_of
from archdsl.language.keys import Cite
from archdsl.language.patterns import ANYWHERE, fits
from archdsl.language.syntax import Argument, Document, Item, Sequence, as_written
from archdsl.language.written import Written
from archdsl.ops.base import times
from archdsl.ops.tensor import INPUT, TensorSpec
from archdsl.yaml.limits import Limits
from archdsl.yaml.source import Place

_IMAGE = 8  # pixels on a side that an image has at least


def elaborate(
    document: Document, sink: Sink, limits: Limits | None = None, records: Records | None = None
) -> Graph | None:
    """The graph of a document, or None with the reasons in `sink`.

    `records` are of other settings of the document, under the same limits: what they have in common
    with this is not elaborated again. They change nothing else.
    """
    run = Run(document, sink, limits or Limits(), apply, records)
    try:
        return _elaborate(run)
    except TooMany:
        return None
    except RecursionError:
        span = document.file.source.at().span
        sink.error("E0106", "items are nested deeper than this machine can follow", span)
        return None


def _elaborate(run: Run) -> Graph | None:
    document, root = run.document, Frame(Level("", ""), None)
    nothing = Here(document.file, root, {}, ())
    setting = run.setting
    setting.functions = _functions(run, nothing, without=document.dependent)
    setting.parameters = _parameters(run, nothing)
    setting.places = {name: document.parameters[name].place for name in setting.parameters}
    setting.functions = _functions(run, Here(document.file, root, setting.parameters, ()))
    input = _inputs(run, Here(document.file, root, setting.parameters, ()))
    frame = Frame(root.level, input, names=dict(run.build.inputs))
    frame.names.pop(INPUT, None)
    here = Here(document.file, frame, setting.parameters, input)
    here = here if "backbone" in document.sections else here.with_input(None)
    levels, inherited = _levels(run, root.level, here), set[str]()
    own_aux = "aux" in document.sections and not _is_inherited(document.file.source.at("aux"))
    most = _output_stride(run, here)
    run.build.dilating.begin(run.build.inputs.values())
    for section, sequence in document.sections.items():
        run.build.dilating.most = most if section == "backbone" else 0
        start, is_inherited = len(run.build.nodes), _is_inherited(document.file.source.at(section))
        there = here.at(next(levels))
        there = replace(there, frame=replace(there.frame, labels={}))
        if own_aux and is_inherited:  # its results in training give way to the spec's own
            there = replace(there, frame=replace(there.frame, aux={}))
        if section == "aux":
            _aux(run, sequence, there)
        else:
            here = here.with_input(run.sequence(sequence, there))
            frame.labels |= there.frame.labels  # which `outputs` sees
            run.build.ended |= {name: at for name, (_, at) in there.frame.labels.items()}
        if is_inherited:
            inherited.update(node.id for node in run.build.nodes[start:])
    graph = _graph(run, _outputs(run, here), frame.aux)
    if graph is not None:
        _check_replaced(run)
        graph = _used(graph, inherited, run.build.spans, run.sink)
        standing = paths_of(graph.nodes, graph.scopes)
        recomputed = frozenset(run.build.recomputed) & standing
        graph = replace(graph, frozen=_frozen(run, graph), recomputed=recomputed)
    return None if run.sink.failed else graph


def _graph(run: Run, outputs: Mapping[str, Flow], aux: Mapping[str, Flow]) -> Graph | None:
    """What was built, unless something failed."""
    source, taps, nodes = run.document.file.source, run.build.taps, tuple(run.build.nodes)
    made = tuple(run.build.made)
    named = {
        "outputs": _numbered(run, outputs, lambda name: source.at("outputs", name).span),
        "taps": _numbered(run, taps, lambda name: run.build.tap_spans[name]),
        "aux": _numbered(run, aux, lambda name: source.at("aux", name).key),
    }
    if run.sink.failed:
        return None
    returned = returns(run, named["outputs"], named["aux"])
    if run.sink.failed:
        return None
    assert run.build.inputs and None not in (*outputs.values(), *taps.values())
    inputs = {name: input.spec for name, input in run.build.inputs.items()}
    form, cite = run.document.form, run.document.form.cite or Cite()
    return Graph(
        form.name,
        next(iter(inputs.values())),
        nodes,
        holding(run.build.scopes, nodes),
        named["outputs"],
        named["taps"],
        named["aux"],
        renames=_renames(run),
        title=cite.title or "",
        citation=str(cite),
        returns=returned,
        made=() if made == tuple([node.id for node in nodes]) else made,
        written=Written(
            run.document,
            run.setting.parameters,
            run.setting.functions,
            {node.id: node for node in nodes},
            run.build.taps_meant(),
            frozenset(path for _, path in run.build.replaced),
            run.build.dilating.said,
        ),
        inputs=inputs,
    )


def _parameters(run: Run, here: Here) -> dict[str, Value]:
    """The values of the document's parameters; what fails is missing, and found missing later."""
    names: dict[str, Value] = {}
    here = Here(here.file, here.frame, names, here.x)
    for name, parameter in run.document.parameters.items():
        try:
            if parameter.broken:
                continue
            if parameter.required:
                message, help = f"parameter {name} has no value", f"give it one: --set {name}=..."
                fail(run.sink, "E0207", message, parameter.place.key, help)
            assert parameter.default is not None
            names[name] = run.values.parameter(parameter, parameter.default, here)
        except Poison:
            continue
    return names


def _inputs(run: Run, here: Here) -> Flow:
    """What the network is given: one map, or a list of those that have names."""
    written, place = run.document.inputs, here.file.source.at("input")
    if written is None:
        return None
    found = [
        _input(run, name, shape, place if name == INPUT else place / name, here)
        for name, shape in written.items()
    ]
    tensors = tuple(tensor for tensor in found if tensor is not None)
    if len(tensors) < len(found):
        return None
    return tensors if len(tensors) > 1 else tensors[0]


def _output_stride(run: Run, here: Here) -> int:
    """The output stride of the backbone, 0 for its own."""
    said = run.document.output_stride
    try:
        return 0 if said is None else run.values.whole(said, here.with_input(()), 1)
    except Poison:
        return 0


def _input(
    run: Run, name: str, written: Sequence_[Argument], place: Place, here: Here
) -> Tensor | None:
    try:
        shape = [run.values.whole(part, here, 1) for part in written]
        if not 1 <= len(shape) <= 4:
            message = f"{name} is [C, H, W] (or [C], [C, L], [C, D, H, W])"
            fail(run.sink, "E0305", message, place.span)
        if run.document.form.lint.get("W0109") != "off":
            _warn_of_axes(run, [as_written(part) for part in written], shape, place)
        return run.build.input(name, TensorSpec(tuple(shape)), place)
    except Poison:
        return None


def _warn_of_axes(run: Run, raw: list[Any], shape: list[int], place: Place) -> None:
    """Inputs that are most likely meant as other frameworks write them, or as an image's size."""
    match shape:
        case [height, width, 1 | 3 | 4] if min(height, width) >= _IMAGE:
            meant, why = [raw[2], raw[0], raw[1]], "channels come first"
        case [_, 1 | 3 | 4, height, width] if min(height, width) >= _IMAGE:
            meant, why = raw[1:], "the batch is no part of it"
        case [_, height, width, 1 | 3 | 4] if min(height, width) >= _IMAGE:
            meant, why = [raw[3], raw[1], raw[2]], "channels come first, and the batch is no part"
        case [height, width] if height == width >= _IMAGE:
            meant, why = [3, *raw], "say the channels, too"
        case _:
            return
    of = times(tuple(shape[1:])) if len(shape) > 2 else f"length {shape[1]}"
    read = f"{counted(shape[0], 'channel')} of {of}"
    name = place.path[-1]
    help = f"{why}: `{name}: {as_yaml(list(meant))}`; `lint: {{W0109: off}}` if it is meant so"
    message = f"{'the input' if name == INPUT else name} is read as {read}"
    run.sink.error("W0109", message, place.span, severity="warning", help=help)


# scaling


# results


def _check_replaced(run: Run) -> None:
    """Reports what is to be replaced and is nowhere, unless a call replaces it otherwise."""
    found = {id(rule) for rule, _ in run.build.replaced}
    rules = run.document.replacements
    for n, rule in enumerate(rules):
        outside = (r for r in rules[:n] if r.place.source is not rule.place.source)
        if id(rule) in found or any(other.op == rule.op for other in outside):
            continue
        where = "" if rule.at == ANYWHERE else f" at `{rule.at}`"
        message = f"there is no {rule.op} to replace{where}"
        paths = [node.path for node in run.build.nodes if node.op.verb == rule.op]
        if paths:
            help = f"one is at {paths[0]}"
        else:
            help = did_you_mean(rule.op, {node.op.verb for node in run.build.nodes})
        run.sink.error("E0402", message, rule.place.key, help=help)


def _frozen(run: Run, graph: Graph) -> frozenset[str]:
    """The paths of nodes that do not learn; reports what has nothing to freeze."""
    found: set[str] = set()
    for one in run.document.frozen:
        nodes = [
            node
            for node in graph.nodes
            if node.weights and (node.op.verb == one.word if one.op else fits(one.word, node.path))
        ]
        found |= {n.path for n in nodes if any(w.kind == "parameter" for w in n.weights)}
        if not nodes:
            known = {node.op.verb if one.op else node.path for node in graph.nodes if node.weights}
            known |= set() if one.op else {scope.path for scope in graph.scopes}
            message = f"there is nothing to freeze at `{one.word}`"
            message = f"there is no {one.word} with weights to freeze" if one.op else message
            run.sink.error("E0402", message, one.place.span, help=did_you_mean(one.word, known))
    return frozenset(found)


def _aux(run: Run, sequence: Sequence, here: Here) -> None:
    """The results of `aux`: every item is given the same, and nothing behind `aux` can name it."""
    for item in sequence.items:
        try:
            for copy in run.copies(item, here):
                run.single(replace(item, modifiers=replace(item.modifiers, aux=True)), copy)
        except Poison:
            run.lose(item, here)


def _levels(run: Run, top: Level, here: Here) -> Iterator[Level]:
    """The level of each section in turn: the top, or the path that `under` says.

    Neighbours share what their paths have in common; a path that was left is taken.
    """
    open: list[tuple[str, Level]] = []
    for section in run.document.sections:
        path = (run.document.form.under or {}).get(section, "")
        place = here.file.source.at("under", section)
        parts = path.split(".") if path else []
        kept = 0
        while kept < min(len(open), len(parts)) and open[kept][0] == parts[kept]:
            kept += 1
        open = open[:kept]
        for name in parts[kept:]:
            problem = name_problem(name)
            if name.startswith("_") and not problem:
                problem = f"`{name}` cannot hold a section: a name with `_` adds no level"
            if problem:
                run.sink.error("E0208", problem, place.span)
                break
            outer = open[-1][1] if open else top
            try:
                item = Item(None, "seq", place, place)
                open.append((name, run.build.open(outer, name, "sequence", item)))
            except Poison:
                break
        yield open[-1][1] if open else top


def _outputs(run: Run, here: Here) -> dict[str, Flow]:
    listed = run.document.outputs
    if listed is None:
        return {"": here.x}
    results: dict[str, Flow] = {}
    for name, reference in listed.items():
        if problem := name_problem(name):
            run.sink.error("E0208", problem, here.file.source.at("outputs", name).key)
        results[name] = None if reference is None else run.lookup.reference(reference, here)
    return results


def _numbered(
    run: Run, flows: Mapping[str, Flow], span: Callable[[str], Span | None]
) -> dict[str, str]:
    """Names to ids of nodes; the parts of a list get numbers."""
    result: dict[str, str] = {}
    for name, flow in flows.items():
        listed = flow if isinstance(flow, tuple) else ()
        parts = {f"{name}{n}": tensor.id for n, tensor in enumerate(listed)}
        if isinstance(flow, Tensor):
            parts = {name: flow.id}
        for key in parts.keys() & result.keys():
            run.sink.error("E0401", f"two results are named {key}", span(name))
        result.update(parts)
    return result


def _is_inherited(section: Place) -> bool:
    """Whether a section stands in a file that the document extends."""
    return section.span is not None and section.span.file != section.source.name


def _used(graph: Graph, inherited: set[str], spans: Mapping[str, Span | None], sink: Sink) -> Graph:
    """The graph without what an inherited section makes for a head that is no more.

    Nothing else is ignored: a node of the spec's own whose result nothing takes is an error.
    """
    results = (*graph.outputs.values(), *graph.taps.values(), *graph.aux.values())
    used = {*results, *(id for node in graph.nodes for id in node.inputs)}
    for node in graph.nodes:
        if node.id not in used and node.id not in inherited:
            message = f"nothing uses the result of {node.id}"
            help = "remove it, or name it in `from`, `tap` or `outputs`"
            sink.error("E0403", message, node.span, help=help)
    for name in [name for name in graph.inputs if name not in used and name != INPUT]:
        message = f"nothing uses the input {name}"
        help = f"name it in `from`: {{conv: ..., from: {name}}}"
        sink.error("E0403", message, spans[name], help=help)
    kept = graph.select({id: id for id in results})
    return replace(
        graph, nodes=kept.nodes, made=kept.made, scopes=holding(graph.scopes, kept.nodes)
    )
