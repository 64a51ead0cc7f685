"""Specs of a few hundred kilobytes with very many of one thing: none takes long or much memory.

What took time that grows with the square of a number, or with a product of two, takes minutes here;
all together takes seconds now.
"""

import time

import pytest

from archdsl.diagnostics.formats import FORMATS
from archdsl.diagnostics.sink import Sink, in_order
from archdsl.elaborate.document import elaborate
from archdsl.language.loader import Loader
from archdsl.lint.rules import LINTS, lint
from archdsl.yaml.limits import Limits

HEAD = "archdsl: 1\nname: n\ninput: [3, 8, 8]\n"
TAIL = "backbone: [relu]\n"
MANY = 10_000


def lines(pattern: str, count: int = MANY) -> str:
    """Lines with numbers in them: `N` is the number, `M` the one before."""
    return "".join(
        pattern.replace("N", str(n)).replace("M", str(n - 1)) + "\n" for n in range(1, count)
    )


def ones(count: int) -> str:
    return f"[{', '.join(['1'] * count)}]"


UNIT = "blocks: {u: {params: {k: 1}, seq: [{conv: {out: k, kernel: 1}}]}}\n"
SPECS = {
    "parameters": f"{HEAD}params:\n{lines('  pN: 1')}{TAIL}",
    "parameters, each from the one before": f"{HEAD}params:\n  p0: 1\n{lines('  pN: pM')}{TAIL}",
    "parameters that do not exist": f"{HEAD}params:\n{lines('  pN: qN')}{TAIL}",
    "blocks": f"{HEAD}blocks:\n{lines('  bN: {seq: [relu]}')}{TAIL}",
    "blocks that are called": f"{HEAD}blocks:\n{lines('  bN: {seq: [relu]}')}"
    f"backbone:\n{lines('  - bN')}",
    "blocks that call what is not there": f"{HEAD}blocks:\n{lines('  bN: {seq: [cN]}')}{TAIL}",
    "references": f"{HEAD}backbone:\n  a0: relu\n{lines('  aN: {relu: {}, from: aM}')}",
    "references to nothing": f"{HEAD}backbone:\n{lines('  aN: {relu: {}, from: bN}')}",
    "outputs of nothing": f"{HEAD}{TAIL}outputs:\n{lines('  oN: tN')}",
    "taps": f"{HEAD}backbone:\n{lines('  aN: {relu: {}, tap: tN}')}",
    "names with rows": f"{HEAD}backbone:\n{lines('  aN_{row}: {for: {c: [1]}, relu: {}}', 7_000)}"
    f"outputs:\n{lines('  oN: tN')}",
    "columns": f"{HEAD}backbone:\n  a{{row}}:\n    for:\n"
    f"{lines('      cN: [1, 2]')}    relu: {{}}\n",
    "sums over a long column": f"{HEAD}backbone:\n  a{{row}}: "
    f"{{for: {{c: {ones(40_000)}}}, if: sum(all_c) < 0, relu: {{}}}}\n  b: relu\n",
    "a long list for many columns": f"{HEAD}params: {{p: {ones(40_000)}}}\n"
    f"backbone:\n  a{{row}}:\n    for:\n{lines('      cN: p', 9_000)}    relu: {{}}\n",
    "a long list for many calls": f"{HEAD}params: {{p: {ones(40_000)}}}\n"
    "blocks: {u: {params: {w: list}, seq: [relu]}}\nbackbone: {a: {u: {w: p}, repeat: 20000}}\n",
    "a long default for many calls": f"{HEAD}params: {{p: {ones(40_000)}}}\n"
    'blocks: {u: {params: {k: 1, w: "p[1:]"}, seq: [{conv: {out: k, kernel: 1}}]}}\n'
    "backbone: {a: {u: {k: i + 1}, repeat: 9000}}\n",
    "calls that see many parameters": f"{HEAD}params:\n{lines('  pN: 1')}{UNIT}"
    "backbone: {a: {u: {k: i + 1}, repeat: 9000}}\n",
    "calls with many parameters": f"{HEAD}blocks:\n  u:\n    params:\n      k: 1\n"
    f"{lines('      pN: 1')}    seq: [{{conv: {{out: k, kernel: 1}}}}]\n"
    "backbone: {a: {u: {k: i + 1}, repeat: 9000}}\n",
    "turns that see many columns": f"{HEAD}backbone:\n  a{{row}}:\n    for:\n"
    f"{lines('      cN: [1, 2]')}    seq: {{b: {{repeat: 9000, relu: {{}}}}}}\n",
    "a path of many levels": f"{HEAD}under: {{backbone: {'.'.join(['a'] * MANY)}}}\n{TAIL}",
    "verbs that do not exist": f"{HEAD}backbone:\n{lines('  - reluN')}",
}


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_of_very_many_things_takes_little_time(name: str) -> None:
    start = time.process_time()
    loader = Loader(Sink())
    document = loader.loads(SPECS[name], "n.yaml")
    graph = elaborate(document, loader.sink) if document is not None else None
    assert (graph is None) == loader.sink.failed
    if document is not None and graph is not None:
        lint(document, graph, LINTS, loader.sink)
    assert len(loader.sink.diagnostics) <= Limits().mistakes + 1
    for show in FORMATS.values():
        show(in_order(loader.sink.diagnostics), loader.sources, True)
    assert time.process_time() - start < 20
