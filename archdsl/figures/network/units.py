"""Units: what a figure draws as one slab of a network. Plain data."""

from dataclasses import dataclass
from math import sqrt
from typing import Literal

from archdsl.analysis.cost import Cost
from archdsl.figures.network.labels import Term, word
from archdsl.figures.network.manner import Manner
from archdsl.figures.network.tree import (
    Box,
    Chain,
    Join,
    boxes,
    numbers,
)
from archdsl.ops.tensor import TensorSpec

UnitKind = Literal["op", "block", "dense"]
ALIKE = 1.2  # sizes of maps this close are one resolution


@dataclass(frozen=True, slots=True)
class Unit:
    """One slab of a figure: an op, a block, or the layers of a dense block together.

    `chain` is what a block holds, empty if its ways lead elsewhere; if it takes or gives several
    things, or is empty, `ops` are its operations in order;
    `manner` what no box says of them, with norms and activations, `after` of those that follow it;
    `layers` counts those of a dense block; `outputs` are what it gives, several where its weights
    are applied to several maps; `turns` is how often they are applied, each time to the result of
    the time before.
    """

    id: str
    kind: UnitKind
    block: str
    role: str
    input: TensorSpec
    outputs: tuple[TensorSpec, ...]
    cost: Cost
    chain: Chain
    layers: int = 1
    container: str = ""
    ops: tuple[Box, ...] = ()
    manner: Manner = ()
    after: Manner = ()
    turns: int = 1

    @property
    def applied(self) -> str:
        """How often its weights are used, if that is not once."""
        if self.turns > 1:
            return f"{self.turns} times, shared weights"
        return f"on each of {len(self.outputs)} maps" if len(self.outputs) > 1 else ""

    @property
    def shared(self) -> str:
        """Whose weights it applies again, drawn apart from where they are applied first."""
        name, _, again = self.id.partition("@")
        return f"weights of {name}" if again else ""

    @property
    def numbers(self) -> tuple[Term, ...]:
        """Everything in which it may differ from a block of its kind, its input aside."""
        return tuple(numbers(self.chain or self.ops))

    @property
    def paths(self) -> tuple[str, ...]:
        """Its path, and those of what its only box says besides."""
        said = (id for box in boxes(self.chain) for id in box.stands) if self.kind == "op" else ()
        return (self.id, *said)

    @property
    def shown(self) -> bool:
        """Whether strips, columns and tables show it: a join alone is seen by what it joins."""
        return self.kind != "op" or self.role != "norm"

    @property
    def telling(self) -> Box | None:
        """The box that gives it its color, if it is drawn at all."""
        return next((b for b in boxes(self.chain or self.ops) if b.role == self.role), None)

    @property
    def output(self) -> TensorSpec:
        return self.outputs[0]

    @property
    def projects(self) -> bool:
        """Whether a block strides (a lost border is no stride), or its shortcut is no identity."""
        if self.kind == "block" and resolution(self.input) > ALIKE * resolution(self.output):
            return True
        return any(isinstance(i, Join) and i.projects for i in self.chain)

    @property
    def residual(self) -> bool:
        return any(isinstance(item, Join) and item.residual and item.skips for item in self.chain)

    @property
    def terms(self) -> tuple[Term, ...]:
        """What its only box says, or the name of its block; and whose weights it applies again."""
        first = self.chain[0] if len(self.chain) == 1 else None
        block = (word(self.block.replace("_", " ")),)
        shared = (word(self.shared),) if self.shared else ()
        return (*(first.terms if isinstance(first, Box) else block), *shared)


def resolution(spec: TensorSpec) -> float:
    """The side of a map; of tokens that of the square they would fill; 1 for a vector."""
    if not spec.rank:
        return 1.0
    if spec.layout == "channels_last" and spec.rank == 1:
        return sqrt(spec.spatial[0])
    return float(max(spec.spatial))


def sides(spec: TensorSpec) -> tuple[float, float, float]:
    """The height and the width of a map, and its depth or time, 0 if it has no such axis.

    Tokens are the square that they would fill.
    """
    if spec.layout == "channels_last" and spec.rank == 1:
        return resolution(spec), resolution(spec), 0.0
    high, wide = (*spec.spatial, 0)[:2] if spec.rank == 1 else spec.spatial[-2:]
    return float(high), float(wide), float(spec.spatial[0] if spec.rank == 3 else 0)
