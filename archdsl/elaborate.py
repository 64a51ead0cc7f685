"""Document to graph: items, modifiers, combinators and blocks, with shapes inferred on the way.

What fails gives a poisoned value (None), and nothing downstream of it complains.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import MISSING, dataclass, field, replace
from typing import Any, NamedTuple

from archdsl import scaling
from archdsl.diagnostics import Label, Sink, Span, counted, did_you_mean
from archdsl.expressions import (
    ExpressionError,
    Names,
    Template,
    Value,
    describe,
    parse,
    parse_template,
)
from archdsl.graph import INPUT, Graph, Node, Scope, ScopeKind
from archdsl.limits import Limits
from archdsl.ops import OPS, WORDS, ArgumentError, Op, ShapeError, arguments, construct
from archdsl.ops.base import kind_of, whole_number
from archdsl.ops.init import SETTING_WORDS
from archdsl.scaling import Rule
from archdsl.source import Path, Source
from archdsl.syntax import (
    COMBINATORS,
    Block,
    Document,
    Item,
    Parameter,
    ParameterForm,
    RuleForm,
    Sequence,
    name_problem,
    report_expression,
)  # fmt: skip
from archdsl.tensor import TensorSpec

MAX_BLOCK_DEPTH = 30  # blocks inside blocks

_KINDS: dict[str, ScopeKind] = {
    "seq": "sequence", "residual": "residual", "branches": "branches", "dense": "dense",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tensor:
    """A value that flows: the node that gives it, and its shape."""

    id: str
    spec: TensorSpec


Flow = Tensor | tuple["Flow", ...] | None  # None: poisoned


class Poison(Exception):
    """A value cannot be had; the reason is in the sink."""


class ItemValue(NamedTuple):
    """The value of a parameter that names a verb: the verb, and arguments already evaluated."""

    verb: str
    arguments: tuple[tuple[str, Any], ...] = ()
    block: Block | None = None  # where the verb is one


class Given(NamedTuple):
    """An argument: as written, and where."""

    raw: Any
    source: Source
    path: Path
    evaluated: bool = False
    context: "Context | None" = None  # to evaluate it in, if not where the op stands


@dataclass
class Level:
    """A named part of the network under construction: its path, its scope, the next number.

    `trail` holds the keys with `_` that are open: they are no part of a module's path, but tell the
    ids of weightless nodes (whose names start with `_`) apart.
    """

    path: str
    scope: str
    count: int = 0
    trail: str = ""

    def child(self, name: str) -> str:
        name = self.trail + name if name.startswith("_") else name
        return f"{self.path}.{name}" if self.path else name

    @contextmanager
    def below(self, name: str) -> Iterator[None]:
        """Inside an item whose key starts with `_`."""
        before, self.trail = self.trail, f"{self.trail}{name}."
        try:
            yield
        finally:
            self.trail = before


@dataclass
class Frame:
    """What references can see in a sequence; `outer` is the enclosing one, up to the block's border."""

    level: Level
    given: Flow
    outer: "Frame | None" = None
    names: dict[str, Flow] = field(default_factory=dict)

    def find(self, name: str) -> Flow:
        """The value of an earlier item; raises KeyError if there is none."""
        if name in self.names:
            return self.names[name]
        if self.outer is None:
            raise KeyError(name)
        return self.outer.find(name)

    def visible(self) -> list[str]:
        return [*self.names, *(self.outer.visible() if self.outer else ())]


@dataclass(frozen=True)
class Context:
    """What is the same throughout a document or a block: its file, parameters, defaults and blocks."""

    source: Source
    values: Mapping[str, Value]
    defaults: Mapping[str, Mapping[str, Any]]
    blocks: Mapping[str, Block]
    block: str = ""


class Recorded(NamedTuple):
    """An elaborated block, to be replayed under another name."""

    path: str
    inputs: tuple[Tensor, ...]
    nodes: tuple[Node, ...]
    scopes: tuple[Scope, ...]
    result: Flow


def elaborate(document: Document, sink: Sink, limits: Limits | None = None) -> Graph | None:
    """The graph of a document, or None with the reasons in `sink`."""
    return _Elaborator(document, sink, limits or Limits()).run()


