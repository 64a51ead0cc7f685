"""Plain data to items: every form of an item, each checked on its own."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING
from typing import Any

from archdsl.checks import Checker, Visible, every, names_bound
from archdsl.diagnostics import Label, Sink, Span, as_yaml, did_you_mean, nearest
from archdsl.ops import OPS, WORDS, Kind, arguments, kind
from archdsl.source import Place
from archdsl.syntax import (
    BROKEN,
    COMBINATORS,
    JOINS,
    MODIFIERS,
    PARTS,
    TURN_NAMES,
    File,
    Item,
    Parameter,
    Sequence,
)
from archdsl.templates import Template, forgiving
from archdsl.vocabulary import NO_ARGUMENTS


class Reader(Checker):
    """Reads the items of a document or of one block; reports what is wrong and goes on.

    An item that can't be read becomes a broken one, which stands for a poisoned value later.
    """

    def __init__(
        self,
        sink: Sink,
        file: File,
        parameters: Mapping[str, Parameter],
        functions: frozenset[str],
    ) -> None:
        super().__init__(sink, functions, file.limits)
        self.file, self.parameters = file, parameters
        if "params" in file.source.data:
            self.declarations = file.source.at("params")
        self.lost: list[Template] = []  # the names in broken items

    # sequences and items

    def sequence(self, raw: Any, place: Place, visible: Visible) -> Sequence:
        """A list or mapping of items; one word is a sequence of that verb, named by it."""
        items: Iterator[Item]
        if isinstance(raw, str):
            name = forgiving(raw.removeprefix("$"))
            items = iter([self.item(name, raw, place, visible)])
        elif isinstance(raw, list):
            items = (self.item(None, value, place / n, visible) for n, value in enumerate(raw))
        elif isinstance(raw, dict):
            items = (self.named_item(k, value, place / k, visible) for k, value in raw.items())
        else:
            help = "write a list (numbered items) or a mapping (named items)"
            self.error("E0203", "expected items", place.span, help)
            items = iter([self.broken(place, raw)])
        return Sequence(tuple(items))

    def named_item(self, key: str, value: Any, place: Place, visible: Visible) -> Item:
        bound = visible
        if isinstance(value, dict):
            bound |= names_bound(value)
        template = self.template(key, place.key, bound)
        item = self.item(template, value, place, visible)
        return item if template is not None else self.broken(place, {key: value})

    def item(self, key: Template | None, value: Any, place: Place, visible: Visible) -> Item:
        """Any of the forms of an item."""
        item = None
        if isinstance(value, str):
            item = self.verb(Item(key, value, {}, {}, {}, place, place), None, visible)
        elif isinstance(value, list):
            item = self.verb(Item(key, "seq", {}, {}, {}, place, place), value, visible)
        elif isinstance(value, dict):
            item = self.mapping(key, value, place, visible)
        else:
            help = "write a verb, or {verb: arguments}"
            if value is None and self.sink.extended:
                help = "an inherited section is replaced whole: write the items that it shall have"
            self.error("E0204", "expected an item", place.span, help)
        return item or self.broken(place, {key.text: value} if key else value)

    def broken(self, place: Place, raw: Any) -> Item:
        self.lost += [forgiving(text) for text in _texts(raw)]
        return Item(None, BROKEN, {}, {}, {}, place, place)

    def mapping(
        self, key: Template | None, value: Mapping[str, Any], place: Place, visible: Visible
    ) -> Item | None:
        """An item written as a mapping of its verb and its modifiers."""
        modifiers = {word: value[word] for word in MODIFIERS if word in value}
        bound = visible | names_bound(modifiers)
        good = self.modifiers(modifiers, place, visible, bound)
        if not isinstance(modifiers.get("for", {}), dict):
            return None  # which names it binds is not known
        words = [word for word in value if word not in MODIFIERS]
        verb = self.choose_verb(words, value, place)
        if verb is None:
            return None
        item = Item(key, verb, {}, {}, modifiers, place, place / verb)
        with self.looping(modifiers, place):
            read = self.verb(item, value[verb], bound)
        return read if good and len(words) == 1 else None

    def choose_verb(self, words: list[str], value: Mapping[str, Any], place: Place) -> str | None:
        """The one verb among an item's keys; reports none, several, or unknown ones."""
        if not words:
            self.error("E0204", "this item has no verb", place.span, "write {verb: arguments}")
            return None
        if len(words) == 1:
            return words[0]
        owner = _owner(words)
        if owner is not None and not any(self.is_verb(word) for word in words):
            message = f"this item has no verb, only arguments: {', '.join(words)}"
            help = "write " + as_yaml({owner: {word: value[word] for word in words}})
            self.error("E0204", message, (place / words[0]).key, help)
            return None
        verbs = [word for word in words if self.is_verb(word)]
        if len(verbs) > 1:
            message = f"two verbs in one item: {verbs[0]} and {verbs[1]}"
            self.error("E0204", message, (place / verbs[1]).key, "make two items of them")
            return None
        if not verbs and all(self.is_item(value[word]) for word in words):
            message = "this item has no verb, but items in it"
            help = "write `seq:` before them, or `inline:`, which adds no level of names"
            if place.path[-1] in COMBINATORS:
                help = (
                    f"`{place.path[-1]}` is a name here: write {{{place.path[-1]}: ...}} below one"
                )
            self.error("E0204", message, (place / words[0]).key, help)
            return None
        for word in words:
            if not verbs:
                self.unknown_verb(word, (place / word).key, value[word])
            elif word not in verbs:
                self.unknown_modifier(word, verbs[0], value, place / word)
        return verbs[0] if verbs else None

    def unknown_modifier(
        self, word: str, verb: str, value: Mapping[str, Any], place: Place
    ) -> None:
        help = did_you_mean(word, MODIFIERS)
        if word in (self.accepted(verb) or ()):
            inside = value[verb] if isinstance(value[verb], dict) else {}
            rest = {key: part for key, part in value.items() if key != word}
            shown = as_yaml({**rest, verb: {**inside, word: value[word]}})
            help = f"`{word}` is an argument of {verb}: write {shown}"
        self.error("E0201", f"unknown modifier `{word}`", place.key, help)

    def unknown_verb(self, word: str, span: Span | None, value: Any) -> None:
        verbs = [*OPS, *COMBINATORS, *self.file.blocks, *self.file.elsewhere]
        help = did_you_mean(word, verbs)
        owner = _owner([word])
        inner = list(value) if isinstance(value, dict) else []
        if len(inner) == 1 and self.is_verb(inner[0]):
            help = "a list numbers its items: to name one, write all of them as a mapping"
        elif ":" in word:
            help = _spaced(word)
        elif owner:
            help = f"write the verb around its arguments: {{{owner}: {{{word}: ...}}}}"
        self.error("E0205", f"unknown verb `{word}`", span, help, self.block_near(word))

    def block_near(self, word: str) -> Iterator[Label]:
        """Where the block of the spec is defined that was probably meant."""
        block = self.file.blocks.get(nearest(word, [*OPS, *COMBINATORS, *self.file.blocks]) or "")
        if block is not None and block.file is self.file and block.place.key is not None:
            yield Label(block.place.key, "defined here")

    def is_item(self, value: Any) -> bool:
        """Whether a value looks like an item, a verb with arguments."""
        return isinstance(value, dict) and any(map(self.is_verb, value))

    def is_verb(self, name: str) -> bool:
        return name in OPS or name in COMBINATORS or name in self.file.blocks or name[:1] == "$"

    # modifiers

    def modifiers(
        self, modifiers: Mapping[str, Any], place: Place, visible: Visible, bound: Visible
    ) -> bool:
        """Checks the values of modifiers; `bound` are the names that the arguments may use."""
        rows = bound.difference(TURN_NAMES) | visible
        good = True
        if "for" in modifiers:
            good = self.columns(modifiers["for"], place / "for", visible)
        with self.looping(modifiers, place):
            for word in ("if", "repeat"):
                if word in modifiers:
                    good &= self.expression(modifiers[word], place / word, rows)
            if "tap" in modifiers:
                good &= self.tap(modifiers["tap"], place / "tap", rows)
            for word in ("from", "each"):
                if word in modifiers:
                    good &= self.references(modifiers[word], place / word, rows)
        if "aux" in modifiers and modifiers["aux"] is not True:
            help = "write `aux: true` for a result that exists in training only"
            self.error("E0203", "aux must be true", (place / "aux").span, help)
            good = False
        if "from" in modifiers and "each" in modifiers:
            message = "`from` and `each` both say what the input is"
            self.error("E0404", message, (place / "each").key, "keep one of the two")
            return False
        return good

    # verbs and their arguments

    def verb(self, item: Item, value: Any, visible: Visible) -> Item | None:
        """The item with its arguments; None if they can't be read."""
        verb, bare = item.verb, item.place == item.inside
        span = item.inside.span if bare else item.inside.key
        if verb in ("seq", "inline"):
            parts = {"items": self.sequence(value, item.inside, visible)}
            return Item(item.key, verb, {}, parts, item.modifiers, item.place, item.inside)
        if verb in COMBINATORS:
            return self.combinator(item, value, visible)
        if verb.startswith("$"):
            good = self.verb_parameter(verb, span, visible)
            known = None
        elif self.is_verb(verb):
            good, known = True, self.accepted(verb)
        else:
            self.unknown_verb(verb, span, value)
            return None
        if value is not None and not isinstance(value, dict):
            self.not_a_mapping(verb, value, item.inside)
            return None
        given = value or {}
        if known is None:
            places = ((raw, item.inside / name) for name, raw in given.items())
            good &= every(self.any_argument(raw, place, visible) for raw, place in places)
        else:
            good &= self.arguments(verb, given, item.inside, visible)
            good = good and self.complete(verb, given, span)
        if not good:
            return None
        return Item(item.key, verb, given, {}, item.modifiers, item.place, item.inside)

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
        self.error("E0205", message, span, help, labels)
        return False

    def accepted(self, verb: str) -> Mapping[str, Any] | None:
        """What an op or block takes by name; None for other verbs and blocks that are broken."""
        if verb in OPS:
            return arguments(OPS[verb])
        block = self.file.blocks.get(verb)
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
        self, verb: str, given: Mapping[str, Any], place: Place, visible: Visible
    ) -> bool:
        """Checks the arguments of an op or block against what it declares."""
        known = self.accepted(verb)
        good = True
        for name, raw in given.items():
            if known is not None and name not in known:
                help = did_you_mean(name, known)
                if not known:
                    help = f"{verb} takes no arguments"
                if ":" in name or "=" in name:
                    help = _spaced(name)
                if name in NO_ARGUMENTS and verb in OPS:
                    help = NO_ARGUMENTS[name]
                if name in MODIFIERS:
                    help = f"`{name}` is a modifier: it stands beside {verb}, not inside"
                span = (place / name).key
                message = f"{verb} has no argument `{name}`"
                self.error("E0206", message, span, help, self.declared(verb))
                good = False
            elif verb in OPS:
                good &= self.op_argument(raw, kind(OPS[verb], name), place / name, visible)
            else:
                type = known[name].type if known is not None else None
                good &= self.argument(raw, place / name, visible, type)
        return good

    def complete(self, verb: str, given: Mapping[str, Any], span: Span | None) -> bool:
        """Whether nothing that the verb needs is missing."""
        missing = self.missing(verb, given)
        if missing:
            shown = ", ".join(f"`{name}`" for name in missing)
            help = f"write {{{verb}: {self.completed(verb, given)}}}"
            self.error(
                "E0207", f"{verb} needs {shown}", span, help, self.declared(verb, missing[0])
            )
        return not missing

    def missing(self, verb: str, given: Mapping[str, Any]) -> list[str]:
        """The arguments that a verb needs and that neither the item nor the defaults give."""
        known = self.accepted(verb) or {}
        needed = [name for name, declared in known.items() if declared.default is MISSING]
        set_elsewhere = self.file.defaults.get(verb, {})
        return [name for name in needed if name not in given and name not in set_elsewhere]

    def completed(self, verb: str, given: Mapping[str, Any]) -> str:
        """The arguments as they could be written: those given, and `...` for what is missing."""
        missing = () if verb.startswith("$") else self.missing(verb, given)
        parts = [f"{name}: {as_yaml(value)}" for name, value in given.items()]
        return "{" + ", ".join([*parts, *(f"{name}: ..." for name in missing)]) + "}"

    def declared(self, verb: str, name: str = "") -> Iterable[Label]:
        """Where a block of the spec declares its parameters, or one of them."""
        block = self.file.blocks.get(verb)
        if block is None or block.file is not self.file:
            return
        if name:
            place = block.parameters[name].place
        else:
            place = block.place / "params" if "params" in block.place.data else block.place
        if place.key is not None:
            yield Label(place.key, "declared here")

    def op_argument(self, raw: Any, kind: Kind, place: Place, visible: Visible) -> bool:
        """Checks the value of an op's argument: a word it knows, a mapping, or an expression."""
        if kind.form == "reference":
            return self.references(raw, place, visible)
        if isinstance(raw, dict) and kind.form == "mapping":
            parts = raw.items()
            return every(self.op_argument(v, kind, place / k, visible) for k, v in parts)
        if kind.form == "word" and raw not in kind.words and not str(raw).startswith("$"):
            name, shown = place.path[-1], ", ".join(kind.words)
            help = did_you_mean(str(raw), kind.words)
            self.error("E0305", f"{name} must be one of {shown}", place.span, help)
            return False
        return self.expression(raw, place, visible, kind.words)

    def argument(self, raw: Any, place: Place, visible: Visible, type: str | None = None) -> bool:
        """Checks the value of a block's argument, of its type."""
        if type == "item" or isinstance(raw, dict):
            return self.item_argument(raw, place, visible)
        if type == "str" and isinstance(raw, str) and not raw.startswith("$"):
            return True
        words = WORDS - visible if type is None else frozenset()
        verbs = (*OPS, *self.file.blocks) if type is None else ()
        return self.expression(raw, place, visible, words, verbs)

    def any_argument(self, raw: Any, place: Place, visible: Visible) -> bool:
        """Checks an argument of a verb that is not known yet: it may be a verb itself."""
        is_verb = isinstance(raw, str) and (raw in OPS or raw in self.file.blocks)
        return is_verb or self.argument(raw, place, visible)

    def item_argument(self, raw: Any, place: Place, visible: Visible) -> bool:
        """Checks a verb given as a value: `relu`, `{leaky_relu: {slope: 0.1}}`, a name for one."""
        if isinstance(raw, str) and raw.removeprefix("$") in visible:
            return True
        verb, given = raw, None
        if isinstance(raw, dict) and len(raw) == 1:
            ((verb, given),) = raw.items()
        verbs = [*OPS, *self.file.blocks]
        if not isinstance(verb, str) or verb not in verbs:
            shown = f"`{verb}`" if isinstance(verb, str | int | float) else "this"
            help = did_you_mean(verb, verbs) if isinstance(verb, str) else "write a verb's name"
            labels = self.block_near(verb) if isinstance(verb, str) else ()
            self.error("E0205", f"expected an op or block, not {shown}", place.span, help, labels)
            return False
        if given is not None and not isinstance(given, dict):
            self.not_a_mapping(verb, given, place / verb)
            return False
        return self.arguments(verb, given or {}, place / verb, visible)

    # combinators

    def combinator(self, item: Item, value: Any, visible: Visible) -> Item | None:
        verb, place = item.verb, item.inside
        known = COMBINATORS[verb]
        if not isinstance(value, dict):
            inside = "{NAME: ...}" if verb == "branches" else "..."
            help = f"write {{{verb}: {{{known[0]}: {inside}}}}}"
            self.error("E0203", f"{verb} needs a mapping", place.span, help)
            return None
        good = True
        for name in value:
            if name not in known:
                help, span = did_you_mean(name, known), (place / name).key
                self.error("E0206", f"{verb} has no argument `{name}`", span, help)
                good = False
        for name in known if verb == "dense" else known[:1]:
            meant = {nearest(word, known) for word in value}
            if name not in value and name not in meant:
                self.error("E0207", f"{verb} needs `{name}`", place.key)
                good = False
        turns = frozenset(TURN_NAMES if verb == "dense" else ())
        parts = {
            name: self.sequence(value[name], place / name, visible | turns)
            for name in value
            if name in PARTS and name in known
        }
        rest = {name: value[name] for name in value if name in known and name not in PARTS}
        good &= every(self.expression(rest[n], place / n, visible) for n in rest if n != "join")
        good &= self.combination(verb, value, place)
        return (
            Item(item.key, verb, rest, parts, item.modifiers, item.place, place) if good else None
        )

    def combination(self, verb: str, value: Mapping[str, Any], place: Place) -> bool:
        """Checks what a combinator asks of its arguments together."""
        if verb == "branches":
            paths, join = value.get("paths", {}), value.get("join", "concat")
            if not isinstance(paths, dict) or ("paths" in value and not paths):
                self.error("E0203", "paths must be a mapping", (place / "paths").span,
                           "give every path a name")  # fmt: skip
                return False
            if join not in JOINS:
                message = f"join must be one of {', '.join(JOINS)}"
                help = did_you_mean(str(join), JOINS)
                self.error("E0305", message, (place / "join").span, help)
                return False
        sides = [name for name in value if name in ("body", "shortcut") and value[name]]
        if verb == "residual" and all(isinstance(value[side], list) for side in sides[:2]):
            return len(sides) < 2 or self.two_lists(place / sides[0], place / sides[1])
        return True

    def two_lists(self, first: Place, second: Place) -> bool:
        """Body and shortcut stand side by side, so two lists would number their items alike."""
        labels = [Label(first.span, f"{first.path[-1]} is a list too")] if first.span else []
        message = "body and shortcut both number their items from 0"
        help = "write one of the two as a mapping, with a name for every item"
        self.sink.error("E0401", message, second.span, labels=labels, help=help)
        return False


def _owner(words: Iterable[str]) -> str | None:
    """The first op that has all of these arguments."""
    wanted = set(words)
    return next((verb for verb, op in OPS.items() if wanted <= arguments(op).keys()), None)


def _spaced(text: str) -> str:
    """Help for a key that holds its value: `out:64`, `out=64`."""
    key, mark, value = re.split("([:=])", text, maxsplit=1)
    what = "put a space after the colon" if mark == ":" else "write a colon and a space"
    return f"{what}: `{key}: {value}`"


def _texts(raw: Any) -> Iterator[str]:
    """Every text that might be a name: the keys and the words."""
    if isinstance(raw, str):
        yield raw
    elif isinstance(raw, list):
        for value in raw:
            yield from _texts(value)
    elif isinstance(raw, dict):
        for key, value in raw.items():
            yield key
            yield from _texts(value)
