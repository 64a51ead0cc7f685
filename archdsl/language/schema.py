"""The JSON Schema of specs, for editors: keys by the models, and what has a name in items.

Ops, combinators and blocks of the library come with their arguments. What only reading finds out
(names, shapes, what a spec's own blocks take) it does not see.
"""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING
from keyword import kwlist
from typing import Any

from archdsl.diagnostics.codes import CODES
from archdsl.diagnostics.sink import Sink
from archdsl.expressions.names import RESERVED
from archdsl.language.blocks import BLOCK_KEYS
from archdsl.language.keys import VERSION, BlockForm, DocumentForm, ParameterForm, RuleForm
from archdsl.language.loader import LIBRARY, Loader, library_names
from archdsl.language.syntax import (
    APART,
    COMBINATORS,
    COMPUTED,
    MODIFIERS,
    PARTS,
    SECTIONS,
    TYPES,
    USE,
    WORDS,
)
from archdsl.ops import JOINS, OPS, arguments, kind
from archdsl.yaml.json_schema import described, schema_of

Schema = dict[str, Any]

_IDENTIFIER = {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "not": {"enum": kwlist}}
_WORD = r"([A-Za-z0-9_-]|\{[^{}]*\})"
_VISIBLE = rf"([A-Za-z0-9-]|\{{[^{{}}]*\}}){_WORD}*"  # between dots
_NAME = {  # of an item, with expressions in braces
    "pattern": rf"^({_WORD}+|{_VISIBLE}(\.{_VISIBLE})+)$",
    "not": {"enum": [*kwlist, *sorted(RESERVED)]},
}
_VALUE: Schema = {"type": ["number", "string", "boolean", "array", "null"]}
_COMBINED = {
    "seq": "Items, one after another.",
    "inline": "Items, one after another, without a level of names.",
    "residual": "after(body(x) + shortcut(x)); with `when` false after(body(x)).",
    "branches": "Paths side by side, joined.",
    "split": "The channels of a map in parts, a list of maps.",
    "dense": "Layers that see the outputs of all layers before, or a chain whose links are joined.",
}
_TAKEN = {  # the arguments of those
    "body": "What is done to the input.",
    "shortcut": "What is done to it beside; without one it is added as it is.",
    "when": "Whether the sum is made; else the body stands alone.",
    "after": "What is done to the sum.",
    "paths": "The paths by their names, each items.",
    "join": "How their results become one; with `none` they stay a list.",
    "split": "How many channels of the input each path gets.",
    "parts": "How many parts of one size, or the channels of each.",
    "layer": "The items of one layer.",
    "repeat": "How many layers.",
    "sees": "What a layer gets: `all` before it and the input, or the `last`.",
    "gives": "`all` results and the input, the `last`, those of the `layers`, or a `list`.",
}
_CHANGED = {
    "for": "One copy for every row of these columns.",
    "if": "Without the item where this is false.",
    "from": "The input: a reference, or a list of them.",
    "repeat": "How many copies.",
    "shared": "One module, applied to its own result.",
    "each": "The same module, applied to every one of these.",
    "as": "What the block or section calls the result.",
    "tap": "The result as a feature of this name.",
    "aux": "A result in training only.",
    "checkpoint": "Training keeps nothing of it but its input, and computes it again.",
    "made_before": "Its weights come before those of this earlier item, though it runs after it.",
}


def spec_schema() -> Schema:
    """The JSON Schema (2020-12) of a spec, or of a file of blocks."""
    schema = schema_of(DocumentForm, "A network, or blocks to import, in archdsl")
    schema["$defs"] |= _definitions()
    said = [{"required": [word]} for word in ("name", "input", "backbone", "extends")]
    whole = {"required": ["name", "input", "backbone"]}
    schema |= {
        "required": ["archdsl"],
        "if": {"anyOf": said},
        "then": {"if": {"required": ["extends"]}, "then": {"required": ["name"]}, "else": whole},
        "else": {"required": ["blocks"]},
    }
    return schema


def _definitions() -> Schema:
    """What a schema names: the parts of a document, of its sequences, and all that is called."""
    return {
        **_sections(),
        "sequence": _items({"$ref": "#/$defs/item"}),
        "path": {"anyOf": [{"$ref": "#/$defs/item"}, {"$ref": "#/$defs/sequence"}]},
        "item": _item(),
        "block": _block(),
        "call": {"type": ["object", "null"]},
        USE: {
            "type": ["string", "integer", "object", "null"],
            "description": "The module of an earlier item, applied once more.",
        },
        "references": {
            "type": ["string", "integer", "array"],
            "items": {"type": ["string", "integer"]},
            "minItems": 1,
        },
        "for": _for(),
        **{verb: _op(verb) for verb in OPS},
        **{verb: _combinator(verb) for verb in COMBINATORS},
        **{name: _library_block(name) for name in sorted(library_names())},
    }


