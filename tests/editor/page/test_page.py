"""The live page in a real browser, Debian's Chromium, and its server under attack."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from archdsl.language import gallery
from tests.browser import chromium

pytest.importorskip("nicegui", reason="needs the extra `page`")
pytest.importorskip("pebble", reason="needs the extra `page`")
from archdsl.editor.page.answers import Question, answer

SECONDS = 300_000  # milliseconds: how long a loaded machine may take


@dataclass
class Served:
    """A server with the address that it printed."""

    process: subprocess.Popen[str]
    address: str
    spec: Path
    log: Path

    def ended(self) -> str:
        """How the server ended, with what it wrote; nothing where it runs."""
        status = self.process.poll()
        return "" if status is None else f"status {status}: {self.log.read_text('utf-8')}"

    @property
    def port(self) -> int:
        return urlsplit(self.address).port or 0

    def ask(self, path: str = "/", method: str = "GET", body: bytes = b"", **headers: str) -> Any:
        """The status and the body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS / 1000)
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(connection):
            connection.request(method, path, body or None, said)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")

    @property
    def query(self) -> str:
        return "/?" + urlsplit(self.address).query


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    spec = tmp_path_factory.mktemp("page") / "resnet50.yaml"
    shutil.copy(gallery.path("resnet50"), spec)
    command = [sys.executable, "-m", "archdsl", "serve", str(spec), "--no-show"]
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    log = spec.with_suffix(".log")
    with log.open("w") as file:
        process = subprocess.Popen(
            command, env=own, stdout=subprocess.PIPE, stderr=file, text=True, start_new_session=True
        )
    assert process.stdout is not None
    made = Served(process, process.stdout.readline().strip(), spec, log)
    for _ in range(240):
        assert not made.ended()
        try:
            made.ask()
            break
        except OSError:
            time.sleep(0.25)
    yield made
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=SECONDS / 1000)


# who is let in


def test_the_page_answers_its_own_address_alone(served: Served) -> None:
    host = f"127.0.0.1:{served.port}"
    assert served.ask(served.query)[0] == 200
    assert served.ask("/")[0] == 403  # no token
    assert served.ask("/?token=guess")[0] == 403
    assert served.ask(served.query, Host="example.com")[0] == 421
    assert served.ask(served.query, Host=f"example.com:{served.port}")[0] == 421
    assert served.ask(served.query, Origin="http://example.com")[0] == 403
    assert served.ask(served.query, Origin="null")[0] == 403
    assert served.ask(served.query, Origin=f"http://{host}")[0] == 200
    assert served.ask("/", Cookie="archdsl_page=guess")[0] == 403


@pytest.mark.parametrize(
    "path", ["/../../etc/passwd", "/_nicegui/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd"]
)
def test_no_path_leads_to_files(served: Served, path: str) -> None:
    status, body = served.ask(path + served.query[1:])
    assert status in (403, 404) and "root:" not in body


def test_a_socket_of_another_page_is_refused(served: Served) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    path = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    assert served.ask(path, **upgrade)[0] == 403
    token = served.query[2:]
    assert served.ask(f"{path}&{token}", Origin="http://example.com", **upgrade)[0] == 403


def test_words_are_offered_to_the_page_alone_and_nonsense_is_refused(served: Served) -> None:
    def ask(path: str, said: object, **headers: str) -> Any:
        kind = "application/json"
        return served.ask(path, "POST", json.dumps(said).encode(), Content_Type=kind, **headers)

    path, text = "/offers?" + served.query[2:], "archdsl: 1\nbackbone:\n  - max_p"
    said = {"text": text, "line": 3, "column": 10}
    status, body = ask(path, said)
    assert status == 200 and json.loads(body)[0]["label"] == "max_pool"
    assert ask("/offers", said)[0] == 403
    assert ask(path, said, Origin="http://example.com")[0] == 403
    assert ask(path, {"text": text, "line": "x", "column": None})[0] == 422
    for line, column in ((0, 0), (-5, 10**9), (10**9, -1)):
        assert ask(path, {"text": text, "line": line, "column": column})[0] == 200
    assert served.ask("/fonts/sans/1?" + served.query[2:])[0] == 200
    assert served.ask("/fonts/..%2f..%2fsvg.py/1?" + served.query[2:])[0] in (404, 422)


