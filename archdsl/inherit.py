"""Several files to one document: `extends`, `import`, and what the command line changes."""

import os
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from archdsl.diagnostics import Label, Sink, UsageError, did_you_mean
from archdsl.limits import Limits
from archdsl.scaling import RULES
from archdsl.source import Path, Source, parse, read_text
from archdsl.syntax import (
    Block,
    Document,
    check_version,
    name_problem,
    read_blocks,
    read_bodies,
    read_document,
)  # fmt: skip

LIBRARY = pathlib.Path(__file__).parent / "library"
MERGED = {"params": 1, "scaling": 2, "defaults": 2, "blocks": 1, "weights": 1}  # key -> depth


@dataclass
class Loader:
    """Reads a spec and the files it names; `sources` holds the text of each for messages."""

    sink: Sink
    limits: Limits = field(default_factory=Limits)
    sources: dict[str, str] = field(default_factory=dict)

    def load(
        self,
        path: str,
        settings: Mapping[str, str] | None = None,
        scale: Mapping[str, str] | None = None,
    ) -> Document | None:
        """The document at `path` with `--set` and `--scale` applied, or None with reasons in `sink`.

        Raises UsageError for a file that can't be read and for a setting that the spec does not have.
        """
        source = self.merged(path, ())
        return None if source is None else self.document(source, settings, scale)

    def loads(self, text: str, name: str = "<text>") -> Document | None:
        """The document in a string; `extends` is relative to the working directory."""
        source = self.extended(self.parsed(text, name), ())
        return None if source is None else self.document(source, None, None)

    def document(
        self, source: Source, settings: Mapping[str, str] | None, scale: Mapping[str, str] | None
    ) -> Document | None:
        self.override(source, settings or {}, scale or {})
        blocks: dict[str, Block] = {}
        if isinstance(source.data, dict):
            self.imports(source, blocks, ())
        return read_document(source, blocks, self.sink)

    def parsed(self, text: str, name: str) -> Source | None:
        self.sources[name] = text
        return parse(text, name, self.sink, self.limits)

    def merged(self, path: str, chain: tuple[str, ...]) -> Source | None:
        """A file with what it extends."""
        text = read_text(path, self.limits, self.sink)
        return None if text is None else self.extended(self.parsed(text, path), chain)

    def extended(self, source: Source | None, chain: tuple[str, ...]) -> Source | None:
        if source is None or not isinstance(source.data, dict) or "extends" not in source.data:
            return source
        if not check_version(source, self.sink):
            return None
        target = self.target(source, ("extends",), chain)
        if target is None:
            return None
        span = source.span(("extends",))
        with self.sink.within(span, f"{source.name} extends it here"):
            base = self.merged(target, (*chain, _identity(source.name)))
        if base is None or not isinstance(base.data, dict) or not check_version(base, self.sink):
            return None
        return _overlay(base, source)

    def target(self, source: Source, path: Path, chain: tuple[str, ...]) -> str | None:
        """The file that `extends` or `import` at `path` names, if it can be used."""
        name: Any = source.data
        for step in path:
            name = name[step]
        span = source.span(path)
        if not isinstance(name, str):
            self.sink.error("E0203", f"{path[0]} must be the path of a file", span)
            return None
        target = os.path.join(os.path.dirname(source.name), name)
        if _identity(target) in (*chain, _identity(source.name)):
            self.sink.error(
                "E0210", f"{path[0]} goes round in a circle: {name} leads back here", span
            )
            return None
        if not os.path.isfile(target):
            folder = os.path.dirname(target) or "."
            beside = (
                [f for f in os.listdir(folder) if f.endswith(".yaml")]
                if os.path.isdir(folder)
                else []
            )
            help = did_you_mean(os.path.basename(name), beside) if beside else ""
            self.sink.error("E0210", f"no file {target}", span, help=help)
            return None
        return target

    def imports(self, source: Source, blocks: dict[str, Block], chain: tuple[str, ...]) -> None:
        """Adds the blocks of imported files, then those of the library that the file names."""
        listed = source.data.get("import", [])
        single = isinstance(listed, str)
        for index in range(1 if single else len(listed) if isinstance(listed, list) else 0):
            path: Path = ("import",) if single else ("import", index)
            target = self.target(source, path, chain)
            if target is not None:
                self.import_file(target, source, path, blocks, chain)
        own = source.data.get("blocks")
        defined = {*blocks, *(own if isinstance(own, dict) else ())}
        for name in sorted((_words(source.data) & library_names()) - defined):
            target = str(LIBRARY.joinpath(f"{name}.yaml"))
            if _identity(target) not in (*chain, _identity(source.name)):
                self.import_file(target, source, (), blocks, chain)

    def import_file(
        self,
        target: str,
        source: Source,
        path: Path,
        blocks: dict[str, Block],
        chain: tuple[str, ...],
    ) -> None:
        """Adds the blocks of one file; each sees the blocks of its own file and its imports."""
        other = self.merged(target, chain)
        if other is None or not check_version(other, self.sink):
            return
        inner: dict[str, Block] = {}
        self.imports(other, inner, (*chain, _identity(source.name)))
        raw, defaults = other.data.get("blocks"), other.data.get("defaults") or {}
        if not isinstance(raw, dict) or not raw:
            self.sink.error("E0210", f"{target} has no blocks to import", source.span(path))
            return
        own = {name: data for name, data in raw.items() if isinstance(data, dict)}
        known = read_blocks(other, own, defaults, self.sink, inner, set())
        read_bodies([b for b in known.values() if b.source is other], known, other, self.sink)
        for name in own:
            if name in blocks:
                first = blocks[name].span
                label = [Label(first, "first imported here")] if first else []
                message = f"two imported blocks named {name}"
                self.sink.error("E0401", message, source.span(path), labels=label)
            elif name in known:
                blocks[name] = known[name]

    def override(
        self, source: Source, settings: Mapping[str, str], scale: Mapping[str, str]
    ) -> None:
        """`--set` changes `params`, `--scale` changes `scaling`; the values are read as YAML."""
        if not isinstance(source.data, dict):
            return
        params = source.data.get("params")
        for name, text in settings.items():
            if not isinstance(params, dict) or name not in params:
                known = params if isinstance(params, dict) else {}
                raise UsageError(f"--set {name}: no such parameter; {did_you_mean(name, known)}")
            source.data["params"] = params = {**params}
            self.put(source, params, ("params", name), text, "--set")
        rules = source.data.get("scaling")
        for name, text in scale.items():
            rules = dict(rules) if isinstance(rules, dict) else {}
            source.data["scaling"] = rules
            if name == "phi":
                self.put(source, rules, ("scaling", "phi"), text, "--scale")
            elif name in RULES or name in rules:
                rules[name] = dict(rules[name]) if isinstance(rules.get(name), dict) else {}
                self.put(source, rules[name], ("scaling", name, "factor"), text, "--scale")
            else:
                raise UsageError(
                    f"--scale {name}: no such rule; {did_you_mean(name, [*RULES, *rules, 'phi'])}"
                )

    def put(
        self, source: Source, table: dict[str, Any], path: Path, text: str, option: str
    ) -> None:
        name = f"{option} {path[1]}={text}"
        value = self.parsed(text, name)
        if value is not None:
            table[str(path[-1])] = value.data
            source.copy_spans(Source(name, text, None, {path: value.spans[()]}), path)


