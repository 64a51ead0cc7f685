"""What is done for one candidate, in whatever process: costs, constraints, the objective."""

import importlib.util
import json
import math
import os
import shlex
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from archdsl.analysis.measures import totals
from archdsl.diagnostics.errors import SpecError
from archdsl.graph.graph import Graph
from archdsl.study.candidates import Candidates, Point
from archdsl.study.plan import ObjectiveForm, Study
from archdsl.study.results import OBJECTIVE, Record, key_of
from archdsl.study.workers import run_command
from archdsl.yaml.limits import Limits


def evaluate(study: Study, points: Sequence[Point]) -> list[Record]:
    """The records of some candidates; a candidate that fails is a record that says why."""
    candidates = _candidates(study.spec, study.limits)
    return [_record(study, candidates, point) for point in points]


@lru_cache(maxsize=8)
def _candidates(spec: str, limits: Limits) -> Candidates:
    return Candidates(spec, limits=limits)


def _record(study: Study, candidates: Candidates, point: Point) -> Record:
    start = time.perf_counter()
    record: Record = {"key": key_of(point), "status": "ok", **point.named()}
    try:
        graph = candidates.graph(point)
        values = totals(graph, study.columns)
        record |= values
        if not all(c.holds(values[c.column]) for c in study.constraints):
            record["status"] = "outside"
        elif study.objective:
            record |= _objective(study, study.objective, graph, point)
    except SpecError as error:
        record |= {"status": "wrong", "message": error.diagnostics[0].message}
    except Exception as error:  # of the user's code, which may raise anything
        record |= {"status": "failed", "message": f"{type(error).__name__}: {error}"}
    record["seconds"] = round(time.perf_counter() - start, 6)
    return record


def _objective(study: Study, form: ObjectiveForm, graph: Graph, point: Point) -> Record:
    settings = point.named()
    if form.python is not None:
        from archdsl.pytorch.module import compile_graph

        return _numbers(_function(study.folder, form.python)(compile_graph(graph), settings))
    return _numbers(_run(study, form, graph, settings))


@lru_cache(maxsize=8)
def _function(folder: str, reference: str) -> Callable[..., Any]:
    """The function in `file.py:name`, the file relative to the study's."""
    path, _, name = reference.rpartition(":")
    spec = importlib.util.spec_from_file_location("objective", os.path.join(folder, path))
    if spec is None or spec.loader is None:
        raise ValueError(f"`{reference}` is not of the form file.py:function")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)  # type: ignore[no-any-return]


def _run(study: Study, form: ObjectiveForm, graph: Graph, settings: dict[str, Any]) -> Any:
    """The last line that the command prints: a number, or numbers by name in JSON.

    `{source}` in it is the file of the network's PyTorch source, `{settings}` what is set, as JSON.
    """
    from archdsl.pytorch.source import emit

    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, f"{graph.name}.py")
        with open(source, "w", encoding="utf-8") as file:
            file.write(emit(graph))
        words = {"{source}": source, "{settings}": json.dumps(settings)}
        command = [words.get(word, word) for word in shlex.split(form.command or "")]
        done = run_command(command, study.folder, form.timeout)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
        raise RuntimeError(f"exit status {done.returncode}: {said}")
    lines = done.stdout.strip().splitlines()
    if not lines:
        raise RuntimeError("the command printed no result")
    return json.loads(lines[-1])


def _numbers(result: Any) -> Record:
    """What an objective gives: one number, or several by name, `objective` among them."""
    record = dict(result) if isinstance(result, dict) else {OBJECTIVE: result}
    if OBJECTIVE not in record:
        raise ValueError(f"the objective gives {', '.join(record)}, but no `{OBJECTIVE}`")
    value = record[OBJECTIVE]
    if isinstance(value, bool) or not math.isfinite(float(value)):
        raise ValueError(f"the objective is {value}, which is no number")
    return {OBJECTIVE: float(value)}
