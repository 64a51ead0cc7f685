"""How long the language server needs for an answer while somebody types.

    python benchmarks/editor.py [--edits 500]

A real client sends keystrokes into ResNet-50 and Inception v3 over standard input, one character
at a time, and waits for the diagnostics of each; then it asks for hovers, completions and hints.
Prints milliseconds in Markdown: the median, and the time that 95 of 100 take at most. The pause
after which the server reads a text (`PAUSE`) is part of the first row.
"""

import argparse
import asyncio
import random
import statistics
import sys
import time
from pathlib import Path

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

from archdsl.language import gallery

NETWORKS = ("resnet50", "inception_v3")
LETTERS = "abcdefgh 123{}:[]-,"


async def measured(name: str, edits: int) -> dict[str, list[float]]:
    """Seconds by what was asked, for one network."""
    client = LanguageClient("benchmark", "1")
    published: asyncio.Queue[int | None] = asyncio.Queue()

    @client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    def told(params: lsp.PublishDiagnosticsParams) -> None:
        published.put_nowait(params.version)

    text, uri = Path(gallery.path(name)).read_text("utf-8"), f"file:///{name}.yaml"
    lines = text.split("\n")
    document = lsp.TextDocumentIdentifier(uri)
    await client.start_io(sys.executable, "-m", "archdsl", "lsp")
    await client.initialize_async(lsp.InitializeParams(lsp.ClientCapabilities()))
    client.initialized(lsp.InitializedParams())
    item = lsp.TextDocumentItem(uri, "yaml", 0, text)
    client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
    await published.get()
    draw, times = random.Random(1), {"diagnostics": [], "hover": [], "completion": [], "hints": []}
    for edit in range(edits):
        line = draw.randrange(len(lines))
        place = lsp.Position(line, draw.randrange(len(lines[line]) + 1))
        for version, put in ((2 * edit + 1, draw.choice(LETTERS)), (2 * edit + 2, "")):
            end = lsp.Position(place.line, place.character + (not put))
            change = lsp.TextDocumentContentChangePartial(lsp.Range(place, end), put)
            known = lsp.VersionedTextDocumentIdentifier(uri=uri, version=version)
            start = time.perf_counter()
            client.text_document_did_change(lsp.DidChangeTextDocumentParams(known, [change]))
            if not put:
                start = time.perf_counter()
                asked = lsp.HoverParams(document, place)
                await client.text_document_hover_async(asked)
                times["hover"].append(time.perf_counter() - start)
            else:
                start = time.perf_counter()
                await client.text_document_completion_async(lsp.CompletionParams(document, place))
                times["completion"].append(time.perf_counter() - start)
                start = time.perf_counter()
            while await published.get() != version:
                pass
            if put:
                times["diagnostics"].append(time.perf_counter() - start)
        start = time.perf_counter()
        whole = lsp.Range(lsp.Position(0, 0), lsp.Position(len(lines), 0))
        await client.text_document_inlay_hint_async(lsp.InlayHintParams(document, whole))
        times["hints"].append(time.perf_counter() - start)
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()
    return times


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--edits", type=int, default=500)
    edits = options.parse_args().edits
    print("| network | asked | p50, ms | p95, ms |\n| --- | --- | ---: | ---: |")
    for name in NETWORKS:
        for what, found in asyncio.run(measured(name, edits)).items():
            cuts = statistics.quantiles(found, n=20)
            half, most = 1000 * statistics.median(found), 1000 * cuts[-1]
            print(f"| {name} | {what} | {half:.1f} | {most:.1f} |")


if __name__ == "__main__":
    main()
