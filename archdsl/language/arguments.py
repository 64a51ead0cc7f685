"""The arguments of ops and blocks to nodes, checked against what those declare."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING
from typing import Any

from archdsl.diagnostics.diagnostic import Label, Span
from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.suggest import did_you_mean, nearest
from archdsl.diagnostics.text import as_yaml
from archdsl.diagnostics.vocabulary import NO_ARGUMENTS
from archdsl.expressions.template import Template
from archdsl.language.checker import Either, Visible, listed
from archdsl.language.loops import LoopChecker
from archdsl.language.syntax import (
    COMBINATORS,
    MODIFIERS,
    SHAPE_NAMES,
    USE,
    Argument,
    File,
    Literal,
    Mapped,
    Parameter,
    Verb,
    is_computed,
)
from archdsl.ops import OPS, WORDS, Kind, arguments, kind
from archdsl.yaml.source import Place

BESIDE = "`{}` is a modifier: it stands beside {}, not inside"
_WORD = re.compile(r"[A-Za-z_][\w-]*")


class ArgumentChecker(LoopChecker):
    """Reads arguments; reports those that a verb does not take, needs, or cannot take so."""

    def __init__(
        self,
        sink: Sink,
        file: File,
        parameters: Mapping[str, Parameter],
        functions: frozenset[str],
    ) -> None:
        super().__init__(sink, functions, file.limits)
        self.file, self.parameters = file, parameters
        self.inputs: tuple[str, ...] = ()  # the names of what a block is given
        if "params" in file.source.data:
            self.declarations = file.source.at("params")

    def template(self, text: str, span: Span | None, visible: Visible) -> Template | None:
        """A name under which something will be found, which references may mean."""
        template = super().template(text, span, visible)
        if template is not None:
            self.file.written.add(template, span)
        return template

    def is_result(self, name: str) -> bool:
        given = name in self.inputs
        return given or self.file.written.could_be(name)

    def is_verb(self, name: str) -> bool:
        return name in COMBINATORS or name == USE or name[:1] == "$" or self.is_layer(name)

    def is_layer(self, name: str) -> bool:
        """Whether a name is that of an op or block."""
        return name in OPS or self.file.block(name) is not None

    def literal(self, raw: Any, place: Place) -> Literal:
        """A value that stands for itself; a word of it may be a block's name."""
        for word in raw if isinstance(raw, list) else (raw,):
            if isinstance(word, str):
                self.file.block(word)
        return super().literal(raw, place)

    def block_near(self, word: str) -> Iterator[Label]:
        """Where the block of the spec is defined that was probably meant, or all of them are."""
        known = [*OPS, *COMBINATORS, *self.file.blocks, *self.file.elsewhere]
        close = nearest(word, known)
        block = self.file.block(close or "")
        blocks = self.file.source.keys.get(("blocks",))
        if close is None and blocks is not None:
            yield Label(blocks, f"`{word}` is not among these")
        if block is not None and block.file is self.file and block.place.key is not None:
            yield Label(block.place.key, "defined here")

    def verb_parameter(self, verb: str, span: Span | None, visible: Visible) -> bool:
        """Whether `$name` may stand for a verb: a parameter that does, or a column's cell."""
        name = verb[1:]
        parameter = self.parameters.get(name)
        if name in visible and (parameter is None or parameter.broken or parameter.type == "item"):
            return True
        items = [n for n, p in self.parameters.items() if p.type == "item"]
        message = f"`{verb}` is not a parameter that names a verb"
        close = nearest(name, items)
        at, said = self.declarations and self.declarations.key, f"`{name}` is not among these"
        if parameter is not None:
            at, said = parameter.place.span, f"`{name}` has another kind of value"
        elif close:
            at, said = self.parameters[close].place.key, "declared here"
        labels = [Label(at, said)] if at else []
        meant = [f"${item}" for item in ([close] if close else items)]
        help = f"did you mean `{meant[0]}`?" if close else did_you_mean(verb, meant)
        if parameter is None and not meant:
            help = f"declare it: `params: {{{name}: ...}}`"
        self.error("E0205", message, span, help, labels)
        return False

    def accepted(self, verb: str) -> Mapping[str, Any] | None:
        """What an op or block takes by name; None for other verbs and blocks that are broken."""
        if verb in OPS:
            return arguments(OPS[verb])
        block = self.file.block(verb)
        return None if block is None or block.broken else block.parameters

    def not_a_mapping(self, verb: str, value: Any, place: Place) -> None:
        accepted = self.accepted(verb)
        known = ["..."] if accepted is None else list(accepted)
        names = ["out"] * ("out" in known) + [name for name in known if name != "out"]
        values = value if isinstance(value, list) else [] if value == verb else [value]
        help = f"write {{{verb}: {self.completed(verb, dict(zip(names, values, strict=False)))}}}"
        if verb in OPS and OPS[verb].inputs is None:
            help = f"write {{{verb}: {{}}, from: {as_yaml(value)}}}"
        self.error("E0203", f"the arguments of {verb} must be a mapping", place.span, help)

    def arguments(
        self, verb: str, written: Mapping[str, Any], place: Place, visible: Visible
    ) -> dict[str, Argument] | None:
        """The arguments of an op or block, held against what it declares."""
        known = self.accepted(verb)
        read = {
            name: self.argument_of(verb, name, raw, known, place / name, visible)
            for name, raw in written.items()
        }
        return whole(read)

    def argument_of(
        self,
        verb: str,
        name: str,
        raw: Any,
        known: Mapping[str, Any] | None,
        place: Place,
        visible: Visible,
    ) -> Argument | None:
        """One argument of an op or block that takes those in `known`, of one unknown anything."""
        if known is not None and name not in known:
            self.unknown_argument(verb, name, known, place)
            return None
        if verb in OPS:
            return self.op_argument(raw, kind(OPS[verb], name), place, visible)
        type = known[name].type if known is not None else None
        return self.argument(raw, place, visible, type, self.declared(verb, name))

    def unknown_argument(
        self, verb: str, name: str, known: Mapping[str, Any], place: Place
    ) -> None:
        help = did_you_mean(name, known)
        if not known:
            help = f"{verb} takes no arguments"
        if ":" in name or "=" in name:
            help = spaced(name)
        if name in NO_ARGUMENTS and verb in OPS:
            help = NO_ARGUMENTS[name]
        if name in MODIFIERS:
            help = BESIDE.format(name, verb)
        message = f"{verb} has no argument `{name}`"
        self.error("E0206", message, place.key, help, self.declared(verb))

    def complete(self, verb: str, written: Mapping[str, Any], span: Span | None) -> bool:
        """Whether nothing that the verb needs is missing."""
        missing = self.missing(verb, written)
        if missing:
            shown = ", ".join(f"`{name}`" for name in missing)
            help = f"write {{{verb}: {self.completed(verb, written)}}}"
            self.error(
                "E0207", f"{verb} needs {shown}", span, help, self.declared(verb, missing[0])
            )
        return not missing

    def missing(self, verb: str, written: Mapping[str, Any]) -> list[str]:
        """The arguments that a verb needs and that neither the item nor the defaults give."""
        known = self.accepted(verb) or {}
        needed = [name for name, declared in known.items() if is_required(declared)]
        set_elsewhere = self.file.defaults.get(verb, {})
        return [name for name in needed if name not in written and name not in set_elsewhere]

    def completed(self, verb: str, written: Mapping[str, Any]) -> str:
        """The arguments as they could be written: those written, and `...` for what is missing."""
        missing = () if verb.startswith("$") else self.missing(verb, written)
        parts = [f"{name}: {as_yaml(value)}" for name, value in written.items()]
        return "{" + ", ".join([*parts, *(f"{name}: ..." for name in missing)]) + "}"

    def declared(self, verb: str, name: str = "") -> Iterable[Label]:
        """Where a block of the spec declares its parameters, or one of them."""
        block = self.file.block(verb)
        if block is None or block.file is not self.file:
            return
        if name:
            place = block.parameters[name].place
        else:
            place = block.place / "params" if "params" in block.place.data else block.place
        if place.key is not None:
            yield Label(place.key, "declared here")

    def op_argument(self, raw: Any, kind: Kind, place: Place, visible: Visible) -> Argument | None:
        """The value of an op's argument: a word it knows, a mapping, or an expression."""
        if kind.form == "reference":
            return self.references(raw, place, visible)
        if isinstance(raw, dict) and kind.form == "mapping":
            parts = whole(
                {k: self.op_argument(v, kind, place / k, visible) for k, v in raw.items()}
            )
            if parts is not None and all(isinstance(part, Literal) for part in parts.values()):
                return self.literal(raw, place)
            return None if parts is None else Mapped(parts, place)
        if isinstance(raw, str) and kind.words and "{" in raw:
            return self.text(raw, place, visible)
        if kind.form == "word" and raw not in kind.words and not is_computed(raw):
            name, shown = place.path[-1], ", ".join(kind.words)
            help = did_you_mean(str(raw), kind.words)
            self.error("E0305", f"{name} must be one of {shown}", place.span, help)
            return None
        return self.expression(raw, place, visible, kind.words)

    def argument(
        self,
        raw: Any,
        place: Place,
        visible: Visible,
        type: str | None = None,
        declared: Iterable[Label] = (),
    ) -> Argument | None:
        """The value of a block's argument, of its type."""
        if type == "item" or isinstance(raw, dict):
            return self.item_argument(raw, place, visible, declared)
        if type == "str" and isinstance(raw, str) and not raw.startswith("$"):
            braces = "{" in raw or "}" in raw
            return self.text(raw, place, visible) if braces else self.literal(raw, place)
        if isinstance(raw, list):
            return self.list_argument(raw, place, visible, type)
        words = WORDS - visible if type is None else frozenset()
        verbs = (*OPS, *self.file.blocks) if type is None else ()
        return self.expression(raw, place, visible, words, verbs)

    def list_argument(
        self, raw: list[Any], place: Place, visible: Visible, type: str | None
    ) -> Argument | None:
        """A list of words, none of them a name in reach, or of values."""
        known = Either(visible, SHAPE_NAMES)
        if raw and all(isinstance(word, str) and word not in known for word in raw):
            if all(map(_WORD.fullmatch, raw)):
                return self.literal(raw, place)
            if any("{" in word for word in raw):
                return listed([self.text(v, place / n, visible) for n, v in enumerate(raw)], place)
        parts = [self.argument(v, place / n, visible, type) for n, v in enumerate(raw)]
        return listed(parts, place)

    def any_argument(self, raw: Any, place: Place, visible: Visible) -> Argument | None:
        """An argument of a verb that is not known yet, which may take the name of a verb."""
        if isinstance(raw, str) and raw not in visible and self.is_layer(raw):
            return self.literal(raw, place)
        if isinstance(raw, str) and "{" in raw:
            return self.text(raw, place, visible)
        return self.argument(raw, place, visible)

    def item_argument(
        self, raw: Any, place: Place, visible: Visible, declared: Iterable[Label] = ()
    ) -> Argument | None:
        """A verb given as a value: `relu`, `{leaky_relu: {slope: 0.1}}`, a name for one."""
        if isinstance(raw, str) and raw.removeprefix("$") in visible:
            return self.expression(raw, place, visible)
        if isinstance(raw, str) and is_computed(raw):
            return self.expression(raw, place, visible, (), (*OPS, *self.file.blocks))
        verb, written = raw, None
        if isinstance(raw, dict) and len(raw) == 1:
            ((verb, written),) = raw.items()
        if not isinstance(verb, str) or not self.is_layer(verb):
            verbs = [*OPS, *self.file.blocks]
            shown = f"`{verb}`" if isinstance(verb, str | int | float) else "this"
            help = did_you_mean(verb, verbs) if isinstance(verb, str) else "write a verb's name"
            labels = [*declared, *(self.block_near(verb) if isinstance(verb, str) else ())]
            self.error("E0205", f"expected an op or block, not {shown}", place.span, help, labels)
            return None
        if written is not None and not isinstance(written, dict):
            self.not_a_mapping(verb, written, place / verb)
            return None
        arguments = self.arguments(verb, written or {}, place / verb, visible)
        return None if arguments is None else Verb(verb, arguments, place)


def is_required(declared: Any) -> bool:
    """Whether a parameter of a block, or the field of an op, must be given."""
    required: bool = getattr(declared, "required", False) or declared.default is MISSING
    return required


def whole(read: Mapping[str, Argument | None]) -> dict[str, Argument] | None:
    """What was read by name, None if one of it can't be."""
    good = {name: node for name, node in read.items() if node is not None}
    return good if len(good) == len(read) else None


def spaced(text: str) -> str:
    """Help for a key that holds its value: `out:64`, `out=64`."""
    key, mark, value = re.split("([:=])", text, maxsplit=1)
    what = "put a space after the colon" if mark == ":" else "write a colon and a space"
    return f"{what}: `{key}: {value}`"
