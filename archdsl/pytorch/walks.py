"""Items in a class: what each is as a module, and the statements of `forward` that connect them."""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from archdsl.expressions.expression import MAX_ITEMS
from archdsl.language.mentions import names_item_of
from archdsl.language.syntax import APART, BROKEN, COMBINATORS, USE, Block, File, Item, items_in
from archdsl.language.syntax import Sequence as Items
from archdsl.modules.calls import Call
from archdsl.ops import OPS, Op, activation, arguments, attention, join, kind, pool, shape
from archdsl.ops.base import NUMBER, POSITIVE, RATE
from archdsl.ops.shape import Slice
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.body import Body, Entry, Holder, Step, Value
from archdsl.pytorch.chains import Chains, Made, Parts, merged, with_channels
from archdsl.pytorch.environment import Env, Factory, Flow, Frame, Level, takes_channels
from archdsl.pytorch.operations import (
    function_of,
    infer,
    module_of,
    pads_evenly,
    settle,
    torch_call,
    writing_over,
)
from archdsl.pytorch.python import call, choice, flat, name
from archdsl.pytorch.starts import is_known, wrap
from archdsl.pytorch.symbols import Fixed, Symbol, known, names_in, same, symbol

if TYPE_CHECKING:
    from archdsl.pytorch.program import Program

PARAMETERS = ("layer_scale", "class_token", "position_embedding")  # ops that are no modules
ADAPTIVE = (pool.AdaptiveAvgPool, pool.AdaptiveMaxPool, pool.GlobalAvgPool)  # of one size
CHANNELED = {"out", "groups", "bias", "init"}  # arguments that change no size
FRACTIONS = (NUMBER, POSITIVE, RATE)
LONG = 30  # characters of an expression that gets a variable
E = TypeVar("E", Entry, Holder)
KINDS = ("seq", "residual", "branches", "dense")


