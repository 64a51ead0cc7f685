"""The language server, asked by a real client over standard input and output."""

import asyncio
from pathlib import Path

import pytest
from lsprotocol import types as lsp

from tests.editor.client import Client, ask
from tests.examples import some

SPEC = """\
archdsl: 1
name: tiny
input: [3, 32, 32]
params: {classes: 10}
blocks:
  unit:
    doc: A convolution and what follows it.
    params: {width: {type: int, doc: its channels}}
    seq: [{conv: {out: width, kernel: 3, bias: false}}, batch_norm, relu]
backbone:
  first: {unit: {width: 16}}
  second: {unit: {width: 32}, tap: c2}
head:
  pool: {global_avg_pool: {}, from: second}
  flat: flatten
  fc: {linear: {out: classes}}
"""


def test_a_mistake_is_shown_as_it_is_typed_and_a_fix_mends_it(tmp_path: Path) -> None:
    async def questions(client: Client) -> None:
        client.open(SPEC)
        assert await client.diagnostics() == []
        wrong = SPEC.replace("flat: flatten", "flat: flaten")
        client.change(wrong)
        (found,) = await client.diagnostics()
        assert (found.code, found.range.start) == ("E0205", lsp.Position(14, 8))
        assert found.range.end == lsp.Position(14, 14)
        context = lsp.CodeActionContext([found])
        asked = lsp.CodeActionParams(client.document, found.range, context)
        (action,) = await client.client.text_document_code_action_async(asked)
        (edit,) = action.edit.changes[client.uri]
        assert (edit.range, edit.new_text) == (found.range, "flatten")
        client.change(SPEC)
        assert await client.diagnostics() == []

    ask(tmp_path, questions)


def test_words_are_explained_and_lead_to_where_they_are_declared(tmp_path: Path) -> None:
    async def questions(client: Client) -> None:
        client.open(SPEC)
        ls = client.client
        found = await ls.text_document_hover_async(lsp.HoverParams(*client.at(SPEC, "second:")))
        assert "| `second` | 32x32x32 | 4.67 K | 4.72 M | 5x5 |" in found.contents.value
        found = await ls.text_document_hover_async(lsp.HoverParams(*client.at(SPEC, "unit: {w")))
        assert "A convolution and what follows it." in found.contents.value
        assert "`width`: its channels" in found.contents.value
        asked = lsp.DefinitionParams(*client.at(SPEC, "unit: {width: 32"))
        place = await ls.text_document_definition_async(asked)
        assert place.range.start == lsp.Position(5, 2)
        asked = lsp.DefinitionParams(*client.at(SPEC, "second}"))
        place = await ls.text_document_definition_async(asked)
        assert place.range.start == lsp.Position(11, 2)
        own = lsp.ReferenceContext(include_declaration=True)
        document, position = client.at(SPEC, "classes}}")
        asked = lsp.ReferenceParams(own, document, position)
        found = await ls.text_document_references_async(asked)
        assert [place.range.start.line for place in found] == [3, 15]

    ask(tmp_path, questions)


def test_a_name_is_changed_everywhere_and_keys_of_weights_are_told(tmp_path: Path) -> None:
    async def questions(client: Client) -> None:
        client.open(SPEC)
        ls = client.client
        asked = lsp.RenameParams(*client.at(SPEC, "second:"), new_name="deep")
        found = await ls.text_document_rename_async(asked)
        edits = found.changes[client.uri]
        assert [edit.range.start.line for edit in edits] == [11, 13]
        await asyncio.sleep(0)
        assert client.said == [
            "6 keys of the weights change: second.0.weight becomes deep.0.weight"
        ]
        asked = lsp.RenameParams(*client.at(SPEC, "unit:"), new_name="conv")
        with pytest.raises(Exception, match="cannot be a block's name"):
            await ls.text_document_rename_async(asked)

    ask(tmp_path, questions)


def test_what_may_be_written_is_offered(tmp_path: Path) -> None:
    async def questions(client: Client) -> None:
        client.open(SPEC)
        typed = SPEC.replace("  flat: flatten", "  flat: {unit: {\n  flat: flatten")
        client.change(typed)
        asked = lsp.CompletionParams(*client.at(typed, "flat: {unit: {", 14))
        found = await client.client.text_document_completion_async(asked)
        assert [item.label for item in found.items] == ["width"]
        typed = SPEC.replace("out: classes", "out: cl")
        client.change(typed)
        asked = lsp.CompletionParams(*client.at(typed, "out: cl", 7))
        found = await client.client.text_document_completion_async(asked)
        assert [item.label for item in found.items] == ["classes"]

    ask(tmp_path, questions)


