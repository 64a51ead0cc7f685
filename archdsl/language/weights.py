"""How other people name weights: the `keys` of a source, read as far as that goes without values.

In a key of theirs `{s}` stands for what is found there, unless `for` or `repeat` binds `s`. What
mentions such a name is left as it is written, to be computed when weights are loaded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from archdsl.diagnostics.diagnostic import Span
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.expressions.expression import FUNCTIONS, Expression, ExpressionError
from archdsl.expressions.template import Template, parse_template
from archdsl.language.checker import Visible, either, names_bound, report
from archdsl.language.keys import KeysForm
from archdsl.language.reader import Reader
from archdsl.language.syntax import Document, Item, Name, Renaming
from archdsl.yaml.fitting import fitted
from archdsl.yaml.source import Place


def read_weights(reader: Reader, document: Document) -> None:
    """Reads the sources of weights of a document, whose parameters are read."""
    parameters = frozenset(document.parameters)
    for name, weights in document.form.weights.items():
        place = document.file.source.at("weights", name)
        for parameter in weights.requires:
            if parameter not in document.form.params:
                span = (place / "requires" / parameter).key
                help = did_you_mean(parameter, parameters)
                reader.error("E0302", f"unknown parameter `{parameter}`", span, help)
        keys = _Keys(reader, parameters).read(weights.rename, place / "keys")
        document.renamings[name] = tuple(keys)


@dataclass(frozen=True, slots=True)
class _Keys:
    """Reads keys that may use parameters, what loops around bind, and what is found in theirs."""

    reader: Reader
    parameters: Visible
    bound: Visible = frozenset()
    found: Visible = frozenset()

    def read(self, raw: Mapping[str, Any], place: Place) -> Iterator[Renaming]:
        for theirs, ours in raw.items():
            here = place / theirs
            rule = self.group(ours, here) if isinstance(ours, dict) else self.rule(ours, here)
            if rule is not None:
                yield rule

    def rule(self, ours: Any, place: Place) -> Renaming | None:
        """One name of theirs with ours, or with null, which drops it."""
        theirs, inside = self.behind(place)
        if not isinstance(ours, str | None):
            help = "write a name, null, or {keys: {...}}"
            self.reader.error("E0203", "expected a name of ours", place.span, help)
            return None
        name = None if ours is None else inside.name(ours, place)
        if theirs is None or (ours is not None and name is None):
            return None
        return Renaming(Item(theirs, "keys", place, place), name)

    def group(self, raw: Mapping[str, Any], place: Place) -> Renaming | None:
        """The beginning of names of theirs, one or many, and under `keys` how they go on."""
        form = fitted(KeysForm, raw, place, self.reader.sink)
        if form is not None and "keys" not in raw:
            help = "write under `keys:` how the names go on"
            self.reader.error("E0202", "`keys` is missing", place.span, help)
        loops = {word: raw[word] for word in ("for", "repeat") if word in raw}
        names, visible = names_bound(loops), either(self.parameters, self.bound)
        modifiers = self.reader.modifiers(loops, place, visible)
        loop = replace(self, bound=self.bound | names, found=self.found - names)
        theirs, inside = loop.behind(place)
        if form is None or theirs is None or modifiers is None:
            return None
        item = Item(theirs, "keys", place, place, modifiers=modifiers)
        return Renaming(item, below=tuple(inside.read(form.rename, place / "keys")))

    def behind(self, place: Place) -> tuple[Template | None, "_Keys"]:
        """The name of theirs that leads to a place, and the reader of what is behind it."""
        template = self.parsed(str(place.path[-1]), place.key)
        if template is None:
            return None, self
        words = {part.text for _, part in template.expressions if part.text.isidentifier()}
        inside = replace(self, found=self.found | words - self.bound)
        return inside.checked(template, place.key, theirs=True), inside

    def name(self, text: str, place: Place) -> Name | None:
        """A name of ours."""
        template = self.parsed(text, place.span)
        checked = template and self.checked(template, place.span)
        return Name(checked, place) if checked else None

    def parsed(self, text: str, span: Span | None) -> Template | None:
        if self.reader.too_long(text, span):
            return None
        try:
            return parse_template(text)
        except ExpressionError as error:
            report(self.reader.sink, span, error)
            return None

    def checked(
        self, template: Template, span: Span | None, theirs: bool = False
    ) -> Template | None:
        """The name; those of its expressions are words that need what is found in theirs."""
        parts: list[str | tuple[int, Expression]] = []
        good = True
        for part in template.parts:
            if isinstance(part, str):
                parts.append(part)
                continue
            offset, expression = part
            if self.found & ({expression.text} if theirs else expression.names.keys()):
                good &= self.late(expression, span, offset)
                parts.append(f"{{{expression.text}}}")
            else:
                visible = either(self.parameters, self.bound)
                good &= self.reader.known_names(expression, span, visible, offset, (self.found,))
                parts.append(part)
        return Template(template.text, tuple(parts)) if good else None

    def late(self, expression: Expression, span: Span | None, offset: int) -> bool:
        """Whether an expression with names that are found in theirs needs nothing else."""
        named = {**expression.functions, **expression.names}
        foreign = named.keys() - self.found - FUNCTIONS.keys()
        for name in foreign:
            here = span and span.part(offset + named[name], len(name))
            (word, *_) = sorted(expression.names.keys() & self.found)
            help = f"beside `{word}`, which is found in a key, nothing else can be used"
            what = "function" if name in expression.functions else "name"
            self.reader.error("E0302", f"unknown {what} `{name}`", here, help)
        return not foreign
