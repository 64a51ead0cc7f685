"""How work grows with its input, in steps and not in seconds: a test of it never flickers.

Steps are calls, of C functions too, and lines. What one call does inside of C is one step: for that
the tests of large inputs have a time as well.
"""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

LINEAR = 2.5  # times the steps for twice the input, at most: 2, and what a logarithm adds


def steps(do: Callable[[], Any]) -> int:
    """How many steps it takes to do something."""
    count = 0

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += 1
        return line

    def call(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "c_call"

    before = sys.gettrace(), sys.getprofile()
    sys.settrace(line)
    sys.setprofile(call)
    try:
        do()
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
    return count


def growth(do: Callable[[int], Any], number: int) -> float:
    """How many times the steps it takes for twice the number, with all that it needs imported."""
    do(2)
    return steps(lambda: do(2 * number)) / steps(lambda: do(number))
