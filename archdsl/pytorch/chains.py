"""Items that run one after another as one module: `nn.Sequential`, its conditions and loops."""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from archdsl.language.syntax import BROKEN, NO_MODIFIERS, USE, Item
from archdsl.language.syntax import Sequence as Items
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.containers import (
    Containers,
    Made,
    Part,
    Parts,
    Turns,
    aim,
    table,
)
from archdsl.pytorch.entries import Value
from archdsl.pytorch.environment import Env, Factory
from archdsl.pytorch.python import as_syntax, assign, call, identifiers, name
from archdsl.pytorch.symbols import (
    Fixed,
    Symbol,
    binary,
    element,
    known,
    names_in,
    same,
    symbol,
    type_of,
    variable,
)
from archdsl.pytorch.translator import Translator, assuming, choose

if TYPE_CHECKING:
    from archdsl.pytorch.program import Program

FEW = 1  # so many turns need no loop
BEFORE = "before_the_last_turn"  # which no result may depend on


Turn = Callable[[Env, Parts], Env | None]


class Chains(Containers):
    """Translates chains; `module` says what one item is as a module, None if it is none."""

    program: "Program"
    turning: set[str]
    repeats = 0  # the loops of a constructor around what is translated
    hint = "part"  # the name of the container that is translated

    def module(self, item: Item, env: Env) -> Made | None:
        raise NotImplementedError

    def inlined(self, item: Item, env: Env) -> tuple[Items | None, Env]:
        """The items of what adds no level, with their environment."""
        raise NotImplementedError

    def opened_chain(self, item: Item, env: Env) -> tuple[Items | None, Env]:
        """The items of a `seq`, or of a block that is one, with their environment."""
        raise NotImplementedError

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Inside, what is given up leaves nothing behind."""
        mark = self.program.mark(), set(self.body.locals), dict(self.body.lengths)
        try:
            yield
        except Fixed:
            self.program.forget(mark[0])
            self.body.locals, self.body.lengths = mark[1:]
            raise

    @contextmanager
    def repeating(self, hint: str = "") -> Iterator[None]:
        """Inside, a loop of the constructor makes what is translated, called as `hint` says."""
        before, self.hint = self.hint, hint or self.hint
        self.repeats += 1
        try:
            yield
        finally:
            self.repeats -= 1
            self.hint = before

    def chain(self, items: Items, env: Env, parts: Parts) -> Env | None:
        """Adds the members that items make; None if they are no chain."""
        for item in items.items:
            after = self.chained(item, env, parts)
            if after is None:
                return None
            env = after
        return env

    def chained(self, item: Item, env: Env, parts: Parts) -> Env | None:
        """One item with its modifiers."""
        said = item.modifiers
        if item.verb in (BROKEN, USE) or said.from_ is not None or said.each is not None:
            return None
        if said.aux or said.shared or said.checkpoint or (item.key is not None and item.key.levels):
            return None
        if said.as_ is not None or said.made_before is not None:  # which others name; another order
            return None
        if said.for_ is None:
            return self.kept(item, env, parts)
        try:
            with self.attempt():
                made: Parts = []
                after = self.looped(item, env, made)
        except Fixed:
            made, after = [], env
            for row in self.rows(item, env):
                if after is not None:
                    after = self.kept(item, after.bind(row), made)
        parts += made
        return None if after is None else replace(after, values=env.values)

    def kept(self, item: Item, env: Env, parts: Parts) -> Env | None:
        """An item under its `if`."""
        if item.modifiers.if_ is None:
            return self.repeated(item, env, parts)
        test = self.test(item.modifiers.if_, env)
        if not isinstance(test, Symbol):
            return self.repeated(item, env, parts) if test else env
        self.turning |= test.names
        made: Parts = []
        after = self.repeated(item, self.where_it_holds(test, env), made)
        if after is None:
            return None
        for part in made:
            if part.test is not None:
                raise Fixed(names_in(part.test))
            part.test = test
        parts += made
        result = merged(test, after.first, env.first)
        if env.first.mark:  # the chain's own input, which others may need
            result.maker = None
        return env.with_input(result)

    def where_it_holds(self, test: Symbol, env: Env) -> Env:
        """What flows, with the channels that it has where a test holds."""
        x = env.x
        if not isinstance(x, Value) or not isinstance(x.spec.channels, Symbol):
            return env
        channels = self.written_out(x.spec.channels)
        settled = assuming(channels, test, True)
        if same(settled, channels):
            return env
        there = replace(x, spec=x.spec.with_channels(settled))
        return replace(env, x=there, otherwise=env.otherwise or x)

    def written_out(self, channels: Symbol) -> Symbol:
        """What a variable of the constructor stands for."""
        if not isinstance(channels.syntax, ast.Name):
            return channels
        return replace(channels, syntax=self.body.lets.get(channels.syntax.id, channels.syntax))

    def merge(self, test: Symbol, value: Value, other: Value) -> Value:
        """A value that is one or the other; where both have its channels, these are the other's."""
        made, channels = merged(test, value, other), other.spec.channels
        if isinstance(channels, Symbol):
            written = self.written_out(channels)
            if same(choose(test, lambda: value.spec.channels, lambda: written), written):
                made.spec = made.spec.with_channels(channels)
        return made

    def repeated(self, item: Item, env: Env, parts: Parts) -> Env | None:
        if item.modifiers.repeat is None:
            return self.placed(item, env, parts)
        times = self.whole(item.modifiers.repeat, env)
        if item.key is None or "i" in item.key.names or self.inlined(item, env)[0] is not None:
            return self.turned(times, env, parts, lambda e, p: self.placed(item, e, p))
        key = self.formatted(item.key, env)
        if isinstance(key, str) and key.startswith("_"):
            return None
        if known(times) and times == 0:
            return env
        inner: Parts = []
        after = self.turned(times, env, inner, lambda e, p: self.member(item, e, p, None))
        if after is None:
            return None
        made = self.contained(inner, after.first, key if isinstance(key, str) else "layers")
        parts.append(Part(key, made))
        return env.with_input(Value(made.spec, maker=made.maker))

    def placed(self, item: Item, env: Env, parts: Parts) -> Env | None:
        """An item under its key, or what it holds where it adds no level."""
        items, inner = self.inlined(item, env)
        key = None if item.key is None else self.formatted(item.key, env)
        if items is not None:
            after = self.chain(items, inner, parts)
            return None if after is None else env.with_input(after.x)
        if isinstance(key, str) and key.startswith("_"):
            items, inner = self.opened_chain(item, env)
            if items is not None:
                after = self.chain(items, inner, parts)
                return None if after is None else env.with_input(after.x)
            key = key.lstrip("_")
            if not key.isidentifier():
                return None
        return self.member(item, env, parts, key)

    def member(self, item: Item, env: Env, parts: Parts, key: str | list[Any] | None) -> Env | None:
        hint = self.hint
        self.hint = key if isinstance(key, str) else hint
        made = self.module(item, env)
        self.hint = hint
        if made is None:
            return None
        parts.append(Part(key, made))
        return env.with_input(Value(made.spec, maker=made.maker))

    # loops

    def turned(self, times: Any, env: Env, parts: Parts, turn: Turn) -> Env | None:
        """What `repeat` makes: a loop, or its turns one by one where a loop cannot say them."""
        if known(times) and times <= FEW:
            return self.unrolled(times, env, parts, turn)
        self.turning |= names_in(times)
        title = next(n for n in ("i", "j", "k", "m", "n") if n not in names_of(env))
        i = replace(variable(title, "int"), counted=True)
        bound = {"i": i, "first": equal(i, 0), "last": equal(i, times - 1)}
        over = call("range", times)
        try:
            with self.attempt(), self.repeating():
                made: Parts = []
                after = self.carried(
                    env, made, lambda e, p: turn(e.bind(bound), p), i, name(title), over,
                    {title: times - 1},
                )  # fmt: skip
        except Fixed as error:
            if not known(times) or not error.names & {title}:
                raise Fixed(error.names - {title} | names_in(times), str(error)) from error
            return self.unrolled(times, env, parts, turn)
        parts += made
        return after

    def unrolled(self, times: int, env: Env, parts: Parts, turn: Turn) -> Env | None:
        after: Env | None = env
        for i in range(times):
            if after is not None:
                bound = {"i": i, "first": i == 0, "last": i == times - 1}
                after = turn(replace(after, values={**env.values, **bound}), parts)
        return after and replace(after, values=env.values)

    def carried(
        self, env: Env, parts: Parts, turn: Turn, index: Symbol, target: ast.expr, over: ast.expr,
        ending: Mapping[str, Any],
    ) -> Env | None:  # fmt: skip
        """A loop; the channels that one turn leaves to the next stay, or settle, or are kept.

        `ending` is what the loop's variables are in its last turn.
        """
        before, names_before = forgetful(env.first), frozenset(self.body.locals)
        inner: Parts = []
        after = turn(env.with_input(before), inner)
        if after is None:
            return None
        start, end = before.spec.channels, after.first.spec.channels
        require_alike(before.spec, after.first.spec)
        if same(start, end):
            parts.append(Turns(aim(target, inner), over, inner, [], []))
            return env.with_input(after.first)
        settled: Parts = []
        self.body.locals = set(names_before)
        again = turn(env.with_input(after.first), settled)
        if again is None:
            return None
        settles = same(again.first.spec.channels, end)
        steady = settles and not names_in(end) & identifiers(target)
        if steady:  # a repeat that changes the channels is not left out
            first = choose(equal(index, 0), lambda: start, lambda: end)
            settled = []
            self.body.locals = set(names_before)
            turn(env.with_input(with_channels(before, first)), settled)
            parts.append(Turns(aim(target, settled), over, settled, [], []))
            return env.with_input(after.first)
        self.body.locals = set(names_before)
        title = self.body.local("channels", self.taken)
        kept = Symbol(name(title), "int", None, names_in(start, end) | {title})
        final: Parts = []
        last = turn(env.with_input(with_channels(before, kept)), final)
        if last is None:
            return None
        starting, step = [assign(title, start)], [assign(title, last.first.spec.channels)]
        parts.append(Turns(aim(target, [*final, step]), over, final, starting, step))
        ended = self.ended(last.first.spec.channels, title, ending, env)
        self.body.endings[title] = as_syntax(ended)
        return env.with_input(with_channels(last.first, kept))

    def ended(self, channels: Any, title: str, ending: Mapping[str, Any], env: Env) -> Any:
        """What the channels are after the last turn, in which `title` is what they were before."""
        if not isinstance(channels, Symbol):
            return channels
        shown = [v for v in env.values.values() if isinstance(v, Symbol)]
        known_names = {v.syntax.id: v for v in shown if isinstance(v.syntax, ast.Name)}
        before = {title: symbol(name(BEFORE), "int", channels)}
        translator = Translator({**known_names, **ending, **before}, self.functions, self.rules)
        try:
            return translator.read(channels.syntax)
        except KeyError:
            return before[title]

    # for

    def rows(self, item: Item, env: Env) -> list[Mapping[str, Any]]:
        """What `for` binds in every copy."""
        if item.modifiers.for_ is None:
            return [{}]
        columns = self.columns(item, env)
        count = len(next(iter(columns.values())))
        for cells in self.listed(item, env).values():
            self.body.holds_for(cells, count, self.taken)
        whole = {f"all_{title}": cells for title, cells in columns.items()}
        return [
            {
                **whole,
                **{title: cells[n] for title, cells in columns.items()},
                "row": n,
                "first_row": n == 0,
                "last_row": n == count - 1,
            }
            for n in range(count)
        ]

    def listed(self, item: Item, env: Env) -> dict[str, Symbol]:
        """The columns that are lists which vary, as they are written."""
        assert item.modifiers.for_ is not None
        values = {c.name: self.evaluate(c.cells, env) for c in item.modifiers.for_.columns}
        return {title: value for title, value in values.items() if isinstance(value, Symbol)}

    def columns(self, item: Item, env: Env) -> dict[str, list[Any]]:
        """The cells of every column; a list that varies has as many as it has now."""
        assert item.modifiers.for_ is not None
        columns = {}
        for column in item.modifiers.for_.columns:
            value = self.evaluate(column.cells, env)
            if isinstance(value, Symbol):
                if value.length is None:
                    raise Fixed(value.names)
                value = [element(value, n) for n in range(value.length)]
            columns[column.name] = value
        if len({len(column) for column in columns.values()}) > 1:
            raise Fixed((), "columns of unequal length")
        return columns

    def looped(self, item: Item, env: Env, parts: Parts) -> Env | None:
        """A `for` as a loop over its columns."""
        title, count, bound, targets = self.row(item, env)
        if known(count) and count <= FEW:
            raise Fixed(())
        target = ast.Tuple([name(title), *(name(local) for local in targets)])
        over = ast.Tuple([as_syntax(cells) for cells in targets.values()])
        last = {title: count - 1} | {local: element(cells, -1) for local, cells in targets.items()}
        made: Parts = []
        with self.repeating():
            after = self.carried(
                env.bind(bound), made, lambda e, p: self.kept(item, e, p), variable(title, "int"),
                target, over, last,
            )  # fmt: skip
        self.body.locals -= {title, *targets}  # which other loops may have
        for turns in made:
            assert isinstance(turns, Turns)
            turns.target, turns.over = table(title, targets, turns, count)
        parts += made
        return after

    def row(
        self, item: Item, env: Env
    ) -> tuple[str, Any, dict[str, Any], dict[str, "list[Any] | Symbol"]]:
        """A turn of a loop over columns: the variable of its number, and how many turns there are;
        what an item sees of it; the columns by the variables of their cells.
        """
        assert item.modifiers.for_ is not None
        columns = {c.name: self.evaluate(c.cells, env) for c in item.modifiers.for_.columns}
        count = count_of(columns)
        title = self.body.local("row", self.taken)
        index = variable(title, "int")
        self.turning |= names_in(*columns.values())
        bound: dict[str, Any] = {
            "row": index,
            "first_row": equal(index, 0),
            "last_row": equal(index, count - 1),
        }
        targets: dict[str, list[Any] | Symbol] = {}
        for column, cells in columns.items():
            bound[f"all_{column}"] = cells
            if isinstance(cells, list) and known(*cells) and all(same(cells[0], c) for c in cells):
                bound[column] = cells[0]
                continue
            local = self.body.local(column, self.taken)
            bound[column], targets[local] = cell_variable(local, cells), cells
        return title, count, bound, targets

    def abreast(self, items: Items, env: Env) -> tuple[Parts, TensorSpec] | None:
        """Modules that all take what flows, and their maps beside each other.

        None where one is no module, or they are not numbered in turn.
        """
        parts: Parts = []
        maps: list[TensorSpec] = []
        number: Any = 0
        channels: Any = 0
        x = forgetful(env.first)
        x.spec = env.first.spec
        for item in items.items:
            there, turns, title = env.with_input(x), 1, ""
            targets: Mapping[str, Any] = {}
            if item.modifiers.for_ is not None:
                title, turns, bound, targets = self.row(item, env)
                there = there.bind(bound)
            made = self.module(item, there)
            plain = replace(item.modifiers, for_=None) == NO_MODIFIERS
            if made is None or made.before or item.key is None or not plain:
                return None
            wanted = number if not title else binary("+", variable(title, "int"), number)
            if not same(self.number_of(item, there), wanted):
                return None
            part: Part | Turns = Part(None, made)
            given = made.spec.channels
            if title:
                if names_in(given) & {title, *targets}:
                    return None
                part = Turns(name(title), name(title), [part], [], [])
                part.target, part.over = table(title, targets, part, turns)
            parts.append(part)
            maps.append(made.spec)
            number = binary("+", turns, number)
            channels = binary("+", channels, binary("*", turns, given))
        return parts, maps[0].with_channels(channels)

    def number_of(self, item: Item, env: Env) -> Any:
        """The number that an item is called by; None if it has another name."""
        assert item.key is not None
        found = self.formatted(item.key, env)
        if isinstance(found, str):
            return int(found) if found.isdecimal() else None
        return found[0] if len(found) == 1 else None

    # containers


