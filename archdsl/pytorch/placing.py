"""Ops and modules in a class under construction: their entries, and the steps that call them."""

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from re import escape, fullmatch
from typing import TYPE_CHECKING, Any, TypeVar

from archdsl.language.syntax import Block, File, Item
from archdsl.modules.call import Argument, Call
from archdsl.ops import OPS, Op, arguments, join, kind, pool, shape, tokens
from archdsl.ops.kinds import NUMBER, POSITIVE, RATE
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.body import Body
from archdsl.pytorch.chains import Chains
from archdsl.pytorch.containers import Made
from archdsl.pytorch.entries import Entry, Holder, Listing, Region, Step, Value
from archdsl.pytorch.environment import Env, Factory, Flow, Level
from archdsl.pytorch.joining import join_members
from archdsl.pytorch.naming import plain_name, plain_parts, text_of
from archdsl.pytorch.operations import (
    function_of,
    module_of,
    pads_evenly,
    reshaping,
    settle,
    taken,
    torch_call,
    writing_over,
)
from archdsl.pytorch.python import call, choice, flat, name
from archdsl.pytorch.regions import settle_regions
from archdsl.pytorch.shapes import infer
from archdsl.pytorch.starts import is_known, scheme_of, wrap
from archdsl.pytorch.symbols import Fixed, Symbol, known, names_in, negation, same, symbol
from archdsl.pytorch.told import Told
from archdsl.pytorch.translator import assuming, excludes
from archdsl.pytorch.turns import Loop

if TYPE_CHECKING:
    from archdsl.pytorch.looping import Round
    from archdsl.pytorch.program import Program

ADAPTIVE = (pool.AdaptiveAvgPool, pool.AdaptiveMaxPool, pool.GlobalAvgPool)  # of one size
CHANNELED = {"out", "groups", "bias", "init"}  # arguments that change no size
SAME_SIZE = (".activation", ".norm", ".regularize")  # modules of ops that change none
FRACTIONS = (NUMBER, POSITIVE, RATE)
LONG = 30  # characters of an expression that gets a variable
E = TypeVar("E", Entry, Holder)
Lent = Callable[[str], bool]  # whether an activation of some verb may write over its input there


