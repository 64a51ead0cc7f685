"""A source to a document or to blocks: keys, parameters, rules, and the items in them."""

from collections import ChainMap
from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Sequence_
from dataclasses import replace
from itertools import count
from typing import Any

from archdsl.diagnostics.codes import CODES
from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.suggest import did_you_mean, nearest
from archdsl.diagnostics.text import as_yaml
from archdsl.expressions.expression import FUNCTIONS
from archdsl.expressions.parser import WORDS
from archdsl.expressions.scaling import RULES
from archdsl.language.arguments import whole
from archdsl.language.checker import Either, Visible
from archdsl.language.keys import (
    EXAMPLES,
    BlockForm,
    DocumentForm,
    ParameterForm,
    ParameterType,
    RuleForm,
    read_form,
)
from archdsl.language.patterns import ANYWHERE
from archdsl.language.reader import Reader
from archdsl.language.replacing import frozen_norms, read_replacements
from archdsl.language.syntax import (
    COMBINATORS,
    MODIFIERS,
    SECTIONS,
    SHAPE_NAMES,
    TYPES,
    Argument,
    Block,
    Document,
    File,
    Formula,
    Frozen,
    Item,
    Listed,
    Literal,
    Name,
    Parameter,
    Replacement,
    ScalingRule,
    is_modifier,
)
from archdsl.language.weights import read_weights
from archdsl.names import identifier_problem, name_problem, other_name
from archdsl.ops import OPS
from archdsl.ops.tensor import INPUT
from archdsl.yaml.fitting import fitted, fitting
from archdsl.yaml.mistakes import known
from archdsl.yaml.source import Place, Source

_COMPOUND = {"alpha": "depth", "beta": "width", "gamma": "resolution"}
BLOCK_KEYS = ("doc", "cite", "params", "inputs", "outputs")  # beside the body


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


def is_long_form(value: Any) -> bool:
    """Whether a parameter's value is the long form, and not an item with arguments."""
    if not isinstance(value, dict):
        return False
    return len(value) != 1 or next(iter(value)) in known(ParameterForm)


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


def declare_blocks(file: File, raw: Mapping[str, Any], sink: Sink) -> None:
    """Adds the blocks of a file by name, so that they can be used before they are read."""
    for name, data in raw.items():
        place = file.source.at("blocks", name)
        problem = identifier_problem(name)
        if name in OPS or name in COMBINATORS or is_modifier(name, data):
            what = "an op" if name in OPS else "a word of the language"
            problem = f"`{name}` is {what}, and cannot be a block's name"
        if problem:
            help = "choose another name"
            if name in OPS:
                help += f"; to stand wherever {name} is written, say `replace: {{{name}: NAME}}`"
            sink.error("E0208", problem, place.key, help=help)
            if identifier_problem(name):  # what uses it is not wrong too
                file.blocks[name] = Block(name, file, place, broken=True)
            continue
        file.blocks[name] = Block(name, file, place, broken=not isinstance(data, dict))
        if file.blocks[name].broken:
            help = f"write {name}: {{seq: [...]}}"
            sink.error("E0203", f"block {name} must be a mapping", place.span, help=help)


def open_blocks(
    file: File, parameters: Mapping[str, Parameter], functions: frozenset[str], sink: Sink
) -> dict[Block, Reader]:
    """The blocks that a file declares, with their parameters, and a reader for each.

    They see the parameters of the document, too.
    """
    opened = {}
    for block in [*file.blocks.values()]:  # reading one may add those that it names
        if block.file is not file or block.broken:
            continue
        reader = opened[block] = Reader(sink, file, parameters, functions)
        reader.in_block = True
        raw, place = block.place.data.get("params") or {}, block.place / "params"
        reader.declarations = place if raw else None
        if isinstance(raw, dict):
            block.parameters = declare_parameters(reader, raw, place, in_block=True)
        else:
            help = "give every parameter a type or a default: {width: int, stride: 1}"
            reader.error("E0203", "params must be a mapping", place.span, help)
            block.broken = True
        block.broken |= bool(_unknown_keys(reader, block))
    return opened


