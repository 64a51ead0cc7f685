"""JSON to graphs: a front door, for what a stranger may have written.

Every field has its type, every name is one that a spec could give, every op's arguments are read as
those of a spec; shapes are inferred, weights and costs computed again. What comes through can be
used by everything that uses graphs.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from archdsl.diagnostics.diagnostic import Span
from archdsl.diagnostics.text import one_line
from archdsl.expressions.expression import FUNCTIONS, ExpressionError
from archdsl.expressions.template import Template, parse_template
from archdsl.graph.forms import (
    GraphForm,
    InitForm,
    NodeForm,
    RenamesForm,
    ScopeForm,
    SpanForm,
    SpecForm,
    field_name,
    shown,
    validated,
)
from archdsl.graph.graph import INPUT, Graph, Node, Scope
from archdsl.graph.json import FORMAT
from archdsl.graph.renames import Rename, Renames
from archdsl.graph.returns import Returns
from archdsl.graph.verify import inferred, inputs_of, refuse, verify, verify_inputs
from archdsl.ops import OPS, ArgumentError, Kind, Op, arguments, construct, kind
from archdsl.ops.tensor import TensorSpec
from archdsl.yaml.limits import Limits

_LEVELS = 6  # of JSON that a level of a spec may become
_DIGITS = 40  # of a whole number, as in a spec
_HALF = re.compile("[\ud800-\udfff]")


def decode(text: str, limits: Mapping[str, Any] | None = None) -> Graph:
    """The graph in JSON text; raises ValueError, naming the field that is wrong."""
    allowed = Limits().override({name: str(value) for name, value in (limits or {}).items()})
    data = _parsed(text, allowed)
    _check_values(data, allowed)
    _check_format(data)
    graph = _graph(validated(GraphForm, data), allowed)
    verify(graph)
    return graph


# the text


def _parsed(text: str, limits: Limits) -> Any:
    if not isinstance(text, str):
        raise ValueError(f"expected JSON as text, not {type(text).__name__}")
    _within(limits, "json_characters", len(text), "the text", "characters")
    try:
        return json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError("the JSON is nested deeper than this machine can follow") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for n, name in enumerate(names) if name in names[:n])
        raise ValueError(f"the key {shown(twice)} stands twice in one object")
    return made


def _within(limits: Limits, limit: str, number: int, what: str, unit: str = "") -> None:
    most: int = getattr(limits, limit)
    if number > most:
        message = f"{what} has more than {most:,} {unit or limit}"
        raise ValueError(f"{message}; limits={{'{limit}': N}} allows more")


def _check_values(data: Any, limits: Limits) -> None:
    """Holds all values to what is true of every one, whatever it is for."""
    open: list[tuple[tuple[str | int, ...], Any]] = [((), data)]
    count, deepest = 0, _LEVELS * limits.nesting
    while open:
        path, value = open.pop()
        if isinstance(value, dict | list):
            count += len(value)
            _within(limits, "json_values", count, "the JSON", "values")
            if len(path) > deepest:
                refuse(field_name(path[:3]), f"nested deeper than {deepest} levels")
            inner = value.items() if isinstance(value, dict) else enumerate(value)
            for step, part in inner:
                kind = type(part)
                if kind is dict or kind is list:
                    open.append(((*path, step), part))
                elif (kind is not str or not part.isascii()) and (problem := _problem(part)):
                    refuse(field_name((*path, step)), problem)
                if not isinstance(step, int) and not step.isascii() and (problem := _problem(step)):
                    refuse(field_name(path) or "the graph", problem)


def _problem(value: Any) -> str:
    """What no value may be, or nothing."""
    if isinstance(value, str) and _HALF.search(value):
        return "the text has half of a surrogate pair, which is no character"
    if isinstance(value, float) and not math.isfinite(value):
        return f"expected a finite number, not {value}"
    if isinstance(value, int) and abs(value) >= 10**_DIGITS:
        return f"a number of more than {_DIGITS} digits"
    return ""


def _check_format(data: Any) -> None:
    """Before anything else: what stands in another format may be right there."""
    found = data.get("format", FORMAT) if isinstance(data, dict) else FORMAT
    if type(found) is not int or found != FORMAT:
        refuse("format", f"expected {FORMAT}, not {shown(found)}")


# forms to a graph


def _graph(form: GraphForm, limits: Limits) -> Graph:
    _within(limits, "nodes", len(form.nodes), "the graph")
    _within(limits, "nodes", len(form.scopes), "the graph", "scopes")
    connections = sum(len(node.inputs) for node in form.nodes)
    _within(limits, "connections", connections, "the graph")
    inputs = _inputs(form)
    for field, text in (("title", form.title), ("citation", form.citation)):
        if text != one_line(text):
            refuse(field, "expected text in one line, without control characters")
    specs, nodes, parameters = {**inputs}, [], 0
    for input in inputs.values():
        _within(limits, "elements", input.elements, "the input")
    for n, written in enumerate(form.nodes):
        node = _node(f"nodes[{n}]", written, specs)
        specs[node.id] = node.output
        nodes.append(node)
        _within(limits, "path", len(node.id), f"nodes[{n}].id", "characters")
        _within(limits, "elements", node.output.elements, f"nodes[{n}].output")
        parameters += 0 if "@" in node.id else node.cost.parameters
        _within(limits, "parameters", parameters, "the graph")
    return Graph(
        name=form.name,
        title=form.title,
        citation=form.citation,
        input=next(iter(inputs.values())),
        inputs=inputs,
        outputs=form.outputs,
        taps=form.taps,
        aux=form.aux,
        renames={name: _renames(name, renames, limits) for name, renames in form.renames.items()},
        scopes=tuple(_scope(f"scopes[{n}]", one, limits) for n, one in enumerate(form.scopes)),
        nodes=tuple(nodes),
        made=tuple(form.made),
        returns=Returns(form.returns.type, form.returns.fields) if form.returns else None,
        frozen=frozenset(form.frozen),
        recomputed=frozenset(form.recomputed),
    )


def _inputs(form: GraphForm) -> dict[str, TensorSpec]:
    """What the network is given: `input`, or some `inputs` by name."""
    if (form.input is None) != bool(form.inputs):
        refuse("input", "expected this or `inputs`, one of the two")
    inputs = {name: _spec(spec) for name, spec in form.inputs.items()}
    if form.input is not None:
        inputs = {INPUT: _spec(form.input)}
    verify_inputs(inputs)
    return inputs


def _node(field: str, form: NodeForm, specs: Mapping[str, TensorSpec]) -> Node:
    """`specs` are what the nodes before it give."""
    given = inputs_of(field, form.id, form.inputs, specs)
    if not given:
        refuse(f"{field}.inputs", f"node {form.id} has none")
    op = _op(field, form, given[0])
    output, weights = inferred(field, form.id, op, given), op.weights(*given)
    if output != _spec(form.output):
        refuse(f"{field}.output", f"{op.verb} gives {output}, {output.layout}")
    return Node(
        id=form.id,
        op=op,
        inputs=tuple(form.inputs),
        output=output,
        weights=weights,
        cost=op.cost(weights, output, given),
        scope=form.scope,
        span=_span(f"{field}.span", form.span),
        residual=form.residual,
    )


def _op(field: str, form: NodeForm, x: TensorSpec) -> Op:
    """The op of a node, with its arguments as they are read from a spec."""
    if form.op not in OPS:
        refuse(f"{field}.op", f"expected the name of an op, not {shown(form.op)}")
    op, values = OPS[form.op], {}
    known = arguments(op)
    for name in (*form.arguments, *known):
        later = name in known and known[name].metadata.get("later")
        if name not in known or (name not in form.arguments and not later):
            fault = "is missing" if name in known else f"is no argument of {form.op}"
            refuse(field_name((name,), f"{field}.arguments"), fault)
    for name, value in form.arguments.items():
        values[name] = _argument(f"{field}.arguments.{name}", kind(op, name), value)
    try:
        return construct(op, values, x)
    except ArgumentError as error:
        refuse(f"{field}.arguments.{error.argument}", error.message)


def _argument(field: str, kind: Kind, value: Any) -> Any:
    """An argument as a spec would give it."""
    if kind.form == "mapping" and value is not None:
        return _init(validated(InitForm, value, field), field)
    if isinstance(value, dict) or (kind.form == "reference" and not isinstance(value, bool)):
        refuse(field, f"expected {kind.name}, not {shown(value)}")
    return value


def _init(form: InitForm, field: str) -> dict[str, Any]:
    settings = dict(form.settings)
    if len(settings) < len(form.settings):
        refuse(f"{field}.settings", "a setting stands twice")
    bias = {} if form.bias is None else {"bias": _init(form.bias, f"{field}.bias")}
    return {form.scheme: settings, **bias}


def _scope(field: str, form: ScopeForm, limits: Limits) -> Scope:
    _within(limits, "path", len(form.id), f"{field}.id", "characters")
    return Scope(
        id=form.id,
        kind=form.kind,
        parent=form.parent,
        block=form.block,
        arguments=tuple(
            (name, _value(field_name((name,), f"{field}.arguments"), value))
            for name, value in form.arguments.items()
        ),
        inputs=tuple(map(_spec, form.inputs)),
        span=_span(f"{field}.span", form.span),
    )


def _value(field: str, value: Any) -> Any:
    """What a block was given: lists and what stands in them."""
    if isinstance(value, dict):
        refuse(field, "expected a value or a list of them, not a mapping")
    return tuple(_value(field, part) for part in value) if isinstance(value, list) else value


def _spec(form: SpecForm) -> TensorSpec:
    return TensorSpec(tuple(form.shape), form.layout)


def _span(field: str, form: SpanForm | None) -> Span | None:
    if form is None:
        return None
    if form[3:] < form[1:3]:
        refuse(field, "it ends before it begins")
    return Span(*form)


# weights of others


def _renames(name: str, form: RenamesForm, limits: Limits) -> Renames:
    field = field_name((name, "keys"), "renames")
    rules = [_rename(field_name((theirs,), field), theirs, ours, limits)
             for theirs, ours in form.keys.items()]  # fmt: skip
    return Renames(tuple(rules), form.reshape, form.unmet)


def _rename(field: str, theirs: str, ours: str | None, limits: Limits) -> Rename:
    """A rule whose braces in theirs hold names, and in ours expressions of these."""
    found = _template(field, theirs, limits)
    pieces = {expression.text for _, expression in found.expressions}
    if not all(map(str.isidentifier, pieces)):
        refuse(field, "expected names alone in the braces of theirs")
    if ours is not None:
        for _, expression in _template(field, ours, limits).expressions:
            unknown = (
                expression.names.keys() - pieces | expression.functions.keys() - FUNCTIONS.keys()
            )
            if unknown:
                refuse(field, f"unknown name {shown(min(unknown))}")
    return Rename(theirs, ours)


def _template(field: str, text: str, limits: Limits) -> Template:
    _within(limits, "path", len(text), field, "characters")
    try:
        return parse_template(text)
    except ExpressionError as error:
        refuse(field, error.message)
