"""Loops in `forward`: over lists of any number of maps, and what is made once for each of them."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from archdsl.expressions.template import Template
from archdsl.language.syntax import APART, COMBINATORS, USE, Item, Name, items_in
from archdsl.ops import OPS
from archdsl.ops.shape import Slice
from archdsl.ops.tensor import TensorSpec
from archdsl.pytorch.chains import cell_variable, count_of, equal
from archdsl.pytorch.containers import Made, Part, Turns, table
from archdsl.pytorch.entries import NTH, Access, Entry, Holder, Listing, Value
from archdsl.pytorch.environment import Env, Flow, Level
from archdsl.pytorch.lists import Lists
from archdsl.pytorch.naming import pattern, singular, text_of
from archdsl.pytorch.python import as_syntax, call, choice, identifiers, name
from archdsl.pytorch.sizes import distance, nth_of, of_nth, plain_range, range_of
from archdsl.pytorch.symbols import Fixed, Symbol, binary, names_in, same, symbol, variable
from archdsl.pytorch.translator import choose, substituted
from archdsl.pytorch.turns import Loop, Member

TRIES = 3  # until the maps of a list are known that its own turns read


@dataclass(eq=False)
class Round:
    """A loop that is being translated: what its items see of a turn, and where its modules go."""

    loop: Loop
    level: Level
    index: Symbol
    targets: Mapping[str, "list[Any] | Symbol"]
    count: Any
    key: Sequence[Any] = ()  # the parts of the name of what each turn gives
    flows: Sequence[Flow] = ()  # the branches before it, of what is gathered from branches
    guarded: list[str] = field(default_factory=list)  # what reads the turn before under a condition
    offset: int = 0  # the number of the first of its modules
    homes: dict[str, tuple[Entry, list[Member]]] = field(default_factory=dict)  # by what holds them
    loose: list[Entry] = field(default_factory=list)  # what all turns call

    def clause(self, *codes: ast.expr) -> ast.comprehension:
        """`for k, out in enumerate(widths)`, with what is used in each of its turns."""
        parts: list[Part | Turns] = [Part(None, Made(c, [], TensorSpec((1,)))) for c in codes]
        turns = Turns(name("_"), name("_"), parts, [], [])
        target, over = table(self.loop.index, self.targets, turns, self.count)
        return ast.comprehension(target, plain_range(over), [], 0)


class Looping(Lists):
    """Translates what is there once for each of a list of any length."""

    rounds: list[Round]

    # loops

    def looped_copies(self, item: Item, env: Env) -> Flow:
        """The copies of an item, of which there may be any number."""
        said = [inner.modifiers for inner in items_in(item)]
        titles = {self.key(one.as_.template, env) for one in said if one.as_ is not None}
        taps = [one.tap.template for one in said if one.tap is not None]
        if len(titles) + len(taps) != 1:
            raise Fixed((), "copies of any number that give no list")
        title = titles.pop() if titles else written_text(taps[0])
        listing = self.body.listing(guess(env), 0, title)
        if not taps:
            env.frame.labels[title] = listing
        self.rounds_of(item, env, listing, title)
        if not taps:
            return None  # no item goes on with the last of the copies
        self.taps[pattern(listing.named)] = listing
        return None if isinstance(env.x, Value) else self.last_of(listing, env)

    def last_of(self, maps: Listing, env: Env) -> Value:
        """The last of a list that has one."""
        spec = nth_of(maps, binary("-", maps.count, 1)).spec
        value = self.body.value(spec, maps.hint, maps.maker)
        value.of = maps.mark
        end = ast.UnaryOp(ast.USub(), ast.Constant(1))
        self.step(env.level, value, ast.Subscript(self.body.read(maps), end))
        return value

    def gathered(self, item: Item, env: Env, flows: Sequence[Flow] = ()) -> Listing:
        """What an item gives in each of its copies, of which there may be any number.

        `flows` are the branches before it.
        """
        listing = self.body.listing(guess(env), 0, "maps")
        return self.rounds_of(item, env, listing, "", flows)

    def rounds_of(
        self, item: Item, env: Env, listing: Listing, title: str, flows: Sequence[Flow] = ()
    ) -> Listing:
        """Tries a loop until the maps of the list are as its own turns read them."""
        if env.guard is not None or self.again:
            raise Fixed(names_in(env.guard), "any number of copies under a condition, or of uses")
        index, count, bound, targets = self.turn_of(item, env)
        listing.count = count
        names = set(self.body.locals)
        for _ in range(TRIES):
            self.body.locals = set(names)
            loop = Loop(listing, name("loop"), scopes=self.scopes(env.level), index=index)
            loop.count = self.body.keep("count", count)
            now = Round(loop, env.level, variable(index, "int"), targets, count, flows=flows)
            there, last = env.bind(bound), last_item(item)
            if not title and last.key is not None:
                found = self.formatted(last.key, there)
                now.key = [] if isinstance(found, str) else found
            with self.in_round(now):
                result: Flow = self.turn(item, there)
            if any(loop.read_inside.count(mark) > 1 for mark in now.guarded):
                raise Fixed((), "the turn before the first")
            result = loop.result if title else result
            if not isinstance(result, Value):
                raise Fixed((), "a turn that gives no map")
            spec = of_nth(result.spec, index)
            if same(list(spec.shape), list(listing.spec.shape)):
                listing.spec, listing.maker, loop.result = spec, result.maker, result
                self.entered_loop(now, env)
                self.body.locals = names - {index, *targets}
                return listing
            listing.spec = spec
        raise Fixed((), "maps that no turn settles")

    def found(self, said: Name, env: Env, taps: Mapping[str, Flow]) -> Flow:
        before = self.turn_before(said, env) if self.rounds and self.rounds[-1].key else None
        return super().found(said, env, taps) if before is None else before

    def turn_before(self, said: Name, env: Env) -> Value | None:
        """What the turn before gave, if that is what a reference names: `{k - 1}` in `{k}`."""
        now, read = self.rounds[-1], self.formatted(said.template, env)
        listing = now.loop.target
        if isinstance(read, str) or len(read) != len(now.key) or not isinstance(listing, Listing):
            return None
        pairs = [(a, b) for a, b in zip(now.key, read, strict=True) if not same(a, b)]
        if len(pairs) != 1 or distance(*pairs[0]) != 1:
            return None
        titles = [str(substituted(part, now.loop.index, 0)) for part in read]
        spec = nth_of(listing, binary("-", now.index, 1)).spec
        try:
            first = env.frame.find("".join(titles))
        except KeyError:
            first = None
        if isinstance(first, Value) and now.flows and now.flows[-1] is first:
            listing.before = tuple(flow for flow in now.flows if isinstance(flow, Value))
            start = first.spec.channels
            if not same(start, spec.channels):
                each = spec.channels
                spec = spec.with_channels(choose(equal(now.index, 0), lambda: start, lambda: each))
        if len(listing.before) < len(now.flows) if first is not None else env.guard is None:
            raise Fixed((), "the turn before the first")
        value = self.body.value(spec, "before", Slice)
        value.of = listing.mark
        end = ast.UnaryOp(ast.USub(), ast.Constant(1))
        self.step(env.level, value, ast.Subscript(self.body.read(listing), end))
        now.guarded += [value.mark] if env.guard is not None else []
        return value

    @contextmanager
    def in_round(self, now: Round) -> Iterator[None]:
        self.rounds.append(now)
        kept = set(self.body.turning), set(self.body.cells)
        self.body.turning.add(now.loop.index)
        self.body.turns.add(now.loop.index)
        self.body.cells.update(now.targets)
        try:
            yield
        finally:
            self.rounds.pop()
            self.body.turning, self.body.cells = kept

    def entered_loop(self, now: Round, env: Env) -> None:
        """A loop that is whole: its step, and its modules where they belong."""
        self.step(env.level, now.loop.target, now.loop.code)
        steps = self.rounds[-1].loop.steps if self.rounds else self.body.steps
        steps[-1] = now.loop
        now.loop.members = [members[len(self.rounds)] for _, members in now.homes.values()]
        if now.loop.members:
            now.loop.count = None
        elif not self.rounds:
            self.over_maps(now)
        if self.rounds:
            outer = self.rounds[-1].homes
            if outer.keys() & now.homes.keys():
                raise Fixed((), "two modules of one number")
            outer |= now.homes
            return
        holder = env.level.holder
        for loose in now.loose:
            self.body.enter(self.body.top, loose)
        for path, (entry, _) in now.homes.items():
            if path:
                self.body.enter(holder, entry)
                continue
            owner = holder.owner
            if now.offset:
                self.behind(holder, entry, now.offset)
                now.loop.first = now.offset
                continue
            if holder.entries or env.level.count:
                raise Fixed((), "numbers beside those of a loop")
            if owner is None:  # the class is the list
                self.body.whole = entry
                self.body.whole_of = names_in(now.count, *now.targets.values())
                continue
            entry.key, entry.owner = holder.key, owner
            owner.entries[owner.entries.index(holder)] = owner.keys[holder.key] = entry
            env.level.uncertain = now.index

    def over_maps(self, now: Round) -> None:
        """Makes a loop over numbers one over a list of which it reads the map of each number."""
        loop, read = now.loop, {}
        for step in loop.steps:
            match step.code:
                case ast.Subscript(value=ast.Name(id=mark), slice=ast.Name(id=index)):
                    if index == loop.index and getattr(step.target, "of", "") == mark:
                        read[mark] = step
        maps = self.body.made[next(iter(read))] if len(read) == 1 else None
        others = [step for step in loop.steps if step not in read.values()]
        if not isinstance(maps, Listing) or loop.index in identifiers(*(s.code for s in others)):
            return
        if same(maps.count, now.count) and not any(isinstance(s, Loop) for s in others):
            (step,) = read.values()
            assert isinstance(step.target, Value)
            loop.maps, loop.part, loop.steps, loop.count = maps, step.target, others, None

    def behind(self, holder: Holder, entry: Entry, first: int) -> None:
        """The modules of a loop behind those of the numbers before `first`."""
        match entry.code:
            case ast.Call(args=[ast.ListComp(elt=made, generators=over)]):
                entry.code = ast.GeneratorExp(made, over)
        if [*holder.keys] != [str(n) for n in range(first)] or holder.owner is None:
            raise Fixed((), "numbers beside those of a loop")
        entry.key, entry.many = str(first), True
        self.body.enter(holder, entry)

    def turn_of(
        self, item: Item, env: Env
    ) -> tuple[str, Any, dict[str, Any], dict[str, "list[Any] | Symbol"]]:
        """A turn of a loop over columns: its variable, the number of turns, what an item sees, and
        the columns by the variables of their cells.
        """
        assert item.modifiers.for_ is not None
        columns = {c.name: self.evaluate(c.cells, env) for c in item.modifiers.for_.columns}
        count = count_of(columns)
        counting = {title: found for title, cells in columns.items()
                    if (found := range_of(cells)) is not None}  # fmt: skip
        from_zero = (title for title, (start, _) in counting.items() if start == 0)
        index = self.body.local(next(from_zero, "row"), self.taken)
        number = replace(variable(index, "int"), counted=True)
        count = next((many for _, many in counting.values()), count)
        bound: dict[str, Any] = {
            "row": number,
            "first_row": equal(number, 0),
            "last_row": equal(number, binary("-", count, 1)),
        }
        targets: dict[str, list[Any] | Symbol] = {}
        for column, cells in columns.items():
            bound[f"all_{column}"] = cells
            if column in counting:
                bound[column] = replace(
                    number, syntax=as_syntax(binary("+", number, counting[column][0]))
                )
                continue
            local = self.body.local(column, self.taken)
            bound[column], targets[local] = cell_variable(local, cells), cells
        self.turning |= names_in(*columns.values())
        return index, count, bound, targets

    def turn(self, item: Item, env: Env) -> Flow:
        """One item in a turn."""
        said = item.modifiers
        again = said.each is not None or said.shared or said.aux or said.checkpoint
        if again or item.verb == USE or said.repeat is not None:
            raise Fixed((), "what is no plain item in any number of copies")
        if said.if_ is not None:
            test = self.test(said.if_, env)
            if not isinstance(test, Symbol) or not isinstance(env.x, Value):
                raise Fixed(names_in(test), "a condition that never varies in a turn")
            env = replace(self.where_it_holds(test, env), guard=self.both(env.guard, test))
        if said.from_ is not None:
            env = env.fed(self.references(said.from_, env, self.taps))
        result = self.turned_item(item, env)
        if item.key is not None:
            env.frame.names[self.title(item.key, env)] = result
        if said.as_ is not None and said.as_.index is None:
            env.frame.labels[self.key(said.as_.template, env)] = result
        elif said.as_ is not None:
            if not same(self.place(said.as_, env), self.rounds[-1].index):
                raise Fixed((), "another place in a list")
            self.rounds[-1].loop.result = result if isinstance(result, Value) else None
        if said.tap is not None:
            self.tapped(said.tap, env, result)
        return result

    def tapped(self, said: Name, env: Env, result: Flow) -> None:
        """What a turn gives under a name that has its number in it."""
        now, named = self.rounds[-1], self.formatted(said.template, env)
        listing, by = now.loop.target, symbol(name(NTH), "int")
        parts = () if isinstance(named, str) else tuple(
            part if isinstance(part, str) else substituted(part, now.loop.index, by)
            for part in named
        )  # fmt: skip
        varying = [part for part in parts if isinstance(part, Symbol) and part.has(NTH)]
        if len(varying) != 1 or distance(varying[0], by) is None or len(self.rounds) > 1:
            raise Fixed((), "a tap that does not say its turn")
        assert isinstance(listing, Listing)
        listing.named = parts
        now.loop.result = result if isinstance(result, Value) else None

    @staticmethod
    def both(guard: Symbol | None, test: Symbol) -> Symbol:
        if guard is None or same(guard, test):
            return test
        return symbol(ast.BoolOp(ast.And(), [guard.syntax, test.syntax]), "bool", guard, test)

    def turned_item(self, item: Item, env: Env) -> Flow:
        if item.verb == "inline":
            for inner in item.parts["items"].items:
                if inner.modifiers.for_ is not None:
                    raise Fixed((), "copies in any number of copies")
                env = env.with_input(self.turn(inner, env))
            return env.x
        if item.verb == "branches":
            return self.branches_of(item, env)
        if item.verb in COMBINATORS:
            return self.each_turns(item, env)
        verb, block, given, there = self.standing(item, env)
        if block is not None or isinstance(verb, Symbol):
            return self.each_turns(item, env)
        made, likes = self.settled(OPS[verb], given, there)
        flows = env.x if isinstance(env.x, tuple) else (env.x,)
        inputs = [*(flow for flow in flows if flow is not None), *likes]
        if any(isinstance(flow, Listing) for flow in inputs):
            return self.joined_list(made, inputs, env, "")
        written = self.call_of(made, [value.spec for value in inputs])
        if written.form == "module":
            return self.each_turns(item, env, not self.weighs(made, env.first.spec))
        hint = "" if item.key is None else plain_text(item, env)
        return self.function(made, written, inputs, env, "", hint)

    def branches_of(self, item: Item, env: Env) -> Flow:
        """Branches in a turn, one for each of any number, and joined."""
        word = self.evaluate(item.arguments.get("join"), env) or "concat"
        paths = item.parts["paths"].items
        if len(paths) != 1 or paths[0].modifiers.for_ is None or "split" in item.arguments:
            raise Fixed((), "branches of which some are any number")
        maps = self.gathered(paths[0], env)
        return maps if word == APART else self.joined_list(OPS[word](), [maps], env, "")

    # modules

    def each_turns(self, item: Item, env: Env, weightless: bool = False) -> Value:
        """The module that an item has in every turn, called on what flows."""
        hint, key = self.hint, "" if item.key is None else plain_text(item, env)
        self.hint = key or singular(self.rounds[-1].level.holder.key) or "part"
        made, x = self.module(item, replace(env, guard=None)), env.x
        self.hint = hint
        if made is None or made.before or made.use is not None or not isinstance(x, Value):
            raise Fixed((), "what is no module in any number of copies")
        value = self.body.value(made.spec, "", made.maker)
        code = made.code
        if env.guard is not None:
            code = choice(env.guard.syntax, code, call("nn.Identity"))
            value.spec = self.merge(env.guard, value, env.otherwise or x).spec
            value.maker = None
        module = self.member_of(item, code, env, weightless)
        self.step(env.level, value, ast.Call(module, [self.body.read(x)], []))
        return value

    def member_of(self, item: Item, code: ast.expr, env: Env, weightless: bool) -> ast.expr:
        """How `forward` reaches a module that stands at a place of its own in every turn."""
        keyed = None if weightless else self.keyed_by(item, env)
        if keyed is not None:
            return self.keyed_member(keyed, code)
        *names, last = self.place_of(item, env)
        wanted = [now.index for now in self.rounds]
        if not isinstance(last, Symbol) and weightless:
            return self.one_for_all(str(last).strip("_"), code)
        static = [part for part in names if isinstance(part, str)]
        numbers = [*(part for part in names if not isinstance(part, str)), last]
        if len(numbers) < len(wanted):
            numbers = [*wanted[: len(wanted) - len(numbers)], *numbers]
        if len(wanted) == 1 and not static and (offset := distance(numbers[0], wanted[0])):
            numbers, self.rounds[-1].offset = wanted, offset
        if (
            not same(numbers, wanted)
            or len(static) > 1
            or not all(isinstance(part, str) for part in names[: len(static)])
        ):
            raise Fixed((), "modules that are not numbered by turns")
        path = "".join(static)
        if path in self.rounds[-1].homes:
            raise Fixed((), "two modules of one number")
        for now in reversed(self.rounds):
            code = call("nn.ModuleList", ast.ListComp(code, [now.clause(code)]))
        entry = Entry(path, code, [])
        members: list[Member] = []
        over: ast.expr = Access(entry)
        for now in self.rounds:
            several = now is not self.rounds[-1]
            mark = self.body.value(TensorSpec((0,))).mark
            hint = "layers" if several else singular(entry.key or now.level.holder.key) or "layer"
            members.append(Member(mark, over, hint))
            over = call(ast.Attribute(ast.Name(mark), "children")) if several else ast.Name(mark)
        self.rounds[-1].homes[path] = entry, members
        return over

    def keyed_by(self, item: Item, env: Env) -> ast.expr | None:
        """The name of an item in a turn as an expression, where it is a text with numbers in it."""
        found = "" if item.key is None else self.formatted(item.key, env)
        texts = [part for part in found if isinstance(part, str)]
        if isinstance(found, str) or len(self.rounds) > 1 or not any(texts):
            return None
        return None if any("." in text for text in texts) else text_of(found)

    def keyed_member(self, key: ast.expr, code: ast.expr) -> ast.expr:
        """How `forward` reaches a module of a name of its own in every turn."""
        (now,) = self.rounds
        if now.homes:
            raise Fixed((), "two modules of one turn that have names")
        made = ast.DictComp(key, code, [now.clause(key, code)])
        entry = Entry("", call("nn.ModuleDict", made), [])
        words = key.values if isinstance(key, ast.JoinedStr) else []
        first = next((w.value for w in words if isinstance(w, ast.Constant)), "")
        mark = self.body.value(TensorSpec((0,))).mark
        member = Member(mark, call(ast.Attribute(Access(entry), "values")), str(first).strip("_"))
        now.homes[""] = entry, [member]
        return name(mark)

    def place_of(self, item: Item, env: Env) -> list[Any]:
        """The names that lead to an item in a turn, numbers of turns among them."""
        if item.key is None:
            return [self.rounds[-1].index]
        found = self.formatted(item.key, env)
        parts: list[Any] = [""]
        for part in [found] if isinstance(found, str) else found:
            if isinstance(part, str):
                first, *others = part.split(".")
                if first and isinstance(parts[-1], Symbol):
                    raise Fixed((), "a name with a number and more")
                parts[-1] = parts[-1] + first if first else parts[-1]
                parts += others
            elif parts[-1] == "":
                parts[-1] = part
            else:
                return [*parts[:-1], parts[-1]]  # a name with a number in it
        return parts

    def one_for_all(self, title: str, code: ast.expr) -> ast.expr:
        """A module without weights, which all turns call."""
        if identifiers(code) & (self.body.turning | self.body.cells):
            raise Fixed((), "a name that differs by turns")
        holder = self.body.top
        free, number = title, 2
        taken = {*holder.keys, *self.program.keys, *(e.key for e in self.rounds[0].loose)}
        while free in taken:
            free, number = f"{title}_{number}", number + 1
        entry = Entry(free, code, [])
        self.rounds[0].loose.append(entry)
        return Access(entry)


def guess(env: Env) -> TensorSpec:
    """What a turn may give, as long as none was read: what flows."""
    return TensorSpec((0, 0, 0)) if env.x is None else env.first.spec


def plain_text(item: Item, env: Env) -> str:
    """What is written in the name of an item beside expressions."""
    assert item.key is not None
    return written_text(item.key)


def written_text(template: Template) -> str:
    """What is written in a name beside expressions."""
    return "".join(part for part in template.parts if isinstance(part, str)).strip("_")


def last_item(item: Item) -> Item:
    """The item that gives what another does."""
    while item.verb == "inline" and item.parts["items"].items:
        item = item.parts["items"].items[-1]
    return item
