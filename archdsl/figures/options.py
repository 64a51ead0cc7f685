"""What a user may ask of a figure: one table, that `archdsl.draw` and the command are made from."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass, make_dataclass
from types import MappingProxyType
from typing import Any, Literal

from pydantic_core import ValidationError

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.figures import forms
from archdsl.figures.canvas.scene import words
from archdsl.yaml.mistakes import mistakes
from archdsl.yaml.models import key, made
from archdsl.yaml.source import parse

POINTS = {"in": 72.0, "cm": 72 / 2.54, "mm": 72 / 25.4, "pt": 1.0, "": 1.0}
WIDTHS = {"single": 3.25 * 72, "neurips": 5.5 * 72, "double": 6.875 * 72, "slide": 480.0}
ZOOM = {"slide": 2.0}  # a slide is read from afar: laid out at 480 pt, shown at 960
SHOWN = ("names", "shapes", "params", "macs", "norms", "acts", "acts=fused", "aux", "all")
NARROWEST, WIDEST = 72.0, 7200.0
LARGEST = 14_400.0  # points: the most that a page of a PDF may have
KINDS = (
    "hero", "strip", "block", "columns", "dense", "pyramid", "table", "scaling", "graph", "diff",
)  # fmt: skip
PICTURES = "hero strip block columns dense pyramid scaling graph diff"


@dataclass(frozen=True, slots=True)
class Option:
    """A keyword of `archdsl.draw`, `--name` of the command, and a key of a figure file.

    `kinds` are those that honour it; `default` is said as on the command line; `choices` are all
    there are, if they can be listed; `type` is that of the key.
    """

    name: str
    default: str | bool
    help: str
    kinds: str
    choices: tuple[str, ...] = ()
    type: Any = str

    @property
    def flag(self) -> str:
        """As it stands on the command line."""
        return f"--{self.key.replace('_', '-')}"

    @property
    def key(self) -> str:
        """As it stands in a figure file: Python alone has `with` for itself."""
        return self.name.rstrip("_")

    @property
    def named(self) -> str:
        *first, last = self.kinds.split()
        return f"{', '.join(first)} and {last}" if first else last

    def honoured(self, kind: str) -> bool:
        return kind in self.kinds.split()


OPTIONS = (
    Option("width", "neurips", "single, neurips, double, slide or 12cm.", PICTURES),
    Option("theme", "paper", "paper, grey, dark or a file of your own.", PICTURES),
    Option(
        "show", "names,shapes",
        "Any of names, shapes, params, macs; norms, acts (acts=fused: both in the words of the op"
        " before), aux (classifiers of training) or all.",
        "hero strip block pyramid",
    ),
    Option("only", "", "The path of a part to draw: layer3.", " ".join(KINDS)),
    Option("title", "", "A line above the figure.", " ".join(KINDS)),
    Option(
        "legend", True, "Whether colors are explained.",
        "hero strip block columns pyramid scaling diff", type=bool,
    ),
    Option(
        "scale", "sqrt", "How slabs follow sizes: sqrt, linear or log.", "hero strip",
        ("sqrt", "linear", "log"),
    ),
    Option(
        "dims", "under", "Where the size of a map stands: under its slab or at the edges.",
        "hero strip", ("under", "edges"),
    ),
    Option(
        "shape", "boxes", "What stands for maps: boxes, or slabs as high and thick as they are.",
        "pyramid", ("boxes", "slabs"),
    ),
    Option(
        "direction", "auto", "Of blocks: auto, down or right.", "hero block",
        ("auto", "down", "right"),
    ),
    Option(
        "fold", "auto", "How many repeats are drawn: auto, none or a number.",
        "hero strip columns dense graph",
    ),
    Option(
        "label", "", "Names for parts and networks: 'layer{s}=Stage {s}'.",
        "hero strip block columns pyramid table scaling diff", type=forms.Label,
    ),
    Option(
        "hide", "", "Parts that are not drawn: avgpool,fc.", "hero strip block columns table",
        type=forms.Paths,
    ),
    Option(
        "mark", "", "The role of parts: 'layer4.*=ours'.", "hero strip block columns pyramid",
        type=forms.Label,
    ),
    Option(
        "roles", "", "Colors for marks: '{ours: {fill: \"#FFD966\", legend: ours}}'.",
        "hero strip block columns pyramid", type=forms.Roles,
    ),
    Option(
        "note", "", "A line more under a stage: 'layer3=dilated by 2'.", "hero strip",
        type=forms.Label,
    ),
    Option(
        "group", "", "Stages under one brace: '[{section: backbone, label: Backbone}]'.",
        "hero strip", type=forms.Groups,
    ),
    Option("insets", "", "The blocks to show: layer3.0,layer3.1.", "hero block", type=forms.Paths),
    Option("input_image", "", "A PNG or JPEG on the slab of the input.", "hero strip"),
    Option("output_image", "", "A PNG or JPEG on the last slab.", "hero strip"),
    Option("rows", "", "In how many rows the stages stand.", "hero strip", type=forms.Rows),
    Option(
        "color", "role", "What color tells: role, or the share of a cost: macs, params, memory.",
        "hero strip block columns pyramid", ("role", "macs", "params", "memory"),
    ),
    Option(
        "with_", "", "Of caption, label (fig:NAME), bib (FILE.bib, cited): what .tex has besides.",
        PICTURES, type=forms.With,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """What a figure is drawn with.

    `width` in points; `fold` how many repeats a stage shows, None for all, 0 for what fits; `given`
    are the names of the options that the user has given; `room` is how much larger than laid out it
    is shown, for the sake of large text.
    """

    width: float = WIDTHS["neurips"]
    zoom: float = 1.0
    show: frozenset[str] = frozenset(("names", "shapes"))
    only: str = ""
    title: str = ""
    legend: bool = True
    scale: str = "sqrt"
    dims: str = "under"
    shape: str = "boxes"
    direction: Literal["auto", "down", "right"] = "auto"
    fold: int | None = 0
    theme: str = "paper"
    label: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    hide: tuple[str, ...] = ()
    mark: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    roles: Mapping[str, forms.RoleForm] = field(default_factory=lambda: MappingProxyType({}))
    note: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    group: tuple[forms.GroupForm, ...] = ()
    insets: tuple[str, ...] = ()
    input_image: str = ""
    output_image: str = ""
    rows: int = 0
    color: str = "role"
    with_: tuple[str, ...] = ()
    given: frozenset[str] = frozenset()
    room: float = 1.0

    def refuse(self, names: str, reason: str) -> None:
        """Raises UsageError if one of some options is given."""
        for name in names.split():
            if name in self.given:
                raise UsageError(f"--{name} does nothing here: {reason}")


class NarrowError(UsageError):
    """A figure does not fit its width; `need` points are the least that it is known to take.

    `instead` is what else to ask for; `enough` a width that it fits, None while nobody has tried.
    """

    def __init__(
        self, subject: str, width: float, need: float, instead: str, enough: float | None = None
    ) -> None:
        self.subject, self.width, self.need = subject, width, need
        self.instead, self.enough = instead, enough
        wide = f"give a larger --width{f': {enough:.0f}pt is enough' if enough else ''}"
        if need > WIDEST:
            wide = f"the widest is {WIDEST:.0f} pt"
        super().__init__(f"{subject} does not fit a width of {width:g} pt; {wide}, {instead}")

    def at(
        self, width: float, more: float = 0.0, enough: float | None = None, room: float = 1.0
    ) -> "NarrowError":
        """The same of a figure of a width, `room` times as large, that takes `more` besides."""
        return NarrowError(self.subject, width, self.need * room + more, self.instead, enough)


def asked(kind: str, values: Mapping[str, Any]) -> Options:
    """The options of a figure, where None is what the table says.

    Raises UsageError for a value that is none, and for an option that the kind does not honour.
    """
    given = {name: value for name, value in values.items() if value is not None}
    given |= _made({name: given[name] for name in STRUCTURED if given.get(name)})
    found = {option.name: option.default for option in OPTIONS} | given
    for option in OPTIONS:
        value = found[option.name]
        if option.choices and value not in option.choices:
            raise UsageError(f"{option.name} `{value}` is not one of {', '.join(option.choices)}")
        verb = "have" if " " in option.kinds else "has"
        if option.name in given and kind in KINDS and not option.honoured(kind):
            raise UsageError(f"--kind {kind} has no {option.flag}; {option.named} {verb}")
    for text in _texts(found):
        words(text)  # math that is none is an error
    found["width"], zoom = width_of(found["width"])
    found |= {"show": shown_of(found["show"]), "fold": fold_of(str(found["fold"]))}
    found |= {name: os.fspath(found[name]) for name in ("theme", "input_image", "output_image")}
    found |= {"rows": found["rows"] or 0}
    found |= {name: found[name] or {} for name in ("label", "mark", "roles", "note")}
    found |= {name: tuple(found[name]) for name in ("hide", "group", "insets", "with_")}
    return Options(**found, zoom=zoom, given=frozenset(given))


def _texts(found: Mapping[str, Any]) -> Iterator[str]:
    """What the author writes that is shown."""
    yield found["title"] or ""
    for name in ("label", "note"):
        yield from (found[name] or {}).values()
    yield from (role.legend for role in (found["roles"] or {}).values())
    yield from (group.label for group in found["group"] or ())


STRUCTURED = tuple(option.name for option in OPTIONS if option.type not in (str, bool))
_Structured = make_dataclass(
    "_Structured",
    [(o.name, o.type | None, key(o.help, alias=o.key)) for o in OPTIONS if o.name in STRUCTURED],
    frozen=True,
)


def _made(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of options that are lists and mappings; raises UsageError for others."""
    plain = {name.rstrip("_"): _plain(value) for name, value in values.items()}
    try:
        form: Any = made(_Structured, plain)
    except ValidationError as error:
        found = "; ".join(mistake.message for mistake in mistakes(error, _Structured, plain))
        raise UsageError(found) from None
    return {name: getattr(form, name) for name in values}


