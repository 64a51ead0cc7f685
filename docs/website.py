"""Builds the site: `python docs/website.py [FOLDER]`, `out/site` without one.

The pages are those of `docs/`, the README and what is written here: a page for every network of the
gallery, the commands' own help, the docstrings. What pages show is run first (`docs/examples.py`).
Zensical builds it, strictly; then every link and address of the result is looked up.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import click

import archdsl
from archdsl.cli.main import cli
from archdsl.language import gallery

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path.append(str(DOCS))
import links  # noqa: E402
import network_pages  # noqa: E402

import examples  # noqa: E402 - which stand beside this file

OTHERS = {  # pages from outside of docs/
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
    "SECURITY.md": "security.md",
}
LANGUAGES = {".py": "python", ".yaml": "yaml", ".md": "markdown", ".toml": "toml"}


def build(folder: Path) -> None:
    """Builds the whole site into a folder, which is written anew.

    Raises SystemExit with what is wrong: an example, a link, something that is fetched from afar.
    """
    with TemporaryDirectory() as place:
        stage = Path(place)
        shutil.copy(DOCS / "zensical.toml", stage)
        pages(stage / "pages")
        done = subprocess.run(
            [sys.executable, "-m", "zensical", "build", "--strict"], cwd=stage, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if done.returncode:
            sys.exit(done.stdout)
        wrong = links.wrong(stage / "site")
        if wrong:
            sys.exit("\n".join(wrong))
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(stage / "site", folder)


def pages(folder: Path) -> None:
    """Writes all that the site is made of."""
    shutil.copytree(DOCS, folder, ignore=shutil.ignore_patterns("*.py", "*.txt", "*.toml", "_*"))
    for name in examples.PAGES:
        text = (DOCS / name).read_text(encoding="utf-8")
        if examples.run(text) != text:
            sys.exit(f"{name} shows what is so no more; run: python docs/examples.py")
    for name, page in OTHERS.items():
        shutil.copy(ROOT / name, folder / page)
    for page in folder.rglob("*.md"):
        source = DOCS / page.relative_to(folder)
        origin = next((name for name, to in OTHERS.items() if folder / to == page), "")
        text = page.read_text(encoding="utf-8")
        page.write_text(_linked(text, ROOT / origin if origin else source, page, folder), "utf-8")
    (folder / "commands.md").write_text("\n".join(_commands()), encoding="utf-8")
    (folder / "python.md").write_text("\n".join(_api()), encoding="utf-8")
    networks = folder / "networks"
    networks.mkdir()
    with ProcessPoolExecutor() as pool:
        list(pool.map(network_pages.write, gallery.every(), [networks] * len(gallery.every())))


def _linked(text: str, source: Path, page: Path, folder: Path) -> str:
    """A page's text with its links as they are on the site."""

    def link(match: re.Match[str]) -> str:
        way, hash, anchor = match[1].partition("#")
        if not way or re.match(r"\w+:", way):
            return match[0]
        there = _there((source.parent / way).resolve(), folder)
        up = "../" * len(page.parent.relative_to(folder).parts)
        return f"]({up}{there}{hash}{anchor})"

    return re.sub(r"\]\(([^)\s]+)\)", link, text)


def _there(target: Path, folder: Path) -> str:
    """Where a file of the repository is on the site; source is shown as a page of its own."""
    inside = target.relative_to(ROOT).as_posix()
    if inside in OTHERS:
        return OTHERS[inside]
    if target.suffix == ".yaml" and inside.startswith("specs/"):
        return f"networks/{target.stem}.md"
    if target.is_relative_to(DOCS):
        return target.relative_to(DOCS).as_posix()
    if inside == "specs":
        return "gallery.md"
    made = folder / f"code/{inside}.md"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text("\n".join(_shown(target, inside, folder)), encoding="utf-8")
    return f"code/{inside}.md"


def _shown(target: Path, inside: str, folder: Path) -> Iterator[str]:
    """A page of a file of the repository, or of a folder with links to its files."""
    yield f"# {inside}\n"
    if target.is_dir():
        for file in sorted(path for path in target.iterdir() if path.is_file()):
            up = "../" * (1 + inside.count("/"))
            yield f"* [{file.name}]({up}{_there(file, folder)})"
    else:
        word = LANGUAGES.get(target.suffix, "text")
        yield f"````{word}\n{target.read_text(encoding='utf-8')}````\n"


def _commands() -> Iterator[str]:
    """The help of every command."""
    yield "# Commands\n\nWhat `--help` of each says."
    yield "[The command line](command-line.md) has more.\n"
    outer = click.Context(cli, info_name="archdsl")
    for name in cli.list_commands(outer):
        command = cli.get_command(outer, name)
        assert command is not None
        context = click.Context(command, outer, name, terminal_width=90, max_content_width=90)
        yield f"## archdsl {name}\n\n```text\n{command.get_help(context)}\n```\n"


def _api() -> Iterator[str]:
    """The Python API: what the package gives, from its docstrings."""
    yield "# Python\n\nAll that `import archdsl` gives.\n"
    kinds: dict[str, list[str]] = {"Functions": [], "Classes": [], "Errors": []}
    for name in archdsl.__all__:
        thing = getattr(archdsl, name)
        if isinstance(thing, str):
            continue
        is_error = isinstance(thing, type) and issubclass(thing, Exception)
        kind = "Errors" if is_error else "Classes" if isinstance(thing, type) else "Functions"
        kinds[kind].append(f"{thing.__module__}.{name}")
    for kind, found in kinds.items():
        yield f"## {kind}\n"
        yield from (f"::: {path}\n" for path in found)


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "out/site")
    build(folder)
    print(f"{folder}/index.html: {len(list(folder.rglob('*.html')))} pages")


if __name__ == "__main__":
    main()
