"""A document laid over the one that it extends."""

from collections.abc import Iterator, Mapping
from typing import Any

from archdsl.language.blocks import is_long_form
from archdsl.yaml.source import Path, Source

MERGED = {  # key -> depth
    "params": 1, "scaling": 2, "defaults": 2, "blocks": 1, "weights": 2, "lint": 1,
}  # fmt: skip


def overlay(base: Source, child: Source) -> Source:
    """The base with the child's entries in place of its own; every span stays in its file.

    What was expected of the base need not hold any more, so `expect` is not taken over.
    """
    data = {key: value for key, value in base.data.items() if key not in ("extends", "expect")}
    moved: dict[Path, Path] = {}  # from the child to where it stands in the result
    for key, value in child.data.items():
        if key != "extends":
            _put(data, (key,), value, MERGED.get(key, 0), moved)
    below = () if child.name == base.name else (base.name,)  # a call changes a source itself
    result = Source(child.name, child.text, data, bases=(*below, *base.bases))
    replaced = set(moved.values())
    for mine, old, new in (
        (result.spans, base.spans, child.spans),
        (result.keys, base.keys, child.keys),
    ):
        mine.update({p: span for p, span in old.items() if not any(_heads(p, replaced))})
        for path, span in new.items():
            for head in _heads(path, moved):
                mine[(*moved[head], *path[len(head) :])] = span
    result.keys.update({path: span for path, span in child.keys.items() if len(path) == 1})
    result.spans[()] = child.spans.get((), base.spans[()])
    return result


def _put(
    table: dict[str, Any], path: Path, value: Any, depth: int, moved: dict[Path, Path]
) -> None:
    """Puts one entry into a table, merging to a depth; a parameter's long form keeps its type."""
    key = str(path[-1])
    old = table.get(key)
    if depth and isinstance(value, dict) and isinstance(old, dict):
        table[key] = dict(old)
        for name, part in value.items():
            _put(table[key], (*path, name), part, depth - 1, moved)
    elif path[:-1] == ("params",) and is_long_form(old) and not is_long_form(value):
        table[key] = {**table[key], "default": value}
        moved[path] = (*path, "default")
    else:
        table[key] = value
        moved[path] = path


def _heads(path: Path, known: Mapping[Path, Any] | set[Path]) -> Iterator[Path]:
    """The beginnings of a path that are known."""
    return (path[:n] for n in range(1, min(len(path), 4) + 1) if path[:n] in known)
