"""Modules that are applied again: to their own result, or where another item uses them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archdsl.diagnostics.diagnostic import Label
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.elaborate.env import Flow, Here, Maker, Tensor, fail
from archdsl.language.syntax import USE, Item, Listed, Name

if TYPE_CHECKING:
    from archdsl.elaborate.items import Run


@dataclass
class Application:
    """One application of a module, as the `index`th; `again` is what made it first."""

    run: "Run"
    maker: Maker

    def to(self, x: Flow, index: int, names: Here, item: Item, what: str) -> Flow:
        """The result on an input; what it needs must be what the first application made."""
        run, maker, here = self.run, self.maker, self.maker.here
        level = here.frame.level
        if item.verb == USE:
            run.build.uses += 1
            applied = level.used(run.build.uses, maker.number)
        else:
            applied = level.applied(index, maker.number)
        start = len(run.build.nodes)
        there = Here(here.file, here.frame.apart(applied), names.names, x, names.origin)
        result = run.named(maker.item, there)
        level.counter.next = max(level.counter.next, applied.counter.next)
        if index and result is not None:
            first = run.build.nodes[maker.start : maker.end]
            at = item.span if item.verb == USE else None
            run.build.check_shared(first, run.build.nodes[start:], item, (), what, at)
        return result


def shared(run: "Run", item: Item, times: int, here: Here) -> Flow:
    """`repeat` with `shared: true`: one module, applied to its own result."""
    said = item.modifiers
    repeat = said.repeat
    assert repeat is not None
    run.count_turns(times, repeat, here)
    level, build, flow = here.frame.level, run.build, here.x
    maker = Maker(item, here, level.counter.next, len(build.nodes), len(build.nodes))
    for index in range(times):
        turn = here.with_input(flow).turn(index, times)
        if said.from_turns and said.from_ is not None:
            turn = run.fed(said.from_, turn)
        flow = Application(run, maker).to(turn.x, index, turn, item, "turns of a shared module")
        if flow is None:
            return run.lose(item, here)
        run.named_turn(item, turn, flow)
        maker.end = maker.end if index else len(build.nodes)
    if times:
        name = str(maker.number)
        if item.key is not None:
            name = run.values.name(item.key, item.place, here)
        maker.count = times
        here.frame.keep(name, flow)
        here.frame.makers[name] = maker
    return flow


def used(run: "Run", item: Item, here: Here) -> Flow:
    """`use: NAME`: the module of an earlier item of the same part, applied once more."""
    said = item.arguments["module"]
    assert isinstance(said, Name)
    name = run.values.format(said.template, said.place.span, here)
    maker = here.frame.maker(name)
    if maker is None:
        if run.lost.could_be(name):
            return None
        help = did_you_mean(name, here.frame.made())
        fail(run.sink, "E0402", f"no earlier item `{name}` has a module", said.place.span, help)
    if maker.here.frame.level.scope != here.frame.level.scope:
        message = f"`{name}` stands in another part than what uses it"
        help = "a module is used where it stands, in the same sequence"
        fail(run.sink, "E0503", message, said.place.span, help)
    maker.count += 1
    again = Application(run, maker)
    return again.to(here.x, maker.count - 1, maker.here, item, "uses of one module")


def given_by(said: Name | Listed, inputs: Iterable[tuple[int, Flow]]) -> tuple[Label, ...]:
    """Where some of the inputs that an `each` names are named, with what they give."""
    return tuple(
        Label(span, f"this gives {one.spec}")
        for number, one in inputs
        if isinstance(one, Tensor) and (span := (said.place / number).span)
    )
