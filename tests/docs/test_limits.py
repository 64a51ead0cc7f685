"""Every limit that an error names stands on the page on safety."""

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import archdsl
from archdsl.yaml.limits import Limits

PACKAGE = Path(archdsl.__file__).parent
PAGE = (Path(__file__).parents[2] / "docs" / "safety.md").read_text(encoding="utf-8")
SAID = re.compile(r"(more than|at most|takes longer than|deeper than) $")


def named() -> Iterator[tuple[str, str]]:
    """The constants that messages name as the most of something, with their modules."""
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join((archdsl.__name__, *path.relative_to(PACKAGE).with_suffix("").parts))
        for text in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(text, ast.JoinedStr):
                continue
            for before, value in zip(text.values, text.values[1:], strict=False):
                if (
                    isinstance(before, ast.Constant)
                    and SAID.search(str(before.value))
                    and isinstance(value, ast.FormattedValue)
                    and isinstance(value.value, ast.Name)
                    and value.value.id.isupper()
                ):
                    yield module, value.value.id


def test_every_limit_that_a_message_names_is_on_the_page() -> None:
    found = {*named()}
    assert {name for _, name in found} >= {"MOST", "MOST_VALUES", "DIGITS", "MAX_DEPTH"}
    for module, name in found:
        value = int(getattr(importlib.import_module(module), name))
        assert f"| {value:,} |" in PAGE, f"{module}.{name}"


def test_every_limit_of_an_option_is_on_the_page() -> None:
    for limit in fields(Limits):
        assert limit.name == "root" or f"| `{limit.name}` | {limit.default:,} |" in PAGE
