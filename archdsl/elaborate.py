"""Document to graph, with shapes inferred on the way."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import MISSING, replace
from typing import Any

from archdsl import scaling
from archdsl.calls import apply
from archdsl.diagnostics import Sink, Span, TooMany, as_yaml, counted
from archdsl.expressions import Value, describe
from archdsl.flow import Flow, Frame, Given, Here, Level, Poison, Tensor, fail
from archdsl.forms import Cite, RuleForm
from archdsl.graph import Graph, holding
from archdsl.limits import Limits
from archdsl.ops.base import times
from archdsl.records import Records
from archdsl.renames import Rename, Renames
from archdsl.scaling import Function, Rule
from archdsl.sequences import Run
from archdsl.source import Place
from archdsl.syntax import Document, Item, Renaming, Sequence, name_problem
from archdsl.tensor import TensorSpec

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
    run.values.scaling = document.file.source.at("scaling")
    run.values.functions = _functions(run, nothing, without=document.dependent)
    run.parameters = _parameters(run, nothing)
    run.values.settled = {
        name: (document.parameters[name].place, value) for name, value in run.parameters.items()
    }
    here = Here(document.file, root, run.parameters, ())
    run.values.functions = _functions(run, here)
    input = root.given = _input(run, here)
    here = here.given(input if "backbone" in document.sections else None)
    levels, inherited = _levels(run, root.level, here), set[str]()
    own_aux = "aux" in document.sections and not _is_inherited(document.file.source.at("aux"))
    for section, sequence in document.sections.items():
        start, is_inherited = len(run.build.nodes), _is_inherited(document.file.source.at(section))
        run.keeps_aux = not (own_aux and is_inherited)
        there = replace(here, frame=here.frame.beside(next(levels)))
        if section == "aux":
            _aux(run, sequence, there)
        else:
            here = here.given(run.sequence(sequence, there))
        if is_inherited:
            inherited.update(node.id for node in run.build.nodes[start:])
    graph = _graph(run, _outputs(run, here), input)
    if graph is not None:
        graph = _used(graph, inherited, run.sink)
    return None if run.sink.failed else graph


def _graph(run: Run, outputs: Mapping[str, Flow], input: Tensor | None) -> Graph | None:
    """What was built, unless something failed."""
    source, taps, nodes = run.document.file.source, run.build.taps, tuple(run.build.nodes)
    made = tuple(run.build.made)
    named = {
        "outputs": _numbered(run, outputs, lambda name: source.at("outputs", name).span),
        "taps": _numbered(run, taps, lambda name: run.build.tap_spans[name]),
        "aux": _numbered(run, run.aux, lambda name: source.at("aux", name).key),
    }
    if run.sink.failed:
        return None
    assert input is not None and None not in (*outputs.values(), *taps.values())
    form, cite = run.document.form, run.document.form.cite or Cite()
    return Graph(
        form.name,
        input.spec,
        nodes,
        holding(run.build.scopes, nodes),
        **named,
        renames=_renames(run),
        title=cite.title or "",
        citation=str(cite),
        made=() if made == tuple([node.id for node in nodes]) else made,
    )


def _parameters(run: Run, here: Here) -> dict[str, Value]:
    """The values of the document's parameters; what fails is missing, and found missing later."""
    names: dict[str, Value] = {}
    here = Here(here.file, here.frame, names, here.x)
    for name, parameter in run.document.parameters.items():
        try:
            if parameter.broken:
                continue
            if parameter.default is MISSING:
                message, help = f"parameter {name} has no value", f"give it one: --set {name}=..."
                fail(run.sink, "E0207", message, parameter.place.key, help)
            given = Given(parameter.default, parameter.place)
            names[name] = run.values.parameter(parameter, given, here)
        except Poison:
            continue
    return names


def _input(run: Run, here: Here) -> Tensor | None:
    """What the network is given."""
    raw, place = run.document.form.input, here.file.source.at("input")
    if raw is None:
        return None
    try:
        shape = [run.values.whole(part, place / n, here, 1) for n, part in enumerate(raw)]
        if not 1 <= len(shape) <= 4:
            message = "input is [C, H, W] (or [C], [C, L], [C, D, H, W])"
            fail(run.sink, "E0305", message, place.span)
        if run.document.form.lint.get("W0109") != "off":
            _warn_of_axes(run, raw, shape, place)
        return run.build.input(TensorSpec(tuple(shape)), place)
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
    help = f"{why}: `input: {as_yaml(list(meant))}`; `lint: {{W0109: off}}` if it is meant so"
    run.sink.error(
        "W0109", f"the input is read as {read}", place.span, severity="warning", help=help
    )


# scaling


def _functions(
    run: Run, here: Here, without: frozenset[str] = frozenset()
) -> Mapping[str, Function]:
    """What expressions may call; a rule that fails is missing, and found missing later."""
    place = here.file.source.at("scaling")
    rules: dict[str, Rule] = {}
    bases: dict[str, float] = {}
    failed = set(without)
    for name, form in run.document.rules.items():
        if name in without:
            continue
        try:
            phi = run.values.number(run.document.form.scaling.get("phi", 0), place / "phi", here)
            base = 1.0
            if form.base is not None:
                base = run.values.number(form.base, place / name / "base", here)
            rules[name] = _rule(run, form, base, phi, place / name, here)
            bases[name] = base
        except Poison:
            failed.add(name)
    if run.document.form.lint.get("W0101") != "off":
        _warn_of_growth(run, bases, place)
    functions = scaling.functions(rules)
    return {name: function for name, function in functions.items() if name not in failed}


