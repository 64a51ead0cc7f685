"""Plain data to a syntax tree: the document, its blocks, their items, each checked on its own."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field
from keyword import iskeyword
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    ValidationError,
)

from archdsl import expressions
from archdsl.diagnostics import Label, Sink, Span, did_you_mean, nearest
from archdsl.expressions import ExpressionError, Template
from archdsl.ops import OPS, WORDS, arguments
from archdsl.scaling import RULES
from archdsl.source import Path, Source

VERSION = 1
MODIFIERS = ("for", "if", "from", "repeat", "each", "tap")
SECTIONS = ("backbone", "neck", "aux", "head")  # in the order in which modules are made
COMBINATORS: dict[str, tuple[str, ...]] = {  # the arguments of each; the first is required
    "seq": (),
    "inline": (),
    "residual": ("body", "shortcut", "when", "after"),
    "branches": ("paths", "join", "split"),
    "dense": ("layer", "repeat"),
}
_PARTS = ("body", "shortcut", "after", "paths", "layer")  # the arguments that hold items
JOINS = ("concat", "add", "multiply")
TYPES = ("int", "float", "bool", "item", "list", "str")
SHAPE_NAMES = frozenset("CHWDL")
_LOOP_NAMES = {"for": ("row", "first_row", "last_row"), "repeat": ("i", "first", "last")}

# Attributes that every PyTorch module has: an item of this name would hide one of them.
RESERVED = frozenset(
    ["T_destination", "add_module", "apply", "bfloat16", "buffers", "call_super_init", "children", "compile", "cpu", "cuda", "double", "dump_patches", "eval", "extra_repr", "float", "forward", "get_buffer", "get_extra_state", "get_parameter", "get_submodule", "half", "ipu", "load_state_dict", "modules", "mtia", "named_buffers", "named_children", "named_modules", "named_parameters", "parameters", "register_backward_hook", "register_buffer", "register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook", "register_full_backward_pre_hook", "register_load_state_dict_post_hook", "register_load_state_dict_pre_hook", "register_module", "register_parameter", "register_state_dict_post_hook", "register_state_dict_pre_hook", "requires_grad_", "set_extra_state", "set_submodule", "share_memory", "state_dict", "to", "to_empty", "train", "training", "type", "xpu", "zero_grad", "append", "extend", "insert", "pop", "items", "keys", "values", "feature_info"]
)
_NAME = re.compile(r"[^\W\d]\w*|\d+")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Text = Annotated[
    StrictStr, BeforeValidator(lambda v: str(v) if isinstance(v, int | float) else v)
]  # 1512.03385 unquoted is a number
Quantity = int | float | str


class Cite(_Model):
    """Where the network was published."""

    title: Text | None = None
    authors: Text | None = None
    year: StrictInt | None = None
    venue: Text | None = None
    arxiv: Text | None = None
    doi: Text | None = None
    url: Text | None = None
    table: Text | None = None
    figure: Text | None = None
    section: Text | None = None


class RuleForm(_Model):
    """A scaling rule as written; numbers may be expressions."""

    base: Quantity | None = None
    factor: Quantity | None = None
    round: Literal["up", "down", "nearest"] | None = None
    multiple_of: Quantity | None = None
    min: Quantity | None = None
    max: Quantity | None = None


class ParameterForm(_Model):
    """The long form of a parameter."""

    type: Literal["int", "float", "bool", "item", "list", "str"] | None = None
    default: Any = None
    min: Quantity | None = None
    max: Quantity | None = None
    choices: list[Any] | None = None
    doc: Text | None = None


class Expectation(_Model):
    """What must come out; a number may end in K, M or G and is then compared to its digits."""

    params: Quantity | None = None
    macs: Quantity | None = None
    output: list[StrictInt] | None = None


class DocumentForm(_Model):
    """The keys of a document and their types; what items say is read apart."""

    archdsl: Any
    name: StrictStr
    doc: Text | None = None
    cite: Cite | None = None
    extends: StrictStr | None = None
    import_: StrictStr | list[StrictStr] | None = Field(None, alias="import")
    input: list[Any]
    params: dict[str, Any] = {}
    scaling: dict[str, RuleForm | Quantity] = {}
    defaults: dict[str, dict[str, Any]] = {}
    blocks: dict[str, dict[str, Any]] = {}
    backbone: list[Any] | dict[str, Any]
    neck: list[Any] | dict[str, Any] | None = None
    head: list[Any] | dict[str, Any] | None = None
    aux: dict[str, Any] | None = None
    outputs: dict[str, StrictStr] | None = None
    weights: dict[str, Any] = {}
    expect: Expectation | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One item: a verb with its arguments as written, and modifiers.

    `key` is the name it is written under, None in a list; `parts` are the sequences among the
    arguments of a combinator; `path` leads to the item, `inside` to its arguments.
    """

    key: Template | None
    verb: str
    arguments: Mapping[str, Any]
    parts: Mapping[str, "Sequence"]
    modifiers: Mapping[str, Any]
    path: Path
    inside: Path


