"""How an op treats memory: where its output lies, what its backward pass needs."""

from dataclasses import dataclass
from typing import Literal

Saves = Literal["nothing", "inputs", "output", "both"]


@dataclass(frozen=True, slots=True)
class Storage:
    """Where the output of an op lies and what stays of it until the backward pass.

    `lies`: in memory of its own (`new`), in that of its first input (`view`), or there in inference
    only (`passed`). `saves`: what the backward pass needs of its tensors. `over`: what that is
    where the op writes over its first input (`inputs`: a copy); None if it never does. `kept` is
    how many numbers it keeps besides, `scratch` how many it needs while it runs, `indices` how many
    whole numbers it does both with. However many images there are: `made` is how many numbers it
    needs while it runs, `held` how many it keeps. `alone` is what is true where no gradient goes to
    its inputs, `fixed` where its weights do not learn, None if that makes no difference. `partial`
    are the numbers of what it computes of its first two inputs, of its first three...: each is kept
    if what it is multiplied with learns.
    """

    lies: Literal["new", "view", "passed"] = "new"
    saves: Saves = "nothing"
    over: Saves | None = None
    kept: int = 0
    scratch: int = 0
    indices: int = 0
    made: int = 0
    held: int = 0
    alone: "Storage | None" = None
    fixed: "Storage | None" = None
    partial: tuple[int, ...] = ()


NEW = Storage()
VIEW = Storage("view")
INPUTS = Storage(saves="inputs")
OUTPUT = Storage(saves="output")
FACTOR = Storage(saves="inputs", fixed=NEW)  # multiplies by its weight, whose gradient reads both
OVER_COPY = Storage(saves="inputs", over="inputs")  # saves a copy where it writes over its input