def equal(value: Any, other: Any) -> Any:
    return symbol(
        ast.Compare(as_syntax(value), [ast.Eq()], [as_syntax(other)]), "bool", value, other
    )


def names_of(env: Env) -> frozenset[str]:
    """The variables that an environment's values mention."""
    values = [v for v in env.values.values() if not isinstance(v, Factory)]
    shown = names_in(*values, *(env.first.spec.shape if env.x is not None else ()))
    return shown | identifiers(*(v.syntax for v in values if isinstance(v, Symbol)))


def count_of(columns: Mapping[str, Any]) -> Any:
    """The number of turns over columns: that of a list which varies, if there is one."""
    varying = [cells for cells in columns.values() if isinstance(cells, Symbol)]
    lengths = {len(cells) for cells in columns.values() if isinstance(cells, list)}
    if len(lengths | {cells.length for cells in varying} - {None}) > 1:
        raise Fixed((), "columns of unequal length")
    if any(cells.length is None and cells.type != "list" for cells in varying):
        raise Fixed(names_in(*varying))
    if not varying:
        return lengths.pop()
    few = [cells.length for cells in varying if cells.length is not None and cells.length <= FEW]
    return few[0] if few else symbol(call("len", varying[0]), "int", varying[0])


def cell_variable(title: str, cells: "list[Any] | Symbol") -> Symbol:
    """A loop variable that stands for the cells of a column."""
    if isinstance(cells, Symbol):
        made = variable(title, cells.parts)
        return replace(made, names=made.names | cells.names)
    kinds = {type_of(cell) for cell in cells}
    if kinds <= {"int", "float"} and len(kinds) == 2:
        kinds = {"float"}
    if len(kinds) != 1 or kinds & {"str", "NoneType", "dict"}:
        raise Fixed((title,), "a column of words")
    (kind,) = kinds
    length = None
    if kind == "list":
        lengths = {len(c) if isinstance(c, list) else c.length for c in cells}
        length = lengths.pop() if len(lengths) == 1 else None
    parts = "int"
    made = variable(title, kind, cells[0] if isinstance(cells[0], list) else None, length)
    return replace(made, names=made.names | names_in(*cells), parts=made.parts or parts)


