"""Items in a class: what each is as a module, and the statements of `forward` that connect them."""

import ast
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from archdsl.expressions.expression import MAX_ITEMS
from archdsl.language.mentions import names_item_of
from archdsl.language.syntax import (
    BROKEN,
    COMBINATORS,
    SPLIT,
    USE,
    WORDS,
    Item,
    Literal,
    items_in,
)
from archdsl.language.syntax import Sequence as Items
from archdsl.ops import OPS, Op
from archdsl.pytorch.branching import Branching
from archdsl.pytorch.chains import with_channels
from archdsl.pytorch.containers import Made, Parts
from archdsl.pytorch.entries import Entry, Holder, Let, Listing, Value, reads, sets
from archdsl.pytorch.environment import Env, Factory, Flow, Level, Maker, takes_channels
from archdsl.pytorch.linking import Linking, links
from archdsl.pytorch.naming import pattern
from archdsl.pytorch.python import call, name
from archdsl.pytorch.symbols import Fixed, Symbol, binary, known, names_in

PARAMETERS = ("layer_scale", "class_token", "position_embedding")  # ops that are no modules
KINDS = ("seq", "residual", "branches", "dense")


class Walk(Branching):
    """Translates the items of one class, one after another."""

    # sequences and modifiers

    def sequence(self, items: Items, env: Env) -> Flow:
        for item in items.items:
            there = env if env.guard is None else self.where_it_holds(env.guard, env)
            env = env.with_input(self.item(item, there))
        return env.x

    def item(self, item: Item, env: Env) -> Flow:
        if item.verb == BROKEN:
            raise Fixed((), "an item that cannot be read")
        if item.modifiers.for_ is not None and self.any_number(item, env):
            with suppress(Fixed):  # and each by itself, which asks for their number
                return self.looped_copies(item, env)
        x = env.x
        for row in self.rows(item, env):
            there = env.bind(row)
            x = self.conditional(item, there if x is env.x else there.with_input(x))
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
        with self.asking(test.names):
            there = self.where_it_holds(test, env)
            try:
                with self.undoing(env):
                    result = self.single(item, replace(there, guard=self.both(env.guard, test)))
            except Fixed:
                result = self.apart(item, there, env.x, test)
        if not isinstance(result, Value):
            raise Fixed(test.names)
        return result

    @contextmanager
    def undoing(self, env: Env) -> Iterator[None]:
        """Inside, what is given up leaves nothing behind, in the class neither."""
        level, frame, holder, body = env.level, env.frame, env.level.holder, self.body
        places = (level.count, level.trail, level.uncertain, len(body.steps))
        entries = list(holder.entries)
        maps: list[Any] = [holder.keys, holder.titles, level.inner, self.taps, self.values]
        maps += [frame.names, frame.homes, frame.labels, frame.makers, body.kept]
        before = [dict(found) for found in maps]
        try:
            with self.attempt():
                yield
        except Fixed:
            level.count, level.trail, level.uncertain = places[:3]
            del body.steps[places[3] :]
            holder.entries[:] = entries
            for found, kept in zip(maps, before, strict=True):
                found.clear()
                found.update(kept)
            raise

    def apart(self, item: Item, env: Env, x: Value, test: Symbol) -> Value:
        """What stands under a condition as a method, which is called where that holds."""
        if env.guard is not None or self.rounds or self.again or names_inside(item):
            raise Fixed(test.names, "what is under a condition has names, or stands in a loop")
        holder, start = env.level.holder, len(env.level.holder.entries)
        title = "part" if item.key is None else self.key(item.key, env).strip("_")
        asked = self.body.keep(self.flag(test), test)
        with self.region(title, env.level, test=asked, otherwise=x.mark):
            result = self.single(item, replace(env, otherwise=None))
        if not isinstance(result, Value) or result is x:
            raise Fixed(test.names, "what is under a condition gives no map of its own")
        for entry in modules_in(holder, start):
            if entry.parameter or entry.test is not None:
                raise Fixed(test.names, "a parameter under a condition")
            entry.test = test
        result.spec, result.maker = self.merge(test, result, x).spec, None
        return result

    def single(self, item: Item, env: Env) -> Flow:
        said = item.modifiers
        with self.making(item, env):
            if said.each is not None:
                result = self.every(item, env)
            else:
                fed = env
                if said.from_ is not None and not said.from_turns:
                    fed = env.fed(self.references(said.from_, env, self.taps))
                result = self.copies(item, fed)
        self.call_it(item, env, result, turn=False)
        if said.aux:
            if env.guard is not None:
                raise Fixed(env.guard.names, "a condition on what is returned")
            assert item.key is not None
            title = self.key(item.key, env)
            env.frame.names.pop(title, None)
            return env.x
        return result

    @contextmanager
    def making(self, item: Item, env: Env) -> Iterator[None]:
        """`made_before`: what an item makes is made before another of the same sequence."""
        said, holder = item.modifiers.made_before, env.level.holder
        *names, key = [""] if said is None else self.key(said.template, env).split(".")
        for title in names:
            inner = holder.keys.get(title)
            if not isinstance(inner, Holder):
                raise Fixed((), "an order of weights")
            holder = inner
        entries, start = holder.entries, len(holder.entries)
        yield
        if said is not None:
            places = [n for n, e in enumerate(entries[:start]) if getattr(e, "key", "") == key]
            if names and (not places or len(entries) == start):
                raise Fixed((), "an order of weights")
            place = places[0] if places else start  # none where an `if` left it out
            made, passed = entries[start:], entries[place:start]
            lets = [entry for entry in passed if isinstance(entry, Let)]  # which it may read
            others = [entry for entry in passed if not isinstance(entry, Let)]
            if any(sets(one) & reads(other) for one in others for other in [*lets, *made]):
                raise Fixed((), "an order of weights")
            entries[place:] = [*lets, *made, *others]

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
            title = self.title(said.tap.template, env)
            self.taps.pop(title, None)
            self.taps[title] = result

    def copies(self, item: Item, env: Env) -> Flow:
        """One or more turns of an item."""
        if item.modifiers.repeat is None:
            return self.named(item, env)
        times = self.whole(item.modifiers.repeat, env)
        if item.modifiers.shared:
            return self.shared(item, times, env)
        if (
            item.verb == USE
            or item.key is None
            or "i" in item.key.names
            or self.inlined(item, env)[0] is not None
        ):
            return self.turns(item, times, env, self.named)
        assert item.key is not None
        key = self.key(item.key, env)
        there, title = self.within(key, env)
        level = there.level
        result = env.x
        if title.startswith("_"):
            before, level.trail = level.trail, f"{level.trail}{title}."
            result = self.turns(item, times, there, self.numbered)
            level.trail = before
        elif not known(times) or times:
            result = self.group(item, title, times, there)
        self.keep(key, env, result)
        return result

    def within(self, key: str, env: Env) -> tuple[Env, str]:
        """Where a key with dots leads, each level made when it is first needed; the last name."""
        *names, last = key.split(".")
        for title in names:
            level, path = env.level, env.level.child(title)
            if path not in level.inner:
                level.inner[path] = Level(self.entered(level.holder, Holder(title)), path)
            env = replace(env, frame=replace(env.frame, level=level.inner[path]))
        return env, last

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
            again = item.modifiers.checkpoint
            turn = kept(item)
            made = None if again and env.guard is not None else self.tried(
                title, env, lambda chain, parts: self.turned(
                    times, chain, parts, lambda e, p: self.member(turn, e, p, None)))  # fmt: skip
            if made is not None and again:
                with self.region(title, env.level, turns=True):
                    return self.enter(title, path, made, env)
            if made is not None:
                return self.enter(title, path, made, env)
        inner = self.below(title, env)
        return self.turns(item, times, inner, self.numbered)

    def tried(self, title: str, env: Env, chain: Callable[[Env, Parts], Env | None]) -> Made | None:
        """A container of what is a chain; None if it is none, or cannot be said as one."""
        parts: Parts = []
        rules = self.replaced_at(env, title)
        if not rules.uniform:
            return None
        hint, self.hint = self.hint, title
        try:
            with self.attempt():
                after = chain(replace(env, replacing=rules), parts)
                return None if after is None else self.contained(parts, after.first, title)
        except Fixed:
            return None
        finally:
            self.hint = hint

    def below(self, title: str, env: Env) -> Env:
        """Inside a container of a name."""
        holder = self.entered(env.level.holder, Holder(title))
        return env.at(Level(holder, env.level.child(title)))

    def named(self, item: Item, env: Env) -> Flow:
        level, number = env.level, env.level.count
        key = None if item.key is None else self.name_of(item, env)
        if item.verb == USE:
            return self.used(item, key, env)
        title, outer = key, env
        if key is not None:
            env, title = self.within(key, env)
            level = env.level
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
            if title is None:
                key = title = level.number()
            result = self.placed_at(item, env, title)
        level.trail = trail
        if key is not None:
            self.keep(key, outer, result)
            if items is None:
                outer.frame.makers[key] = Maker(item, outer, number, self.again)
        return result

    def name_of(self, item: Item, env: Env) -> str:
        """The name of an item, or its pattern where that varies."""
        assert item.key is not None
        found = self.formatted(item.key, env)
        if isinstance(found, str):
            return found
        varying = [part for part in found if not isinstance(part, str)]
        title = pattern(found)
        dotted = any("." in ast.unparse(part.syntax) for part in varying)
        if item.verb == USE or self.block is None or self.rounds or self.again or dotted:
            raise Fixed(names_in(*varying), "a name that varies, there")
        if not title.startswith("_"):
            self.patterns[title.rpartition(".")[2]] = last_of(found)
        return title

    # verbs

    def placed_at(self, item: Item, env: Env, title: str) -> Flow:
        """What an item gives under a name."""
        if not item.modifiers.checkpoint:
            return self.made_at(item, env, title)
        with self.region(title, env.level):
            return self.made_at(item, env, title)

    def made_at(self, item: Item, env: Env, title: str) -> Flow:
        if item.verb in COMBINATORS:
            return self.combinator(item, env, title)
        verb, block, given, there = self.standing(item, env, title)
        if isinstance(verb, Symbol):
            made = self.module(item, env)
            assert made is not None
            return self.enter(title, env.level.child(title), made, env)
        if block is not None:
            return self.call(block, given, item, there, title)
        return self.op(OPS[verb], given, item, env, title)

    def combinator(self, item: Item, env: Env, title: str) -> Flow:
        level = env.level
        if item.verb == SPLIT:
            return self.parted(item, env, title)
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
                title, env, lambda there, parts: self.chain(item.parts["items"], there, parts)
            )
            if chained is not None:
                return self.enter(title, path, chained, env)
        parameters = item.verb == "seq" and any(i.verb in PARAMETERS for i in items_in(item))
        apart = item.modifiers.checkpoint and self.is_closed(path) and not names_inside(item)
        if env.guard is None and (parameters or apart):
            with suppress(Fixed), self.attempt():
                return self.part(item, env, title, path)
        return self.combined(item, self.below(title, env))

    def part(self, item: Item, env: Env, title: str, path: str) -> Flow:
        """A combinator as a module with a class of its own."""
        code, results = self.program.part(item, env, title, path, self)
        if len(results) != 1 or not isinstance(env.x, Value):
            raise Fixed((), "a part of several inputs or results")
        made = Made(code, [], results[0].spec, results[0].maker)
        return self.enter(title, path, made, env)

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
            result = self.joined("add", [result, shortcut], under, "_add", item.span)
        if "after" in item.parts:
            result = self.sequence(item.parts["after"], env.with_input(result))
        return result

    def dense(self, item: Item, env: Env) -> Flow:
        count = self.whole(item.arguments["repeat"], env)
        if not known(count):
            with self.asking(names_in(count)):
                return self.linked(item, env, count)
        maps, sees, gives = [env.x], self.word(item, "sees"), self.word(item, "gives")
        for i in range(count):
            seen = maps[-1]
            if sees == "all" and i:
                seen = self.joined("concat", maps, env, f"_concat{i}")
            bound = env.bind({"i": i, "first": i == 0, "last": i == count - 1})
            maps.append(self.sequence(item.parts["layer"], bound.with_input(seen)))
        if gives in ("last", "list"):
            return maps[-1] if gives == "last" else self.together(maps)
        joined = maps if gives == "all" else maps[1:]
        return joined[0] if len(joined) == 1 else self.joined("concat", joined, env, "_concat")

    def linked(self, item: Item, env: Env, count: Any) -> Flow:
        """Layers of any number that see the maps before them: a loop over their modules."""
        holder, x, gives = env.level.holder, env.x, self.word(item, "gives")
        owner = holder.owner
        made = None if owner is None or holder.entries else links(self, item, env, count)
        plain = env.guard is None and not self.again and not self.rounds
        if made is None or owner is None or not plain or not isinstance(x, Value):
            raise Fixed((), "layers of any number that are no modules")
        entry = Entry(holder.key, call(made.base, made.members), [], owner=owner)
        owner.entries[owner.entries.index(holder)] = owner.keys[holder.key] = entry
        over = made.over(self.body.reached(entry))
        maps = self.body.listing(made.spec(x.spec), binary("+", count, 1), holder.key)
        code = ast.Tuple([self.body.read(x), over])
        step = Linking(maps, code, scopes=self.scopes(env.level), links=made)
        self.body.steps.append(step)
        if gives == "list":
            return maps
        grown = binary("*", count, made.growth)
        channels = {
            "last": made.growth, "all": binary("+", made.start, grown), "layers": grown
        }[gives]  # fmt: skip
        end = ast.UnaryOp(ast.USub(), ast.Constant(1))
        place = (
            end if gives == "last" else ast.Slice(ast.Constant(1)) if gives == "layers" else None
        )
        read = self.body.read(maps)
        read = read if place is None else ast.Subscript(read, place)
        value = self.body.value(x.spec.with_channels(channels), holder.key)
        self.step(env.level, value, read if gives == "last" else call("torch.cat", read, 1))
        self.settle(env.level.child("_concat"), value, owner)
        return value

    def word(self, item: Item, title: str) -> str:
        """The word that an argument of a combinator is."""
        written = item.arguments.get(title)
        return str(written.value) if isinstance(written, Literal) else WORDS[title][0]

    # ops

    def op(self, op: type[Op], given: Mapping[str, Any], item: Item, env: Env, title: str) -> Flow:
        made, likes = self.settled(op, given, env)
        flows = env.x if isinstance(env.x, tuple) else (env.x,)
        inputs = [*(flow for flow in flows if flow is not None), *likes]
        if any(isinstance(flow, Listing) for flow in inputs):
            return self.joined_list(made, inputs, env, title)
        if op.inputs is not None and len(inputs) != op.inputs + len(likes):
            raise Fixed((), f"another number of inputs of {op.verb}")
        written = self.call_of(made, [value.spec for value in inputs])
        if written.form == "module":
            self.where = env.level.child(title)
            module = self.op_module(made, written, item, env)
            self.where = ""
            return self.enter(title, env.level.child(title), module, env)
        return self.function(made, written, inputs, env, title, title.lstrip("_"), item.span)


def last_of(parts: list[Any]) -> list[Any]:
    """The parts of a name with dots behind the last of these."""
    for place, part in reversed([*enumerate(parts)]):
        if isinstance(part, str) and "." in part:
            return [part.rpartition(".")[2], *parts[place + 1 :]]
    return parts


def modules_in(holder: Holder, start: int) -> list[Entry]:
    """The modules and parameters among the later members of a container, and in these."""
    later = holder.entries[start:]
    inner = [entry for part in later if isinstance(part, Holder) for entry in part.every()]
    return [entry for entry in [*later, *inner] if isinstance(entry, Entry)]


def names_inside(item: Item) -> bool:
    """Whether a label or tap stands in an item, by which what is in it may be named outside."""
    inside = (inner.modifiers for inner in items_in(item) if inner is not item)
    return any(said.as_ is not None or said.tap is not None for said in inside)


def kept(item: Item) -> Item:
    """An item of which training keeps all that it needs."""
    return replace(item, modifiers=replace(item.modifiers, checkpoint=False))


__all__ = ["Factory", "Walk", "name", "takes_channels", "with_channels"]