def _plain(value: Any) -> Any:
    """Data as from YAML, forms that were made of it, too."""
    if is_dataclass(value) and not isinstance(value, type):
        return {n: _plain(v) for n, v in vars(value).items() if v is not None and v != []}
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def data_of(option: Option, text: str) -> Any:
    """The value of an option that is said in YAML, as a figure file has it.

    Raises UsageError, which names the option, for what is no YAML.
    """
    sink = Sink()
    source = parse(text, option.flag, sink)
    if source is None:
        raise UsageError(f"{option.flag}: {sink.diagnostics[0].message}")
    return source.data


def width_of(text: str) -> tuple[float, float]:
    """Points and magnification of `single`, `neurips`, `double`, `slide`, or `12cm`, `300pt`."""
    if text in WIDTHS:
        return WIDTHS[text], ZOOM.get(text, 1.0)
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*(in|cm|mm|pt|)", text)
    if not match:
        hint = did_you_mean(text, WIDTHS)
        raise UsageError(f"width `{text}` is neither a name nor a length like 12cm; {hint}")
    points = float(match[1]) * POINTS[match[2]]
    if not NARROWEST <= points <= WIDEST:
        raise UsageError(f"width {text}: figures are from 1 to 100 inches wide")
    return points, 1.0


def shown_of(text: str) -> frozenset[str]:
    """The set in `params,macs,shapes,names`."""
    parts = (part.strip() for part in text.split(",") if part.strip())
    names = frozenset("params" if part == "parameters" else part for part in parts)
    for name in sorted(names - set(SHOWN)):
        raise UsageError(f"there is no `{name}` to show; {did_you_mean(name, SHOWN)}")
    return names


def fold_of(text: str) -> int | None:
    """`auto`, `none`, or how many repeats of a stage are shown."""
    if text == "auto":
        return 0
    if text == "none":
        return None
    if not text.isdecimal() or not 2 <= int(text) <= 10_000:
        raise UsageError(f"fold `{text}` is not auto, none or a number, 2 or more")
    return int(text)
