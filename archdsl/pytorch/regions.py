"""Parts of `forward` that the backward pass computes again, or that a condition guards."""

import ast
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from archdsl.pytorch.body import Body
from archdsl.pytorch.entries import (
    Access,
    Listing,
    Region,
    Step,
    Value,
    is_argument,
)
from archdsl.pytorch.python import call, choice, function, name
from archdsl.pytorch.recomputing import recomputed
from archdsl.pytorch.symbols import Fixed
from archdsl.pytorch.variables import Naming, typed


def settle_regions(body: Body, results: Collection[str]) -> None:
    """Makes one call of every region; `results` are the marks of what is returned."""
    if any(step.regions for step in body.steps):
        body.steps = [*_Regions(body, results).settled(body.steps, 0)]


class _Regions:
    def __init__(self, body: Body, results: Collection[str]) -> None:
        self.body, self.results, self.all = body, results, list(body.steps)

    def settled(self, steps: Sequence[Step], depth: int) -> Iterator[Step]:
        """Steps of which those of a region, at a depth of nested ones, are called."""
        for region, group in groupby(steps, lambda s: next(iter(s.regions[depth:]), None)):
            if region is None:
                yield from group
                continue
            own = list(group)
            inner = [*self.settled(own, depth + 1)]
            first, *others = inner
            if (
                region.test is None
                and _is_call(first.code)
                and all(_is_part_of(step, first) for step in others)
            ):
                helper = "recomputed_in_turn" if region.turns else "recomputed"
                yield replace(first, code=recomputed(first.code, helper))
                yield from others
            else:
                yield from self.called(region, inner, own)

    def called(self, region: Region, steps: list[Step], own: Sequence[Step]) -> Iterator[Step]:
        """A method of the steps, and its call."""
        made = {step.target.mark: step.target for step in steps}
        read = [mark for step in steps for mark in step.operands if mark not in made]
        outside = {mark for step in self.all if step not in own for mark in step.operands}
        outside |= {*self.results}
        results = [value for mark, value in made.items() if mark in outside]
        given = [self.body.made[mark] for mark in dict.fromkeys(read)]
        method = self.method(region, steps, given, results)
        code: ast.expr = call(f"self.{method}", *(ast.Name(value.mark) for value in given))
        if region.test is None:
            code = recomputed(code)
        elif len(results) == 1:
            code = choice(region.test, code, ast.Name(region.otherwise))
        else:
            raise Fixed((), "several results under a condition")
        if len(results) == 1:
            yield Step(results[0], code, scopes=region.scopes)
            return
        spec = results[0].spec if results else steps[0].target.spec
        whole = self.body.value(spec, region.title)
        yield Step(whole, code, scopes=region.scopes)
        for number, value in enumerate(results):
            part = ast.Subscript(ast.Name(whole.mark), ast.Constant(number))
            yield Step(value, part, scopes=region.scopes)

    def method(
        self, region: Region, steps: list[Step], given: Sequence[Value | Listing],
        results: Sequence[Value | Listing],
    ) -> str:  # fmt: skip
        """The method that does what the steps do: that of any other region that does the same."""
        names = arguments(given)
        naming = Naming(self.body, given, names, steps)
        statements, _ = naming.finish(results)
        returned = [naming.read(value) for value in results]
        whole = returned[0] if len(returned) == 1 else ast.Tuple(returned)
        kinds = [type_of(value) for value in results]
        returns = kinds[0] if len(kinds) == 1 else ast.Subscript(name("tuple"), ast.Tuple(kinds))
        taken = [ast.arg(n, type_of(v)) for n, v in zip(names, given, strict=True)]
        body = [*typed(statements, whole, names), ast.Return(whole)]
        made = function("", [ast.arg("self"), *taken], [], returns, body)
        for title, other in self.body.methods.items():
            if ast.dump(replace_name(other, "")) == ast.dump(made):
                return title
        title = self.free(f"forward_{region.title}")
        self.body.methods[title] = replace_name(made, title)
        return title

    def free(self, title: str) -> str:
        title = "".join(c if c.isalnum() else "_" for c in title)
        free, number = title, 2
        while free in (*self.body.methods, *self.body.names, *self.body.top.keys, *self.body.kept):
            free, number = f"{title}_{number}", number + 1
        return free


def replace_name(node: ast.FunctionDef, title: str) -> ast.FunctionDef:
    return ast.FunctionDef(title, node.args, node.body, [], node.returns)


def arguments(values: Sequence[Value | Listing]) -> list[str]:
    """What a method calls the maps that it is given."""
    if len(values) == 1:
        return ["x"]
    found: list[str] = []
    for value in values:
        hint = value.hint if is_argument(value.hint) else "x"
        free, number = hint, 2
        while free in found:
            free, number = f"{hint}_{number}", number + 1
        found.append(free)
    return found


def type_of(value: Value | Listing) -> ast.expr:
    """The type of a map, or of a list of maps."""
    tensor = name("Tensor")
    return ast.Subscript(name("list"), tensor) if isinstance(value, Listing) else tensor


def _is_call(code: ast.expr) -> bool:
    """Whether all that code does is to call a module, or an element of what that gives."""
    match code:
        case ast.Call(func=Access(), args=arguments):
            return not any(isinstance(part, ast.Call) for part in arguments)
        case ast.Subscript(value=inner):
            return _is_call(inner)
        case ast.IfExp(body=inner, orelse=ast.Name()):
            return _is_call(inner)
    return False


def _is_part_of(step: Step, whole: Step) -> bool:
    """Whether a step takes one of the several results of another."""
    match step.code:
        case ast.Subscript(value=ast.Name(id=mark), slice=ast.Constant()):
            return mark == whole.target.mark
    return False
