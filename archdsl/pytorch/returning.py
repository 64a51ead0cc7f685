"""What a class gives: the end of `forward`, and the outputs of a network by name."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archdsl.analysis.receptive_field import reductions
from archdsl.graph.graph import INPUT, Graph
from archdsl.pytorch.body import Body
from archdsl.pytorch.entries import Entry, Value, variable_name
from archdsl.pytorch.python import as_syntax, assign, call, function, is_attribute, name, negated
from archdsl.pytorch.sizes import expanded
from archdsl.pytorch.symbols import Fixed
from archdsl.pytorch.variables import Naming, typed


@dataclass
class Members:
    """What a network's class holds beside its constructor."""

    doc: str
    features: ast.expr | None  # what `feature_info` says
    forward: ast.FunctionDef


def network_members(
    graph: Graph, body: Body, given: Sequence[Value], values: Mapping[str, Value],
    finish: Any = None,
) -> Members:  # fmt: skip
    """`forward` and `feature_info` of a network whose nodes give these values, by id.

    `given` are its inputs.
    """
    ids = {**graph.outputs, **graph.aux}
    missing = [id for id in ids.values() if id not in values]
    if missing:
        raise Fixed((), f"{missing[0]} cannot be reached")
    main = [values[id] for id in graph.outputs.values()]
    side = [values[id] for id in graph.aux.values()]
    (finish or body.prune)([*main, *side])
    asides = _aside(body, main)
    late = {step.target.mark for step in asides}
    body.steps = [s for s in body.steps if s.target.mark not in late] + asides
    inputs = ["x" if id == INPUT else variable_name(id) for id in graph.inputs]
    naming = Naming(body, given, inputs)
    names = [*graph.outputs, *graph.aux] if any(graph.outputs) or side else []
    statements, trains = naming.finish([*main, *side], names, asides)
    read = {n: naming.read(v) for n, v in zip(graph.outputs, main, strict=True)}
    aside = {n: naming.read(v) for n, v in zip(graph.aux, side, strict=True)}
    returned, trained, returns = _returned(graph, read, aside)
    if side:
        early = ast.If(negated(name("self.training")), [ast.Return(returned)], [])
        statements = [*statements, early, *trains, ast.Return(trained)]
    else:
        statements = [*statements, ast.Return(returned)]
    statements = typed(statements, returned, inputs)
    named = [n for n in graph.outputs if n]
    features = _features(graph, named, [expanded(v, body.lets) for v in main]) if named else None
    taken = [ast.arg("self"), *(ast.arg(title, name("Tensor")) for title in inputs)]
    forward = function("forward", taken, [], returns, statements)
    to = f"{len(named)} maps by name" if len(named) > 1 else named[0] if named else str(
        graph.spec(graph.outputs[""]))  # fmt: skip
    what = f"An image of {graph.given}" if [*graph.inputs] == [INPUT] else graph.given
    return Members(f"{what} to {to}.", features, forward)


def base_of(body: Body) -> str:
    match body.whole:
        case Entry(code=ast.Call(args=[ast.DictComp()])):
            return "nn.ModuleDict"
        case Entry():
            return "nn.ModuleList"
    return "nn.Module" if body.top.kind == "self" else body.top.base


def _aside(body: Body, main: Sequence[Value]) -> list[Any]:
    """The steps that only training needs."""
    needed = {value.mark for value in main}
    asides = []
    for step in reversed(body.steps):
        if step.target.mark in needed:
            needed.update(step.operands)
        else:
            asides.append(step)
    return asides[::-1]


def _returned(
    graph: Graph, main: Mapping[str, ast.expr], side: Mapping[str, ast.expr]
) -> tuple[ast.expr, ast.expr, ast.expr]:
    """What evaluation returns, what training does, and the type of these."""
    maps: ast.expr = ast.Subscript(name("dict"), ast.Tuple([name("str"), name("Tensor")]))
    said, results = graph.returns, {**main, **side}
    if said is not None and said.is_dict:
        fields = {field: results[result] for field, result in said.fields.items()}
        kept = {field: fields[field] for field, result in said.fields.items() if result in main}
        return _dictionary(kept), _dictionary(fields), maps
    result, kind = (_dictionary(main), maps) if any(main) else (main[""], name("Tensor"))
    if not side:
        return result, result, kind
    if said is not None:
        made = call(said.type, *(results[result] for result in said.fields.values()))
        return result, made, ast.BinOp(kind, ast.BitOr(), name(said.type))
    both = ast.Subscript(name("tuple"), ast.Tuple([kind, maps]))
    return result, ast.Tuple([result, _dictionary(side)]), ast.BinOp(kind, ast.BitOr(), both)


def tuples(graph: Graph, title: str) -> list[ast.stmt]:
    """The class of the tuple that training returns, if it does; `title` is the network's."""
    said = graph.returns
    if said is None or said.is_dict:
        return []
    fields = [ast.AnnAssign(ast.Name(field), name("Tensor"), None, 1) for field in said.fields]
    doc = documented([f"What {title} returns in training."])
    return [ast.ClassDef(said.type, [name("NamedTuple")], [], [doc, *fields], [])]


def _dictionary(parts: Mapping[str, ast.expr]) -> ast.expr:
    keys: list[ast.expr | None] = [as_syntax(n) for n in parts]
    return ast.Dict(keys, [*parts.values()])


def _features(graph: Graph, named: list[str], values: list[Value]) -> ast.expr:
    found = reductions(graph, [graph.outputs[n] for n in named])
    infos = {}
    for title, value in zip(named, values, strict=True):
        facts = {"channels": value.spec.channels, "reduction": found[graph.outputs[title]]}
        infos[title] = _dictionary({fact: as_syntax(known) for fact, known in facts.items()})
    return _dictionary(infos)


def initial(body: list[ast.stmt]) -> ast.FunctionDef:
    return function("__init__", [ast.arg("self")], [], ast.Constant(None), body)


def group_class(key: str, types: Mapping[str, str]) -> ast.ClassDef:
    """The class, without a name, of a container of containers: it has its members by key.

    Modules are given to it; a tensor, a parameter that is set later, is declared.
    """
    modules = {member: kind for member, kind in types.items() if kind != "Tensor"}
    arguments = [ast.arg("self"), *(ast.arg(k, name(kind)) for k, kind in modules.items())]
    holds: list[ast.stmt] = [assign(f"self.{member}", name(member)) for member in modules]
    of_self = (
        ast.Attribute(name("self"), k) for k in types if k not in modules and is_attribute(k)
    )
    holds += [ast.AnnAssign(target, name("Tensor"), None, 0) for target in of_self]
    body = [ast.Expr(call("super().__init__")), *holds]
    made = function("__init__", arguments, [], ast.Constant(None), body)
    doc = documented([f"The modules of `{key}`."])
    return ast.ClassDef("", [name("nn.Module")], [], [doc, made], [])


def documented(paragraphs: Sequence[str]) -> ast.stmt:
    """The documented of a class or module."""
    lines = (" ".join(text.split()) for text in paragraphs)
    return ast.Expr(ast.Constant("\n".join(lines)))
