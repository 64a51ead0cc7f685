"""What figures call parts of a network: as little of their paths as says which is meant."""

from collections import Counter
from collections.abc import Callable, Collection, Container, Iterator, Sequence
from functools import cached_property

from archdsl.diagnostics.text import rest_of

Called = Callable[[str], str | None]


def unnamed(path: str) -> str | None:
    """What an author who says nothing calls a path."""
    return None


def once(path: str, name: str) -> str:
    """What is said of a path that has a name, where no weights are applied again."""
    return name


class Names:
    """Names of paths and of parts around them, such that nothing else in a figure has the same.

    What is in `others` is no name of what is drawn of it. What the author calls a path goes before.
    `told` says where weights are applied again: `head (again)`, not `head@1`.
    """

    def __init__(
        self, paths: Sequence[str], others: Container[str] = (), called: Called = unnamed,
        told: Callable[[str, str], str] = once,
    ) -> None:  # fmt: skip
        self.others, self.called, self.told = others, called, told
        self.order = {path: place for place, path in enumerate(paths)}
        self.held = Counter(part for path in paths for part in _around(path))  # paths in a part

    @cached_property
    def ends(self) -> Counter[str]:
        return Counter(end for path in self.order for end in _ends(path))

    @cached_property
    def parts(self) -> Counter[str]:
        """How many parts that directly hold a path have an end."""
        parents = {path.rpartition(".")[0] for path in self.order}
        return Counter(end for part in parents for end in _ends(part))

    def one(self, path: str) -> str:
        """The end of a path from its last name on; from one before if others have that end too."""
        return self.called(path) or self.told(path, _alone(path, self.ends))

    def run(self, ids: Sequence[str]) -> str:
        """What a run is called: `layer1` for all of `layer1.0`, `.1`, ...; `features.2–3`."""
        first, last = ids[0], ids[-1]
        parent = self.whole(ids)
        if parent and (len(ids) > 1 or first.rpartition(".")[2][:1].isdigit()):
            return self._part(parent)
        if len(ids) > 1 and self.called(first) and self.called(last):
            return f"{self.one(first)}–{self.one(last)}"
        return f"{self.one(first)}–{self._rest(first, last)}" if len(ids) > 1 else self.one(first)

    def several(self, ids: Sequence[str], most: int = 0) -> str:
        """`layer1.1–2`; `features.5.0, 2, 4`, runs of paths that follow one another.

        Of more than `most` runs, if that is said, the rest is counted.
        """
        runs: list[list[str]] = []
        for id in ids:
            if runs and self.order[id] == self.order[runs[-1][-1]] + 1:
                runs[-1].append(id)
            else:
                runs.append([id])
        if all(map(self.called, ids)):
            return ", ".join(dict.fromkeys(map(self.one, ids)))
        shown = runs[:most] if most else runs
        parts = [self.one(ids[0]), *(self._rest(ids[0], run[0]) for run in shown[1:])]
        told = ", ".join(
            part if len(run) == 1 else f"{part}–{self._rest(run[0], run[-1])}"
            for part, run in zip(parts, shown, strict=True)
        )
        rest = sum(map(len, runs[len(shown) :]))
        return f"{told} and {rest} more" if rest else told

    def whole(self, ids: Sequence[str]) -> str:
        """The path that these and no others lie directly or deeper under, "" if there is none."""
        parent = ids[0].rpartition(".")[0]
        inside = all(id.startswith(f"{parent}.") for id in ids)
        whole = inside and self.held[parent] == len(ids) and parent not in self.others
        return parent if whole else ""

    def largest(self, part: str, inside: Collection[str]) -> str:
        """The largest part around one that holds only paths from `inside`, "" if there is none."""
        found = ""
        while part and sum(id.startswith(f"{part}.") for id in inside) == self.held[part]:
            found = found if part in self.others else part
            part = part.rpartition(".")[0]
        return found

    def end(self, path: str) -> str:
        """The end of a path from its last name on, whatever else has it."""
        return self.called(path) or self.told(path, end_of(path))

    def _rest(self, first: str, last: str) -> str:
        """The part of a path that tells it from another; all of one that is applied again."""
        return self.one(last) if "@" in first + last else rest_of(first, last)

    def _part(self, part: str) -> str:
        """The name of a part, or of one around it that holds no more if others have that name."""
        if said := self.called(part):
            return said
        above = part.rpartition(".")[0]
        while self.parts[next(_ends(part))] > 1 and above and self.held[above] == self.held[part]:
            part, above = above, above.rpartition(".")[0]
        return self.told(part, _alone(part, self.parts))


def end_of(path: str) -> str:
    """The end of a path from its last name on: `fc1` of `layer1.0.fc1`."""
    return next(_ends(path), "").lstrip("_")


def _around(path: str) -> Iterator[str]:
    """The parts that hold a path, the nearest first."""
    while "." in path:
        path = path.rpartition(".")[0]
        yield path


def _ends(path: str) -> Iterator[str]:
    """The ends of a path that begin with a name and not with a number, then the path itself."""
    parts = path.split(".")
    for start in reversed(range(1, len(parts))):
        if not parts[start][:1].isdigit():
            yield ".".join(parts[start:])
    yield path


def _alone(path: str, ends: Counter[str]) -> str:
    """The first end of a path that no other has."""
    return next((end for end in _ends(path) if ends[end] == 1), path).lstrip("_")
