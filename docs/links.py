"""Whether all that a built site points at is there, and nothing of it is fetched from afar."""

import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}
STANDS = ("canonical", "alternate", "next", "prev")  # links that a browser does not fetch


class Page(HTMLParser):
    """The anchors of a page, what it links to, and what a browser fetches for it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attributes}
        self.anchors |= {said[name] for name in ("id", "name") if name in said}
        if tag == "a" and "href" in said:
            self.links.append(said["href"])
        is_fetched = said.get("rel") not in STANDS and FETCHED.get(tag) in said
        if is_fetched:
            self.fetched.append(said[FETCHED[tag]])


def wrong(folder: Path) -> list[str]:
    """What is wrong with the links of a site, one line each."""
    return [
        f"{path.relative_to(folder)}: {problem}"
        for path in sorted(folder.rglob("*"))
        for problem in (
            _page(folder, path)
            if path.suffix == ".html"
            else _style(path)
            if path.suffix == ".css"
            else ()
        )
    ]


def _page(folder: Path, path: Path) -> Iterator[str]:
    page = _read(path)
    for address in page.fetched:
        if urlsplit(address).scheme not in ("", "data") or address.startswith("//"):
            yield f"fetches {address}"
        elif problem := _missing(folder, path, address):
            yield problem
    for address in page.links:
        if not urlsplit(address).scheme and (problem := _missing(folder, path, address)):
            yield problem


def _style(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    for address in re.findall(r"url\(\s*['\"]?((?:https?:)?//[^)'\"]+)", text):
        yield f"fetches {address}"


def _missing(folder: Path, path: Path, address: str) -> str:
    """Why an address of a page leads nowhere, "" if it does not."""
    way, anchor = unquote(urlsplit(address).path), unquote(urlsplit(address).fragment)
    there = (folder / way.lstrip("/") if way.startswith("/") else path.parent / way).resolve()
    there = path if not way else there / "index.html" if there.is_dir() else there
    if not there.is_file():
        return f"no {address}"
    if anchor and there.suffix == ".html" and anchor not in _read(there).anchors:
        return f"no anchor {address}"
    return ""


@cache
def _read(path: Path) -> Page:
    return Page(path)
