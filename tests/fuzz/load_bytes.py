"""Coverage-guided fuzzing of the loader, by bytes: `python -m tests.fuzz.load_bytes CORPUS`.

Needs atheris (`pip install atheris`); the options are libFuzzer's: `-runs=1000000`, `-timeout=2`,
`-rss_limit_mb=1000`. An empty folder CORPUS is filled with the gallery, the library and the wrong
specs of `tests/bad` to start from; what makes the loader fail is kept in CORPUS.found. Whatever the
bytes are, reading them ends in a graph that verifies, or in errors that every format can show.
"""

import os
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["archdsl", "yaml"]):
    from archdsl.diagnostics.formats import FORMATS
    from archdsl.diagnostics.sink import Sink, in_order
    from archdsl.elaborate.document import elaborate
    from archdsl.graph.verify import verify
    from archdsl.language.formatting import formatted
    from archdsl.language.loader import Loader
    from archdsl.lint.expect import expectations
    from archdsl.lint.rules import LINTS, lint
    from archdsl.yaml.limits import Limits
    from archdsl.yaml.source import decoded, parse

from archdsl.diagnostics.errors import UsageError
from archdsl.language.keys import DocumentForm
from archdsl.language.syntax import COMBINATORS, MODIFIERS
from archdsl.ops import OPS
from archdsl.yaml.mistakes import known

ROOT = Path(__file__).parent.parent.parent
LIMITS = Limits(values=20_000, items=5_000, nodes=2_000, connections=20_000)
NAME = "spec.yaml"


def one_input(raw: bytes) -> None:
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


def fill(corpus: Path) -> None:
    """Seeds, and a dictionary of the words of the language beside them."""
    corpus.mkdir(parents=True, exist_ok=True)
    if not any(corpus.iterdir()):
        for folder in ("specs", "archdsl/language/library", "tests/bad"):
            for path in sorted((ROOT / folder).rglob("*.yaml")):
                name = str(path.relative_to(ROOT)).replace(os.sep, "-")
                (corpus / name).write_bytes(path.read_bytes())
    words = {*OPS, *COMBINATORS, *MODIFIERS, *known(DocumentForm), "kernel", "out", "stride"}
    marks = [": ", "- ", "{", "}", "[", "]", ", ", "&a ", "*a", "!!str ", "| ", ">-", "$", "{i}"]
    tokens = [f'"{word}"' for word in (*sorted(words), *marks)]
    dictionary(corpus).write_text("\n".join(tokens) + "\n", encoding="utf-8")


def dictionary(corpus: Path) -> Path:
    return corpus.with_name(f"{corpus.name}.dict")


def main() -> None:
    corpus, options = Path(sys.argv[1]).resolve(), sys.argv[2:]
    fill(corpus)
    found = corpus.with_name(f"{corpus.name}.found")
    found.mkdir(exist_ok=True)
    settings = [f"-dict={dictionary(corpus)}", f"-artifact_prefix={found}/", "-max_len=6000"]
    os.chdir(tempfile.mkdtemp())  # where there are no other specs to extend
    atheris.Setup([sys.argv[0], *settings, *options, str(corpus)], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
