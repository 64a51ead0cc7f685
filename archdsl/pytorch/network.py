"""The network's class: the sections of a document, with its parameters as arguments."""

import ast
from collections.abc import Iterator
from dataclasses import MISSING, replace
from typing import Any

from archdsl.graph.graph import Graph
from archdsl.language.syntax import SECTIONS, Sequence, Verb
from archdsl.language.written import Written
from archdsl.ops.tensor import INPUT
from archdsl.pytorch.dilating import dilating
from archdsl.pytorch.entries import Holder, Value
from archdsl.pytorch.environment import Env, Flow, Frame, Level
from archdsl.pytorch.parameters import (
    Argument,
    Fractions,
    annotation,
    fraction,
    needed,
    plain_default,
    shown_value,
)
from archdsl.pytorch.program import Program, is_reserved
from archdsl.pytorch.python import as_syntax, assign, call, function, identifiers, name
from archdsl.pytorch.returning import base_of, documented, initial, network_members
from archdsl.pytorch.starts import freezing, starting
from archdsl.pytorch.symbols import Fixed, Symbol, known, type_of, variable
from archdsl.pytorch.walks import Walk

OTHER_NAMES = {"classes": "num_classes"}  # what users of PyTorch call parameters


class Network(Walk):
    """Translates the sections of a document."""


def network(graph: Graph, reserved: frozenset[str], title: str) -> tuple[list[ast.stmt], Program]:
    """The classes of a graph that has its spec beside it; raises Fixed where that cannot be."""
    written = graph.written
    if not isinstance(written, Written) or not written.says(graph.nodes):
        raise Fixed((), "the graph has no spec")
    fixed: dict[str, Any] = {}
    while True:
        program = Program(graph, written, reserved | {title}, fixed)
        try:
            return _translated(program, title), program
        except Fixed as error:
            names = {_name_of(n, written) for n in error.names} & written.parameters.keys()
            names = names - fixed.keys() or written.parameters.keys() - fixed.keys()
            if not names:
                raise
            fixed |= {n: written.parameters[n] for n in names}


def _name_of(title: str, written: Written) -> str:
    back = {new: old for old, new in OTHER_NAMES.items() if new not in written.parameters}
    return back.get(title, title)


def _translated(program: Program, title: str) -> list[ast.stmt]:
    graph, document = program.graph, program.document
    walk = Network(program, [""], frozenset(), {})
    given = {id: walk.body.value(spec) for id, spec in graph.inputs.items()}
    walk.values |= given
    x: Flow = tuple(given.values()) if len(given) > 1 else next(iter(given.values()))
    arguments, values = _parameters(program, walk)
    walk.of_document = values
    walk.taken = frozenset(a.name for a in arguments)
    named = {id: value for id, value in given.items() if id != INPUT}
    frame = Frame(Level(walk.body.top, ""), x, names={**named})
    env = Env(document.file, frame, values, x)
    env = env if "backbone" in document.sections else env.with_input(None)
    results = {*graph.outputs.values(), *graph.aux.values()}
    for section, level in _levels(program, walk):
        if results <= walk.values.keys():
            break  # as for a backbone, which needs no head
        there = replace(env, frame=replace(env.frame, level=level, labels={}))
        try:
            env = _section(walk, section, document.sections[section], there, env)
        except Fixed:
            if results <= walk.values.keys():
                break  # what is wrong is behind all that is needed
            raise
    dilated = bool(program.written.dilated)
    held = walk.sizing | walk.turning if program.sized or dilated else walk.sizing
    if (program.sized or dilated or any(graph.outputs)) and held & walk.taken:
        raise Fixed(held & walk.taken, "weights, or the features' reductions, depend on sizes")
    return _class(program, walk, [*given.values()], arguments, title)


def _section(walk: Walk, section: str, sequence: Sequence, there: Env, env: Env) -> Env:
    """What is seen behind a section."""
    if section != "aux":
        return env.with_input(walk.sequence(sequence, there))
    for item in sequence.items:
        for row in walk.rows(item, there):
            aside = replace(item, modifiers=replace(item.modifiers, aux=True))
            walk.conditional(aside, there.bind(row))
    return env


def _levels(program: Program, walk: Walk) -> Iterator[tuple[str, Level]]:
    """The level of each section in turn, as `under` says."""
    document, top = program.document, Level(walk.body.top, "")
    open_levels: list[tuple[str, Level]] = []
    for section in SECTIONS:
        if section not in document.sections:
            continue
        path = (document.form.under or {}).get(section, "")
        parts = path.split(".") if path else []
        shared = 0
        while (
            shared < min(len(open_levels), len(parts)) and open_levels[shared][0] == parts[shared]
        ):
            shared += 1
        open_levels = open_levels[:shared]
        for part in parts[shared:]:
            outer = open_levels[-1][1] if open_levels else top
            holder = Holder(part)
            walk.body.enter(outer.holder, holder)
            open_levels.append((part, Level(holder, outer.child(part))))
        yield section, open_levels[-1][1] if open_levels else top


