"""Modules that are applied again: to several inputs, to their own result, or by `use`."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from archdsl.language.syntax import Item, Name
from archdsl.pytorch.calling import Calling
from archdsl.pytorch.entries import Listing, Value
from archdsl.pytorch.environment import Env, Flow, Maker
from archdsl.pytorch.symbols import Fixed, known, names_in


class Applying(Calling):
    """What is applied again calls the modules of the first time."""

    def copies(self, item: Item, env: Env) -> Flow:
        """One or more turns of an item."""
        raise NotImplementedError

    def named(self, item: Item, env: Env) -> Flow:
        """An item under its key or its number."""
        raise NotImplementedError

    def call_it(self, item: Item, env: Env, result: Flow, turn: bool) -> None:
        """Gives a result its label and its tap, those of an item or those of a turn."""
        raise NotImplementedError

    def each_of(self, item: Item, maps: Listing, env: Env) -> Listing:
        """What one module gives on each of a list."""
        raise NotImplementedError

    def every(self, item: Item, env: Env) -> Flow:
        """One module on every input: what is applied again calls the modules of the first time."""
        given = self.references(item.modifiers.each, env, self.taps)
        if isinstance(given, Listing) and not given.elements:
            if env.guard is not None or self.again or self.rounds:
                raise Fixed(names_in(env.guard), "each of a list of any number, there")
            return self.each_of(item, given, env)
        if isinstance(given, Listing):
            given = given.elements
        inputs = given if isinstance(given, tuple) else (given,)
        if env.guard is not None:
            raise Fixed(env.guard.names, "each under a condition")
        level, before, taps, labels = env.level, self.again, self.taps, env.frame.labels
        depth, outer = level.depth, self.agains
        number = last = level.count
        results: list[Flow] = []
        named: list[tuple[Mapping[str, Flow], ...]] = []
        for index, x in enumerate(inputs):
            self.again = f"{before}@{index}" if before or index else ""
            self.agains = (*outer, (depth, f"@{index}"))
            level.count, self.taps = number, dict(taps)
            frame = replace(env.frame, outer=env.frame, names={}, homes={}, labels=dict(labels))
            result = self.copies(item, replace(env, frame=frame).with_input(x))
            if isinstance(result, Value) and result is not x and item.key is not None:
                result.hint = f"{self.key(item.key, env)}_{index}"
            results.append(result)
            named.append((frame.names, added(self.taps, taps), added(frame.labels, labels)))
            last = max(last, level.count)
        level.count, self.again, self.taps, self.agains = last, before, taps, outer
        if item.modifiers.repeat is None and self.inlined(item, env)[0] is None:
            key = str(number) if item.key is None else self.key(item.key, env)
            env.frame.makers[key] = Maker(item, env, number, before)
        for title in named[0][0]:
            env.frame.keep(title, self.together(names[title] for names, _, _ in named))
        taps |= {n: self.together(found[n] for _, found, _ in named) for n in named[0][1]}
        labels |= {n: self.together(found[n] for _, _, found in named) for n in named[0][2]}
        return self.together(results)

    def shared(self, item: Item, times: Any, env: Env) -> Flow:
        """One module, applied to its own result."""
        if not known(times):
            raise Fixed(names_in(times))
        maker = Maker(item, env, env.level.count, self.again)
        flow = env.x
        for index in range(times):
            mark = f"@{index}" if self.again or index else ""
            turn = env.bind({"i": index, "first": index == 0, "last": index == times - 1})
            turn = turn.with_input(flow)
            if item.modifiers.from_turns:
                turn = turn.fed(self.references(item.modifiers.from_, turn, self.taps))
            flow = self.applied(maker, mark, turn)
            self.call_it(item, turn, flow, turn=True)
        if times:
            key = str(maker.number) if item.key is None else self.key(item.key, env)
            env.frame.keep(key, flow)
            env.frame.makers[key] = maker
        return flow

    def used(self, item: Item, key: str | None, env: Env) -> Flow:
        """The module of an earlier item, applied once more."""
        said = item.arguments["module"]
        assert isinstance(said, Name)
        title = self.key(said.template, env)
        maker = env.frame.maker(title)
        if maker is None or maker.env.level.path != env.level.path:
            raise Fixed((), f"no module {title} here")
        if maker.env.guard is not env.guard:
            raise Fixed(names_in(maker.env.guard, env.guard), "a use under a condition")
        maker.uses.append(env)
        path = maker.env.level.child(title)
        marks = self.program.used_marks(path, self.prefixes, maker.again)
        count = len(maker.uses)
        mark = marks[count - 1] if count <= len(marks) else f"@0@{count}"
        result = self.applied(maker, mark, maker.env.with_input(env.x))
        if key is not None:
            env.frame.names[key] = result
        return result

    def applied(self, maker: Maker, mark: str, env: Env) -> Flow:
        """What the module of an item gives under another mark."""
        level, before, outer = maker.env.level, self.again, self.agains
        last = level.count
        level.count, self.again = maker.number, maker.again + mark
        self.agains = (*outer, (level.depth, mark)) if mark else outer
        result = self.named(maker.item, replace(env, frame=maker.env.frame.apart()))
        level.count = max(last, level.count)
        self.again, self.agains = before, outer
        return result

    @staticmethod
    def together(flows: Iterable[Flow]) -> Flow:
        """The results of all applications as one list."""
        values = tuple(flows)
        if not all(isinstance(value, Value) for value in values):
            raise Fixed((), "a list in a list")
        return tuple(value for value in values if isinstance(value, Value))


def added(after: Mapping[str, Flow], before: Mapping[str, Flow]) -> dict[str, Flow]:
    """The names that stand for something else than before."""
    return {title: flow for title, flow in after.items() if before.get(title) is not flow}