@pytest.mark.slow
def test_much_at_once_is_refused_and_many_are_answered(served: Served) -> None:
    for path in (served.query, "/offers?" + served.query[2:]):
        assert served.ask(path, "POST", Content_Length=str(100_000_000))[0] == 413
        assert served.ask(path, "POST", Transfer_Encoding="chunked")[0] == 411
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(served.ask(served.query)[0]))
        for _ in range(200)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * 200


@pytest.mark.slow
def test_browsers_that_leave_in_the_middle_of_an_answer_end_nothing(served: Served) -> None:
    asked = f"GET {served.query} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n"
    for _ in range(200):
        with closing(socket.create_connection(("127.0.0.1", served.port))) as connection:
            connection.sendall(3 * asked.encode())
    assert served.ask(served.query)[0] == 200
    assert not served.ended()


def test_options_of_a_figure_read_no_file(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("base: paper\n")

    def why(**options: str) -> str:
        found = answer(Question(spec(), "resnet50.yaml", options=options))
        assert bool(found.figure) != bool(found.why)
        return found.why

    assert why(theme="dark") == ""
    assert why(theme=str(own)) == "a page has the themes dark, grey, paper"
    assert why(input_image="/etc/passwd", output_image="/etc/passwd") == ""  # no such options
    assert "12x" in why(width="12x")


# in the browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as made:
        yield made


@pytest.fixture
def page(served: Served, browser: Any) -> Iterator[Any]:
    """A tab with the spec as its file says it, drawn; errors of its scripts fail the test."""
    assert not served.ended()
    context = browser.new_context(viewport={"width": 1500, "height": 900}, accept_downloads=True)
    tab, wrong = context.new_page(), []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.set_default_timeout(SECONDS)
    tab.goto(served.address)
    tab.wait_for_selector(".cm-content")
    write(tab, spec())  # whatever the test before has left there
    tab.wait_for_selector(".figure:not(.old) svg")
    yield tab
    context.close()
    assert not wrong


def write(page: Any, text: str) -> None:
    """Puts a text into the editor as somebody would: all of it selected and typed over."""
    page.click(".cm-content")
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def spec() -> str:
    return Path(gallery.path("resnet50")).read_text("utf-8")


def test_a_mistake_is_shown_at_its_line_and_a_click_mends_it(served: Served, page: Any) -> None:
    write(page, spec().replace("bn1: batch_norm", "bn1: batch_normx"))
    mistake = page.wait_for_selector(".mistake")
    assert "39: E0205 unknown verb `batch_normx`" in mistake.inner_text()
    assert page.wait_for_selector(".spec-error").inner_text() == "batch_normx"
    assert "not saved" in page.inner_text(".state")
    page.wait_for_selector(".figure.old")
    page.wait_for_selector(".stages.old")  # both are of the text before
    page.click(".fix")
    page.wait_for_selector(".mistake", state="detached")
    page.wait_for_function("!document.querySelector('.figure').classList.contains('old')")
    assert page.inner_text(".state") == ""


@pytest.mark.slow
def test_what_may_be_written_is_offered_as_one_types(page: Any) -> None:
    page.click(".cm-line:has-text('bn1: batch_norm')")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.keyboard.type("more: max_p", delay=60)
    first = ".cm-tooltip-autocomplete li[aria-selected]:has-text('max_pool')"
    offer = page.wait_for_selector(first)  # what was offered for `m` alone may show before it
    assert offer.inner_text().startswith("max_pool") and "largest" in offer.inner_text()
    page.click(first)
    page.wait_for_selector(".cm-line:has-text('more: max_pool')")


@pytest.mark.slow
def test_no_letter_is_lost_while_mistakes_come_and_go(page: Any) -> None:
    page.click(".cm-line:has-text('bn1: batch_norm')")
    page.keyboard.press("End")
    words = " # said at the pace of somebody who knows what to say, and goes on and on"
    page.keyboard.press("Enter")
    page.keyboard.type("wrong: nothing like it" + words, delay=30)
    page.wait_for_selector(".mistake")
    line = page.locator(".cm-line:has-text('at the pace')").inner_text()
    assert line.strip() == "wrong: nothing like it" + words


@pytest.mark.slow
def test_two_tabs_show_one_text_and_neither_loses_what_was_typed(served: Served, page: Any) -> None:
    write(page, spec() + "# first tab\n")
    page.wait_for_function("document.querySelector('.state').innerText === 'not saved'")
    other = page.context.new_page()
    other.set_default_timeout(SECONDS)
    other.goto(served.address)
    other.wait_for_selector(".figure svg")
    other.click(".cm-content")
    other.keyboard.press("Control+End")
    assert "# first tab" in other.inner_text(".cm-content")
    write(other, spec().replace("bn1: batch_norm", "bn1: batch_normx"))
    other.wait_for_selector(".mistake")
    other.reload()
    other.wait_for_selector(".why:has-text('once what is wrong is mended')")
    write(other, spec())
    other.wait_for_function("document.querySelector('.state').innerText === ''")
    other.close()


def test_a_box_leads_to_its_line_and_a_line_marks_its_boxes(page: Any) -> None:
    page.click('.figure g[id="fc"] path')
    assert page.wait_for_selector(".spec-line").inner_text().startswith("  fc: {linear")
    page.wait_for_selector('.figure g.marked[id="fc"]')
    page.click(".cm-line:has-text('maxpool: {max_pool')")
    page.wait_for_selector('.figure g.marked[id="maxpool"]')
    assert page.query_selector('.figure g.marked[id="fc"]') is None


def test_figure_table_and_sliders_follow_what_is_typed(page: Any) -> None:
    own = spec().partition("expect:")[0]
    write(page, own.replace("depths: [3, 4, 6, 3]", "depths: [3, 4, 23, 3]"))
    page.wait_for_function("document.querySelector('.stages').innerText.includes('44.55 M')")
    assert "bottleneck ×23" in page.inner_text(".figure") or page.query_selector(
        '[aria-label="bottleneck ×23"]'
    )
    write(page, spec())
    page.wait_for_function("document.querySelector('.stages').innerText.includes('25.56 M')")
    slider = page.locator(".slider-width")
    slider.focus() if slider.get_attribute("tabindex") else page.click(
        ".slider-width .q-slider__track"
    )
    page.wait_for_function("!document.querySelector('.stages').innerText.includes('25.56 M')")


def test_a_parameter_of_some_values_has_a_button_for_each(page: Any) -> None:
    page.click(".slider-output_stride >> text=8")
    page.wait_for_selector(".stages td:has-text('2048x28x28')")
    page.click(".slider-output_stride >> text=32")
    page.wait_for_selector(".stages td:has-text('2048x7x7')")


def test_a_figure_has_controls_for_its_options(page: Any) -> None:
    page.click("button.options")
    before = page.inner_html(".figure")
    page.click(".option-theme")
    page.click(".q-item:has-text('dark')")
    page.wait_for_function(
        "(old) => document.querySelector('.figure').innerHTML !== old", arg=before
    )
    page.fill(".option-label input", "{layer2: 'Stage <b>two</b>'}")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "document.querySelector('.figure').textContent.includes('Stage <b>two</b>')"
    )
    page.fill(".option-label input", "{layer2: [")
    page.keyboard.press("Enter")
    page.wait_for_selector(".why:has-text('label: the file is not YAML')")
    page.click(".kind")
    page.click(".q-item:has-text('table')")  # which has another set, none of them given
    page.wait_for_selector(".option-theme", state="detached")
    page.wait_for_selector(".figure td:has-text('7×7 conv, 64, /2')")


