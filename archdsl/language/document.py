"""A source to a document or to a file of blocks: keys, rules, and the items of sections."""

from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Sequence_
from itertools import count
from typing import Any

from archdsl.diagnostics.codes import CODES
from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.suggest import did_you_mean, nearest
from archdsl.diagnostics.text import as_yaml
from archdsl.expressions.expression import FUNCTIONS
from archdsl.expressions.names import identifier_problem, name_problem, other_name
from archdsl.expressions.scaling import RULES
from archdsl.language.arguments import whole
from archdsl.language.blocks import (
    declare_blocks,
    declare_parameters,
    open_blocks,
    read_bodies,
    read_defaults,
)
from archdsl.language.checker import Visible
from archdsl.language.keys import (
    EXAMPLES,
    DocumentForm,
    RuleForm,
    read_form,
)
from archdsl.language.patterns import ANYWHERE
from archdsl.language.reader import Reader
from archdsl.language.replacing import frozen_norms, read_replacements
from archdsl.language.syntax import (
    SECTIONS,
    Argument,
    Block,
    Document,
    File,
    Formula,
    Frozen,
    Listed,
    Literal,
    Name,
    Replacement,
    ScalingRule,
)
from archdsl.language.weights import read_weights
from archdsl.ops import OPS
from archdsl.ops.tensor import INPUT
from archdsl.yaml.fitting import fitted
from archdsl.yaml.source import Place, Source

_COMPOUND = {"alpha": "depth", "beta": "width", "gamma": "resolution"}


def read_document(
    source: Source, file: File, sink: Sink, replaced: Sequence_[Source] = ()
) -> Document:
    """The syntax tree of a document whose `extends` is resolved; what is wrong is in `sink`.

    `file` holds the blocks that the document imports; the document's own are added. `replaced`
    says, as `replace` does, what is replaced before that.
    """
    form = read_form(source, sink)
    if problem := identifier_problem(form.name):
        sink.error("E0208", problem, source.at("name").span, help=other_name(form.name))
    document = Document(form, file, figure=source.at("figure") if form.figure else None)
    _check_lints(source, sink)
    document.phi, document.rules = _rules(Reader(sink, file, {}, frozenset()), form)
    document.dependent = frozenset(n for n, number in _numbers(document) if number.expression.names)
    functions = frozenset({*FUNCTIONS, *RULES, *document.rules})
    declare_blocks(file, form.blocks, sink)
    opened = _parameters(document, functions, sink)
    reader = Reader(sink, file, document.parameters, functions)
    visible = frozenset(document.parameters)
    file.defaults = _defaults(reader, form.defaults, visible)
    _check_rules(document, visible, sink)
    if form.input is not None:
        document.inputs = _inputs_of(reader, form.input, source.at("input"), visible)
    if form.outputs is not None:
        document.outputs = _outputs(reader, form.outputs, source.at("outputs"), visible)
    read_weights(reader, document)
    if form.output_stride is not None:
        place = source.at("output_stride")
        document.output_stride = reader.expression(form.output_stride, place, visible)
    document.frozen = tuple(_frozen(reader, form.freeze or [], source.at("freeze")))
    document.settled = tuple(frozen_norms(document.frozen))
    document.replacements = _replacements(reader, [other.at() for other in replaced], visible)
    read_bodies(opened)
    _sections(reader, document, visible)
    for read in (reader, *opened.values()):
        for template in read.lost:
            document.lost.add(template)
    document.titles = _titles(file)
    return document


def _inputs_of(
    reader: Reader, raw: list[Any] | dict[str, Any], place: Place, visible: Visible
) -> dict[str, tuple[Argument, ...]] | None:
    """The shapes of what the network is given, by name; None if one cannot be read."""
    shapes: dict[str, Argument | None] = {}
    if isinstance(raw, list):
        shapes[INPUT] = reader.expression(raw, place, visible)
    elif not raw:
        reader.error("E0203", "no input", place.span, EXAMPLES["input"])
    elif not any(isinstance(shape, list) for shape in raw.values()) and len(raw) > 1:
        sizes = as_yaml([size for _, size in sorted(raw.items(), key=lambda pair: _axis(pair[0]))])
        reader.error(
            "E0203", "the input must be a list of sizes", place.span, f"write input: {sizes}"
        )
    else:
        for name, shape in raw.items():
            shapes[name] = _named_input(reader, name, shape, place / name, visible)
    good = {name: shape.parts for name, shape in shapes.items() if isinstance(shape, Listed)}
    return good if good and len(good) == len(shapes) else None


