"""Ops in a row that one op of ours says: of a recording, before it is a graph."""

from collections import Counter
from collections.abc import Iterable, Sequence

from archdsl.importing.values import Frame, Step, Value
from archdsl.ops import Op, join, norm, shape, tokens
from archdsl.ops.tensor import TensorSpec


def simplify(root: Frame, results: Iterable[Value]) -> None:
    """Puts one step in place of some where nothing else takes what is between them."""
    steps = list(root.steps())
    uses = Counter(value for step in steps for value in step.inputs)
    uses.update(results)
    made = {step.output: step for step in steps}
    gone: set[Step] = set()
    for step in steps:
        row = [step]  # the last first
        while len(row) < 3 and len(row[-1].inputs) == 1:
            before = made.get(row[-1].inputs[0])
            if before is None or uses[before.output] != 1 or before in gone:
                break
            row.append(before)
        for count in (3, 2):
            few = row[:count][::-1]
            if len(few) == count and _joined(few):
                made[few[_KEPT[count]].output] = few[_KEPT[count]]
                gone.update(other for other in few if other is not few[_KEPT[count]])
                break
    _without(root, gone)
    _alike(steps, gone)


def _alike(steps: Sequence[Step], gone: set[Step]) -> None:
    """Says of a cut-out that meets another map of its size that it is cut to the size of that."""
    places = {step.output: n for n, step in enumerate(steps)}
    for step in steps:
        if step in gone or not isinstance(step.op, join.Concat | join.Add | join.Multiply):
            continue
        for x in step.inputs:
            cut = steps[places[x]] if x in places else None
            if cut is None or not isinstance(cut.op, shape.Crop) or cut.op.size is None:
                continue
            for y in step.inputs:
                there = y is not x and places.get(y, -1) < places[x]
                if there and y.spec.layout == x.spec.layout and y.spec.spatial == cut.op.size:
                    cut.op, cut.inputs = shape.Crop(like=True), (*cut.inputs, y)
                    break


_KEPT = {3: 1, 2: 1}  # the step of a row that stays: the one in the middle, which may have weights


def _joined(steps: list[Step]) -> bool:
    """Whether steps are one op, which then stands in place of the one that is kept."""
    ops, x = [step.op for step in steps], steps[0].inputs[0]
    kept, last = steps[1], steps[-1]
    op: Op
    if len(steps) == 3 and isinstance(ops[1], norm.LayerNorm):
        rank = x.spec.rank
        there, back = (*range(1, rank + 1), 0), (rank, *range(rank))
        if (_order(steps[0]), _order(steps[2])) != (there, back) or rank < 1:
            return False
        if x.spec.layout != "channels_first" or last.output.spec != x.spec:
            return False
        op = ops[1]
    elif len(steps) == x.spec.rank and (size := _cut(steps)):
        op = shape.Crop(size=size)
    elif len(steps) == 3:
        groups = _shuffled(steps)
        if not groups:
            return False
        op = shape.ChannelShuffle(groups)
    elif isinstance(ops[0], shape.Reshape) and isinstance(ops[1], shape.Reshape):
        op = ops[1]
    else:
        flat = isinstance(ops[0], shape.Reshape) and _order(steps[1]) == (1, 0)
        whole = x.spec.layout == "channels_first" and 1 < x.spec.rank <= 3
        if not flat or not whole or steps[0].output.spec.shape[0] != x.spec.channels:
            return False
        op = tokens.Tokens()
    kept.op, kept.inputs, kept.output = op, (x,), last.output
    kept.name = op.verb if not kept.path else kept.name
    return True


def _cut(steps: list[Step]) -> tuple[int, ...]:
    """The size of the middle of a map that steps cut out along one axis after the other."""
    x = steps[0].inputs[0].spec
    ops = [step.op for step in steps if isinstance(step.op, shape.Slice)]
    if len(ops) < len(steps) or x.layout != "channels_first":
        return ()
    size = steps[-1].output.spec.spatial
    middles = [(whole - left) // 2 for whole, left in zip(x.spatial, size, strict=True)]
    asked = [(axis, 1, start) for axis, start in enumerate(middles, 1)]
    return size if [(op.axis, op.step, op.start) for op in ops] == asked else ()


def _order(step: Step) -> tuple[int, ...]:
    """Where a step puts the axes."""
    op, x = step.op, step.inputs[0].spec
    if isinstance(op, shape.Permute):
        return op.order
    if isinstance(op, tokens.ChannelsLast):
        return (*range(1, x.rank + 1), 0)
    return (x.rank, *range(x.rank)) if isinstance(op, tokens.ChannelsFirst) else ()


def _shuffled(steps: list[Step]) -> int:
    """The groups of channels that three steps interleave, 0 if that is not what they do."""
    first, turn, last = steps
    x = first.inputs[0].spec
    if not isinstance(first.op, shape.Reshape) or not isinstance(last.op, shape.Reshape):
        return 0
    split = first.output.spec.shape
    if x.layout != "channels_first" or not 1 <= x.rank <= 3 or len(split) != x.rank + 2:
        return 0
    groups = split[0]
    whole = split == (groups, x.channels // groups, *x.spatial) and x.channels % groups == 0
    swapped = _order(turn) == (1, 0, *range(2, len(split)))
    return groups if whole and swapped and last.output.spec == TensorSpec(x.shape) else 0


def _without(frame: Frame, gone: set[Step]) -> None:
    frame.parts = [part for part in frame.parts if part not in gone]
    for part in frame.parts:
        if isinstance(part, Frame):
            _without(part, gone)
