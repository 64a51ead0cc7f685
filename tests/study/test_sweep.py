"""Sweeps: what is measured, what survives a kill, and who does the work."""

import csv
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from archdsl.cli import main as cli
from archdsl.diagnostics.errors import SpecError, UsageError
from archdsl.study.plan import Study, read_study
from archdsl.study.results import open_results, read_records
from archdsl.study.sweep import Outcome, sweep

ROOT = Path(__file__).parents[2]

SPEC = """
archdsl: 1
name: tiny
input: [3, 16, 16]
params: {classes: 10}
backbone: [{conv: {out: width(8), kernel: 3}}, {conv: {out: width(8), kernel: 3}}]
head: [global_avg_pool, flatten, {linear: {out: classes}}]
"""

STUDY = """
archdsl: 1
study: around
spec: tiny.yaml
scale:
  width: {range: [0.5, 2], step: 0.5}
set:
  classes: [2, 3]
columns: [parameters, macs]
"""

OBJECTIVE = """
import os, time
def measure(module, settings):
    with open("calls.txt", "a") as file:
        file.write(f"{os.getpid()} {settings}\\n")
    time.sleep(float(os.environ.get("SLEEP", "0")))
    return sum(p.numel() for p in module.parameters())
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(SPEC)
    (tmp_path / "objective.py").write_text(OBJECTIVE)
    return tmp_path


def study_of(folder: Path, text: str = STUDY) -> Study:
    (folder / "study.yaml").write_text(text)
    return read_study(str(folder / "study.yaml"))


def run(folder: Path, text: str = STUDY, out: str = "out.csv", **how: Any) -> Outcome:
    return sweep(study_of(folder, text), folder / out, **{"workers": 1, **how})


def test_a_grid_has_every_combination_and_its_true_costs(folder: Path) -> None:
    outcome = run(folder)
    assert (outcome.size, outcome.now, outcome.statuses) == (8, 8, {"ok": 8})
    rows = read_records(folder / "out.csv")
    assert {(r["scale.width"], r["set.classes"]) for r in rows} == {
        (w, c) for w in (0.5, 1, 1.5, 2) for c in (2, 3)
    }
    one = next(r for r in rows if (r["scale.width"], r["set.classes"]) == (2, 3))
    assert one["parameters"] == (3 * 16 * 9 + 16) + (16 * 16 * 9 + 16) + (16 * 3 + 3)


def test_what_is_done_is_not_done_again(folder: Path) -> None:
    run(folder)
    before = (folder / "out.csv").read_bytes()
    again = run(folder)
    assert (again.before, again.now) == (8, 0)
    assert (folder / "out.csv").read_bytes() == before


def test_a_line_cut_short_is_done_again(folder: Path) -> None:
    run(folder)
    whole = (folder / "out.csv").read_bytes()
    (folder / "out.csv").write_bytes(whole[:-9])
    assert run(folder).now == 1
    assert len(read_records(folder / "out.csv")) == 8


def test_constraints_are_said_to_be_missed_and_no_objective_runs(folder: Path) -> None:
    text = STUDY + "where: [macs <= 300K]\nobjective: {python: 'objective.py:measure'}\n"
    outcome = run(folder, text)
    assert set(outcome.statuses) == {"ok", "outside"}
    for row in read_records(folder / "out.csv"):
        assert (row["status"] == "ok") == (row["macs"] <= 300e3)
        assert (row["objective"] is not None) == (row["status"] == "ok")
    assert len((folder / "calls.txt").read_text().splitlines()) == outcome.statuses["ok"]


def test_the_objective_gets_the_compiled_network(folder: Path) -> None:
    run(folder, STUDY + "objective: {python: 'objective.py:measure'}\n")
    assert all(r["objective"] == r["parameters"] for r in read_records(folder / "out.csv"))


def test_a_command_gets_the_source_and_its_last_line_counts(folder: Path) -> None:
    script = "import sys; print('busy'); print(len(open(sys.argv[1]).read()) * 0 + 7.5)"
    (folder / "measure.py").write_text(script)
    command = f"objective: {{command: '{sys.executable} measure.py {{source}}'}}\n"
    run(folder, STUDY + command)
    assert {r["objective"] for r in read_records(folder / "out.csv")} == {7.5}


def test_a_candidate_that_fails_is_a_row_that_says_why(folder: Path) -> None:
    (folder / "objective.py").write_text("def measure(m, s): raise RuntimeError('no\\nluck')")
    outcome = run(folder, STUDY + "objective: {python: 'objective.py:measure'}\n")
    assert outcome.statuses == {"failed": 8}
    assert read_records(folder / "out.csv")[0]["message"] == "RuntimeError: no luck"
    wrong = run(folder, STUDY.replace("[2, 3]", "[2, -3]"), "wrong.csv")
    assert wrong.statuses == {"ok": 4, "wrong": 4}


DIES = """
import os
def measure(module, settings):
    if settings["set.classes"] == 3:
        os._exit(9)
    return 1
