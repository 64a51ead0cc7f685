"""Another op or block wherever an op is written: which for which, and where."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from archdsl.diagnostics.suggest import did_you_mean
from archdsl.language.checker import Visible
from archdsl.language.patterns import ALL, ANYWHERE, Ahead, entered, fits_on, start
from archdsl.language.reader import Reader
from archdsl.language.syntax import Document, Frozen, Literal, Replacement, Verb
from archdsl.ops import OPS
from archdsl.yaml.source import Place

_EXAMPLE = "write `replace: {relu: silu}`, or a list of `{op: relu, at: layer4, with: silu}`"
_KEYS = ("op", "at", "with")


@dataclass(frozen=True)
class Replacements:
    """Those of a document, as they are seen from a place in it: the first that fits is taken."""

    rules: tuple[tuple[Replacement, Ahead], ...] = ()

    @classmethod
    def of_all(cls, document: Document) -> "Replacements":
        """As they are seen from the whole network; frozen norms where nothing else is said."""
        rules = (*document.replacements, *document.settled)
        return cls(tuple((rule, start(rule.at)) for rule in rules))

    @property
    def uniform(self) -> bool:
        """Whether each holds for everything here."""
        return all(ahead == ALL for _, ahead in self.rules)

    def under(self, path: str) -> "Replacements":
        """As they are seen from what stands at a path."""
        if self.uniform or not path:
            return self
        found = [(rule, entered(rule.at, ahead, path)) for rule, ahead in self.rules]
        return Replacements(tuple((rule, ahead) for rule, ahead in found if ahead))

    def of(self, op: str, path: str = "") -> Replacement | None:
        """What stands for an op at a path; None if it stays."""
        for rule, ahead in self.rules:
            if rule.op == op and fits_on(rule.at, ahead, path):
                return rule
        return None


NONE = Replacements()


def frozen_norms(frozen: Iterable[Frozen]) -> Iterator[Replacement]:
    """Batch norms with kept statistics, wherever parts are frozen or batch norms are."""
    for one in frozen:
        if not one.op or one.word == "batch_norm":
            kept = Verb("batch_norm", {"frozen": Literal(True, one.place)}, one.place)
            yield Replacement("batch_norm", kept, ANYWHERE if one.op else one.word, one.place)


def read_replacements(
    reader: Reader, raw: Any, place: Place, visible: Visible
) -> Iterator[Replacement]:
    """What is written under `replace`: a mapping of ops, one rule with its keys, or a list."""
    if isinstance(raw, list):
        for n, one in enumerate(raw):
            yield from read_replacements(reader, one, place / n, visible)
    elif not isinstance(raw, dict):
        reader.error("E0203", "replace must be a mapping or a list", place.span, _EXAMPLE)
    elif {"op", "with"} & raw.keys():
        yield from _rule(reader, raw, place, visible)
    else:
        for op, by in raw.items():
            if _is_op(reader, op, place / op):
                made = reader.item_argument(by, place / op, visible)
                if made is not None:
                    yield Replacement(op, made, ANYWHERE, place / op)


def _rule(
    reader: Reader, raw: Mapping[str, Any], place: Place, visible: Visible
) -> Iterator[Replacement]:
    """`{op: relu, at: layer4, with: silu}`."""
    good = True
    for key in raw.keys() - set(_KEYS):
        good = False
        reader.error("E0201", f"unknown key `{key}`", (place / key).key, did_you_mean(key, _KEYS))
    for key in ("op", "with"):
        if key not in raw:
            good = False
            reader.error("E0202", f"`{key}` is missing", place.span, _EXAMPLE)
    at, op = raw.get("at", ANYWHERE), raw.get("op")
    if not isinstance(at, str) or not at:
        good = False
        help = "`at: layer4`, `at: '*.bn1'`"
        reader.error("E0203", "at must be a path, or a pattern of some", (place / "at").span, help)
    good &= "op" in raw and _is_op(reader, op, place / "op")
    made = reader.item_argument(raw["with"], place / "with", visible) if "with" in raw else None
    if good and made is not None:
        yield Replacement(str(op), made, at, place)


def _is_op(reader: Reader, op: Any, place: Place) -> bool:
    """Whether a word is an op, which alone can be replaced."""
    if isinstance(op, str) and op in OPS:
        return True
    help = did_you_mean(str(op), OPS)
    if isinstance(op, str) and reader.is_layer(op):
        help = "a block is changed by one of its name under `blocks`"
    span = place.span if place.path[-1:] == ("op",) else place.key
    reader.error("E0205", f"`{op}` is not an op", span, help)
    return False