def _axis(name: str) -> int:
    """Where an axis of this name stands: channels first, then depth, height, width."""
    letters = name[:1].lower()
    return "cdhw".find(letters) if letters in "cdhw" else len("cdhw")


def _named_input(
    reader: Reader, name: str, raw: Any, place: Place, visible: Visible
) -> Argument | None:
    """The shape of one of several inputs."""
    if problem := identifier_problem(name) or name_problem(name):
        reader.error("E0208", problem, place.key, other_name(name))
        return None
    if not isinstance(raw, list):
        help = f"write {name}: [3, 224, 224]"
        reader.error("E0203", f"the input {name} must be a list", place.span, help)
        return None
    return reader.expression(raw, place, visible)


def _replacements(
    reader: Reader, outside: Sequence_[Place], visible: Visible
) -> tuple[Replacement, ...]:
    """What is replaced: as is said from outside, then as the document says of other ops."""

    def read(place: Place) -> list[Replacement]:
        return [*read_replacements(reader, place.data, place, visible)]

    rules = [rule for place in outside for rule in read(place)]
    settled = {rule.op for rule in rules if rule.at == ANYWHERE}
    source = reader.file.source
    own = read(source.at("replace")) if source.data.get("replace") is not None else []
    return (*rules, *(rule for rule in own if rule.op not in settled))


def _frozen(reader: Reader, words: Sequence_[Any], place: Place) -> Iterator[Frozen]:
    """What does not learn: ops by their names, parts by their paths."""
    for n, word in enumerate(words):
        if isinstance(word, str) and word:
            yield Frozen(word, word in OPS, place / n)
        else:
            help = "`freeze: [conv1, layer1, batch_norm]`"
            reader.error("E0203", "freeze is a list of paths and ops", (place / n).span, help)


def _check_lints(source: Source, sink: Sink) -> None:
    """Reports what `lint` names and is no warning."""
    said = source.data.get("lint")
    warnings = [code for code in CODES if code.startswith("W")]
    for code in said if isinstance(said, dict) else ():
        if code not in warnings:
            help = did_you_mean(code, warnings)
            sink.error("E0201", f"unknown warning `{code}`", source.at("lint", code).key, help=help)


def _titles(file: File) -> dict[Block, str]:
    """The names of all blocks within reach; those of one name in other files get numbers."""
    titles: dict[Block, str] = {}
    files = [file]
    for file in files:
        own_first = sorted(file.blocks.values(), key=lambda block: block.file is not file)
        titles.update(dict.fromkeys(own_first, ""))
        files += {block.file: None for block in own_first if block.file not in files}
    known = {block.name for block in titles}
    taken: set[str] = set()
    for block in titles:
        numbered = (f"{block.name}_{n}" for n in count(2))
        free = (name for name in numbered if name not in known | taken)
        titles[block] = next(free) if block.name in taken else block.name
        taken.add(titles[block])
    return titles


def _parameters(document: Document, functions: frozenset[str], sink: Sink) -> dict[Block, Reader]:
    """Reads the parameters of a document and of its blocks, which may name each other."""
    file, place = document.file, document.file.source.at("params")
    reader = Reader(sink, file, {}, functions - document.dependent)
    reader.dependent = document.dependent
    declared = declare_parameters(reader, document.form.params, place)
    opened = open_blocks(file, declared, functions, sink)
    document.parameters = read_defaults(reader, declared)
    for inner in opened.values():
        inner.parameters = document.parameters
    return opened


def _outputs(
    reader: Reader, raw: Mapping[str, str], place: Place, visible: Visible
) -> dict[str, Name | None]:
    """The references of `outputs`, None for one that can't be read."""
    return {name: reader.reference(text, place / name, visible) for name, text in raw.items()}