def _sections() -> Schema:
    warnings = [code for code in CODES if code.startswith("W")]
    return {
        "version": {"const": VERSION},
        "identifier": {"type": "string", **_IDENTIFIER},
        "extends": {"type": "string"},
        "import": {"type": ["string", "array"], "items": {"type": "string"}},
        "input": {
            "type": ["array", "object"],
            "items": _VALUE,
            "minProperties": 1,
            "propertyNames": _IDENTIFIER,
            "additionalProperties": {"type": "array", "items": _VALUE},
        },
        "params": _each({"$ref": "#/$defs/parameter"}, _IDENTIFIER),
        "scaling": _each({"$ref": "#/$defs/rule"}, _IDENTIFIER) | {"properties": {"phi": _VALUE}},
        "defaults": _closed({verb: {"$ref": f"#/$defs/{verb}"} for verb in OPS}),
        "blocks": _each({"$ref": "#/$defs/block"}, _IDENTIFIER),
        "freeze": {"type": "array", "items": {"type": "string"}},
        "replace": {
            "anyOf": [
                {"$ref": "#/$defs/replaced"},
                {"type": "array", "items": {"$ref": "#/$defs/replaced"}},
            ]
        },
        "replaced": _replaced(),
        "aux": _each({"$ref": "#/$defs/item"}, _NAME),
        "under": _each({"type": "string"}, {"enum": [*SECTIONS]}) | {"type": ["object", "null"]},
        "lint": _each({"enum": ["on", "off"]}, {"enum": warnings}),
        "rule": schema_of(RuleForm),
        "parameter": _parameter(),
    }


def _each(part: Schema, names: Mapping[str, Any]) -> Schema:
    """A mapping of parts by names of a kind."""
    return {"type": "object", "propertyNames": dict(names), "additionalProperties": part}


def _replaced() -> Schema:
    """Ops by name with what stands for them, or one with the paths where it does."""
    call: Schema = {"type": ["string", "object"], "minProperties": 1, "maxProperties": 1}
    rule = _closed({"op": {"enum": [*OPS]}, "at": {"type": "string"}, "with": call})
    either = {"anyOf": [{"required": ["op"]}, {"required": ["with"]}]}
    whole = {**rule, "required": ["op", "with"]}
    return {
        "type": "object",
        "if": either,
        "then": whole,
        "else": _closed(dict.fromkeys(OPS, call)),
    }


def _closed(keys: Schema, **more: Any) -> Schema:
    """A mapping of these keys and no other."""
    return {"type": "object", "properties": keys, "additionalProperties": False, **more}


def _items(part: Schema) -> Schema:
    """A sequence: a list, a mapping of named items, or one word."""
    return {
        "type": ["string", "array", "object"],
        "items": part,
        "propertyNames": _NAME,
        "additionalProperties": part,
    }


def _verbs(words: Iterable[str], beside: Iterable[str]) -> tuple[Schema, Schema]:
    """Verbs as keys of a mapping, and for each what may stand beside it."""
    others = [*beside]
    alone = {verb: {"propertyNames": {"enum": [verb, *others]}} for verb in words}
    return {verb: {"$ref": f"#/$defs/{verb}"} for verb in words}, alone


def _item() -> Schema:
    """A verb with its arguments and modifiers, a list of items, or one word."""
    verbs, alone = _verbs([*OPS, *COMBINATORS, USE, *sorted(library_names())], MODIFIERS)
    for verb, op in OPS.items():
        if op.inputs is not None:
            alone[verb]["properties"] = {"from": {"maxItems": op.inputs}}
    modified = {"anyOf": [{"required": [word]} for word in MODIFIERS]}
    return {
        "type": ["string", "array", "object"],
        "items": {"$ref": "#/$defs/item"},
        "properties": verbs | _modifiers(),
        "additionalProperties": {"$ref": "#/$defs/call"},
        "dependentSchemas": alone | {"from": {"not": {"required": ["each"]}}},
        "if": {"type": "object"},
        "then": {"not": {"propertyNames": {"enum": [*MODIFIERS]}}},  # a verb is among the keys
        "anyOf": [{"maxProperties": 1}, modified],
    }


def _modifiers() -> Schema:
    forms: Schema = {
        "for": {"$ref": "#/$defs/for"},
        "repeat": {"type": ["integer", "string"], "minimum": 0},
        "from": {"$ref": "#/$defs/references"},
        "each": {"$ref": "#/$defs/references"},
        "as": {"type": "string"},
        "tap": {"type": "string"},
        "aux": {"const": True},
        "shared": {},
        "checkpoint": {},
        "made_before": {"type": "string"},
    }
    return {word: {"description": _CHANGED[word], **forms.get(word, _VALUE)} for word in MODIFIERS}


def _for() -> Schema:
    """Columns by name, or `columns` and `rows`."""
    cell = {"type": ["number", "string", "boolean", "array"]}
    rows = {"type": "array", "items": {"type": "array", "items": cell}}
    columns = {"type": "array", "items": {"type": "string", **_IDENTIFIER}}
    either = {"anyOf": [{"required": ["rows"]}, {"required": ["columns"]}]}
    named = _each({"type": ["array", "string"], "items": cell}, _IDENTIFIER)
    table = _closed({"columns": columns, "rows": rows}, required=["columns", "rows"])
    return {"type": "object", "minProperties": 1, "if": either, "then": table, "else": named}