def test_a_file_has_symbols_folds_hints_colours_and_a_layout(tmp_path: Path) -> None:
    async def questions(client: Client) -> None:
        client.open(SPEC)
        ls, document = client.client, client.document
        found = await ls.text_document_document_symbol_async(lsp.DocumentSymbolParams(document))
        tree = {one.name: [inner.name for inner in one.children] for one in found}
        assert tree == {
            "params": [],
            "blocks": ["unit"],
            "backbone": ["first", "second"],
            "head": ["pool", "flat", "fc"],
        }
        folds = await ls.text_document_folding_range_async(lsp.FoldingRangeParams(document))
        assert (9, 11) in [(fold.start_line, fold.end_line) for fold in folds]
        whole = lsp.Range(lsp.Position(0, 0), lsp.Position(99, 0))
        hints = await ls.text_document_inlay_hint_async(lsp.InlayHintParams(document, whole))
        shapes = {hint.position.line: hint.label for hint in hints}
        assert shapes == {
            8: "16x32x32, 32x32x32",
            10: "16x32x32",
            11: "32x32x32",
            13: "32x1x1",
            14: "32",
            15: "10",
        }
        tokens = lsp.SemanticTokensParams(document)
        data = (await ls.text_document_semantic_tokens_full_async(tokens)).data
        assert list(data[:5]) == [0, 0, 7, 0, 0]  # `archdsl`, a keyword
        wide = SPEC.replace("  first:  {", "  first: {").replace(
            "{unit: {width: 16}}", "{ unit: { width: 16 } }"
        )
        client.change(wide)
        options = lsp.FormattingOptions(2, True)
        asked = lsp.DocumentFormattingParams(document, options)
        (edit,) = await ls.text_document_formatting_async(asked)
        assert "first: {unit: {width: 16}}" in edit.new_text

    ask(tmp_path, questions)


def test_another_file_that_is_open_counts_before_it_is_saved(tmp_path: Path) -> None:
    base, own = tmp_path / "base.yaml", "archdsl: 1\nname: tiny\nextends: base.yaml\n"
    base.write_text(SPEC)

    async def questions(client: Client) -> None:
        client.open(own)
        assert await client.diagnostics() == []
        client.open(SPEC.replace("flatten", "flaten"), base.as_uri())
        client.change(own + "doc: changed\n")
        (found,) = await client.diagnostics()
        assert "unknown verb `flaten`" in found.message
        assert found.range.start.line == 2  # where the file is named
        assert found.related_information

    ask(tmp_path, questions)


def test_letters_beyond_the_first_plane_count_as_two(tmp_path: Path) -> None:
    before = '  flat: {seq: [{linear: {out: 4}, tap: "\N{GRINNING FACE}"}, {'
    text = SPEC.replace("  flat: flatten", before + "flaten: {}}]}")

    async def questions(client: Client) -> None:
        client.open(text)
        found = await client.diagnostics()
        places = {one.code: one.range.start.character for one in found}
        assert places["E0205"] == len(before) + 1

    ask(tmp_path, questions)


def test_other_yaml_is_left_in_peace(tmp_path: Path) -> None:
    async def questions(client: Client) -> None:
        client.open("services:\n  web: {image: nginx}\n")
        assert await client.diagnostics() == []
        asked = lsp.CompletionParams(client.document, lsp.Position(1, 2))
        found = await client.client.text_document_completion_async(asked)
        assert not found.items

    ask(tmp_path, questions)


@pytest.mark.parametrize(
    "text", some(["", "a: [", "{}", "archdsl: 1\nblocks: 3\n", "- \n- :", "\t", "*a"], 3)
)
def test_no_text_ends_the_server(tmp_path: Path, text: str) -> None:
    async def questions(client: Client) -> None:
        client.open(text)
        await client.diagnostics()
        ls, document, start = client.client, client.document, lsp.Position(0, 0)
        await ls.text_document_hover_async(lsp.HoverParams(document, start))
        await ls.text_document_completion_async(lsp.CompletionParams(document, start))
        await ls.text_document_document_symbol_async(lsp.DocumentSymbolParams(document))
        client.change(SPEC)
        assert await client.diagnostics() == []

    ask(tmp_path, questions)