@dataclass(frozen=True, slots=True)
class Sequence:
    """Items that run one after another."""

    items: tuple[Item, ...]
    path: Path


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a block or document: `default` is as written, MISSING where required."""

    name: str
    type: str | None
    default: Any
    form: ParameterForm
    path: Path


@dataclass(slots=True, eq=False)
class Block:
    """A block: its parameters, the one item that is its body, and the blocks that the body may use."""

    name: str
    parameters: dict[str, Parameter]
    inputs: tuple[str, ...]
    source: Source
    defaults: Mapping[str, Mapping[str, Any]]
    blocks: Mapping[str, "Block"]
    doc: str = ""
    body: Item | None = None
    span: Span | None = None


@dataclass(slots=True)
class Document:
    """A whole spec, checked as far as it can be without shapes."""

    form: DocumentForm
    source: Source
    parameters: dict[str, Parameter]
    blocks: dict[str, Block]
    sections: dict[str, Sequence] = field(default_factory=dict)
    names: set[Template] = field(default_factory=set)  # every key and tap that is written anywhere


def read_document(source: Source, imported: Mapping[str, Block], sink: Sink) -> Document | None:
    """The syntax tree of a document whose `extends` is resolved, or None with reasons in `sink`."""
    if not check_version(source, sink):
        return None
    form = _validate(DocumentForm, source, (), sink)
    if form is None:
        return None
    assert isinstance(form, DocumentForm)
    reader = _Reader(source, sink, form)
    reader.check_name(form.name, ("name",), identifier=True)
    blocks = read_blocks(
        source, form.blocks, form.defaults, sink, {**imported}, {*form.params}, form
    )
    reader.blocks = blocks
    parameters = reader.parameters(form.params, ("params",))
    document = Document(form, source, parameters, blocks, names=reader.names)
    reader.visible = set(parameters)
    reader.defaults()
    for size, part in enumerate(form.input):
        reader.expression(part, ("input", size), set(parameters))
    for block in blocks.values():
        if block.source is source:
            reader.body(block)
    reader.items_of = parameters
    for section in SECTIONS:
        raw = getattr(form, section)
        if raw is not None:
            document.sections[section] = reader.sequence(raw, (section,), frozenset(parameters))
    return document


def check_version(source: Source, sink: Sink) -> bool:
    """Whether the data is a mapping that says `archdsl: 1`; if not, the reason is in `sink`."""
    data = source.data
    start = source.span(()) or Span(source.name, 1, 1, 1, 1)
    if not isinstance(data, dict):
        found = {list: "a list", str: "text", type(None): "nothing"}.get(type(data), "a number")
        sink.error("E0104", f"a spec is a mapping, this document is {found}", start)
        return False
    if "archdsl" not in data:
        help = "begin the file with `archdsl: 1`"
        close = nearest("archdsl", [k for k in data])
        sink.error(
            "E0202",
            "`archdsl` is missing",
            source.key_span((close,)) if close else start,
            help=help,
        )
        return False
    version = data["archdsl"]
    if version != VERSION or isinstance(version, bool):
        message = f"language version {version} is not known"
        sink.error("E0209", message, source.span(("archdsl",)), help=f"write `archdsl: {VERSION}`")
        return False
    return True


def read_blocks(
    source: Source,
    raw: Mapping[str, Any],
    defaults: Mapping[str, Mapping[str, Any]],
    sink: Sink,
    known: dict[str, Block],
    visible: set[str],
    form: DocumentForm | None = None,
) -> dict[str, Block]:
    """`known` with the blocks of one document added, their bodies not read yet."""
    reader = _Reader(source, sink, form)
    reader.visible = visible
    reader.blocks = known
    for name, data in raw.items():
        path: Path = ("blocks", name)
        reader.check_name(name, path, identifier=True, key=True)
        if name in OPS or name in COMBINATORS or name in MODIFIERS:
            what = "an op" if name in OPS else "a word of the language"
            sink.error(
                "E0208", f"`{name}` is {what}", source.key_span(path), help="choose another name"
            )
            continue
        known[name] = Block(name, {}, (), source, defaults, known, span=source.key_span(path))
    for name, data in raw.items():
        if isinstance(data, dict) and name in known and known[name].source is source:
            params = data.get("params") or {}
            path = ("blocks", name)
            if not isinstance(params, dict):
                sink.error("E0203", "params must be a mapping", source.span((*path, "params")))
                params = {}
            known[name].parameters = reader.parameters(params, (*path, "params"), required=True)
            known[name].doc = str(data.get("doc") or "")
    return known


def read_bodies(
    blocks: Iterable[Block], known: dict[str, Block], source: Source, sink: Sink
) -> None:
    """Reads the bodies of imported blocks, which see `known` and their own parameters."""
    reader = _Reader(source, sink, None)
    reader.blocks = known
    for block in blocks:
        reader.body(block)


class _Reader:
    """Reads items; every method reports what is wrong and gives something to go on with."""

    def __init__(self, source: Source, sink: Sink, form: DocumentForm | None) -> None:
        self.source, self.sink = source, sink
        self.blocks: dict[str, Block] = {}
        self.visible: set[str] = set()  # parameters of the document
        self.items_of: Mapping[str, Parameter] = {}  # parameters that `$` may name
        self.names: set[Template] = set()
        self.functions = {*expressions.FUNCTIONS, *RULES}
        if form is not None:
            self.functions.update(name for name in form.scaling if name != "phi")

    def error(self, code: str, message: str, path: Path, help: str = "", key: bool = False) -> None:
        span = self.source.key_span(path) if key else self.source.span(path)
        self.sink.error(code, message, span, help=help)

    # names and expressions

    def check_name(
        self, name: str, path: Path, identifier: bool = False, key: bool = False
    ) -> bool:
        """Whether a name can be a module's; reports it if not."""
        problem = name_problem(name, identifier)
        if problem:
            self.error("E0208", problem, path, "names are letters, digits and `_`", key)
        return not problem

    def expression(self, raw: Any, path: Path, visible: Iterable[str]) -> None:
        """Checks the syntax and the names of every expression in a value."""
        if isinstance(raw, list):
            for index, item in enumerate(raw):
                self.expression(item, (*path, index), visible)
        elif isinstance(raw, dict):
            for key, item in raw.items():
                self.expression(item, (*path, key), visible)
        elif isinstance(raw, str) and raw.startswith("$"):
            if raw[1:] not in {*visible}:
                self.error(
                    "E0302", f"unknown parameter `{raw}`", path, did_you_mean(raw[1:], visible)
                )
        elif isinstance(raw, str):
            try:
                names = expressions.parse(raw).names
            except ExpressionError as error:
                report_expression(self.sink, self.source, path, error)
                return
            self.unknown_names(raw, names, path, {*visible})

    def unknown_names(self, text: str, names: Iterable[str], path: Path, visible: set[str]) -> None:
        for name in sorted(names):
            if name not in visible and name not in SHAPE_NAMES:
                match = re.search(rf"\b{name}\b", text)
                span = self.source.span(path)
                if span and match:
                    span = span.part(match.start(), len(name))
                help = did_you_mean(name, visible)
                if name in self.functions:
                    help = f"`{name}` is a function: write `{name}(...)`"
                self.sink.error("E0302", f"unknown name `{name}`", span, help=help)

    def template(
        self, text: str, path: Path, visible: Iterable[str], key: bool = False
    ) -> Template | None:
        try:
            template = expressions.parse_template(text)
        except ExpressionError as error:
            report_expression(self.sink, self.source, path, error, key)
            return None
        self.names.add(template)
        unknown = [n for n in sorted(template.names) if n not in {*visible} | SHAPE_NAMES]
        for name in unknown:
            self.error("E0302", f"unknown name `{name}`", path, did_you_mean(name, visible), key)
        if not template.names and "{" not in text and not self.check_name(text, path, key=key):
            return None
        return None if unknown else template

    # parameters

    def parameters(
        self, raw: Mapping[str, Any], base: Path, required: bool = False
    ) -> dict[str, Parameter]:
        """The parameters of a document, or of a block, where a type name means required."""
        result: dict[str, Parameter] = {}
        for name, value in raw.items():
            path = (*base, name)
            if not name.isidentifier() or iskeyword(name) or name in SHAPE_NAMES:
                self.error("E0208", f"`{name}` cannot be a parameter's name", path, key=True)
                continue
            if name in expressions.FUNCTIONS:
                self.error("E0208", f"`{name}` is a function of expressions", path, key=True)
                continue
            result[name] = self.parameter(name, value, path, required, {*self.visible, *result})
        return result

    def parameter(
        self, name: str, value: Any, path: Path, required: bool, earlier: set[str]
    ) -> Parameter:
        form = ParameterForm()
        if isinstance(value, dict) and (set(value) & {"type", "default", "choices"}):
            checked = _validate(ParameterForm, self.source, path, self.sink)
            form = checked if isinstance(checked, ParameterForm) else form
            type_ = form.type
            default = value.get("default", MISSING)
            path = (*path, "default") if "default" in value else path
        elif required and isinstance(value, str) and value in TYPES:
            type_, default = value, MISSING
        else:
            type_, default = None, value
        if type_ is None and default is not MISSING:
            type_ = self.type_of(default, earlier)
        word = isinstance(default, str) and default in WORDS and default not in earlier
        if default is not MISSING and type_ not in ("item", "str") and not word:
            self.expression(default, path, earlier)
        return Parameter(name, type_, default, form, path)

    def type_of(self, default: Any, earlier: set[str]) -> str | None:
        """The type a default implies; None for an expression, which may give anything."""
        if isinstance(default, bool):
            return "bool"
        if isinstance(default, list):
            return "list"
        if isinstance(default, dict):
            return "item"
        if isinstance(default, str) and default not in earlier and self.is_verb(default):
            return "item"
        return None

    def is_verb(self, name: str) -> bool:
        return name in OPS or name in self.blocks

    # defaults and blocks

    def defaults(self) -> None:
        data = self.source.data.get("defaults")
        for verb, values in (data if isinstance(data, dict) else {}).items():
            path: Path = ("defaults", verb)
            if verb not in OPS:
                self.error(
                    "E0205", f"`{verb}` is not an op", path, did_you_mean(verb, OPS), key=True
                )
                continue
            self.arguments(verb, values, path, frozenset(self.visible), complete=False)

    def body(self, block: Block) -> None:
        """Reads the body of a block: `body: ...` or one verb."""
        self.source, path = block.source, ("blocks", block.name)
        data = _at(self.source.data, path)
        if not isinstance(data, dict):
            return
        self.items_of = block.parameters
        own = frozenset(block.parameters)
        visible = own | self.visible
        inputs = data.get("inputs") or []
        if not isinstance(inputs, list) or not all(
            isinstance(n, str) and n.isidentifier() for n in inputs
        ):
            self.error("E0203", "inputs must be a list of names", (*path, "inputs"))
            inputs = []
        block.inputs = tuple(inputs)
        rest = {k: v for k, v in data.items() if k not in ("doc", "cite", "params", "inputs")}
        if "body" in rest and len(rest) == 1:
            parts = {"items": self.sequence(rest["body"], (*path, "body"), visible)}
            block.body = Item(None, "seq", {}, parts, {}, path, (*path, "body"))
            return
        if len(rest) == 1 and next(iter(rest)) not in MODIFIERS:
            ((verb, value),) = rest.items()
            block.body = self.verb(None, verb, value, {}, path, visible)
            return
        if not rest:
            self.error(
                "E0204", f"block {block.name} has no body", path, "say `body:` and its items", True
            )
            return
        unknown = [k for k in rest if k != "body" and k not in COMBINATORS and not self.is_verb(k)]
        if unknown and unknown != list(rest):
            known = ("doc", "cite", "params", "inputs", "body", *COMBINATORS)
            for key in unknown:
                help = did_you_mean(key, known)
                self.error("E0201", f"unknown key `{key}` in a block", (*path, key), help, True)
            return
        second = list(rest)[1]
        self.error(
            "E0204", f"block {block.name} has {len(rest)} verbs", (*path, second),
            "put the items under `body:`", True,
        )  # fmt: skip

    # items

    def sequence(self, raw: Any, path: Path, visible: frozenset[str]) -> Sequence:
        """A list or mapping of items; one word is a sequence of that verb, named by it."""
        items: list[Item | None] = []
        if isinstance(raw, str):
            name = expressions.Template(raw.removeprefix("$"), (raw.removeprefix("$"),))
            items.append(self.item(name, raw, path, visible))
        elif isinstance(raw, list):
            items += [self.item(None, value, (*path, n), visible) for n, value in enumerate(raw)]
        elif isinstance(raw, dict):
            for key, value in raw.items():
                items.append(self.named_item(key, value, (*path, key), visible))
        else:
            help = "write a list (numbered items) or a mapping (named items)"
            self.error("E0203", "expected items", path, help)
        return Sequence(tuple(item for item in items if item is not None), path)

    def named_item(self, key: str, value: Any, path: Path, visible: frozenset[str]) -> Item | None:
        modifiers = value if isinstance(value, dict) else {}
        bound = visible | self.bound_names(modifiers)
        template = self.template(key, path, bound, key=True)
        item = self.item(template, value, path, visible)
        return item if template is not None else None

    def bound_names(self, modifiers: Mapping[str, Any]) -> frozenset[str]:
        """The names that `for` and `repeat` (also the one inside `dense`) bind."""
        names = {
            name for word in ("for", "repeat") if word in modifiers for name in _LOOP_NAMES[word]
        }
        columns = modifiers.get("for")
        if isinstance(columns, dict):
            listed = columns.get("columns") if "rows" in columns else list(columns)
            headings = [name for name in listed or () if isinstance(name, str)]
            names.update(headings, (f"all_{name}" for name in headings))
        return frozenset(names)

    def item(
        self, key: Template | None, value: Any, path: Path, visible: frozenset[str]
    ) -> Item | None:
        """Any of the forms of an item."""
        if isinstance(value, str):
            return self.verb(key, value, None, {}, path, visible, bare=True)
        if isinstance(value, list):
            return self.verb(key, "seq", value, {}, path, visible, bare=True)
        if not isinstance(value, dict):
            self.error("E0204", "expected an item: a verb, or {verb: arguments}", path)
            return None
        modifiers = {word: value[word] for word in MODIFIERS if word in value}
        verbs = [word for word in value if word not in MODIFIERS]
        verb = self.choose_verb(verbs, path)
        if verb is None:
            return None
        bound = visible | self.bound_names(modifiers)
        self.check_modifiers(modifiers, path, visible, bound)
        return self.verb(key, verb, value[verb], modifiers, path, bound)

    def choose_verb(self, words: list[str], path: Path) -> str | None:
        """The one verb among an item's keys; reports none, several, or unknown ones."""
        if not words:
            self.error("E0204", "this item has no verb", path, "write {verb: arguments}")
            return None
        if len(words) == 1:
            return words[0]
        known = [w for w in words if self.is_verb(w) or w in COMBINATORS or w.startswith("$")]
        if len(known) > 1:
            message = f"two verbs in one item: {known[0]} and {known[1]}"
            self.error("E0204", message, (*path, known[1]), "make two items of them", True)
            return None
        for word in words:
            if word in known:
                continue
            owner = known[0] if known else next((v for v in OPS if word in arguments(OPS[v])), "")
            if known:
                help = did_you_mean(word, MODIFIERS)
                if owner in OPS and word in arguments(OPS[owner]):
                    help = f"`{word}` is an argument: write {{{owner}: {{{word}: ...}}}}"
                self.error("E0201", f"unknown modifier `{word}`", (*path, word), help, True)
            else:
                help = (
                    f"write the verb around its arguments: {{{owner}: {{{word}: ...}}}}"
                    if owner
                    else ""
                )
                help = help or did_you_mean(word, [*OPS, *COMBINATORS, *self.blocks])
                self.error("E0205", f"unknown verb `{word}`", (*path, word), help, True)
                return None
        return known[0]

    def check_modifiers(
        self,
        modifiers: Mapping[str, Any],
        path: Path,
        visible: frozenset[str],
        bound: frozenset[str],
    ) -> None:
        rows = bound - set(_LOOP_NAMES["repeat"]) | (visible & set(_LOOP_NAMES["repeat"]))
        columns = modifiers.get("for")
        if columns is not None:
            self.check_columns(columns, (*path, "for"), visible)
        for word in ("if", "repeat"):
            if word in modifiers:
                self.expression(modifiers[word], (*path, word), rows)
        if "tap" in modifiers:
            if isinstance(modifiers["tap"], str):
                self.template(modifiers["tap"], (*path, "tap"), rows)
            else:
                self.error("E0203", "tap must be a name", (*path, "tap"))
        for word in ("from", "each"):
            references = modifiers.get(word, [])
            listed = references if isinstance(references, list) else [references]
            if not all(isinstance(r, str) for r in listed) or (
                word == "each" and listed is not references
            ):
                expected = (
                    "a reference or a list of them" if word == "from" else "a list of references"
                )
                self.error("E0203", f"{word} must be {expected}", (*path, word))

    def check_columns(self, columns: Any, path: Path, visible: frozenset[str]) -> None:
        if not isinstance(columns, dict) or not columns:
            self.error("E0203", "for must be a mapping of columns", path)
        elif "rows" not in columns:
            for name, column in columns.items():
                if not name.isidentifier() or iskeyword(name):
                    self.error(
                        "E0208", f"`{name}` cannot be a column's name", (*path, name), key=True
                    )
                if isinstance(column, str):
                    self.expression(column, (*path, name), visible)
                elif not isinstance(column, list):
                    self.error("E0203", f"column {name} must be a list", (*path, name))
        else:
            names, rows = columns.get("columns"), columns["rows"]
            for key in columns:
                if key not in ("columns", "rows"):
                    self.error("E0201", f"unknown key `{key}` beside rows", (*path, key), key=True)
            if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
                self.error("E0203", "columns must be a list of names", (*path, "columns"))
            elif not isinstance(rows, list):
                self.error("E0203", "rows must be a list of lists", (*path, "rows"))
            else:
                for index, row in enumerate(rows):
                    if not isinstance(row, list) or len(row) != len(names):
                        found = f"{len(row)} cells" if isinstance(row, list) else "no list"
                        message = f"row {index + 1} has {found} for {len(names)} columns"
                        self.error("E0212", message, (*path, "rows", index))

    def verb(
        self,
        key: Template | None,
        verb: str,
        value: Any,
        modifiers: Mapping[str, Any],
        path: Path,
        visible: frozenset[str],
        bare: bool = False,
    ) -> Item | None:
        """An item from its verb and arguments; `bare` where the verb is the item's whole text."""
        inside = path if bare else (*path, verb)
        if verb in ("seq", "inline"):
            parts = {"items": self.sequence(value, inside, visible)}
            return Item(key, verb, {}, parts, modifiers, path, inside)
        if verb in COMBINATORS:
            return self.combinator(key, verb, value, modifiers, path, inside, visible)
        if verb.startswith("$"):
            parameter = self.items_of.get(verb[1:])
            if verb[1:] not in visible or (parameter is not None and parameter.type != "item"):
                help = did_you_mean(
                    verb[1:], [n for n, p in self.items_of.items() if p.type == "item"]
                )
                self.error(
                    "E0205",
                    f"`{verb}` is not a parameter that names a verb",
                    inside,
                    help,
                    not bare,
                )
                return None
            self.expression_arguments(value, inside, visible)
        elif not self.is_verb(verb):
            help = did_you_mean(verb, [*OPS, *COMBINATORS, *self.blocks])
            if bare and nearest(verb, MODIFIERS) is None and " " in verb:
                help = "an item is a verb, or {verb: arguments}; a space after the colon is needed"
            self.error("E0205", f"unknown verb `{verb}`", inside, help, not bare)
            return None
        elif not self.arguments(verb, value, inside, visible):
            return None
        return Item(key, verb, value or {}, {}, modifiers, path, inside)

    def expression_arguments(self, value: Any, path: Path, visible: frozenset[str]) -> None:
        if value is not None and not isinstance(value, dict):
            self.error("E0203", "arguments must be a mapping", path)

    def arguments(
        self, verb: str, value: Any, path: Path, visible: frozenset[str], complete: bool = True
    ) -> bool:
        """Checks the arguments of an op or block against what it declares."""
        if value is not None and not isinstance(value, dict):
            first = next(
                iter(arguments(OPS[verb]) if verb in OPS else self.blocks[verb].parameters), "..."
            )
            shown = value if isinstance(value, int | float | str) else "..."
            help = f"write {{{verb}: {{{first}: {shown}}}}}"
            self.error("E0203", f"the arguments of {verb} must be a mapping", path, help)
            return False
        given = value or {}
        good = True
        if verb in OPS:
            known: Mapping[str, Any] = arguments(OPS[verb])
            required = {n for n, f in known.items() if f.default is MISSING}
            defaults = self.source.data.get("defaults")
            required -= set((defaults.get(verb) or {}) if isinstance(defaults, dict) else {})
        else:
            known = self.blocks[verb].parameters
            required = {n for n, p in self.blocks[verb].parameters.items() if p.default is MISSING}
        for name, raw in given.items():
            here = (*path, name)
            if name not in known:
                self.unknown_argument(verb, name, raw, here, known)
                good = False
                continue
            plain = known[name].metadata["kind"].words if verb in OPS else ()
            if verb in OPS and known[name].metadata["kind"].name == "reference":
                continue
            typed = known[name].type if verb not in OPS else None
            if isinstance(raw, str) and (raw in plain or typed in ("str", "item")):
                continue
            if (
                verb not in OPS
                and typed is None
                and isinstance(raw, str)
                and raw in WORDS - visible
            ):
                continue
            if isinstance(raw, dict) and (typed == "item" or plain):
                continue
            if (
                plain
                and known[name].metadata["kind"].name == " or ".join(plain)
                and not str(raw).startswith("$")
            ):
                shown = ", ".join(plain)
                self.error(
                    "E0305", f"{name} must be one of {shown}", here, did_you_mean(str(raw), plain)
                )
                good = False
                continue
            self.expression(raw, here, visible)
        missing = [name for name in known if name in required and name not in given]
        if missing and complete:
            shown = ", ".join(f"`{name}`" for name in missing)
            self.error(
                "E0207",
                f"{verb} needs {shown}",
                path,
                f"write {{{verb}: {{{missing[0]}: ...}}}}",
                True,
            )
            good = False
        return good

    def unknown_argument(
        self, verb: str, name: str, raw: Any, path: Path, known: Mapping[str, Any]
    ) -> None:
        help = did_you_mean(name, known)
        if raw is None and re.search(r"[)\]]", name):
            previous = list(_at(self.source.data, path[:-1]))
            before = previous[previous.index(name) - 1] if previous.index(name) else ""
            start = _at(self.source.data, path[:-1]).get(before, "")
            help = (
                "YAML ends a value at a comma inside {...}: put it in quotes, "
                f'{before}: "{start}, {name}"'
            )
        elif name in MODIFIERS:
            help = f"`{name}` is a modifier: it stands beside {verb}, not inside its arguments"
        self.error("E0206", f"{verb} has no argument `{name}`", path, help, True)

    def combinator(
        self,
        key: Template | None,
        verb: str,
        value: Any,
        modifiers: Mapping[str, Any],
        path: Path,
        inside: Path,
        visible: frozenset[str],
    ) -> Item | None:
        known = COMBINATORS[verb]
        if not isinstance(value, dict):
            self.error(
                "E0203", f"{verb} needs a mapping", inside, f"write {{{verb}: {{{known[0]}: ...}}}}"
            )
            return None
        for name in value:
            if name not in known:
                help = did_you_mean(name, known)
                self.error("E0206", f"{verb} has no argument `{name}`", (*inside, name), help, True)
        needed = [name for name in (known if verb == "dense" else known[:1]) if name not in value]
        for name in needed:
            self.error("E0207", f"{verb} needs `{name}`", inside, key=True)
        if needed:
            return None
        loop = frozenset(_LOOP_NAMES["repeat"]) if verb == "dense" else frozenset()
        parts = {}
        for name in value:
            if name in _PARTS and name in known:
                if name == "paths" and not isinstance(value[name], dict):
                    self.error(
                        "E0203", "paths must be a mapping", (*inside, name), "name every path"
                    )
                    continue
                parts[name] = self.sequence(value[name], (*inside, name), visible | loop)
        for name in ("when", "repeat", "split"):
            if name in value and name in known:
                self.expression(value[name], (*inside, name), visible)
        join = value.get("join", "concat")
        if verb == "branches" and join not in JOINS:
            help = did_you_mean(str(join), JOINS)
            self.error("E0305", f"join must be one of {', '.join(JOINS)}", (*inside, "join"), help)
            return None
        rest = {name: raw for name, raw in value.items() if name not in _PARTS}
        return Item(key, verb, rest, parts, modifiers, path, inside)


