"""What goes wrong around a call: one line and the right status, and nothing half done.

Real processes, real files: killed, full, closed, locked, damaged.
"""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import archdsl
from archdsl.cli.main import run
from archdsl.diagnostics.errors import CheckpointError, SpecError, UsageError
from archdsl.figures.canvas.theme import load_theme
from archdsl.study.results import read_records
from tests.examples import pairs, some
from tests.support import graph_of

ARCHDSL = [sys.executable, "-m", "archdsl"]
TINY = "archdsl: 1\nname: tiny\ninput: [3, 8, 8]\nbackbone: [{conv: {out: 4, kernel: 3}}]\n"
STUDY = """
archdsl: 1
study: s
spec: tiny.yaml
set: {width: [2, 3, 4, 5]}
objective: {command: %s}
"""
SWEPT = TINY.replace("out: 4", "out: width") + "params: {width: 4}\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, whose processes find this checkout."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def one_line(said: str) -> bool:
    return said.startswith("error: ") and said.count("\n") == 1 and said.endswith("\n")


# weights


def module() -> torch.nn.Module:
    text = "backbone: {c: {conv: {out: 4, kernel: 3}}, n: batch_norm, d: {conv: {kernel: 1}}}"
    return archdsl.compile(graph_of(text))


KINDS: dict[str, tuple[Callable[[torch.Tensor], Any], str]] = {
    "sparse": (lambda t: t.to_sparse(), "d.weight: a sparse tensor, not floating-point numbers"),
    "complex": (lambda t: torch.complex(t, t), "d.weight: complex numbers, not floating-point"),
    "bool": (lambda t: t > 0, "d.weight: truth values, not floating-point numbers"),
    "int": (lambda t: t.long(), "d.weight: whole numbers, not floating-point numbers"),
    "quantized": (lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8), "d.weight: quanti"),
    "nested": (lambda t: torch.nested.nested_tensor([t[0], t[0, :2]]), "d.weight: a nested tensor"),
    "meta": (lambda t: t.to("meta"), "d.weight: no values, not floating-point numbers"),
    "shape": (lambda t: t[:2], "d.weight: (2, 4, 1, 1) for (4, 4, 1, 1)"),
    "huge": (lambda t: torch.zeros(1).expand(10**15), "d.weight: (1000000000000000,) for"),
    "list": (lambda t: [1.0], "`d.weight` is a list"),
    "dict": (lambda t: {"a": t}, "say `inside='d.weight'`"),
    "none": (lambda t: None, "`d.weight` is a NoneType"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")  # of torch's own, on saving what is rare
def test_weights_are_loaded_all_or_none(kind: str) -> None:
    change, said = KINDS[kind]
    target = module()
    before = {key: value.clone() for key, value in target.state_dict().items()}
    changed: dict[Any, Any] = {key: value + 1 for key, value in before.items()}
    changed["d.weight"] = change(changed["d.weight"])
    torch.save(changed, "w.pth")
    with pytest.raises(CheckpointError) as caught:
        archdsl.load_weights(target, "w.pth")
    assert said in str(caught.value)
    assert all(torch.equal(value, before[key]) for key, value in target.state_dict().items())


class Runs:
    """What runs a command when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("touch EXECUTED",)


@pytest.mark.parametrize("nested", [False, True])
def test_a_file_of_weights_that_would_run_is_refused_and_no_advice_says_how(nested: bool) -> None:
    torch.save({"d.weight": {"a": Runs()} if nested else Runs()}, "w.pth")
    Path("p.pth").write_bytes(pickle.dumps([Runs()], protocol=2))
    for path in ("w.pth", "p.pth"):
        with pytest.raises(CheckpointError, match="is not a file of weights: it is damaged, or h"):
            archdsl.load_weights(module(), path)
    assert not Path("EXECUTED").exists()


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_damaged_file_of_weights_is_refused(suffix: str) -> None:
    path = Path(f"w{suffix}")
    archdsl.save_weights(module(), path)
    data = path.read_bytes()
    for damaged in (b"", data[:1], data[:9], data[: len(data) // 2], data[:-1], b"\xff" * 99):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="is not a file of weights: ") as caught:
            archdsl.load_weights(module(), path)
        assert "weights_only" not in str(caught.value)


def test_keys_that_are_no_text_are_named() -> None:
    torch.save({1: torch.zeros(1)}, "w.pth")
    renames = graph_of("weights: {x: {keys: {a: b}}}").renames["x"]
    for given in (None, renames):
        with pytest.raises(CheckpointError, match="the key 1 is no text"):
            archdsl.load_weights(module(), "w.pth", renames=given)
    torch.save([1], "w.pth")
    with pytest.raises(CheckpointError, match="holds a list, not a state_dict"):
        archdsl.load_weights(module(), "w.pth")


def test_whole_numbers_are_for_whole_numbers() -> None:
    target = module()
    state = {k: v.double() for k, v in target.state_dict().items()}
    torch.save(state, "w.pth")
    with pytest.raises(CheckpointError, match=r"batches_tracked: floating-point numbers, not"):
        archdsl.load_weights(target, "w.pth")


def test_another_precision_and_nan_are_loaded() -> None:
    target = module()
    state = {k: v.half() if v.is_floating_point() else v.int() for k, v in
             target.state_dict().items()}  # fmt: skip
    state["d.bias"] = torch.full((4,), float("nan"), dtype=torch.float64)
    torch.save(state, "w.pth")
    archdsl.load_weights(target, "w.pth")
    assert target.state_dict()["d.bias"].isnan().all()
    assert target.state_dict()["n.num_batches_tracked"].dtype is torch.int64


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_weights_are_saved_to_a_file_or_not_at_all(here: Path, suffix: str) -> None:
    (here / f"folder{suffix}").mkdir()
    for path, said in (
        (".", "Is a directory"), (f"folder{suffix}", "Is a directory"), ("", "is empty"),
        (f"nowhere/x{suffix}", "there is no folder nowhere"), (f"a\0b{suffix}", "NUL"),
        (f"{'x' * 5000}{suffix}", "too long"), (f"/dev/null/x{suffix}", "no folder /dev/null"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=said):
            archdsl.save_weights(module(), path)
    assert [path.name for path in here.iterdir()] == [f"folder{suffix}"]


# studies


def study(command: str, more: str = "") -> None:
    Path("tiny.yaml").write_text(SWEPT)
    Path("s.yaml").write_text(STUDY % json.dumps(command) + more)


def sweep() -> subprocess.CompletedProcess[str]:
    done = [*ARCHDSL, "sweep", "s.yaml", "-o", "o.csv", "--workers", "1"]
    return subprocess.run(done, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("said", some(["NaN", "1e999", "true"], 3))
def test_an_objective_that_is_no_number_has_failed(said: str) -> None:
    study(f"echo {said}", "sample: {optuna: 2}\nminimize: objective\n")
    text = Path("s.yaml").read_text().replace("[2, 3, 4, 5]", "[2, 3]")
    Path("s.yaml").write_text(text)
    for _ in range(2):
        assert run(["sweep", "s.yaml", "-o", "o.csv", "--workers", "1"]) == 0
    records = read_records(Path("o.csv"))
    assert {record["status"] for record in records} == {"failed"} and len(records) == 2


def test_results_that_an_objective_has_spoiled_are_gone_on_with() -> None:
    study("echo 1", "sample: {optuna: 3}\nminimize: objective\n")
    assert run(["sweep", "s.yaml", "-o", "o.csv", "--workers", "1"]) == 0
    lines = Path("o.csv").read_text().splitlines()
    spoiled = [line.replace(",1.0,", ",nan,") for line in lines]
    assert spoiled != lines
    Path("o.csv").write_text("\n".join(spoiled[:3]) + "\n")
    assert run(["sweep", "s.yaml", "-o", "o.csv", "--workers", "1"]) == 0
    assert [r["status"] for r in read_records(Path("o.csv"))] == ["failed", "failed", "ok"]


def alive(word: str) -> Iterator[int]:
    """The processes whose command has a word."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word.encode() in part for part in words):
            yield int(path.parent.name)


def wait_until(holds: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes in /proc")
@pytest.mark.parametrize(
    "ending", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_nothing_outlives_a_sweep_that_is_killed(here: Path, ending: signal.Signals) -> None:
    mark = f"{os.getpid()}{time.monotonic_ns()}"
    study(f"sh -c 'sleep 300; echo {mark}'")
    out = subprocess.PIPE
    process = subprocess.Popen(
        [*ARCHDSL, "sweep", "s.yaml", "--workers", "2"], stdout=out, stderr=out
    )
    wait_until(lambda: len(list(alive(mark))) >= 2)
    family = {process.pid} | {
        int(p.name) for p in Path("/proc").glob("[0-9]*") if child_of(p, process.pid)
    }
    process.send_signal(ending)
    process.communicate()
    wait_until(lambda: not list(alive(mark)))
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family))


def child_of(process: Path, parent: int) -> bool:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1]) == parent
    except OSError:
        return False


