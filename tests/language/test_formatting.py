"""`archdsl fmt`: one layout, which keeps what a spec says and every comment in it."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from archdsl import load
from archdsl.cli.fmt import _differences
from archdsl.cli.main import run
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.sink import Sink
from archdsl.language.formatting import formatted
from archdsl.language.gallery import find, names
from archdsl.language.loader import LIBRARY
from archdsl.yaml.source import parse
from tests.hostile.test_hostile import EVERYTHING
from tests.steps import LINEAR, growth
from tests.support import whole

FILES = [Path(find(name)) for name in names()] + sorted(LIBRARY.glob("*.yaml"))


def layout(text: str) -> str:
    """The text laid out, which has to be the layout of itself."""
    source = parse(text, "spec.yaml", Sink())
    assert source is not None
    result = formatted(source)
    again = parse(result, "spec.yaml", Sink())
    assert again is not None and again.data == source.data
    assert formatted(again) == result
    return result


def check(before: str, after: str) -> None:
    assert layout(dedent(before).lstrip("\n")) == dedent(after).lstrip("\n")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_gallery_and_the_library_are_laid_out(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert layout(text) == text


@pytest.mark.parametrize("name", ["deeplabv3_resnet50", "mobilenet_v3_small", "swin_t", "unet"])
def test_any_writing_of_a_spec_says_the_same_laid_out(name: str) -> None:
    data = yaml.load(Path(find(name)).read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    for style in (None, False, True):
        text = yaml.dump(data, default_flow_style=style, sort_keys=False, width=40)
        layout(text)


def test_what_is_laid_out_loads_to_the_same_graph(tmp_path: Path) -> None:
    text = Path(find("googlenet")).read_text(encoding="utf-8")
    wild = text.replace(", ", " ,   ").replace("\n\n", "\n\n\n\n").replace("  - ", "  -   ")
    (tmp_path / "wild.yaml").write_text(wild, encoding="utf-8")
    assert run(["fmt", str(tmp_path / "wild.yaml")]) == 0
    assert load(tmp_path / "wild.yaml").to_json().count("\n") == load("googlenet").to_json().count(
        "\n"
    )
    assert load(tmp_path / "wild.yaml").nodes[40].op == load("googlenet").nodes[40].op


def test_indents_spaces_and_blank_lines() -> None:
    check(
        """
        # about all


        ---
        archdsl:   1
        input: [ 3,8 ,  8 ]
        backbone:
        - relu   # one
        -    conv: {  out: 3,kernel: 3}


        # about the rest

        - - tanh
          -   - sigmoid
        """,
        """
        # about all

        archdsl: 1
        input: [3, 8, 8]
        backbone:
          - relu # one
          - conv: {out: 3, kernel: 3}

          # about the rest

          - - tanh
            - - sigmoid
        """,
    )


def test_brackets_over_several_lines_become_blocks() -> None:
    check(
        """
        params: {a: 1,
          b: [1, [2, 3]], c: [1,
            2]}
        """,
        """
        params:
          a: 1
          b: [1, [2, 3]]
          c:
            - 1
            - 2
        """,
    )


def test_tables_have_columns() -> None:
    check(
        """
        for:
          columns: [a, b, c, d]
          rows:
            - [1, relu, 64, "x, y"]     # first
            - [20, leaky_relu, 8, 'z']
            # between
            - [3, 7, [1, 2], "it's"]
        """,
        """
        for:
          columns: [a, b, c, d]
          rows:
            - [ 1, relu,       64,     "x, y"] # first
            - [20, leaky_relu, 8,      "z"]
            # between
            - [ 3, 7,          [1, 2], "it's"]
        """,
    )


def test_scalars_are_written_as_they_were() -> None:
    text = 'a: [1e-3, 0x1F, +1.20, 25_557_032, 2020-1-1, 1:20, yes, 007, ~, \'a"b\', "\\t"]\n'
    assert layout(text) == text.replace("~", "null")


def test_texts_of_several_lines_are_left_alone() -> None:
    text = "doc: |\n  one\n\n\n  # no comment\n    two\nname: >-\n  a\n  b\n\n\n  c\n"
    assert layout(text) == text


def test_a_comment_that_would_get_lost_is_refused() -> None:
    with pytest.raises(UsageError, match=r"spec.yaml:2: cannot keep the comment `# two`"):
        layout("a: [1,\n  2, # two\n  3]\n")
    with pytest.raises(UsageError, match=r"spec.yaml:3: cannot keep the comment `# end`"):
        layout("a: 1\n...\n# end\n")


@given(st.lists(st.sampled_from(["", "", "\n", "# a\n", "  # b\n", "       # c\n\n\n"])))
@settings(max_examples=40)
def test_comments_and_blank_lines_anywhere_are_kept(between: list[str]) -> None:
    lines = EVERYTHING.lstrip().splitlines(True)
    between += [""] * (len(lines) - len(between))
    text = "".join(line + more for line, more in zip(lines, between, strict=False))
    result = layout(text)
    for comment in ("# a", "# b", "# c"):
        assert result.count(comment) == text.count(comment)
    assert "\n\n\n" not in result


@given(st.lists(st.booleans(), min_size=10, max_size=10))
@settings(max_examples=40)
def test_what_stands_apart_stays_apart(blank: list[bool]) -> None:
    """Behind lists in lists and brackets, too, where the library loses blank lines."""
    text = """
