"""The keys of a document and the types of their values; what items say is read apart."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.suggest import nearest
from archdsl.diagnostics.text import as_yaml
from archdsl.yaml.fitting import fitting
from archdsl.yaml.mistakes import kind_of, known
from archdsl.yaml.models import (
    Before,
    In,
    Line,
    Number,
    Prose,
    Quantity,
    key,
    unfit,
)
from archdsl.yaml.source import Source

VERSION = 1
ParameterType = Literal["int", "float", "bool", "item", "list", "str"]
EXAMPLES = {
    "name": "name the network: `name: resnet50`",
    "input": "say what the network is given: `input: [3, 224, 224]`",
    "backbone": "put the items of the network under `backbone:`, or say what it `extends:`",
    "params": "give every parameter a value: `params: {classes: 1000}`",
    "blocks": "name every block: `blocks: {unit: {seq: [...]}}`",
    "outputs": "name every output: `outputs: {logits: fc}`",
}


@dataclass(frozen=True)
class Cite:
    """Where the network was published."""

    title: Line | None = None
    authors: Line | None = key("Their names, with commas or `and` between: `K. He, X. Zhang`.")
    year: int | None = None
    venue: Line | None = None
    arxiv: Line | None = key("The number on arXiv: `1512.03385`.")
    doi: Line | None = None
    url: Line | None = None
    table: Line | None = key("The table of the paper that the spec is.")
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


@dataclass(frozen=True)
class RuleForm:
    """A scaling rule; its numbers may be expressions."""

    base: Quantity | None = key("The factor is this to the power of `phi`.")
    factor: Quantity | None = key("The factor itself, whatever `phi` is.")
    round: Literal["up", "down", "nearest"] | None = None
    multiple_of: Quantity | None = None
    min: Quantity | None = None
    max: Quantity | None = None

    def numbers(self) -> dict[str, Quantity | None]:
        """What may be expressions, by key."""
        return {name: value for name, value in vars(self).items() if name != "round"}


@dataclass(frozen=True)
class ParameterForm:
    """The long form of a parameter."""

    type: ParameterType | None = None
    default: Any = None
    min: Number | None = None
    max: Number | None = None
    choices: list[Any] | None = None
    doc: Prose | None = None


@dataclass(frozen=True)
class ExpectForm:
    """What must come out; a number may end in K, M or G and is then held to its digits."""

    params: Quantity | None = key("Parameters: `25_557_032`, `25.6M`.")
    parameters: Quantity | None = key("The same as `params`.")
    macs: Quantity | None = key("Multiply-accumulates of one image: `4.09G`.")
    output: list[int] | None = key("The shape of the output: `[1000]`.")


@dataclass(frozen=True)
class PreprocessForm:
    """What is done to an image before a network with published weights; sizes are in pixels."""

    resize: int | list[int] | None = key("The length of its shorter side, or height and width.")
    longest: int | None = key("What the longer side is at most.")
    as_numbers: bool = key(
        "Whether it is resized as numbers, as detectors do, and not as bytes, which are rounded.",
        False,
    )
    crop: list[int] | None = key("Height and width of what is cut out of its middle.")
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear"
    antialias: bool = True
    mean: list[Number] = key("By channel, of values from 0 to 1.", [])
    std: list[Number] = key("By channel.", [])
    transform_input: bool = key(
        "Whether what is normalised so is then normalised by 0.5 and 0.5 instead.", False
    )
    frames: bool = key(
        "Whether it is for videos, `[T, C, H, W]`, of which it gives the channels first.", False
    )


@dataclass(frozen=True)
class PublishedForm:
    """Weights that somebody published."""

    url: Prose | None = key("Where the file is.")
    hub: Prose | None = key("Or its repository at the Hugging Face Hub: `timm/resnet50.a1_in1k`.")
    sha256: str | None = key("The hash of the file, or how that begins, in quotes.")
    classes: int | None = None
    metrics: dict[str, dict[str, Number]] = key("What is claimed, by data set.", {})
    megabytes: Number | None = None
    licence: Prose | None = None
    preprocess: PreprocessForm | None = None
    doc: Prose | None = None


@dataclass(frozen=True)
class WeightsForm:
    """A source of weights: its keys and ours, where they differ, and what it published."""

    rename: dict[str, Any] = key(
        "Their names, or how they begin, with ours; null drops one.", {}, alias="keys"
    )
    reshape: bool = key("Whether theirs may have other shapes of as many.", False)
    requires: dict[str, Any] = key("The parameters for which they are.", {})
    entries: dict[str, PublishedForm] = key("What it published by name, the default first.", {})
    doc: Prose | None = None
    url: Prose | None = None


@dataclass(frozen=True)
class KeysForm:
    """Keys that begin alike, once or for every row and turn of a loop."""

    for_: Any = key(alias="for")
    repeat: Any = None
    rename: dict[str, Any] = key(default={}, alias="keys")


def _with_names(value: Any) -> Any:
    if isinstance(value, list):
        example = as_yaml({str(one): one for one in value})
        raise unfit("a mapping", f"name every output: `outputs: {example}`")
    return value


@dataclass(frozen=True)
class BlockForm:
    """What a block says of itself, beside its parameters and its body."""

    doc: Prose | None = key("What it is.")
    cite: Cite | None = key("Where it was published.")


@dataclass(frozen=True)
class DocumentForm:
    """A network, or blocks that others import."""

    helps: ClassVar[dict[str, str]] = EXAMPLES

    archdsl: Annotated[Any, In("version")] = key("The version of the language.")
    name: Annotated[str, In("identifier")] = key(
        "What the network is called, an identifier.", "unnamed"
    )
    doc: Prose | None = key("What there is to say about it.")
    cite: Cite | None = None
    extends: Annotated[Any, In("extends")] = key(
        "Another spec, by a path relative to this file or a name of the gallery."
    )
    import_: Annotated[Any, In("import")] = key(
        "Files whose blocks become usable here.", alias="import"
    )
    input: Annotated[list[Any] | dict[str, Any], In("input")] = key(
        "`[C, H, W]`; also `[C, L]` and `[C, D, H, W]`; several by name: `{rgb: [...]}`."
    )
    params: Annotated[dict[str, Any], In("params")] = key(
        "Parameters with their values, which `--set` and `extends` may change.", {}
    )
    scaling: Annotated[dict[str, Any], In("scaling")] = key("Scaling rules, and `phi`.", {})
    defaults: Annotated[dict[str, Any], In("defaults")] = key("Default arguments of ops.", {})
    blocks: Annotated[dict[str, Any], In("blocks")] = key("Reusable blocks by name.", {})
    output_stride: Quantity | None = key(
        "The output stride of the backbone: further strides become dilation."
    )
    freeze: Annotated[list[Any] | None, In("freeze")] = key(
        "Parts that do not learn, by their paths, and ops: `[conv1, layer1, batch_norm]`."
    )
    replace: Annotated[Any, In("replace")] = key(
        "Another op or block wherever an op is written: `{relu: silu}`."
    )
    backbone: Annotated[Any, In("sequence")] = key("The items that come first.")
    neck: Annotated[Any, In("sequence")] = key("The items behind the backbone.")
    head: Annotated[Any, In("sequence")] = key("The items that come last.")
    aux: Annotated[Any, In("aux")] = key("Named sequences that are computed in training only.")
    outputs: Annotated[dict[str, str] | None, Before(_with_names)] = key(
        "What the network returns, by name; without it the last result."
    )
    returns: dict[str, dict[str, str]] = key(
        "What training returns: `{dict: {out: output, aux: side}}`, or a tuple by its name.", {}
    )
    under: Annotated[dict[str, str] | None, In("under")] = key(
        "Paths for sections: `{backbone: backbone.body}`."
    )
    weights: dict[str, WeightsForm] = key("Sources of weights by name.", {})
    expect: ExpectForm | None = None
    lint: Annotated[dict[str, Literal["on", "off"]], In("lint")] = key(
        "Warnings to leave out, or to add: `{W0102: off}`.", {}
    )
    figure: dict[str, Any] | None = key(
        "What its figures show, as in a figure file: `{title: Ours}`."
    )


REQUIRED = ("name", "input", "backbone")
_KEYS = tuple(known(DocumentForm))


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
    return fitting(DocumentForm, source.data, source.at(), sink)
