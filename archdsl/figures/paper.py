"""What a paper has beside a picture: a caption, a label, and the entries of BibTeX it cites."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any
from unicodedata import normalize
from urllib.parse import quote

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.files import write_text
from archdsl.figures.canvas.tikz import Frame, escaped, texed
from archdsl.figures.network.captions import Caption
from archdsl.figures.options import WIDTHS, Options
from archdsl.graph.graph import Graph

MADE = "% Entries of figures, written by archdsl draw: what is added here is lost.\n"
_BRACES = {"{": r"\textbraceleft{}", "}": r"\textbraceright{}"}  # BibTeX counts \{ as a brace
_ARTICLES = {"a", "an", "the"}
_LONGEST = 40  # letters of a word in a key


@dataclass(frozen=True)
class Paper:
    """What is asked for, the environment around the picture, if any, and a file of BibTeX."""

    asked: str
    frame: Frame | None
    entries: str


def paper_of(captions: Sequence[Caption], kind: str, options: Options) -> Paper | None:
    """What `with_` asks for a figure, None for nothing.

    Raises UsageError for a label without a caption, for a network of which it is not known where it
    was published, and for a letter that LaTeX does not know.
    """
    asked = dict.fromkeys(options.with_)
    if not asked:
        return None
    if "label" in asked and "caption" not in asked:
        raise UsageError("--with label needs caption, too: LaTeX counts captions, not figures")
    graphs = [graph for caption in captions for graph in caption.graphs]
    keys = _keys(graphs) if "bib" in asked else {}
    frame = None
    if "caption" in asked:
        wide = options.width > WIDTHS["neurips"]  # than the text of a page of one column
        said = " ".join(_said(caption, keys) for caption in captions)
        label = _label(graphs, kind) if "label" in asked else ""
        frame = Frame("figure*" if wide else "figure", said, label)
    entries = "\n".join(f"@misc{{{key},\n{fields}\n}}\n" for fields, key in keys.items())
    return Paper(f"--with {','.join(asked)}", frame, entries)


def save_entries(path: Path, entries: str) -> None:
    """Writes a file of BibTeX; raises UsageError if there is one that somebody else has written."""
    if path.is_file() and not path.read_bytes().startswith(MADE.encode()):
        raise UsageError(f"{path} is there and not from archdsl draw; name the .tex otherwise")
    write_text(path, MADE + entries)


def _label(graphs: Sequence[Graph], kind: str) -> str:
    """`fig:resnet50`; of another kind than the usual one `fig:resnet50-block`."""
    names = dict.fromkeys([graph.name for graph in graphs] + [kind] * (kind != "hero"))
    return "fig:" + re.sub(r"[^A-Za-z0-9_.-]", "-", "-".join(names))


def _said(caption: Caption, keys: Mapping[str, str]) -> str:
    """A caption in LaTeX, which cites its networks if there are keys of what is said of them."""
    if not keys or not caption.graphs:
        return texed(caption.said) + escaped(caption.source)
    note = escaped(_place(caption.graphs[0])) if len(caption.graphs) == 1 else ""
    note = note.replace("]", r"\symbol{93}")  # it would end there, braces or not
    cited = ",".join(dict.fromkeys(keys[_fields(graph)] for graph in caption.graphs))
    return texed(caption.said) + rf" After \cite{f'[{note}]' * bool(note)}{{{cited}}}."


def _keys(graphs: Sequence[Graph]) -> dict[str, str]:
    """The keys of entries, by their fields: what is published once stands once."""
    keys: dict[str, str] = {}
    for graph in graphs:
        fields, plain = _fields(graph), _key(graph)
        others = (f"{plain}-{number}" for number in count(2))
        free = (key for key in chain([plain], others) if key not in keys.values())
        keys.setdefault(fields, next(free))
    return keys


def _fields(graph: Graph) -> str:
    """The fields of its entry; raises UsageError if its spec says none."""
    if graph.cited is None:
        missing = "has no spec, which alone says in parts where it was published"
        raise UsageError(f"--with bib: {graph.name} {missing}; draw its spec")
    fields = ",\n".join(f"  {name} = {{{value}}}" for name, value in _said_of(graph.cited))
    if not fields:
        raise UsageError(f"--with bib: the spec of {graph.name} says no `cite`; add one")
    return fields


def _said_of(cite: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The values of fields. What a spec calls `venue` may be a journal or a conference."""
    if authors := _authors(cite):
        yield "author", " and ".join(map(_value, authors))
    if "title" in cite:
        yield "title", f"{{{_value(cite['title'])}}}"  # its capitals stay
    venue = cite.get("venue") or ("arxiv" in cite and f"arXiv:{cite['arxiv']}")
    if venue:
        yield "howpublished", _value(venue)
    if "year" in cite:
        yield "year", str(cite["year"])
    if "arxiv" in cite:
        yield from (("eprint", _address(cite["arxiv"])), ("archiveprefix", "arXiv"))
    yield from ((name, _address(cite[name])) for name in ("doi", "url") if name in cite)


def _authors(cite: Mapping[str, Any]) -> list[str]:
    """The names between commas; `et al.` are others, as BibTeX calls them."""
    text = re.sub(r",?\s+et al\.?$", ", others", cite.get("authors", ""))
    names = (name.strip() for name in re.split(r",|\band\b|;", text))
    return [name for name in names if name]


def _key(graph: Graph) -> str:
    """`he2016deep`: the first author, the year, the first word of the title but an article."""
    cite = graph.cited or {}
    *_, author = ["", *next(iter(_authors(cite)), "").split()]
    words = map(_letters, re.split(r"[\s-]+", cite.get("title", "")))
    first = next((word for word in words if word and word not in _ARTICLES), "")
    year = re.sub(r"\D", "", str(cite.get("year", "")))
    return f"{_letters(author)}{year}{first}" or _letters(graph.name) or "network"


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", normalize("NFKD", text.lower()))[:_LONGEST]


def _place(graph: Graph) -> str:
    """`table 1`: where it stands in what is cited, a table as `captions` has it."""
    cite = graph.cited or {}
    words = ("table",) * (graph.doc == "") + ("figure", "section")
    return ", ".join(f"{word} {cite[word]}" for word in words if word in cite)


def _value(text: str) -> str:
    """Text for a field: no brace of its own."""
    return "".join(_BRACES.get(letter) or escaped(letter) for letter in normalize("NFC", text))


def _address(text: str) -> str:
    """An address for a field that BibTeX styles print as it is: all else is percent-encoded."""
    return quote(text, safe=":/?#[]@!$&'()*+,;=%-._~")
