"""What may be written at the cursor."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archdsl.diagnostics.codes import CODES
from archdsl.editor.context import Context, context_at
from archdsl.editor.hover import ROWS, schema
from archdsl.editor.marks import Mark
from archdsl.editor.results import pattern_of
from archdsl.editor.view import View
from archdsl.expressions.expression import FUNCTIONS
from archdsl.graph.graph import Graph
from archdsl.language import gallery
from archdsl.language.keys import VERSION
from archdsl.language.loader import library_names
from archdsl.language.syntax import (
    APART,
    COMBINATORS,
    FLAGS,
    MODIFIERS,
    PARTS,
    SECTIONS,
    TYPES,
    WORDS,
    Block,
    Document,
    Verb,
)
from archdsl.ops import JOINS, OPS, arguments, kind

REFERRING = ("from", "each", "use", "inputs")
NAMING = ("as", "tap")  # whose names are new
HOLDING = (*SECTIONS, *PARTS, "seq", "inline", "paths")  # keys whose values are items


@dataclass(frozen=True)
class Offer:
    """One thing that may be written: its kind by LSP's names, a few words, Markdown about it."""

    label: str
    kind: str
    detail: str = ""
    doc: str = ""
    insert: str = ""  # what is written, if that is not the label


def completion(
    view: View, good: View, line: int, column: int, graph: Graph | None = None
) -> list[Offer]:
    """The offers at a place (from 1), those that fit what is typed already.

    `good` is the last version of the spec that could be read, whose names are offered; `graph` is
    that of the last that was right, which has the names that keys with expressions became.
    """
    here = context_at(view.lines, line, column)
    offers = [*_offers(here, view, good, graph)]
    typed = here.word.lower()
    unique = {offer.label: offer for offer in reversed(offers)}
    fitting = [o for o in unique.values() if o.label.lower().startswith(typed) or not typed]
    return sorted(fitting or unique.values(), key=lambda o: (o.kind != "EnumMember", o.label))


def _offers(here: Context, view: View, good: View, graph: Graph | None) -> Iterator[Offer]:
    path, last = here.path, here.path[-1] if here.path else ""
    if here.position == "key":
        yield from _keys(here, good)
    elif last in ("extends", "import"):
        yield from _files(view, last)
    elif last == "archdsl":
        yield Offer(str(VERSION), "Value")
    elif last in REFERRING or path[:1] == ("outputs",):
        yield from _references(good, here, graph)
    elif path[:1] == ("params",) or "params" in path[2:3]:
        yield from (Offer(word, "TypeParameter", "a type") for word in TYPES)
        yield from _names(good, here)
    elif last in ("freeze", "replace") or path[:1] == ("replace",):
        yield from _verbs(good.document, ops_alone=last == "freeze")
        yield from _references(good, here, graph) if last == "freeze" else ()
    elif len(path) > 1 and path[0] == "lint":
        yield from (Offer(word, "Value") for word in ("on", "off"))
    elif last in FLAGS:
        yield from (Offer(word, "EnumMember") for word in ("true", "false"))
    elif path == ("output_stride",):
        yield from (Offer(word, "Value", "pixels a position") for word in ("8", "16", "32"))
    elif last in NAMING:
        return
    elif holds_items(here):
        yield from _verbs(good.document)
    else:
        yield from _values(here, good)
        yield from _names(good, here)


def holds_items(here: Context) -> bool:
    """Whether an item is being written: as an element, or as the value of its name."""
    path = here.path
    if here.position == "element" and path:
        return path[-1] in HOLDING or (path[0] in SECTIONS and len(path) == 1)
    if here.position != "value" or not path:
        return False
    if path[0] == "blocks" and len(path) == 2:
        return True
    outer = path[-2] if len(path) > 1 else ""
    return path[-1] in PARTS or outer in HOLDING