class Walk(Chains):
    """Translates the items of one class; `prefixes` are the paths of its uses in the graph."""

    def __init__(
        self, program: "Program", prefixes: Sequence[str], parameters: frozenset[str],
        document: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self.program, self.prefixes, self.of_document = program, prefixes, document
        self.standards: dict[str, Factory] = {}  # what parameters make unless told otherwise
        self.functions, self.rules = program.functions, program.rules
        self.body, self.taken = Body(), parameters
        self.taps: dict[str, Flow] = {}
        self.values: dict[str, Value] = {}
        self.sides: dict[str, Flow] = {}
        self.calls: list[Block] = []
        self.activations: dict[str, list[bool]] = {}  # parameters that make them
        self.pending: list[tuple[ast.Call, ast.expr, Value]] = []
        self.taking: list[tuple[str, Value]] = []
        self.aside = False
        self.again = ""  # the mark of modules that are applied again
        self.floats: set[str] = set()  # parameters that are taken where fractions are
        self.wholes: set[str] = set()  # and where they are not
        self.sizing: set[str] = set()  # parameters that change the size of a map
        self.turning: set[str] = set()  # parameters that say what is there, and how often
        self.measured = False  # whether sizes are as the graph has them
        self.block: Block | None = None  # whose class it is
        self.file = program.document.file
        self.where = ""  # the path of the op that is looked at, where it has one

    def outer(self, file: File) -> Mapping[str, Any]:
        """What a file's blocks see of the document's parameters."""
        return self.of_document if file is self.program.document.file else {}

    def ids_at(self, title: str, path: str) -> list[str]:
        graph = self.program.graph
        tapped = [graph.taps[title]] if title in graph.taps else []
        return [path, *self.program.given_by(path, self.prefixes), *tapped]

    # sequences and modifiers

    def sequence(self, items: Items, env: Env) -> Flow:
        for item in items.items:
            env = env.with_input(self.item(item, env))
        return env.x

    def item(self, item: Item, env: Env) -> Flow:
        if item.verb == BROKEN:
            raise Fixed((), "an item that cannot be read")
        x = env.x
        for row in self.rows(item, env):
            x = self.conditional(item, env.bind(row).with_input(x))
        return x

    def conditional(self, item: Item, env: Env) -> Flow:
        if item.modifiers.if_ is None:
            return self.single(item, env)
        test = self.test(item.modifiers.if_, env)
        if not isinstance(test, Symbol):
            return self.single(item, env) if test else env.x
        self.turning |= test.names
        if not isinstance(env.x, Value):
            raise Fixed(test.names)
        with self.under(test):
            result = self.single(item, replace(env, guard=self.both(env.guard, test)))
        if not isinstance(result, Value):
            raise Fixed(test.names)
        return result

    @staticmethod
    @contextmanager
    def under(test: Symbol) -> Iterator[None]:
        """What cannot be said under a condition asks for the condition to be known."""
        try:
            yield
        except Fixed as error:
            raise Fixed(error.names or test.names, str(error)) from error

    @staticmethod
    def both(guard: Symbol | None, test: Symbol) -> Symbol:
        if guard is None or same(guard, test):
            return test
        return symbol(ast.BoolOp(ast.And(), [guard.syntax, test.syntax]), "bool", guard, test)

    def single(self, item: Item, env: Env) -> Flow:
        said, before = item.modifiers, self.aside
        self.aside = before or said.aux
        if said.each is not None:
            result = self.every(item, env)
        else:
            fed = env
            if said.from_ is not None and not said.from_turns:
                fed = env.fed(self.references(said.from_, env, self.taps))
            result = self.copies(item, fed)
        self.aside = before
        self.call_it(item, env, result, turn=False)
        if said.aux:
            if env.guard is not None:
                raise Fixed(env.guard.names, "a condition on what is returned")
            assert item.key is not None
            title = self.key(item.key, env)
            env.frame.names.pop(title, None)
            if self.program.keeps_aux:
                self.sides[title] = result
            return env.x
        return result

    def call_it(self, item: Item, env: Env, result: Flow, turn: bool) -> None:
        """Gives a result its label and its tap, those of an item or those of a turn."""
        said = item.modifiers
        if said.as_ is not None and said.as_turns is turn:
            label = self.key(said.as_.template, env)
            if said.as_.index is not None:
                place = self.places(said.as_, MAX_ITEMS, env)
                before = env.frame.labels.get(label, ()) if place else ()
                if not isinstance(before, tuple) or not isinstance(result, Value):
                    raise Fixed((), "a list that is none")
                if place != len(before):
                    raise Fixed((), "another place in a list")
                result = (*before, result)
            env.frame.labels[label] = result
        if said.tap is not None and said.tap_turns is turn:
            title = self.formatted(said.tap.template, env)
            if isinstance(title, str):
                self.taps.pop(title, None)
                self.taps[title] = result

    def copies(self, item: Item, env: Env) -> Flow:
        """One or more turns of an item."""
        if item.modifiers.shared or item.verb == USE:
            raise Fixed((), "a module that is applied again")
        if item.modifiers.repeat is None:
            return self.named(item, env)
        times = self.whole(item.modifiers.repeat, env)
        if item.key is None or "i" in item.key.names or self.inlined(item, env)[0] is not None:
            return self.turns(item, times, env, self.named)
        title = self.key(item.key, env)
        level = env.level
        result = env.x
        if title.startswith("_"):
            before, level.trail = level.trail, f"{level.trail}{title}."
            result = self.turns(item, times, env, self.numbered)
            level.trail = before
        elif not known(times) or times:
            result = self.group(item, title, times, env)
        self.keep(title, env, result)
        return result

    def keep(self, title: str, env: Env, result: Flow) -> None:
        """Lets references name what an item gives, or what lies in it by its path."""
        env.frame.keep(title, result)
        if isinstance(result, Value):
            self.values.setdefault(env.level.child(title) + self.again, result)

    def turns(self, item: Item, times: Any, env: Env, turn: Any) -> Flow:
        if not known(times):
            raise Fixed(names_in(times))
        x, said = env.x, item.modifiers
        for i in range(times):
            bound = {"i": i, "first": i == 0, "last": i == times - 1}
            there = env.bind(bound).with_input(x)
            if said.from_turns:
                there = there.fed(self.references(said.from_, there, self.taps))
            x = turn(item, there)
            self.call_it(item, there, x, turn=True)
        return x

    def numbered(self, item: Item, env: Env) -> Flow:
        title = env.level.number()
        result = self.placed_at(item, env, title)
        if isinstance(result, Value):
            self.values.setdefault(env.level.child(title) + self.again, result)
        return result

    def group(self, item: Item, title: str, times: Any, env: Env) -> Flow:
        """Numbered copies: an `nn.Sequential` if they are a chain."""
        path = env.level.child(title)
        if isinstance(env.x, Value) and self.is_closed(path) and not item.modifiers.by_turn:
            made = self.tried(title, env, lambda parts: self.turned(
                times, env, parts, lambda e, p: self.member(item, e, p, None)))  # fmt: skip
            if made is not None:
                return self.enter(title, path, made, env)
        inner = self.below(title, env)
        return self.turns(item, times, inner, self.numbered)

    def tried(self, title: str, env: Env, chain: Callable[[Parts], Env | None]) -> Made | None:
        """A container of what is a chain; None if it is none, or cannot be said as one."""
        parts: Parts = []
        try:
            with self.attempt():
                after = chain(parts)
                return None if after is None else self.contained(parts, after.first, title)
        except Fixed:
            return None

    def below(self, title: str, env: Env) -> Env:
        """Inside a container of a name."""
        holder = self.entered(env.level.holder, Holder(title))
        return env.at(Level(holder, env.level.child(title)))

    def named(self, item: Item, env: Env) -> Flow:
        level = env.level
        title = None if item.key is None else self.key(item.key, env)
        items, inner = self.inlined(item, env)
        trail = level.trail
        if title is not None and title.startswith("_") and items is not None:
            level.trail = f"{trail}{title}."
        if items is not None:
            result = self.sequence(items, inner)
        else:
            if title is None and level.uncertain is not None and level.uncertain is not env.guard:
                raise Fixed(level.uncertain.names)  # what is left out takes no number
            if title is None and env.guard is not None and env.guard is not level.guard:
                level.uncertain = env.guard
            title = title if title is not None else level.number()
            result = self.placed_at(item, env, title)
        level.trail = trail
        if title is not None:
            self.keep(title, env, result)
        return result

    def every(self, item: Item, env: Env) -> Flow:
        """One module on every input: what is applied again calls the modules of the first time."""
        given = self.references(item.modifiers.each, env, self.taps)
        inputs = given if isinstance(given, tuple) else (given,)
        if env.guard is not None:
            raise Fixed(env.guard.names, "each under a condition")
        level, before, taps, labels = env.level, self.again, self.taps, env.frame.labels
        number = last = level.count
        results: list[Flow] = []
        named: list[tuple[Mapping[str, Flow], ...]] = []
        for index, x in enumerate(inputs):
            self.again = f"{before}@{index}" if before or index else ""
            level.count, self.taps = number, dict(taps)
            frame = replace(env.frame, outer=env.frame, names={}, homes={}, labels=dict(labels))
            result = self.copies(item, replace(env, frame=frame).with_input(x))
            if isinstance(result, Value) and result is not x and item.key is not None:
                result.hint = f"{self.key(item.key, env)}_{index}"
            results.append(result)
            named.append((frame.names, added(self.taps, taps), added(frame.labels, labels)))
            last = max(last, level.count)
        level.count, self.again, self.taps = last, before, taps
        for title in named[0][0]:
            env.frame.keep(title, self.together(names[title] for names, _, _ in named))
        taps |= {n: self.together(found[n] for _, found, _ in named) for n in named[0][1]}
        labels |= {n: self.together(found[n] for _, _, found in named) for n in named[0][2]}
        return self.together(results)

    @staticmethod
    def together(flows: Iterable[Flow]) -> Flow:
        """The results of all applications as one list."""
        values = tuple(flows)
        if not all(isinstance(value, Value) for value in values):
            raise Fixed((), "a list in a list")
        return tuple(value for value in values if isinstance(value, Value))

    # verbs

    def inlined(self, item: Item, env: Env) -> tuple[Items | None, Env]:
        if item.verb == "inline":
            return item.parts["items"], env
        _, block, _ = self.resolved(item, env, False)
        if block is None or block.body is None or block.body.verb != "inline":
            return None, env
        if block.outputs is not None:
            raise Fixed((), "an inline block with outputs")
        return block.body.parts["items"], self.inside(item, env, env.level)

    def opened_chain(self, item: Item, env: Env) -> tuple[Items | None, Env]:
        if item.verb == "seq":
            return item.parts["items"], env
        _, block, _ = self.resolved(item, env, False)
        if block is None or block.body is None or block.body.verb != "seq" or block.outputs:
            return None, env
        return block.body.parts["items"], self.inside(item, env, env.level)

    def inside(self, item: Item, env: Env, level: Level) -> Env:
        """Inside the block that an item calls."""
        _, block, given = self.resolved(item, env)
        assert block is not None
        return self.opened(block, self.bound(block, given, env), env, level)

    def opened(self, block: Block, values: Mapping[str, Any], env: Env, level: Level) -> Env:
        if sum(1 for _ in self.calls) > 200:
            raise Fixed((), "blocks in blocks")
        wanted = max(1 - bool(block.rest), len(block.inputs))
        flows = env.x if isinstance(env.x, tuple) else (env.x,)
        if len(flows) != wanted and not (block.rest and len(flows) > wanted):
            raise Fixed((), "another number of inputs")
        frame = Frame(level, env.x, len(self.taps), None, self.by_input(block, env.x))
        return Env(block.file, frame, values, env.x, env.guard)

    @staticmethod
    def by_input(block: Block, x: Flow) -> dict[str, Flow]:
        """What a block is given, by the names of its inputs."""
        flows, count = x if isinstance(x, tuple) else (x,), len(block.inputs)
        known: dict[str, Flow] = dict(zip(block.inputs, flows, strict=False))
        if block.rest:
            known[block.rest] = tuple(flow for flow in flows[count:] if isinstance(flow, Value))
        return known

    def resolved(
        self, item: Item, env: Env, complete: bool = True
    ) -> tuple[Any, Block | None, dict[str, Any]]:
        """The verb behind `$name`, its block, and the arguments: as written, or as values."""
        given: dict[str, Any] = {n: (raw, False) for n, raw in item.arguments.items()}
        if item.chosen is None:
            return item.verb, env.file.block(item.verb), given
        value = self.factory(item.chosen, env)
        if isinstance(value, Symbol):
            return value, None, given
        given |= {n: (argument, True) for n, argument in value.arguments.items()}
        return value.verb, value.block, given

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

    def placed_at(self, item: Item, env: Env, title: str) -> Flow:
        """What an item gives under a name."""
        if item.verb in COMBINATORS:
            return self.combinator(item, env, title)
        verb, block, given = self.resolved(item, env)
        if isinstance(verb, Symbol):
            made = self.module(item, env)
            assert made is not None
            return self.enter(title, env.level.child(title), made, env)
        if block is not None:
            return self.call(block, given, item, env, title)
        return self.op(OPS[verb], given, item, env, title)

    def combinator(self, item: Item, env: Env, title: str) -> Flow:
        level = env.level
        if title.startswith("_"):
            before, level.trail = level.trail, f"{level.trail}{title}."
            result = self.combined(item, env)
            level.trail = before
            return result
        path = level.child(title)
        if item.verb == "seq" and not item.parts["items"].items:
            return env.x
        if item.verb == "seq" and isinstance(env.x, Value) and self.is_closed(path):
            chained = self.tried(
                title, env, lambda parts: self.chain(item.parts["items"], env, parts)
            )
            if chained is not None:
                return self.enter(title, path, chained, env)
            if env.guard is None and any(i.verb in PARAMETERS for i in items_in(item)):
                try:
                    with self.attempt():
                        code, results = self.program.part(item, env, title, path, self)
                except Fixed:
                    return self.combined(item, self.below(title, env))
                made = Made(code, [], results[0].spec, results[0].maker)
                return self.enter(title, path, made, env)
        return self.combined(item, self.below(title, env))

    def combined(self, item: Item, env: Env) -> Flow:
        if item.verb in ("seq", "inline"):
            return self.sequence(item.parts["items"], env)
        if item.verb == "residual":
            return self.residual(item, env)
        if item.verb == "branches":
            return self.branches(item, env)
        return self.dense(item, env)

    def residual(self, item: Item, env: Env) -> Flow:
        when = self.test(item.arguments.get("when", True), env)
        varies = isinstance(when, Symbol)
        keeps = varies or when
        guarded = replace(env, guard=self.both(env.guard, when)) if varies else env
        parts = [part for part in item.parts if part == "body" or (part == "shortcut" and keeps)]
        sides: dict[str, Flow] = {"shortcut": env.x}
        if parts == ["shortcut", "body"] and names_item_of(*(item.parts[part] for part in parts)):
            entries = env.level.holder.entries
            start = len(entries)
            sides["body"] = self.sequence(item.parts["body"], env)
            middle = len(entries)
            sides["shortcut"] = self.sequence(item.parts["shortcut"], guarded)
            entries[start:] = [*entries[middle:], *entries[start:middle]]
        else:
            for part in parts:
                sides[part] = self.sequence(
                    item.parts[part], guarded if part == "shortcut" else env
                )
        result = sides["body"]
        if keeps:
            shortcut = sides["shortcut"]
            if not isinstance(result, Value) or not isinstance(shortcut, Value):
                raise Fixed((), "a residual of lists")
            under = replace(guarded, x=result, otherwise=result if varies else None)
            result = self.joined("add", [result, shortcut], under, "_add")
        if "after" in item.parts:
            result = self.sequence(item.parts["after"], env.with_input(result))
        return result

    def branches(self, item: Item, env: Env) -> Flow:
        paths = []
        for path in item.parts["paths"].items:
            for row in self.rows(path, env):
                there = env.bind(row)
                said = path.modifiers.if_
                test = True if said is None else self.test(said, there)
                if isinstance(test, Symbol):
                    raise Fixed(test.names)
                paths += [(path, there)] if test else []
        inputs = self.split(item, env, len(paths))
        results = [
            self.single(path, there.with_input(x))
            for (path, there), x in zip(paths, inputs, strict=True)
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
        return self.joined(verb, results, env, f"_{verb}")

    def split(self, item: Item, env: Env, paths: int) -> list[Flow]:
        if "split" not in item.arguments:
            return [env.x] * paths
        value = self.evaluate(item.arguments["split"], env)
        counts = value if isinstance(value, list) else [value]
        if len(counts) != paths or not isinstance(env.x, Value):
            raise Fixed(names_in(value))
        slices: list[Flow] = []
        start: Any = 0
        for position, count in enumerate(counts):
            stop = start + count
            op = Slice(stop=stop, start=start)
            title = f"_slice{position}"
            hint = "x" if position == 0 else f"part_{position + 1}"
            slices.append(
                self.function(op, torch_call(op, [env.x.spec]), [env.x], env, title, hint)
            )
            start = stop
        return slices

    def dense(self, item: Item, env: Env) -> Flow:
        count = self.whole(item.arguments["repeat"], env)
        if not known(count):
            raise Fixed(names_in(count))
        maps = [env.x]
        for i in range(count):
            seen = env.x if i == 0 else self.joined("concat", maps, env, f"_concat{i}")
            bound = env.bind({"i": i, "first": i == 0, "last": i == count - 1})
            maps.append(self.sequence(item.parts["layer"], bound.with_input(seen)))
        return self.joined("concat", maps, env, "_concat") if count else env.x

    def joined(self, verb: str, flows: Sequence[Flow], env: Env, title: str) -> Value:
        values = [flow for flow in flows if isinstance(flow, Value)]
        if len(values) < len(flows):
            raise Fixed((), "a join of lists")
        op = OPS[verb]()
        made = torch_call(op, [value.spec for value in values])
        return self.function(op, made, values, env, title, "")

    # ops

    def settled(self, op: type[Op], given: Mapping[str, Any], env: Env) -> tuple[Op, list[Value]]:
        """An op with its arguments, and the maps that these name."""
        values: dict[str, Any] = {}
        likes: list[Value] = []
        for title, (raw, is_value) in given.items():
            if kind(op, title).form == "reference":
                like = self.references(raw, env, self.taps)
                if not isinstance(like, Value):
                    raise Fixed((), "like a list")
                likes.append(like)
                values[title] = True
            else:
                values[title] = raw if is_value else self.argument(raw, kind(op, title), env)
        for file in (env.file, self.program.document.file):
            there = replace(env, file=file, values=self.outer(file))
            for title, raw in file.defaults.get(op.verb, {}).items():
                if title not in values:
                    values[title] = self.argument(raw, kind(op, title), there)
        for title, value in values.items():
            if isinstance(value, Symbol):
                taken = self.floats if kind(op, title) in FRACTIONS else self.wholes
                taken |= value.names
        return settle(op, values, env.first.spec), likes

    def op(self, op: type[Op], given: Mapping[str, Any], item: Item, env: Env, title: str) -> Flow:
        made, likes = self.settled(op, given, env)
        flows = env.x if isinstance(env.x, tuple) else (env.x,)
        inputs = [*(flow for flow in flows if flow is not None), *likes]
        if op.inputs is not None and len(inputs) != op.inputs + len(likes):
            raise Fixed((), f"another number of inputs of {op.verb}")
        written = torch_call(made, [value.spec for value in inputs])
        if written.form == "module":
            self.where = env.level.child(title)
            module = self.op_module(made, written, item, env)
            self.where = ""
            return self.enter(title, env.level.child(title), module, env)
        return self.function(made, written, inputs, env, title, title.lstrip("_"))

    def op_module(self, op: Op, written: Call, item: Item, env: Env) -> Made:
        code, x = module_of(written), env.first
        spec = self.inferred(op, [x])
        if spec.channels is None:
            spec = self.refined(spec, self.where)
        init = getattr(op, "init", None)
        if self.learns(op, x.spec):
            self.program.inits.append((written.target, init, code))
            if init is not None and not is_known(init):
                wrap(code, init, written.target)
        flag, said = writing_over(op), self.program.may_overwrite(item.span)
        if flag is not None and said is not False:
            self.write_over(code, flag, x, env.guard, said is True)
        even = pads_evenly(op)
        if even is not None:  # as PyTorch pads itself
            own = ast.Call(name(f"nn.Conv{x.spec.rank}d"), code.args, [*code.keywords])
            own.keywords.append(ast.keyword("padding", ast.Constant("same")))
            self.program.inits.append((f"nn.Conv{x.spec.rank}d", init, own))
            made = ast.IfExp(even.syntax, own, code)
            return Made(made, [], spec, type(op))
        return Made(code, [], spec, type(op), written if written.use else None)

    def inferred(self, op: Op, inputs: Sequence[Value]) -> TensorSpec:
        """What an op gives; what its size depends on, and whether weights depend on that."""
        spec, x = infer(op, [value.spec for value in inputs]), inputs[0]
        if None in spec.spatial:
            titles = arguments(type(op)).keys() - CHANNELED
            self.sizing |= names_in(*(getattr(op, title) for title in titles))
        settled = x.maker in ADAPTIVE or all(isinstance(n, Symbol) for n in x.spec.spatial)
        if isinstance(op, shape.Flatten | attention.PositionEmbedding) and not settled:
            self.program.sized |= self.measured and {*x.spec.spatial} != {1}
            self.sizing |= names_in(*x.spec.shape) if spec.channels is None else set()
        return spec

    def refined(self, spec: TensorSpec, path: str) -> TensorSpec:
        found = self.program.refined(spec, path, self.prefixes)
        self.measured |= found is not spec
        return found

    @staticmethod
    def learns(op: Op, x: TensorSpec) -> bool:
        """Whether a module has parameters; one whose sizes are not known has."""
        try:
            return any(weight.kind == "parameter" for weight in op.weights(x))
        except (Fixed, TypeError):
            return True

    def write_over(
        self, code: ast.Call, flag: ast.expr, x: Value, guard: Symbol | None, said: bool
    ) -> None:
        """Lets an activation write over its input if nothing else needs that."""
        maker = x.under[1] if x.under is not None and x.under[0] is guard else x.maker
        if not (said if maker is None else maker.lends):
            return
        if x.mark:
            self.pending.append((code, flag, x))
        else:
            code.keywords.append(ast.keyword("inplace", flag))

    def function(
        self, op: Op, written: Call, inputs: Sequence[Value], env: Env, title: str, hint: str
    ) -> Value:
        """A statement of `forward` that is no call of a module."""
        spec = self.inferred(op, inputs)
        value = self.body.value(spec, hint, type(op))
        entry = None
        reads = [self.body.read(x) for x in inputs]
        if written.form == "parameter":
            entry = Entry(title, module_of(written), [], None, True)
            if env.guard is not None:
                raise Fixed(env.guard.names)
            entry = self.entered(env.level.holder, entry)
            code = function_of(written, reads, self.body.reached(entry))
        else:
            arguments = [
                replace(a, value=self.kept_number(a.name, a.value)) for a in written.arguments
            ]
            code = function_of(replace(written, arguments=tuple(arguments)), reads)
        if env.guard is not None:
            other = env.otherwise or env.x
            if not isinstance(other, Value):
                raise Fixed(env.guard.names)
            test = self.body.keep(self.flag(env.guard), env.guard)
            code = choice(test, code, self.body.read(other))
            value.spec = merged(env.guard, value, other).spec
        adds = isinstance(op, join.Add) and len(inputs) == 2 and env.guard is None
        self.step(value, code, entry, adds and self.single_use(inputs[0], spec))
        self.settle(env.level.child(title), value, env.level.holder)
        return value

    def kept_number(self, hint: str, value: Any) -> Any:
        return self.body.keep(hint, value) if isinstance(value, Symbol) else value

    @staticmethod
    def flag(guard: Symbol) -> str:
        return guard.syntax.id if isinstance(guard.syntax, ast.Name) else "joins"

    @staticmethod
    def single_use(x: Value, spec: TensorSpec) -> bool:
        return x.maker is not None and x.maker.lends

    def step(
        self, value: Value, code: ast.expr, entry: Entry | None = None, adds: bool = False
    ) -> None:
        self.body.steps.append(Step(value, code, self.aside, entry, adds))

    def settle(self, path: str, value: Value, holder: Holder) -> None:
        """Remembers which value a node or scope of the graph gives."""
        path += self.again
        self.values[path] = value
        value.spec = self.refined(value.spec, path)
        channels = value.spec.channels
        if isinstance(channels, Symbol) and len(flat(channels.syntax)) > LONG and not self.again:
            kept = self.body.let(holder, channels, self.taken)
            value.spec = value.spec.with_channels(kept)
        for id in self.program.given_by(path, self.prefixes):
            self.values[id] = value

    def enter(self, title: str, path: str, made: Made, env: Env) -> Value:
        """A module under a name, called on what flows."""
        x = env.x
        if not isinstance(x, Value):
            raise Fixed((), "a module of one input that gets several")
        entry = Entry(self.attribute(title, env), made.code, made.before, env.guard)
        entry = self.entered(env.level.holder, entry)
        if not self.again:
            entry.channels = made.spec.channels
        spec = made.spec.with_channels(entry.channels)  # in the variables of the first time
        value = self.body.value(spec, title.lstrip("_"), made.maker)
        code: ast.expr = self.body.called(entry, [x])
        if made.use is not None:
            code = function_of(made.use, [self.body.read(x)], self.body.reached(entry))
        if env.guard is not None:
            other = env.otherwise or x
            if other is not x or made.use is not None:
                test = self.body.keep(self.flag(env.guard), env.guard)
                code = choice(test, code, self.body.read(other))
            merge = merged(env.guard, value, other)
            value.under = None if value.maker is None else (env.guard, value.maker)
            value.spec, value.maker = merge.spec, None  # it may be its input
        self.step(value, code, entry)
        self.settle(path, value, env.level.holder)
        return value

    def entered(self, holder: Holder, entry: E) -> E:
        """A module in its place, or what stands there where it is applied again."""
        if not self.again:
            self.body.enter(holder, entry)
            return entry
        found = holder.keys.get(entry.key)
        if not isinstance(found, type(entry)):
            raise Fixed((), "what is applied again has other modules")
        return found

    def attribute(self, title: str, env: Env) -> str:
        """The name of an attribute; a leading `_` goes."""
        if not title.startswith("_"):
            return title
        titles, known = env.level.holder.titles, env.level.trail + title
        if self.again and known in titles:
            return titles[known]
        plain = title.lstrip("_") or "identity"
        taken = self.program.keys, env.level.holder.keys
        free, number = plain if not plain.isdecimal() else f"layer_{plain}", 2
        while any(free in names for names in taken):
            free, number = f"{plain}_{number}", number + 1
        titles[known] = free
        return free

    def is_closed(self, path: str) -> bool:
        """Whether what stands at a path has one input and one result wherever it is used."""
        return self.program.is_closed(path, self.prefixes)

    # modules

    def module(self, item: Item, env: Env) -> Made | None:
        """What one item is as a module of one input; None if it is none."""
        if not isinstance(env.x, Value):
            return None
        if item.verb == "seq":
            parts: Parts = []
            after = self.chain(item.parts["items"], env, parts)
            return None if after is None else self.contained(parts, after.first, "layers")
        if item.verb in COMBINATORS:
            return None
        verb, block, given = self.resolved(item, env)
        if isinstance(verb, Symbol):
            return self.factory_call(verb, given, item, env)
        if block is not None:
            return self.block_module(block, given, item, env)
        op = OPS[verb]
        if op.inputs != 1 or any(kind(op, title).form == "reference" for title in given):
            return None
        made, _ = self.settled(op, given, env)
        written = torch_call(made, [env.first.spec])
        whole = written.form == "module" and not written.use
        return self.op_module(made, written, item, env) if whole else None

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
            code, results = self.program.called(block, values, given, [env.first.spec], self)
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
        if standard.block is None:
            said = self.program.may_overwrite(item.span)
            lent = said is not False and (said if x.maker is None else x.maker.lends) is True
            self.activations.setdefault(title, []).append(lent)
            if x.mark:
                self.taking.append((title, x))
            if given:
                raise Fixed(made.names, "arguments for an activation")
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

    def call(
        self, block: Block, given: Mapping[str, Any], item: Item, env: Env, title: str
    ) -> Flow:
        """A block under a name: a call of its class, or what it holds where that cannot be."""
        if block.body is None:
            raise Fixed((), "a block that cannot be read")
        values = self.bound(block, given, env)
        level = env.level
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
        inputs = [flow for flow in flows if isinstance(flow, Value)]
        fits = len(inputs) == max(1, len(block.inputs)) or (block.rest and len(inputs) > 0)
        if len(inputs) == len(flows) and fits and (len(inputs) == 1 or env.guard is None):
            try:
                with self.attempt():
                    specs = [value.spec for value in inputs]
                    code, results = self.program.called(block, values, given, specs, self)
                    gives = self.program.gives(path, self.prefixes)
                    if gives > len(results) or self.program.is_opened(path):
                        raise Fixed((), "more results are needed")
            except Fixed:
                pass
            else:
                return self.enter_block(title, path, code, results, inputs, env)
        holder = self.entered(level.holder, Holder(self.attribute(title, env)))
        inner = self.opened(block, values, env, Level(holder, path, guard=env.guard))
        return self.given_of(block, self.combined(block.body, inner), inner)

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
        if len(inputs) == len(results) == 1:
            made = Made(code, [], results[0].spec, results[0].maker)
            return self.enter(title, path, made, env)
        entry = Entry(self.attribute(title, env), code, [], env.guard)
        entry = self.entered(env.level.holder, entry)
        first = self.body.value(results[0].spec, title, results[0].maker)
        self.step(first, self.body.called(entry, inputs), entry)
        if len(results) == 1:
            self.settle(path, first, env.level.holder)
            return first
        if env.guard is not None:
            raise Fixed(env.guard.names)
        values = []
        for number, result in enumerate(results):
            value = self.body.value(result.spec, f"{title.lstrip('_')}_{number}")
            self.step(value, ast.Subscript(self.body.read(first), ast.Constant(number)))
            values.append(value)
        self.settle_all(path + self.again, values)
        return tuple(values)

    def settle_all(self, path: str, values: Sequence[Value]) -> None:
        """Remembers which values the nodes give that a part has as its results, in their order."""
        for prefixed in self.program.paths(path, self.prefixes):
            ids = self.program.structure.outputs.get(prefixed, ())
            if len(ids) == len(values):
                self.values |= dict(zip(ids, values, strict=True))

    # finishing

    def finish(self, results: Sequence[Value]) -> None:
        """Leaves what the results need, and lets activations write over what nobody else does."""
        self.body.prune(results)
        uses: dict[str, int] = {}
        for value in results:
            uses[value.mark] = uses.get(value.mark, 0) + 1
        for step in self.body.steps:
            for mark in step.operands:
                uses[mark] = uses.get(mark, 0) + 1
        for step in self.body.steps:
            left = step.code.left if isinstance(step.code, ast.BinOp) else None
            step.adds &= isinstance(left, ast.Name) and uses[left.id] == 1
        self.release(uses)

    def release(self, uses: Mapping[str, int]) -> None:
        """Lets activations write over values of one use."""
        for title, value in self.taking:
            self.activations[title].append(uses.get(value.mark, 0) == 1)
        for code, flag, value in self.pending:
            if uses.get(value.mark, 0) == 1:
                code.keywords.append(ast.keyword("inplace", flag))


def added(after: Mapping[str, Flow], before: Mapping[str, Flow]) -> dict[str, Flow]:
    """The names that stand for something else than before."""
    return {title: flow for title, flow in after.items() if before.get(title) is not flow}


__all__ = ["Factory", "Walk", "name", "takes_channels", "with_channels"]
