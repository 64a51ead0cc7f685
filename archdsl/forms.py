"""The keys of a document and the types of their values; what items say is read apart."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
)  # fmt: skip

from archdsl.diagnostics import Sink, as_yaml, did_you_mean, nearest, one_line
from archdsl.source import Path, Place, Source

VERSION = 1
ParameterType = Literal["int", "float", "bool", "item", "list", "str"]


_ABSENT: Any = None  # for a key that is missing or wrong, and must not say null


class Form(BaseModel):
    """A mapping of known keys, each with a type."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _as_text(value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if number else value


Text = Annotated[StrictStr, BeforeValidator(_as_text)]  # `arxiv: 1512.03385` is a number in YAML
Line = Annotated[Text, AfterValidator(one_line)]
Number = StrictInt | StrictFloat
Quantity = StrictInt | StrictFloat | StrictStr  # a number, or an expression


class Cite(Form):
    """Where the network was published."""

    title: Line | None = None
    authors: Line | None = None
    year: StrictInt | None = None
    venue: Line | None = None
    arxiv: Line | None = None
    doi: Line | None = None
    url: Line | None = None
    table: Line | None = None
    figure: Line | None = None
    section: Line | None = None

    def __str__(self) -> str:
        """`He et al., 2016, Deep Residual Learning. arXiv:1512.03385, table 1`."""
        what = [self.authors, self.year, self.title, self.venue]
        where = [self.arxiv and f"arXiv:{self.arxiv}", self.doi and f"doi:{self.doi}", self.url]
        for word in ("table", "figure", "section"):
            where += [getattr(self, word) and f"{word} {getattr(self, word)}"]
        halves = (", ".join(str(part) for part in half if part) for half in (what, where))
        return ". ".join(half for half in halves if half)


class RuleForm(Form):
    """A scaling rule as written; numbers may be expressions."""

    base: Quantity | None = None
    factor: Quantity | None = None
    round: Literal["up", "down", "nearest"] | None = None
    multiple_of: Quantity | None = None
    min: Quantity | None = None
    max: Quantity | None = None


class ParameterForm(Form):
    """The long form of a parameter."""

    type: ParameterType | None = None
    default: Any = None
    min: Number | None = None
    max: Number | None = None
    choices: list[Any] | None = None
    doc: Text | None = None


class ExpectForm(Form):
    """What must come out; a number may end in K, M or G and is then held to its digits."""

    params: Quantity | None = None
    macs: Quantity | None = None
    output: list[StrictInt] | None = None


class WeightsForm(Form):
    """A source of weights: its keys and ours, where they differ."""

    rename: dict[str, Any] = Field({}, alias="keys")
    reshape: StrictBool = False
    requires: dict[str, Any] = {}
    doc: Text | None = None
    url: Text | None = None


class KeysForm(Form):
    """Keys that begin alike, once or for every row and turn of a loop."""

    for_: Any = Field(None, alias="for")
    repeat: Any = None
    rename: dict[str, Any] = Field({}, alias="keys")


class DocumentForm(Form):
    """The keys of a document; where one is wrong, a stand-in lets the rest be checked."""

    archdsl: Any
    name: StrictStr = "unnamed"
    doc: Text | None = None
    cite: Cite | None = None
    extends: Any = None
    import_: Any = Field(None, alias="import")
    input: list[Any] = _ABSENT
    params: dict[str, Any] = {}
    scaling: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    blocks: dict[str, Any] = {}
    backbone: Any = None
    neck: Any = None
    head: Any = None
    aux: Any = None
    outputs: dict[str, StrictStr] | None = None
    under: dict[str, StrictStr] | None = None
    weights: dict[str, WeightsForm] = {}
    expect: ExpectForm | None = None
    lint: dict[str, Literal["on", "off"]] = {}


