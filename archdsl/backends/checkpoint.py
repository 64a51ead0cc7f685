"""Weights in files: loading them into a module under other people's names, strictly, and saving.

Files are read with safetensors, or by PyTorch with `weights_only`, so that nothing in them runs.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from archdsl.diagnostics import UsageError, counted, nearest
from archdsl.expressions import ExpressionError, Names
from archdsl.files import replacing
from archdsl.templates import Template, parse_template

if TYPE_CHECKING:
    from torch import Tensor, nn

SHOWN = 8  # keys of each kind that an error lists


class CheckpointError(UsageError):
    """A file does not fit the module; the message lists every kind of difference."""


@dataclass(frozen=True)
class Rule:
    """`theirs: ours`, both paths of modules or prefixes of them; `ours` None drops the key."""

    theirs: str
    ours: str | None

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        parts = re.split(r"\{([^{}]*)\}", self.theirs)
        shown = [
            f"(?P<{part}>[^.]+?)" if position % 2 else re.escape(part)
            for position, part in enumerate(parts)
        ]
        return re.compile("".join(shown) + r"(?=\.|$)")

    @cached_property
    def template(self) -> Template:
        return parse_template(self.ours or "")

    def apply(self, key: str) -> tuple[bool, str | None]:
        """Whether the rule is for this key, and what becomes of it."""
        match = self.pattern.match(key)
        if match is None:
            return False, key
        if self.ours is None:
            return True, None
        values = {n: int(v) if v.isdecimal() else v for n, v in match.groupdict().items()}
        return True, self.template.format(Names(values, {})) + key[match.end() :]


def rename(key: str, rules: Iterable[Rule]) -> str | None:
    """Our name for their key: by the first rule that fits, unchanged if none does, None if dropped."""
    for rule in rules:
        fits, name = rule.apply(key)
        if fits:
            return name
    return key


def rules(keys: Mapping[str, str | None]) -> tuple[Rule, ...]:
    """Rules from a spec's `keys`; raises ValueError, naming the rule, for one that can't be read."""
    result = tuple(Rule(theirs, ours) for theirs, ours in keys.items())
    for rule in result:
        try:
            known = {*rule.pattern.groupindex}
            unknown = rule.template.names.keys() - known
        except (ExpressionError, re.error) as error:
            raise ValueError(f"{rule.theirs}: {error}") from None
        if unknown:
            raise ValueError(f"{rule.theirs}: `{min(unknown)}` is not in the pattern")
    return result


def read_tensors(path: str) -> dict[str, "Tensor"]:
    """The tensors of a safetensors or PyTorch file by key; raises CheckpointError if it is neither."""
    if not os.path.isfile(path):
        raise CheckpointError(f"no file {path}")
    try:
        if path.endswith(".safetensors"):
            from safetensors.torch import load_file

            return dict(load_file(path))
        import torch

        data = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each library has its own, and any of them means the same
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise CheckpointError(f"{path} is not a file of weights: {reason[0]}") from None
    if isinstance(data, Mapping) and isinstance(data.get("state_dict"), Mapping):
        data = data["state_dict"]
    if not isinstance(data, Mapping) or not all(isinstance(v, torch.Tensor) for v in data.values()):
        raise CheckpointError(f"{path} does not hold a state_dict")
    return dict(data)


def load_weights(
    module: "nn.Module",
    path: str,
    *,
    keys: Mapping[str, str | None] | None = None,
    skip: Iterable[str] = (),
) -> None:
    """Loads a file into a module, every key of which must be there with its shape and no other.

    `keys` maps the names in the file to ours, as a spec's `weights` does; modules whose paths begin
    with one in `skip` keep what they have (a new classifier). Nothing is changed if anything does
    not fit: CheckpointError lists what is missing, left over or of another shape.
    """
    skipped = tuple(skip)
    wanted = module.state_dict()
    for prefix in skipped:
        if not any(_below(key, prefix) for key in wanted):
            raise CheckpointError(f"the module has nothing to skip at `{prefix}`")
    renamed: dict[str, Tensor] = {}
    table = rules(keys or {})
    for key, tensor in read_tensors(path).items():
        name = rename(key, table)
        if name is not None and name in renamed:
            raise CheckpointError(f"two keys of {path} become `{name}`")
        if name is not None and not any(_below(name, prefix) for prefix in skipped):
            renamed[name] = tensor
    needed = {k: v for k, v in wanted.items() if not any(_below(k, prefix) for prefix in skipped)}
    _compare(path, needed, renamed)
    module.load_state_dict({**wanted, **renamed})


def save_weights(module: "nn.Module", path: str) -> None:
    """Writes a module's state_dict: safetensors by the suffix, else PyTorch's format."""
    state = {key: tensor.detach().cpu().contiguous() for key, tensor in module.state_dict().items()}
    with replacing(Path(path)) as temporary:
        if path.endswith(".safetensors"):
            from safetensors.torch import save_file

            save_file(state, temporary)
        else:
            import torch

            torch.save(state, temporary)


def _below(key: str, prefix: str) -> bool:
    return key == prefix or key.startswith(prefix + ".")


def _compare(path: str, needed: dict[str, "Tensor"], found: dict[str, "Tensor"]) -> None:
    """Raises CheckpointError unless keys and shapes are the same.

    The counters of batch norms may be missing, as PyTorch's own loading allows: files from before
    they existed have none.
    """
    missing = [k for k in needed if k not in found and not k.endswith("num_batches_tracked")]
    over = [k for k in found if k not in needed]
    other = [k for k in needed if k in found and needed[k].shape != found[k].shape]
    if not (missing or over or other):
        return
    lines = [f"{path} does not fit the module:"]
    lines += _listed("missing", [_hint(key, over) for key in missing])
    lines += _listed("left over", [_hint(key, missing) for key in over])
    shapes = [f"{k}: {tuple(found[k].shape)} for {tuple(needed[k].shape)}" for k in other]
    lines += _listed("of another shape", shapes)
    raise CheckpointError("\n".join(lines))


def _hint(key: str, candidates: list[str]) -> str:
    close = nearest(key, candidates[:500]) if candidates else None
    return f"{key} (nearest: {close})" if close else key


def _listed(what: str, keys: list[str]) -> list[str]:
    if not keys:
        return []
    rest = [f"    ... and {len(keys) - SHOWN} more"] if len(keys) > SHOWN else []
    return [
        f"  {counted(len(keys), 'key')} {what}:",
        *(f"    {key}" for key in keys[:SHOWN]),
        *rest,
    ]
