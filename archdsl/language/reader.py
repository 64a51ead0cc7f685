"""Plain data to items: every form of an item, each read on its own."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from archdsl.diagnostics.diagnostic import Label, Span
from archdsl.diagnostics.suggest import did_you_mean, nearest
from archdsl.diagnostics.text import as_yaml
from archdsl.diagnostics.vocabulary import NO_OPS, plain
from archdsl.expressions.template import Template, forgiving
from archdsl.language.arguments import BESIDE, ArgumentChecker, spaced, whole
from archdsl.language.checker import Visible, either, names_bound
from archdsl.language.syntax import (
    APART,
    BROKEN,
    COMBINATORS,
    FLAGS,
    MODIFIERS,
    NO_MODIFIERS,
    PARTS,
    TURN_NAMES,
    USE,
    WORDS,
    Argument,
    Item,
    Modifiers,
    Sequence,
    is_modifier,
)
from archdsl.ops import ABSENT, JOINS, OPS, ArgumentError, arguments
from archdsl.ops.kinds import whole_number
from archdsl.yaml.source import Place


class Reader(ArgumentChecker):
    """Reads the items of a document or of one block; reports what is wrong and goes on.

    An item that can't be read becomes a broken one, which stands for a poisoned value later.
    """

    # sequences and items

    def sequence(self, raw: Any, place: Place, visible: Visible, paths: bool = False) -> Sequence:
        """A list or mapping of items; one word is a sequence of that verb, named by it.

        The items of `paths` are sequences themselves.
        """
        items: Iterator[Item]
        if isinstance(raw, str):
            name = forgiving(raw.removeprefix("$"))
            items = iter([self.item(name, raw, place, visible)])
        elif isinstance(raw, list):
            items = (self.item(None, value, place / n, visible) for n, value in enumerate(raw))
        elif isinstance(raw, dict) and (word := self.modifier_among(raw)):
            self.one_item(raw, word, place)
            items = iter([self.broken(place, raw)])
        elif isinstance(raw, dict):
            items = (self.named_item(k, v, place / k, visible, paths) for k, v in raw.items())
        else:
            help = "write a list (numbered items) or a mapping (named items)"
            self.error("E0203", "expected items", place.span, help)
            items = iter([self.broken(place, raw)])
        return Sequence(tuple(items))

    def modifier_among(self, raw: Mapping[str, Any]) -> str | None:
        """A modifier among what should be named items: one whose value is no item."""
        return next(
            (word for word in MODIFIERS if word in raw and not self.could_be(raw[word])), None
        )

    def one_item(self, raw: Mapping[str, Any], word: str, place: Place) -> None:
        """Reports an item that stands where named items do."""
        said = {key: value for key, value in raw.items() if key in MODIFIERS}
        items = {key: value for key, value in raw.items() if key not in MODIFIERS}
        if any(map(self.is_verb, items)) or not items:
            help = f"as one item it is {as_yaml([dict(raw) if items else {'identity': {}, **raw}])}"
        elif len(items) == 1:
            ((name, value),) = items.items()
            inner = {value: {}} if isinstance(value, str) else {"seq": value}
            inner = value if isinstance(value, dict) else inner
            help = f"it stands in an item: {as_yaml({name: {**inner, **said}})}"
        else:
            help = f"of all together it is {as_yaml([{'seq': items, **said}])}"
        message = f"`{word}` is a modifier, and here are items by their names"
        self.error("E0204", message, (place / word).key, help)

    def named_item(self, key: str, value: Any, place: Place, visible: Visible, path: bool) -> Item:
        bound = visible
        if isinstance(value, dict):
            bound = either(visible, names_bound(value))
        template = self.template(key, place.key, bound)
        if path and self.is_sequence(value):
            item = self.verb(Item(template, "seq", place, place), value, visible)
            assert item is not None
        else:
            item = self.item(template, value, place, visible)
        return item if template is not None else self.broken(place, {key: value})

    def item(self, key: Template | None, value: Any, place: Place, visible: Visible) -> Item:
        """Any of the forms of an item."""
        item = None
        if isinstance(value, str):
            item = self.verb(Item(key, value, place, place), None, visible)
        elif isinstance(value, list):
            item = self.verb(Item(key, "seq", place, place), value, visible)
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
        return Item(None, BROKEN, place, place)

    def mapping(
        self, key: Template | None, value: Mapping[str, Any], place: Place, visible: Visible
    ) -> Item | None:
        """An item written as a mapping of its verb and its modifiers."""
        said = {w: value[w] for w in MODIFIERS if w in value and is_modifier(w, value[w])}
        bound = either(visible, names_bound(said))
        modifiers = self.modifiers(said, place, visible) if said else NO_MODIFIERS
        if not isinstance(said.get("for", {}), dict):
            return None
        words = [word for word in value if word not in said]
        verb = self.choose_verb(words, value, place)
        if verb is None:
            return None
        with self.looping(said, place):
            item = Item(key, verb, place, place / verb, modifiers=modifiers or NO_MODIFIERS)
            read = self.verb(item, value[verb], bound)
        return read if modifiers is not None and len(words) == 1 else None

    def choose_verb(self, words: list[str], value: Mapping[str, Any], place: Place) -> str | None:
        """The one verb among an item's keys; reports none, several, or unknown ones."""
        if not words:
            help = "write {verb: arguments}"
            if "from" in value:
                help = f"to pass it on, write {as_yaml({'identity': {}, **value})}"
            self.error("E0204", "this item has no verb", place.span, help)
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
        named = all(self.could_be(value[word]) for word in words)
        if len(verbs) > 1 and not named:
            message = f"two verbs in one item: {verbs[0]} and {verbs[1]}"
            self.error("E0204", message, (place / verbs[1]).key, "make two items of them")
            return None
        inner = [w for w in words if w not in COMBINATORS and self.is_item(value[w])]
        if named and (len(verbs) > 1 or inner):
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
        if word in FLAGS:
            help = f"write `{word}: true`, or leave it out"
            self.error("E0203", f"{word} must be true", place.span, help)
            return
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
        if word in ABSENT:
            help = ABSENT[word]
        elif len(inner) == 1 and self.is_verb(inner[0]) and not isinstance(value[inner[0]], str):
            help = "a list numbers its items: to name one, write all of them as a mapping"
        elif ":" in word:
            help = spaced(word)
        elif owner:
            help = f"write the verb around its arguments: {{{owner}: {{{word}: ...}}}}"
        elif plain(word) in NO_OPS:
            help = "there is no such op: docs/plug-ins.md says how to bring one along"
        elif nearest(word, verbs) is None:
            help = "no op and no block in reach has this name: define it under `blocks`"
        self.error("E0205", f"unknown verb `{word}`", span, help, self.block_near(word))

    def is_item(self, value: Any) -> bool:
        """Whether a value looks like an item, a verb with arguments."""
        return isinstance(value, dict) and any(map(self.is_verb, value))

    def could_be(self, value: Any) -> bool:
        """Whether a value looks like an item in any of its forms."""
        if isinstance(value, list):
            return any(map(self.could_be, value)) or not value
        return self.is_verb(value) if isinstance(value, str) else self.is_item(value)

    def is_sequence(self, value: Any) -> bool:
        """Whether a mapping holds items, and is none itself."""
        if not isinstance(value, dict) or any(
            is_modifier(word, raw) or self.is_verb(word) for word, raw in value.items()
        ):
            return False
        return any(
            self.is_verb(part)
            if isinstance(part, str)
            else self.is_item(part) or isinstance(part, list)
            for part in value.values()
        )

    # modifiers

    def modifiers(
        self, said: Mapping[str, Any], place: Place, visible: Visible
    ) -> Modifiers | None:
        """The modifiers of an item, which see the rows of its `for`.

        Its `from`, `as` and `tap` see the turns of its `repeat`, too.
        """
        rows = either(visible, names_bound({word: said[word] for word in ("for",) if word in said}))
        turns = either(rows, frozenset(TURN_NAMES if "repeat" in said else ()))
        read: dict[str, Any] = {}
        if "for" in said:
            read["for_"] = self.columns(said["for"], place / "for", visible)
            if not isinstance(said["for"], dict):
                return None  # which names it binds is not known
        with self.looping(said, place):
            if "if" in said:
                read["if_"] = self.expression(said["if"], place / "if", rows)
            if "repeat" in said:
                read["repeat"] = self.count(said["repeat"], place / "repeat", rows)
            for word, field in (("as", "as_"), ("tap", "tap")):
                if word in said:
                    read[field] = self.result_name(said[word], place / word, turns)
            if "from" in said:
                read["from_"] = self.references(said["from"], place / "from", turns)
            if "each" in said:
                read["each"] = self.references(said["each"], place / "each", rows)
            if "made_before" in said:
                raw, at = said["made_before"], place / "made_before"
                named = self.references(raw, at, rows) if isinstance(raw, str) else None
                read["made_before"] = named
                if not isinstance(raw, str):
                    self.error("E0203", "made_before must be the name of an item", at.span)
        read |= self.flags(said, place)
        if "from" in said and "each" in said:
            message = "`from` and `each` both say what the input is"
            self.error("E0404", message, (place / "each").key, "keep one of the two")
            return None
        return None if None in read.values() else Modifiers(**read)

    def flags(self, said: Mapping[str, Any], place: Place) -> dict[str, Any]:
        """The modifiers that are there or not; None for one that cannot be so."""
        read: dict[str, Any] = {}
        if "shared" in said:
            read["shared"] = (said["shared"] is True and "repeat" in said) or None
            if read["shared"] is None:
                message = "`shared: true` stands beside `repeat`: one module, applied to its result"
                self.error("E0203", message, (place / "shared").span, "without it, leave it out")
        if "aux" in said:
            read["aux"] = said["aux"] is True or None
            if said["aux"] is not True:
                help = "write `aux: true` for a result that exists in training only"
                self.error("E0203", "aux must be true", (place / "aux").span, help)
        if "checkpoint" in said:
            read["checkpoint"] = said["checkpoint"] or None
            if not said["checkpoint"]:
                help = "write `checkpoint: true`, or leave it out"
                self.error("E0203", "checkpoint must be true", (place / "checkpoint").span, help)
        return read

    def count(self, raw: Any, place: Place, visible: Visible) -> Argument | None:
        """A number of copies; what is no number yet is one later."""
        read = self.expression(raw, place, visible)
        if not isinstance(raw, int | float):
            return read
        try:
            number = whole_number(raw)
            if number < 0:
                raise ArgumentError(f"{number} is less than 0")
        except ArgumentError as error:
            self.error(error.code, f"repeat: {error.message}", place.span, error.help)
            return None
        return read

    # verbs and their arguments

    def verb(self, item: Item, value: Any, visible: Visible) -> Item | None:
        """The item with its arguments; None if they can't be read."""
        verb, bare = item.verb, item.place == item.inside
        span = item.inside.span if bare else item.inside.key
        if verb in ("seq", "inline"):
            return replace(item, parts={"items": self.sequence(value, item.inside, visible)})
        if verb in COMBINATORS:
            return self.combinator(item, value, visible)
        if verb == USE and self.file.block(USE) is None:
            return self.use(item, value, visible)
        if verb.startswith("$"):
            good, known = self.verb_parameter(verb, span, visible), None
            item = replace(item, chosen=self.formula(verb, item.inside) if good else None)
        elif self.is_verb(verb):
            good, known = True, self.accepted(verb)
        else:
            self.unknown_verb(verb, span, value)
            return None
        if value is not None and not isinstance(value, dict):
            self.not_a_mapping(verb, value, item.inside)
            return None
        written = value or {}
        if known is None:
            places = ((name, raw, item.inside / name) for name, raw in written.items())
            read = {name: self.any_argument(raw, place, visible) for name, raw, place in places}
            arguments = whole(read)
        else:
            arguments = self.arguments(verb, written, item.inside, visible)
            good = arguments is not None and self.complete(verb, written, span)
        if not good or arguments is None:
            return None
        return replace(item, arguments=arguments) if arguments else item

    def use(self, item: Item, value: Any, visible: Visible) -> Item | None:
        """An item that is the module of an earlier one."""
        if not isinstance(value, str | int) or isinstance(value, bool):
            help = "name an earlier item: `use: conv1`"
            self.error("E0203", "use must be a name", item.inside.span, help)
            return None
        module = self.name(str(value), item.inside, visible)
        return None if module is None else replace(item, arguments={"module": module})

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
                if name in MODIFIERS:
                    help = BESIDE.format(name, verb)
                self.error("E0206", f"{verb} has no argument `{name}`", span, help)
                good = False
        needed = known[:2] if verb == "dense" else known[:1]
        missing = [name for name in needed if name not in value]
        for name in missing:
            if name not in {nearest(word, known) for word in value}:
                self.error("E0207", f"{verb} needs `{name}`", place.key)
                good = False
        turns = frozenset(TURN_NAMES if verb == "dense" else ())
        parts = {
            name: self.sequence(value[name], place / name, either(visible, turns), name == "paths")
            for name in value
            if name in PARTS and name in known
        }
        rest = [name for name in value if name in known and name not in PARTS]
        read: dict[str, Argument | None] = {
            name: self.literal(value[name], place / name)
            if name == "join" or name in WORDS
            else self.expression(value[name], place / name, visible)
            for name in rest
        }
        good &= self.combination(verb, value, place)
        arguments = whole(read)
        return (
            replace(item, arguments=arguments, parts=parts)
            if good and arguments is not None
            else None
        )

    def combination(self, verb: str, value: Mapping[str, Any], place: Place) -> bool:
        """Checks what a combinator asks of its arguments together."""
        if verb == "branches":
            paths, join = value.get("paths", {}), value.get("join", "concat")
            if not isinstance(paths, dict) or ("paths" in value and not paths):
                self.error("E0203", "paths must be a mapping", (place / "paths").span,
                           "give every path a name")  # fmt: skip
                return False
            if join not in (*JOINS, APART):
                message = f"join must be one of {', '.join((*JOINS, APART))}"
                help = did_you_mean(str(join), (*JOINS, APART))
                if not str(join).isidentifier():
                    help = (
                        "it is no expression: say none, and join the list behind it by an item "
                        "with an `if` for each way"
                    )
                self.error("E0305", message, (place / "join").span, help)
                return False
            return len(paths) != 1 or not self.repeated_path(paths, place / "paths")
        for name in WORDS.keys() & value.keys():
            if value[name] not in WORDS[name]:
                message = f"{name} must be one of {', '.join(WORDS[name])}"
                help = did_you_mean(str(value[name]), WORDS[name])
                self.error("E0305", message, (place / name).span, help)
                return False
        sides = [name for name in value if name in ("body", "shortcut") and value[name]]
        if verb == "residual" and all(isinstance(value[side], list) for side in sides[:2]):
            return len(sides) < 2 or self.two_lists(place / sides[0], place / sides[1])
        return True

    def repeated_path(self, paths: Mapping[str, Any], place: Place) -> bool:
        """Whether copies of the only path are meant to be paths, and are one after another."""
        ((name, path),) = paths.items()
        if not isinstance(path, dict) or "repeat" not in path or "for" in path:
            return False
        rest = {word: value for word, value in path.items() if word != "repeat"}
        count = path["repeat"]
        rows = list(range(count)) if isinstance(count, int) and 0 < count < 9 else ["..."]
        key = name if "{" in name else f"{name}{{i}}"
        help = f"`for` makes paths: {as_yaml({key: {'for': {'i': rows}, **rest}})}"
        message = "`repeat` makes one path of its copies, and there is no other"
        self.error("E0404", message, (place / name / "repeat").key, help)
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
