"""Containers whose members are called one after another: each is one module, and one call."""

import ast
from collections import Counter
from collections.abc import Collection
from typing import Any

from archdsl.pytorch.body import Body
from archdsl.pytorch.entries import Access, Entry, Holder, Step


def join_members(body: Body, results: Collection[str]) -> None:
    """Makes them `nn.Sequential`, those inside others first; `results` are marks of values."""
    joining = _Joining(body, results)
    for entry in body.top.entries:
        if isinstance(entry, Holder):
            joining.look_at(entry)
    body.steps = [
        joining.instead.get(step, step) for step in body.steps if step not in joining.gone
    ]


class _Joining:
    def __init__(self, body: Body, results: Collection[str]) -> None:
        self.body, self.results = body, results
        self.reads = Counter(mark for step in body.steps for mark in step.operands)
        self.steps: dict[Any, list[Step]] = {}  # by what they access
        self.instead: dict[Step, Step] = {}  # of the body's own
        self.origins: dict[Step, Step] = {}  # the body's own, by what stands instead of them
        self.gone: set[Step] = set()
        self.inside = Counter(scope for step in body.steps for scope in step.scopes)
        self.counts: dict[Step, int] = {}  # how many of the body's own steps one stands for
        for step in body.steps:
            for entry in step.accessed:
                self.steps.setdefault(entry, []).append(step)

    def look_at(self, holder: Holder) -> None:
        for inner in holder.entries:
            if isinstance(inner, Holder):
                self.look_at(inner)
        members = holder.live()
        found = [self.steps.get(entry, []) for entry in members]
        if not members or any(len(steps) != 1 for steps in found):
            return
        calls = [steps[0] for steps in found]
        marks = [step.target.mark for step in calls[:-1]]
        once = all(self.reads[mark] == 1 and mark not in self.results for mark in marks)
        linked = all(s.operands == [m] for s, m in zip(calls[1:], marks, strict=True))
        alike = all(step.regions == calls[0].regions for step in calls)
        turns = any(region.turns for region in calls[0].regions[-1:])
        plain = alike and not turns and all(map(_is_plain, calls))
        if once and linked and plain and self.is_whole(calls):
            self.join(holder, calls)
            self.body.within.update(marks)

    def is_whole(self, calls: list[Step]) -> bool:
        """Whether nothing else stands in their scope, so that values live as long as before."""
        scopes = calls[-1].scopes
        return not scopes or self.inside[scopes[-1]] == sum(self.counts.get(s, 1) for s in calls)

    def join(self, holder: Holder, calls: list[Step]) -> None:
        *before, last = (self.origins.get(step, step) for step in calls)
        code = ast.Call(Access(holder), [ast.Name(calls[0].operands[0])], [])
        whole = Step(last.target, code, scopes=calls[-1].scopes[:-1], regions=last.regions)
        holder.chained, self.steps[holder] = True, [whole]
        self.instead[last], self.origins[whole] = whole, last
        self.counts[whole] = sum(self.counts.get(step, 1) for step in calls)
        self.gone.update(before)


def _is_plain(step: Step) -> bool:
    """Whether a step calls a module with one value."""
    match step.code:
        case ast.Call(func=Access(entry=Entry() | Holder()), args=[ast.Name()], keywords=[]):
            return True
    return False