def _block() -> Schema:
    verbs, alone = _verbs([*OPS, *COMBINATORS, *sorted(library_names())], BLOCK_KEYS)
    said: Schema = {
        **schema_of(BlockForm)["properties"],
        "params": _each({"$ref": "#/$defs/parameter"}, _IDENTIFIER) | {"type": ["object", "null"]},
        "inputs": {"type": "array", "items": {"type": "string"}},
        "outputs": {
            "description": "What it gives, by name, if that is not what its body gives.",
            "type": ["object", "null"],
            "minProperties": 1,
            "additionalProperties": {"type": ["string", "integer"]},
        },
        "body": {"$ref": "#/$defs/sequence", "description": "The items that it is."},
    }
    return {
        "type": "object",
        "properties": verbs | said | dict.fromkeys(MODIFIERS, False),
        "additionalProperties": {"$ref": "#/$defs/call"},
        "dependentSchemas": alone | {"body": {"propertyNames": {"enum": [*BLOCK_KEYS, "body"]}}},
        "minProperties": 1,
    }


def _parameter() -> Schema:
    """A value, the name of a type, or the long form."""
    form = schema_of(ParameterForm)
    long = [{"minProperties": 2}, *({"required": [word]} for word in form["properties"])]
    return {
        "description": f"A default, or the name of a type: {', '.join(TYPES)}.",
        "if": {"type": "object", "anyOf": long},
        "then": form,
    }


def _op(verb: str) -> Schema:
    """The arguments of an op; none is required, since the defaults of the spec may give it."""
    taken = {name: _argument(verb, name) for name in arguments(OPS[verb])}
    return _closed(taken, type=["object", "null"], title=verb, description=described(OPS[verb]))


def _argument(verb: str, name: str) -> Schema:
    declared, of = arguments(OPS[verb])[name], kind(OPS[verb], name)
    if of.form == "reference":
        found: Schema = {"$ref": "#/$defs/references"}
    elif of.form == "word":
        found = {"anyOf": [{"enum": [*of.words]}, {"type": "string", "pattern": COMPUTED}]}
    else:
        found = _or_expression(dict(of.schema))
        if declared.default is None and "type" in found:
            found["type"] = [*found["type"], "null"]
        if of.words and of.form == "value":
            found = {"anyOf": [{"enum": [*of.words]}, found]}
    default = declared.default
    if isinstance(default, int | float | str):
        found["default"] = default
    return {**found, "description": f"{declared.metadata['doc']} ({of.name})"}


def _or_expression(schema: Schema) -> Schema:
    """The schema of a value that may be an expression, or have some in it."""
    made = dict(schema)
    if "type" in made:
        made["type"] = [*dict.fromkeys([*made["type"], "string"])]
    if "items" in made:
        made["items"] = _or_expression(made["items"])
    if "properties" in made:
        made["properties"] = {k: _or_expression(v) for k, v in made["properties"].items()}
    return made


def _combinator(verb: str) -> Schema:
    heading: Schema = {"title": verb, "description": _COMBINED[verb]}
    names = COMBINATORS[verb]
    if not names:
        return {"$ref": "#/$defs/sequence", **heading}
    keys: Schema = dict.fromkeys(names, _VALUE)
    keys |= {name: {"$ref": "#/$defs/sequence"} for name in names if name in PARTS}
    if "paths" in keys:
        keys["paths"] = _each({"$ref": "#/$defs/path"}, _NAME) | {"minProperties": 1}
    if "join" in keys:
        keys["join"] = {"enum": [*JOINS, APART]}
    keys |= {name: {"enum": [*WORDS[name]]} for name in names if name in WORDS}
    keys = {name: {**said, "description": _TAKEN[name]} for name, said in keys.items()}
    if verb == "residual":  # which stand side by side, so that only one can be numbered
        both = {name: {"type": "array", "minItems": 1} for name in ("body", "shortcut")}
        heading["not"] = {"required": [*both], "properties": both}
    required = [*names[:2]] if verb == "dense" else [names[0]]
    return _closed(keys, required=required, **heading)


def _library_block(name: str) -> Schema:
    """What a block of the library takes, for hover; a spec may have another of its name."""
    file = Loader(Sink()).blocks_of(str(LIBRARY / f"{name}.yaml"), ())
    assert file is not None, f"{name} cannot be read"
    block = file.blocks[name]
    taken: Schema = {}
    for parameter in block.parameters.values():
        raw = block.place.data["params"][parameter.name]
        default = raw.get("default", MISSING) if isinstance(raw, dict) else raw
        taken[parameter.name] = {"description": parameter.form.doc or parameter.type or "a value"}
        if default is not MISSING and default not in TYPES:
            taken[parameter.name]["default"] = default
    doc = " ".join((block.form.doc or "").split())
    return {"type": ["object", "null"], "title": name, "description": doc, "properties": taken}
