"""What a spec declares and nothing in it uses: parameters, blocks, taps."""

from collections import Counter
from collections.abc import Iterable, Iterator

from archdsl.diagnostics.diagnostic import Span
from archdsl.language.mentions import items_of, of_body, of_document, of_parameters
from archdsl.language.syntax import Block, Document, items_in
from archdsl.yaml.source import Place

Found = Iterator[tuple[str, Span]]


def unused_parameters(document: Document) -> Found:
    """Parameters of this file, and of the blocks in it, that no expression mentions."""
    used = of_document(document).names
    for block in _own_blocks(document):
        own = block.parameters.keys()
        defaults, inside = of_parameters(block).names, of_body(block).names
        used |= defaults | inside - own
        place = block.place / "params"
        yield from _declared(own - defaults - inside, place, f"parameter of {block.name}")
    place = document.file.source.at("params")
    yield from _declared(document.parameters.keys() - used, place, "parameter")


def unused_blocks(document: Document) -> Found:
    """Blocks of this file that are named nowhere but in themselves."""
    inside = {b: of_body(b).verbs | of_parameters(b).verbs for b in _own_blocks(document)}
    naming = Counter(verb for verbs in inside.values() for verb in verbs)
    outside = of_document(document).verbs
    for block, own in inside.items():
        if block.name not in outside and naming[block.name] == (block.name in own):
            yield from _declared([block.name], document.file.source.at("blocks"), "block")


def unused_taps(document: Document) -> Found:
    """Taps of this file that no reference in it could mean."""
    items, said = [*items_of(document)], [*of_document(document).references]
    for block in _own_blocks(document):
        items += items_in(block.body) if block.body is not None else ()
        said += of_body(block).references
    references = {reference.text: reference for reference in said}.values()
    plain = {reference.text for reference in references if not reference.expressions}
    others = [reference for reference in references if reference.expressions]
    for tap in (item.modifiers.tap for item in items):
        if tap is None or tap.place.span is None:
            continue
        text, span = tap.template.text, tap.place.span
        near = references if tap.template.expressions else others
        meant = text in plain or any(
            tap.template.could_be(one.text) or one.could_be(text) for one in near
        )
        if span.file == document.file.source.name and not meant:
            yield f"nothing in this spec uses the tap `{text}`", span


def _own_blocks(document: Document) -> list[Block]:
    """The blocks that the document defines, those that it inherits among them."""
    return [block for block in document.file.blocks.values() if block.file is document.file]


def _declared(names: Iterable[str], place: Place, what: str) -> Found:
    """What is said of names that are declared in this file, not in one that it extends."""
    for name in names:
        span = (place / name).key
        if span is not None and span.file == place.source.name:
            yield f"nothing uses the {what} `{name}`", span
