"""Each module that users import works where it alone is imported, in any order with the others."""

import os
import subprocess
import sys

import archdsl

USES = [  # each in a process of its own, where nothing else of the package was imported before
    "from archdsl.graph import Graph; assert Graph.from_json(text).to_json() == text",
    "from archdsl.graph.graph import Graph; assert Graph.from_json(text).to_json() == text",
    "from archdsl.graph import Graph; assert '<svg' in Graph.from_json(text)._repr_svg_()",
    "from archdsl.graph.from_json import decode; assert decode(text).to_json() == text",
    "from archdsl.graph.json import encode; from archdsl.graph.from_json import decode; "
    "assert encode(decode(text)) == text",
    "from archdsl import Graph; assert Graph.from_json(text).to_json() == text",
    "from archdsl import load; assert load('alexnet').to_json() == text",
    "from archdsl.api.reading import load; assert load('alexnet').to_json() == text",
    "import archdsl; assert archdsl.Graph.from_json(text) == archdsl.load('alexnet')",
    "from archdsl.cli.main import run; assert run(['check', 'alexnet']) == 0",
    "from archdsl.language.gallery import names; assert 'alexnet' in names()",
    "from archdsl.graph.schema import graph_schema; assert graph_schema()['properties']",
    "from archdsl.analysis.cost import analyze; from archdsl.graph import Graph; "
    "assert analyze(Graph.from_json(text)).total.parameters == 61_100_840",
    "from archdsl.figures.draw import draw; from archdsl.graph import Graph; "
    "assert '<svg' in draw([Graph.from_json(text)], 'hero')._repr_svg_()",
    "from archdsl.pytorch.source import emit; from archdsl.graph import Graph; "
    "assert 'nn.Linear(4096,' in emit(Graph.from_json(text))",
]

FORK = """
import os, sys
text, uses = sys.stdin.read(), {uses!r}
for number, use in enumerate(uses):
    if not (child := os.fork()):
        exec(use)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, use
    assert not [name for name in sys.modules if name.startswith("archdsl")]
"""


def test_what_users_import_needs_no_other_import() -> None:
    text = archdsl.load("alexnet").to_json()
    call = [sys.executable, "-W", "error", "-c", FORK.format(uses=USES)]
    done = subprocess.run(call, input=text, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