def _parameters(program: Program, walk: Walk) -> tuple[list[Argument], dict[str, Any]]:
    """The document's parameters as arguments, and what its items see of them."""
    written, document = program.written, program.document
    arguments: list[Argument] = []
    values: dict[str, Any] = {}
    env = Env(document.file, Frame(Level(walk.body.top, ""), None), values, None)
    for title, parameter in document.parameters.items():
        value = written.parameters[title]
        default = parameter.default
        if parameter.type == "item" or isinstance(default, Verb) or hasattr(value, "verb"):
            values[title] = program.known[title] = walk.factory(default, env)
            continue
        if (
            hasattr(value, "verb")
            or is_reserved(title)
            or title in program.fixed
            or not _is_plain(value)
        ):
            values[title] = program.known[title] = value
            continue
        program.known[title] = value
        shown = OTHER_NAMES.get(title, title)
        shown = title if shown in document.parameters else shown
        read = walk.parameter(parameter, default, env)
        kind = parameter.type or type_of(value)
        if isinstance(read, Symbol):
            arguments.append(Argument(shown, kind, MISSING, read))
        elif known(read):
            arguments.append(Argument(shown, kind, value))
        else:
            values[title] = value
            continue
        length = len(value) if isinstance(value, list) else None
        values[title] = variable(shown, kind, value, length)
    return arguments, values


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(v, int | float | list) for v in value)
    return isinstance(value, bool | int | float | str)


def _class(
    program: Program, walk: Walk, given: list[Value], arguments: list[Argument], title: str
) -> list[ast.stmt]:
    members = network_members(program.graph, walk.body, given, walk.values, walk.finish)
    methods = [*walk.body.methods.values()]
    graph = program.graph
    made = [*walk.body.constructor(), *dilating(program, walk)]
    made += [*starting(program), *freezing(graph)]
    info = [] if members.features is None else [assign("self.feature_info", members.features)]
    body = initial([*made, *info]).body
    walk.body.require_constant(*body)
    constructor, kept = _constructor(program, walk, arguments, body)
    doc = _docstring(program, kept, members.doc)
    parts: list[ast.stmt] = [doc, constructor, *methods, members.forward]
    node = ast.ClassDef(title, [name(base_of(walk.body))], [], parts, [])
    return [*(c.node for c in _needed(program, node)), node]


def _needed(program: Program, node: ast.ClassDef) -> list[Any]:
    """The classes that the network's uses, those they need first."""
    by_title = {made.title: made for made in program.order}
    needed: set[str] = set()
    trees: list[ast.AST] = [node]
    while trees:
        found = (identifiers(trees.pop()) & by_title.keys()) - needed
        needed |= found
        trees += [by_title[title].node for title in found]
    return [made for made in program.order if made.title in needed]


def _constructor(
    program: Program, walk: Walk, arguments: list[Argument], body: list[ast.stmt]
) -> tuple[ast.FunctionDef, list[Argument]]:
    used = identifiers(*body)
    kept = needed(arguments, used)
    given = [ast.arg("self")]
    defaults: list[ast.expr] = []
    computed: list[ast.stmt] = []
    for argument in kept:
        argument.type = fraction(argument, walk)
        kind = annotation(argument)
        if argument.computed is not None:
            kind = ast.BinOp(kind, ast.BitOr(), ast.Constant(None))
            test = ast.Compare(name(argument.name), [ast.Is()], [ast.Constant(None)])
            computed.append(ast.If(test, [assign(argument.name, argument.computed)], []))
            defaults.append(ast.Constant(None))
        else:
            defaults.append(as_syntax(plain_default(argument)))
        given.append(ast.arg(argument.name, kind))
    made = [Fractions(kept).visit(statement) for statement in (*computed, *body)]
    return function("__init__", given, defaults, ast.Constant(None), made), kept


def _docstring(program: Program, kept: list[Argument], first: str) -> ast.stmt:
    form, lines = program.document.form, [first]
    if form.doc:
        lines += ["", form.doc]
    shown = {a.name for a in kept}
    fixed = [
        f"{title} {shown_value(value)}"
        for title, value in program.known.items()
        if OTHER_NAMES.get(title, title) not in shown and title not in shown
    ]
    if fixed:
        lines += ["", f"Fixed: {', '.join(fixed)}."]
    if inlined := program.written_out():
        lines += ["", f"Written out where they are used: {', '.join(inlined)}."]
    return documented(lines)


__all__ = ["call", "network"]