@pytest.mark.slow
def test_a_block_of_the_library_is_shown_and_a_call_of_it_written(page: Any) -> None:
    page.click(".cm-line:has-text('bn1: batch_norm')")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.keyboard.type("more: {")
    page.click(".library")
    page.keyboard.type("squeeze")
    page.click(".q-item:has-text('squeeze_excite')")
    page.wait_for_selector(".block:has-text('A gate per channel')")
    page.click("text=Insert a call")
    page.wait_for_selector(".cm-line:has-text('more: {squeeze_excite: {squeeze: ')")


@pytest.mark.slow
def test_another_network_is_compared_and_files_are_exported(page: Any, tmp_path: Path) -> None:
    for suffix, begins in (("svg", b"<svg"), ("pdf", b"%PDF"), ("png", b"\x89PNG")):
        with page.expect_download() as waiting:
            page.click(f"button:has-text('{suffix}')")
        file = tmp_path / f"figure.{suffix}"
        waiting.value.save_as(file)
        assert waiting.value.suggested_filename == f"resnet50.{suffix}"
        assert file.read_bytes().startswith(begins)
    before = page.inner_html(".figure")
    page.click(".compare")
    page.keyboard.type("resnet50d")
    page.click(".q-item:has-text('resnet50d')")
    page.wait_for_function(
        "(old) => document.querySelector('.figure').innerHTML !== old", arg=before
    )
    assert page.query_selector(".figure svg") and not page.inner_text(".why")
    page.wait_for_selector(".stages th:has-text('resnet50 to resnet50d')")