def _rule(run: Run, form: RuleForm, base: float, phi: float, place: Place, here: Here) -> Rule:
    wholes = {
        word: run.values.whole(raw, place / word, here, 1)
        for word in ("multiple_of", "min", "max")
        if (raw := getattr(form, word)) is not None
    }
    if wholes.get("min", 1) > wholes.get("max", math.inf):
        fail(run.sink, "E0305", "min is more than max", (place / "min").span)
    try:
        factor = base**phi if base > 0 else 0.0
    except OverflowError:
        factor = math.inf
    if form.factor is not None:
        factor = run.values.number(form.factor, place / "factor", here)
    if not 0 < factor < math.inf:
        name = str(place.path[-1])
        message = f"the factor of {name} is {factor:g}, not a positive number"
        where = place if form.factor is None else place / "factor"
        fail(run.sink, "E0305", message, where.span)
    rounding = form.round or scaling.RULES.get(str(place.path[-1]), "nearest")
    return Rule(factor, rounding, **wholes)


def _warn_of_growth(run: Run, bases: Mapping[str, float], place: Place) -> None:
    """Compound scaling wants cost to double with every unit of phi."""
    if all(bases.get(name, 1.0) != 1.0 for name in scaling.RULES):
        growth = scaling.compound_growth(*(bases[name] for name in scaling.RULES))
        if not 1.8 <= growth <= 2.2:
            message = f"depth * width^2 * resolution^2 is {growth:.2f} per phi, not near 2"
            help = "one more phi should double the cost; Tan & Le have 1.2, 1.1 and 1.15"
            run.sink.error("W0101", message, place.key, severity="warning", help=help)


# results


def _renames(run: Run) -> dict[str, Renames]:
    """The sources of weights, with what this network has otherwise than one of them requires."""
    here = Here(run.document.file, Frame(Level("", ""), None), run.parameters, ())
    result = {}
    for name, renamings in run.document.renamings.items():
        form = run.document.form.weights[name]
        unmet = [
            f"{parameter} is {describe(value)}, the weights need {describe(required)}"
            for parameter, required in form.requires.items()
            if parameter in run.parameters and (value := run.parameters[parameter]) != required
        ]
        rules: dict[str, Rename] = {}
        with suppress(Poison):
            for place, rule in _rules(run, renamings, here):
                if rule.theirs in rules:
                    fail(run.sink, "E0401", f"two rules for `{rule.theirs}`", place.key)
                rules[rule.theirs] = rule
        result[name] = Renames(tuple(rules.values()), form.reshape, "; ".join(unmet))
    return result


def _rules(
    run: Run, renamings: Iterable[Renaming], here: Here, outer: str = ""
) -> Iterator[tuple[Place, Rename]]:
    """The rules that renamings stand for, with their places; `outer` is how all of theirs begin."""
    for renaming in renamings:
        item, place = renaming.item, renaming.item.place
        assert item.key is not None
        for row in run.rows(item, here):
            with run.in_row(item, row):
                for turn in _turns(run, item, here.bind(row.names, row.origin)):
                    theirs = outer + run.values.format(item.key, place.key, turn)
                    if renaming.below is not None:
                        yield from _rules(run, renaming.below, turn, f"{theirs}.")
                    elif renaming.ours is None:
                        yield place, Rename(theirs, None)
                    else:
                        ours = run.values.format(renaming.ours, place.span, turn)
                        yield place, Rename(theirs, ours)


def _turns(run: Run, item: Item, here: Here) -> list[Here]:
    """What every turn of a loop sees."""
    if "repeat" not in item.modifiers:
        return [here]
    place = item.place / "repeat"
    times = run.values.whole(item.modifiers["repeat"], place, here, 0)
    run.count_turns(times, place, here)
    return [here.turn(i, times) for i in range(times)]


def _aux(run: Run, sequence: Sequence, here: Here) -> None:
    """The results of `aux`: every item is given the same, and nothing behind `aux` can name it."""
    for item in sequence.items:
        try:
            for copy in run.copies(item, here):
                run.single(replace(item, modifiers={**item.modifiers, "aux": True}), copy)
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
            if problem := name_problem(name):
                run.sink.error("E0208", problem, place.span)
                break
            outer = open[-1][1] if open else top
            try:
                item = Item(None, "seq", {}, {}, {}, place, place)
                open.append((name, run.build.open(outer, name, "sequence", item)))
            except Poison:
                break
        yield open[-1][1] if open else top


def _outputs(run: Run, here: Here) -> dict[str, Flow]:
    listed = run.document.form.outputs
    if listed is None:
        return {"": here.x}
    results = {}
    for name, reference in listed.items():
        place = here.file.source.at("outputs", name)
        if problem := name_problem(name):
            run.sink.error("E0208", problem, place.key)
        results[name] = run.reference(reference, place, here)
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


def _used(graph: Graph, inherited: set[str], sink: Sink) -> Graph:
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
    kept = graph.select({id: id for id in results})
    return replace(
        graph, nodes=kept.nodes, made=kept.made, scopes=holding(graph.scopes, kept.nodes)
    )
