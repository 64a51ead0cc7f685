"""Branches, some of which are any number or stand under a condition, and how they are joined."""

import ast
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from typing import Any

from archdsl.language.syntax import APART, Item
from archdsl.ops import OPS
from archdsl.ops.shape import Slice
from archdsl.pytorch.entries import NTH, Entry, Listing, Value
from archdsl.pytorch.environment import Env, Flow
from archdsl.pytorch.looping import Looping
from archdsl.pytorch.operations import function_of, torch_call
from archdsl.pytorch.python import call, choice, name
from archdsl.pytorch.symbols import (
    Fixed,
    Symbol,
    binary,
    element,
    names_in,
    sliced,
    symbol,
    variable,
)
from archdsl.pytorch.translator import choose

MANY = 3  # copies that are written as a loop
Uncertain = tuple[Item, Env, bool | Symbol]  # a branch, and whether it is there


class Branching(Looping):
    """Translates branches and the parts of a map."""

    def single(self, item: Item, env: Env) -> Flow:
        """An item whose `if` holds."""
        raise NotImplementedError

    def undoing(self, env: Env) -> AbstractContextManager[None]:
        """Inside, what is given up leaves nothing behind, in the class neither."""
        raise NotImplementedError

    def conditional(self, item: Item, env: Env) -> Flow:
        """An item under its `if`, or what flows where that does not hold."""
        raise NotImplementedError

    @staticmethod
    @contextmanager
    def asking(names: Iterable[str]) -> Iterator[None]:
        """What cannot be said under a condition, or in a loop, asks for that to be known."""
        try:
            yield
        except Fixed as error:
            raise Fixed(error.names or names, str(error)) from error

    def branches(self, item: Item, env: Env) -> Flow:
        if any(self.any_number(path, env) for path in item.parts["paths"].items):
            return self.listed_branches(item, env)
        if self.repeats_itself(item, env):
            with suppress(Fixed), self.undoing(env):
                return self.listed_branches(item, env)
        paths = [
            (path, env.bind(row), self.asked(path, env.bind(row)))
            for path in item.parts["paths"].items
            for row in self.rows(path, env)
        ]
        paths = [(path, there, test) for path, there, test in paths if test is not False]
        if any(isinstance(test, Symbol) for _, _, test in paths):
            return self.uncertain_branches(item, env, paths)
        inputs = self.split(item, env, len(paths))
        results = [
            self.single(path, there.with_input(x))
            for (path, there, _), x in zip(paths, inputs, strict=True)
        ]
        join = self.evaluate(item.arguments.get("join"), env)
        if join == APART:
            values = tuple(result for result in results if isinstance(result, Value))
            if len(values) < len(results):
                raise Fixed((), "a list of lists")
            return values
        if len(results) == 1:
            return results[0]
        verb = join if isinstance(join, str) else "concat"
        return self.joined(verb, results, env, f"_{verb}", item.span)

    def asked(self, path: Item, env: Env) -> bool | Symbol:
        """Whether there is a branch."""
        said = path.modifiers.if_
        test: bool | Symbol = True if said is None else self.test(said, env)
        return test

    def within(self, key: str, env: Env) -> tuple[Env, str]:
        """Where a key with dots leads; the last name."""
        raise NotImplementedError

    # branches under conditions

    def uncertain_branches(self, item: Item, env: Env, paths: Sequence[Uncertain]) -> Flow:
        """Branches of which some are there under a condition alone, and joined."""
        verb = self.evaluate(item.arguments.get("join"), env) or "concat"
        names = names_in(*(test for _, _, test in paths))
        plain = verb in ("concat", "add", "multiply") and "split" not in item.arguments
        if not plain or env.guard is not None or self.rounds or self.again:
            raise Fixed(names, "a branch under a condition, there")
        self.turning |= names
        with self.asking(names):
            if verb == "concat" or sum(isinstance(test, Symbol) for _, _, test in paths) > 1:
                listed = [self.or_none(*self.uncertain(*path), env) for path in paths]
                return self.joined_list(OPS[verb](), listed, env, f"_{verb}")
            flows = [self.uncertain(*path) for path in paths]
            return self.one_by_one(str(verb), flows, env, item.span)

    def uncertain(self, path: Item, env: Env, test: bool | Symbol) -> tuple[Value, bool | Symbol]:
        """What a branch gives where a condition holds, and that."""
        there = env
        if isinstance(test, Symbol):
            there = replace(self.where_it_holds(test, env), guard=test)
        value = self.single(path, there)
        if not isinstance(value, Value):
            raise Fixed((), "a list under a condition")
        if isinstance(test, Symbol):
            value.spec = self.plain_spec(value, test)
        return value, test

    def or_none(self, value: Value, test: bool | Symbol, env: Env) -> Value | Listing:
        """A map, or a list of it where a condition holds and of none elsewhere."""
        if not isinstance(test, Symbol):
            return value
        maps = self.body.listing(value.spec, choose(test, lambda: 1, lambda: 0), value.hint)
        maps.test = test
        flag = self.body.keep(f"has_{value.hint}", test)
        code = choice(flag, ast.List([self.body.read(value)]), ast.List([]))
        self.step(env.level, maps, code)
        return maps

    def one_by_one(
        self, verb: str, flows: Sequence[tuple[Value, bool | Symbol]], env: Env, span: Any
    ) -> Value:
        """The sum or product of maps of which one is there under a condition alone."""
        (value, test), *others = flows
        for other, asked in others:
            guard = test if isinstance(test, Symbol) else asked
            rest = other if isinstance(test, Symbol) else value
            there = env
            if isinstance(guard, Symbol):
                there = replace(env, guard=guard, x=rest, otherwise=rest)
            value = self.joined(verb, [value, other], there, f"_{verb}", span)
            if isinstance(guard, Symbol) and (rest.maker is None or not rest.maker.lends):
                value.maker = None  # it may be what was given
            test = True
        if isinstance(test, Symbol):
            raise Fixed((), "nothing but a map under a condition")
        return value

    def repeats_itself(self, item: Item, env: Env) -> bool:
        """Whether branches are copies of one that a loop may say, and nothing in them is named."""
        plain = env.guard is None and not self.again and not self.rounds
        plain = plain and not self.program.is_opened(env.level.path, self.prefixes)
        return plain and any(self.many(path, env) for path in item.parts["paths"].items)

    def many(self, item: Item, env: Env) -> bool:
        """Whether there are, or may be, more copies of an item than are written one by one."""
        if item.modifiers.for_ is None or self.any_number(item, env):
            return item.modifiers.for_ is not None
        return any(len(cells) >= MANY for cells in self.columns(item, env).values())

    def any_number(self, item: Item, env: Env) -> bool:
        """Whether there may be any number of copies of an item."""
        loop = item.modifiers.for_
        lists = [self.evaluate(c.cells, env) for c in loop.columns] if loop is not None else []
        return any(isinstance(cells, Symbol) and cells.length is None for cells in lists)

    def listed_branches(self, item: Item, env: Env) -> Value:
        """Branches of which there may be any number: a list of modules, one after another."""
        x, holder = env.x, env.level.holder
        owner, join = holder.owner, self.evaluate(item.arguments.get("join"), env)
        plain = join in (None, "concat") and "split" not in item.arguments and not self.again
        names = set(self.body.locals)
        made = self.abreast(item.parts["paths"], env) if plain and env.guard is None else None
        self.body.locals = names if made is None else self.body.locals
        if made is None or owner is None or holder.entries:
            return self.gathered_branches(item, env)
        if not isinstance(x, Value):
            raise Fixed((), "branches of a list of any number")
        parts, spec = made
        _, code = self.expressed(parts, True)
        entry = Entry(holder.key, call("nn.ModuleList", ast.List(code)), [], owner=owner)
        owner.entries[owner.entries.index(holder)] = owner.keys[holder.key] = entry
        value = self.body.value(spec, holder.key, OPS["concat"])
        each = ast.comprehension(name("layer"), self.body.reached(entry), [], 0)
        maps = ast.ListComp(call("layer", self.body.read(x)), [each])
        self.step(env.level, value, call("torch.cat", maps, 1))
        self.settle(env.level.child("_concat"), value, owner)
        return value

    def gathered_branches(self, item: Item, env: Env) -> Value:
        """Branches of which there may be any number, gathered in a loop, and joined."""
        join = self.evaluate(item.arguments.get("join"), env) or "concat"
        if "split" in item.arguments or not isinstance(join, str) or join == APART:
            raise Fixed((), "branches of which there may be any number")
        flows: list[Value | Listing] = []
        for path in item.parts["paths"].items:
            loop = path.modifiers.for_
            if loop is not None and self.many(path, env):
                names = names_in(*(self.evaluate(c.cells, env) for c in loop.columns))
                with self.asking(names):
                    flows.append(self.gathered(path, env, tuple(flows)))
                continue
            for row in self.rows(path, env):
                flow = self.conditional(path, env.bind(row))
                if not isinstance(flow, Value | Listing):
                    raise Fixed((), "a branch that gives no map")
                flows.append(flow)
        return self.joined_list(OPS[join](), flows, env, f"_{join}")

    def split(self, item: Item, env: Env, paths: int) -> list[Flow]:
        if "split" not in item.arguments:
            return [env.x] * paths
        value = self.evaluate(item.arguments["split"], env)
        counts = value if isinstance(value, list) else [value]
        if len(counts) != paths or not isinstance(env.x, Value):
            raise Fixed(names_in(value))
        return [*self.slices(env.x, counts, env, "_slice")]

    def slices(self, x: Value, counts: list[Any], env: Env, name: str) -> Iterator[Value]:
        """So many channels of a map after another."""
        start: Any = 0
        for position, count in enumerate(counts):
            stop = start + count
            op = Slice(stop=stop, start=start)
            hint = "x" if position == 0 else f"part_{position + 1}"
            made = torch_call(op, [x.spec])
            yield self.function(op, made, [x], env, f"{name}{position}", hint)
            start = stop

    def parts_of_any(self, x: Value, value: Symbol, env: Env) -> Listing:
        """The channels of a map in parts, of which there may be any number."""
        if env.guard is not None or self.rounds or self.again:
            raise Fixed(value.names, "parts of any number, there")
        index = self.body.local("k", self.taken)
        ends: list[Any]
        self.body.locals.discard(index)
        k = replace(variable(index, "int"), counted=True)
        after = binary("+", k, 1)
        if value.type == "list":
            count = symbol(call("len", value), "int", value)
            each = element(value, variable(NTH, "int"))
            sizes = symbol(call("list", value), "list", value)
            self.body.keep("sizes", sizes)
            ends = [
                symbol(call("sum", sliced(sizes, None, end)), "int", value) for end in (k, after)
            ]
        else:
            count, each = value, binary("//", x.spec.channels, value)
            ends = [binary("*", end, each) for end in (k, after)]
            self.body.keep("size", each)
        self.body.turning.add(index)
        self.body.turns.add(index)
        start, stop = ends
        made = torch_call(Slice(start=start, stop=stop), [x.spec])
        made = replace(made, arguments=self.kept_numbers(made.arguments))
        over = call("range", self.body.keep("parts", count))
        clause = ast.comprehension(name(index), over, [], 0)
        maps = self.body.listing(x.spec.with_channels(each), count, "parts", Slice)
        self.step(env.level, maps, ast.ListComp(function_of(made, [self.body.read(x)]), [clause]))
        return maps

    def parted(self, item: Item, env: Env, title: str) -> Flow:
        """The channels of a map in parts, a list."""
        x, value = env.x, self.evaluate(item.arguments["parts"], env)
        if not isinstance(x, Value):
            raise Fixed(names_in(value), "parts of a list")
        if isinstance(value, Symbol):
            return self.parts_of_any(x, value, env)
        counts = value if isinstance(value, list) else [x.spec.channels // value] * value
        if not title.startswith("_"):
            there, _ = self.within(f"{title}.0", env)
            return tuple(self.slices(x, counts, there, ""))
        level = env.level
        before, level.trail = level.trail, f"{level.trail}{title}."
        parts = tuple(self.slices(x, counts, env, "_"))
        level.trail = before
        return parts
