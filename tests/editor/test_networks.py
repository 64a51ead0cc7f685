"""Five networks in an editor, by a real client: each feature, held to the papers and the texts.

Shapes are those of the papers' tables (GoogLeNet's and DenseNet's table 1, MobileNetV2's table 2,
U-Net's figure 1, ResNet-D's figure 2), numbers of weights are sums over the layers that stand
there, places are found in the texts by patterns, and what a text holds is said by PyYAML.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

from archdsl.language import gallery
from tests.editor.client import Client, ask

NAMES = ("googlenet", "unet", "densenet121", "mobilenet_v2", "resnet50d")
TEXTS = {name: Path(gallery.path(name)).read_text("utf-8") for name in NAMES}


def places(text: str, pattern: str) -> list[tuple[int, int]]:
    """Lines and columns, from 0, at which the group of a pattern, or all of it, stands."""
    found = []
    for match in re.finditer(pattern, text, re.M):
        start = match.start(1 if match.groups() else 0)
        found.append((text.count("\n", 0, start), start - text.rfind("\n", 0, start) - 1))
    assert found, pattern
    return found


Questions = Callable[[str, Client, LanguageClient, str], Awaitable[None]]


def in_every_network(folder: Path, texts: Mapping[str, str] = TEXTS) -> Callable[[Questions], None]:
    """A decorator: one client opens the networks in turn, and asks the questions in each."""

    def asking(questions: Questions) -> None:
        async def turns(client: Client) -> None:
            for name, text in texts.items():
                client.uri, client.version = Path(gallery.path(name)).as_uri(), 0
                client.said.clear()
                client.open(text)
                await questions(name, client, client.client, text)
                closed = lsp.DidCloseTextDocumentParams(client.document)
                client.client.text_document_did_close(closed)

        ask(folder, turns)

    return asking


def position(text: str, pattern: str, within: int = 0) -> lsp.Position:
    line, column = places(text, pattern)[0]
    return lsp.Position(line, column + within)


def start(found: Any) -> tuple[int, int]:
    return found.range.start.line, found.range.start.character


MISTAKES = {  # what is written wrongly, the code, and the pattern of what is marked
    "googlenet": ("avgpool: global_avg_pool", "avgpool: glbal_avg_pool", "E0205", "glbal_avg_pool"),
    "unet": ("from: [up1, down3]", "from: [up1, dawn3]", "E0402", "dawn3"),
    "densenet121": ("out: growth, kernel", "out: grwth, kernel", "E0302", "grwth"),
    "mobilenet_v2": ("linear: {out: classes}", "linear: {ouut: classes}", "E0206", "ouut"),
    "resnet50d": ("extends: resnet50.yaml", "extends: resnet49.yaml", "E0210", r"resnet49\.yaml"),
}


def test_a_mistake_in_a_network_is_marked_where_it_stands(tmp_path: Path) -> None:
    @in_every_network(tmp_path)
    async def _(name: str, client: Client, ls: LanguageClient, text: str) -> None:
        right, wrong, code, marked = MISTAKES[name]
        assert await client.diagnostics() == []
        assert text.count(right) == 1
        changed = text.replace(right, wrong)
        client.change(changed)
        found = [one for one in await client.diagnostics() if one.code == code]
        assert [start(one) for one in found] == places(changed, marked)
        length = found[0].range.end.character - found[0].range.start.character
        assert length == len(re.search(marked, changed)[0])  # type: ignore[index]


INCEPTION_3A = (  # its convolutions, then two numbers of batch norm per channel
    192 * 64 + 192 * 96 + 96 * 128 * 9 + 192 * 16 + 16 * 32 * 9 + 192 * 32
    + 2 * (64 + 96 + 128 + 16 + 32 + 32)
)  # fmt: skip
HOVERS = {  # where, and what is said
    "googlenet": (r"^      (inception\{id\})", f"256x28x28 | {INCEPTION_3A / 1e3:.2f} K"),
    "unet": ("bottom:", f"1024x28x28 | {(512 + 1024) * 1024 * 9 / 1e6 + 0.002048:.2f} M"),
    "densenet121": (r"transition\{row", f"128x28x28 | {(256 * 128 + 512) / 1e3:.2f} K"),
    "mobilenet_v2": ("classifier:", "| `classifier` | 1000 | 1.28 M | 1.28 M |"),
    "resnet50d": ("avg_pool:", "count_padding"),
}


def test_a_network_is_told_with_its_papers_numbers(tmp_path: Path) -> None:
    @in_every_network(tmp_path)
    async def _(name: str, client: Client, ls: LanguageClient, text: str) -> None:
        where, said = HOVERS[name]
        asked = lsp.HoverParams(client.document, position(text, where))
        found = await ls.text_document_hover_async(asked)
        assert said in found.contents.value
        assert start(found) == places(text, where)[0]


HINTS = {
    "googlenet": {"conv1:": "64x112x112", "maxpool2:": "192x28x28", "fc:": "1000"},
    "unet": {
        "down.row": "64x568x568, 128x280x280, 256x136x136, 512x64x64",
        "bottom:": "1024x28x28",
        "up1:": "512x52x52",
        "up4:": "64x388x388",
        "outc:": "2x388x388",
    },
    "densenet121": {
        "conv0:": "64x112x112",
        "pool0:": "64x56x56",
        "denseblock.row": "256x56x56, 512x28x28, 1024x14x14",
        "transition.row": "128x28x28, 256x14x14, 512x7x7",
        "relu: .relu": "1024x7x7",
        "classifier:": "1000",
    },
    "mobilenet_v2": {
        "- conv_bn_act: .out: width": "32x112x112",
        "bottleneck: .out": "16x112x112, 24x56x56, 32x28x28, 64x14x14 and 3 more",
        "- conv_bn_act: .out: .max": "1280x7x7",
        "avgpool:": "1280x1x1",
    },
    "resnet50d": {"- conv: {out: width.64": "64x112x112"},
}


def test_items_of_a_network_have_their_papers_shapes_beside_them(tmp_path: Path) -> None:
    @in_every_network(tmp_path)
    async def _(name: str, client: Client, ls: LanguageClient, text: str) -> None:
        whole = lsp.Range(lsp.Position(0, 0), lsp.Position(len(text.splitlines()), 0))
        asked = lsp.InlayHintParams(client.document, whole)
        hints = await ls.text_document_inlay_hint_async(asked)
        shapes = {hint.position.line: hint.label for hint in hints}
        for pattern, shape in HINTS[name].items():
            assert shapes[places(text, pattern)[0][0]] == shape, pattern
        ends = [len(line) for line in text.splitlines()]
        assert all(hint.position.character == ends[hint.position.line] for hint in hints)


OFFERS = {  # what is typed over what, `|` is the cursor; what is offered among others, and never
    "googlenet": ("  fc: {linear: {out: classes}}", "  fc: {linear: {out: |}}",
                  {"classes", "dropout", "aux_dropout", "last_pool"}, {"n1"}),
    "unet": ("up: {out: 64}, from: [up3, down1]", "up: {out: 64}, from: [up3, |]",
             {"up3", "up2", "bottom", "c1", "down4"}, {"c{row}", "skip"}),
    "densenet121": ("      norm5: batch_norm", "      norm5: |",
                    {"batch_norm", "dense_layer", "transition", "conv", "seq"}, {"growth"}),
    "mobilenet_v2": ("    - dropout: {rate: dropout}", "    - dropout: {|}", {"rate"}, {"out"}),
    "resnet50d": ("      - conv: {out: out, kernel: 1}", "      - conv: {out: |}",
                  {"out", "stride", "classes"}, {"kernel"}),
}  # fmt: skip


def test_what_a_network_may_say_is_offered(tmp_path: Path) -> None:
    @in_every_network(tmp_path)
    async def _(name: str, client: Client, ls: LanguageClient, text: str) -> None:
        before, typed, some, never = OFFERS[name]
        assert text.count(before) == 1
        await client.diagnostics()  # it has been read, and was right
        client.change(text.replace(before, typed.replace("|", "")))
        line, column = places(text, re.escape(before))[0]
        place = lsp.Position(line, column + typed.index("|"))
        found = await ls.text_document_completion_async(
            lsp.CompletionParams(client.document, place)
        )
        labels = {item.label for item in found.items}
        assert some <= labels and not never & labels


MEANT = {  # a use, what is before the cursor in it, and the pattern of its declaration
    "googlenet": (r"from: inception4d", 6, r"^  (inception\{id\})"),
    "unet": ("up1: {up", 6, r"^  (up):"),
    "densenet121": ("out: growth", 5, r"^  (growth):"),
    "mobilenet_v2": ("repeat: n", 8, r"columns: \[t, c, (n)"),
    "resnet50d": ("resnet50.yaml", 0, "another file"),
}


def test_a_use_leads_to_what_it_means(tmp_path: Path) -> None:
    @in_every_network(tmp_path)
    async def _(name: str, client: Client, ls: LanguageClient, text: str) -> None:
        use, within, declared = MEANT[name]
        asked = lsp.DefinitionParams(client.document, position(text, use, within))
        found = await ls.text_document_definition_async(asked)
        if declared == "another file":
            assert (found.uri, start(found)) == (Path(gallery.path("resnet50")).as_uri(), (0, 0))
        else:
            assert (found.uri, start(found)) == (client.uri, places(text, declared)[0])


USES = {  # where one asks, all places, another name, and what is said of the weights
    "googlenet": (r"^  (side_classifier)", r"\bside_classifier\b", "side", ""),
    "unet": (r"^  (up2)", r"\bup2\b", "rise", "up2.up.weight becomes rise.up.weight"),
    "densenet121": (r"^  (dense_block):", r"\bdense_block\b", "dense_part", ""),
    "mobilenet_v2": (r"expand: 6", r"\bexpand\b(?=: |]| \*| !)", "factor", ""),
    "resnet50d": (r"^  (average_projection)", r"\baverage_projection\b", "mean_projection", ""),
}


def test_all_uses_of_a_name_are_found_and_changed_together(tmp_path: Path) -> None:
    @in_every_network(tmp_path)
    async def _(name: str, client: Client, ls: LanguageClient, text: str) -> None:
        where, pattern, other, told = USES[name]
        place = position(text, where)
        declared = lsp.ReferenceContext(include_declaration=True)
        asked = lsp.ReferenceParams(declared, client.document, place)
        uses = await ls.text_document_references_async(asked)
        assert [start(one) for one in uses] == places(text, pattern)
        renaming = lsp.RenameParams(client.document, place, new_name=other)
        found = (await ls.text_document_rename_async(renaming)).changes[client.uri]
        assert {start(edit) for edit in found} == {*places(text, pattern)}
        assert {edit.new_text for edit in found} == {other}
        await client.diagnostics()
        assert "".join(client.said).endswith(told) and bool(client.said) == bool(told)
        client.change(re.sub(pattern, other, text))
        assert await client.diagnostics() == []


def test_the_symbols_of_a_network_are_what_its_text_holds(tmp_path: Path) -> None:
    sections = ("params", "blocks", "backbone", "neck", "aux", "head")

    @in_every_network(tmp_path)
    async def _(name: str, client: Client, ls: LanguageClient, text: str) -> None:
        data = yaml.safe_load(text)
        asked = lsp.DocumentSymbolParams(client.document)
        found = await ls.text_document_document_symbol_async(asked)
        assert [one.name for one in found] == [key for key in data if key in sections]
        for symbol in found:
            if symbol.name != "params":
                inner = [one.name for one in symbol.children]
                assert inner == [*data[symbol.name]]
            assert symbol.range.start.line <= symbol.selection_range.start.line
        lines = text.splitlines()
        assert lines[found[-1].range.end.line].startswith(" ")


FOLDS = {
    "googlenet": (r"^blocks:", r"^      fc2:"),
    "unet": (r"^neck:", r"^  up4:"),
    "densenet121": (r"^  features:", r"^      norm5:"),
    "mobilenet_v2": (r"rows:", r"\[6, 320"),
    "resnet50d": (r"^  stem:", r"conv: {out: width.64"),
}


def test_parts_of_a_network_fold_to_their_last_line(tmp_path: Path) -> None:
    @in_every_network(tmp_path)
    async def _(name: str, client: Client, ls: LanguageClient, text: str) -> None:
        first, last = FOLDS[name]
        asked = lsp.FoldingRangeParams(client.document)
        found = await ls.text_document_folding_range_async(asked)
        ranges = {fold.start_line: fold.end_line for fold in found}
        assert ranges[places(text, first)[0][0]] == places(text, last)[0][0]
        assert all(one < two for one, two in ranges.items())


def test_a_network_is_laid_out_again_to_its_last_letter(tmp_path: Path) -> None:
    untidy = {
        name: re.sub(r"\{(\w+: [^#]*)$", r"{  \1", text, flags=re.M) for name, text in TEXTS.items()
    }

    @in_every_network(tmp_path, untidy)
    async def _(name: str, client: Client, ls: LanguageClient, text: str) -> None:
        asked = lsp.DocumentFormattingParams(client.document, lsp.FormattingOptions(2, True))
        (edit,) = await ls.text_document_formatting_async(asked)
        assert edit.new_text == TEXTS[name] != text
        client.change(TEXTS[name])
        assert not await ls.text_document_formatting_async(asked)


COLOURS = {  # by patterns: what a word is, and whether it is declared there
    "googlenet": {r"^  (inception):": "class!", r"\{(basic_conv): \{out: 64, k": "function",
                  r"all_level\[row": "variable", r"^blocks": "keyword", r"ceil": "property"},
    "unet": {r"from: \[(bottom)": "label", r"^  (up4)": "property!", r"^neck": "keyword",
             r"params: \{(out): int\}$": "parameter!"},
    "densenet121": {r"(growth): 32": "parameter!", r"(floor)\(C": "method", r"^defaults": "keyword",
                    r"(dense_layer)\}": "function", r"^  (transition):": "class!"},
    "mobilenet_v2": {r"(width)\(32\)": "method", r"columns: \[(t)": "variable!",
                     r"^  (bottleneck):": "class!", r"repeat": "keyword"},
    "resnet50d": {r"(resnet50\.yaml)": "string", r"^  (average_projection):": "class!",
                  r"(avg_pool):": "function", r"count_padding": "property"},
}  # fmt: skip


def test_words_of_a_network_are_coloured_as_what_they_are(tmp_path: Path) -> None:
    from archdsl.editor.server import KINDS  # the legend, which every client is given

    @in_every_network(tmp_path)
    async def _(name: str, client: Client, ls: LanguageClient, text: str) -> None:
        asked = lsp.SemanticTokensParams(client.document)
        data = (await ls.text_document_semantic_tokens_full_async(asked)).data
        kinds, line, column = {}, 0, 0
        for at in range(0, len(data), 5):
            down, right, length, kind, declared = data[at : at + 5]
            line, column = line + down, right + (0 if down else column)
            kinds[line, column] = KINDS[kind] + "!" * declared, length
        for pattern, kind in COLOURS[name].items():
            word = re.search(pattern, text, re.M)
            assert word is not None
            length = len(word[1] if word.groups() else word[0])
            place = places(text, pattern)[0]
            assert kinds.get(place, ("nothing", 0))[0] == kind, pattern
            assert kinds[place][1] == length or "[" in pattern, pattern