class _Elaborator:
    def __init__(self, document: Document, sink: Sink, limits: Limits) -> None:
        self.document, self.sink, self.limits = document, sink, limits
        self.nodes: list[Node] = []
        self.scopes: list[Scope] = []
        self.taken: dict[str, Span | None] = {}
        self.spans: dict[str, Span | None] = {}
        self.taps: dict[str, Flow] = {}
        self.tap_spans: dict[str, Span | None] = {}
        self.recorded: dict[Any, Recorded] = {}
        self.calls: list[Block] = []
        self.application = ""
        self.functions = scaling.functions({})
        self.values: Mapping[str, Value] = {}  # of the document's parameters
        self.context: Context  # the document's, as soon as these are known
        self.outputs_of: dict[str, TensorSpec] = {}  # by id, the input's too
        self.applied: dict[str, Node] = {}  # by id

    # the document

    def run(self) -> Graph | None:
        source, form = self.document.source, self.document.form
        context = Context(source, {}, form.defaults, self.document.blocks)
        try:
            self.values = self.parameter_values(context)
            self.context = context = replace(context, values=self.values)
            self.functions = scaling.functions(self.rules(context))
            input = self.outputs_of[INPUT] = self.input_spec(context)
        except Poison:
            return None
        root = Frame(Level("", ""), Tensor(INPUT, input))
        x: Flow = root.given
        aux: dict[str, Flow] = {}
        for section, sequence in self.document.sections.items():
            if section == "aux":
                aux = self.side_results(sequence, context, root, x)
            else:
                x = self.sequence(sequence, context, root, {}, x)
        outputs = self.outputs(context, root, x)
        if self.sink.failed:
            return None
        cite = form.cite
        graph = Graph(
            form.name,
            input,
            tuple(self.nodes),
            tuple(self.scopes),
            _flat(outputs),
            _flat(self.taps),
            _flat(aux),
            title=(cite.title if cite else None) or "",
            citation=_citation(cite) if cite else "",
        )
        self.check_used(graph)
        return None if self.sink.failed else graph

    def parameter_values(self, context: Context) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for name, parameter in self.document.parameters.items():
            inner = replace(context, values=values)
            if parameter.default is MISSING:
                self.error("E0207", f"parameter {name} has no value", context, parameter.path)
                raise Poison
            given = Given(parameter.default, context.source, parameter.path)
            values[name] = self.parameter_value(parameter, given, inner, {}, None)
        return values

    def rules(self, context: Context) -> dict[str, Rule]:
        forms = dict(self.document.form.scaling)
        raw_phi = forms.pop("phi", 0)
        path: Path = ("scaling", "phi")
        if isinstance(raw_phi, RuleForm):
            self.error("E0203", "phi must be a number", context, path)
            raise Poison
        phi = self.number(raw_phi, context, path)
        rules, bases = {}, {}
        for name, form in forms.items():
            here: Path = ("scaling", name)
            if not isinstance(form, RuleForm):
                self.error(
                    "E0203",
                    f"the rule {name} must be a mapping",
                    context,
                    here,
                    "write {factor: ...}",
                )
                raise Poison
            settings: dict[str, Any] = {}
            for word in ("base", "factor", "multiple_of", "min", "max"):
                raw = getattr(form, word)
                if raw is not None:
                    settings[word] = self.number(raw, context, (*here, word))
            for word in ("multiple_of", "min", "max"):
                if word in settings:
                    settings[word] = self.whole(settings[word], context, (*here, word), 1)
            base = settings.pop("base", 1.0)
            if base <= 0 or not -1000 <= phi <= 1000 or settings.get("factor", 1.0) <= 0:
                self.error("E0305", f"the rule {name} needs a positive factor", context, here)
                raise Poison
            settings.setdefault("factor", base**phi)
            bases[name] = base
            rounding = form.round or scaling.RULES.get(name, "nearest")
            rules[name] = Rule(round=rounding, **settings)
        self.warn_of_growth(bases, context)
        return rules

    def warn_of_growth(self, bases: Mapping[str, float], context: Context) -> None:
        if set(scaling.RULES) <= set(bases) and all(bases[name] != 1.0 for name in scaling.RULES):
            growth = scaling.compound_growth(*(bases[name] for name in scaling.RULES))
            if not 1.8 <= growth <= 2.2:
                self.sink.error(
                    "W0101",
                    f"depth * width^2 * resolution^2 is {growth:.2f} per phi, compound scaling wants about 2",
                    context.source.key_span(("scaling",)),
                    severity="warning",
                )

    def input_spec(self, context: Context) -> TensorSpec:
        raw = self.document.form.input
        shape = []
        for position, part in enumerate(raw):
            path: Path = ("input", position)
            shape.append(self.whole(self.evaluate(part, context, path, {}, None), context, path, 1))
        if not 1 <= len(shape) <= 4:
            self.error(
                "E0305", "input is [C, H, W] (or [C], [C, L], [C, D, H, W])", context, ("input",)
            )
            raise Poison
        return TensorSpec(tuple(shape))

    def side_results(
        self, sequence: Sequence, context: Context, root: Frame, x: Flow
    ) -> dict[str, Flow]:
        """The results of `aux`: every item stands alone."""
        results: dict[str, Flow] = {}
        for item in sequence.items:
            for names in self.copies(item, context, {}, x):
                before = set(root.names)
                value = self.single(item, context, root, names, x)
                results.update((name, value) for name in root.names if name not in before)
        return results

    def outputs(self, context: Context, root: Frame, x: Flow) -> dict[str, Flow]:
        listed = self.document.form.outputs
        if listed is None:
            return {"": x}
        results = {}
        for name, reference in listed.items():
            path: Path = ("outputs", name)
            problem = name_problem(name, identifier=True)
            if problem:
                self.sink.error("E0208", problem, context.source.key_span(path))
            try:
                results[name] = self.reference(reference, context, path, root)
            except Poison:
                results[name] = None
        return results

    def check_used(self, graph: Graph) -> None:
        """Nothing is ignored: a node whose result nothing takes is an error."""
        used = {id for node in graph.nodes for id in node.inputs}
        used.update((*graph.outputs.values(), *graph.taps.values(), *graph.aux.values()))
        for node in graph.nodes:
            if node.id not in used:
                message = f"nothing uses the result of {node.id}"
                help = "remove it, or name it in `from`, `tap` or `outputs`"
                self.sink.error("E0403", message, node.span, help=help)

    # sequences, items, modifiers

    def sequence(
        self,
        sequence: Sequence,
        context: Context,
        frame: Frame,
        names: Mapping[str, Value],
        x: Flow,
    ) -> Flow:
        for item in sequence.items:
            for bound in self.copies(item, context, names, x):
                x = self.single(item, context, frame, bound, x)
        return x

    def copies(
        self, item: Item, context: Context, names: Mapping[str, Value], x: Flow
    ) -> Iterator[Mapping[str, Value]]:
        """The names bound for every copy that `for` makes and `if` keeps."""
        rows: list[Mapping[str, Value]] = [names]
        if "for" in item.modifiers:
            try:
                rows = [{**names, **row} for row in self.rows(item, context, names, x)]
            except Poison:
                return
        for row in rows:
            if "if" in item.modifiers:
                try:
                    value = self.evaluate(item.modifiers["if"], context, (*item.path, "if"), row, x)
                except Poison:
                    continue
                if not value:
                    continue
            yield row

    def rows(
        self, item: Item, context: Context, names: Mapping[str, Value], x: Flow
    ) -> list[dict[str, Value]]:
        columns, path = item.modifiers["for"], (*item.path, "for")
        if not isinstance(columns, dict):
            raise Poison
        if "rows" in columns:
            headings = columns.get("columns")
            if not isinstance(headings, list) or not isinstance(columns["rows"], list):
                raise Poison
            table = columns["rows"]
            if any(not isinstance(row, list) or len(row) != len(headings) for row in table):
                raise Poison
        else:
            headings = list(columns)
            cells = [
                self.column(columns[name], context, (*path, name), names, x) for name in headings
            ]
            lengths = {len(column) for column in cells}
            if len(lengths) > 1:
                shown = ", ".join(f"{n} has {len(c)}" for n, c in zip(headings, cells, strict=True))
                self.error("E0212", f"columns of unequal length: {shown}", context, path)
                raise Poison
            table = list(zip(*cells, strict=True))
        last = len(table) - 1
        whole = {f"all_{name}": [row[n] for row in table] for n, name in enumerate(headings)}
        return [
            {
                **whole,
                **dict(zip(headings, row, strict=True)),
                "row": n,
                "first_row": n == 0,
                "last_row": n == last,
            }
            for n, row in enumerate(table)
        ]

    def column(
        self, raw: Any, context: Context, path: Path, names: Mapping[str, Value], x: Flow
    ) -> list[Value]:
        value = self.evaluate(raw, context, path, names, x) if isinstance(raw, str) else raw
        if not isinstance(value, list):
            self.error("E0203", f"a column must be a list, not {kind_of(value)}", context, path)
            raise Poison
        return value

    def single(
        self, item: Item, context: Context, frame: Frame, names: Mapping[str, Value], x: Flow
    ) -> Flow:
        """One copy of an item with its `from`, `each`, `repeat` and `tap`."""
        try:
            source = x
            if "from" in item.modifiers:
                source = self.references(
                    item.modifiers["from"], context, (*item.path, "from"), frame
                )
            if "each" in item.modifiers:
                result = self.each(item, context, frame, names)
            else:
                result = self.repeated(item, context, frame, names, source)
            tap = item.modifiers.get("tap")
        except Poison:
            result, tap = None, item.modifiers.get("tap")
            self.poison_name(item, context, frame, names)
        if isinstance(tap, str):
            self.tap(tap, result, context, (*item.path, "tap"), names, x)
        return result

    def poison_name(
        self, item: Item, context: Context, frame: Frame, names: Mapping[str, Value]
    ) -> None:
        """After a failure the item's name stands for a poisoned value, so that nobody misses it."""
        if item.key is not None and not item.key.names - set(names) - set(context.values):
            name = item.key.format(Names({**context.values, **names}, self.functions))
            frame.names.setdefault(name, None)

    def tap(
        self,
        text: str,
        value: Flow,
        context: Context,
        path: Path,
        names: Mapping[str, Value],
        x: Flow,
    ) -> None:
        try:
            name = self.format(text, context, path, names, x)
        except Poison:
            return
        problem = name_problem(name)
        span = context.source.span(path)
        if problem:
            self.sink.error("E0208", problem, span)
        elif name in self.taps and not (parse_template(text).names and self.tap_spans[name] == span):
            first = self.tap_spans[name]
            label = [Label(first, "first here")] if first and first != span else []
            message = f"two taps named {name}"
            self.sink.error(
                "E0401",
                message,
                span,
                labels=label,
                help="a tap in a copied item needs a name that depends on the copy: tap: c{row + 2}",
            )
        else:  # among the copies of one item the last that gives a name has it
            self.taps[name], self.tap_spans[name] = value, span

    def each(self, item: Item, context: Context, frame: Frame, names: Mapping[str, Value]) -> Flow:
        """The same module applied to every input; the later applications are marked in the ids."""
        listed = item.modifiers["each"]
        inputs = self.references(listed, context, (*item.path, "each"), frame)
        assert isinstance(inputs, tuple)
        results, outside, count = [], self.application, frame.level.count
        for index, value in enumerate(inputs):
            frame.level.count = count
            self.application = f"{outside}@{index}" if outside or index else ""
            try:
                results.append(self.repeated(item, context, frame, names, value))
            finally:
                self.application = outside
        return tuple(results)

    def repeated(
        self, item: Item, context: Context, frame: Frame, names: Mapping[str, Value], x: Flow
    ) -> Flow:
        if "repeat" not in item.modifiers:
            return self.named(item, context, frame, names, x)
        path = (*item.path, "repeat")
        count = self.count(item.modifiers["repeat"], context, path, names, x)
        side_by_side = item.key is None or "i" in item.key.names or item.verb == "inline"
        if side_by_side:
            for bound in _turns(count, names):
                x = self.named(item, context, frame, bound, x)
            return x
        assert item.key is not None
        name = self.format(item.key.text, context, item.path, names, x, key=True)
        with self.level(name, "repeat", context, item, frame) as level:
            inner = Frame(level, frame.given, frame)
            for bound in _turns(count, names):
                x = self.place(item, context, inner, bound, x, str(level.count), advance=True)
        frame.names[name] = x
        return x

    def count(
        self, raw: Any, context: Context, path: Path, names: Mapping[str, Value], x: Flow
    ) -> int:
        count = self.whole(self.evaluate(raw, context, path, names, x), context, path, 0)
        if count > self.limits.nodes:
            message = f"a repeat of {count:,} is more than {self.limits.nodes:,} nodes"
            self.error("E0106", message, context, path, "--limit nodes=N allows more")
            raise Poison
        return count

    def named(
        self, item: Item, context: Context, frame: Frame, names: Mapping[str, Value], x: Flow
    ) -> Flow:
        """An item under its key or its number."""
        name = None
        if item.key is not None:
            name = self.format(item.key.text, context, item.path, names, x, key=True)
            problem = name_problem(name)
            if problem:
                self.sink.error("E0208", problem, context.source.key_span(item.path))
                raise Poison
        if item.verb == "inline":
            hidden = name is not None and name.startswith("_")
            with frame.level.below(name) if hidden and name else nullcontext():
                result = self.sequence(item.parts["items"], context, frame, names, x)
        else:
            child = str(frame.level.count) if name is None else name
            result = self.place(item, context, frame, names, x, child, advance=name is None)
            name = child
        if name is not None:
            frame.names[name] = result
        return result

    # verbs

    def place(
        self,
        item: Item,
        context: Context,
        frame: Frame,
        names: Mapping[str, Value],
        x: Flow,
        name: str,
        advance: bool = False,
    ) -> Flow:
        """The verb of an item under `name`; `advance` where the name is the level's next number."""
        if advance:
            frame.level.count += 1
        if _poisoned(x):
            raise Poison
        verb, block, given = self.resolve(item, context)
        if verb in OPS:
            return self.op(verb, given, item, context, frame, names, x, name)
        if block is not None:
            return self.call(block, given, item, context, frame, names, x, name)
        if name.startswith("_"):
            with frame.level.below(name):
                return self.combine(item, context, frame, names, x)
        with self.level(name, _KINDS[verb], context, item, frame) as level:
            return self.combine(item, context, Frame(level, frame.given, frame), names, x)

    def resolve(self, item: Item, context: Context) -> tuple[str, Block | None, dict[str, Given]]:
        """The verb (behind `$name`), its block if it is one, and the arguments, also the parameter's."""
        given = {
            name: Given(raw, context.source, (*item.inside, name))
            for name, raw in item.arguments.items()
        }
        if not item.verb.startswith("$"):
            return item.verb, context.blocks.get(item.verb), given
        value = context.values[item.verb[1:]]
        if not isinstance(value, ItemValue):
            self.error(
                "E0205", f"`{item.verb}` is {describe(value)}, not a verb", context, item.inside
            )
            raise Poison
        for name, argument in value.arguments:
            if name in given:
                message = f"`{name}` is given twice: here and in the value of {item.verb}"
                self.error("E0206", message, context, (*item.inside, name))
                raise Poison
            given[name] = Given(argument, context.source, item.inside, evaluated=True)
        return value.verb, value.block, given

    def combine(
        self, item: Item, context: Context, frame: Frame, names: Mapping[str, Value], x: Flow
    ) -> Flow:
        """A combinator whose items stand in `frame`."""
        if item.verb == "seq":
            return self.sequence(item.parts["items"], context, frame, names, x)
        if item.verb == "residual":
            return self.residual(item, context, frame, names, x)
        if item.verb == "branches":
            return self.branches(item, context, frame, names, x)
        return self.dense(item, context, frame, names, x)

    def residual(
        self, item: Item, context: Context, frame: Frame, names: Mapping[str, Value], x: Flow
    ) -> Flow:
        when = self.evaluate(
            item.arguments.get("when", True), context, (*item.inside, "when"), names, x
        )
        sides: dict[str, Flow] = {"shortcut": x}
        for side, part in item.parts.items():  # in the order in which they are written
            if side == "body" or (side == "shortcut" and when):
                sides[side] = self.sequence(part, context, frame, names, x)
        result, shortcut = sides["body"], sides["shortcut"]
        if when:
            if _poisoned(result) or _poisoned(shortcut):
                raise Poison
            self.check_residual(item, context, result, shortcut)
            op = OPS["add"]()
            result = self.emit(
                op, (result, shortcut), frame.level.child("_add"), frame, context, item.path
            )
        if "after" in item.parts:
            result = self.sequence(item.parts["after"], context, frame, names, result)
        return result

    def check_residual(self, item: Item, context: Context, body: Flow, shortcut: Flow) -> None:
        """Body and shortcut must have one shape; else says both, and which projection to write."""
        if not isinstance(body, Tensor) or not isinstance(shortcut, Tensor):
            self.error("E0404", "a residual adds two tensors, not lists", context, item.path)
            raise Poison
        if body.spec == shortcut.spec:
            return
        b, s = body.spec, shortcut.spec
        help = "give the shortcut the body's shape"
        if (
            b.rank == s.rank
            and b.rank
            and all(n % m == 0 for n, m in zip(s.spatial, b.spatial, strict=True))
        ):
            stride = s.spatial[0] // b.spatial[0]
            projection = f"{{conv: {{out: {b.channels}, kernel: 1{f', stride: {stride}' if stride > 1 else ''}}}}}"
            help = f"project the shortcut: `shortcut: {{projection: {projection}}}`"
        labels = [
            Label(span, f"the {what} gives {flow.spec}")
            for what, flow in (("body", body), ("shortcut", shortcut))
            if (span := self.spans.get(flow.id)) is not None
        ]
        message = f"the body gives {b}, the shortcut {s}"
        self.sink.error("E0501", message, self.span_of(context, item), labels=labels, help=help)
        raise Poison

    def branches(
        self, item: Item, context: Context, frame: Frame, names: Mapping[str, Value], x: Flow
    ) -> Flow:
        inputs = self.split(item, context, frame, names, x)
        results: list[Flow] = []
        for position, part in enumerate(item.parts["paths"].items):
            if inputs is not None and position >= len(inputs):
                break
            start = x if inputs is None else inputs[position]
            for bound in self.copies(part, context, names, start):
                results.append(self.single(part, context, frame, bound, start))
        if any(_poisoned(r) for r in results):
            raise Poison
        if len(results) == 1:
            return results[0]
        join = item.arguments.get("join", "concat")
        return self.emit(
            OPS[join](), tuple(results), frame.level.child(f"_{join}"), frame, context, item.path
        )

    def split(
        self, item: Item, context: Context, frame: Frame, names: Mapping[str, Value], x: Flow
    ) -> list[Flow] | None:
        """The slices of the input that `split` deals out, or None: every path gets all of it."""
        if "split" not in item.arguments:
            return None
        where = (*item.inside, "split")
        value = self.evaluate(item.arguments["split"], context, where, names, x)
        counts = (
            [self.whole(v, context, where, 1) for v in value] if isinstance(value, list) else []
        )
        channels = x.spec.channels if isinstance(x, Tensor) else 0
        if len(counts) != len(item.parts["paths"].items) or sum(counts) != channels:
            message = f"split {describe(value)} must give {channels} channels to {counted(len(item.parts['paths'].items), 'path')}"
            self.error("E0502", message, context, where)
            raise Poison
        slices: list[Flow] = []
        start = 0
        for position, count in enumerate(counts):
            op = construct(OPS["slice"], {"start": start, "stop": start + count}, x.spec)  # type: ignore[union-attr]
            slices.append(
                self.emit(
                    op, (x,), frame.level.child(f"_slice{position}"), frame, context, item.path
                )
            )
            start += count
        return slices

    def dense(
        self, item: Item, context: Context, frame: Frame, names: Mapping[str, Value], x: Flow
    ) -> Flow:
        where = (*item.inside, "repeat")
        count = self.count(item.arguments["repeat"], context, where, names, x)
        maps: list[Flow] = [x]
        for turn, bound in enumerate(_turns(count, names)):
            seen = x
            if turn:
                op = OPS["concat"]()
                seen = self.emit(
                    op, tuple(maps), frame.level.child(f"_concat{turn}"), frame, context, item.path
                )
            result = self.sequence(item.parts["layer"], context, frame, bound, seen)
            if _poisoned(result):
                raise Poison
            maps.append(result)
        if not count:
            return x
        return self.emit(
            OPS["concat"](), tuple(maps), frame.level.child("_concat"), frame, context, item.path
        )

    # blocks

    def call(
        self,
        block: Block,
        given: dict[str, Given],
        item: Item,
        context: Context,
        frame: Frame,
        names: Mapping[str, Value],
        x: Flow,
        name: str,
    ) -> Flow:
        """A block under `name`: elaborated once for its arguments and input shapes, then replayed."""
        if block.body is None:
            raise Poison
        if block in self.calls or len(self.calls) >= MAX_BLOCK_DEPTH:
            chain = " -> ".join([called.name for called in self.calls] + [block.name])
            self.error(
                "E0211", f"block {block.name} contains itself: {chain}", context, item.inside
            )
            raise Poison
        inputs = self.block_inputs(block, item, context, x)
        values = self.block_values(block, given, item, context, names, x)
        body, level = block.body, frame.level
        shown = tuple((p, _freeze(_plain(values[p]))) for p in block.parameters)
        if body.verb not in COMBINATORS:
            return self.enter(block, values, inputs, frame.level, item, context, name, x)
        if name.startswith("_"):
            with level.below(name):
                return self.enter(block, values, inputs, level, item, context, None, x)
        path = level.child(name)
        same = tuple(_freeze(values[p]) for p in block.parameters)
        key = (id(block), same, tuple(t.spec for t in inputs))
        if key in self.recorded:
            return self.replay(self.recorded[key], path, level, item, context, inputs)
        marks = len(self.nodes), len(self.scopes), len(self.taps)
        specs = tuple(t.spec for t in inputs)
        kind = _KINDS.get(body.verb, "sequence")
        with self.level(name, kind, context, item, frame, block.name, shown, specs) as inner:
            result = self.enter(block, values, inputs, inner, item, context, None, x)
        if not self.application and len(self.taps) == marks[2] and not _poisoned(result):
            nodes, scopes = tuple(self.nodes[marks[0] :]), tuple(self.scopes[marks[1] :])
            self.recorded[key] = Recorded(path, inputs, nodes, scopes, result)
        return result

    def enter(
        self,
        block: Block,
        values: dict[str, Value],
        inputs: tuple[Tensor, ...],
        level: Level,
        item: Item,
        context: Context,
        name: str | None,
        x: Flow,
    ) -> Flow:
        """The body of a block at `level`, or under `name` in it where the body is one op or block."""
        assert block.body is not None
        inner = Context(block.source, values, block.defaults, block.blocks, block.name)
        given = inputs[0] if len(inputs) == 1 else inputs
        frame = Frame(level, given)
        frame.names.update(zip(block.inputs, inputs, strict=False))
        self.calls.append(block)
        try:
            with self.sink.within(context.source.span(item.path), f"in this call of {block.name}"):
                if name is not None:
                    return self.place(block.body, inner, frame, {}, given, name)
                return self.combine(block.body, inner, frame, {}, given)
        finally:
            self.calls.pop()

    def block_inputs(
        self, block: Block, item: Item, context: Context, x: Flow
    ) -> tuple[Tensor, ...]:
        """The tensors a block is given; as many as its `inputs` say."""
        flows = x if isinstance(x, tuple) else (x,)
        wanted = max(1, len(block.inputs))
        if len(flows) != wanted or not all(isinstance(flow, Tensor) for flow in flows):
            message = f"{block.name} takes {counted(wanted, 'input')}, here {len(flows)}"
            self.error("E0404", message, context, item.path, "name them in `from`")
            raise Poison
        return tuple(flow for flow in flows if isinstance(flow, Tensor))

    def block_values(
        self,
        block: Block,
        given: dict[str, Given],
        item: Item,
        context: Context,
        names: Mapping[str, Value],
        x: Flow,
    ) -> dict[str, Value]:
        """The parameters of a call: the document's, then the block's own in order."""
        values: dict[str, Value] = dict(self.outer_values(block))
        unknown = [name for name in given if name not in block.parameters]
        for name in unknown:
            help = did_you_mean(name, block.parameters)
            self.error(
                "E0206",
                f"{block.name} has no argument `{name}`",
                context,
                given[name].path,
                help,
                key=True,
            )
        failed = bool(unknown)
        for name, parameter in block.parameters.items():
            values.pop(name, None)
            try:
                if name in given:
                    values[name] = self.parameter_value(parameter, given[name], context, names, x)
                elif parameter.default is MISSING:
                    self.error(
                        "E0207", f"{block.name} needs `{name}`", context, item.inside, key=True
                    )
                    failed = True
                else:
                    inner = Context(block.source, values, block.defaults, block.blocks)
                    default = Given(parameter.default, block.source, parameter.path)
                    with self.sink.within(
                        context.source.span(item.path), f"in this call of {block.name}"
                    ):
                        values[name] = self.parameter_value(parameter, default, inner, {}, x)
            except Poison:
                failed = True
        if failed:
            raise Poison
        return values

    def outer_values(self, block: Block) -> Mapping[str, Value]:
        """The document's parameters, which the blocks of other files do not see."""
        return self.values if block.source is self.document.source else {}

    def parameter_value(
        self,
        parameter: Parameter,
        given: Given,
        context: Context,
        names: Mapping[str, Value],
        x: Flow,
    ) -> Value:
        """A parameter's value, checked against its type and bounds."""
        context = replace(context, source=given.source)
        raw = given.raw
        if given.evaluated:
            value = raw
        elif parameter.type == "item":
            value = self.item_value(raw, context, given.path, names, x)
        elif isinstance(raw, str) and self.is_word(parameter, raw, context, names):
            value = raw
        else:
            value = self.evaluate(raw, context, given.path, names, x)
        problem = _type_problem(parameter.type, value)
        if problem is None:
            if isinstance(value, float) and parameter.type == "int":
                value = int(value)
            problem = self.bounds_problem(parameter.form, value, context, given.path)
        if problem:
            self.error(
                "E0305" if ":" in problem else "E0203",
                f"{parameter.name}: {problem}".replace(":: ", ": "),
                context,
                given.path,
            )
            raise Poison
        return value

    def is_word(
        self, parameter: Parameter, raw: str, context: Context, names: Mapping[str, Value]
    ) -> bool:
        """Whether a string is a word as it stands: of a `str`, or of some op's argument (`same`)."""
        if parameter.type == "str":
            return not raw.startswith("$")
        return parameter.type is None and raw in WORDS and raw not in {**context.values, **names}

    def bounds_problem(
        self, form: ParameterForm, value: Value, context: Context, path: Path
    ) -> str | None:
        if (
            form.choices is not None
            and value not in form.choices
            and not (isinstance(value, ItemValue) and value.verb in form.choices)
        ):
            return f"expected one of: {', '.join(map(str, form.choices))}"
        if isinstance(value, int | float):
            if isinstance(form.min, int | float) and value < form.min:
                return f"{value:g} is less than the minimum: {form.min:g}"
            if isinstance(form.max, int | float) and value > form.max:
                return f"{value:g} is more than the maximum: {form.max:g}"
        return None

    def item_value(
        self, raw: Any, context: Context, path: Path, names: Mapping[str, Value], x: Flow
    ) -> ItemValue:
        """A verb given as a value: `relu`, or `{leaky_relu: {slope: 0.1}}`."""
        if isinstance(raw, str) and raw.removeprefix("$") in context.values:
            value = context.values[raw.removeprefix("$")]
            if isinstance(value, ItemValue):
                return value
        if isinstance(raw, str) and isinstance(names.get(raw), str):
            raw = names[raw]
        verb, given = raw, {}
        if isinstance(raw, dict) and len(raw) == 1:
            ((verb, given),) = raw.items()
        known = [*OPS, *context.blocks]
        if not isinstance(verb, str) or verb not in known:
            shown = describe(raw) if isinstance(raw, str | int | float | bool) else "this"
            help = did_you_mean(str(verb), known) if isinstance(verb, str) else ""
            self.error("E0205", f"expected an op or block, not {shown}", context, path, help)
            raise Poison
        if not isinstance(given or {}, dict):
            self.error("E0203", f"the arguments of {verb} must be a mapping", context, path)
            raise Poison
        accepted = arguments(OPS[verb]) if verb in OPS else context.blocks[verb].parameters
        values = []
        for name, value in (given or {}).items():
            if name not in accepted:
                help = did_you_mean(name, accepted)
                self.error(
                    "E0206",
                    f"{verb} has no argument `{name}`",
                    context,
                    (*path, verb, name),
                    help,
                    key=True,
                )
                raise Poison
            argument = Given(value, context.source, (*path, verb, name))
            values.append((name, self.item_argument(verb, name, argument, context, names, x)))
        return ItemValue(verb, tuple(values), context.blocks.get(verb))

    def item_argument(
        self,
        verb: str,
        name: str,
        given: Given,
        context: Context,
        names: Mapping[str, Value],
        x: Flow,
    ) -> Value:
        """An argument of a verb that is given as a value; it may itself be a verb."""
        if verb in OPS:
            words = arguments(OPS[verb])[name].metadata["kind"].words
            return self.argument(given, words, context, names, x)
        parameter = context.blocks[verb].parameters[name]
        return self.parameter_value(parameter, given, context, names, x)

    def replay(
        self,
        recorded: Recorded,
        path: str,
        level: Level,
        item: Item,
        context: Context,
        inputs: tuple[Tensor, ...],
    ) -> Flow:
        """The recorded subgraph under another path and on other inputs of the same shapes."""
        self.take(path + self.application, context, item)
        if len(self.nodes) + len(recorded.nodes) > self.limits.nodes:
            self.too_many_nodes(context, item)
        cut, end = len(recorded.path), self.application
        renamed = {old.id: new.id for old, new in zip(recorded.inputs, inputs, strict=True)}
        for scope in recorded.scopes:
            outer = level.scope if scope.id == recorded.path else path + scope.parent[cut:] + end
            span = context.source.span(item.path) if scope.id == recorded.path else scope.span
            self.scopes.append(
                replace(scope, id=path + scope.id[cut:] + end, parent=outer, span=span)
            )
        for node in recorded.nodes:
            id = renamed[node.id] = path + node.id[cut:] + end
            scope_id = path + node.scope[cut:] + end
            moved = tuple([renamed[i] for i in node.inputs])
            copy = self.applied[id] = Node(id, node.op, moved, node.output, scope_id, node.span)
            self.nodes.append(copy)
            self.outputs_of[id], self.spans[id] = node.output, node.span
        result = recorded.result
        return _renamed(result, renamed)

    # ops

    def op(
        self,
        verb: str,
        given: dict[str, Given],
        item: Item,
        context: Context,
        frame: Frame,
        names: Mapping[str, Value],
        x: Flow,
        name: str,
    ) -> Flow:
        cls = OPS[verb]
        for owner in (context, self.context):  # the file's own defaults, then the document's
            for argument, raw in owner.defaults.get(verb, {}).items():
                path: Path = ("defaults", verb, argument)
                given.setdefault(argument, Given(raw, owner.source, path, context=owner))
        inputs = x if isinstance(x, tuple) else (x,)
        values: dict[str, Any] = {}
        failed = False
        for argument, argument_given in given.items():
            where = argument_given.context or context
            if argument not in arguments(cls):
                known = did_you_mean(argument, arguments(cls))
                self.error(
                    "E0206",
                    f"{verb} has no argument `{argument}`",
                    where,
                    argument_given.path,
                    known,
                    key=True,
                )
                failed = True
                continue
            kind = arguments(cls)[argument].metadata["kind"]
            try:
                if kind.name == "reference":
                    inputs = (
                        *inputs,
                        self.reference(argument_given.raw, context, argument_given.path, frame),
                    )
                    values[argument] = True
                else:
                    values[argument] = self.argument(argument_given, kind.words, where, names, x)
            except Poison:
                failed = True
        missing = [n for n, f in arguments(cls).items() if f.default is MISSING and n not in given]
        if missing:
            self.error("E0207", f"{verb} needs `{missing[0]}`", context, item.inside, key=True)
        if failed or missing or any(_poisoned(flow) for flow in inputs):
            raise Poison
        tensors = self.op_inputs(cls, values, inputs, context, item)
        try:
            op = construct(cls, values, tensors[0].spec)
        except ArgumentError as error:
            blamed = getattr(error, "argument", None)
            path = given[blamed].path if blamed in given else item.inside
            where = (given[blamed].context if blamed in given else None) or context
            self.error(error.code, f"{blamed} of {verb}: {error.message}", where, path, error.help)
            raise Poison from None
        blame = {argument: g.path for argument, g in given.items()}
        return self.emit(op, tensors, frame.level.child(name), frame, context, item.path, blame)

    def op_inputs(
        self,
        cls: type[Op],
        values: Mapping[str, Any],
        inputs: tuple[Flow, ...],
        context: Context,
        item: Item,
    ) -> tuple[Tensor, ...]:
        tensors = tuple(flow for flow in inputs if isinstance(flow, Tensor))
        wanted = 1 + bool(values.get("like")) if cls.inputs == 1 else None
        if len(tensors) != len(inputs) or (wanted is not None and len(tensors) != wanted):
            message = f"{cls.verb} takes {counted(wanted or 2, 'input')}, here {len(inputs)}"
            help = "use `each` to apply it to every one, or `concat` or `add` to join them"
            self.error("E0404", message, context, item.path, help if wanted else "")
            raise Poison
        if wanted is None and len(tensors) < 2:
            message = f"{cls.verb} joins two or more inputs, here 1"
            self.error(
                "E0404", message, context, item.path, f"write {{{cls.verb}: {{}}, from: [a, b]}}"
            )
            raise Poison
        return tensors

    def argument(
        self,
        given: Given,
        words: tuple[str, ...],
        context: Context,
        names: Mapping[str, Value],
        x: Flow,
    ) -> Value:
        """The value of an op's argument: a word it knows, or an expression."""
        raw = given.raw
        if given.evaluated or (isinstance(raw, str) and raw in words):
            return raw
        if isinstance(raw, dict):
            return self.settings(raw, given, words, context, names, x)
        return self.evaluate(raw, replace(context, source=given.source), given.path, names, x)

    def settings(
        self,
        raw: dict[str, Any],
        given: Given,
        words: tuple[str, ...],
        context: Context,
        names: Mapping[str, Value],
        x: Flow,
    ) -> Value:
        """A mapping argument (`init: {trunc_normal: {std: 0.1}}`), its numbers evaluated."""
        result: dict[str, Any] = {}
        for key, value in raw.items():
            here = given._replace(raw=value, path=(*given.path, key))
            plain = (*words, *SETTING_WORDS)
            result[key] = self.argument(here, plain, context, names, x)
        return result

    def emit(
        self,
        op: Op,
        inputs: tuple[Flow, ...],
        path: str,
        frame: Frame,
        context: Context,
        where: Path,
        blame: Mapping[str, Path] | None = None,
    ) -> Tensor:
        """Adds a node; a shape that does not fit is an error at the argument to blame."""
        tensors = tuple(flow for flow in inputs if isinstance(flow, Tensor))
        if len(tensors) != len(inputs):
            self.error("E0404", f"{op.verb} takes tensors, not lists", context, where)
            raise Poison
        span = context.source.span(where)
        specs = [tensor.spec for tensor in tensors]
        try:
            output = op.infer(*specs)
        except ShapeError as error:
            path_ = (blame or {}).get(error.argument or "", where)
            labels = [
                Label(known, f"{tensor.id} gives {tensor.spec}")
                for tensor in tensors
                if (known := self.spans.get(tensor.id)) is not None
            ]
            code = "E0501" if len(tensors) > 1 else "E0502"
            self.sink.error(
                code, error.message, context.source.span(path_), labels=labels, help=error.help
            )
            raise Poison from None
        id = path + self.application
        if id in self.taken or len(self.nodes) >= self.limits.nodes:
            if len(self.nodes) >= self.limits.nodes:
                self.too_many_nodes(context, None, where)
            self.twice(id, context, where)
        self.taken[id] = span
        self.spans[id] = span
        node = Node(
            id, op, tuple([tensor.id for tensor in tensors]), output, frame.level.scope, span
        )
        weights = op.weights(*specs)
        if weights and node.name.startswith("_"):
            message = f"{op.verb} has weights, so its name cannot start with `_`"
            self.error("E0208", message, context, where, "a name with `_` adds no level", key=True)
            raise Poison
        if self.application:
            self.check_shared(op, weights, path, context, where, tensors)
        self.nodes.append(node)
        self.applied[id], self.outputs_of[id] = node, output
        return Tensor(id, output)

    def check_shared(
        self,
        op: Op,
        weights: Any,
        path: str,
        context: Context,
        where: Path,
        inputs: tuple[Tensor, ...],
    ) -> None:
        """The weights of a repeated application are those of the first."""
        first = self.applied.get(path)
        if first is None:
            return
        before = tuple(self.outputs_of[id] for id in first.inputs)
        if first.op.weights(*before) != weights:
            message = f"one {op.verb} cannot serve inputs of {before[0]} and {inputs[0].spec}"
            self.error(
                "E0503", message, context, where, "give the inputs of `each` the same channels"
            )
            raise Poison

    # names and levels

    @contextmanager
    def level(
        self,
        name: str,
        kind: ScopeKind,
        context: Context,
        item: Item,
        frame: Frame,
        block: str = "",
        values: tuple[tuple[str, Any], ...] = (),
        inputs: tuple[TensorSpec, ...] = (),
    ) -> Iterator[Level]:
        """A new level under `name`; a name with `_` gives the enclosing one."""
        problem = name_problem(name)
        if problem:
            self.sink.error("E0208", problem, context.source.key_span(item.path))
            raise Poison
        if name.startswith("_"):
            yield frame.level
            return
        path = frame.level.child(name)
        id = path + self.application
        self.take(id, context, item)
        span = context.source.span(item.path)
        self.scopes.append(Scope(id, kind, frame.level.scope, block, values, inputs, span))
        yield Level(path, id)

    def take(self, id: str, context: Context, item: Item) -> None:
        if id in self.taken:
            self.twice(id, context, item.path)
        self.taken[id] = context.source.span(item.path)

    def twice(self, id: str, context: Context, path: Path) -> None:
        first, span = self.taken.get(id), context.source.key_span(path)
        label = [Label(first, "first here")] if first and first != context.source.span(path) else []
        help = "give them different names; copies need one that depends on `i`, `row` or a column"
        self.sink.error("E0401", f"two things are named {id}", span, labels=label, help=help)
        raise Poison

    def too_many_nodes(self, context: Context, item: Item | None, path: Path = ()) -> None:
        where = item.path if item is not None else path
        message = f"the network has more than {self.limits.nodes:,} nodes"
        self.error("E0106", message, context, where, "--limit nodes=N allows more")
        raise Poison

    def references(self, raw: Any, context: Context, path: Path, frame: Frame) -> Flow:
        if isinstance(raw, list):
            return tuple(
                self.reference(name, context, (*path, n), frame) for n, name in enumerate(raw)
            )
        return self.reference(raw, context, path, frame)

    def reference(self, name: Any, context: Context, path: Path, frame: Frame) -> Flow:
        """What a reference stands for: an earlier item, `input`, or (outside blocks) a tap."""
        if not isinstance(name, str):
            self.error("E0203", "a reference is a name", context, path)
            raise Poison
        try:
            return self.joined(frame.find(name))
        except KeyError:
            pass
        if name == INPUT:
            scope = frame
            while scope.outer is not None:
                scope = scope.outer
            return scope.given
        if name in self.taps and (not context.block or name in frame.visible()):
            return self.taps[name]
        known = [n for n in frame.visible() if not n.isdigit()]
        if not context.block:
            known += self.taps
        later = any(_could_be(template, name) for template in self.document.names)
        if not (later and self.sink.failed):
            help = f"`{name}` stands later, or inside another part: a reference needs an earlier item or a tap"
            self.error(
                "E0402",
                f"unknown reference `{name}`",
                context,
                path,
                help if later else did_you_mean(name, known),
            )
        raise Poison

    def joined(self, flow: Flow) -> Flow:
        if flow is None:
            raise Poison
        return flow

    # values

    def format(
        self,
        text: str,
        context: Context,
        path: Path,
        names: Mapping[str, Value],
        x: Flow,
        key: bool = False,
    ) -> str:
        try:
            return parse_template(text).format(self.names(context, names, x))
        except ExpressionError as error:
            report_expression(self.sink, context.source, path, error, key)
            raise Poison from None

    def names(self, context: Context, names: Mapping[str, Value], x: Flow) -> Names:
        values = {**context.values, **names}
        first = x[0] if isinstance(x, tuple) and x else x
        if isinstance(first, Tensor):
            for name, size in first.spec.names().items():
                values.setdefault(name, size)
        return Names(values, self.functions)

    def evaluate(
        self, raw: Any, context: Context, path: Path, names: Mapping[str, Value], x: Flow
    ) -> Value:
        """A value as written: an expression, `$name`, a list of them, or itself."""
        if isinstance(raw, list):
            return [
                self.evaluate(item, context, (*path, n), names, x) for n, item in enumerate(raw)
            ]
        if not isinstance(raw, str):
            return raw
        scope = self.names(context, names, x)
        if raw.startswith("$"):
            if raw[1:] in scope.values:
                return scope.values[raw[1:]]
            self.error(
                "E0302",
                f"unknown parameter `{raw}`",
                context,
                path,
                did_you_mean(raw[1:], scope.values),
            )
            raise Poison
        try:
            return parse(raw)(scope)
        except ExpressionError as error:
            if error.code == "E0302" and not error.help:
                known = scope.functions if "function" in error.message else scope.values
                error.help = did_you_mean(raw[error.offset : error.offset + error.length], known)
            report_expression(self.sink, context.source, path, error)
            raise Poison from None

    def number(self, raw: Any, context: Context, path: Path) -> float:
        value = self.evaluate(raw, context, path, {}, None)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.error("E0203", f"expected a number, not {kind_of(value)}", context, path)
            raise Poison
        return value

    def whole(self, value: Value, context: Context, path: Path, minimum: int) -> int:
        try:
            number = whole_number(value)
        except ArgumentError as error:
            self.error(error.code, error.message, context, path, error.help)
            raise Poison from None
        if number < minimum:
            self.error("E0305", f"{number} is less than {minimum}", context, path)
            raise Poison
        return number

    def error(
        self,
        code: str,
        message: str,
        context: Context,
        path: Path,
        help: str = "",
        key: bool = False,
    ) -> None:
        span = context.source.key_span(path) if key else context.source.span(path)
        self.sink.error(code, message, span, help=help)

    def span_of(self, context: Context, item: Item) -> Span | None:
        return context.source.key_span(item.path)