@cache
def library_names() -> frozenset[str]:
    """The blocks of the standard library: one file each, named like the block."""
    return frozenset(file.stem for file in LIBRARY.glob("*.yaml"))


def _words(data: Any) -> set[str]:
    """Every key and word in a document: where the names of blocks can stand."""
    if isinstance(data, dict):
        return set(data).union(*map(_words, data.values()))
    if isinstance(data, list):
        return set().union(*map(_words, data))
    return {data.removeprefix("$")} if isinstance(data, str) else set()


def _identity(path: str) -> str:
    return os.path.realpath(path)


def _overlay(base: Source, child: Source) -> Source:
    """The base with the child's entries in place of its own, and every span in the file it is from."""
    merged = Source(child.name, child.text, dict(base.data), dict(base.spans), dict(base.keys))
    merged.data.pop("extends", None)
    merged.spans[()] = child.spans[()]

    def put(target: dict[str, Any], data: dict[str, Any], path: Path, depth: int) -> None:
        for key, value in data.items():
            here = (*path, key)
            if depth and isinstance(value, dict) and isinstance(target.get(key), dict):
                target[key] = dict(target[key])
                put(target[key], value, here, depth - 1)
            else:
                target[key] = value
                merged.copy_spans(child, here)

    for key, value in child.data.items():
        if key == "extends":
            continue
        put(merged.data, {key: value}, (), MERGED.get(key, 0))
    return merged


__all__ = ["Loader", "name_problem"]
