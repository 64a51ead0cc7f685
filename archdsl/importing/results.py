"""What a module returns: in evaluation, and in training besides."""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from torch import Tensor

from archdsl.expressions.names import name_problem
from archdsl.graph.returns import Returns
from archdsl.importing.recording import Recorder
from archdsl.importing.values import Value


def results_of(result: Any) -> dict[str, Tensor]:
    """Tensors by name: keys of dicts, fields of tuples, places in lists; "" for one alone."""
    return dict(_named(result, ""))


def _named(result: Any, prefix: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(result, Tensor):
        yield prefix, result
    for key, part in _parts(result):
        name = f"{prefix}_{key}" if prefix else str(key)
        yield from _named(part, f"out_{name}" if name_problem(name) else name)


def _parts(result: Any) -> Any:
    if isinstance(result, Mapping):
        return result.items()
    if hasattr(result, "_asdict"):
        return result._asdict().items()
    return enumerate(result) if isinstance(result, tuple | list) else ()


Training = tuple[dict[str, Value], dict[str, Value], Returns | None]


def in_training(
    evaluated: Recorder, outputs: Mapping[str, Value], there: Recorder,
    results: Mapping[str, Tensor], returned: Any,
) -> Training | None:  # fmt: skip
    """The results of training, those of evaluation and the others apart, and how it returns them.

    None if training does not compute what evaluation does, and more.
    """
    numbers: dict[Hashable, int] = {}
    made, found = _numbered(evaluated, numbers), _numbered(there, numbers)
    names: dict[str, str] = {}
    keys: dict[str, int] = {}
    values = {name: there.flows.get(id(tensor)) for name, tensor in results.items()}
    for name, value in values.items():
        if not isinstance(value, Value) or value.problem or not value.plain:
            return None
        values[name] = value = value.of or value
        keys[name] = found[value]
    main: dict[str, Value] = {}
    for output, value in outputs.items():
        same = [name for name, key in keys.items() if key == made[value] and name not in names]
        if not same:
            return None
        names[same[0]] = output
        main[output] = values[same[0]]  # type: ignore[assignment]
    aux = {name: value for name, value in values.items() if name not in names}
    if not aux:
        return None
    return main, aux, _returns(returned, results, names)  # type: ignore[return-value]


def _returns(
    returned: Any, results: Mapping[str, Tensor], names: Mapping[str, str]
) -> Returns | None:
    """A tuple with named fields; other ways to return several tensors are ours."""
    if not hasattr(returned, "_asdict") or len(results) != len(returned):
        return None
    fields = {name: names.get(name, name) for name in results}
    said = Returns(type(returned).__name__, fields)
    wrong = said.type_problem() or next(filter(None, map(said.field_problem, fields)), "")
    return None if wrong else said


def _numbered(recorder: Recorder, numbers: dict[Hashable, int]) -> dict[Value, int]:
    """Every value as a number: equal ones have equal numbers, in whichever recording they are."""
    found: dict[Value, int] = {}

    def number(value: Value) -> int:
        if value not in found:
            found[value] = numbers.setdefault(value.input, len(numbers))
        return found[value]

    for step in recorder.root.steps():
        key = (step.op, step.path, tuple(map(number, step.inputs)))
        found[step.output] = numbers.setdefault(key, len(numbers))
    return found
