"""What was probably meant."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from heapq import nlargest, nsmallest

from archdsl.diagnostics.vocabulary import OTHER_WORDS, plain

MANY = 500  # names, more than which nobody wrote by hand
LONG = 60  # characters of a name, more than which are compared with no other
FEW = 20  # names that are compared letter by letter
_MEANT = "did you mean `{}`?"
ALIKE = 0.6  # from there on a name may have been meant (0 is nothing in common, 1 the same)


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `name` was most likely meant to be, or None: also where there are so many
    that nobody wrote them by hand."""
    found = set(candidates)
    if len(found) > MANY:
        return name if name in found else None
    known = sorted(found)
    bare = {plain(candidate): candidate for candidate in reversed(known)}
    if plain(name) in bare:
        return bare[plain(name)]
    for word in OTHER_WORDS.get(plain(name), ()):
        if word in known:
            return word
    return _most_alike(name, known) if len(name) <= LONG else None


def _most_alike(name: str, known: Iterable[str]) -> str | None:
    """The name most like another; those with the most letters in common are looked at first."""
    matcher = SequenceMatcher(b=name)
    bounds = []  # how alike they can be at most
    for word in known:
        matcher.set_seq1(word)
        if len(word) <= LONG and matcher.real_quick_ratio() >= ALIKE:
            bounds.append((matcher.quick_ratio(), word))
    found: list[tuple[float, str]] = []
    for bound, word in nlargest(FEW, bounds):
        if bound < max(found, default=(ALIKE, ""))[0]:
            break
        matcher.set_seq1(word)
        found.append((matcher.ratio(), word))
    score, word = max(found, default=(0.0, ""))
    return word if score >= ALIKE else None


def meant(help: str) -> str | None:
    """The word that a help line asks for, if it does nothing else."""
    before, after = _MEANT.split("{}")
    if not (help.startswith(before) and help.endswith(after)):
        return None
    word = help[len(before) : len(help) - len(after)]
    return None if "`" in word else word


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """A help line: the nearest candidate, else the short list of what there is."""
    known = set(candidates)
    close = nearest(name, known)
    if close is not None:
        return _MEANT.format(close)
    if not known:
        return ""
    shown = nsmallest(12, known)
    return "known: " + ", ".join(shown) + (", ..." if len(known) > len(shown) else "")
