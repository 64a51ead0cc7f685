"""The tensors of a file beside those of a module: what goes where, and what does not fit."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archdsl.diagnostics.errors import CheckpointError
from archdsl.diagnostics.suggest import nearest
from archdsl.graph.renames import Renames
from archdsl.weights.adapting import adapted
from archdsl.weights.ancestry import Target
from archdsl.weights.report import COUNTER, listed

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Wanted:
    """What a module has, what is not asked for (`skip`), and what may be adapted.

    `extra` are the keys of what only training computes, which a file may lack as a whole.
    `classes` are the keys that may stay as they are where the number of classes differs,
    `channels` those whose input channels may be others; both empty unless that is asked for.
    """

    state: Mapping[str, "Tensor"]
    skip: tuple[str, ...] = ()
    under: str = ""
    extra: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()


@dataclass
class Match:
    """Every key of a file and of a module, where it belongs.

    `found` are our keys with theirs and the tensor, `left` and `over` theirs that nothing takes:
    the first may be left, the second may not. `missing` are ours that the file should have,
    `absent` ours that it need not.
    """

    found: dict[str, tuple[str, "Tensor"]] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    over: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    shapes: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    adapted: dict[str, str] = field(default_factory=dict)

    @property
    def wrong(self) -> int:
        """How many keys do not fit."""
        return sum(map(len, (self.over, self.missing, self.shapes, self.kinds)))


def match(
    name: str, tensors: Mapping[str, "Tensor"], target: Target, renames: Renames, wanted: Wanted
) -> Match:
    """Where every tensor of a file goes, if the file is of the target.

    Raises CheckpointError, calling the file by `name`, where two keys become one, or a name of ours
    cannot be made.
    """
    result = Match()
    used: set[str] = set()
    for key, tensor in tensors.items():
        here = _here(name, key, renames, wanted.under)
        if here is None:
            result.left.append(key)
            continue
        skipped = {
            prefix
            for prefix in wanted.skip
            if below(here, prefix) or (wanted.under and below(f"{wanted.under}.{here}", prefix))
        }
        used |= skipped
        place = f"{wanted.under}.{here}" if wanted.under else target.places.get(here, "")
        if skipped or place is None:
            result.left.append(key)
        elif place not in wanted.state:
            result.over.append(here if not wanted.under else place)
        elif place in result.found:
            raise CheckpointError(f"two keys of {name} become `{place}`")
        else:
            result.found[place] = key, tensor
    _require_used(wanted, used)
    _fit(result, target, wanted, renames.reshape)
    return result


def _here(name: str, key: str, renames: Renames, under: str) -> str | None:
    try:
        return renames.rename(key)
    except ValueError as error:
        raise CheckpointError(f"{name} has other names: {error}") from None


def _require_used(wanted: Wanted, used: set[str]) -> None:
    for prefix in wanted.skip:
        if prefix not in used and not any(below(key, prefix) for key in wanted.state):
            raise CheckpointError(f"neither module nor file has anything to skip at `{prefix}`")


def below(key: str, prefix: str) -> bool:
    """Whether a key is that of a path, or of what is in it."""
    return key == prefix or key.startswith(prefix + ".")


def _fit(result: Match, target: Target, wanted: Wanted, reshape: bool) -> None:
    """Holds what was found to the module's shapes, and looks for what was not."""
    due = {place for place in target.places.values() if place is not None}
    if not wanted.extra & result.found.keys():
        due -= wanted.extra
    for key, ours in wanted.state.items():
        skipped = any(below(key, prefix) for prefix in wanted.skip)
        if key not in result.found:
            optional = skipped or (not wanted.under and key not in due) or key.endswith(COUNTER)
            (result.absent if optional else result.missing).append(key)
            continue
        theirs, tensor = result.found[key]
        if kind(tensor) != kind(ours):
            result.kinds.append(f"{key}: {kind(tensor)}, not {kind(ours)}")
        elif tensor.shape != ours.shape:
            fitted = _fitted(key, tensor, ours, wanted, reshape, result)
            if fitted is None:
                del result.found[key]
            else:
                result.found[key] = theirs, fitted


def _fitted(
    key: str, tensor: "Tensor", ours: "Tensor", wanted: Wanted, reshape: bool, result: Match
) -> "Tensor | None":
    """The tensor in our shape, None if it has to be left; notes how it was done, or that not."""
    theirs, like = tuple(tensor.shape), tuple(ours.shape)
    if reshape and theirs[:1] == like[:1] and tensor.numel() == ours.numel():
        return tensor.reshape(ours.shape)
    if key in wanted.classes and theirs[1:] == like[1:]:
        result.adapted[key] = f"{theirs[0]} classes in the file, {like[0]} here: as it was before"
        return None
    if key in wanted.channels and (changed := adapted(tensor, ours)) is not None:
        how = "their sum" if like[1] == 1 else "repeated and scaled"
        result.adapted[key] = f"{theirs[1]} input channels in the file, {like[1]} here: {how}"
        return changed
    result.shapes.append(f"{key}: {theirs} for {like}")
    return tensor


def kind(tensor: "Tensor") -> str:
    """What a tensor holds: one kind is not cast to another, a precision is."""
    import torch

    if tensor.is_quantized:
        return "quantized numbers"
    if tensor.is_nested:  # which has no shape to compare
        return "a nested tensor"
    if tensor.layout is not torch.strided:
        return "a sparse tensor"
    if tensor.is_meta:
        return "no values"
    if tensor.is_complex():
        return "complex numbers"
    if tensor.is_floating_point():
        return "floating-point numbers"
    return "truth values" if tensor.dtype is torch.bool else "whole numbers"


def differences(result: Match) -> list[str]:
    """What does not fit, a kind after the other, with what was probably meant."""
    lines = listed("missing", [_hint(key, result.over) for key in result.missing])
    lines += listed("left over", [_hint(key, result.missing) for key in result.over])
    lines += listed("of another shape", result.shapes)
    lines += listed("of another kind", result.kinds)
    if place := _place(result.missing, result.over):
        lines.append(f"  the keys of the file may lie at a path here: under='{place}'")
    return lines


def _place(missing: list[str], over: list[str]) -> str:
    """The path at which most of what is left over would be what is missing, or nothing."""
    starts: Counter[str] = Counter()
    ends = set(over)
    for key in missing:
        parts = key.split(".")
        for depth in range(1, len(parts)):
            if ".".join(parts[depth:]) in ends:
                starts[".".join(parts[:depth])] += 1
    place, most = starts.most_common(1)[0] if starts else ("", 0)
    return place if most > len(over) / 2 else ""


def insides(result: Match) -> list[str]:
    """The paths in the file below which lies most of what is missing: of an average, a student."""
    starts: Counter[str] = Counter()
    missing = set(result.missing)
    for key in result.over:
        parts = key.split(".")
        for depth in range(1, len(parts)):
            if ".".join(parts[depth:]) in missing:
                starts[".".join(parts[:depth])] += 1
    return [place for place, found in starts.items() if found > len(missing) / 2]


def _hint(key: str, candidates: Iterable[str]) -> str:
    close = nearest(key, list(candidates)[:500]) if candidates else None
    return f"{key} (nearest: {close})" if close else key
