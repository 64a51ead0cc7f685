"""Where in a spec the cursor stands, by its lines alone: what is being typed is rarely YAML yet."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from archdsl.yaml.syntax_errors import indentation

_NAME = r"""[^\s#"'{\[-](?:[^:#{}\[\]]|\{[^{}]*\})*?"""
_KEY = re.compile(rf"""\s*(?:- )*\s*(?P<key>"[^"]*"|'[^']*'|{_NAME})\s*:(?:\s|$)""")
_WORD = re.compile(r"[\w$-]*$")


@dataclass(frozen=True)
class Context:
    """What is around the cursor.

    `path` are the keys that lead to it, the outermost first; `position` is whether a key, the value
    of the last key of the path, or an element of its list is being typed; `word` what is typed of
    it so far; `beside` the keys that its mapping has already, on this line.
    """

    path: tuple[str, ...]
    position: Literal["key", "value", "element"]
    word: str
    beside: frozenset[str] = frozenset()

    @property
    def block(self) -> str | None:
        """The block in whose declaration it is."""
        return self.path[1] if len(self.path) > 1 and self.path[0] == "blocks" else None


def context_at(lines: Sequence[str], line: int, column: int) -> Context:
    """The context of a place; lines and columns count from 1."""
    text = lines[line - 1] if line <= len(lines) else ""
    before = text[: column - 1]
    word = _WORD.search(before)
    typed = word[0] if word else ""
    outer = list(_outer(lines, line, _indent(before)))
    keys, rest = _on_line(before)
    flow = _open_brackets(rest)
    path = (*outer, *keys)
    if not flow:
        if keys:
            return Context(path, "value", typed)
        dash = re.match(r"\s*(- )+\s*[\w$-]*$", before) is not None
        return Context(path, "element" if dash else "key", typed, _siblings(lines, line, before))
    for _, inside in flow[:-1]:
        path = (*path, *_last_key(inside))
    bracket, inside = flow[-1]
    last = _last_key(inside)
    if bracket == "[":
        return Context(path, "element", typed)
    if last:
        return Context((*path, *last), "value", typed)
    return Context(path, "key", typed, frozenset(re.findall(r"([\w$-]+)\s*:", inside)))


def _indent(text: str) -> int:
    """The column at which what a line holds begins, behind dashes."""
    match = re.match(r"\s*(- )*", text)
    return len(match[0]) if match else 0


def _outer(lines: Sequence[str], line: int, indent: int) -> Iterator[str]:
    """The keys under which a line of an indent stands, the outermost first."""
    found: list[str] = []
    for text in reversed(lines[: line - 1]):
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        match = _KEY.match(text)
        if _indent(text) < indent or (indentation(text) < indent and _indent(text) == indent):
            if match and _indent(text) < indent:
                found.append(match["key"].strip("\"'"))
            indent = indentation(text)
        if indent == 0:
            break
    yield from reversed(found)


def _on_line(before: str) -> tuple[list[str], str]:
    """The keys of this line that lead to its end, and what stands behind the last of them."""
    match = _KEY.match(before)
    if match is None:
        return [], before
    return [match["key"].strip("\"'")], before[match.end() :]


def _open_brackets(text: str) -> list[tuple[str, str]]:
    """The brackets that are open at the end of a text, each with what stands in it so far."""
    open: list[tuple[str, int]] = []
    quote = ""
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "{[":
            open.append((letter, place + 1))
        elif letter in "}]" and open:
            open.pop()
    ends = [*(start - 1 for _, start in open[1:]), len(text)] if open else []
    return [(b, text[start:end]) for (b, start), end in zip(open, ends, strict=True)]


def _last_key(inside: str) -> tuple[str, ...]:
    """The key whose value is being written in a mapping in braces, if it is one."""
    flat = re.sub(r"\{[^{}]*\}|\[[^\[\]]*\]|\"[^\"]*\"|'[^']*'", "", inside)
    match = re.search(r"([\w$-]+)\s*:\s*[^,:]*$", flat)
    return (match[1],) if match else ()


def _siblings(lines: Sequence[str], line: int, before: str) -> frozenset[str]:
    """The keys of the mapping in blocks that a line belongs to, above and below it."""
    indent, found = _indent(before), set()
    for part in (reversed(lines[: line - 1]), lines[line:]):
        for text in part:
            if not text.strip():
                continue
            if _indent(text) < indent:
                break
            match = _KEY.match(text)
            if _indent(text) == indent and match:
                found.add(match["key"].strip("\"'"))
            if indentation(text) < indent <= _indent(text):
                break
    return frozenset(found)
