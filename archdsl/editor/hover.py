"""What there is to say about the word under the cursor, in Markdown."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from archdsl.diagnostics.text import as_yaml
from archdsl.editor.marks import Mark
from archdsl.editor.results import Results
from archdsl.editor.view import View
from archdsl.expressions.expression import FUNCTIONS
from archdsl.language.schema import spec_schema
from archdsl.language.syntax import Block, Parameter, as_written

COLUMNS = ("parameters", "macs", "field")
MOST = 8  # parts of the network that one item lists
ROWS = {
    "row": "the number of the row of `for`, from 0",
    "first_row": "whether it is the first row of `for`",
    "last_row": "whether it is the last row of `for`",
    "i": "the number of the turn of `repeat`, from 0",
    "first": "whether it is the first turn of `repeat`",
    "last": "whether it is the last turn of `repeat`",
    "C": "the channels of the map that comes in",
    "H": "the height of the map that comes in",
    "W": "the width of the map that comes in",
    "L": "the length of what comes in",
    "D": "the depth of the map that comes in",
}


@cache
def schema() -> Mapping[str, Any]:
    """What the language says of its words; the same that `archdsl schema` prints."""
    return spec_schema()


def hover(view: View, results: Results, line: int, column: int) -> tuple[str, Mark] | None:
    """Markdown about what is at a place (from 1), and the mark; None if there is nothing to say."""
    mark = view.mark_at(line, column)
    if mark is None:
        return None
    parts = [part for part in (about(mark), numbers(results, mark)) if part]
    return ("\n\n".join(parts), mark) if parts else None


def about(mark: Mark) -> str:
    """What a word means."""
    definitions = schema()["$defs"]
    match mark.kind:
        case "key":
            return _described(mark.text, schema()["properties"].get(mark.text, {}))
        case "modifier":
            return _described(mark.text, definitions["item"]["properties"].get(mark.text, {}))
        case "verb" if isinstance(mark.target, Block):
            return block(mark.target)
        case "verb":
            return verb(mark.text)
        case "block" if isinstance(mark.target, Block):
            return block(mark.target)
        case "argument" if isinstance(mark.target, Parameter):
            return parameter(mark.target)
        case "argument":
            taken = definitions.get(mark.verb, {}).get("properties", {})
            return _described(mark.text, taken.get(mark.text, {}))
        case "parameter" | "name" if isinstance(mark.target, Parameter):
            return parameter(mark.target)
        case "name" if mark.text in ROWS:
            return f"`{mark.text}`: {ROWS[mark.text]}"
        case "name" | "column":
            return f"`{mark.text}`: a column of `for`"
        case "function":
            what = "a function" if mark.text in FUNCTIONS else "a scaling rule"
            return f"`{mark.text}(...)`: {what}"
    return ""


def verb(name: str) -> str:
    """An op or combinator: what it does, and its arguments."""
    definition = schema()["$defs"].get(name, {})
    taken = definition.get("properties", {})
    rows = [f"- `{word}`: {said.get('description', '')}" for word, said in taken.items()]
    return "\n".join([_described(name, definition), *([""] if rows else []), *rows])


def block(block: Block) -> str:
    """A block: what it says of itself, and its parameters."""
    doc = " ".join((block.form.doc or "").split())
    rows = [f"- {parameter(one)}" for one in block.parameters.values()]
    return "\n".join([f"**{block.name}** {doc}".strip(), *([""] if rows else []), *rows])


def parameter(one: Parameter) -> str:
    """`` `stride` = 1: doc ``"""
    default = "" if one.default is None else f" = `{as_yaml(as_written(one.default))}`"
    what = one.form.doc or one.type or ("required" if one.required else "")
    return f"`{one.name}`{default}" + (f": {what}" if what else "")


def numbers(results: Results, mark: Mark) -> str:
    """A table of what an item became: shape, parameters, multiply-accumulates, field."""
    if mark.kind not in ("item", "verb", "label", "name") or mark.item is None:
        return ""
    chosen = mark.item.chosen
    if mark.kind == "name" and (chosen is None or chosen.name != mark.text):
        return ""
    ids = results.of(mark)
    if not ids or results.graph is None:
        return ""
    lines = ["| | gives | parameters | MACs | field |", "| --- | --- | --- | --- | --- |"]
    shown = ((id, " | ".join(results.numbers(id, COLUMNS))) for id in ids[:MOST])
    lines += [f"| `{id}` | {numbers} |" for id, numbers in shown]
    if len(ids) > MOST:
        lines.append(f"| and {len(ids) - MOST} more | | | | |")
    return "\n".join(lines)


def _described(word: str, definition: Mapping[str, Any]) -> str:
    text = definition.get("description", "")
    default = definition.get("default")
    given = "" if default is None else f" (default `{default}`)"
    return f"**{word}** {text}{given}".strip()
