"""The blocks of a file: their parameters with defaults, inputs, outputs and bodies."""

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.expressions.expression import FUNCTIONS
from archdsl.expressions.names import identifier_problem, name_problem, other_name
from archdsl.expressions.parser import WORDS
from archdsl.expressions.scaling import RULES
from archdsl.language.checker import Either, Visible
from archdsl.language.keys import (
    BlockForm,
    ParameterForm,
    ParameterType,
)
from archdsl.language.reader import Reader
from archdsl.language.syntax import (
    COMBINATORS,
    MODIFIERS,
    SHAPE_NAMES,
    TYPES,
    Block,
    Document,
    File,
    Item,
    Name,
    Parameter,
    is_modifier,
)
from archdsl.ops import OPS
from archdsl.ops.tensor import INPUT
from archdsl.yaml.fitting import fitted, fitting
from archdsl.yaml.mistakes import known
from archdsl.yaml.source import Place, Source

BLOCK_KEYS = ("doc", "cite", "params", "inputs", "outputs")  # beside the body


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


def is_long_form(value: Any) -> bool:
    """Whether a parameter's value is the long form, and not an item with arguments."""
    if not isinstance(value, dict):
        return False
    return len(value) != 1 or next(iter(value)) in known(ParameterForm)