def test_a_second_sweep_on_the_same_results_is_refused() -> None:
    mark = f"{os.getpid()}{time.monotonic_ns()}"
    study(f"sh -c 'sleep 300; echo {mark}'")
    first = subprocess.Popen(
        [*ARCHDSL, "sweep", "s.yaml", "-o", "o.csv", "--workers", "1"], stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: list(alive(mark)))
        second = sweep()
        assert second.returncode == 2
        assert second.stderr == "error: another sweep is writing to o.csv; use another --out\n"
    finally:
        first.kill()
        first.wait()
    study("echo 1")
    assert sweep().returncode == 0


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"my notes, without a line's end", "is no table of results"),
        (b"a,b,c\n1,2,3\n", "its first line names no columns of one"),
        (b"\x00\xff\xfe binary \n more\n", "is no table of results"),
        (b"key,status,other\nx,ok,1\n", "has the columns of another study"),
        (b'"key', "is no table of results"),
    ],
)
def test_a_file_that_is_no_results_of_the_study_is_left_as_it_is(
    data: bytes, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    study("echo 1")
    Path("o.csv").write_bytes(data)
    assert run(["sweep", "s.yaml", "-o", "o.csv", "--workers", "1"]) == 2
    shown = capsys.readouterr().err
    assert one_line(shown) and said in shown
    assert Path("o.csv").read_bytes() == data


def test_damaged_results_are_an_error_at_their_row(capsys: pytest.CaptureFixture[str]) -> None:
    study("echo 1")
    assert run(["sweep", "s.yaml", "-o", "o.csv", "--workers", "1"]) == 0
    good = Path("o.csv").read_text()
    row = good.splitlines()[2]
    for bad, said in (
        (good.replace(row, row[: len(row) // 2]), "row 3 has"),
        (good.replace(row, f"{row},1"), "row 3 has"),
        (good.replace(row, "\0"), "row 3 has 1 cells"),
    ):
        Path("o.csv").write_text(bad)
        capsys.readouterr()
        assert run(["sweep", "s.yaml", "-o", "o.csv", "--workers", "1"]) == 2
        assert run(["plot", "frontier", "o.csv", "-y", "objective"]) == 2
        for line in capsys.readouterr().err.splitlines():
            assert line.startswith("error: ") and said in line
        assert Path("o.csv").read_text() == bad
    Path("o.csv").write_text(good[:-5])  # what a kill leaves
    assert run(["sweep", "s.yaml", "-o", "o.csv", "--workers", "1"]) == 0
    assert len(read_records(Path("o.csv"))) == 4


def test_damaged_parquet_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    study("echo 1")
    assert run(["sweep", "s.yaml", "-o", "o.parquet", "--workers", "1"]) == 0
    part = sorted(Path("o.parquet").glob("part-*"))[0]
    part.write_bytes(part.read_bytes()[:50])
    capsys.readouterr()
    assert run(["sweep", "s.yaml", "-o", "o.parquet", "--workers", "1"]) == 2
    assert run(["plot", "frontier", "o.parquet", "-y", "objective"]) == 2
    shown = capsys.readouterr().err
    assert all("is damaged" in line for line in shown.splitlines()) and "part-" in shown


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"a": [1]}, "is no table of results"),
        ({"key": ["a"], "objective": [1]}, "is no table of results"),
        ({"key": [1], "status": ["ok"]}, "row 1 has what is no result"),
        ({"key": [b"a"], "status": ["ok"]}, "row 1 has what is no result"),
        ({"key": ["a", None], "status": ["ok", "ok"]}, "row 2 has what is no result"),
        ({"key": ["a"], "status": [["ok"]]}, "row 1 has what is no result"),
        ({"key": ["a"], "status": ["ok"], "objective": [{"a": 1}]}, "row 1 has what is no result"),
        ({"key": ["a"], "status": ["ok"], "objective": ["9" * 400]}, "no results with numbers"),
        ({"key": ["a"], "status": [None], "objective": [float("nan")]}, "no results with numbers"),
    ],
)
def test_parquet_that_is_no_study_is_left_as_it_is(
    columns: dict[str, list[Any]], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    study("echo 1")
    Path("o.parquet").mkdir()
    parquet.write_table(pyarrow.table(columns), "o.parquet/part-000001.parquet")
    assert run(["plot", "frontier", "o.parquet", "-x", "objective", "-y", "objective"]) == 2
    assert said in capsys.readouterr().err
    assert run(["sweep", "s.yaml", "-o", "o.parquet", "--workers", "1"]) == 2
    assert "no table of results" in (shown := capsys.readouterr().err) or "another study" in shown
    assert [path.name for path in Path("o.parquet").iterdir()] == ["part-000001.parquet"]


def test_results_that_are_not_there_are_not_made() -> None:
    with pytest.raises(UsageError, match="there is no such folder"):
        read_records(Path("none.parquet"))
    assert not Path("none.parquet").exists()


# the command line


COMMANDS = [
    ["summary", "tiny.yaml"], ["check", "wrong.yaml"], ["check", "wrong.yaml", "--format", "json"],
    ["show"], ["explain", "E0501"], ["--help"], ["--version"], ["draw", "--help"],
    ["diff", "tiny.yaml", "resnet18"], ["draw", "tiny.yaml", "-o", "x.svg"],
    ["draw", "tiny.yaml", "--kind", "table"], ["fmt", "--diff", "ugly.yaml"],
]  # fmt: skip


def files() -> None:
    Path("tiny.yaml").write_text(TINY)
    Path("wrong.yaml").write_text(TINY.replace("conv", "cnov"))
    Path("ugly.yaml").write_text(TINY.replace("[{", "[ {"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", some(map(" ".join, COMMANDS), 3))
def test_output_that_cannot_be_written_is_one_line_and_status_2(command: str) -> None:
    files()
    call = [*ARCHDSL, *command.split()]
    with open("/dev/full", "w") as full:
        done = subprocess.run(call, stdout=full, stderr=subprocess.PIPE, text=True)
    if done.stderr.startswith("error[") or "E0205" in done.stderr:
        assert done.returncode == 1  # `check` says what is wrong where it can
    else:
        assert (done.returncode, one_line(done.stderr)) == (2, True), done.stderr


CLOSED = (">&-", "2>&-", ">&- 2>&-", "<&-", "<&- >&- 2>&-", "2>/dev/full")


@pytest.mark.parametrize(
    ("command", "closed"), pairs(("summary tiny.yaml", "check wrong.yaml", "show"), CLOSED, 3)
)
def test_closed_streams_are_no_bug(command: str, closed: str) -> None:
    files()
    shell = ["sh", "-c", f"exec {' '.join(ARCHDSL)} {command} {closed}"]
    done = subprocess.run(shell, capture_output=True, text=True)
    assert done.returncode in (0, 1, 2) and "Traceback" not in done.stderr
    if closed == ">&-":
        assert (done.returncode, one_line(done.stderr)) == (2, True)


def test_the_standard_input_may_be_closed() -> None:
    shell = ["sh", "-c", f"exec {' '.join(ARCHDSL)} fmt - <&-"]
    done = subprocess.run(shell, capture_output=True, text=True)
    assert (done.returncode, one_line(done.stderr)) == (2, True)
    assert "there is no standard input" in done.stderr


def test_control_c_ends_the_program_at_any_time_of_its_start() -> None:
    files()
    for wait in (0.1, 0.2, 0.4, 0.8):
        process = subprocess.Popen(
            [*ARCHDSL, "sweep", "/dev/stdin"], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        said = process.communicate()[1].decode()
        ours = process.returncode == 130
        assert ours or ", in main" not in said, said  # Python begins, and has not run ours yet
        assert not ours or "Traceback" not in said


NUL = "a\0b"


@pytest.mark.parametrize(
    "command",
    [
        ["check", NUL], ["summary", NUL], ["diff", "resnet18", NUL], ["draw", NUL], ["build", NUL],
        ["fmt", NUL], ["explain", NUL], ["show", NUL], ["sweep", NUL], ["scale", NUL],
        ["plot", "memory", NUL], ["plot", "frontier", NUL, "-y", "a"],
        ["draw", "tiny.yaml", "-o", f"{NUL}.svg"], ["draw", "tiny.yaml", "--theme", NUL],
        ["draw", "tiny.yaml", "--title", NUL], ["build", "tiny.yaml", "-o", NUL],
        ["check", "tiny.yaml", "--limit", f"root={NUL}"], ["check", "tiny.yaml", "--set", NUL],
        ["plot", "memory", "tiny.yaml", "-o", f"{NUL}.svg"],
    ],
    ids=lambda words: " ".join(words).replace("\0", "NUL"),
)  # fmt: skip
def test_a_nul_character_is_no_argument(
    command: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files()
    before = sorted(here.iterdir())
    assert run(command) == 2
    assert one_line(capsys.readouterr().err)
    assert sorted(here.iterdir()) == before


def test_a_nul_character_is_no_path_in_python(here: Path) -> None:
    graph = archdsl.loads(TINY)
    for call in (
        lambda: archdsl.load(NUL),
        lambda: archdsl.draw(graph).save(f"{NUL}.svg"),
        lambda: archdsl.draw(graph, theme=f"{NUL}.yaml"),
        lambda: archdsl.load_weights(module(), NUL),
        lambda: archdsl.load("resnet18", limits={"root": NUL}),
    ):
        with pytest.raises(UsageError):
            call()
    for word in ("extends", "import"):
        Path("f.yaml").write_text(f'{TINY}{word}: "\\0"\n')
        with pytest.raises(SpecError) as caught:
            archdsl.load("f.yaml")
        assert caught.value.diagnostics[0].code == "E0210"


@pytest.mark.parametrize(
    "option",
    [
        ["check", "tiny.yaml", "--limit", "nodes={}"],
        ["scale", "efficientnet_b0", "--phi", "{}"],
        ["scale", "efficientnet_b0", "--phi", "{}..3"],
        ["scale", "efficientnet_b0", "--search", "2x macs", "--grid", "1,2,{}"],
        ["scale", "efficientnet_b0", "--search", "2x macs", "--grid", "{},2,1"],
        ["scale", "efficientnet_b0", "--budget", "macs={}"],
        ["scale", "efficientnet_b0", "--search", "{}x macs"],
        ["draw", "tiny.yaml", "--width", "{}"],
        ["draw", "tiny.yaml", "--dpi", "{}"],
        ["summary", "tiny.yaml", "--depth", "{}"],
        ["summary", "tiny.yaml", "--device", "flops={},bandwidth=900G"],
        ["sweep", "s.yaml", "--workers", "{}"],
    ],
    ids=" ".join,
)
def test_what_is_no_number_is_refused(
    option: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study("echo 1")
    for number in ("nan", "inf", "-inf", "1e999", "", "9" * 5000):
        assert run([word.format(number) for word in option]) == 2, number
        assert "Traceback" not in capsys.readouterr().err
    assert {path.name for path in here.iterdir()} == {"tiny.yaml", "s.yaml"}


# themes


def test_a_theme_extends_what_lies_in_its_folder_or_below(here: Path) -> None:
    inner, outer = here / "home" / "inner", here / "outer"
    inner.mkdir(parents=True)
    outer.mkdir()
    (inner / "base.yaml").write_text("extends: paper\n")
    (outer / "secret.yaml").write_text("extends: paper\n")
    (here / "home" / "link.yaml").symlink_to(outer / "secret.yaml")
    theme = here / "home" / "theme.yaml"
    for name in ("inner/base.yaml", "paper"):
        theme.write_text(f"extends: {name}\n")
        load_theme.cache_clear()
        assert load_theme(theme) == load_theme("paper")
    for name in ("../outer/secret.yaml", f"{outer}/secret.yaml", "link.yaml", "inner/../../outer/"
                 "secret.yaml"):  # fmt: skip
        theme.write_text(f"extends: {name}\n")
        load_theme.cache_clear()
        with pytest.raises(SpecError, match="lies outside"):
            load_theme(theme)
    for n in range(30):
        (here / "home" / f"t{n}.yaml").write_text(f"extends: t{n + 1}.yaml\n")
    with pytest.raises(SpecError, match="more than 8 themes extend one another"):
        load_theme(here / "home" / "t0.yaml")
