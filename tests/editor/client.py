"""An editor for the tests: a real client of the language server, with files open in it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient


class Client:
    """An editor with one file open."""

    def __init__(self, client: LanguageClient, uri: str) -> None:
        self.client, self.uri = client, uri
        self.found: asyncio.Queue[lsp.PublishDiagnosticsParams] = asyncio.Queue()
        self.said: list[str] = []
        self.version = 0

    @property
    def document(self) -> lsp.TextDocumentIdentifier:
        return lsp.TextDocumentIdentifier(self.uri)

    def open(self, text: str, uri: str = "") -> None:
        item = lsp.TextDocumentItem(uri or self.uri, "yaml", 0, text)
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))

    def change(self, text: str) -> None:
        self.version += 1
        document = lsp.VersionedTextDocumentIdentifier(uri=self.uri, version=self.version)
        whole = lsp.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(lsp.DidChangeTextDocumentParams(document, [whole]))

    async def diagnostics(self) -> list[lsp.Diagnostic]:
        """What is said of the newest version."""
        while True:
            found = await asyncio.wait_for(self.found.get(), 120)
            if found.uri == self.uri and found.version == self.version:
                return list(found.diagnostics)

    def at(self, text: str, word: str, within: int = 0) -> Any:
        """The parameters of a request about the first place of a word."""
        place = text.index(word) + within
        line = text.count("\n", 0, place)
        column = place - (text.rfind("\n", 0, place) + 1)
        return self.document, lsp.Position(line, column)


@asynccontextmanager
async def editor(folder: Path) -> AsyncIterator[Client]:
    client = LanguageClient("test", "1")
    own = Client(client, (folder / "tiny.yaml").as_uri())

    @client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    def published(params: lsp.PublishDiagnosticsParams) -> None:
        own.found.put_nowait(params)

    @client.feature(lsp.WINDOW_SHOW_MESSAGE)
    def shown(params: lsp.ShowMessageParams) -> None:
        own.said.append(params.message)

    await client.start_io(sys.executable, "-m", "archdsl", "lsp")
    try:
        capabilities = lsp.ClientCapabilities()
        asked = lsp.InitializeParams(capabilities, root_uri=folder.as_uri())
        await client.initialize_async(asked)
        client.initialized(lsp.InitializedParams())
        yield own
        await client.shutdown_async(None)
        client.exit(None)
    finally:
        process = client._server
        if process is not None and process.returncode is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 5)
            if process.returncode is None:
                process.kill()
        with suppress(TimeoutError):  # its tasks may wait for what the ended process never says
            await asyncio.wait_for(client.stop(), 10)


def ask(folder: Path, questions: Callable[[Client], Awaitable[None]]) -> None:
    async def run() -> None:
        async with editor(folder) as client:
            await questions(client)

    asyncio.run(asyncio.wait_for(run(), 400))
