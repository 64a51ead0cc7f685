"""What an item is as a module: its verb, its block, and the arguments of both."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any

from archdsl.language.replacing import NONE, Replacements
from archdsl.language.syntax import COMBINATORS, SPLIT, Block, Item, Replacement
from archdsl.language.syntax import Sequence as Items
from archdsl.ops import OPS, activation, arguments, kind
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.containers import Made, Parts
from archdsl.pytorch.entries import Entry, Holder, Listing, Value
from archdsl.pytorch.environment import Env, Factory, Flow, Frame, Level, takes_channels
from archdsl.pytorch.naming import pattern
from archdsl.pytorch.placing import Lent, Placing
from archdsl.pytorch.python import call
from archdsl.pytorch.sizes import channels_in
from archdsl.pytorch.symbols import Fixed, Symbol, known, names_in, same
from archdsl.pytorch.told import Told

KINDS = ("seq", "residual", "branches", "dense")


class Calling(Placing):
    """Resolves what items call."""

    def inlined(self, item: Item, env: Env) -> tuple[Items | None, Env]:
        if item.verb == "inline":
            return item.parts["items"], env
        _, block, given = self.resolved(item, env)
        if block is None or block.body is None or block.body.verb != "inline":
            return None, env
        if block.outputs is not None:
            raise Fixed((), "an inline block with outputs")
        inner = self.opened(block, self.bound(block, given, env), env, env.level)
        return block.body.parts["items"], inner

    def opened_chain(self, item: Item, env: Env) -> tuple[Items | None, Env]:
        if item.verb == "seq":
            return item.parts["items"], env
        _, block, given, there = self.standing(item, env)
        if block is None or block.body is None or block.body.verb != "seq" or block.outputs:
            return None, env
        values = self.bound(block, given, there)
        return block.body.parts["items"], self.opened(block, values, there, env.level)

    def opened(self, block: Block, values: Mapping[str, Any], env: Env, level: Level) -> Env:
        if sum(1 for _ in self.calls) > 200:
            raise Fixed((), "blocks in blocks")
        wanted = max(1 - bool(block.rest), len(block.inputs))
        flows = env.x if isinstance(env.x, tuple) else (env.x,)
        if len(flows) != wanted and not (block.rest and len(flows) > wanted):
            raise Fixed((), "another number of inputs")
        frame = Frame(level, env.x, len(self.taps), None, self.by_input(block, env.x))
        return Env(block.file, frame, values, env.x, env.guard, replacing=env.replacing)

    @staticmethod
    def by_input(block: Block, x: Flow) -> dict[str, Flow]:
        """What a block is given, by the names of its inputs."""
        flows, count = x if isinstance(x, tuple) else (x,), len(block.inputs)
        known: dict[str, Flow] = dict(zip(block.inputs, flows, strict=False))
        if block.rest:
            others = tuple(flow for flow in flows[count:] if flow is not None)
            whole = len(others) == 1 and isinstance(others[0], Listing)
            if any(isinstance(flow, Listing) for flow in others) and not whole:
                raise Fixed((), "a list of any number among others")
            known[block.rest] = others[0] if whole else others
        return known

    def resolved(self, item: Item, env: Env) -> tuple[Any, Block | None, dict[str, Any]]:
        """The verb behind `$name`, its block, and the arguments: as written, or as values."""
        given: dict[str, Any] = {n: (raw, False) for n, raw in item.arguments.items()}
        if item.chosen is None:
            return item.verb, env.file.block(item.verb), given
        value = self.factory(item.chosen, env)
        if isinstance(value, Symbol):
            return value, None, given
        given |= {n: (argument, True) for n, argument in value.arguments.items()}
        return value.verb, value.block, given

    # what is replaced

    def replaced_at(self, env: Env, title: str | None) -> Replacements:
        """What is replaced in what stands under a title; None where it has no path yet."""
        seen = self.replacing if env.replacing is None else env.replacing
        if seen.uniform:
            return seen
        if title is None:
            raise Fixed((), "what is replaced depends on a path")
        return seen.under(env.level.child(title))

    def standing(
        self, item: Item, env: Env, title: str | None = None
    ) -> tuple[Any, Block | None, dict[str, Any], Env]:
        """What an item calls, or what stands for that under its title, and what that sees."""
        verb, block, given = self.resolved(item, env)
        if block is not None or isinstance(verb, Symbol):
            return verb, block, given, env
        rules = self.replacing if env.replacing is None else env.replacing
        if all(rule.op != verb for rule, _ in rules.rules):
            return verb, block, given, env
        rule = self.replaced_at(env, title).of(verb)
        if rule is None:
            return verb, block, given, env
        value, given = self.replaced(rule, given, env)
        return value.verb, value.block, given, replace(env, replacing=NONE)

    def replaced(
        self, rule: Replacement, given: Mapping[str, Any], env: Env
    ) -> tuple[Factory, dict[str, Any]]:
        """What stands for an op, with the arguments of the op that it takes, too."""
        op, file = OPS[rule.op], self.program.document.file
        value = self.factory(rule.by, replace(env, file=file, values=self.outer(file)))
        if isinstance(value, Symbol):
            raise Fixed(value.names)
        known = arguments(OPS[value.verb]) if value.block is None else value.block.parameters
        settled = {n for f in (env.file, file) for n in f.defaults.get(value.verb, ())}
        found: dict[str, Any] = {}
        for title, (raw, is_value) in given.items():
            if title in known and title not in value.arguments:
                keeps = is_value or kind(op, title).form == "reference"
                found[title] = (
                    (raw, is_value) if keeps else (self.argument(raw, kind(op, title), env), True)
                )
        for where in (env.file, file):
            there = replace(env, file=where, values=self.outer(where))
            for title, raw in where.defaults.get(op.verb, {}).items():
                if title in known and title not in {*settled, *found, *value.arguments}:
                    found[title] = self.argument(raw, kind(op, title), there), True
        return value, found | {n: (argument, True) for n, argument in value.arguments.items()}

    def bound(self, block: Block, given: Mapping[str, Any], env: Env) -> dict[str, Any]:
        """The values of a block's parameters, and what it sees of the document's."""
        values = dict(self.outer(block.file))
        for title, parameter in block.parameters.items():
            if title in given:
                raw, is_value = given[title]
                value = raw if is_value else self.parameter(parameter, raw, env)
            elif parameter.required:
                raise Fixed((), f"{block.name} needs {title}")
            else:
                inner = Env(block.file, env.frame, values, env.x)
                value = self.parameter(parameter, parameter.default, inner)
            values[title] = value
        return values

    def module(self, item: Item, env: Env) -> Made | None:
        """What one item is as a module of one input; None if it is none."""
        if not isinstance(env.x, Value) or item.modifiers.checkpoint:
            return None
        if item.verb == "seq":
            parts: Parts = []
            after = self.chain(item.parts["items"], env, parts)
            if after is not None:
                return self.contained(parts, after.first, "layers")
        if item.verb in COMBINATORS:
            return self.part_module(item, env) if self.repeats or self.rounds else None
        verb, block, given, env = self.standing(item, env)
        if isinstance(verb, Symbol):
            return self.factory_call(verb, given, item, env)
        if block is not None:
            return self.block_module(block, given, item, env)
        op = OPS[verb]
        if op.inputs != 1 or any(kind(op, title).form == "reference" for title in given):
            return None
        made, _ = self.settled(op, given, env)
        written = self.call_of(made, [env.first.spec])
        whole = written.form == "module" and not written.use
        return self.op_module(made, written, item, env) if whole else None

    def part_module(self, item: Item, env: Env) -> Made | None:
        """What a loop repeats that is no chain, as a class of its own."""
        if item.verb == SPLIT:
            return None
        try:
            with self.attempt():
                code, results = self.program.part(item, env, self.hint, None, self)
        except Fixed as error:
            if error.names:
                raise
            return None
        one = len(results) == 1 and isinstance(results[0], Value)
        return Made(code, [], results[0].spec, results[0].maker) if one else None

    def block_module(
        self, block: Block, given: Mapping[str, Any], item: Item, env: Env
    ) -> Made | None:
        if block.body is None or len(block.inputs) > 1:
            return None
        values = self.bound(block, given, env)
        if block.body.verb not in KINDS:
            level = Level(Holder("?"), "?")
            return self.module(block.body, self.opened(block, values, env, level))
        try:
            rules = self.replaced_at(env, None)
            code, results = self.program.called(block, values, given, [env.first.spec], self, rules)
        except Fixed as error:
            if error.names:
                raise
            return None
        if len(results) != 1:
            return None
        return Made(code, [], results[0].spec, results[0].maker)

    def factory_call(self, made: Symbol, given: Mapping[str, Any], item: Item, env: Env) -> Made:
        """A module from a parameter that makes some."""
        assert isinstance(made.syntax, ast.Name)
        title = made.syntax.id
        standard = self.standards.get(title)
        if standard is None:
            raise Fixed(made.names, "no standard for what it makes")
        x = env.first
        if standard.block is None and (given or takes_channels(OPS[standard.verb])):
            return self.told_call(title, standard, given, env)
        if standard.block is None:
            self.activations.setdefault(title, []).append(self.lent(item, x))
            if x.mark:
                self.taking.append((title, x))
            return Made(call(made.syntax), [], x.spec, activation.Relu)
        values = {
            n: raw if is_value else self.parameter(standard.block.parameters[n], raw, env)
            for n, (raw, is_value) in given.items()
            if n in standard.block.parameters
        }
        if len(values) < len(given):
            raise Fixed(made.names)
        spec = x.spec if "out" not in values else x.spec.with_channels(values["out"])
        sizes: tuple[Any, ...] = (spec.channels, *(None,) * spec.rank)
        unknown = TensorSpec(sizes)
        return Made(call(made.syntax, x.spec.channels, **values), [], unknown, None)

    def told_call(self, title: str, standard: Factory, given: Mapping[str, Any], env: Env) -> Made:
        """A module of an op that a parameter stands for, which is told something."""
        op, x = OPS[standard.verb], env.first
        known_arguments = arguments(op)
        if any(n not in known_arguments or kind(op, n).form == "reference" for n in given):
            raise Fixed((title,), "an argument that the op does not have")
        values = {
            n: raw if is_value else self.argument(raw, kind(op, n), env)
            for n, (raw, is_value) in given.items()
        }
        told = Told(values, x.spec)
        try:
            made, code = told.call(title, standard.verb)
        except Fixed as error:
            raise Fixed((title,), str(error)) from error
        self.told.setdefault(title, []).append(told)
        if self.learns(made, x.spec):
            self.program.inits.append((self.call_of(made, [x.spec]).target, None, code))
        return Made(code, [], self.inferred(made, [x]))

    def lent(self, item: Item, x: Value) -> Lent:
        """Whether what an item makes may write over a value."""

        def of(verb: str) -> bool:
            said = self.program.may_overwrite(item.span, verb)
            return said is not False and (said if x.maker is None else x.maker.lends) is True

        return of

    def combined(self, item: Item, env: Env) -> Flow:
        """What a combinator gives where it stands."""
        raise NotImplementedError

    def placed_at(self, item: Item, env: Env, title: str) -> Flow:
        """What an item gives under a name."""
        raise NotImplementedError

    def call(
        self, block: Block, given: Mapping[str, Any], item: Item, env: Env, title: str
    ) -> Flow:
        """A block under a name: a call of its class, or what it holds where that cannot be."""
        if block.body is None:
            raise Fixed((), "a block that cannot be read")
        if block.body.verb == "seq" and not block.body.parts["items"].items and not block.outputs:
            return env.x
        values, level = self.bound(block, given, env), env.level
        if block.body.verb not in KINDS:
            inner = self.opened(block, values, env, level)
            return self.given_of(block, self.placed_at(block.body, inner, title), inner)
        if title.startswith("_"):
            before, level.trail = level.trail, f"{level.trail}{title}."
            inner = self.opened(block, values, env, level)
            result = self.given_of(block, self.combined(block.body, inner), inner)
            level.trail = before
            return result
        path = level.child(title)
        flows = env.x if isinstance(env.x, tuple) else (env.x,)
        if block.rest:
            found = self.call_of_any(block, values, given, flows, env, title)
            if found is not None:
                return found
            flows = tuple(part for flow in flows for part in self.parts_of(flow))
            env = env.with_input(flows if len(flows) != 1 else flows[0])
        inputs = [flow for flow in flows if isinstance(flow, Value)]
        fits = len(inputs) == max(1, len(block.inputs)) or (block.rest and len(inputs) > 0)
        if len(inputs) == len(flows) and fits and (len(inputs) == 1 or env.guard is None):
            try:
                with self.attempt():
                    specs = [value.spec for value in inputs]
                    rules = self.replaced_at(env, title)
                    code, results = self.program.called(block, values, given, specs, self, rules)
                    gives = self.program.gives(path, self.prefixes)
                    if gives > number_of(results) or self.program.is_opened(path, self.prefixes):
                        raise Fixed((), "more results are needed")
            except Fixed:
                pass
            else:
                return self.enter_block(title, path, code, results, inputs, env)
        holder = self.entered(level.holder, Holder(self.attribute(title, env)))
        inner = self.opened(block, values, env, Level(holder, path, guard=env.guard))
        return self.given_of(block, self.combined(block.body, inner), inner)

    @staticmethod
    def parts_of(flow: Value | Listing | None) -> Sequence[Value | Listing]:
        """The maps of a list one by one, where their number is known."""
        if flow is None:
            raise Fixed((), "an input that is none")
        return flow.elements if isinstance(flow, Listing) and flow.elements else (flow,)

    def call_of_any(
        self, block: Block, values: Mapping[str, Any], given: Mapping[str, Any],
        flows: Sequence[Flow], env: Env, title: str,
    ) -> Flow:  # fmt: skip
        """A call of the class of a block that takes any number of maps; None if it has none."""
        count, path = len(block.inputs), env.level.child(title)
        named = [flow for flow in flows[:count] if isinstance(flow, Value)]
        others = [flow for flow in flows[count:] if isinstance(flow, Value | Listing)]
        if len(named) + len(others) < len(flows) or len(named) < count or env.guard is not None:
            return None
        kinds = {(flow.spec.rank, flow.spec.layout) for flow in (*named[:1], *others)}
        if len(kinds) != 1 or (not count and kinds != {(2, "channels_first")}):
            return None
        try:
            with self.attempt():
                specs = [value.spec for value in named]
                rest = channels_in(others)
                rules = self.replaced_at(env, title)
                code, results = self.program.called(block, values, given, specs, self, rules, rest)
                if self.program.is_opened(path, self.prefixes) or not results:
                    raise Fixed((), "what is in it is needed")
        except Fixed:
            return None
        entry = Entry(self.attribute(title, env), code, [])
        entry = self.entered(env.level.holder, entry)
        reads = [*map(self.body.read, named), self.of_list(others)]
        called = ast.Call(self.body.reached(entry), reads, [])
        if not isinstance(results[0], Listing):
            return self.given_by_any(called, results, title, path, env)
        (result,) = results
        listing = self.body.listing(result.spec, result.count, title, result.maker)
        self.step(env.level, listing, called)
        if known(result.count):
            listing.elements = tuple(self.nth(listing, n, env) for n in range(result.count))
            self.settle_parts(path, listing.elements)
        return listing

    def of_list(self, flows: Sequence[Value | Listing]) -> ast.expr:
        """Maps and lists of maps as one list."""
        raise NotImplementedError

    def last_of(self, maps: Listing, env: Env) -> Value:
        """The last of a list that has one."""
        raise NotImplementedError

    def given_by_any(
        self, called: ast.expr, results: Sequence[Value], title: str, path: str, env: Env
    ) -> Flow:
        """The single result of a call, or the results one by one."""
        first = self.body.value(results[0].spec, title.lstrip("_"), results[0].maker)
        self.step(env.level, first, called)
        if len(results) == 1:
            self.settle(path, first, env.level.holder)
            return first
        return self.parts_given(first, results, title, path, env)

    def given_of(self, block: Block, result: Flow, inner: Env) -> Flow:
        """What a block gives: what its body does, or a list of its `outputs`."""
        if block.outputs is None:
            return result
        names = [name for name in block.outputs.values() if name is not None]
        found = [self.reference(name, inner, self.taps) for name in names]
        values = tuple(value for value in found if isinstance(value, Value))
        if len(values) < len(block.outputs):
            raise Fixed((), "a list in a list")
        return values

    def enter_block(
        self, title: str, path: str, code: ast.expr, results: Sequence[Value],
        inputs: Sequence[Value], env: Env,
    ) -> Flow:  # fmt: skip
        if isinstance(results[0], Listing):
            return self.enter_list(title, code, results[0], inputs, env)
        if len(inputs) == len(results) == 1:
            made = Made(code, [], results[0].spec, results[0].maker)
            return self.enter(title, path, made, env)
        entry = Entry(self.attribute(title, env), code, [], env.guard)
        entry = self.entered(env.level.holder, entry)
        first = self.body.value(results[0].spec, title, results[0].maker)
        self.step(env.level, first, self.body.called(entry, inputs))
        if len(results) == 1:
            self.settle(path, first, env.level.holder)
            return first
        if env.guard is not None:
            raise Fixed(env.guard.names)
        return self.parts_given(first, results, title, path, env)

    def enter_list(
        self, title: str, code: ast.expr, result: Listing, inputs: Sequence[Value], env: Env
    ) -> Flow:
        """A block that gives a list of maps which taps name; the last of these flows on."""
        if env.guard is not None or self.again or self.rounds or same(result.count, 0):
            raise Fixed(names_in(env.guard, result.count), "a list of maps that taps name, there")
        entry = Entry(self.attribute(title, env), code, [])
        entry = self.entered(env.level.holder, entry)
        maps = self.body.listing(result.spec, result.count, title, result.maker)
        self.step(env.level, maps, self.body.called(entry, inputs))
        maps.named = result.named
        self.taps[pattern(result.named)] = maps
        if not known(result.count):
            return self.last_of(maps, env)
        maps.parts = result.count
        maps.elements = tuple(self.nth(maps, n, env) for n in range(result.count))
        return maps.elements[-1]

    def parts_given(
        self, first: Value, results: Sequence[Value], title: str, path: str, env: Env
    ) -> Flow:
        """The results of a call that gives several, one by one."""
        values, first.parts = [], len(results)
        for number, result in enumerate(results):
            value = self.body.value(result.spec, f"{title.lstrip('_')}_{number}")
            self.step(env.level, value, ast.Subscript(self.body.read(first), ast.Constant(number)))
            self.settle_all(path, value, result.homes)
            values.append(value)
        return tuple(values)


def number_of(results: Sequence[Value | Listing]) -> float:
    """How many maps there may be, those of lists among them."""
    counts = (result.count if isinstance(result, Listing) else 1 for result in results)
    return sum(count if known(count) else inf for count in counts)