def read_bodies(opened: Mapping[Block, Reader]) -> None:
    """Reads the rest of blocks, once the parameters of all are known."""
    for block, reader in opened.items():
        said = {key: value for key, value in block.place.data.items() if key in ("doc", "cite")}
        block.form = fitting(BlockForm, said, block.place, reader.sink)
        block.parameters = read_defaults(reader, block.parameters)
        if block.parameters:
            own, outer = dict(block.parameters), reader.parameters
            reader.parameters = ChainMap(own, outer)  # type: ignore[arg-type]  # it is only read
        block.inputs, block.rest = _inputs(reader, block.place)
        reader.inputs = (*block.inputs, block.rest)
        block.body = _body(reader, block)
        block.outputs = _block_outputs(reader, block)


def _inputs(reader: Reader, place: Place) -> tuple[tuple[str, ...], str]:
    """The names of a block's inputs, none if it has one, and that of the list of all others."""
    raw, here = place.data.get("inputs", []), place / "inputs"
    if not isinstance(raw, list) or not all(isinstance(name, str) for name in raw):
        reader.error("E0203", "inputs must be a list of names", here.span)
        return (), ""
    names = [name.removeprefix("*") for name in raw]
    for n, name in enumerate(names):
        problem = identifier_problem(name) or name_problem(name)
        problem = problem or (f"`{name}` stands here twice" if name in names[:n] else "")
        if problem:
            reader.error("E0208", problem, (here / n).span, other_name(name))
        if raw[n] != name and n < len(raw) - 1:
            message, help = f"`{raw[n]}` takes all other inputs", "put it last"
            reader.error("E0203", message, (here / n).span, help)
    rest = names.pop() if raw and raw[-1].startswith("*") else ""
    return tuple(names), rest


def _block_outputs(reader: Reader, block: Block) -> Mapping[str, Name | None] | None:
    """What a block gives by name, None if it is what its body gives."""
    raw, place = block.place.data.get("outputs"), block.place / "outputs"
    if raw is None:
        return None
    if not isinstance(raw, dict) or not raw:
        help = "name every output: `outputs: {low: a, high: b}`"
        reader.error("E0203", "outputs must be a mapping", place.span, help)
        return {}
    found: dict[str, Name | None] = {}
    for name, text in raw.items():
        if problem := name_problem(name):
            reader.error("E0208", problem, (place / name).key, other_name(name))
        visible = reader.parameters.keys()
        good = isinstance(text, str | int) and not isinstance(text, bool)
        if not good:
            reader.error("E0203", f"{name} must be a reference", (place / name).span)
        found[name] = reader.reference(str(text), place / name, visible) if good else None
    return found


def _body(reader: Reader, block: Block) -> Item | None:
    """The one item that a block is: `body: ...`, or one verb beside the block's other keys."""
    place, visible = block.place, reader.parameters.keys()
    rest = {key: value for key, value in place.data.items() if key not in BLOCK_KEYS}
    if list(rest) == ["body"]:
        here = place / "body"
        parts = {"items": reader.sequence(rest["body"], here, visible)}
        return Item(None, "seq", place, here, parts=parts)
    if len(rest) == 1 and not {*rest} & {*MODIFIERS}:
        ((verb, value),) = rest.items()
        return reader.verb(Item(None, verb, place, place / verb), value, visible)
    unknown = _unknown_keys(reader, block)
    for key in unknown:
        help = did_you_mean(key, (*BLOCK_KEYS, "body", *COMBINATORS))
        if key in MODIFIERS:
            help = f"`{key}` is a modifier: it stands beside a verb, in the block's `body`"
        elif owners := [verb for verb, words in COMBINATORS.items() if key in words]:
            help = f"`{key}` is an argument of `{owners[0]}` and stands inside it;"
            help += " what follows a verb is the next item under `body:`"
        reader.error("E0201", f"unknown key `{key}` in a block", (place / key).key, help)
    if not rest:
        message = f"block {block.name} has no body"
        reader.error("E0204", message, place.key, "say `body:` and its items")
    elif not unknown:
        message, second = f"block {block.name} has two verbs", place / list(rest)[1]
        reader.error("E0204", message, second.key, "put the items under `body:`")
    return None


