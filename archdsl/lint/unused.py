"""What a spec declares and nothing in it uses: parameters, blocks, taps."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from archdsl.diagnostics.diagnostic import Span
from archdsl.expressions.expression import ExpressionError, parse
from archdsl.expressions.template import Template, parse_template
from archdsl.yaml.source import Place, Source, words

_NO_EXPRESSIONS = {
    "archdsl", "name", "doc", "cite", "extends", "import", "weights", "expect", "lint",
}  # fmt: skip
_REFERRING = ("from", "each", "like", "outputs")

Found = Iterator[tuple[str, Span]]


def unused_parameters(source: Source) -> Found:
    """Parameters of this file, and of the blocks in it, that no expression mentions."""
    blocks: dict[str, Any] = source.data.get("blocks") or {}
    params: dict[str, Any] = source.data.get("params") or {}
    used = _names([source.data[key] for key in source.data.keys() - _NO_EXPRESSIONS - {"blocks"}])
    for name, block in blocks.items():
        own = block.get("params") or {}
        defaults = _names(list(own.values()))
        inside = _names([block[key] for key in block.keys() - {"doc", "cite", "params"}])
        used |= defaults | inside - own.keys()
        place = source.at("blocks", name, "params")
        yield from _declared(own.keys() - defaults - inside, place, f"parameter of {name}")
    yield from _declared(params.keys() - used, source.at("params"), "parameter")


def unused_blocks(source: Source) -> Found:
    """Blocks of this file whose names stand nowhere but in themselves."""
    blocks: dict[str, Any] = source.data.get("blocks") or {}
    outside = words([source.data[key] for key in source.data.keys() - {"blocks"}])
    inside = {name: words(body) for name, body in blocks.items()}
    naming = Counter(word for said in inside.values() for word in said)
    for name, own in inside.items():
        if name not in outside and naming[name] == (name in own):
            yield from _declared([name], source.at("blocks"), "block")


def unused_taps(source: Source) -> Found:
    """Taps of this file that no reference in it could mean."""
    references = [_template(text) for text in set(_references(source.data))]
    plain = {reference.text for reference in references if not reference.expressions}
    others = [reference for reference in references if reference.expressions]
    for path, span in source.spans.items():
        if path[-1:] == ("tap",) and span.file == source.name:
            text = str(Place(source, path).data)
            tap = _template(text)
            near = references if tap.expressions else others
            if text not in plain and not any(
                tap.could_be(r.text) or r.could_be(text) for r in near
            ):
                yield f"nothing in this spec uses the tap `{text}`", span


def _declared(names: Iterable[str], place: Place, what: str) -> Found:
    """What is said of names that are declared in this file, not in one that it extends."""
    for name in names:
        span = (place / name).key
        if span is not None and span.file == place.source.name:
            yield f"nothing uses the {what} `{name}`", span


def _names(data: Any) -> set[str]:
    """The names that the expressions in a value mention; a word is one, a plain key is none."""
    if isinstance(data, dict):
        keys = [name for key in data for name in _template(key).names]
        verbs = [key[1:] for key in data if key.startswith("$")]
        return set(keys).union(verbs, *map(_names, data.values()))
    if isinstance(data, list):
        return set().union(*map(_names, data))
    if not isinstance(data, str):
        return set()
    try:
        return set(parse(data.removeprefix("$")).names)
    except ExpressionError:
        return set(_template(data).names)


def _references(data: Any) -> Iterator[str]:
    """What is named in `from`, `each`, `like` and `outputs`."""
    children = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in children:
        if key in _REFERRING:
            yield from words(value)
        elif isinstance(value, dict | list):
            yield from _references(value)


def _template(text: str) -> Template:
    """The name as it is, where its braces hold no expressions."""
    try:
        return parse_template(text)
    except ExpressionError:
        return Template(text, (text,))