def _keys(here: Context, good: View) -> Iterator[Offer]:
    """Keys of the document, of an item, or arguments of a verb."""
    path, last = here.path, here.path[-1] if here.path else ""
    document = good.document
    if not path:
        yield from _of_schema(schema()["properties"], here.beside, "Property")
    elif last == "lint":
        yield from (Offer(c, "Constant", what) for c, what in CODES.items() if c[0] == "W")
    elif last == "defaults":
        yield from _verbs(document, ops_alone=True, colon=True)
    elif path == ("replace",):
        yield from _verbs(document, ops_alone=True, colon=True)
        yield from _of_schema(
            schema()["$defs"]["replaced"]["then"]["properties"], here.beside, "Property"
        )
    elif path == ("under",):
        yield from (Offer(word, "Property", insert=f"{word}: ") for word in SECTIONS)
    elif path[:1] == ("scaling",) and len(path) == 2:
        yield from _of_schema(schema()["$defs"]["rule"]["properties"], here.beside, "Property")
    elif path[0] in ("cite", "expect") and len(path) == 1:
        properties = _inner(schema()["properties"][path[0]])
        yield from _of_schema(properties, here.beside, "Property")
    elif last in COMBINATORS and last not in ("seq", "inline"):
        said = schema()["$defs"][last].get("properties", {})
        yield from _of_schema(said, here.beside, "Property")
    elif last in OPS:
        said = schema()["$defs"][last]["properties"]
        yield from _of_schema(said, here.beside, "Property")
    elif path[:-1] != ("blocks",) and (block := _block(document, _chosen(document, last))):
        for parameter in block.parameters.values():
            if parameter.name not in here.beside:
                doc = parameter.form.doc or ""
                yield Offer(parameter.name, "Property", doc, insert=f"{parameter.name}: ")
    elif path == ("blocks",):
        return
    elif len(path) == 2 and path[0] == "blocks":
        said = schema()["$defs"]["block"]["properties"]
        words = {w: said[w] for w in ("doc", "cite", "params", "inputs", "outputs", "body")}
        yield from _of_schema(words, here.beside, "Property")
        yield from _verbs(document, colon=True)
    elif path[0] in (*SECTIONS, "blocks") and last not in ("params", "outputs", "for"):
        words = schema()["$defs"]["item"]["properties"]
        yield from _of_schema({w: words[w] for w in MODIFIERS}, here.beside, "Keyword")
        yield from _verbs(document, colon=True)


def _chosen(document: Document | None, word: str) -> str:
    """The verb that a word stands for: of `$name` the default of that parameter."""
    if document is None or not word.startswith("$"):
        return word
    default = (p.default for p in document.parameters.values() if p.name == word[1:])
    return next((node.verb for node in default if isinstance(node, Verb)), word)


