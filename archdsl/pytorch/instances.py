"""A graph without a spec to classes: one for each structure that its scopes have, in numbers."""

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from archdsl.graph.graph import Graph, Node, Scope
from archdsl.modules.call import Call
from archdsl.modules.structure import ROOT, Structure
from archdsl.ops.init import Init
from archdsl.pytorch.body import Body
from archdsl.pytorch.entries import Entry, Holder, Step, Value
from archdsl.pytorch.naming import class_name, part_name
from archdsl.pytorch.operations import function_of, module_of
from archdsl.pytorch.python import as_syntax, assign, call, function, lines_of, name, ordered
from archdsl.pytorch.recomputing import recomputed
from archdsl.pytorch.returning import base_of, documented, group_class, initial, network_members
from archdsl.pytorch.starts import case_of, common, freezing, loop_of, scheme_of, wrap
from archdsl.pytorch.variables import Naming, typed


def instances(graph: Graph, reserved: frozenset[str], title: str) -> list[ast.stmt]:
    """The classes of a graph, the network's last."""
    writer = _Instances(graph, reserved | {title})
    node = writer.network(title)
    return [*writer.classes, node]


class _Instances:
    def __init__(self, graph: Graph, reserved: frozenset[str]) -> None:
        self.graph, self.structure, self.taken = graph, Structure(graph), set(reserved)
        self.classes: list[ast.stmt] = []
        self.titles: dict[str, str] = {}  # of classes, by their source without a name
        inits: dict[str, list[Init | None]] = {}
        for node in graph.nodes:
            starts = any(weight.kind == "parameter" for weight in node.weights)
            target = self.structure.calls[node.id].target
            inits.setdefault(target, []).append(scheme_of(node.op, target) if starts else None)
        self.common = common(inits)

    # modules

    def module(self, child: Node | Scope) -> ast.expr:
        """The expression that makes what a child is as a module."""
        if isinstance(child, Node):
            made = self.structure.calls[child.id]
            code = module_of(made)
            if child.id in self.structure.overwriting:
                code.keywords.append(ast.keyword("inplace", ast.Constant(True)))
            init = scheme_of(child.op, made.target)
            if init is not None and self.common.get(made.target) is None:
                wrap(code, init, made.target)
            return code
        if not self.structure.is_chain(child):
            return call(self.class_of(child))
        names = self.structure.attributes(child)
        members = {names[inner.path]: self.module(inner) for inner in self.made(child)}
        if list(members) == [str(n) for n in range(len(members))]:
            return call("nn.Sequential", *members.values())
        return call("nn.Sequential", ordered(members))

    def made(self, scope: Scope) -> list[Node | Scope]:
        """The children of a chain, which are made in the order in which they run."""
        return self.structure.children[scope.id]

    def class_of(self, scope: Scope) -> str:
        """The class of a scope: that of any other with the same source."""
        structure = self.structure
        body = Body(self.grouped)
        inputs = [body.value(self.graph.spec(id)) for id in structure.inputs[scope.id]]
        values = dict(zip(structure.inputs[scope.id], inputs, strict=True))
        self.fill(scope, body, values, inputs)
        results = [values[id] for id in structure.outputs[scope.id]]
        body.prune(results)
        names = ["x"] if len(inputs) == 1 else [f"x{n}" for n in range(len(inputs))]
        naming = Naming(body, inputs, names)
        statements, _ = naming.finish(results)
        returned = [naming.read(value) for value in results]
        whole = returned[0] if len(returned) == 1 else ast.Tuple(returned)
        returns = name("Tensor") if len(results) == 1 else ast.Subscript(
            name("tuple"), ast.Tuple([name("Tensor")] * len(results)))  # fmt: skip
        given = [ast.arg("self"), *(ast.arg(n, name("Tensor")) for n in names)]
        statements = [*typed(statements, whole, names), ast.Return(whole)]
        forward = function("forward", given, [], returns, statements)
        what = f"The block `{scope.block}`." if scope.block else f"The part `{scope.name}`."
        members: list[ast.stmt] = [documented([what]), initial(body.constructor()), forward]
        node = ast.ClassDef("", [name(base_of(body))], [], members, [])
        key = "\n".join(lines_of([node]))
        if key not in self.titles:
            node.name = self.titles[key] = self.free(
                class_name(scope.block or scope.name.rpartition(".")[2])
            )
            self.classes.append(node)
        return self.titles[key]

    def grouped(self, key: str, types: Mapping[str, str]) -> str:
        """The class of a container of containers: that of any other which holds the same."""
        node = group_class(key, types)
        held = "\n".join(lines_of(node.body[1:]))
        if held not in self.titles:
            node.name = self.titles[held] = self.free(class_name(part_name(key)))
            self.classes.append(node)
        return self.titles[held]

    def free(self, title: str) -> str:
        title = f"Part{title}" if title[:1].isdecimal() else title
        free, number = title, 2
        while free in self.taken:
            free, number = f"{title}{number}", number + 1
        self.taken.add(free)
        return free

    # statements

    def fill(
        self, scope: Scope, body: Body, values: dict[str, Value], own: Sequence[Value]
    ) -> None:
        """The modules of a scope, whose inputs are `own`, and the steps that connect them.

        What a module that runs more than once takes from outside goes by its role: two inputs may
        be one value here and two elsewhere.
        """
        roles = self.structure.roles.get(scope.id, {})
        names = self.structure.attributes(scope)
        entries: dict[str, Entry] = {}
        for child in self.structure.children[scope.id]:
            taken, given = self.structure.borders(child)
            uses = self.structure.used(child)
            inputs = [
                own[roles[use]] if use in roles else values[id]
                for use, id in zip(uses, taken, strict=True)
            ]
            form = "module" if isinstance(child, Scope) else self.structure.calls[child.id].form
            if form != "function" and child.path not in entries:
                entries[child.path] = self.entry(child, names[child.path], form)
            hint = names[child.path]
            if isinstance(child, Scope) or form == "module":
                made = None if isinstance(child, Scope) else self.structure.calls[child.id]
                start = len(body.steps)
                results = self.called(body, entries[child.path], inputs, given, hint, made)
                if child.path in self.graph.recomputed:
                    body.steps[start].code = recomputed(body.steps[start].code)
            else:
                results = [self.function(body, child, entries.get(child.path), inputs, hint)]
            values.update(zip(given, results, strict=True))
        dotted = [path for path, title in names.items() if "." in title and path not in entries]
        for path in sorted([*entries, *dotted], key=self.structure.place):
            *levels, last = names[path].split(".")
            holder = body.top
            for key in levels:
                if key not in holder.keys:
                    body.enter(holder, Holder(key))
                inner = holder.keys[key]
                assert isinstance(inner, Holder)
                holder = inner
            if path in entries:
                entries[path].key = last
                body.enter(holder, entries[path])

    def entry(self, child: Node | Scope, title: str, form: str) -> Entry:
        if form == "parameter" and isinstance(child, Node):
            return Entry(title, module_of(self.structure.calls[child.id]), [], None, True)
        return Entry(title, self.module(child), [])

    def called(
        self, body: Body, entry: Entry, inputs: Sequence[Value], given: Sequence[str], hint: str,
        made: Call | None,
    ) -> list[Value]:  # fmt: skip
        first = body.value(self.graph.spec(given[0]) if given else self.graph.input, hint)
        code: ast.expr = body.called(entry, inputs)
        if made is not None and made.use:
            code = function_of(made, [body.read(x) for x in inputs], body.reached(entry))
        body.steps.append(Step(first, code))
        if len(given) == 1:
            return [first]
        results = []
        for number, id in enumerate(given):
            value = body.value(self.graph.spec(id), f"{hint}_{number}")
            body.steps.append(Step(value, ast.Subscript(body.read(first), as_syntax(number))))
            results.append(value)
        return results

    def function(
        self, body: Body, node: Node, entry: Entry | None, inputs: Sequence[Value], hint: str
    ) -> Value:
        value = body.value(node.output, hint)
        reads = [body.read(x) for x in inputs]
        weight = None if entry is None else body.reached(entry)
        code = function_of(self.structure.calls[node.id], reads, weight)
        adds = node.id in self.structure.overwriting
        body.steps.append(Step(value, code, adds))
        return value

    # the network

    def network(self, title: str) -> ast.ClassDef:
        graph, body = self.graph, Body(self.grouped)
        values = {id: body.value(spec) for id, spec in graph.inputs.items()}
        given = [*values.values()]
        self.fill(ROOT, body, values, given)
        members: Any = network_members(graph, body, given, values)
        cases: dict[str, Any] = {}
        for target, init in self.common.items():
            if init is not None:
                case_of(cases, target, init)
        made = [*body.constructor(), *loop_of(cases), *freezing(graph)]
        info = members.features
        made += [] if info is None else [assign("self.feature_info", info)]
        whence = "Written from the graph" if graph.written else "Read from a graph without its spec"
        doc = documented([members.doc, "", f"{whence}: every number is fixed."])
        return ast.ClassDef(
            title,
            [name(base_of(body))],
            [],
            [doc, initial(made), members.forward],
            [],
        )


__all__ = ["Holder", "instances"]