class Placing(Chains):
    """Enters modules and steps; `prefixes` are the paths of the uses of its class in the graph."""

    def __init__(
        self, program: "Program", prefixes: Sequence[str], parameters: frozenset[str],
        document: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self.program, self.prefixes, self.of_document = program, prefixes, document
        self.standards: dict[str, Factory] = {}  # what parameters make unless told otherwise
        self.functions, self.rules = program.functions, program.rules
        self.body, self.taken = Body(program.grouped, program.keys), parameters
        self.taps: dict[str, Flow] = {}
        self.values: dict[str, Value] = {}
        self.calls: list[Block] = []
        self.activations: dict[str, list[Lent]] = {}  # parameters that make them
        self.told: dict[str, list[Told]] = {}  # those of ops that are told something
        self.pending: list[tuple[ast.Call, ast.expr, Value]] = []
        self.taking: list[tuple[str, Value]] = []
        self.again = ""  # the mark of modules that are applied again
        self.agains: tuple[tuple[int, str], ...] = ()  # these, and how deep what has them stands
        self.floats: set[str] = set()  # parameters that are taken where fractions are
        self.wholes: set[str] = set()  # and where they are not
        self.sizing: set[str] = set()  # parameters that change the size of a map
        self.turning: set[str] = set()  # parameters that say what is there, and how often
        self.rounds: list[Round] = []  # the loops around what is translated
        self.measured = False  # whether sizes are as the graph has them
        self.block: Block | None = None  # whose class it is
        self.file = program.document.file
        self.replacing = program.replacing  # as its class sees it
        self.where = ""  # the path of the op that is looked at, where it has one
        self.patterns: dict[str, list[Any]] = {}  # the parts of names that vary

    def outer(self, file: File) -> Mapping[str, Any]:
        """What a file's blocks see of the document's parameters."""
        return self.of_document if file is self.program.document.file else {}

    def ids_at(self, title: str, path: str) -> list[str]:
        graph = self.program.graph
        tapped = [graph.taps[title]] if title in graph.taps else []
        return [path, *self.program.given_by(path, self.prefixes), *tapped]

    def taps_given(self) -> list[Flow]:
        """What taps name that the uses of this class give to others."""
        titles = self.program.tapped(self.prefixes)
        return [
            flow
            for written, flow in self.taps.items()
            if any(fullmatch(".*".join(map(escape, plain_parts(written))), t) for t in titles)
        ]

    def joined(
        self, verb: str, flows: Sequence[Flow], env: Env, title: str, span: Any = None
    ) -> Value:
        values = [flow for flow in flows if isinstance(flow, Value)]
        if len(values) < len(flows):
            raise Fixed((), "a join of lists")
        op = OPS[verb]()
        made = torch_call(op, [value.spec for value in values])
        return self.function(op, made, values, env, title, "", span)

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
            elif isinstance(value, list | tuple) and kind(op, title) not in FRACTIONS:
                self.wholes |= names_in(*value)
        return settle(op, values, env.first.spec), likes

    def call_of(self, op: Op, inputs: Sequence[TensorSpec]) -> Call:
        """The PyTorch call for an op; a function where only `forward` knows what it depends on."""
        if isinstance(op, shape.Reshape):
            sizes: list[Any] = [size for size in op.shape if isinstance(size, Symbol)]
            if self.body.varies(*(size.syntax for size in sizes)):
                return reshaping(op)
        return torch_call(op, inputs)

    def op_module(self, op: Op, written: Call, item: Item, env: Env) -> Made:
        code, x = self.body.unpacked(module_of(written)), env.first
        spec = self.inferred(op, [x])
        if spec.channels is None:
            spec = self.refined(spec, self.where)
        init = scheme_of(op, written.target)
        if self.learns(op, x.spec):
            self.program.inits.append((written.target, init, code))
            if init is not None and not is_known(init):
                wrap(code, init, written.target)
        elif init is not None:
            wrap(code, init, written.target)
        flag, said = writing_over(op), self.program.may_overwrite(item.span, op.verb)
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
        if None in spec.spatial and not type(op).__module__.endswith(SAME_SIZE):
            titles = arguments(type(op)).keys() - CHANNELED
            self.sizing |= names_in(*(getattr(op, title) for title in titles))
        settled = x.maker in ADAPTIVE or all(isinstance(n, Symbol) for n in x.spec.spatial)
        if isinstance(op, shape.Flatten | tokens.PositionEmbedding) and not settled:
            self.program.sized |= self.measured and {*x.spec.spatial} != {1}
            self.sizing |= names_in(*x.spec.shape) if spec.channels is None else set()
        return spec

    def refined(self, spec: TensorSpec, path: str) -> TensorSpec:
        found = self.program.refined(spec, path, self.prefixes)
        self.measured |= found is not spec
        return found

    @staticmethod
    def weighs(op: Op, x: TensorSpec) -> bool:
        """Whether a module may have weights, parameters or others."""
        try:
            return bool(op.weights(x))
        except (Fixed, TypeError):
            return True

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
        maker = x.maker_under(guard)
        if not (said if maker is None else maker.lends):
            return
        if x.mark:
            self.pending.append((code, flag, x))
        else:
            code.keywords.append(ast.keyword("inplace", flag))

    def function(
        self,
        op: Op,
        written: Call,
        inputs: Sequence[Any],
        env: Env,
        title: str,
        hint: str,
        span: Any = None,
    ) -> Value:
        """A statement of `forward` that is no call of a module, from what is written at `span`."""
        spec = self.inferred(op, inputs)
        value = self.body.value(spec, hint, type(op))
        entry = None
        reads = [self.body.read(x) for x in inputs]
        if written.form == "parameter" and self.rounds:
            raise Fixed((), "a parameter in any number of copies")
        if written.form == "parameter":
            entry = Entry(title, module_of(written), [], None, True)
            if env.guard is not None:
                raise Fixed(env.guard.names)
            entry = self.entered(env.level.holder, entry)
            code = function_of(self.kept_settings(written), reads, self.body.reached(entry))
        else:
            arguments = self.kept_numbers(written.arguments)
            code = function_of(replace(written, arguments=arguments), reads)
        if env.guard is not None:
            other = env.otherwise or env.x
            if not isinstance(other, Value):
                raise Fixed(env.guard.names)
            test = self.body.keep(self.flag(env.guard), env.guard)
            code = choice(test, code, self.body.read(other))
            value.spec = self.merge(env.guard, value, other).spec
        self.step(env.level, value, code, self.adds(op, inputs[0], env, span))
        self.settle(env.level.child(title), value, env.level.holder)
        return value

    def kept_settings(self, written: Call) -> Call:
        return replace(written, settings=self.kept_numbers(written.settings))

    def kept_numbers(self, arguments: Sequence[Argument]) -> tuple[Argument, ...]:
        """Arguments with what `forward` reads of the module where a parameter says them."""
        return tuple(replace(a, value=self.kept_number(a.name, taken(a))) for a in arguments)

    def kept_number(self, hint: str, value: Any) -> Any:
        if not isinstance(value, Symbol):
            return value
        return self.body.keep(hint.rstrip("0123456789"), value)

    @staticmethod
    def flag(guard: Symbol) -> str:
        return guard.syntax.id if isinstance(guard.syntax, ast.Name) else "joins"

    def adds(self, op: Op, x: Value, env: Env, span: Any) -> bool:
        """Whether a sum may write over its first input, or leaves it where there is none."""
        if not isinstance(op, join.Add) or self.program.may_overwrite(span, op.verb) is not True:
            return False
        maker = x.maker_under(env.guard)
        if maker is not None:
            return maker.lends
        if x.under is not None and x.otherwise is not None:
            instead = x.otherwise.maker_under(env.guard)
            return x.under[1].lends and instead is not None and instead.lends
        return all(step.target is not x for step in self.body.steps)  # what the class is given

    def step(
        self, level: Level, value: Value | Listing, code: ast.expr, adds: bool = False
    ) -> None:
        steps = self.rounds[-1].loop.steps if self.rounds else self.body.steps
        steps.append(Step(value, code, adds and not self.rounds, self.scopes(level)))

    @contextmanager
    def region(
        self, title: str, level: Level, turns: bool = False, test: ast.expr | None = None,
        otherwise: str = "",
    ) -> Iterator[None]:  # fmt: skip
        """What is entered inside is computed again by the backward pass, or only under a test.

        Where nothing comes of it in any use, there is nothing to compute again.
        """
        before = {*map(id, self.body.steps)}
        yield
        if test is None and self.program.is_empty(level.child(title), self.prefixes):
            return
        region = Region(title, self.scopes(level), turns, test, otherwise)
        for step in reversed(self.body.steps):
            if id(step) in before:
                break
            step.regions = region, *step.regions

    def scopes(self, level: Level) -> tuple[str, ...]:
        """The scopes of the graph in which a level stands, each by what tells it from others.

        What keys with dots lead to is no scope.
        """
        names = level.path.split(".") if level.path else []
        paths = [".".join(names[: n + 1]) for n in range(len(names))]
        return tuple(
            path + "".join(mark for depth, mark in self.agains if depth <= n)
            for n, path in enumerate(paths)
            if self.program.is_scope(path, self.prefixes)
        )

    def settle(self, path: str, value: Value, holder: Holder) -> None:
        """Remembers which value a node or scope of the graph gives."""
        if self.rounds:
            return  # of each turn there is another
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
        either = self.either(self.attribute(title, env), made, env)
        if either is not None:
            self.settle(path, either, env.level.holder)
            return either
        entry = Entry(self.attribute(title, env), made.code, made.before, env.guard)
        entry = self.entered(env.level.holder, entry)
        if not self.again:
            entry.given, entry.channels = x.spec.channels, made.spec.channels
        spec = made.spec
        if self.again and not known(spec.channels):  # in the variables of the first time
            passes = same(entry.channels, entry.given)
            spec = spec.with_channels(x.spec.channels if passes else entry.channels)
        value = self.body.value(spec, title.lstrip("_"), made.maker)
        code: ast.expr = self.body.called(entry, [x])
        if made.use is not None:
            code = function_of(made.use, [self.body.read(x)], self.body.reached(entry))
        if env.guard is not None:
            other = env.otherwise or x
            if made.use is not None:
                test = self.body.keep(self.flag(env.guard), env.guard)
                code = choice(test, code, self.body.read(other))
            elif other.mark != x.mark:
                code = self.body.called(entry, [self.chosen(env.guard, x, other)])
            merge = self.merge(env.guard, value, other)
            value.under = None if value.maker is None else (env.guard, value.maker)
            value.spec, value.maker, value.otherwise = merge.spec, None, other
        self.step(env.level, value, code)
        self.settle(path, value, env.level.holder)
        return value

    def either(self, key: str, made: Made, env: Env) -> Value | None:
        """A module under a condition that never holds with that of the module before it.

        Both have one name, and are one attribute. None where that is not so.
        """
        first, last = env.level.holder.keys.get(key), self.body.steps[-1:]
        if not isinstance(first, Entry) or first.test is None or env.guard is None or not last:
            return None
        (step,) = last
        called = isinstance(step.code, ast.Call) and step.accessed == [first]
        x = env.otherwise or env.x
        flows = isinstance(x, Value) and x.mark == step.target.mark
        if not called or not flows or not excludes(first.test.syntax, env.guard.syntax):
            return None
        value, test, other = step.target, first.test, made.code
        plain = not first.before and not made.before and made.use is None
        if not plain or not isinstance(value, Value):
            raise Fixed(env.guard.names, "one of two modules that cannot stand in an expression")
        if not same(negation(test), env.guard):
            other = choice(env.guard.syntax, other, call("nn.Identity"))
        first.code, first.test = choice(test.syntax, first.code, other), None
        (before,) = (self.body.made[mark] for mark in step.operands)
        alike = value.under is not None and value.under[1] is made.maker
        rest = Value(made.spec, maker=made.maker)
        if isinstance(before, Value) and not same(negation(test), env.guard):
            rest, alike = self.merge(env.guard, rest, before), False
        value.spec = self.merge(test, Value(self.plain_spec(value, test)), rest).spec
        value.maker, value.under = made.maker if alike else None, None
        first.channels = value.spec.channels
        return value

    @staticmethod
    def plain_spec(value: Value, test: Symbol) -> TensorSpec:
        """The shape of a value where a condition holds."""
        sizes = (assuming(size, test, True) for size in value.spec.shape)
        return TensorSpec(tuple(sizes), value.spec.layout)

    def chosen(self, guard: Symbol, x: Value, other: Value) -> Value:
        """One value or another, as soon as there are both: what is not chosen can go."""
        test = self.body.keep(self.flag(guard), guard)
        marks = [step.target.mark for step in self.body.steps]
        places = [marks.index(value.mark) + 1 if value.mark in marks else 0 for value in (x, other)]
        scopes = self.body.steps[places[0] - 1].scopes if places[0] else ()
        value = self.body.value(x.spec, other.hint)
        code = choice(test, self.body.read(x), self.body.read(other))
        self.body.steps.insert(max(places), Step(value, code, scopes=scopes))
        return value

    def entered(self, holder: Holder, entry: E) -> E:
        """A module in its place, or what stands there where it is applied again."""
        parts = self.patterns.get(entry.key)
        if parts is not None:
            if self.again or not isinstance(entry, Entry) or entry.parameter:
                raise Fixed(names_in(*parts), "what has a name that varies is no module")
            varying = symbol(text_of(parts), "str", *parts)
            read = self.body.keep(f"{plain_name(entry.key)}_name".lstrip("_"), varying)
            if not isinstance(read, ast.Attribute):
                raise Fixed(varying.names, "a name that only forward knows")
            entry.name, entry.named = varying.syntax, read
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
        plain = plain_name(title.lstrip("_")) or "identity"
        taken = self.program.keys, env.level.holder.keys
        free, number = plain if not plain.isdecimal() else f"layer_{plain}", 2
        while any(free in names for names in taken):
            free, number = f"{plain}_{number}", number + 1
        titles[known] = free
        return free

    def is_closed(self, path: str) -> bool:
        """Whether what stands at a path has one input and one result wherever it is used."""
        return self.program.is_closed(path, self.prefixes)

    def settle_parts(self, path: str, values: Sequence[Value]) -> None:
        """Remembers the maps of a list, which its nodes give in their order."""
        order = self.program.places
        for prefixed in self.program.paths(path, self.prefixes):
            ids = self.program.structure.outputs.get(prefixed + self.again, ())
            if len(ids) == len(values):
                self.values |= dict(zip(sorted(ids, key=order.__getitem__), values, strict=True))

    def settle_all(self, path: str, value: Value, homes: Sequence[str]) -> None:
        """Remembers one of the results of a part, which stands at these paths in it."""
        for home in homes:
            inner = f"{path}.{home}"
            for id in (inner, *self.program.paths(inner, self.prefixes)):
                self.values[id + self.again] = value

    def finish(self, results: Sequence[Value]) -> None:
        """Leaves what the results need, and lets activations write over what nobody else does."""
        self.body.prune(results)
        join_members(self.body, {value.mark for value in results})
        uses = dict.fromkeys(self.body.within, 1)
        for value in results:
            uses[value.mark] = uses.get(value.mark, 0) + 1
        for step in self.body.steps:
            for mark in (*step.operands, *read_in(step)):
                uses[mark] = uses.get(mark, 0) + 1
        for n, step in enumerate(self.body.steps):
            mark, reads = summed(step.code)
            step.adds &= mark != "" and uses[mark] == reads and self.is_last(n, mark, results)
        self.release(uses)
        self.body.steps = [*listed_at_once(self.body.steps, uses)]
        settle_regions(self.body, {value.mark for value in results})

    def is_last(self, number: int, mark: str, results: Sequence[Value]) -> bool:
        """Whether nothing behind a step needs what a value may be instead, its own input."""
        made, alike = self.body.made.get(mark), {mark}
        while isinstance(made, Value) and made.otherwise is not None:
            made = made.otherwise
            alike.add(made.mark)
        later = {m for step in self.body.steps[number + 1 :] for m in step.operands}
        return alike.isdisjoint(later | {value.mark for value in results})

    def release(self, uses: Mapping[str, int]) -> None:
        """Lets activations write over values of one use."""
        for title, value in self.taking:
            alone = uses.get(value.mark, 0) == 1
            self.activations[title].append(partial(_either, alone))
        for code, flag, value in self.pending:
            alone = not value.of or uses.get(value.of, 0) == 1
            if alone and uses.get(value.mark, 0) == 1:
                code.keywords.append(ast.keyword("inplace", flag))


def summed(code: ast.expr) -> tuple[str, int]:
    """The mark of what a sum may write over, and how often its code has it; "" of what is none."""
    match code:
        case ast.BinOp(left=ast.Name(id=mark)):
            return mark, 1
        case ast.IfExp(body=ast.BinOp(left=ast.Name(id=mark)), orelse=ast.Name(id=other)):
            return mark, 2 if other == mark else 1  # left as it is where there is no sum
    return "", 0


def listed_at_once(steps: Sequence[Step], uses: Mapping[str, int]) -> Iterator[Step]:
    """Steps of which none makes a map that the next one does nothing with but list."""
    before: Step | None = None
    for step in steps:
        match step.code:
            case ast.IfExp(test=test, body=ast.List(elts=[ast.Name(id=mark)]), orelse=other) if (
                before is not None and mark == before.target.mark and uses[mark] == 1
            ):
                code = choice(test, ast.List([before.code]), other)
                before = replace(step, code=code, regions=before.regions)
                continue
        if before is not None:
            yield before
        before = step
    if before is not None:
        yield before


def _either(lent: bool, _verb: str) -> bool:
    return lent


def all_lent(lent: Sequence[Lent], verb: str) -> bool:
    """Whether an activation may write over its input in all places, of which there are some."""
    return bool(lent) and all(may(verb) for may in lent)


def read_in(step: Step) -> list[str]:
    """What is made in the turns of a loop and read there, as often as it is."""
    if not isinstance(step, Loop):
        return []
    inside = step.inside
    inner = [mark for other in step.steps for mark in (*other.operands, *read_in(other))]
    return [mark for mark in inner if mark in inside]
