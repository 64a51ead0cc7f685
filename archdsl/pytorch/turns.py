"""Loops among the steps of `forward`."""

import ast
from dataclasses import dataclass, field

from archdsl.pytorch.entries import Listing, Step, Value


@dataclass(eq=False)
class Member:
    """What a loop calls in each turn: one of the modules of a list."""

    mark: str
    over: ast.expr
    hint: str


@dataclass(eq=False)
class Loop(Step):
    """Steps of every turn; what `result` is in each is gathered in the list that it makes.

    It goes over `maps`, if that is not None, which `part` is of, or over so many numbers.
    """

    index: str = ""
    count: ast.expr | None = None
    maps: Listing | None = None
    part: Value | None = None
    result: Value | None = None
    steps: list[Step] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    first: int = 0  # so many modules of the list stand before those of the loop

    @property
    def before(self) -> tuple[Value, ...]:
        """The maps that the list holds before the first turn."""
        return self.target.before if isinstance(self.target, Listing) else ()

    @property
    def inside(self) -> set[str]:
        """The marks of what its turns make."""
        marks = {step.target.mark for step in self.steps} | {m.mark for m in self.members}
        inner = [step.inside for step in self.steps if isinstance(step, Loop)]
        return marks.union(*inner) | ({self.part.mark} if self.part is not None else set())

    @property
    def read_inside(self) -> list[str]:
        """The marks that a turn reads, as often as it does."""
        return [mark for step in self.steps for mark in step.operands]

    @property
    def parts(self) -> list[ast.AST]:
        over = [n for member in self.members for n in ast.walk(member.over)]
        counted = [*ast.walk(self.count)] if self.count is not None else []
        return [*over, *counted, *(part for step in self.steps for part in step.parts)]

    @property
    def codes(self) -> list[ast.AST]:
        """All that its turns compute."""
        inner = [step.codes if isinstance(step, Loop) else [step.code] for step in self.steps]
        return [code for codes in inner for code in codes]

    @property
    def operands(self) -> list[str]:
        """What is read from outside, which is read in every turn; what it goes over but once."""
        inside = self.inside | {self.target.mark}
        outer = [mark for mark in self.read_inside if mark not in inside]
        return [
            *(value.mark for value in self.before),
            *outer,
            *outer,
            *([self.maps.mark] if self.maps is not None else []),
        ]

    @property
    def allocates(self) -> bool:
        return True
