"""Several files to one document: `extends`, `import`, the library, and the command line."""

import os
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from archdsl.diagnostics.diagnostic import Label, Span
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.sink import Sink, TooMany
from archdsl.diagnostics.suggest import did_you_mean, nearest
from archdsl.expressions.scaling import RULES
from archdsl.language import gallery
from archdsl.language.document import read_document, read_library
from archdsl.language.keys import EXAMPLES, VERSION, DocumentForm, check_version
from archdsl.language.overlay import overlay
from archdsl.language.syntax import Block, Document, File
from archdsl.ops import OPS
from archdsl.yaml.limits import Limits
from archdsl.yaml.source import Path, Place, Source, decoded, parse, read_text

LIBRARY = pathlib.Path(__file__).parent / "library"
_LIBRARY_BLOCKS: dict[tuple[str, Limits], tuple[Block, dict[str, str]]] = {}  # with their files


@dataclass
class Loader:
    """Reads a spec and the files it names; `sources` holds the text of each for messages."""

    sink: Sink
    limits: Limits = field(default_factory=Limits)
    sources: dict[str, str] = field(default_factory=dict)
    imported: dict[str, File | None] = field(default_factory=dict)
    opened: Mapping[str, str] = field(default_factory=dict)  # texts that stand for those of files
    home: str | None = None  # the folder of the spec that was asked for
    files: int = 0  # that it extends and imports
    bytes: int = 0  # of all files that were read
    values: int = 0  # in them, and again where they are extended

    def load(
        self,
        path: str,
        settings: Mapping[str, str] | None = None,
        scale: Mapping[str, str] | None = None,
        replaced: Sequence[str] = (),
        output_stride: str | None = None,
        input: str | None = None,
    ) -> Document | None:
        """The document at `path`, or None with the reasons in `sink`.

        `settings` changes its parameters and `scale` its scaling rules, both to values as text;
        `replaced` are texts as its `replace` may have, or short ones: `relu=silu`. So is
        `output_stride` a text, and `input`.
        Raises UsageError for a file that can't be read and for what the spec does not have.
        """
        text = self.text_of(path)
        return (
            None
            if text is None
            else self.loads(text, path, settings, scale, replaced, output_stride, input)
        )

    def loads(
        self,
        text: str | Source,
        name: str = "<text>",
        settings: Mapping[str, str] | None = None,
        scale: Mapping[str, str] | None = None,
        replaced: Sequence[str] = (),
        output_stride: str | None = None,
        input: str | None = None,
    ) -> Document | None:
        """The document in a string, or in what was parsed of it without a mistake.

        Other files are relative to where `name` would be.
        """
        self.home = os.path.dirname(name)
        self.sink.library, self.sink.most = str(LIBRARY), self.limits.mistakes
        try:
            source = self.extended(self.parsed(text, name), ())
            if source is None or not check_version(source, self.sink):
                return None
            rules = [rule for text in replaced if (rule := self.replaced(text)) is not None]
            if settings or scale or replaced or output_stride or input:
                changes = self.changes(source, settings or {}, scale or {})
                if output_stride:
                    option = f"--output-stride {output_stride}"
                    self.change(changes, ("output_stride",), output_stride, option)
                if input:
                    self.change(changes, ("input",), input, f"--input {input}")
                source = overlay(source, changes)
            return read_document(source, self.file(source, ()), self.sink, rules)
        except TooMany:
            return None
        except RecursionError:
            message = "items are nested deeper than this machine can follow"
            self.sink.error("E0106", message, Span(name, 1, 1, 1, 1))
            return None

    def text_of(self, path: str) -> str | None:
        """What a file says, or what an editor holds of it; None with the reason in `sink`."""
        opened = self.opened.get(_identity(path)) if self.opened else None
        if opened is None:
            return read_text(path, self.limits, self.sink)
        return decoded(opened.encode(errors="replace"), path, self.limits, self.sink)

    def parsed(self, said: str | Source, name: str) -> Source | None:
        known = said if isinstance(said, Source) else None
        self.sources[name] = text = said.text if isinstance(said, Source) else said
        self.bytes += len(text.encode(errors="replace"))
        source = known or parse(text, name, self.sink, self.limits, self.values)
        if source is not None:
            self.values += source.values
        elif self.sink.diagnostics[-1].code == "E0106":
            raise TooMany
        return source

    def check(self, limit: str, number: int, what: str, place: Place | None) -> None:
        """Reports at a place that asks for too much, and reads no further."""
        most = getattr(self.limits, limit)
        if number > most:
            span, help = place and place.span, f"--limit {limit}=N allows more"
            self.sink.error("E0106", f"more than {most:,} {what}", span, help=help)
            raise TooMany

    # extends

    def extended(self, source: Source | None, chain: tuple[str, ...]) -> Source | None:
        """A source with what it extends; `chain` are the files that led here."""
        if source is None or not isinstance(source.data, dict) or "extends" not in source.data:
            return source
        if not check_version(source, self.sink):
            return None
        place = source.at("extends")
        if "name" not in source.data:
            labels = [Label(place.key, "takes over all but the name")] if place.key else []
            span, help = source.at("archdsl").key, EXAMPLES["name"]
            self.sink.error("E0202", "`name` is missing", span, labels=labels, help=help)
        target = self.target(place, chain)
        if target is None:
            return None
        if place.span is not None:
            self.sink.extended[target] = Label(place.span, "extended here")
        with self.sink.within(place.span, "extended here"):
            base = self.read(target, (*chain, _identity(source.name)), place)
            if base is None or not check_version(base, self.sink):
                return None
        self.values += len(base.spans)
        what = "values, those of extended files counted again"
        self.check("values", self.values, what, place)
        return overlay(base, source)

    def read(self, path: str, chain: tuple[str, ...], place: Place | None = None) -> Source | None:
        """Another file with what it extends; `place` names it."""
        self.files += 1
        self.check("files", self.files, "files that are extended and imported", place)
        text = self.text_of(path)
        if text is None:
            return None
        self.check("all_bytes", self.bytes + len(text), "bytes in all files together", place)
        return self.extended(self.parsed(text, path), chain)

    def target(self, place: Place, chain: tuple[str, ...]) -> str | None:
        """The file whose name stands at `place`, if it can be used."""
        word, name, source = place.path[0], place.data, place.source
        if not isinstance(name, str):
            self.sink.error("E0203", f"{word} must be the path of a file", place.span)
            return None
        target = os.path.join(os.path.dirname(source.name), name)
        if not os.path.exists(target) and name in gallery.every():
            target = gallery.path(name)
        problem, help = "", ""
        if "\0" in name:
            problem = f"{word} must be the path of a file, and has a character that none has"
        elif os.path.isabs(name):
            problem = f"{word} takes a path relative to this file"
        elif not self.allowed(target, source):
            problem = f"{name} lies outside {self.tree(source)}, the folder that the spec may use"
            help = "--limit root=DIR allows the files of a larger folder"
        elif _identity(target) in (*chain, _identity(source.name)):
            problem = f"{word} goes round in a circle: {name} leads back here"
        elif not os.path.isfile(target):
            folder = os.path.dirname(name)
            beside = [os.path.join(folder, other) for other in _beside(target)]
            known = beside if name.endswith((".yaml", ".yml")) else [*beside, *gallery.every()]
            problem, help = f"no file {target}", _file_meant(name, known)
        elif not os.access(target, os.R_OK):
            problem = f"cannot read {target}"
        if problem:
            self.sink.error("E0210", problem, place.span, help=help)
        return None if problem else target

    def allowed(self, target: str, source: Source) -> bool:
        """Whether a file lies, links followed, in a folder whose files the spec may use.

        That is the spec's own folder or the one that the limits say; the gallery, the library.
        """
        folders = (self.tree(source), str(gallery.folder()), str(LIBRARY))
        real = pathlib.Path(_identity(target))
        return any(real.is_relative_to(_identity(folder)) for folder in folders)

    def tree(self, source: Source) -> str:
        """The folder in and below which a spec may use files."""
        home = os.path.dirname(source.name) if self.home is None else self.home
        return self.limits.root or home or os.curdir

    # import

    def file(self, source: Source, chain: tuple[str, ...]) -> File:
        """The blocks that a source imports; those of the library are read when one is named."""
        file = File(source, self.limits, elsewhere=library_names(), library=self.library_block)
        for place in self.imports(source):
            target = self.target(place, chain)
            if target is not None:
                self.add(file, target, place, chain)
        return file

    def library_block(self, name: str) -> Block | None:
        """A block of the library, whose file is read once for all documents under some limits."""
        path, key = str(LIBRARY / f"{name}.yaml"), (name, self.limits)
        if key not in _LIBRARY_BLOCKS and path not in self.imported:
            loader = Loader(self.sink.fresh(), self.limits)
            self.imported[path] = file = loader.blocks_of(path, ())
            for found in loader.sink.diagnostics:  # as where limits are too low for the library
                self.sink.error(found.code, found.message, found.span, help=found.help)
            if file is not None and not loader.sink.diagnostics:
                file.common = True
                _LIBRARY_BLOCKS[key] = file.blocks[name], loader.sources
        if key not in _LIBRARY_BLOCKS:
            return None
        block, sources = _LIBRARY_BLOCKS[key]
        self.sources.update(sources)
        return block

    def imports(self, source: Source) -> Iterator[Place]:
        listed, place = source.data.get("import", []), source.at("import")
        if isinstance(listed, list):
            yield from (place / n for n in range(len(listed)))
        else:
            yield place

    def add(self, file: File, target: str, place: Place, chain: tuple[str, ...]) -> None:
        """Adds the blocks of another file; each sees the blocks of its own file and its imports."""
        key = _identity(target)
        if key not in self.imported:
            with self.sink.within(place.span if place.path else None, "imported here"):
                chain = (*chain, _identity(file.source.name))
                self.imported[key] = self.blocks_of(target, chain, place)
        other = self.imported[key]
        own = [b for b in other.blocks.values() if b.file is other] if other is not None else []
        if other is not None and not own:
            self.sink.error("E0210", f"{target} has no blocks to import", place.span)
        for block in own:
            if block.name in file.blocks:
                first = file.blocks[block.name].place.key
                labels = [Label(first, "first imported from here")] if first else []
                message = f"two imported blocks are named {block.name}"
                help = "import one of the two"
                self.sink.error("E0401", message, place.span, labels=labels, help=help)
            else:
                file.blocks[block.name] = block

    def blocks_of(
        self, target: str, chain: tuple[str, ...], place: Place | None = None
    ) -> File | None:
        source = self.read(target, chain, place)
        if source is None or not check_version(source, self.sink):
            return None
        file = self.file(source, chain)
        read_library(source, file, self.sink)
        return file

    def library(self, text: str | Source, name: str) -> Document | None:
        """A file of blocks, which is no network, as a document that has only these."""
        self.home = os.path.dirname(name)
        self.sink.most = self.limits.mistakes
        try:
            source = self.parsed(text, name)
            if source is None or not check_version(source, self.sink):
                return None
            file = self.file(source, ())
            read_library(source, file, self.sink)
            return Document(DocumentForm(archdsl=VERSION), file)
        except (TooMany, RecursionError):
            return None

    # the command line

    def changes(
        self, source: Source, settings: Mapping[str, str], scale: Mapping[str, str]
    ) -> Source:
        """What is set from outside, as a source that says the same; values are read as YAML."""
        params, rules = source.data.get("params") or {}, source.data.get("scaling") or {}
        changes = Source(source.name, "", {})
        for name, text in settings.items():
            if name not in params:
                help = did_you_mean(name, params)
                raise UsageError(f"--set {name}: no such parameter; {help}")
            self.change(changes, ("params", name), text, f"--set {name}={text}")
        for name, text in scale.items():
            if name not in ("phi", *RULES, *rules):
                help = did_you_mean(name, ["phi", *RULES, *rules])
                raise UsageError(f"--scale {name}: no such rule; {help}")
            if name == "phi" and not any("base" in rule for rule in rules.values() if rule):
                raise UsageError("--scale phi: no rule of the spec has a base")
            path = ("scaling", name) if name == "phi" else ("scaling", name, "factor")
            self.change(changes, path, text, f"--scale {name}={text}")
        return changes

    def replaced(self, text: str) -> Source | None:
        """What is replaced from outside, as `replace` has it: in YAML, or `relu=silu`."""
        short, option = re.match(r"\s*(\w+)=", text), f"--replace {text}"
        value = self.parsed(text if short is None else text[short.end() :], option)
        if short is None or value is None:
            return value
        op = short[1]
        if op not in OPS:
            raise UsageError(f"{option}: `{op}` is not an op; {did_you_mean(op, OPS)}")
        rule = Source(option, value.text, {op: value.data})
        rule.spans.update({(op, *rest): span for rest, span in value.spans.items()})
        rule.keys.update({(op, *rest): span for rest, span in value.keys.items()})
        rule.spans[()] = rule.keys[(op,)] = value.spans[()]
        return rule

    def change(self, changes: Source, path: Path, text: str, option: str) -> None:
        if not text.strip():
            raise UsageError(f"{option} has no value")
        value = self.parsed(text, option)
        if value is None:
            return
        table = changes.data
        for step in path[:-1]:
            table = table.setdefault(step, {})
        table[path[-1]] = value.data
        changes.spans.update({(*path, *rest): span for rest, span in value.spans.items()})
        changes.keys.update({(*path, *rest): span for rest, span in value.keys.items()})


@cache
def library_names() -> frozenset[str]:
    """The blocks of the standard library: one file each, named like the block."""
    return frozenset(file.stem for file in LIBRARY.glob("*.yaml"))


def _file_meant(name: str, known: list[str]) -> str:
    """A help line: the nearest file, whose ending says nothing."""
    stems = {os.path.splitext(other)[0]: other for other in known}
    close = nearest(os.path.splitext(name)[0], stems)
    return f"did you mean `{stems[close]}`?" if close else did_you_mean("", known)


def _beside(target: str) -> list[str]:
    """The specs in the folder where a file was looked for."""
    try:
        return [name for name in os.listdir(os.path.dirname(target) or ".") if ".yaml" in name]
    except (OSError, ValueError):
        return []


def _identity(path: str) -> str:
    return os.path.realpath(path)
