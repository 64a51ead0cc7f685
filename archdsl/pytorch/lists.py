"""Lists of any number of maps: what joins them, and what one module gives on each."""

import ast
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from archdsl.language.syntax import Item, Name
from archdsl.ops import Op, join
from archdsl.pytorch.applying import Applying
from archdsl.pytorch.entries import NTH, Entry, Listing, Step, Value
from archdsl.pytorch.environment import Env, Flow
from archdsl.pytorch.naming import pattern
from archdsl.pytorch.operations import function_of, module_of, torch_call
from archdsl.pytorch.python import as_syntax, call, name
from archdsl.pytorch.sizes import channels_of, distance, nth_of, of_nth, same_in_all
from archdsl.pytorch.symbols import (
    Fixed,
    Symbol,
    binary,
    element,
    known,
    names_in,
    same,
    variable,
)
from archdsl.pytorch.translator import Replaced
from archdsl.pytorch.turns import Loop

SUMS = {"add": "added", "multiply": "multiplied"}  # the helpers that join a list


class Lists(Applying):
    """Translates what reads and joins lists of maps."""

    rounds: list[Any]  # the loops around what is translated

    def nth(self, maps: Listing, place: Any, env: Env) -> Value:
        value = nth_of(maps, place)
        made = self.body.value(value.spec, maps.hint, maps.maker)
        made.of = maps.mark
        read = ast.Subscript(self.body.read(maps), self.body.keep("place", place))
        self.step(env.level, made, read)
        return made

    def among(self, said: Name, flows: Sequence[Flow], env: Env) -> Value | None:
        """The map of a list that a name with its place in it means; None if there is none."""
        read = self.formatted(said.template, env)
        parts = [read] if isinstance(read, str) else read
        for flow in reversed(flows):
            place = place_named(flow, parts) if isinstance(flow, Listing) and flow.named else None
            if isinstance(flow, Listing) and place is not None:
                single = flow.elements and known(place)
                return flow.elements[place] if single else self.nth(flow, place, env)
        numbered = self.numbered_inputs(parts, env)
        return None if numbered is None else self.nth(numbered[0], numbered[1], env)

    def numbered_inputs(self, parts: Sequence[Any], env: Env) -> tuple[Listing, Any] | None:
        """The inputs that a name with a number in it may mean, as a list, and the place in it."""
        varying = [n for n, part in enumerate(parts) if isinstance(part, Symbol)]
        if len(varying) != 1:
            return None
        before, after = (pattern(p) for p in (parts[: varying[0]], parts[varying[0] + 1 :]))
        inputs: list[Value] = []
        known_names = env.frame.every()
        while isinstance(found := known_names.get(f"{before}{len(inputs)}{after}"), Value):
            inputs.append(found)
        if not inputs or not all(same(i.spec.spatial, inputs[0].spec.spatial) for i in inputs):
            return None
        code = ast.List([self.body.read(value) for value in inputs])
        for step in self.body.steps:
            if isinstance(step.target, Listing) and ast.dump(step.code) == ast.dump(code):
                return step.target, parts[varying[0]]
        sizes = [as_syntax(value.spec.channels) for value in inputs]
        channels = Symbol(ast.List(sizes), "list", len(inputs), names_in(*(
            value.spec.channels for value in inputs)))  # fmt: skip
        channels = self.body.let_first(channels, self.taken)
        each = element(channels, variable(NTH, "int"))
        listing = self.body.listing(inputs[0].spec.with_channels(each), len(inputs), before)
        self.body.steps.append(Step(listing, code))
        return listing, parts[varying[0]]

    def of_list(self, flows: Sequence[Value | Listing]) -> ast.expr:
        """Maps and lists of maps as one list."""
        parts: list[ast.expr] = []
        for place, flow in enumerate(flows):
            if isinstance(flow, Listing):
                if flow.before and flow.before != tuple(flows[:place]):
                    raise Fixed((), "a list without what it begins with")
                parts = [] if flow.before else parts  # which it holds
                parts.append(self.body.read(flow))
            elif parts and isinstance(parts[-1], ast.List):
                parts[-1].elts.append(self.body.read(flow))
            else:
                parts.append(ast.List([self.body.read(flow)]))
        whole = parts[0] if parts else ast.List([])
        for part in parts[1:]:
            whole = ast.BinOp(whole, ast.Add(), part)
        return whole

    def joined_list(self, op: Any, flows: Sequence[Value | Listing], env: Env, title: str) -> Value:
        """The sum, the product or the concatenation of maps, among them lists of any number."""
        if isinstance(op, join.WeightedAdd) and env.guard is None and not self.rounds:
            return self.weighted(op, flows, env, title)
        if env.guard is not None or not isinstance(op, join.Add | join.Multiply | join.Concat):
            raise Fixed((), f"{op.verb} of a list of any number")
        firsts = [nth_of(flow, 0) if isinstance(flow, Listing) else flow for flow in flows]
        maps = self.of_list(flows)
        if isinstance(op, join.Concat):
            spec = firsts[0].spec
            if op != join.Concat():
                raise Fixed((), "a list along another axis")
            parts = [channels_of(flow) for flow in flows]
            parts = [self.written_out(n) if isinstance(n, Symbol) else n for n in parts]
            spec = spec.with_channels(total(parts))
            written = torch_call(op, [spec])
            code: ast.expr = _Instead(maps).visit(function_of(written, [name("maps")]))
        else:
            sure = [f for f in flows if not isinstance(f, Listing) or f.test is None] or flows
            specs = [same_in_all(f) if isinstance(f, Listing) else f.spec for f in sure]
            spec = self.inferred(op, [Value(one) for one in specs])
            code = call(SUMS[op.verb], maps)
        value = self.body.value(spec, title.lstrip("_"), type(op))
        self.step(env.level, value, code)
        holder = env.level.holder
        while holder.owner is not None and holder not in holder.owner.entries:
            holder = holder.owner  # in which a loop stands for it
        self.settle(env.level.child(title), value, holder)
        return value

    def weighted(self, op: Op, flows: Sequence[Value | Listing], env: Env, title: str) -> Value:
        """A sum of any number of maps, each times a learned weight."""
        first = nth_of(flows[0], 0) if isinstance(flows[0], Listing) else flows[0]
        specs = [first.spec] * len(flows)  # all have the same, or there is no sum
        counts = [flow.count if isinstance(flow, Listing) else 1 for flow in flows]
        written = torch_call(op, specs)
        (size,) = written.arguments
        written = replace(written, arguments=(replace(size, value=total(counts)),))
        entry = Entry(title, module_of(written), [], None, True)
        entry = self.entered(env.level.holder, entry)
        read = self.body.reached(entry)
        code = function_of(self.kept_settings(written), [name("maps")], read)
        value = self.body.value(self.inferred(op, [Value(one) for one in specs]), title, type(op))
        self.step(env.level, value, _Instead(self.of_list(flows)).visit(code))
        self.settle(env.level.child(title), value, env.level.holder)
        return value

    def each_of(self, item: Item, maps: Listing, env: Env) -> Listing:
        """What one module gives on each of a list."""
        index = self.body.local("n", self.taken)
        self.body.locals.discard(index)
        seen = nth_of(maps, variable(index, "int"))
        part = self.body.value(seen.spec, "part", maps.maker)
        part.of = maps.mark
        made = self.module(item, env.with_input(part))
        if made is None or made.before or item.modifiers.repeat is not None:
            raise Fixed((), "each of a list of any number, of what is no module")
        title = self.named_at(item, env)
        code = Replaced(index, ast.Constant(0)).visit(made.code)  # one module fits all maps
        entry = self.entered(env.level.holder, Entry(title, code, []))
        value = self.body.value(made.spec, "", made.maker)
        listing = self.body.listing(of_nth(made.spec, index), maps.count, title, made.maker)
        loop = Loop(listing, name("loop"), scopes=self.scopes(env.level), maps=maps, part=part)
        loop.result, loop.steps = value, [Step(value, self.body.called(entry, [part]))]
        self.body.steps.append(loop)
        return listing

    def named_at(self, item: Item, env: Env) -> str:
        """The name of an attribute for the module of an item."""
        if item.key is None:
            return env.level.number()
        key = self.key(item.key, env)
        if "." in key:
            raise Fixed((), "each at a path")
        return self.attribute(key, env)


class _Instead(ast.NodeTransformer):
    """A list where `[maps]` stands."""

    def __init__(self, maps: ast.expr) -> None:
        self.maps = maps

    def visit_List(self, node: ast.List) -> ast.expr:
        return self.maps


def total(parts: Sequence[Any]) -> Any:
    found = parts[0]
    for part in parts[1:]:
        found = binary("+", found, part)
    return found


def place_named(maps: Listing, read: Sequence[Any]) -> Any:
    """The place of the map that a name means in a list whose maps have names; None of another."""
    at = next(n for n, p in enumerate(maps.named) if isinstance(p, Symbol) and p.has(NTH))
    before, after = pattern(maps.named[:at]), pattern(maps.named[at + 1 :])
    title, start = pattern(read), distance(maps.named[at], variable(NTH, "int"))
    middle = title[len(before) : len(title) - len(after)]
    if title != f"{before}{middle}{after}":
        return None
    varying = (part for part in read if isinstance(part, Symbol) and pattern([part]) == middle)
    number: Any = int(middle) if middle.isdecimal() else next(varying, None)
    place = None if number is None else binary("-", number, start)
    outside = known(place, maps.count) and place is not None and not 0 <= place < maps.count
    return None if outside else place
