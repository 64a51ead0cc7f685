"""The page of figures shows what the commands under them make."""

import os
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "docs" / "figures"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = spec_from_file_location("generate_figures", FIGURES / "generate.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_figures_are_current(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    script.generate(tmp_path)
    kept = {path.name for path in FIGURES.iterdir() if path.suffix in (".svg", ".md", ".mmd")}
    assert kept - {"README.md"} == set(os.listdir(tmp_path))
    made = {path: FIGURES / path.name for path in tmp_path.iterdir()}
    stale = [old.name for new, old in made.items() if new.read_bytes() != old.read_bytes()]
    assert not stale, "run python docs/figures/generate.py"


def test_the_page_is_current(script: ModuleType) -> None:
    assert (FIGURES / "README.md").read_text(encoding="utf-8") == script.page()
