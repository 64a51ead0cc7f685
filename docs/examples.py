"""Runs what pages show: `python docs/examples.py` writes what the commands print today.

In order: a block with a title is written to the file of that name, a `console` block is run in a
shell, a `pycon` block as a doctest. A test and the build of the site hold the pages to it.
"""

import contextlib
import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

DOCS = Path(__file__).parent
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
PAGES = ("start.md", "how-it-works.md", "from-ultralytics.md", "from-timm.md", "from-keras.md",
         "from-plotneuralnet.md")  # fmt: skip


def run(text: str) -> str:
    """The text of a page with what its commands print now.

    Raises AssertionError for a command that fails, or Python that gives something else.
    """
    with TemporaryDirectory() as place, _in(Path(place)) as environment:
        names: dict[str, Any] = {}
        return BLOCK.sub(lambda block: _block(block, environment, names), text)


def _block(block: re.Match[str], environment: dict[str, str], names: dict[str, Any]) -> str:
    language, title, body = block.groups()
    if title is not None:
        Path(title).write_text(body, encoding="utf-8")
    elif language == "console":
        commands = [part.partition("\n")[0] for part in re.split(r"^\$ ", body, flags=re.M)[1:]]
        body = "".join(f"$ {command}\n{_printed(command, environment)}" for command in commands)
    elif language == "pycon":
        _doctest(body, names)
    head, _, _ = block[0].partition("\n")
    return f"{head}\n{body}```"


def _printed(command: str, environment: dict[str, str]) -> str:
    """What a command says; a check of a wrong spec may end with 1, for that is what is shown."""
    out = subprocess.PIPE
    done = subprocess.run(
        command, shell=True, stdout=out, stderr=subprocess.STDOUT, text=True, env=environment
    )
    allowed = (0, 1) if command.startswith("archdsl check") else (0,)
    assert done.returncode in allowed, f"{command}: {done.stdout}"
    return done.stdout


def _doctest(body: str, names: dict[str, Any]) -> None:
    wrong: list[str] = []
    examples = doctest.DocTestParser().get_doctest(body, names, "page", None, 0)
    examples.globs = names  # which the next block goes on with
    doctest.DocTestRunner(verbose=False).run(examples, out=wrong.append, clear_globs=False)
    assert not wrong, "".join(wrong)


@contextlib.contextmanager
def _in(folder: Path) -> Iterator[dict[str, str]]:
    """In a folder, with the `archdsl` of this Python on the way."""
    program = folder / ".bin" / "archdsl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m archdsl "$@"\n')
    program.chmod(0o755)
    ways = {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    with contextlib.chdir(folder):
        yield {**os.environ, **ways, "PYTHONPATH": str(DOCS.parent), "COLUMNS": "100"}


def main() -> None:
    for name in PAGES:
        page = DOCS / name
        page.write_text(run(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
