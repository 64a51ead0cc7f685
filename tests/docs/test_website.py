"""The site is whole, its pages show what happens, and it reads without a network."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from archdsl.language import gallery
from tests.browser import chromium
from tests.examples import some

DOCS = Path(__file__).parents[2] / "docs"


def _of_docs(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


examples, links = _of_docs("examples"), _of_docs("links")


@pytest.mark.parametrize("page", some(examples.PAGES, 3))
def test_a_page_shows_what_its_commands_print(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert "```console" in text or "```pycon" in text
    assert examples.run(text) == text, "run: python docs/examples.py"


def test_a_command_that_fails_and_python_that_gives_something_else_are_told() -> None:
    with pytest.raises(AssertionError, match="no file nothing"):
        examples.run("```console\n$ archdsl summary nothing.yaml\n```\n")
    with pytest.raises(AssertionError, match="Expected"):
        examples.run("```pycon\n>>> 1 + 1\n3\n```\n")


def test_links_that_lead_nowhere_and_scripts_from_afar_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<a href="b.html#here">.</a><a href="b.html#there">.</a><a href="c.html">.</a>'
        '<a href="https://example.com">.</a><script src="https://example.com/x.js"></script>'
        '<link rel="stylesheet" href="//example.com/x.css"><img src="b.png">'
    )
    (tmp_path / "b.html").write_text('<h1 id="here">b</h1>')
    (tmp_path / "c.css").write_text("@import url('https://example.com/font.css');")
    assert links.wrong(tmp_path) == [
        "a.html: fetches https://example.com/x.js",
        "a.html: fetches //example.com/x.css",
        "a.html: no b.png",
        "a.html: no anchor b.html#there",
        "a.html: no c.html",
        "c.css: fetches https://example.com/font.css",
    ]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built by its command; strictly, so that a broken link fails it."""
    pytest.importorskip("zensical", reason="needs the extra `site`")
    folder = tmp_path_factory.mktemp("built") / "site"
    command = [sys.executable, str(DOCS / "website.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_every_network_has_a_page_with_its_figure_source_and_spec(site: Path) -> None:
    for name in gallery.every():
        page = (site / f"networks/{name}.html").read_text(encoding="utf-8")
        assert (site / f"networks/{name}.svg").is_file(), name
        for part in ("stages", "weights", "beside-the-paper", "the-spec", "the-source"):
            assert f'id="{part}"' in page, (name, part)
        assert page.count(">forward</span>") > 0, name


@pytest.mark.slow
def test_every_page_of_docs_is_on_it(site: Path) -> None:
    for page in DOCS.glob("*.md"):
        assert (site / page.with_suffix(".html").name).is_file()


@pytest.mark.slow
def test_it_reads_from_a_folder_without_a_network_and_finds_words(site: Path) -> None:
    asked: list[str] = []
    wrong: list[str] = []
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto((site / "networks/resnet50.html").as_uri())
        page.wait_for_function("document.querySelector('img[src=\"resnet50.svg\"]').naturalWidth")
        page.keyboard.press("Control+k")
        words = page.locator("input[role=combobox]")
        words.press_sequentially("squeeze_excite", delay=50)
        page.wait_for_selector("a[href*='library.html#squeeze_excite']")
        assert words.input_value() == "squeeze_excite"
    assert not wrong and asked and all(url.startswith(("file:", "data:")) for url in asked)