a:
  b:
    - - c: {d: 1, e: 2}
      - [1, 2]
f: [1, 2]
g: |
  text
h:
  - {i: 1}
  - - j
k: l
"""
    lines = text.lstrip().splitlines(True)
    gaps = [2, 3, 4, 5, 7, 8, 9, 10]  # lines of which the one before may be blank
    gaps = [n for n, wanted in zip(gaps, blank, strict=False) if wanted]
    written = "".join("\n" * (n in gaps) + line for n, line in enumerate(lines))
    assert layout(written) == written


# the command

WILD, CALM = "a:   1\n", "a: 1\n"


def fmt(*arguments: str, folder: Path, given: bytes = b"") -> Any:
    """The command in a folder of its own: exit status, output and errors."""
    root = str(Path(__file__).parents[2])
    return subprocess.run(
        [sys.executable, "-m", "archdsl", "fmt", *arguments],
        cwd=folder,
        input=given,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": root},
    )


def test_files_are_changed_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    wild, calm = tmp_path / "wild.yaml", tmp_path / "calm.yaml"
    wild.write_text(WILD)
    wild.chmod(0o640)
    calm.write_text(CALM)
    Path("link.yaml").symlink_to("wild.yaml")
    for arguments, status, out in (
        (["--check"], 1, "would change wild.yaml\n"),
        (["--diff"], 1, "--- wild.yaml\n+++ wild.yaml\n@@ -1 +1 @@\n-a:   1\n+a: 1\n"),
    ):
        assert run(["fmt", *arguments, "wild.yaml", "calm.yaml"]) == status
        assert (capsys.readouterr().out, wild.read_text()) == (out, WILD)
    assert run(["fmt", "link.yaml", "calm.yaml"]) == 0
    assert (capsys.readouterr().out, wild.read_text()) == ("changed link.yaml\n", CALM)
    assert Path("link.yaml").is_symlink() and wild.stat().st_mode & 0o777 == 0o640
    assert run(["fmt", "--check", "--diff", "wild.yaml"]) == 0
    assert capsys.readouterr().out == ""
    assert sorted(os.listdir()) == ["calm.yaml", "link.yaml", "wild.yaml"]


def test_standard_input_goes_to_standard_output(tmp_path: Path) -> None:
    done = fmt("-", folder=tmp_path, given=b"\xef\xbb\xbfa:   1\r\nb: [ 2 ]\r\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"a: 1\nb: [2]\n", b"")
    done = fmt("-", folder=tmp_path, given=b"a: \xff")
    assert (done.returncode, done.stdout) == (1, b"") and b"E0102" in done.stderr


def test_what_cannot_be_read_is_reported_as_by_check_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("calm.yaml").write_text(WILD)
    for text in ("a: [1\n", "neck: [*x]\n", "input: [3, abs(8, 8]", "name: again\n", "\0"):
        text = whole("") + text
        Path("bad.yaml").write_text(text)
        assert run(["check", "bad.yaml"]) == 1
        report = capsys.readouterr().out
        Path("calm.yaml").write_text(WILD)
        assert run(["fmt", "bad.yaml", "calm.yaml"]) == 1
        assert capsys.readouterr().err.splitlines()[:5] == report.splitlines()[:5]
        assert Path("bad.yaml").read_text() == text
        assert Path("calm.yaml").read_text() == CALM
    assert run(["fmt", "nothing.yaml", "bad.yaml"]) == 2


def test_the_hooks_run_commands_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(__file__).parents[2]
    hooks = yaml.safe_load((root / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)
    for hook in hooks:
        program, *arguments = hook["entry"].split()
        assert program == "archdsl" and hook["language"] == "python"
        Path("a.yaml").write_text(whole(""))
        Path("b.yaml").write_text("archdsl: 1\nbackbone: [rleu]\nname: [\n")
        assert run([*arguments, "a.yaml"]) == 0
        assert run([*arguments, "a.yaml", "b.yaml"]) == 1


def test_what_the_library_stumbles_over_is_refused() -> None:
    source = parse("a:  # one\n  b:relu\n\nc: 1\n", "n.yaml", Sink())
    assert source is not None
    with pytest.raises(UsageError, match=r"cannot lay out n\.yaml"):
        formatted(source)


MANY = {
    "comments": lambda n: "#\n" * n,
    "blank lines": lambda n: "\n" * n,
    "comments behind items": lambda n: "".join(f"  - relu # {i}\n" for i in range(n)),
    "comments between items": lambda n: "  - relu\n# a\n" * n,
    "brackets over lines": lambda n: "  - {relu: {},\n     tap: t}\n" * n,
    "tables": lambda n: "  - for:\n      columns: [a]\n      rows:\n" + "        - [1]\n" * n,
}


@pytest.mark.parametrize("what", MANY)
def test_the_work_grows_with_the_file(what: str) -> None:
    def lay_out(n: int) -> None:
        source = parse(f"backbone:\n  - relu\n{MANY[what](n)}", "n.yaml", Sink())
        assert source is not None
        formatted(source)

    assert growth(lay_out, 200) < LINEAR


def test_what_takes_the_library_long_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "n.yaml"
    path.write_text("archdsl: 1\nbackbone: [relu, relu, relu]\n")
    assert run(["fmt", "--limit", "layout=7", str(path)]) == 1
    assert "E0106" in (said := capsys.readouterr().err)
    assert "more than 7 keys and values to lay out" in said
    assert run(["fmt", "--limit", "layout=8", str(path)]) == 0


FEW = st.lists(st.sampled_from("ab#"), max_size=3)  # which are all shown


@given(FEW, FEW)
def test_a_difference_has_all_lines_that_were_and_all_that_are(
    before: list[str], after: list[str]
) -> None:
    old, new = [f"{line}\n" for line in before], [f"{line}\n" for line in after]
    shown = list(_differences("n.yaml", old, new))
    assert bool(shown) == (old != new)
    gone = "".join(line for line in shown[2:] if line[0] in " -")
    came = "".join(line for line in shown[2:] if line[0] in " +")
    assert [line[1:] for line in gone.splitlines()] == before * bool(shown)
    assert [line[1:] for line in came.splitlines()] == after * bool(shown)


def test_the_work_of_a_difference_grows_with_the_lines() -> None:
    def show(n: int) -> None:
        list(_differences("n.yaml", ["#a\n", "#b\n"] * n, ["#b\n", "#c\n", "#a\n"] * n))

    assert growth(show, 500) < LINEAR
