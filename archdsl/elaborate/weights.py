"""The names of weights in other packages, read into rules."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from archdsl.elaborate.env import Frame, Here, Level, Poison, fail
from archdsl.elaborate.items import Run
from archdsl.expressions.expression import describe
from archdsl.graph.renames import Rename, Renames
from archdsl.language.syntax import Item, Renaming
from archdsl.yaml.source import Place


def _renames(run: Run) -> dict[str, Renames]:
    """The sources of weights, with what this network has otherwise than one of them requires."""
    here = Here(run.document.file, Frame(Level("", ""), None), run.setting.parameters, ())
    result = {}
    for name, renamings in run.document.renamings.items():
        form = run.document.form.weights[name]
        known = run.setting.parameters
        unmet = [
            f"{parameter} is {describe(known[parameter])}, the weights need {describe(required)}"
            for parameter, required in form.requires.items()
            if parameter in known and known[parameter] != required
        ]
        rules: dict[str, Rename] = {}
        with suppress(Poison):
            for place, rule in _rules(run, renamings, here):
                if rule.theirs in rules:
                    fail(run.sink, "E0401", f"two rules for `{rule.theirs}`", place.key)
                rules[rule.theirs] = rule
        result[name] = Renames(tuple(rules.values()), form.reshape, "; ".join(unmet))
    return result


def _rules(
    run: Run, renamings: Iterable[Renaming], here: Here, outer: str = ""
) -> Iterator[tuple[Place, Rename]]:
    """The rules that renamings stand for, with their places; `outer` is how all of theirs begin."""
    for renaming in renamings:
        item, place = renaming.item, renaming.item.place
        assert item.key is not None
        for row in run.loops.rows(item, here):
            with run.loops.in_row(item, row):
                for turn in _turns(run, item, here.bind(row)):
                    theirs = outer + run.values.format(item.key, place.key, turn)
                    if renaming.below is not None:
                        yield from _rules(run, renaming.below, turn, f"{theirs}.")
                    elif renaming.ours is None:
                        yield place, Rename(theirs, None)
                    else:
                        ours = run.values.format(renaming.ours.template, place.span, turn)
                        yield place, Rename(theirs, ours)


def _turns(run: Run, item: Item, here: Here) -> list[Here]:
    """What every turn of a loop sees."""
    repeat = item.modifiers.repeat
    if repeat is None:
        return [here]
    times = run.values.whole(repeat, here, 0)
    run.count_turns(times, repeat, here)
    return [here.turn(i, times) for i in range(times)]
