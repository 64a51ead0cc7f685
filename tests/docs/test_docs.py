"""The generated pages of the documentation are what the code says today."""

import re
from pathlib import Path

import pytest

import archdsl
from archdsl.study.plan import read_study
from tests.support import page_module

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = {  # every spec that a page shows whole, but for the wrong ones of errors.md
    f"{page.name}-{number}": text
    for page in (DOCS.parent / "README.md", *sorted(DOCS.glob("*.md")))
    if page.name not in ("errors.md", "plug-ins.md")  # wrong ones; tests/plugins has the other
    for number, text in enumerate(
        re.findall(r"```yaml\n(archdsl: 1\n.*?)```", page.read_text(encoding="utf-8"), re.S)
    )
    if re.search(r"^(name|study): ", text, re.M)  # else it is a file of blocks
}

generate, importing = page_module("generate"), page_module("importing")


@pytest.mark.parametrize("page", generate.PAGES)
def test_a_generated_page_is_current(page: str) -> None:
    written = (DOCS / page).read_text(encoding="utf-8")
    assert written == generate.PAGES[page](), "run: python docs/generate.py"


@pytest.mark.parametrize("name", ["convnext_tiny", "densenet121"])
def test_an_imported_networks_row_has_the_lines_of_its_spec_today(name: str) -> None:
    row = importing.rows("torchvision")[name]
    assert importing.spec_of(name).count("\n") == int(row["lines"])


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_right_in_an_empty_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("example.yaml").write_text(EXAMPLES[name], encoding="utf-8")
    if "\nstudy:" in EXAMPLES[name]:
        read_study("example.yaml")
    else:
        archdsl.load("example.yaml")
