"""Coverage-guided fuzzing of readers, by bytes: `python -m tests.fuzz.load_bytes spec CORPUS`.

The readers are those of `spec`, `study`, `theme` and `graph` (JSON). Needs atheris (`pip install
atheris`); the options are libFuzzer's: `-runs=1000000`, `-timeout=2`, `-rss_limit_mb=1000`. An
empty folder CORPUS is filled with files to start from: for specs the gallery, the library and the
wrong specs of `tests/bad`. What makes a reader fail is kept in CORPUS.found. Whatever the bytes
are, reading them ends in what was promised, or in errors that can be shown.
"""

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["archdsl", "yaml"]):
    import archdsl
    from archdsl.diagnostics.formats import FORMATS
    from archdsl.diagnostics.sink import Sink, in_order
    from archdsl.elaborate.document import elaborate
    from archdsl.figures.canvas.theme import THEMES, load_theme
    from archdsl.graph.verify import verify
    from archdsl.language.formatting import formatted
    from archdsl.language.loader import Loader
    from archdsl.lint.expect import expectations
    from archdsl.lint.rules import LINTS, lint
    from archdsl.study.plan import read_study
    from archdsl.yaml.limits import Limits
    from archdsl.yaml.source import decoded, parse

from archdsl.diagnostics.errors import SpecError, UsageError
from archdsl.language.keys import DocumentForm
from archdsl.language.syntax import COMBINATORS, MODIFIERS
from archdsl.ops import OPS
from archdsl.yaml.mistakes import known

ROOT = Path(__file__).parent.parent.parent
LIMITS = Limits(values=20_000, items=5_000, nodes=2_000, connections=20_000)
NAME = "spec.yaml"


def read_spec(raw: bytes) -> None:
    """Reads, elaborates, checks, shows and lays out what the bytes are."""
    sink = Sink()
    text = decoded(raw, NAME, LIMITS, sink)
    loader = Loader(sink, LIMITS)
    document = loader.loads(text, NAME) if text is not None else None
    graph = elaborate(document, sink, LIMITS) if document is not None else None
    assert (graph is None) == sink.failed
    if document is not None and graph is not None:
        verify(graph)
        expectations(document, graph, sink)
        lint(document, graph, LINTS, sink)
    for show in FORMATS.values():
        show(in_order(sink.diagnostics), loader.sources, True)
    if text is not None:
        lay_out(text)


def lay_out(text: str) -> None:
    """The layout of a text that can be read says the same, or is refused."""
    sink = Sink()
    source = parse(text, NAME, sink, LIMITS)
    if source is None or sink.failed:
        return
    try:
        result = formatted(source)
    except UsageError:
        return
    again = parse(result, NAME, Sink(), LIMITS)
    assert again is not None and again.data == source.data and formatted(again) == result


def read_graph(raw: bytes) -> None:
    """A graph that verifies and is written as it was read, or a ValueError."""
    try:
        graph = archdsl.Graph.from_json(raw.decode("utf-8", "replace"))
    except ValueError as error:
        assert str(error)
        return
    verify(graph)
    assert archdsl.Graph.from_json(graph.to_json()) == graph


def from_file(read: Callable[[str], object], name: str) -> Callable[[bytes], None]:
    """A reader of files that refuses what is wrong by one of our errors."""

    def one(raw: bytes) -> None:
        Path(name).write_bytes(raw)
        try:
            read(name)
        except (UsageError, SpecError) as error:
            assert str(error)

    return one


READERS: dict[str, Callable[[bytes], None]] = {
    "spec": read_spec,
    "study": from_file(read_study, "study.yaml"),
    "theme": from_file(getattr(load_theme, "__wrapped__", load_theme), "theme.yaml"),
    "graph": read_graph,
}


def seeds(reader: str) -> Iterator[tuple[str, str]]:
    """Names and texts to start from."""
    if reader == "spec":
        for folder in ("specs", "archdsl/language/library", "tests/bad"):
            for path in sorted((ROOT / folder).rglob("*.yaml")):
                name = str(path.relative_to(ROOT)).replace(os.sep, "-")
                yield name, path.read_bytes().decode("utf-8", "replace")
    elif reader == "theme":
        yield from ((path.name, path.read_text("utf-8")) for path in sorted(THEMES.glob("*.yaml")))
    elif reader == "study":
        page = (ROOT / "docs" / "studies.md").read_text("utf-8")
        for number, text in enumerate(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)):
            yield f"{number}.yaml", text
    else:
        for number, text in enumerate(SMALL):
            yield f"{number}.json", archdsl.loads(f"archdsl: 1\nname: n\n{text}").to_json()


SMALL = (
    "input: [3, 8, 8]\nbackbone: [{conv: {out: 4, kernel: 3}, tap: c1}, batch_norm, relu]\n",
    "input: [4, 8]\nbackbone: {a: {conv: {kernel: 1}}, b: {add: {}, from: [a, input]}}\n",
    "input: [4, 8, 8]\nbackbone: [{basic: {width: 8, stride: 2}}, tokens]\n",
)


def fill(corpus: Path, reader: str) -> None:
    """Seeds, and a dictionary of the words of the language beside them."""
    corpus.mkdir(parents=True, exist_ok=True)
    if not any(corpus.iterdir()):
        for name, text in seeds(reader):
            (corpus / name).write_text(text, encoding="utf-8")
    words = {*OPS, *COMBINATORS, *MODIFIERS, *known(DocumentForm), "kernel", "out", "stride"}
    marks = [": ", "- ", "{", "}", "[", "]", ", ", "&a ", "*a", "!!str ", "| ", ">-", "$", "{i}"]
    tokens = [f'"{word}"' for word in (*sorted(words), *marks)]
    dictionary(corpus).write_text("\n".join(tokens) + "\n", encoding="utf-8")


def dictionary(corpus: Path) -> Path:
    return corpus.with_name(f"{corpus.name}.dict")


def main() -> None:
    reader, corpus, options = sys.argv[1], Path(sys.argv[2]).resolve(), sys.argv[3:]
    fill(corpus, reader)
    found = corpus.with_name(f"{corpus.name}.found")
    found.mkdir(exist_ok=True)
    settings = [f"-dict={dictionary(corpus)}", f"-artifact_prefix={found}/", "-max_len=6000"]
    os.chdir(tempfile.mkdtemp())  # where there are no other specs to extend
    atheris.Setup([sys.argv[0], *settings, *options, str(corpus)], READERS[reader])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