def _sections(reader: Reader, document: Document, visible: Visible) -> None:
    """Reads the sequences of a document, and where they stand."""
    source = document.file.source
    for section in document.form.under or {}:
        if section not in SECTIONS:
            place, help = source.at("under", section), did_you_mean(section, SECTIONS)
            reader.error("E0201", f"unknown section `{section}`", place.key, help)
    for section in SECTIONS:
        if section in source.data:
            raw, place = source.data[section], source.at(section)
            if section == "aux" and not isinstance(raw, dict):
                reader.error("E0203", "aux must be a mapping", place.span, "name every result")
            else:
                document.sections[section] = reader.sequence(raw, place, visible)


def read_library(source: Source, file: File, sink: Sink) -> None:
    """Reads the blocks of a file that is imported; they see none of the importing document."""
    form = read_form(source, sink, required=())
    functions = frozenset({*FUNCTIONS, *RULES})
    declare_blocks(file, form.blocks, sink)
    opened = open_blocks(file, {}, functions, sink)
    for reader in opened.values():
        reader.alone = True
    file.defaults = _defaults(Reader(sink, file, {}, functions), form.defaults, frozenset())
    read_bodies(opened)


def _rule_forms(source: Source, raw: Mapping[str, Any], sink: Sink) -> dict[str, RuleForm]:
    rules = {}
    for name, data in raw.items():
        place = source.at("scaling", name)
        if name == "phi":
            continue
        problem = identifier_problem(name)
        if name in FUNCTIONS:
            problem = f"`{name}` is a function of expressions, and cannot be a rule's name"
        if problem:
            sink.error("E0208", problem, place.key)
        elif not isinstance(data, dict):
            shown = data if isinstance(data, int | float | str) else "..."
            help = f"write {name}: {{factor: {shown}}}"
            if name in _COMPOUND:
                help = f"Tan & Le's {name} is `{_COMPOUND[name]}: {{base: {shown}}}`"
            at = place.span
            if nearest(name, ["phi"]):
                at, help = place.key, did_you_mean(name, ["phi"])
            sink.error("E0203", f"the rule {name} must be a mapping", at, help=help)
        else:
            rule = fitted(RuleForm, data, place, sink)
            rules[name] = rule if rule is not None else RuleForm()
    return rules


def _rules(reader: Reader, form: DocumentForm) -> tuple[Argument | None, dict[str, ScalingRule]]:
    """Phi and the scaling rules; the names in them are looked at once the parameters are known."""
    place = reader.file.source.at("scaling")

    def number(raw: Any, place: Place) -> Argument | None:
        return reader.formula(raw, place) if isinstance(raw, str) else Literal(raw, place)

    phi = number(form.scaling.get("phi", 0), place / "phi")
    rules = {}
    for name, rule in _rule_forms(reader.file.source, form.scaling, reader.sink).items():
        said = ((word, raw) for word, raw in rule.numbers().items() if raw is not None)
        numbers = whole({word: number(raw, place / name / word) for word, raw in said})
        rules[name] = ScalingRule(numbers or {}, rule.round, numbers is None or phi is None)
    return phi, rules


def _numbers(document: Document) -> Iterator[tuple[str, Formula]]:
    """The expressions in scaling rules, each with the name of its rule; those in phi are in all."""
    for name, rule in document.rules.items():
        for number in (*rule.numbers.values(), document.phi):
            if isinstance(number, Formula):
                yield name, number


def _check_rules(document: Document, visible: Visible, sink: Sink) -> None:
    """Reports names in scaling rules that do not exist."""
    reader = Reader(sink, document.file, document.parameters, frozenset(FUNCTIONS))
    for _, number in _numbers(document):
        reader.known_names(number.expression, number.place.span, visible)


def _defaults(
    reader: Reader, raw: Mapping[str, Any], visible: Visible
) -> dict[str, dict[str, Argument]]:
    """The default arguments of ops that can be used."""
    defaults = {}
    for verb, said in raw.items():
        place = reader.file.source.at("defaults", verb)
        if verb not in OPS:
            help = did_you_mean(verb, OPS)
            reader.error("E0205", f"`{verb}` is not an op", place.key, help)
        elif not isinstance(said, dict):
            reader.not_a_mapping(verb, said, place)
        else:
            known = reader.accepted(verb)
            read = (
                (name, reader.argument_of(verb, name, value, known, place / name, visible))
                for name, value in said.items()
            )
            defaults[verb] = {name: node for name, node in read if node is not None}
    return defaults


# blocks
