"""Every code is explained by a spec that gives it, and by one that is right."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from archdsl.api.reading import read
from archdsl.cli.main import cli, run
from archdsl.diagnostics.codes import CODES
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.explanations import examples, explain
from archdsl.lint.rules import DEFAULT, LINTS


def codes(text: str, encoding: str, code: str, place: Path) -> set[str]:
    """What is said of an example that stands in a folder."""
    spec = place / "example.yaml"
    spec.write_bytes(text.encode(encoding))
    lints = LINTS.keys() if code.startswith("W") else DEFAULT
    return {diagnostic.code for diagnostic in read(spec, lints=lints).diagnostics}


@pytest.mark.parametrize("code", CODES)
def test_the_wrong_example_gives_the_code_and_the_right_one_nothing(
    code: str, tmp_path: Path
) -> None:
    wrong, right = examples(code)
    assert codes(*wrong, code, tmp_path) == {code}
    assert codes(*right, code, tmp_path) == set()


def test_every_page_is_that_of_a_code() -> None:
    pages = Path(explain.__globals__["__file__"]).parent.glob("*.md")
    assert {page.stem for page in pages} == set(CODES)


def test_a_page_has_the_code_its_cause_and_both_examples() -> None:
    result = CliRunner().invoke(cli, ["explain", "e0304"])
    assert result.output == explain("E0304")
    assert result.output.startswith("# E0304: not a whole number\n\nSizes, counts and channels")
    assert result.output.count("```yaml") == 2


def test_an_unknown_code_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "E304"]) == 2
    assert capsys.readouterr().err == (
        "error: no diagnostic has the code E304; did you mean E0304?\n"
    )
    with pytest.raises(UsageError, match=r"docs/errors\.md has them all"):
        explain("nonsense")
