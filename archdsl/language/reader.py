"""Plain data to items: every form of an item, each checked on its own."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from archdsl.diagnostics.diagnostic import Label, Span
from archdsl.diagnostics.suggest import did_you_mean, nearest
from archdsl.diagnostics.text import as_yaml
from archdsl.expressions.template import Template, forgiving
from archdsl.language.arguments import ArgumentChecker, spaced
from archdsl.language.checker import Visible, every, names_bound
from archdsl.language.syntax import (
    BROKEN,
    COMBINATORS,
    JOINS,
    MODIFIERS,
    PARTS,
    TURN_NAMES,
    Item,
    Sequence,
)
from archdsl.ops import OPS, ArgumentError, arguments
from archdsl.ops.base import whole_number
from archdsl.yaml.source import Place


class Reader(ArgumentChecker):
    """Reads the items of a document or of one block; reports what is wrong and goes on.

    An item that can't be read becomes a broken one, which stands for a poisoned value later.
    """

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
            return None
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
        if len(inner) == 1 and self.is_verb(inner[0]) and not isinstance(value[inner[0]], str):
            help = "a list numbers its items: to name one, write all of them as a mapping"
        elif ":" in word:
            help = spaced(word)
        elif owner:
            help = f"write the verb around its arguments: {{{owner}: {{{word}: ...}}}}"
        elif nearest(word, verbs) is None:
            help = "no op and no block in reach has this name: define it under `blocks`"
        self.error("E0205", f"unknown verb `{word}`", span, help, self.block_near(word))

    def is_item(self, value: Any) -> bool:
        """Whether a value looks like an item, a verb with arguments."""
        return isinstance(value, dict) and any(map(self.is_verb, value))

    # modifiers

    def modifiers(
        self, modifiers: Mapping[str, Any], place: Place, visible: Visible, bound: Visible
    ) -> bool:
        """Checks the values of modifiers; `bound` are the names that the arguments may use."""
        rows = (bound - set(TURN_NAMES)) | visible
        good = True
        if "for" in modifiers:
            good = self.columns(modifiers["for"], place / "for", visible)
            if not isinstance(modifiers["for"], dict):
                return False  # which names it binds is not known
        with self.looping(modifiers, place):
            for word in ("if", "repeat"):
                if word in modifiers:
                    good &= self.expression(modifiers[word], place / word, rows)
            good &= self.count(modifiers.get("repeat", 1), place / "repeat")
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

    def count(self, raw: Any, place: Place) -> bool:
        """Whether a number can be that of copies; what is no number yet is one later."""
        if not isinstance(raw, int | float):
            return True
        try:
            number = whole_number(raw)
            if number < 0:
                raise ArgumentError(f"{number} is less than 0")
        except ArgumentError as error:
            self.error(error.code, f"repeat: {error.message}", place.span, error.help)
            return False
        return True

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
