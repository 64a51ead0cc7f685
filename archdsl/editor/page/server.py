"""The page itself, on NiceGUI, whose wheel has the editor and all else that a browser needs."""

import json
import secrets
import socket
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Body, Response
from nicegui import app, ui

from archdsl.diagnostics.errors import UsageError
from archdsl.editor.page.answers import (
    ONE,
    Answer,
    Question,
    Slider,
    answer,
    block_of,
    exported,
    offers,
    options_of,
)
from archdsl.editor.page.browser import CLICKED, COMPLETE, CURSOR, FONTS, INSERT, KEEP, MARK, STYLE
from archdsl.editor.page.files import ChangedMeanwhile, Open, on_disk
from archdsl.editor.page.guard import Guard
from archdsl.editor.page.worker import Worker
from archdsl.figures.canvas.font import font
from archdsl.figures.canvas.theme import theme_names
from archdsl.figures.options import Option
from archdsl.language import gallery
from archdsl.language.loader import library_names

HOST = "127.0.0.1"
WAITING = "The figure and the table come once what is wrong is mended."


class Page:
    """One tab: the editor, and what is shown beside it."""

    def __init__(self, held: Open, worker: Worker, words: Worker) -> None:
        self.held, self.worker, self.words = held, worker, words
        self.answer = Answer()
        self.settings: dict[str, str] = {}
        self.scale: dict[str, str] = {}
        self.kind, self.other = "hero", ""
        self.options: dict[str, Any] = {}
        self.sliders: tuple[Slider, ...] = ()
        self.asked = self.answered = 0  # how many questions
        self.busy = False
        self.told: bool | None = None
        ui.add_head_html(STYLE)
        ui.add_head_html(f"<style>{FONTS}</style>")
        self.bar()
        with ui.row().classes("w-full no-wrap gap-2").style("height: calc(100vh - 7rem)"):
            with ui.column().classes("w-2/5 h-full gap-1"):
                self.editor = ui.codemirror(
                    held.text, language="YAML", indent="  ", on_change=self.typed,
                    keymap={"Mod-s": lambda _: self.save()},
                ).classes("w-full grow").style("min-height: 0").mark("editor")  # fmt: skip
                cursor = CURSOR % self.editor.id
                for event in ("click", "keyup"):
                    self.editor.on(event, lambda e: self.pointed(e.args), js_handler=cursor)
                self.wrong = ui.column().classes("w-full gap-0 overflow-auto mistakes")
                self.wrong.style("max-height: 30%")
            with ui.column().classes("w-3/5 h-full gap-1 overflow-auto"):
                self.controls = ui.row().classes("w-full items-center gap-3 controls")
                self.controls.visible = False
                self.figure = ui.html("", sanitize=False).classes("figure w-full")
                self.figure.on("click", lambda e: self.clicked(e.args), js_handler=CLICKED)
                self.why = ui.label("").classes("text-orange-800 why")
                self.movers = ui.row().classes("w-full items-center gap-4 sliders")
                self.table = ui.html("", sanitize=False).classes("stages w-full overflow-auto")
        self.control()
        ui.run_javascript(KEEP)
        ui.run_javascript(COMPLETE % self.editor.id)
        ui.timer(0, self.refresh, once=True)

    def bar(self) -> None:
        """What can be chosen and done."""
        name = self.held.path.name if self.held.path is not None else "untitled"
        with ui.row().classes("w-full items-center gap-2"):
            ui.label(name).classes("text-bold file")
            self.state = ui.label("").classes("text-grey state")
            kinds = ui.select([*ONE], value=self.kind, label="figure", on_change=self.chosen)
            kinds.classes("kind w-24")
            ui.button("options", on_click=self.reveal).props("flat dense no-caps").classes(
                "options"
            )
            compare = ui.select(
                gallery.every(), label="compare with", clearable=True, on_change=self.compared
            )
            compare.props("use-input").classes("compare w-40")
            menu = ui.select(gallery.every(), label="open", on_change=self.opened)
            menu.props("use-input").classes("open w-40")
            blocks = ui.select(sorted(library_names()), label="library", on_change=self.looked)
            blocks.props("use-input").classes("library w-40")
            ui.space()
            for suffix in ("svg", "pdf", "png", "tex"):
                ui.button(suffix, on_click=lambda s=suffix: self.export(f".{s}")).props(
                    "flat dense"
                )
            ui.button("Save", on_click=self.save).props("dense").classes("save")

    # what happens

    async def typed(self, event: Any) -> None:
        self.held.text = event.value
        self.tell()
        await self.refresh()

    async def chosen(self, event: Any) -> None:
        self.kind = event.value
        self.control()
        await self.refresh()

    async def compared(self, event: Any) -> None:
        self.other = event.value or ""
        self.control()
        await self.refresh()

    def reveal(self) -> None:
        self.controls.visible = not self.controls.visible

    def control(self) -> None:
        """Controls for the options of the kind of figure, all as they are by default."""
        self.options.clear()
        self.controls.clear()
        with self.controls:
            for option in options_of("diff" if self.other else self.kind):
                self.shown(option).classes(f"option-{option.name}").tooltip(option.help)

    def shown(self, option: Option) -> Any:
        """A switch, a list to choose from, or a line to write in."""

        async def said(event: Any) -> None:
            value = event.value if hasattr(event, "value") else event.sender.value
            self.options[option.name] = value
            if value in ("", option.default):
                self.options.pop(option.name)
            await self.refresh()

        if isinstance(option.default, bool):
            return ui.switch(option.name, value=option.default, on_change=said)
        choices = theme_names() if option.name == "theme" else option.choices
        if choices:
            chosen = ui.select([*choices], value=option.default, label=option.name, on_change=said)
            return chosen.props("dense").style("min-width: 6rem")
        written = ui.input(option.name, value=option.default).props("dense")
        return written.on("change", said)  # when it is left, or by the key Enter

    async def looked(self, event: Any) -> None:
        """Shows a block of the library, and writes a call of it where the cursor is."""
        if event.value is None:
            return
        found = await self.words.ask(block_of, event.value)
        event.sender.value = None
        if isinstance(found, str):
            ui.notify(found, type="negative")
            return
        doc, text, call = found
        with ui.dialog(value=True) as dialog, ui.card().classes("block").style("max-width: none"):
            ui.label(doc)
            ui.label(text).style("font: 12px monospace; white-space: pre; overflow: auto")
            with ui.row():
                insert = INSERT % (self.editor.id, json.dumps(call))
                for words, do in (
                    ("Insert a call", lambda: ui.run_javascript(insert)),
                    ("Close", None),
                ):
                    ui.button(words, on_click=lambda d=do: (d and d(), dialog.close())).props(
                        "flat"
                    )

    async def opened(self, event: Any) -> None:
        """Shows a network of the gallery, without its file: what is typed is never saved there."""
        if self.held.unsaved:
            ui.notify("save or undo what you typed first", type="warning")
            return
        self.held.path, text = None, on_disk(Path(gallery.path(event.value)))
        self.held.text = self.held.saved = text
        self.editor.value = text

    def clicked(self, id: str) -> None:
        """A box leads to its line."""
        line = self.answer.lines.get(id)
        if line is None:
            ui.notify(f"{id} is not of this file", type="info")
            return
        self.editor.reveal_line(line)
        self.decorate(line)
        self.mark(line)

    def pointed(self, line: int) -> None:
        """A line marks its boxes."""
        if isinstance(line, int):
            self.mark(line)

    def mark(self, line: int) -> None:
        ids = [id for id, place in self.answer.lines.items() if place == line]
        ui.run_javascript(MARK % json.dumps(ids))

    def question(self) -> Question:
        said = dict(self.settings), dict(self.scale)
        options = dict(self.options)
        return Question(self.held.text, self.held.name, self.kind, *said, self.other, options)

    async def refresh(self) -> None:
        """Asks for what there is to show, and shows it unless something newer was asked.

        One question is under way at a time: what was asked meanwhile is asked once, when it is
        answered.
        """
        self.asked += 1
        if self.busy:
            return
        self.busy = True
        try:
            while self.answered != self.asked:
                number = self.asked
                found = await self.worker.ask(answer, self.question())
                self.answered = number
        finally:
            self.busy = False
        self.show(Answer(why=found) if isinstance(found, str) else found)

    def show(self, found: Answer) -> None:
        """Shows what has changed."""
        before, self.answer = self.answer, found
        if found.figure or not found.mistakes:
            self.figure.set_content(found.figure)
        if found.table:
            self.table.set_content(found.table)
        for shown, new, last in (
            (self.figure, found.figure, before.figure),
            (self.table, found.table, before.table),
        ):
            if bool(new) != bool(last):  # without one it is of a text before
                shown.classes(**{"remove" if new else "add": "old"})
        empty = found.mistakes and not self.figure.content
        self.why.set_text(found.why or (WAITING if empty else ""))
        if found.mistakes or before.mistakes:
            self.decorate()
        if found.mistakes != before.mistakes:
            self.list()
        if found.sliders != self.sliders:
            self.sliders = found.sliders
            self.settings.clear()
            self.scale.clear()
            self.move()
        self.tell()

    def list(self) -> None:
        """The mistakes, one below the other."""
        self.wrong.clear()
        with self.wrong:
            for mistake in self.answer.mistakes:
                with ui.row().classes("w-full items-center no-wrap gap-1"):
                    color = "text-red-800" if mistake.severity == "error" else "text-orange-800"
                    text = f"{mistake.line}: {mistake.code} {mistake.message}"
                    help = f"\nhelp: {mistake.help}" if mistake.help else ""
                    ui.label(text + help).classes(f"mistake grow {color}")
                    if mistake.fix:
                        fixed = ui.button(f"write {mistake.fix}").props("flat dense no-caps")
                        fixed.classes("fix").on_click(lambda m=mistake: self.mend(m))

    def decorate(self, line: int = 0) -> None:
        """Underlines what is wrong; a line that was asked for is coloured.

        By a call, since a changed property would bring the text with it, as it was known here: what
        was typed meanwhile would be lost.
        """
        size = len(self.held.text)
        marks: list[dict[str, Any]] = [
            {"kind": "mark", "from": m.start, "to": m.end, "class": f"spec-{m.severity}"}
            for m in self.answer.mistakes
            if m.start < m.end <= size
        ]
        marks += [{"kind": "line", "line": line, "class": "spec-line"}] if line else []
        self.editor.run_method("setDecorations", marks)

    def mend(self, mistake: Any) -> None:
        text = self.held.text
        self.editor.value = text[: mistake.start] + mistake.fix + text[mistake.end :]

    def move(self) -> None:
        """A slider for every number of the spec."""
        self.movers.clear()
        with self.movers:
            for one in self.sliders:
                with ui.row().classes("items-center gap-3"):
                    ui.label(one.name).classes("text-caption")
                    self.mover(one).classes(f"slider-{escape(one.name)}")

    def mover(self, one: Slider) -> Any:
        if one.choices:
            chosen = ui.toggle([*one.choices], value=one.value).props("dense")
            return chosen.on_value_change(lambda e: self.moved(one, e.value))
        low, high = (1, max(4 * one.value, 4)) if one.whole else (one.value / 4, 4 * one.value)
        step = 1 if one.whole else one.value / 20
        mover = ui.slider(min=low, max=high, step=step, value=one.value)
        mover.on("change", lambda e: self.moved(one, e.args))
        return mover.props("label").style("width: 9rem")

    async def moved(self, slider: Slider, value: float) -> None:
        said = self.scale if slider.rule else self.settings
        said[slider.name] = f"{value:g}" if not slider.whole else str(int(value))
        await self.refresh()

    async def export(self, suffix: str) -> None:
        found = await self.worker.ask(exported, self.question(), suffix)
        if isinstance(found, str):
            ui.notify(found, type="negative", multi_line=True)
            return
        name = Path(self.question().name).stem
        ui.download(found, f"{name}{suffix}")

    def save(self, over: bool = False) -> None:
        try:
            self.held.save(over)
        except ChangedMeanwhile:
            self.ask()
        except UsageError as error:
            ui.notify(str(error), type="negative")
        else:
            ui.notify("saved")
        self.tell()

    def ask(self) -> None:
        """The file changed under the text: nothing is lost unasked."""
        with ui.dialog(value=True) as dialog, ui.card():
            ui.label("The file was changed by another program since it was read here.")
            with ui.row():
                for text, do in (
                    ("Write mine over it", lambda: self.save(over=True)),
                    ("Take the file's, drop mine", self.reread),
                    ("Neither", lambda: None),
                ):
                    ui.button(text, on_click=lambda d=do: (d(), dialog.close())).props("flat")

    def reread(self) -> None:
        self.held.read()
        self.editor.value = self.held.text

    def tell(self) -> None:
        """Says whether something is unsaved, once."""
        unsaved = self.held.unsaved
        if unsaved != self.told:
            self.told = unsaved
            self.state.text = "not saved" if unsaved else ""
            ui.run_javascript(f"window.unsaved = {str(unsaved).lower()}")


