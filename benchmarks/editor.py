"""How long the language server needs for an answer while somebody types.

    python benchmarks/editor.py [--edits 500]

A real client sends keystrokes into ResNet-50 and Inception v3 over standard input, one character
at a time, and waits for the diagnostics of each; then it asks for hovers, completions and hints.
A hover comes right after its keystroke, so that the text is read for it. Each is measured in
milliseconds, as the client waits (with the pause before a text is read, `PAUSE`) and, on Linux, in
processor time of the server, which other work on the machine does not change: the median, and what
95 of 100 take at most. Writes `docs/editor.json`, from which `docs/editors.md` is made.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

from archdsl.language import gallery

NETWORKS = ("resnet50", "inception_v3")
LETTERS = "abcdefgh 123{}:[]-,"
DATA = Path(__file__).parents[1] / "docs" / "editor.json"


class Typist:
    """A client with one text open, which notes how long each answer takes."""

    def __init__(self, name: str) -> None:
        self.client = LanguageClient("benchmark", "1")
        self.text, self.uri = Path(gallery.path(name)).read_text("utf-8"), f"file:///{name}.yaml"
        self.document = lsp.TextDocumentIdentifier(self.uri)
        self.version = 0
        self.published: asyncio.Queue[int | None] = asyncio.Queue()
        self.waited: dict[str, list[float]] = defaultdict(list)
        self.worked: dict[str, list[float]] = defaultdict(list)

        @self.client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def told(params: lsp.PublishDiagnosticsParams) -> None:
            self.published.put_nowait(params.version)

    async def begin(self) -> None:
        await self.client.start_io(sys.executable, "-m", "archdsl", "lsp")
        await self.client.initialize_async(lsp.InitializeParams(lsp.ClientCapabilities()))
        self.client.initialized(lsp.InitializedParams())
        item = lsp.TextDocumentItem(self.uri, "yaml", 0, self.text)
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
        await self.published.get()

    async def end(self) -> None:
        await self.client.shutdown_async(None)
        self.client.exit(None)
        await self.client.stop()

    async def type(self, place: lsp.Position, put: str) -> None:
        """Puts a character at a place; with none it takes the one behind it."""
        self.version += 1
        end = lsp.Position(place.line, place.character + (not put))
        change = lsp.TextDocumentContentChangePartial(lsp.Range(place, end), put)
        known = lsp.VersionedTextDocumentIdentifier(uri=self.uri, version=self.version)
        self.client.text_document_did_change(lsp.DidChangeTextDocumentParams(known, [change]))

    async def newest(self) -> None:
        """Waits for the diagnostics of the newest version."""
        while await self.published.get() != self.version:
            pass

    async def note(self, what: str, *steps: Coroutine[Any, Any, Any]) -> None:
        """Takes steps, none of which has begun, and notes how long they took together."""
        worked, start = self.processor(), time.perf_counter()
        for step in steps:
            await step
        self.waited[what].append(time.perf_counter() - start)
        self.worked[what].append(self.processor() - worked)

    def processor(self) -> float:
        """The seconds that the server has worked; 0 where the system does not say."""
        process = self.client._server
        path = Path(f"/proc/{process.pid}/schedstat") if process is not None else None
        if path is None or not path.exists():
            return 0
        return int(path.read_text().split()[0]) / 1e9


async def measured(name: str, edits: int) -> Typist:
    """What a client waits for in one network: at every edit a character more, and away again."""
    typist, draw = Typist(name), random.Random(1)
    await typist.begin()
    ls, lines = typist.client, typist.text.split("\n")
    whole = lsp.Range(lsp.Position(0, 0), lsp.Position(len(lines), 0))
    for _ in range(edits):
        line = draw.randrange(len(lines))
        place = lsp.Position(line, draw.randrange(len(lines[line]) + 1))
        said = typist.document, place
        typed, gone = typist.type(place, draw.choice(LETTERS)), typist.type(place, "")
        await typist.note("diagnostics", typed, typist.newest())
        offers = ls.text_document_completion_async(lsp.CompletionParams(*said))
        await typist.note("completion", offers)
        await typist.note("hover", gone, ls.text_document_hover_async(lsp.HoverParams(*said)))
        await typist.newest()
        hints = lsp.InlayHintParams(typist.document, whole)
        await typist.note("hints", ls.text_document_inlay_hint_async(hints))
    await typist.end()
    return typist


def cuts(seconds: list[float]) -> list[float]:
    """The median and the time that 95 of 100 take at most, in milliseconds."""
    found = statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1]
    return [round(1000 * one, 1) for one in found]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--edits", type=int, default=500)
    edits = options.parse_args().edits
    rows, load = [], [os.getloadavg()[0]]
    for name in NETWORKS:
        typist = asyncio.run(measured(name, edits))
        for what, waited in typist.waited.items():
            worked = typist.worked[what]
            rows.append(
                {
                    "network": name,
                    "asked": what,
                    "waited": cuts(waited),
                    "worked": cuts(worked) if any(worked) else None,
                }
            )
            print(*rows[-1].values())
        load.append(os.getloadavg()[0])
    data = {
        "edits": edits,
        "python": platform.python_version(),
        "load": [round(min(load), 1), round(max(load), 1)],
        "rows": rows,
    }
    DATA.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
