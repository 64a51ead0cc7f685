"""What stands in the fields of a graph in JSON: their types, for pydantic to hold a text to."""

from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, FailFast, Field, Strict, ValidationError
from pydantic_core import ErrorDetails

from archdsl.diagnostics.text import one_line
from archdsl.graph.graph import ScopeKind
from archdsl.ops.kinds import kind_of
from archdsl.ops.tensor import Layout
from archdsl.yaml.mistakes import expected

_MANY = FailFast()  # of a list of a million mistakes the first is enough

Id = Annotated[str, Field(min_length=1)]
Ids = Annotated[list[Id], _MANY]
Place = Annotated[int, Field(ge=1, lt=2**31)]


class _Form(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class SpecForm(_Form):
    """A shape, without the batch."""

    shape: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1), _MANY]
    layout: Layout


SpanForm = Annotated[tuple[str, Place, Place, Place, Place], Strict(False)]  # a list will do


class RenamesForm(_Form):
    """How the weights of one source become ours."""

    keys: dict[Id, str | None]
    reshape: bool
    unmet: str


class ScopeForm(_Form):
    """A named part of the network."""

    id: Id
    kind: ScopeKind
    parent: str
    block: str
    arguments: dict[Id, Any]
    inputs: Annotated[list[SpecForm], _MANY]
    span: SpanForm | None


class InitForm(_Form):
    """How a weight starts, as the argument of an op."""

    scheme: str
    settings: list[Annotated[tuple[str, Any], Strict(False)]]
    bias: "InitForm | None"


class NodeForm(_Form):
    """One operation."""

    id: Id
    op: str
    arguments: dict[str, Any]
    inputs: Ids
    output: SpecForm
    scope: str
    span: SpanForm | None
    residual: bool = False


class ReturnsForm(_Form):
    """What training returns: a dict, or a tuple of this name, with the result of every field."""

    type: Id
    fields: dict[Id, str]


class GraphForm(_Form):
    """The whole."""

    format: int
    name: str
    title: str
    citation: str
    input: SpecForm | None = None
    inputs: dict[Id, SpecForm] = {}
    outputs: dict[str, Id]
    taps: dict[str, Id]
    aux: dict[str, Id]
    renames: dict[str, RenamesForm]
    scopes: Annotated[list[ScopeForm], _MANY]
    nodes: Annotated[list[NodeForm], _MANY]
    made: Ids
    returns: ReturnsForm | None = None
    frozen: Ids = []
    recomputed: Ids = []


_Form_ = TypeVar("_Form_", bound=_Form)
_SHOWN = 40  # characters of a value that is not as it should be


def validated(form: type[_Form_], data: Any, field: str = "") -> _Form_:
    """The data as a form; raises ValueError, naming the first field that is not as it should be."""
    try:
        return form.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = field_name(first["loc"], field) or "the graph"
        raise ValueError(f"{where}: {_said(first)}") from None


def field_name(steps: Iterable[str | int], outer: str = "") -> str:
    """`nodes[3].inputs` for `("nodes", 3, "inputs")`."""
    name = outer
    for step in steps:
        if isinstance(step, str) and step.isidentifier() and len(step) <= _SHOWN:
            name += f".{step}" if name else step
        else:
            name += f"[{step if isinstance(step, int) else shown(step)}]"
    return name


def shown(value: Any) -> str:
    """A value in a message: in one line, cut if it is long."""
    text = one_line(kind_of(value) if not isinstance(value, str) else f"`{value[: 2 * _SHOWN]}`")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _said(error: ErrorDetails) -> str:
    kind = error["type"]
    if kind in ("missing", "extra_forbidden"):
        return "is missing" if kind == "missing" else "is no field of a graph"
    words = "an object" if kind in ("dict_type", "model_type") else expected(error)
    if kind == "too_short":
        words = f"{error['ctx']['min_length']} or more"
    return f"expected {words}, not {shown(error['input'])}"
