"""What became of every tensor of a file and of a module."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from archdsl.diagnostics.text import counted

SHOWN = 8  # keys of each kind that a report lists
COUNTER = "num_batches_tracked"  # of batch norms, which files from before they existed lack


@dataclass(frozen=True)
class Report:
    """What `load_weights` did: every key of the file and of the module is in one of the lists.

    `taken` are keys of the module that have the file's values under the same name, `renamed` those
    of the file with ours, `adapted` ours with what was done to fit them. `left` are keys of the
    file that nothing took, `missing` ours that have the values they had. `reading` says how the
    file was read (`inside of model`, `without the prefix module.`), `origin` what the file says it
    was saved from.
    """

    file: str
    reading: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    adapted: Mapping[str, str] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    origin: str = ""
    notes: tuple[str, ...] = ()

    @property
    def untrained(self) -> list[str]:
        """The parameters and statistics that the file had no values for."""
        return [key for key in self.missing if not key.endswith(COUNTER)]

    def __str__(self) -> str:
        """A line on the file, then one for every kind of key that there is."""
        loaded = counted(len(self.taken) + len(self.renamed), "tensor")
        lines = [", ".join([f"{self.file}: {loaded} loaded", *self.reading])]
        lines += [f"  saved from {self.origin}"] if self.origin else []
        pairs = [f"{theirs} -> {ours}" for theirs, ours in self.renamed.items()]
        changed = [f"{key}: {what}" for key, what in self.adapted.items()]
        lines += listed("renamed", pairs) + listed("adapted", changed)
        lines += listed("left in the file", self.left)
        lines += listed("missing in the file, as before", self.missing)
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])


def listed(what: str, keys: Iterable[str]) -> list[str]:
    """A heading with the number of keys, the first of them, and how many more there are."""
    keys = list(keys)
    if not keys:
        return []
    rest = [f"    ... and {len(keys) - SHOWN} more"] if len(keys) > SHOWN else []
    return [
        f"  {counted(len(keys), 'key')} {what}:",
        *(f"    {key}" for key in keys[:SHOWN]),
        *rest,
    ]
