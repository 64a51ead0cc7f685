"""Compiles the TikZ of figures with a real TeX, each on a page of its size.

    python docs/figures/compile.py [--kinds hero,block] [--out a.pdf] [SPEC...]

Needs `pdflatex`. Without specs the whole gallery. Prints what TeX complains of, and how many pages
came out; exits with 1 at any complaint.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import archdsl
from archdsl import UsageError
from archdsl.language import gallery

KINDS = "hero,strip,block,columns,dense,pyramid"
COMPLAINT = re.compile(r"^! .*|^Overfull .*|^Missing character.*", re.MULTILINE)
HEAD = r"""\documentclass{article}
\usepackage[T1]{fontenc}\usepackage{tikz}
\hoffset-1in\voffset-1in\hfuzz0.1pt
\newcommand{\sheet}[1]{%
  \setbox0\hbox{\input{#1}}\pdfpagewidth\wd0\pdfpageheight\ht0\shipout\box0 }
\begin{document}
"""


def write(folder: Path, specs: list[str], kinds: list[str]) -> int:
    """A file for every figure that suits, and one that has them all as pages; gives how many."""
    pages = []
    for spec in specs:
        for kind in kinds:
            name = f"{len(pages)}.tex"
            try:
                archdsl.draw(spec, kind=kind, width="double").save(folder / name)
            except UsageError:
                continue  # this kind does not suit it
            pages.append(rf"\sheet{{{name}}}")
    (folder / "pages.tex").write_text("\n".join([HEAD, *pages, r"\end{document}"]))
    return len(pages)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("specs", nargs="*", default=gallery.names())
    parser.add_argument("--kinds", default=KINDS)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    if shutil.which("pdflatex") is None:
        sys.exit("pdflatex is not installed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = write(folder, asked.specs, asked.kinds.split(","))
        command = ["pdflatex", "-interaction=nonstopmode", "pages"]
        subprocess.run(command, cwd=folder, capture_output=True, check=False)
        log = (folder / "pages.log").read_text(errors="replace")
        complaints = sorted(set(COMPLAINT.findall(log)))
        made = re.search(r"Output written on \S+ \((\d+) pages?", log)
        print(*complaints, sep="\n", end="\n" if complaints else "")
        print(f"{made[1] if made else 0} pages of {count} figures")
        if asked.out and made:
            shutil.copy(folder / "pages.pdf", asked.out)
    return int(bool(complaints) or made is None or int(made[1]) != count)


if __name__ == "__main__":
    sys.exit(main())
