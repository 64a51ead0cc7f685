"""Figures and tables of imported networks are those of the gallery's specs, but for names."""

import re
from dataclasses import replace
from functools import cache

import pytest
import torch

import archdsl
from archdsl.graph.graph import Graph
from tests import built

QUICK = {"resnet18", "squeezenet1_1"}
OTHERS = {
    "mobilenet_v2", "resnet50", "densenet121", "vgg16", "shufflenet_v2_x1_0", "googlenet", "unet",
}  # fmt: skip
NAMES = re.compile(r' id="[^"]*"| aria-label="[^"]*"|<title>.*?</title>', re.DOTALL)


@cache
def imported(name: str) -> Graph:
    """A network of the gallery that was compiled, imported as a spec, and read again.

    It is told what no module says, and calls blocks as the gallery does where both have one.
    """
    ours = built.graph(name)
    inputs = [torch.empty(1, *spec.shape, device="meta") for spec in ours.inputs.values()]
    graph = archdsl.loads(
        archdsl.to_spec(archdsl.from_torch(built.module(name), inputs, name=name))
    )
    names: dict[str, str] = {}
    for scope in graph.scopes:
        if scope.block and scope.id in ours.scope_by_id:
            names.setdefault(scope.block, ours.scope_by_id[scope.id].block)
    scopes = tuple(replace(s, block=names.get(s.block, s.block)) for s in graph.scopes)
    told = replace(graph, title=ours.title, citation=ours.citation, taps=ours.taps)
    return replace(told, scopes=scopes)


networks = pytest.mark.parametrize(
    "name", [*sorted(QUICK), *(pytest.param(n, marks=pytest.mark.slow) for n in sorted(OTHERS))]
)


@networks
def test_its_table_is_that_of_the_gallerys_spec(name: str) -> None:
    assert str(archdsl.summarize(imported(name))) == str(archdsl.summarize(built.graph(name)))


@networks
@pytest.mark.parametrize("kind", ["hero", "graph"])
def test_its_figure_is_that_of_the_gallerys_spec(name: str, kind: str) -> None:
    drawn, wanted = (
        NAMES.sub("", archdsl.draw(graph, kind=kind).render(".svg").decode())
        for graph in (imported(name), built.graph(name))
    )
    assert drawn == wanted
