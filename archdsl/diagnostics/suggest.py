"""What was probably meant."""

import difflib
from collections.abc import Iterable

from archdsl.diagnostics.vocabulary import OTHER_WORDS, plain

MANY = 2_000  # names, in which to look for a near one would take long


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
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """A help line: the nearest candidate, else the short list of what there is."""
    known = sorted(set(candidates))
    close = nearest(name, known)
    if close is not None:
        return f"did you mean `{close}`?"
    if not known:
        return ""
    shown = known[:12]
    return "known: " + ", ".join(shown) + (", ..." if len(known) > len(shown) else "")
