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
from archdsl.language.templates import Templates
from archdsl.yaml.source import Place

Found = Iterator[tuple[str, Span, str]]  # a message, its place, help
HELP = "remove it, or use it"
KEYS = {"output_stride", "replace", "freeze"}  # of a document, which parameters may be meant for
ANY = "$"


def unused_parameters(document: Document) -> Found:
    """Parameters of this file, and of the blocks in it, that no expression mentions."""
    used, unused = of_document(document).names, list[tuple[Block, Set[str]]]()
    for block in _own_blocks(document):
        own = block.parameters.keys()
        defaults, inside = of_parameters(block).names, of_body(block).names
        used |= defaults | inside - own
        unused.append((block, own - defaults - inside))
    said_in = given(document) if any(names for _, names in unused) else {}
    for block, names in unused:
        place = block.place / "params"
        for name in (name for name in block.parameters if name in names):
            files = said_in.get((block.name, name), set()) | said_in.get((ANY, name), set())
            if not files:
                yield from _declared([name], place, f"parameter of {block.name}")
            elif files == {place.source.name}:
                help = f"remove it and the `{name}` of its calls, or use it"
                yield from _declared([name], place, f"parameter of {block.name}", help)
    place = document.file.source.at("params")
    others = document.parameters.keys() - used
    for name in sorted(others & KEYS):
        help = f"the key of the document stands outside of `params`: `{name}: ...`"
        yield from _declared([name], place, "parameter", help)
    yield from _declared(others - KEYS, place, "parameter")


def given(document: Document) -> dict[tuple[str, str], set[str | None]]:
    """The files whose calls give an argument, by block and name; ANY block is what `$name` calls.

    None is no file: the argument comes from elsewhere.
    """
    found: dict[tuple[str, str], set[str | None]] = {}
    items = [*items_of(document)]
    for block in document.file.blocks.values():
        items += items_in(block.body) if block.body is not None else ()
    calls = [call for item in items for call in _calls(item)]
    calls += [call for rule in document.replacements for call in _values(rule.by)]
    for verb, arguments in calls:
        for name, argument in arguments.items():
            span = argument.place.span
            files = found.setdefault((ANY if verb.startswith("$") else verb, name), set())
            files.add(None if span is None else span.file)
    return found


def _calls(item: Item) -> Iterator[tuple[str, Mapping[str, Argument]]]:
    """The verbs that an item calls or hands on, with their arguments."""
    yield item.verb, item.arguments
    for said in written_in(item):
        yield from _values(said)


def _values(said: Argument) -> Iterator[tuple[str, Mapping[str, Argument]]]:
    """The verbs that are values, with their arguments."""
    for node in nodes_in(said):
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
    taps = [name for item in items for name in item.modifiers.names]
    known, references = Templates(tap.template for tap in taps), Templates(said)
    reached = {ends for one, _ in references for ends in known.matching(one.text)}
    for tap in taps:
        template, span = tap.template, tap.place.span
        if span is None:
            continue
        could_be = references.could_be(template.text) or template.ends in reached
        if span.file == document.file.source.name and not meant.get(span, could_be):
            what = "label" if tap.place.path[-1] == "as" else "tap"
            yield f"nothing in this spec uses the {what} `{template.text}`", span, HELP


def _own_blocks(document: Document) -> list[Block]:
    """The blocks that the document defines, those that it inherits among them."""
    return [block for block in document.file.blocks.values() if block.file is document.file]


def _declared(names: Iterable[str], place: Place, what: str, help: str = HELP) -> Found:
    """What is said of names that are declared in this file, not in one that it extends."""
    for name in names:
        span = (place / name).key
        if span is not None and span.file == place.source.name:
            yield f"nothing uses the {what} `{name}`", span, help