"""


@pytest.mark.slow
def test_a_candidate_that_kills_its_worker_costs_only_itself(folder: Path) -> None:
    (folder / "objective.py").write_text(DIES)
    text = STUDY.replace("[0.5, 2], step: 0.5", "[1, 2], step: 1")
    outcome = run(folder, text + "objective: {python: 'objective.py:measure'}\n", workers=2)
    assert outcome.statuses == {"ok": 2, "failed": 2}


def test_a_killed_sweep_goes_on_with_nothing_lost_or_done_twice(folder: Path) -> None:
    study_of(folder, STUDY + "objective: {python: 'objective.py:measure'}\n")
    command = [sys.executable, "-m", "archdsl", "sweep", "study.yaml", "--workers", "1"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    process = subprocess.Popen(
        command, env={**environment, "SLEEP": "0.3"}, start_new_session=True, cwd=folder
    )
    out, limit = folder / "around.csv", time.time() + 60
    while time.time() < limit and (not out.exists() or out.read_bytes().count(b"\n") < 3):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = read_records(out)
    assert 0 < len(kept) < 8
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = read_records(out)
    assert rows[: len(kept)] == kept
    assert len({r["key"] for r in rows}) == len(rows) == 8
    calls = (folder / "calls.txt").read_text().splitlines()
    assert 8 <= len(calls) <= 9  # the one that was under way when the kill came


def test_random_draws_are_the_same_in_every_run(folder: Path) -> None:
    text = STUDY.replace("{range: [0.5, 2], step: 0.5}", "{log_range: [0.5, 2]}")
    text += "sample: {random: 6, seed: 3}\n"
    one, other = (list(study_of(folder, text).points()) for _ in range(2))
    assert one == other
    assert all(0.5 <= point.scale["width"] <= 2 for point in one)
    assert run(folder, text).statuses == {"ok": 6}
    assert run(folder, text).now == 0


def test_parquet_comes_in_whole_parts(folder: Path) -> None:
    pytest.importorskip("pyarrow")
    run(folder, out="out.parquet")
    (folder / "out.parquet" / ".archdsl-0badcafe.parquet").write_bytes(b"PAR1 cut off")
    assert len(read_records(folder / "out.parquet")) == 8
    assert run(folder, out="out.parquet").now == 0


def test_optuna_goes_where_the_objective_is_small(folder: Path) -> None:
    pytest.importorskip("optuna")
    text = STUDY.replace("{range: [0.5, 2], step: 0.5}", "{range: [0.5, 8]}")
    text = text.replace("classes: [2, 3]", "classes: [5]")
    text += "sample: {optuna: 20}\nminimize: parameters\n"
    assert run(folder, text).statuses == {"ok": 20}
    rows = read_records(folder / "out.csv")
    early, late = ([r["parameters"] for r in rows[a:b]] for a, b in ((0, 10), (10, 20)))
    assert sum(late) < sum(early)
    assert run(folder, text).now == 0
    assert run(folder, text.replace("20", "22")).now == 2


@pytest.mark.slow  # starts a cluster; by default a pool loses a worker
def test_a_dask_cluster_loses_a_worker_and_no_candidate(folder: Path) -> None:
    distributed = pytest.importorskip("distributed")
    study_of(folder, STUDY + "objective: {python: 'objective.py:measure'}\n")
    os.environ["SLEEP"] = "0.3"
    try:
        cluster = distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        )
    finally:
        del os.environ["SLEEP"]
    killed = []

    def kill_one(done: int, size: int) -> None:
        if done >= 2 and not killed:
            calls = (folder / "calls.txt").read_text().splitlines()
            killed.append(int(calls[-1].split()[0]))
            os.kill(killed[0], signal.SIGKILL)

    with cluster:
        study = read_study("study.yaml")
        outcome = sweep(study, folder / "out.csv", dask=cluster.scheduler_address, say=kill_one)
    assert killed
    assert outcome.statuses == {"ok": 8}
    assert len({r["key"] for r in read_records(folder / "out.csv")}) == 8


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("width:", "with:", "no scaling rule `with`"),
        ("classes:", "clases:", "did you mean `classes`?"),
    ],
)
def test_what_the_spec_does_not_have_is_said(folder: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(UsageError, match=said.replace("?", r"\?")):
        run(folder, STUDY.replace(old, new))


def test_an_unknown_key_of_a_study_has_its_line(folder: Path) -> None:
    with pytest.raises(SpecError, match=r"unknown key `wheer`(.|\n)*study.yaml:10:1"):
        study_of(folder, STUDY + "wheer: [macs <= 1G]\n")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("study: around", "", "`study` is missing"),
        ("range: [0.5, 2]", "range: [0.5, 1, 2]", "range must be a list of 2, not one of 3"),
        ("step: 0.5", "step: half", "step must be a number, not `half`"),
        ("step: 0.5", "count: 0", "count must be 1 or more, not 0"),
        ("[2, 3]", "2", "classes must be a list or a mapping, not 2"),
        ("columns: [parameters, macs]", "columns: [1]", "columns[0] must be text, not 1"),
        ("columns: [parameters, macs]", "sample: gird", "sample must be `grid`, not `gird`"),
        ("archdsl: 1", "archdsl: 2", "language version 2 is not known"),
        ("step: 0.5", "", "a grid needs a `step` or a `count`"),
        ("step: 0.5", "step: 0.5, count: 3", "`step` and `count` both say which values"),
        ("step: 0.5", "step: 0", "a step of 0 leads nowhere"),
        ("step: 0.5", "step: 1.0e-9", "axis scale.width has more than 1,000,000 values"),
        ("range: [0.5, 2], ", "", "an axis is a list, `range: [a, b]` or `log_range: [a, b]`"),
        ("columns: [parameters, macs]", "columns: [mac]", "did you mean `macs`?"),
        ("columns: [parameters, macs]", "columns: [time]", "column `time` needs a device"),
        ("columns: [parameters, macs]", "where: [macs < 3]", "`macs < 3` is no constraint"),
        ("columns: [parameters, macs]", "where: [macs <= few]", "few"),
        ("columns: [parameters, macs]", "where: ['{help} {at}']", "`{help} {at}` is no constraint"),
        ("columns: [parameters, macs]", "where: [mac <= 3]", "did you mean `macs`?"),
        ("columns: [parameters, macs]", "sample: {seed: 1}", "a sample is `random: N` or"),
        ("columns: [parameters, macs]", "sample: {optuna: 3}", "needs `minimize` or `maximize`"),
        ("columns: [parameters, macs]", "objective: {}", "has a `command` or a `python` function"),
        ("study: ", "study: ../", "cannot name a study"),
        ("[2, 3]", "[]", "the list is empty"),
        ("[0.5, 2]", "[2, 0.5]", "2 to 0.5 is no range"),
    ],
)
def test_a_value_that_does_not_fit_says_what_would(
    folder: Path, old: str, new: str, said: str
) -> None:
    with pytest.raises(SpecError) as caught:
        study_of(folder, STUDY.replace(old, new))
    assert said in str(caught.value)


def test_a_study_with_several_mistakes_reports_all_of_them(folder: Path) -> None:
    text = STUDY.replace("step: 0.5", "step: half").replace("[2, 3]", "[]")
    with pytest.raises(SpecError) as caught:
        study_of(folder, text + "where: [macs <= 1G, parms <= 3]\nwheer: []\nworkers: 0\n")
    found = [(d.code, d.message, d.help) for d in caught.value.diagnostics]
    assert found == [
        ("E0203", "step must be a number, not `half`", ""),
        ("E0305", "the list is empty", ""),
        ("E0305", "unknown column `parms`", "did you mean `parameters`?"),
        ("E0201", "unknown key `wheer`", "did you mean `where`?"),
        ("E0203", "workers must be 1 or more, not 0", ""),
    ]
    lines = text.splitlines()
    for one, said in zip(caught.value.diagnostics, ("half", "[]"), strict=False):
        assert one.span is not None
        assert lines[one.span.line - 1][one.span.column - 1 :].startswith(said)


def test_results_of_another_study_are_not_mixed_in(folder: Path) -> None:
    run(folder)
    other = open_results(folder / "out.csv", ["key", "other"])
    with pytest.raises(UsageError, match="columns of another study"), other:
        pass


def test_the_command_says_what_came_of_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study_of(folder)
    assert cli.run(["sweep", "study.yaml", "--workers", "1"]) == 0
    assert capsys.readouterr().out.startswith("8 candidates in around.csv: 8 ok; 8 now in")
    with open(folder / "around.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 8


@pytest.mark.parametrize(
    ("axes", "sample", "problem", "line"),
    [
        (
            "a: {range: [1, 2], count: 1000000000}",
            "grid",
            "axis scale.a has more than 1,000,000",
            4,
        ),
        ("a: {range: [1, 2], step: 1.0e-9}", "grid", "axis scale.a has more than 1,000,000", 4),
        ("a: {range: [1, 2], step: 1.0e-300}", "{random: 3}", "axis scale.a has more than", 4),
        ("a: {log_range: [1, 2], step: 1.0000000000001}", "grid", "axis scale.a has more", 4),
        (
            "a: {range: [1, 2], count: 2000}, b: {range: [1, 2], count: 2000}",
            "grid",
            "the study has 4,000,000 candidates, more than 1,000,000",
            2,
        ),
        ("a: {range: [1, 2]}", "{random: 9000000}", "the study has 9,000,000 candidates", 5),
    ],
)
def test_candidates_are_counted_before_any_is_made(
    tmp_path: Path, axes: str, sample: str, problem: str, line: int
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        f"archdsl: 1\nstudy: s\nspec: efficientnet_b0\nscale: {{{axes}}}\nsample: {sample}\n"
    )
    with pytest.raises(SpecError) as found:
        read_study(str(path))
    (diagnostic,) = found.value.diagnostics
    assert diagnostic.code == "E0106"
    assert diagnostic.message.startswith(problem)
    assert diagnostic.span is not None
    assert diagnostic.span.line == line
    assert diagnostic.help == "--limit candidates=N allows more"


def test_candidates_are_made_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    axes = ", ".join(f"{name}: {{range: [1, 2], count: 1000000}}" for name in "abcdef")
    path.write_text(
        f"archdsl: 1\nstudy: s\nspec: efficientnet_b0\nscale: {{{axes}}}\nsample: {{random: 3}}\n"
    )
    tracemalloc.start()
    points = list(read_study(str(path)).points())
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
    assert [sorted(point.scale) for point in points] == [[*"abcdef"]] * 3
