"""The language server: LSP over standard input and output, by pygls.

It reads what the editor holds, and files below the folders of what is open; it writes nothing and
runs nothing of a spec.
"""

import asyncio
from collections.abc import Iterable, Iterator
from os.path import abspath, realpath

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path
from pygls.workspace import PositionCodec

from archdsl import __version__
from archdsl.diagnostics.diagnostic import Diagnostic, Span
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.sink import Sink
from archdsl.editor import navigation, outline
from archdsl.editor.completion import Offer, completion
from archdsl.editor.fixes import fix
from archdsl.editor.hover import hover
from archdsl.editor.marks import Mark
from archdsl.editor.results import Results
from archdsl.editor.view import View, visible
from archdsl.graph.graph import Graph
from archdsl.language.formatting import formatted
from archdsl.yaml.limits import Limits
from archdsl.yaml.source import lines_of, read_text

PAUSE = 0.005  # seconds without a keystroke before a text is read: what came together counts once
OTHERS = 0.3  # before others that are open are read again, which may stand on it
KINDS = ["keyword", "class", "function", "method", "parameter", "property", "variable", "string",
         "label"]  # fmt: skip


class Server(LanguageServer):
    """What is open, each read once a version."""

    def __init__(self) -> None:
        super().__init__("archdsl", __version__)
        self.views: dict[str, tuple[int | None, View, Results]] = {}
        self.good: dict[str, View] = {}  # the last version of each that could be read
        self.graphs: dict[str, Graph] = {}  # of the last version of each that was right
        self.waiting: dict[str, asyncio.TimerHandle] = {}
        self.paths: dict[str, str] = {}  # the real paths of what is open

    def view(self, uri: str) -> tuple[View, Results]:
        """The newest version of what is open under a name."""
        document = self.workspace.get_text_document(uri)
        held = self.views.get(uri)
        opened = self.opened()
        if held is None or held[0] != document.version or held[1].opened != opened:
            view = View(_path(uri), document.source, opened, Limits())
            self.views[uri] = held = (document.version, view, Results(view))
        return held[1], held[2]

    def opened(self) -> dict[str, str]:
        """The texts of all that is open, by real paths."""
        documents = self.workspace.text_documents
        for uri in documents.keys() - self.paths.keys():
            self.paths[uri] = realpath(_path(uri))
        return {self.paths[uri]: document.source for uri, document in documents.items()}

    def publish(self, uri: str) -> None:
        """Says what is wrong with a text, and with others that stand on it."""
        self.waiting.pop(uri, None)
        if uri not in self.workspace.text_documents:
            return
        view, _ = self.view(uri)
        if view.is_spec and view.document is not None:
            self.good[uri] = view
            if view.graph is not None:
                self.graphs[uri] = view.graph
        wrong = view.reading.diagnostics if view.is_spec else []
        found = [self.diagnostic(view, d) for d in wrong]
        version = self.workspace.get_text_document(uri).version
        self.text_document_publish_diagnostics(
            lsp.PublishDiagnosticsParams(uri=uri, version=version, diagnostics=found)
        )

    def soon(self, uri: str) -> None:
        """Publishes once the keys rest, for this text and all others that are open."""
        for name in {uri, *self.workspace.text_documents}:
            if name in self.waiting:
                self.waiting.pop(name).cancel()
            wait = PAUSE if name == uri else OTHERS
            loop = asyncio.get_running_loop()
            self.waiting[name] = loop.call_later(wait, self.publish, name)

    # positions: ours count characters from 1, theirs units of UTF-16 (or as agreed) from 0

    @property
    def codec(self) -> PositionCodec:
        return self.workspace.position_codec

    def place(self, view: View, position: lsp.Position) -> tuple[int, int]:
        """Line and column, from 1."""
        inside = self.codec.position_from_client_units(view.lines, position)
        return inside.line + 1, inside.character + 1

    def range(self, lines: list[str], span: Span) -> lsp.Range:
        span = visible(span, lines)
        start = lsp.Position(span.line - 1, span.column - 1)
        end = lsp.Position(span.end_line - 1, span.end_column - 1)
        return self.codec.range_to_client_units(lines, lsp.Range(start, end))

    def location(self, view: View, span: Span) -> lsp.Location:
        if view.is_here(span):
            return lsp.Location(_uri(view.name), self.range(view.lines, span))
        text = view.opened.get(span.file) or view.reading.sources.get(span.file)
        if text is None:
            text = read_text(span.file, view.limits, Sink()) or ""
        return lsp.Location(_uri(span.file), self.range(lines_of(text), span))

    def diagnostic(self, view: View, found: Diagnostic) -> lsp.Diagnostic:
        """A diagnostic with its labels; one of another file stands where that is named."""
        span, message = found.span, found.message
        labels = [label for label in found.labels if label.span is not None]
        if span is not None and not view.is_here(span):
            message = f"{message} ({span})"
            span = view.place_of(found)
        at = (
            self.range(view.lines, span)
            if span
            else lsp.Range(lsp.Position(0, 0), lsp.Position(0, 0))
        )
        if found.help:
            message += f"\nhelp: {found.help}"
        related = [
            lsp.DiagnosticRelatedInformation(self.location(view, label.span), label.text)
            for label in labels
        ]
        error = found.severity == "error"
        severity = lsp.DiagnosticSeverity.Error if error else lsp.DiagnosticSeverity.Warning
        return lsp.Diagnostic(
            at, message, severity, code=found.code, source="archdsl", related_information=related
        )


