"""What every diagnostic means: its cause, a wrong example and the right one, a page for each."""

import re
from pathlib import Path

from archdsl.diagnostics.codes import CODES
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.suggest import nearest

_FOLDER = Path(__file__).parent


def explain(code: str) -> str:
    """The page of a code, as Markdown; raises UsageError if there is no such code."""
    known = code.upper()
    if known not in CODES:
        close = nearest(known, CODES)
        meant = f"did you mean {close}?" if close else "docs/errors.md has them all"
        raise UsageError(f"no diagnostic has the code {code}; {meant}")
    text = (_FOLDER / f"{known}.md").read_text(encoding="utf-8")
    return f"# {known}: {CODES[known]}\n\n{text}"


def examples(code: str) -> list[tuple[str, str]]:
    """The wrong spec and the right one, each with the encoding in which it is saved."""
    fences = re.findall(r"```yaml(?: saved as (\S+))?\n(.*?)```", explain(code), re.DOTALL)
    return [(text, encoding or "utf-8") for encoding, text in fences]
