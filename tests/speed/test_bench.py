"""`archdsl bench` runs each engine in a process of its own and says what became of all."""

import json
from pathlib import Path

import pytest

import archdsl
from archdsl.cli import main as cli
from archdsl.speed.benchmark import WAYS, Benchmark, Timed, Worker, ways_of
from archdsl.tables.timed import text, to_json
from tests.speed.test_optimize import SMALL

MEASURED = Benchmark(
    "small", 8, 1_000_000, 1, 3, 50e9, (0.5, 0.75),
    (
        Timed("eager", WAYS["eager"], 0.0004, 0.021, 1.0, 0.8, 24_400_000),
        Timed("best", "optimized: openvino", 0.0002, 0.0, 2.004, 1.6, None),
    ),
    {"inductor": "inductor cannot run: there is no C++ compiler"},
)  # fmt: skip


def test_a_table_has_ratios_spread_share_memory_and_what_did_not_run() -> None:
    assert text([MEASURED]) == (
        "small, 8 images, 8.00 M MACs; matrices at 50 GFLOP/s, 1 thread, 3 turns, load 0.5 to 0.8\n"
        "\n"
        "                       ms  spread  ratio  of matrix rate  memory\n"
        "----------------------------------------------------------------\n"
        "eager                0.40      2%   1.00             80%   24 MB\n"
        "optimized: openvino  0.20      0%   2.00            160%\n"
        "not run: inductor: inductor cannot run: there is no C++ compiler\n"
    )
    (data,) = json.loads(to_json([MEASURED]))
    assert data["rows"][1]["ratio"] == 2.004 and data["failed"].keys() == {"inductor"}


def test_engines_are_named_or_all() -> None:
    assert ways_of(["all"]) == [*WAYS]
    assert ways_of(("eager", "best")) == ["eager", "best"]
    with pytest.raises(archdsl.UsageError, match="no engine tourch; did you mean `torch`"):
        ways_of(["tourch"])


@pytest.mark.slow
def test_the_command_measures_a_users_spec(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    call = ["bench", str(tmp_path / "small.yaml"), "--turns", "2", "--threads", "1", "--json"]
    assert cli.run([*call, "--engines", "eager", "--batch", "3"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert (one["network"], one["images"], one["threads"]) == ("small", 3, 1)
    assert one["macs"] == archdsl.analyze(archdsl.loads(SMALL)).total.macs
    (row,) = one["rows"]
    assert row["way"] == "eager" and row["ratio"] == 1.0 and 0 < row["seconds"] < 1
    assert row["share"] == pytest.approx(2 * one["macs"] * 3 / row["seconds"] / one["rate"])
    assert one["failed"] == {"torchvision": "torchvision has no network `small`"}


@pytest.mark.slow
def test_all_engines_run_beside_torchvision(capsys: pytest.CaptureFixture[str]) -> None:
    call = ["bench", "squeezenet1_1", "--turns", "2", "--threads", "1", "--json"]
    assert cli.run(call) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert [row["way"] for row in one["rows"]] == ["torchvision", *WAYS] and not one["failed"]
    assert one["rows"][-1]["title"].startswith("optimized: ")


def test_a_call_that_is_wrong_is_one_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", "resnet18", "--batch", "1,x"]) == 2
    assert "`1,x` is no list of numbers above 0" in capsys.readouterr().err
    assert cli.run(["bench", "resnet18", "--engines", "fast"]) == 2
    assert "no engine fast" in capsys.readouterr().err


def test_a_process_that_ends_says_its_last_words() -> None:
    job = {"way": "eager", "threads": 1, "images": 1, "graph": "nowhere.json", "limits": {}}
    with Worker(job) as worker:
        assert worker.failed.startswith("the process has ended that ran it: FileNotFoundError")