def free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        port: int = found.getsockname()[1]
        return port


def serve(path: Path | None, port: int = 0, show: bool = True) -> None:
    """Serves the page for a spec until it is interrupted; prints its address.

    Raises UsageError for a file that cannot be read.
    """
    port, token = port or free_port(), secrets.token_urlsafe(24)
    held, worker, words = Open(path), Worker(), Worker()  # words do not wait for figures
    held.read()
    if path is None:
        from archdsl.language.starts import start

        held.text = held.saved = start("untitled", "resnet")

    @ui.page("/")
    def page() -> None:
        Page(held, worker, words)

    @app.post("/offers")
    async def offered(
        text: Annotated[str, Body()], line: Annotated[int, Body()], column: Annotated[int, Body()]
    ) -> list[dict[str, str]]:
        found = await words.ask(offers, held.name, text, line, column)
        return [] if isinstance(found, str) else [asdict(offer) for offer in found]

    @app.get("/fonts/{family}/{bold}")
    def letters(family: Literal["sans", "serif"], bold: bool) -> Response:
        day = {"Cache-Control": "private, max-age=86400"}
        return Response(font(family, bold).data, media_type="font/ttf", headers=day)

    app.add_middleware(Guard, token=token, port=port)
    app.on_shutdown(worker.close)
    app.on_shutdown(words.close)
    address = f"http://{HOST}:{port}/?token={token}"
    print(address, flush=True)
    ui.run(
        host=HOST, port=port, title="archdsl", reload=False, show_welcome_message=False,
        reconnect_timeout=60, show=f"/?token={token}" if show else False,
    )  # fmt: skip
