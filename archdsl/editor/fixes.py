"""What can be mended by one click: the helps that say exactly what to write."""

from dataclasses import dataclass

from archdsl.diagnostics.diagnostic import Diagnostic, Span
from archdsl.diagnostics.suggest import meant
from archdsl.editor.view import View


@dataclass(frozen=True)
class Fix:
    """A text for a place, and what it does in a few words."""

    title: str
    span: Span
    text: str


def fix(view: View, diagnostic: Diagnostic) -> Fix | None:
    """The one change that a diagnostic's help asks for, None if it asks for thought."""
    span = diagnostic.span
    if span is None or not view.is_here(span) or span.line != span.end_line:
        return None
    written = view.lines[span.line - 1][span.column - 1 : span.end_column - 1]
    word = meant(diagnostic.help)
    if word is not None and f"`{written}`" in diagnostic.message:
        return Fix(f"write `{word}`", span, word)
    if diagnostic.code == "E0108" and diagnostic.help.startswith("put it in quotes"):
        return Fix("put it in quotes", span, f'"{written}"')
    return None
