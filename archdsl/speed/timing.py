"""How long things take, measured in turns so that what else the machine does befalls all alike."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from statistics import median

TURNS = 7
LONG = 0.1  # seconds of a turn, of a call that is shorter


def measure(action: Callable[[], object]) -> float:
    """The median seconds of the calls of one turn, after one that is not counted."""
    action()
    found: list[float] = []
    while len(found) < 2 or sum(found) < LONG:
        start = time.perf_counter()
        action()
        found.append(time.perf_counter() - start)
    return median(found)


def all_turns(takers: Mapping[str, Callable[[], float]], turns: int) -> dict[str, list[float]]:
    """The seconds of every turn, as those that take it say."""
    found: dict[str, list[float]] = {name: [] for name in takers}
    for turn in range(turns):
        for name in [*takers][:: 1 if turn % 2 else -1]:  # whoever came last is first
            found[name].append(takers[name]())
    return found


def in_turns(actions: Mapping[str, Callable[[], object]], turns: int = TURNS) -> dict[str, float]:
    """The median seconds of each of some actions, which take turns."""
    takers = {name: partial(measure, action) for name, action in actions.items()}
    return {name: median(seconds) for name, seconds in all_turns(takers, turns).items()}
