"""What is known of tensors while a module is run, and the steps and calls that are written down."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any

from torch import Tensor, nn
from torch._subclasses.fake_tensor import unset_fake_temporarily

from archdsl.ops import Op, Weight
from archdsl.ops.tensor import TensorSpec

BATCH = 61  # a prime, and no size of a map, of a window or of channels

Reader = Callable[..., Any]


class Unread(Exception):
    """No op of ours says what a call does; the message is why."""


@dataclass(eq=False, slots=True)
class Value:
    """A tensor that came from the inputs; `problem` is why no op of ours gives it, if none does.

    PyTorch's tensor may have the axis of the batch elsewhere (`at`), or in one with the first
    `folded` axes of ours, as windows have; None for `at` is a weight's, without a batch. `of` is
    the value that is seen so.
    """

    spec: TensorSpec
    input: str = ""
    problem: str = ""
    at: int | None = 0
    folded: int = 0
    of: "Value | None" = None
    spread: tuple[int, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether the batch is the first axis, alone, and nothing is spread."""
        return self.at == 0 and not self.folded and not self.spread

    @property
    def shape(self) -> tuple[int, ...]:
        """That of PyTorch's tensor; it may be `spread` along axes of size 1."""
        if self.spread:
            return self.spread
        sizes = [*self.spec.shape[self.folded :]]
        if self.at is not None:
            sizes.insert(self.at, BATCH * prod(self.spec.shape[: self.folded]))
        return tuple(sizes)

    def seen(self, at: int | None = 0, folded: int = 0) -> "Value":
        """The same value with the batch elsewhere."""
        if (at, folded) == (self.at, self.folded):
            return self
        return Value(self.spec, self.input, self.problem, at, folded, self.of or self)


@dataclass(frozen=True, slots=True)
class Learned:
    """A parameter or buffer, or one seen with other axes of size 1; without a key what was made
    of some: by the function `made` of what is known of its arguments."""

    key: str
    shape: tuple[int, ...]
    trained: bool = True
    made: "Made | None" = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Made:
    """A call that made a tensor of weights alone."""

    name: str
    args: Any
    kwargs: Any
    result: Any


@dataclass(frozen=True, slots=True)
class Fixed:
    """A tensor that depends on no input and on no weight, and its numbers where they are known."""

    shape: tuple[int, ...]
    values: Tensor | None = field(default=None, compare=False, repr=False)

    def numbers(self) -> list[Any]:
        """Its numbers in a row; raises Unread if they are not known."""
        if self.values is None:
            raise Unread("positions that a tensor says")
        with unset_fake_temporarily():
            found: list[Any] = self.values.flatten().tolist()
        return found


@dataclass(eq=False)
class Step:
    """One op: on what, what it gives, and the path of its weights if it has some."""

    op: Op
    inputs: tuple[Value, ...]
    output: Value
    weights: tuple[Weight, ...]
    path: str
    name: str  # what to call it where nothing else does


@dataclass(eq=False)
class Frame:
    """A call of a module, with the steps and calls in it in order."""

    path: str
    module: nn.Module
    parent: "Frame | None"
    parts: "list[Frame | Step]" = field(default_factory=list)

    def steps(self) -> Iterator[Step]:
        for part in self.parts:
            if isinstance(part, Step):
                yield part
            else:
                yield from part.steps()