def _inner(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    """The properties of a mapping that may also be nothing."""
    for one in (definition, *definition.get("anyOf", ())):
        if "properties" in one:
            found: Mapping[str, Any] = one["properties"]
            return found
    return {}


def _of_schema(properties: Mapping[str, Any], beside: Iterable[str], kind: str) -> Iterator[Offer]:
    for word, said in properties.items():
        if word not in beside:
            yield Offer(word, kind, said.get("description", ""), insert=f"{word}: ")


def _verbs(
    document: Document | None, ops_alone: bool = False, colon: bool = False
) -> Iterator[Offer]:
    """Ops; blocks of the spec, of what it imports and of the library; combinators."""
    definitions, end = schema()["$defs"], ": " if colon else ""
    for op in OPS:
        about = definitions[op].get("description", "")
        yield Offer(op, "Function", about, insert=op + end)
    if ops_alone:
        return
    for combinator in COMBINATORS:
        about = definitions[combinator].get("description", "")
        yield Offer(combinator, "Keyword", about, insert=combinator + ": ")
    for name in sorted(library_names()):
        yield Offer(name, "Class", definitions[name].get("description", ""), insert=name + end)
    for block in document.file.blocks.values() if document is not None else ():
        about = " ".join((block.form.doc or "a block of this spec").split())
        yield Offer(block.name, "Class", about, insert=block.name + end)


def _values(here: Context, good: View) -> Iterator[Offer]:
    """What an argument may be that is a word."""
    if not here.path:
        return
    last, verb = here.path[-1], here.path[-2] if len(here.path) > 1 else ""
    if verb in OPS and last in arguments(OPS[verb]):
        of = kind(OPS[verb], last)
        yield from (Offer(word, "EnumMember", of.name) for word in of.words)
        if "boolean" in of.schema.get("type", ()):
            yield from (Offer(word, "EnumMember") for word in ("true", "false"))
    if verb in COMBINATORS:
        words = (*JOINS, APART) if last == "join" else WORDS.get(last, ())
        yield from (Offer(word, "EnumMember") for word in words)
    block = _block(good.document, verb)
    parameter = block.parameters.get(last) if block is not None else None
    for choice in (parameter.form.choices or ()) if parameter is not None else ():
        yield Offer(str(choice), "EnumMember")
    if parameter is not None and parameter.type == "item":
        yield from _verbs(good.document)
    if parameter is not None and parameter.type == "bool":
        yield from (Offer(word, "EnumMember") for word in ("true", "false"))


def _names(good: View, here: Context) -> Iterator[Offer]:
    """The names and functions that an expression may use."""
    document = good.document
    if document is None:
        return
    block = _block(document, here.block) if here.block else None
    for owner in (document.parameters, block.parameters if block is not None else {}):
        for parameter in owner.values():
            yield Offer(parameter.name, "Variable", parameter.form.doc or "a parameter")
    for mark in _near(good.marks, block):
        if mark.kind == "column" and _is_around(mark, here):
            yield Offer(mark.text, "Variable", "a column of `for`")
    yield from (Offer(name, "Variable", what) for name, what in ROWS.items())
    for name in (*FUNCTIONS, *document.rules):
        yield Offer(name, "Function", "", insert=f"{name}(")


def _references(good: View, here: Context, graph: Graph | None) -> Iterator[Offer]:
    """Items, labels and taps; of a key with expressions the names that it became."""
    block = _block(good.document, here.block) if here.block else None
    what = {"item": "an item", "label": "a label or tap"}
    for mark in _near(good.marks, block):
        if mark.kind in what:
            names = _became(mark, graph) if graph is not None and block is None else []
            yield from (Offer(name, "Reference", what[mark.kind]) for name in names or [mark.text])
    if block is not None:
        yield from (Offer(name, "Reference", "an input") for name in block.inputs)


def _became(mark: Mark, graph: Graph) -> list[str]:
    """The names of the document's own that a key or label with expressions became."""
    if mark.item is None or "{" not in mark.text:
        return []
    written = [name.template for name in mark.item.modifiers.names]
    if mark.kind == "item" and mark.item.key is not None:
        written = [mark.item.key]
    patterns = [pattern_of(template) for template in written if template.text == mark.text]
    scopes = [scope.name for scope in graph.scopes if not scope.parent]
    nodes = [node.name for node in graph.nodes if not node.scope]
    names = graph.taps if mark.kind == "label" else [*scopes, *nodes]
    return [name for name in names if any(pattern.fullmatch(name) for pattern in patterns)]


def _near(marks: Iterable[Mark], block: Block | None) -> Iterator[Mark]:
    return (mark for mark in marks if mark.block is block)


def _is_around(mark: Mark, here: Context) -> bool:
    """Whether the item of a mark is around a place; in a list any element of that list is."""
    keys = [key for key in mark.item.place.path if isinstance(key, str)] if mark.item else []
    return [*here.path[: len(keys)]] == keys


def _block(document: Document | None, name: str | None) -> Block | None:
    return document.file.block(name) if document is not None and name else None


def _files(view: View, word: str) -> Iterator[Offer]:
    """Specs beside this one, and those of the gallery."""
    folder = Path(os.path.dirname(view.name) or ".")
    for path in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
        if path.name != os.path.basename(view.name):
            yield Offer(path.name, "File", "beside this file")
    if word == "extends":
        yield from (Offer(name, "Module", "of the gallery") for name in gallery.every())
