"""What is known of a tensor without computing it; the batch axis is never part of it."""

from dataclasses import dataclass
from math import prod
from typing import Literal

Layout = Literal["channels_first", "channels_last"]

INPUT = "input"  # the name of what a network or block is given
AXES = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}  # names of the spatial axes by rank


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """The shape of one example: `(C, H, W)` for a map, `(C,)` for a vector, `(N, C)` for tokens."""

    shape: tuple[int, ...]
    layout: Layout = "channels_first"

    @property
    def channels(self) -> int:
        return self.shape[0] if self.layout == "channels_first" else self.shape[-1]

    @property
    def spatial(self) -> tuple[int, ...]:
        return self.shape[1:] if self.layout == "channels_first" else self.shape[:-1]

    @property
    def rank(self) -> int:
        """The number of spatial axes."""
        return len(self.shape) - 1

    @property
    def elements(self) -> int:
        return prod(self.shape)

    def with_channels(self, channels: int) -> "TensorSpec":
        if self.layout == "channels_first":
            return TensorSpec((channels, *self.spatial))
        return TensorSpec((*self.spatial, channels), self.layout)

    def names(self) -> dict[str, int]:
        """The shape as expressions see it: `C`, and the spatial axes of a map."""
        spatial = AXES.get(self.rank, ()) if self.layout == "channels_first" else ()
        return {"C": self.channels, **dict(zip(spatial, self.spatial, strict=False))}

    def __str__(self) -> str:
        return "x".join(map(str, self.shape))