def _turns(count: int, names: Mapping[str, Value]) -> Iterator[dict[str, Value]]:
    """The names bound in every turn of a repeat."""
    for i in range(count):
        yield {**names, "i": i, "first": i == 0, "last": i == count - 1}


def _poisoned(flow: Flow) -> bool:
    if isinstance(flow, tuple):
        return any(_poisoned(part) for part in flow)
    return flow is None


def _renamed(flow: Flow, names: Mapping[str, str]) -> Flow:
    if isinstance(flow, Tensor):
        return Tensor(names[flow.id], flow.spec)
    return tuple(_renamed(part, names) for part in flow) if flow is not None else None


def _freeze(value: Any) -> Any:
    """The value in a hashable form."""
    if isinstance(value, dict):
        return tuple((name, _freeze(v)) for name, v in value.items())
    return tuple(_freeze(v) for v in value) if isinstance(value, list | tuple) else value


def _plain(value: Any) -> Any:
    """The value as the graph keeps it: a verb by its name, with its arguments if it has some."""
    if not isinstance(value, ItemValue):
        return value
    given = [(name, _plain(argument)) for name, argument in value.arguments]
    return [value.verb, given] if given else value.verb


def _flat(flows: Mapping[str, Flow]) -> dict[str, str]:
    """Names to node ids; the parts of a list get numbers."""
    result: dict[str, str] = {}
    for name, flow in flows.items():
        if isinstance(flow, Tensor):
            result[name] = flow.id
        elif flow is not None:
            parts = {f"{name}{n}" if name else str(n): part for n, part in enumerate(flow)}
            result.update(_flat(parts))
    return result