def _unknown_keys(reader: Reader, block: Block) -> list[str]:
    """The keys of a block that are neither its own nor the one verb that it is."""
    rest = [key for key in block.place.data if key not in (*BLOCK_KEYS, "body")]
    if len(rest) == 1 and "body" not in block.place.data and rest[0] not in MODIFIERS:
        return []
    return [key for key in rest if not reader.is_verb(key)]


# parameters


def declare_parameters(
    reader: Reader, raw: Mapping[str, Any], place: Place, in_block: bool = False
) -> dict[str, Parameter]:
    """The parameters of a document, or of a block, where a type name means required."""
    result: dict[str, Parameter] = {}
    own = set[str]()
    earlier = Either(reader.parameters.keys(), own)
    for name, value in raw.items():
        here = place / name
        problem = identifier_problem(name)
        if name in SHAPE_NAMES:
            problem = f"`{name}` is the shape's, and cannot be a parameter's name"
        elif name in FUNCTIONS or name == INPUT or (name in WORDS and not problem):
            problem = f"`{name}` is a word of the language, and cannot be a parameter's name"
        if problem:
            reader.error("E0208", problem, here.key, other_name(name))
        if not problem or identifier_problem(name):  # what uses it is not wrong too
            result[name] = _parameter(reader, name, value, here, earlier, in_block)
            own.add(name)
    return result


def _parameter(
    reader: Reader, name: str, value: Any, place: Place, earlier: Visible, in_block: bool
) -> Parameter:
    form, required, broken = ParameterForm(), False, False
    type: ParameterType | None = None
    if is_long_form(value):
        read = fitted(ParameterForm, value, place, reader.sink)
        form, broken = read or form, read is None
        type, required = form.type, "default" not in value
        place = place if required else place / "default"
    elif in_block and value in TYPES:
        type, required = value, True
    if type is None and not required:
        type = _type_of(reader, place.data, earlier)
    return Parameter(name, type, required, form, place, broken=broken)


def read_defaults(reader: Reader, parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """The parameters with their defaults; those are marked whose default is wrong.

    A default may use what the reader knows and the parameters before it.
    """
    result = {}
    own, reader.later = set[str](), dict(parameters)
    visible = Either(reader.parameters.keys(), own)
    for name, parameter in parameters.items():
        del reader.later[name]
        result[name] = read_default(reader, parameter, visible)
        own.add(name)
    return result


def read_default(reader: Reader, parameter: Parameter, visible: Visible) -> Parameter:
    """A parameter with the default that stands at its place, marked as broken if that is wrong."""
    if parameter.required:
        return parameter
    place = parameter.place
    default = reader.argument(place.data, place, visible, parameter.type)
    return replace(parameter, default=default, broken=parameter.broken or default is None)


def with_defaults(
    document: Document, sources: Mapping[str, Source], sink: Sink
) -> Mapping[str, Parameter]:
    """The parameters of a document, those with a source of their own as that says."""
    functions = frozenset({*FUNCTIONS, *RULES, *document.rules}) - document.dependent
    reader = Reader(sink, document.file, document.parameters, functions)
    parameters, visible = dict(document.parameters), set[str]()
    for name, parameter in document.parameters.items():
        if name in sources:
            other = replace(parameter, place=sources[name].at(), required=False, broken=False)
            parameters[name] = read_default(reader, other, visible)
        visible.add(name)
    return parameters


def _type_of(reader: Reader, default: Any, earlier: Visible) -> ParameterType | None:
    """The type a default implies; None where others may do as well, or for an expression."""
    if isinstance(default, bool):
        return "bool"
    if isinstance(default, list):
        return "list"
    if isinstance(default, dict):
        return "item"
    names_verb = isinstance(default, str) and default not in earlier and reader.is_verb(default)
    return "item" if names_verb else None