@pytest.mark.slow
def test_what_is_typed_outlives_a_reload_and_is_saved_when_asked(served: Served, page: Any) -> None:
    mine = spec() + "# mine\n"
    write(page, mine)
    page.wait_for_function("document.querySelector('.state').innerText === 'not saved'")
    assert served.spec.read_text("utf-8") == spec()
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    page.wait_for_selector(".figure svg")
    page.click(".cm-content")
    page.keyboard.press("Control+End")
    assert "# mine" in page.inner_text(".cm-content")
    page.click(".save")
    page.wait_for_function("document.querySelector('.state').innerText === ''")
    assert served.spec.read_text("utf-8") == mine
    served.spec.write_text(spec() + "# another's\n", "utf-8")
    write(page, spec() + "# mine again\n")
    page.wait_for_function("document.querySelector('.state').innerText === 'not saved'")
    page.click(".save")
    page.wait_for_selector("text=changed by another program")
    assert served.spec.read_text("utf-8") == spec() + "# another's\n"
    page.click("text=Write mine over it")
    page.wait_for_function("document.querySelector('.state').innerText === ''")
    assert served.spec.read_text("utf-8") == spec() + "# mine again\n"
    write(page, spec())
    page.wait_for_function("document.querySelector('.state').innerText === 'not saved'")
    page.keyboard.press("Control+s")
    page.wait_for_function("document.querySelector('.state').innerText === ''")
    assert served.spec.read_text("utf-8") == spec()


def test_hostile_text_shows_as_text_and_a_killed_worker_comes_back(
    served: Served, page: Any
) -> None:
    evil = "<img src=x onerror=window.evil=1>"
    write(page, spec().replace("name: resnet50", f"name: resnet50\ndoc: '{evil}'", 1))
    write(
        page, spec().replace("title: Deep", f"title: {evil} Deep").replace("maxpool:", evil + ":")
    )
    page.wait_for_selector(".mistake")
    assert page.evaluate("window.evil") is None
    children = subprocess.run(
        ["pgrep", "-P", str(served.process.pid), "-f", "spawn_main"], capture_output=True, text=True
    ).stdout.split()
    for child in children:
        os.kill(int(child), signal.SIGKILL)
    write(page, spec())
    page.wait_for_selector(".figure:not(.old) svg")
    assert served.ask(served.query)[0] == 200
