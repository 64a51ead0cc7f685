"""What a spec declares and nothing in it uses: parameters, blocks, taps."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set

from archdsl.diagnostics.diagnostic import Span
from archdsl.language.mentions import items_of, of_body, of_document, of_parameters
from archdsl.language.syntax import (
    Argument,
    Block,
    Document,
    Item,
    Verb,
    items_in,
    nodes_in,
    written_in,
)
from archdsl.yaml.source import Place

Found = Iterator[tuple[str, Span, str]]  # a message, its place, help
HELP = "remove it, or use it"


def unused_parameters(document: Document) -> Found:
    """Parameters of this file, and of the blocks in it, that no expression mentions."""
    used = of_document(document).names
    for block in _own_blocks(document):
        own = block.parameters.keys()
        defaults, inside = of_parameters(block).names, of_body(block).names
        used |= defaults | inside - own
        place, unused = block.place / "params", own - defaults - inside
        for name, said in given(document, block, unused).items():
            if not said:
                yield from _declared([name], place, f"parameter of {block.name}")
            elif all(span is not None and span.file == place.source.name for span in said):
                help = f"remove it and the `{name}` of its calls, or use it"
                yield from _declared([name], place, f"parameter of {block.name}", help)
    place = document.file.source.at("params")
    yield from _declared(document.parameters.keys() - used, place, "parameter")


def given(document: Document, block: Block, names: Set[str]) -> dict[str, list[Span | None]]:
    """Where calls give a block some of its arguments, by name; so may calls of `$name`."""
    found: dict[str, list[Span | None]] = {name: [] for name in block.parameters if name in names}
    items = [*items_of(document)] if found else []
    for other in document.file.blocks.values() if found else ():
        items += items_in(other.body) if other.body is not None else ()
    for verb, arguments in (call for item in items for call in _calls(item)):
        if verb == block.name or verb.startswith("$"):
            for name in found.keys() & arguments.keys():
                found[name].append(arguments[name].place.span)
    return found


def _calls(item: Item) -> Iterator[tuple[str, Mapping[str, Argument]]]:
    """The verbs that an item calls or hands on, with their arguments."""
    yield item.verb, item.arguments
    for node in (node for said in written_in(item) for node in nodes_in(said)):
        if isinstance(node, Verb):
            yield node.verb, node.arguments


def unused_blocks(document: Document) -> Found:
    """Blocks of this file that are named nowhere but in themselves."""
    inside = {b: of_body(b).verbs | of_parameters(b).verbs for b in _own_blocks(document)}
    naming = Counter(verb for verbs in inside.values() for verb in verbs)
    outside = of_document(document).verbs
    for block, own in inside.items():
        if block.name not in outside and naming[block.name] == (block.name in own):
            yield from _declared([block.name], document.file.source.at("blocks"), "block")


def unused_taps(document: Document, meant: Mapping[Span, bool]) -> Found:
    """Taps and labels of this file that no reference means, or could mean where no tap was made."""
    items, said = [*items_of(document)], [*of_document(document).references]
    for block in _own_blocks(document):
        items += items_in(block.body) if block.body is not None else ()
        said += of_body(block).references
    references = {reference.text: reference for reference in said}.values()
    plain = {reference.text for reference in references if not reference.expressions}
    others = [reference for reference in references if reference.expressions]
    for tap in (name for item in items for name in item.modifiers.names):
        if tap.place.span is None:
            continue
        text, span = tap.template.text, tap.place.span
        near = references if tap.template.expressions else others
        could_be = text in plain or any(
            tap.template.could_be(one.text) or one.could_be(text) for one in near
        )
        if span.file == document.file.source.name and not meant.get(span, could_be):
            what = "label" if tap.place.path[-1] == "as" else "tap"
            yield f"nothing in this spec uses the {what} `{text}`", span, HELP


def _own_blocks(document: Document) -> list[Block]:
    """The blocks that the document defines, those that it inherits among them."""
    return [block for block in document.file.blocks.values() if block.file is document.file]


def _declared(names: Iterable[str], place: Place, what: str, help: str = HELP) -> Found:
    """What is said of names that are declared in this file, not in one that it extends."""
    for name in names:
        span = (place / name).key
        if span is not None and span.file == place.source.name:
            yield f"nothing uses the {what} `{name}`", span, help
