"""The distinct blocks of a network, and in which numbers those that are drawn as one differ."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from string import ascii_lowercase

from archdsl.diagnostics.errors import UsageError
from archdsl.figures.network.description import Description
from archdsl.figures.network.labels import Term
from archdsl.figures.network.manner import Manner, words_of
from archdsl.figures.network.names import Names
from archdsl.figures.network.tree import QUIET, boxes, signature
from archdsl.figures.network.units import Unit

FORMS = 200  # of a block, among which those that can be drawn as one are looked for

NAMED = 4  # runs of blocks that are one; the others are counted


@dataclass(frozen=True, slots=True)
class Variant:
    """Units that are one block in all their numbers: channels, strides, groups, heads."""

    name: str
    units: tuple[Unit, ...]
    numbers: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class BlockKind:
    """Units that are one block but for their numbers: `shown` stands for all of them.

    `variants` has them apart. `columns` are the places in their numbers that differ, each different
    in another way; in the drawn block what stands there stands nowhere else. `note` says which
    norms or activations tell it from another kind that looks alike.
    """

    letter: str
    shown: Unit
    name: str
    variants: tuple[Variant, ...]
    columns: tuple[int, ...]
    note: str = ""

    @property
    def units(self) -> tuple[Unit, ...]:
        return tuple(unit for variant in self.variants for unit in variant.units)

    def stands(self) -> Iterator[str]:
        """The paths that it is drawn for: units, and the norms and activations that it shows."""
        told = [n for n, box in enumerate(boxes(self.shown.chain)) if box.verb == QUIET]
        for unit in self.units:
            found = boxes(unit.chain)
            yield unit.id
            yield from (path for n in told for path in (found[n].id, *found[n].stands))

    def rows(self) -> list[tuple[str, list[str], bool]]:
        """The names of the variants, what they differ in, and which is drawn; none for one."""
        if len(self.variants) == 1:
            return []
        return [
            (
                variant.name,
                [variant.numbers[n].number for n in self.columns],
                self.shown in variant.units,
            )
            for variant in self.variants
        ]


def letter(number: int) -> str:
    """a, b, ... z, aa, ab, ..."""
    before = letter(number // 26 - 1) if number >= 26 else ""
    return before + ascii_lowercase[number % 26]


def block_kinds(description: Description) -> tuple[BlockKind, ...]:
    """The distinct blocks in order of appearance; the longest stage shows each where it can."""
    found: dict[object, list[Unit]] = {}
    for unit in description.units:
        if unit.kind != "op" and unit.chain:
            found.setdefault((unit.block, signature(unit.chain), unit.manner), []).append(unit)
    names = description.names
    groups = [group for units in found.values() for group in _legible(_variants(units, names))]
    groups.sort(key=lambda group: names.order[group[0].units[0].id])
    longest = max(description.stages, key=lambda stage: stage.repeat, default=None)
    liked = {unit.id for unit in longest.units} if longest else set()
    kinds = [_kind(letter(n), group, liked, names) for n, group in enumerate(groups)]
    alike: dict[object, dict[Manner, None]] = {}
    for unit in (kind.shown for kind in kinds):
        alike.setdefault((unit.block, signature(unit.chain)), {})[unit.manner] = None
    return tuple(replace(kind, note=_note(kind.shown, alike)) for kind in kinds)


def _note(shown: Unit, alike: Mapping[object, Iterable[Manner]]) -> str:
    """How a block differs from the first that is like it but for its manner."""
    manners = alike[shown.block, signature(shown.chain)]
    other = next((manner for manner in manners if manner != shown.manner), None)
    return "" if other is None else words_of(shown.manner, other)


def _variants(units: Sequence[Unit], names: Names) -> list[Variant]:
    """Units of one signature, told apart by their numbers."""
    found: dict[tuple[Term, ...], list[Unit]] = {}
    for unit in units:
        ends = unit.input.channels, unit.chain[-1].output.channels
        start, end = (Term("out", (channels,)) for channels in ends)
        found.setdefault((start, *unit.numbers, end), []).append(unit)
    return [
        Variant(names.several([unit.id for unit in alike], NAMED), tuple(alike), key)
        for key, alike in found.items()
    ]


def _legible(found: Sequence[Variant]) -> list[list[Variant]]:
    """The variants in groups, one of each of which can be drawn so that a reader finds the rest."""
    if _clear(found):
        return [list(found)]
    if len(found) > FORMS:
        block = found[0].units[0].block
        raise UsageError(
            f"{block} has {len(found):,} forms that no drawing of one tells apart, more than"
            f" {FORMS}; --kind strip shows its stages, --only a part"
        )
    groups: list[list[Variant]] = []
    for variant in found:
        group = next((group for group in groups if _clear([*group, variant])), None)
        if group is None:
            groups.append([variant])
        else:
            group.append(variant)
    return groups


def _columns(group: Sequence[Variant]) -> dict[tuple[str, ...], int]:
    """What varies over variants, each way of varying once, with the first place where it does."""
    columns: dict[tuple[str, ...], int] = {}
    for place, terms in enumerate(zip(*(variant.numbers for variant in group), strict=True)):
        columns.setdefault(tuple(term.text for term in terms), place)
    return columns


def _clear(group: Sequence[Variant]) -> list[Variant]:
    """The variants in whose drawing every number says which column it belongs to."""
    columns = list(_columns(group))
    varying = [values for values in columns if len(set(values)) > 1]
    clear = []
    for number, variant in enumerate(group):
        written = Counter(values[number] for values in columns)
        if all(written[values[number]] == 1 for values in varying):
            clear.append(variant)
    return clear


def _kind(letter: str, group: Sequence[Variant], liked: Set[str], names: Names) -> BlockKind:
    clear = [(unit, variant) for variant in _clear(group) for unit in variant.units]
    shown, variant = next((pair for pair in clear if pair[0].id in liked), clear[0])
    alike = [unit for unit in variant.units if unit.input == shown.input]
    places = tuple(n for values, n in _columns(group).items() if len(set(values)) > 1)
    return BlockKind(
        letter, shown, names.several([unit.id for unit in alike], NAMED), tuple(group), places
    )
