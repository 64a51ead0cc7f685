"""The keys of a document and the types of their values; what items say is read apart."""

from dataclasses import dataclass
from typing import Any, Literal

from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.suggest import nearest
from archdsl.diagnostics.text import one_line
from archdsl.yaml.fields import (
    ANY,
    EXAMPLES,
    FLAG,
    LIST,
    MAPPING,
    NUMBER,
    QUANTITY,
    TEXT,
    WHOLE,
    Type,
    form_of,
    key,
    keys_of,
    kind_of,
    list_of,
    mapping_of,
    one_of,
    values_of,
)
from archdsl.yaml.source import Source

VERSION = 1
ParameterType = Literal["int", "float", "bool", "item", "list", "str"]
Number = int | float
Quantity = int | float | str

# `arxiv: 1512.03385` is a number in YAML
_PROSE = Type("text", (str, int, float), lambda value, place, sink: str(value))
_LINE = Type("text", (str, int, float), lambda value, place, sink: one_line(str(value)))


@dataclass(frozen=True)
class Cite:
    """Where the network was published."""

    title: str | None = key(_LINE)
    authors: str | None = key(_LINE)
    year: int | None = key(WHOLE)
    venue: str | None = key(_LINE)
    arxiv: str | None = key(_LINE)
    doi: str | None = key(_LINE)
    url: str | None = key(_LINE)
    table: str | None = key(_LINE)
    figure: str | None = key(_LINE)
    section: str | None = key(_LINE)

    def __str__(self) -> str:
        """`He et al., 2016, Deep Residual Learning. arXiv:1512.03385, table 1`."""
        what = [self.authors, self.year, self.title, self.venue]
        where = [self.arxiv and f"arXiv:{self.arxiv}", self.doi and f"doi:{self.doi}", self.url]
        for word in ("table", "figure", "section"):
            where += [getattr(self, word) and f"{word} {getattr(self, word)}"]
        halves = (", ".join(str(part) for part in half if part) for half in (what, where))
        return ". ".join(half for half in halves if half)


@dataclass(frozen=True)
class RuleForm:
    """A scaling rule as written; numbers may be expressions."""

    base: Quantity | None = key(QUANTITY)
    factor: Quantity | None = key(QUANTITY)
    round: Literal["up", "down", "nearest"] | None = key(one_of("up", "down", "nearest"))
    multiple_of: Quantity | None = key(QUANTITY)
    min: Quantity | None = key(QUANTITY)
    max: Quantity | None = key(QUANTITY)

    def numbers(self) -> dict[str, Quantity | None]:
        """What may be expressions, by key."""
        return {name: value for name, value in vars(self).items() if name != "round"}


@dataclass(frozen=True)
class ParameterForm:
    """The long form of a parameter."""

    type: ParameterType | None = key(one_of("int", "float", "bool", "item", "list", "str"))
    default: Any = key(ANY)
    min: Number | None = key(NUMBER)
    max: Number | None = key(NUMBER)
    choices: list[Any] | None = key(LIST)
    doc: str | None = key(_PROSE)


@dataclass(frozen=True)
class ExpectForm:
    """What must come out; a number may end in K, M or G and is then held to its digits."""

    params: Quantity | None = key(QUANTITY)
    macs: Quantity | None = key(QUANTITY)
    output: list[int] | None = key(list_of(WHOLE))


@dataclass(frozen=True)
class WeightsForm:
    """A source of weights: its keys and ours, where they differ."""

    rename: dict[str, Any] = key(MAPPING, {}, alias="keys")
    reshape: bool = key(FLAG, False)
    requires: dict[str, Any] = key(MAPPING, {})
    doc: str | None = key(_PROSE)
    url: str | None = key(_PROSE)


@dataclass(frozen=True)
class KeysForm:
    """Keys that begin alike, once or for every row and turn of a loop."""

    for_: Any = key(ANY, alias="for")
    repeat: Any = key(ANY)
    rename: dict[str, Any] = key(MAPPING, {}, alias="keys")


@dataclass(frozen=True)
class DocumentForm:
    """The keys of a document; one that is wrong stands as if it were absent."""

    archdsl: Any = key(ANY)
    name: str = key(TEXT, "unnamed")
    doc: str | None = key(_PROSE)
    cite: Cite | None = key(form_of(Cite))
    extends: Any = key(ANY)
    import_: Any = key(ANY, alias="import")
    input: list[Any] = key(LIST, null=False)
    params: dict[str, Any] = key(MAPPING, {})
    scaling: dict[str, Any] = key(MAPPING, {})
    defaults: dict[str, Any] = key(MAPPING, {})
    blocks: dict[str, Any] = key(MAPPING, {})
    backbone: Any = key(ANY)
    neck: Any = key(ANY)
    head: Any = key(ANY)
    aux: Any = key(ANY)
    outputs: dict[str, str] | None = key(mapping_of(TEXT))
    under: dict[str, str] | None = key(mapping_of(TEXT))
    weights: dict[str, WeightsForm] = key(mapping_of(form_of(WeightsForm)), {})
    expect: ExpectForm | None = key(form_of(ExpectForm))
    lint: dict[str, Literal["on", "off"]] = key(mapping_of(one_of("on", "off")), {})


REQUIRED = ("name", "input", "backbone")
_KEYS = tuple(keys_of(DocumentForm))


def check_version(source: Source, sink: Sink) -> bool:
    """Whether the data is a mapping that says `archdsl: 1`; if not, the reason is in `sink`."""
    data, start = source.data, source.at().span
    if not isinstance(data, dict):
        help = "begin with `archdsl: 1` and put the items under `backbone:`"
        sink.error(
            "E0104", f"a spec is a mapping, this document is {kind_of(data)}", start, help=help
        )
        return False
    if "archdsl" not in data:
        close = nearest("archdsl", data)
        span = source.at(close).key if close else start
        sink.error("E0202", "`archdsl` is missing", span, help="begin the file with `archdsl: 1`")
        return False
    version = data["archdsl"]
    if version != VERSION or isinstance(version, bool):
        message, span = f"language version {version} is not known", source.at("archdsl").span
        if version is None:
            message, span = "`archdsl` has no value", source.at("archdsl").written
        sink.error("E0209", message, span, help=f"write `archdsl: {VERSION}`")
        return False
    return True


def read_form(source: Source, sink: Sink, required: tuple[str, ...] = REQUIRED) -> DocumentForm:
    """The document's keys; one with a wrong value is reported and stands as if it were absent."""
    for word in required:
        if word not in source.data and word not in {nearest(w, _KEYS) for w in source.data}:
            span = source.at("archdsl").key
            sink.error("E0202", f"`{word}` is missing", span, help=EXAMPLES[word])
    values, _ = values_of(DocumentForm, source.data, source.at(), sink)
    return DocumentForm(**values)