def _type_problem(type: str | None, value: Value) -> str | None:
    """Why a value is not of a parameter's type, or None."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if type == "int":
        whole = number and (isinstance(value, int) or value.is_integer())
        return None if whole else f"expected a whole number, not {kind_of(value)}"
    if type == "float":
        return None if number else f"expected a number, not {kind_of(value)}"
    expected = {"bool": (bool, "true or false"), "list": (list, "a list"), "str": (str, "a word")}
    if type in expected and not isinstance(value, expected[type][0]):
        return f"expected {expected[type][1]}, not {kind_of(value)}"
    return None


def _could_be(template: Template, name: str) -> bool:
    pattern = "".join(re.escape(p) if isinstance(p, str) else ".+" for p in template.parts)
    return re.fullmatch(pattern, name) is not None


def _citation(cite: Any) -> str:
    """`Title. arXiv:1512.03385, table 1`."""
    place = [
        f"arXiv:{cite.arxiv}" if cite.arxiv else "",
        f"doi:{cite.doi}" if cite.doi else "",
        cite.url or "",
    ]
    place += [
        f"{word} {getattr(cite, word)}"
        for word in ("table", "figure", "section")
        if getattr(cite, word)
    ]
    who = [cite.authors or "", str(cite.year or ""), cite.title or "", cite.venue or ""]
    where = ", ".join(part for part in place if part)
    return ". ".join(part for part in (", ".join(w for w in who if w), where) if part)
