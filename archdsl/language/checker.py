"""Names and expressions to nodes, checked where they are written, before anything is built."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from archdsl.diagnostics.diagnostic import Label, Span
from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.suggest import did_you_mean, nearest
from archdsl.diagnostics.text import as_yaml
from archdsl.expressions.expression import Expression, ExpressionError
from archdsl.expressions.names import key_problem, name_problem, other_name
from archdsl.expressions.parser import parse
from archdsl.expressions.template import Template, parse_template
from archdsl.language.syntax import (
    PLACES,
    ROW_NAMES,
    SHAPE_NAMES,
    TURN_NAMES,
    Argument,
    Formula,
    Listed,
    Literal,
    Name,
    Parameter,
    Text,
)
from archdsl.yaml.limits import Limits
from archdsl.yaml.source import Place

Visible = Set[str]  # the names that an expression may use


class Either(Set[str]):
    """The names that are in one of two sets, which are not copied: they may be large and many."""

    __slots__ = ("one", "other")

    def __init__(self, one: Visible, other: Visible) -> None:
        self.one, self.other = one, other

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> Set[Any]:  # what operators give
        return frozenset(it)

    def __contains__(self, name: object) -> bool:
        return name in self.one or name in self.other

    def __iter__(self) -> Iterator[str]:
        yield from self.one
        yield from (name for name in self.other if name not in self.one)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def either(one: Visible, other: Visible) -> Visible:
    """The names that are in one of two sets."""
    return Either(one, other) if other else one


_WORDS_OF_YAML_1_1 = {
    spelled: value
    for word, value in (("yes", "true"), ("on", "true"), ("no", "false"), ("off", "false"))
    for spelled in (word, word.capitalize(), word.upper())
}


class Checker:
    """Reads expressions and names; reports every one that does not exist or can't be read.

    What is read is given as a node, what is wrong as None.
    """

    def __init__(self, sink: Sink, functions: frozenset[str], limits: Limits) -> None:
        self.sink, self.functions, self.limits = sink, functions, limits
        self.dependent: frozenset[str] = frozenset()  # functions that exist, but not here
        self.in_block = self.alone = False  # alone: it sees no parameters of a document
        self.loop: Place | None = None  # the innermost `for` around
        self.parameters: Mapping[str, Parameter] = {}
        self.declarations: Place | None = None  # where more of them could stand
        self.later: dict[str, Parameter] = {}  # declared behind the one whose default is read
        self.columns_at: dict[str, Span] = {}  # of the rows that were read last
        self.lost: list[Template] = []  # the names in what could not be read

    def error(
        self,
        code: str,
        message: str,
        span: Span | None,
        help: str = "",
        labels: Iterable[Label] = (),
    ) -> None:
        self.sink.error(code, message, span, help=help, labels=labels)

    def expression(
        self,
        raw: Any,
        place: Place,
        visible: Visible,
        words: Collection[str] = (),
        verbs: Iterable[str] = (),
    ) -> Argument | None:
        """A value whose texts are expressions, or a list of them; None if one can't be read.

        `words` stand for themselves here; `verbs` do not, but might have been meant.
        """
        if isinstance(raw, list):
            parts = [
                self.expression(v, place / n, visible, words, verbs) for n, v in enumerate(raw)
            ]
            return listed(parts, place)
        if isinstance(raw, dict):
            self.error("E0203", "expected a value, not a mapping", place.span)
            return None
        if not isinstance(raw, str) or raw in words:
            return self.literal(raw, place)
        if raw.startswith("$") and raw[1:] not in visible:
            help = did_you_mean(raw[1:], visible)
            self.error("E0302", f"unknown parameter `{raw}`", place.span, help)
            return None
        formula = self.formula(raw, place)
        if formula is None:
            return None
        good = self.known_names(formula.expression, place.span, visible, also=(words, verbs))
        return formula if good else None

    def formula(self, text: str, place: Place) -> Formula | None:
        """An expression whose names are not looked at; None if it can't be read."""
        if self.too_long(text, place.span):
            return None
        try:
            return Formula(text, parse(text.removeprefix("$")), place)
        except ExpressionError as error:
            report(self.sink, place.span, error)
            return None

    def literal(self, raw: Any, place: Place) -> Literal:
        """A value that stands for itself."""
        return Literal(raw, place)

    def too_long(self, text: str, span: Span | None) -> bool:
        most = self.limits.expression
        if len(text) > most:
            message = f"an expression of more than {most:,} characters"
            self.error("E0106", message, span, "--limit expression=N allows more")
        return len(text) > most

    def known_names(
        self,
        expression: Expression,
        span: Span | None,
        visible: Visible,
        offset: int = 0,
        also: Iterable[Iterable[str]] = (),
    ) -> bool:
        """Whether its names and functions exist; it begins at an offset in `span`.

        `also` are names that might have been meant.
        """
        known = Either(visible, SHAPE_NAMES)
        unknown = [n for n in expression.names if n not in known]
        unknown = [n for n in unknown if n not in expression.measured or not self.is_result(n)]
        others = [name for names in also for name in names] if unknown else []
        for name in unknown:
            help = self.help_for(name, visible, others)
            here = span and span.part(offset + expression.names[name], len(name))
            labels = self.declared_near(name, visible, others)
            if here is not None and here.in_option:  # which declares nothing
                help, labels = did_you_mean(name, visible), iter(())
            self.error("E0302", f"unknown name `{name}`", here, help, labels)
        missing = [name for name in expression.functions if name not in self.functions]
        for name in missing:
            here = span and span.part(offset + expression.functions[name], len(name))
            help = did_you_mean(name, self.functions)
            if name in self.dependent:
                help = f"`{name}` depends on parameters, so none can depend on it"
            self.error("E0302", f"unknown function `{name}`", here, help)
        return not unknown and not missing

    def is_result(self, name: str) -> bool:
        """Whether something stands before that might give a list of this name."""
        return False

    def help_for(self, name: str, visible: Visible, also: Iterable[str]) -> str:
        """What to write instead of a name that does not exist."""
        if name in _WORDS_OF_YAML_1_1:
            return f"YAML 1.2 knows `true` and `false` only: write `{_WORDS_OF_YAML_1_1[name]}`"
        if name in also:
            return f"a word in an expression stands in quotes: '{name}'"
        for names, binder in ((TURN_NAMES, "repeat"), (ROW_NAMES, "for")):
            if name in names:
                return f"`{name}` exists only in an item that has `{binder}`"
        if name in self.later:
            return f"a default sees the parameters before it: declare `{name}` first"
        close = nearest(name, (*visible, *also, *SHAPE_NAMES))
        if self.is_list(close) and self.loop is not None and "rows" not in self.loop.data:
            columns = as_yaml({**self.loop.data, name: close})
            return f"did you mean a column: `for: {columns}`?"
        if close is not None:
            return did_you_mean(name, (close,))
        if self.in_block:
            if self.alone:
                return f"declare it in the block, which sees no other: `params: {{{name}: int}}`"
            return f"a block sees its own `params` and the document's: declare `{name}` there"
        if name in self.functions:
            return f"`{name}` is a function: write `{name}(...)`"
        known = did_you_mean(name, [n for n in visible if not n.startswith("all_")])
        if self.declarations is not None:
            return f"declare it there: `{name}: ...`" + (f"; {known}" if known else "")
        return f"declare it: `params: {{{name}: ...}}`"

    def is_list(self, name: str | None) -> bool:
        """Whether a name is that of a parameter which is a list."""
        parameter = self.parameters.get(name or "")
        return parameter is not None and parameter.type == "list"

    def declared_near(self, name: str, visible: Visible, also: Iterable[str]) -> Iterator[Label]:
        """Where the name that was probably meant is declared, or those that there are."""
        if name in self.later:
            at = self.later[name].place.key
            yield from [Label(at, "declared here, behind it")] if at else []
            return
        close = nearest(name, visible)
        if self.loop is not None and self.loop.key and (close is None or self.is_list(close)):
            yield Label(self.loop.key, f"`{name}` is no column here")
        if close is None:
            known = self.declarations and self.declarations.key
            if known and nearest(name, (*also, *SHAPE_NAMES)) is None:
                yield Label(known, f"`{name}` is not among these")
        elif close in self.columns_at:
            yield Label(self.columns_at[close], "declared here")
        elif close in self.parameters and (span := self.parameters[close].place.key):
            yield Label(span, "declared here")

    def name(self, text: str, place: Place, visible: Visible) -> Name | None:
        """A name that may hold expressions, the value at a place; None if one can't be read."""
        template = self.template_names(text, place.span, visible)
        return None if template is None else Name(template, place)

    def text(self, text: str, place: Place, visible: Visible) -> Text | None:
        """A word that may hold expressions in braces, and a brace by two; None if it can't be."""
        template = self.template_names(text, place.span, visible, escapes=True)
        return None if template is None else Text(template, place)

    def template_names(
        self,
        text: str,
        span: Span | None,
        visible: Visible,
        start: int = 0,
        escapes: bool = False,
    ) -> Template | None:
        """A name that may hold expressions, in `span` from `start` on; None if it can't be read."""
        if self.too_long(text, span):
            return None
        try:
            template = parse_template(text, escapes)
        except ExpressionError as error:
            error.offset += start
            report(self.sink, span, error)
            return None
        parts = template.expressions
        good = every(self.known_names(part, span, visible, start + at) for at, part in parts)
        return template if good else None

    def template(self, text: str, span: Span | None, visible: Visible) -> Template | None:
        """A name under which something will be found, a key or a tap."""
        template = self.template_names(text, span, visible)
        problem = key_problem(text) if template and not template.expressions else ""
        if problem:
            self.error("E0208", problem, span, "" if "." in text else other_name(text))
        return template if not problem else None

    # references, taps and columns

    @contextmanager
    def looping(self, modifiers: Mapping[str, Any], place: Place) -> Iterator[None]:
        """Inside of an item, and of its `for` if it has one."""
        before = self.loop
        self.loop = place / "for" if "for" in modifiers else before
        try:
            yield
        finally:
            self.loop = before

    def result_name(self, raw: Any, place: Place, visible: Visible) -> Name | None:
        """What `as` or `tap` calls a result; `as` may add it to a list: `s[i]`."""
        if not isinstance(raw, str):
            self.error("E0203", f"{place.path[-1]} must be a name", place.span)
            return None
        _, base, brackets = _split(raw) if place.path[-1] == "as" else ("", raw, "")
        template = self.template(base, place.span, visible)
        if template is not None and template.levels:
            self.error("E0208", name_problem(base), place.span, other_name(base))
        if template is None or template.levels:
            return None
        return (
            self.indexed(Name(template, place), brackets, visible)
            if brackets
            else Name(template, place)
        )

    def references(self, raw: Any, place: Place, visible: Visible) -> Name | Listed | None:
        """A reference or a list of some, each a name that may hold expressions."""
        listed_raw = raw if isinstance(raw, list) else [raw]
        good = all(isinstance(n, str | int) and not isinstance(n, bool) for n in listed_raw)
        if not good or not listed_raw:
            message = f"{place.path[-1]} must be a reference or a list of them"
            self.error("E0203", message, place.span)
            return None
        if not isinstance(raw, list):
            return self.reference(str(raw), place, visible)
        parts = [self.reference(str(v), place / n, visible) for n, v in enumerate(raw)]
        return listed(parts, place)

    def reference(self, text: str, place: Place, visible: Visible) -> Name | None:
        """One reference: `x`, `x[0]`, `x[1:]`, and in a list also `*x`."""
        star, base, brackets = _split(text)
        if star and not isinstance(place.path[-1], int):
            help = f"write `{text.lstrip('*')}` for the list, or put it among others: "
            help += f"[a, {as_yaml(text)}]"
            self.error("E0404", f"`{text}` stands alone", place.span, help)
            return None
        template = self.template_names(base, place.span, visible, len(star))
        if template is None:
            return None
        name = Name(template, place, spread=bool(star))
        return self.indexed(name, brackets, visible) if brackets else name

    def indexed(self, name: Name, brackets: str, visible: Visible) -> Name | None:
        """A name with the index behind it."""
        span, offset = name.place.span, name.spread + len(name.template.text) - len(PLACES)
        if self.too_long(brackets, span):
            return None
        try:
            index = parse(PLACES + brackets)
        except ExpressionError as error:
            error.offset = max(0, error.offset + offset)
            report(self.sink, span, error)
            return None
        known = Either(visible, frozenset([PLACES]))
        good = self.known_names(index, span, known, offset)
        return replace(name, index=index, offset=offset) if good else None