def with_channels(value: Value, channels: Any) -> Value:
    return Value(value.spec.with_channels(channels), value.hint, value.maker)


def forgetful(value: Value) -> Value:
    """A value whose sizes other turns may change."""
    spec, unknown = value.spec, (None,) * value.spec.rank
    if spec.layout == "channels_first":
        return Value(TensorSpec((spec.channels, *unknown)), "", None)  # type: ignore[arg-type]
    return Value(TensorSpec((*unknown, spec.channels), spec.layout), "", None)  # type: ignore[arg-type]


def require_alike(before: TensorSpec, after: TensorSpec, names: Iterable[str] = ()) -> None:
    if (before.rank, before.layout) != (after.rank, after.layout):
        raise Fixed(names, "another rank")


def merged(test: Symbol, a: Value, b: Value) -> Value:
    """A value that is one or the other."""
    require_alike(b.spec, a.spec, test.names)
    sizes = [
        x if same(x, y) else choose(test, lambda x=x: x, lambda y=y: y)  # type: ignore[misc]
        if None not in (x, y) else None
        for x, y in zip(a.spec.shape, b.spec.shape, strict=True)
    ]  # fmt: skip
    spatial = [s if not isinstance(s, Symbol) else None for s in sizes]
    channel = 0 if a.spec.layout == "channels_first" else len(sizes) - 1
    spatial[channel] = sizes[channel]
    alike = a.maker is b.maker or (a.maker and b.maker and a.maker.lends and b.maker.lends)
    return Value(TensorSpec(tuple(spatial), a.spec.layout), a.hint, a.maker if alike else None)  # type: ignore[arg-type]
