"""Documents to models: what does not fit is reported at its place."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic_core import ValidationError

from archdsl.diagnostics.sink import Sink
from archdsl.yaml.mistakes import Mistake, mistakes
from archdsl.yaml.models import made
from archdsl.yaml.source import Place

_Model = TypeVar("_Model")


def fitted(
    model: type[_Model], data: Any, place: Place, sink: Sink, context: Any = None
) -> _Model | None:
    """The data as a model, or None with a diagnostic for everything that does not fit.

    `context` is what the functions of the model may ask for.
    """
    try:
        return made(model, data, context)
    except ValidationError as error:
        _report(mistakes(error, model, data), place, sink)
    return None


def fitting(model: type[_Model], data: Mapping[str, Any], place: Place, sink: Sink) -> _Model:
    """The data as a model of which no key is required; what is wrong is as if it were absent."""
    try:
        return made(model, data)
    except ValidationError as error:
        found = list(mistakes(error, model, data))
    _report(found, place, sink)
    absent = {mistake.path[0] for mistake in found}
    return made(model, {name: value for name, value in data.items() if name not in absent})


def _report(found: Iterable[Mistake], place: Place, sink: Sink) -> None:
    for code, path, message, help, of_key in found:
        at = Place(place.source, (*place.path, *path))
        sink.error(code, message, at.key if of_key else at.span, help=help)