_REFERENCE = re.compile(r"(\*?)((?:\{[^{}]*\}|[^\[{])*)(\[.*\])?", re.DOTALL)


def _split(text: str) -> tuple[str, str, str]:
    """The star, the name and the index of a reference."""
    match = _REFERENCE.fullmatch(text)
    return (match[1], match[2], match[3] or "") if match else ("", text, "")


def listed(parts: Sequence[Argument | None], place: Place) -> Listed | None:
    """Parts as a list, None if one of them can't be read."""
    good = tuple(part for part in parts if part is not None)
    return Listed(good, place) if len(good) == len(parts) else None


def names_bound(modifiers: Mapping[str, Any]) -> Visible:
    """The names that `for` and `repeat` bind."""
    names: list[str] = []
    columns = modifiers.get("for")
    if "for" in modifiers:
        names += ROW_NAMES
    if "repeat" in modifiers:
        names += TURN_NAMES
    if isinstance(columns, dict):
        listed = columns.get("columns") if "rows" in columns else list(columns)
        listed = listed if isinstance(listed, list) else []
        headings = [name for name in listed if isinstance(name, str)]
        names += [*headings, *(f"all_{name}" for name in headings)]
    return frozenset(names)


def every(results: Iterable[bool]) -> bool:
    """Whether all is well; `all` would not look behind the first that isn't."""
    return False not in list(results)


def report(sink: Sink, span: Span | None, error: ExpressionError) -> None:
    """An ExpressionError as a diagnostic at its token; `span` is that of the whole expression."""
    span = span and span.part(error.offset, error.length)
    sink.error(error.code, error.message, span, help=error.help)