REQUIRED = ("name", "input", "backbone")
_KEYS = tuple(field.alias or key for key, field in DocumentForm.model_fields.items())
EXAMPLES = {
    "name": "name the network: `name: resnet50`",
    "input": "say what the network is given: `input: [3, 224, 224]`",
    "backbone": "put the items of the network under `backbone:`, or say what it `extends:`",
    "params": "give every parameter a value: `params: {classes: 1000}`",
    "blocks": "name every block: `blocks: {unit: {seq: [...]}}`",
    "outputs": "name every output: `outputs: {logits: fc}`",
}
_FormType = TypeVar("_FormType", bound=Form)


def check_version(source: Source, sink: Sink) -> bool:
    """Whether the data is a mapping that says `archdsl: 1`; if not, the reason is in `sink`."""
    data, start = source.data, source.at().span
    if not isinstance(data, dict):
        help = "begin with `archdsl: 1` and put the items under `backbone:`"
        sink.error(
            "E0104", f"a spec is a mapping, this document is {_kind(data)}", start, help=help
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
            message, span = "`archdsl` has no value", source.at("archdsl").key
        sink.error("E0209", message, span, help=f"write `archdsl: {VERSION}`")
        return False
    return True


def read_form(source: Source, sink: Sink, required: tuple[str, ...] = REQUIRED) -> DocumentForm:
    """The document's keys; one with a wrong value is reported and stands as if it were absent."""
    for key in required:
        if key not in source.data and key not in {nearest(word, _KEYS) for word in source.data}:
            span = source.at("archdsl").key
            sink.error("E0202", f"`{key}` is missing", span, help=EXAMPLES[key])
    form = validate(DocumentForm, source.data, source.at(), sink)
    if form is not None:
        return form
    good = {key: value for key, value in source.data.items() if _fits(key, value)}
    return DocumentForm.model_validate({"archdsl": VERSION, **good})


def validate(
    form: type[_FormType], data: Mapping[str, Any], place: Place, sink: Sink
) -> _FormType | None:
    """The data as a form, or None with a diagnostic for every value that does not fit."""
    try:
        return form.model_validate(data)
    except ValidationError as error:
        problems: dict[Path, list[Any]] = {}
        for problem in error.errors():
            problems.setdefault(_nearest_path(place, problem["loc"]), []).append(problem)
        for path, found in problems.items():
            _report(form, found, Place(place.source, path), sink)
    return None


def _report(form: type[Form], problems: list[Any], place: Place, sink: Sink) -> None:
    """What pydantic found at one place, in the words of the language."""
    first, name = problems[0], str(problems[0]["loc"][-1])
    if first["type"] == "extra_forbidden":
        inner: dict[str, type[Form]] = {"cite": Cite, "expect": ExpectForm}
        owner = inner.get(str(first["loc"][0]), form) if len(first["loc"]) > 1 else form
        known = [field.alias or key for key, field in owner.model_fields.items()]
        sink.error("E0201", f"unknown key `{name}`", place.key, help=did_you_mean(name, known))
        return
    value = first["input"]
    shown = f"`{value}`" if isinstance(value, str) and len(value) < 40 else _kind(value)
    help = EXAMPLES.get(name, "") if len(place.path) == 1 else ""
    if first["type"] == "literal_error":
        expected = first["ctx"]["expected"].replace("'", "`")
        close = nearest(str(value), expected.split("`")[1::2])
        help = f"did you mean `{close}`?" if close else ""
    else:
        found = {problem["type"] for problem in problems}
        if "float_type" in found:
            found.discard("int_type")
        expected = " or ".join(words for type, words in _EXPECTED.items() if type in found)
    message = f"{place.path[-1]} must be {expected}, not {shown}"
    sink.error("E0203", message, place.span, help=help)


def _kind(value: Any) -> str:
    """What a value is, in a reader's words."""
    words = {list: "a list", dict: "a mapping", str: "text", type(None): "nothing"}
    return words.get(type(value)) or as_yaml(value)


def _nearest_path(place: Place, loc: tuple[int | str, ...]) -> Path:
    """The path of a problem: pydantic's may end in names of its own."""
    for step in loc:
        if (place / step).path in place.source.spans:
            place = place / step
    return place.path


def _fits(key: str, value: Any) -> bool:
    try:
        DocumentForm.model_validate({"archdsl": VERSION, key: value})
    except ValidationError:
        return False
    return True


_EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}