def _path(uri: str) -> str:
    return to_fs_path(uri) or uri


def _uri(path: str) -> str:
    return from_fs_path(abspath(path)) or path


def server() -> Server:
    """The server with all that it answers; `start_io()` runs it."""
    ls = Server()
    _documents(ls)
    _words(ls)
    _names(ls)
    _files(ls)
    _marks(ls)
    return ls


def _documents(ls: Server) -> None:
    """What is open, and what is wrong with it."""

    @ls.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: lsp.DidOpenTextDocumentParams) -> None:
        ls.publish(params.text_document.uri)

    @ls.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: lsp.DidChangeTextDocumentParams) -> None:
        ls.soon(params.text_document.uri)

    @ls.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    async def saved(params: lsp.DidSaveTextDocumentParams) -> None:
        ls.views.clear()  # others may stand on it
        ls.soon(params.text_document.uri)

    @ls.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: lsp.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        ls.views.pop(uri, None)
        for held in (ls.good, ls.graphs, ls.paths):
            held.pop(uri, None)
        ls.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri=uri, diagnostics=[]))

    @ls.feature(
        lsp.TEXT_DOCUMENT_CODE_ACTION,
        lsp.CodeActionOptions(code_action_kinds=[lsp.CodeActionKind.QuickFix]),
    )
    def fixes(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        uri = params.text_document.uri
        view, _ = ls.view(uri)
        found = []
        for diagnostic in view.reading.diagnostics if view.is_spec else ():
            mended = fix(view, diagnostic)
            if mended is None:
                continue
            at = ls.range(view.lines, mended.span)
            if at.start.line <= params.range.end.line and at.end.line >= params.range.start.line:
                edit = lsp.WorkspaceEdit(changes={uri: [lsp.TextEdit(at, mended.text)]})
                said = [ls.diagnostic(view, diagnostic)]
                kind = lsp.CodeActionKind.QuickFix
                action = lsp.CodeAction(mended.title, kind, said, is_preferred=True, edit=edit)
                found.append(action)
        return found


def _words(ls: Server) -> None:
    """What is at the cursor."""

    @ls.feature(lsp.TEXT_DOCUMENT_HOVER)
    def hovered(params: lsp.HoverParams) -> lsp.Hover | None:
        view, results = ls.view(params.text_document.uri)
        found = hover(view, results, *ls.place(view, params.position))
        if found is None:
            return None
        text, mark = found
        content = lsp.MarkupContent(lsp.MarkupKind.Markdown, text)
        return lsp.Hover(content, ls.range(view.lines, mark.span))

    @ls.feature(
        lsp.TEXT_DOCUMENT_COMPLETION,
        lsp.CompletionOptions(trigger_characters=[":", " ", "{", "[", "-", "$", ","]),
    )
    def completed(params: lsp.CompletionParams) -> lsp.CompletionList:
        uri = params.text_document.uri
        view, _ = ls.view(uri)
        place = ls.place(view, params.position)
        good, graph = ls.good.get(uri, view), ls.graphs.get(uri)
        offers = completion(view, good, *place, graph) if view.is_spec else []
        return lsp.CompletionList(
            is_incomplete=False, items=[_item(*one) for one in enumerate(offers)]
        )


def _names(ls: Server) -> None:
    """Where the name at the cursor stands, and another for it."""

    @ls.feature(lsp.TEXT_DOCUMENT_DEFINITION)
    def defined(params: lsp.DefinitionParams) -> lsp.Location | None:
        view, _ = ls.view(params.text_document.uri)
        span = navigation.definition(view, *ls.place(view, params.position))
        return None if span is None else ls.location(view, span)

    @ls.feature(lsp.TEXT_DOCUMENT_REFERENCES)
    def referred(params: lsp.ReferenceParams) -> list[lsp.Location]:
        view, _ = ls.view(params.text_document.uri)
        marks = navigation.references(view, *ls.place(view, params.position))
        return [ls.location(view, mark.span) for mark in marks]

    @ls.feature(lsp.TEXT_DOCUMENT_PREPARE_RENAME)
    def prepared(params: lsp.PrepareRenameParams) -> lsp.Range | None:
        view, _ = ls.view(params.text_document.uri)
        mark = view.mark_at(*ls.place(view, params.position))
        return None if mark is None else ls.range(view.lines, mark.span)

    @ls.feature(lsp.TEXT_DOCUMENT_RENAME, lsp.RenameOptions(prepare_provider=True))
    def renamed(params: lsp.RenameParams) -> lsp.WorkspaceEdit:
        view, _ = ls.view(params.text_document.uri)
        try:
            change = navigation.rename(view, *ls.place(view, params.position), params.new_name)
        except UsageError as error:
            raise JsonRpcInvalidParams(str(error)) from None
        if change.note:
            said = lsp.ShowMessageParams(lsp.MessageType.Warning, change.note)
            ls.window_show_message(said)
        edits = [lsp.TextEdit(ls.range(view.lines, s), params.new_name) for s in change.spans]
        return lsp.WorkspaceEdit(changes={params.text_document.uri: edits})


def _files(ls: Server) -> None:
    """What a whole file holds."""

    @ls.feature(lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def symbols(params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
        view, _ = ls.view(params.text_document.uri)
        return [_symbol(ls, view, symbol) for symbol in outline.symbols(view)]

    @ls.feature(lsp.TEXT_DOCUMENT_FOLDING_RANGE)
    def folds(params: lsp.FoldingRangeParams) -> list[lsp.FoldingRange]:
        view, _ = ls.view(params.text_document.uri)
        return [lsp.FoldingRange(first - 1, last - 1) for first, last in outline.folds(view)]

    @ls.feature(lsp.TEXT_DOCUMENT_FORMATTING)
    def laid_out(params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit]:
        view, _ = ls.view(params.text_document.uri)
        source = view.source
        if source is None or not view.is_spec:
            return []
        try:
            text = formatted(source)
        except UsageError as error:
            raise JsonRpcInvalidParams(str(error)) from None
        whole = lsp.Range(lsp.Position(0, 0), lsp.Position(len(view.lines), 0))
        return [] if text == view.text else [lsp.TextEdit(whole, text)]


def _marks(ls: Server) -> None:
    """What is shown beside the text, and the kinds of its words."""

    @ls.feature(lsp.TEXT_DOCUMENT_INLAY_HINT)
    def hints(params: lsp.InlayHintParams) -> list[lsp.InlayHint]:
        view, results = ls.view(params.text_document.uri)
        first, last = params.range.start.line + 1, params.range.end.line + 1
        found = []
        for line, text in outline.hints(view, results, first, last):
            end = lsp.Position(line - 1, len(view.lines[line - 1]))
            at = ls.codec.position_to_client_units(view.lines, end)
            found.append(lsp.InlayHint(at, text, padding_left=True))
        return found

    @ls.feature(
        lsp.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, lsp.SemanticTokensLegend(KINDS, ["declaration"])
    )
    def tokens(params: lsp.SemanticTokensParams) -> lsp.SemanticTokens:
        view, _ = ls.view(params.text_document.uri)
        data: list[int] = []
        line = column = 0
        for mark in _apart(view.marks):
            at = ls.range(view.lines, mark.span)
            start, length = at.start, at.end.character - at.start.character
            step = start.character - (column if start.line == line else 0)
            kind = KINDS.index(outline.TOKENS[mark.kind])
            declared = int(mark.kind in ("block", "parameter", "column", "item", "label"))
            data += [start.line - line, step, length, kind, declared]
            line, column = start.line, start.character
        return lsp.SemanticTokens(data)


def _apart(marks: Iterable[Mark]) -> Iterator[Mark]:
    """The marks that do not overlap with one before: of a name with expressions in it the whole."""
    end = (0, 0)
    for mark in marks:
        start = (mark.span.line, mark.span.column)
        if start >= end and mark.span.line == mark.span.end_line:
            yield mark
            end = (mark.span.line, mark.span.end_column)


def _item(place: int, offer: Offer) -> lsp.CompletionItem:
    doc = lsp.MarkupContent(lsp.MarkupKind.Markdown, offer.doc) if offer.doc else None
    return lsp.CompletionItem(
        offer.label,
        kind=getattr(lsp.CompletionItemKind, offer.kind),
        detail=offer.detail or None,
        documentation=doc,
        insert_text=offer.insert or offer.label,
        sort_text=f"{place:04}",
    )


def _symbol(ls: Server, view: View, symbol: outline.Symbol) -> lsp.DocumentSymbol:
    name = ls.range(view.lines, symbol.span)
    end = lsp.Position(symbol.end - 1, len(view.lines[symbol.end - 1]))
    whole = lsp.Range(name.start, ls.codec.position_to_client_units(view.lines, end))
    inner = [_symbol(ls, view, one) for one in symbol.inner]
    kind = getattr(lsp.SymbolKind, symbol.kind)
    return lsp.DocumentSymbol(symbol.name, kind, whole, name, symbol.detail or None, children=inner)