def name_problem(name: str, identifier: bool = False) -> str:
    """Why a name cannot be a module's, or nothing."""
    if not _NAME.fullmatch(name) or (identifier and not name.isidentifier()):
        return f"`{name}` cannot be a name"
    if iskeyword(name):
        return f"`{name}` is a word of Python and cannot be a name"
    if name in RESERVED:
        return f"`{name}` is an attribute of every module and cannot be a name"
    if name.startswith("__"):
        return f"`{name}` cannot be a name: it starts with two underscores"
    return ""


def report_expression(
    sink: Sink, source: Source, path: Path, error: ExpressionError, key: bool = False
) -> None:
    """An ExpressionError as a diagnostic at its token."""
    span = source.key_span(path) if key else source.span(path)
    if span is not None:
        span = span.part(error.offset, error.length)
    sink.error(error.code, error.message, span, help=error.help)


def _at(data: Any, path: Path) -> Any:
    for step in path:
        data = data[step]
    return data


def _validate(model: type[_Model], source: Source, base: Path, sink: Sink) -> _Model | None:
    """The data at `base` as a model, or None with a diagnostic for every field that does not fit."""
    try:
        return model.model_validate(_at(source.data, base))
    except ValidationError as error:
        seen: set[Path] = set()
        for problem in error.errors():
            path = base
            for step in problem["loc"]:
                if (*path, step) in source.spans:
                    path = (*path, step)
            if problem["type"] == "missing":
                name = problem["loc"][-1]
                sink.error(
                    "E0202", f"`{name}` is missing", source.key_span(path) or source.span(())
                )
            elif problem["type"] == "extra_forbidden":
                name = str(problem["loc"][-1])
                known = [field.alias or key for key, field in _fields_at(model, problem["loc"])]
                message = f"unknown key `{name}`"
                sink.error("E0201", message, source.key_span(path), help=did_you_mean(name, known))
            elif path not in seen:
                seen.add(path)
                name = str(path[-1]) if path else "the document"
                expected = _EXPECTED.get(problem["type"], problem["msg"].lower())
                sink.error("E0203", f"{name} must be {expected}", source.span(path))
    return None


def _fields_at(model: Any, loc: tuple[int | str, ...]) -> list[tuple[str, Any]]:
    """The fields of the model in which the last step of an error's place stands."""
    inner = {"cite": Cite, "expect": Expectation, "scaling": RuleForm}
    model = inner.get(str(loc[0]), model) if len(loc) > 1 else model
    return list(model.model_fields.items())


_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "float_type": "a number",
}

__all__ = ["Block", "Document", "Item", "Label", "Parameter", "Sequence", "read_document"]
