"""Sharing: what is replayed from records is what elaborating it again would give, to the byte."""

from pathlib import Path
from typing import Any

import networkx
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archdsl.diagnostics.diagnostic import Diagnostic
from archdsl.diagnostics.sink import Sink
from archdsl.elaborate import replay as records
from archdsl.elaborate.builder import Builder
from archdsl.elaborate.document import elaborate
from archdsl.elaborate.replay import Records
from archdsl.language.loader import Loader
from archdsl.language.syntax import Document, as_written
from archdsl.study.candidates import Candidates, Point, changed
from archdsl.yaml.limits import Limits
from tests import built
from tests.examples import examples
from tests.random_specs import spec
from tests.support import whole, write

Result = tuple[str | None, list[Diagnostic]]  # the graph in JSON with every span, what is wrong


class Forgetful(Records):
    """Keeps nothing, so that every block is elaborated wherever it is called."""

    def keep(self, key: Any, recorded: Any) -> None:
        pass


def document_of(text: str) -> Document:
    sink = Sink()
    document = Loader(sink).loads(whole(text))
    assert document is not None
    assert not sink.failed, sink.diagnostics
    return document


def elaborated(document: Document, records: Records, limits: Limits | None = None) -> Result:
    sink = Sink()
    graph = elaborate(document, sink, limits, records)
    return (graph.to_json() if graph else None), sink.diagnostics


@given(names=st.lists(st.sets(st.integers(0, 5), max_size=3), min_size=6, max_size=6))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_a_block_mentions_what_those_that_it_names_do(names: list[set[int]]) -> None:
    """However they name one another, in rings too."""
    blocks = {
        f"b{n}": {"seq": [{"conv": {"out": f"p{n}", "kernel": 1}}]
                  + [{f"b{other}": {}, "if": "C < 1"} for other in sorted(others)]}
        for n, others in enumerate(names)
    }  # fmt: skip
    spec = {"params": {f"p{n}": 4 for n in range(6)}, "blocks": blocks,
            "backbone": [f"b{n}" for n in range(6)]}  # fmt: skip
    document = document_of(yaml.safe_dump(spec, sort_keys=False))
    calls = networkx.DiGraph({n: list(others) for n, others in enumerate(names)})
    known = Records(document)
    for n in range(6):
        reached = {n, *networkx.descendants(calls, n)}
        mentioned = known.mentions(document.file.blocks[f"b{n}"])
        assert mentioned.parameters == tuple(f"p{other}" for other in sorted(reached))


def variations(document: Document) -> list[Point]:
    """The document as it is, with other factors of its rules, and every parameter changed."""
    factors: list[dict[str, float]] = [{}, {"width": 1.3, "depth": 1.6}, {"resolution": 1.2}]
    points = [Point(scale, {}) for scale in factors]
    for name, parameter in document.parameters.items():
        default = None if parameter.default is None else as_written(parameter.default)
        if isinstance(default, bool | int | float):
            other = not default if parameter.type == "bool" else default + 1
            points.append(Point({}, {name: other}))
    return [*points, Point({}, {})]


def assert_shared(document: Document) -> None:
    """Records of all variations together change none of them."""
    shared = Records(document)
    for point in variations(document):
        varied = changed(document, point)
        alone = elaborated(varied, Forgetful(varied))
        assert elaborated(varied, shared) == alone
        assert elaborated(varied, shared) == alone


@pytest.mark.parametrize("name", built.quick())
def test_the_gallery_is_the_same_with_and_without_sharing(name: str) -> None:
    document = Candidates(name).document
    alone = elaborated(document, Forgetful(document))
    assert alone[0] is not None
    shared = Records(document)
    assert elaborated(document, shared) == alone
    assert elaborated(document, shared) == alone


@pytest.mark.parametrize(
    "name",
    [
        "efficientnet_b0",
        "regnet_y_400mf",
        "unet",
        "convnext_tiny",
        "densenet121",
        "swin_t",
    ],
)
def test_settings_of_a_network_share_what_is_the_same(name: str) -> None:
    assert_shared(Candidates(name).document)


@settings(
    max_examples=examples(30, 120),
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.integers(0, 2**64), st.integers(1, 6))
def test_random_specs_are_the_same_with_and_without_sharing(seed: int, size: int) -> None:
    """By seed: specs themselves are too long for hypothesis to show."""
    assert_shared(document_of(yaml.safe_dump(spec(seed, size)[0], sort_keys=False)))


UNIT = "{conv: {out: 4, kernel: 1}}"


@pytest.mark.parametrize(
    "text",
    [
        "blocks: {u: {seq: [{conv: {out: n, kernel: 1}}]}}\nbackbone: [u]",
        "blocks: {u: {params: {k: n}, seq: [{conv: {out: k, kernel: 1}}]}}\nbackbone: [u]",
        "blocks: {u: {seq: [v]}, v: {seq: [{conv: {out: n, kernel: 1}}]}}\nbackbone: [u]",
        "defaults: {conv: {out: n}}\nblocks: {u: {seq: [{conv: {kernel: 1}}]}}\nbackbone: [u]",
        "defaults: {batch_norm: {eps: n / 100}}\nbackbone: [{conv_bn_act: {out: 4}}]",
        "defaults: {relu6: {}, elu: {alpha: n}}\n"
        "blocks: {u: {params: {act: elu}, seq: [$act]}}\nbackbone: [u, {u: {act: relu6}}]",
        "blocks: {v: {seq: [{elu: {alpha: n}}]}, u: {params: {act: item}, seq: [$act]}}\n"
        "backbone: [{u: {act: v}}]",
        "blocks: {u: {seq: [{relu: {}, repeat: n}]}}\nbackbone: [u]",
        'blocks: {u: {seq: {"a{n}": relu}}}\nbackbone: [u]',
        "blocks: {u: {seq: [{relu: {}, if: n > 4}, tanh]}}\nbackbone: [u]",
        "blocks: {u: {seq: [{conv: {out: width(4), kernel: 1}}]}}\nbackbone: [u]",
        "scaling: {deep: {factor: n / 4}}\n"
        "blocks: {u: {seq: [{relu: {}, repeat: deep (4)}]}}\nbackbone: [u]",
        "blocks: {v: {seq: [{conv: {out: width(4), kernel: 1}}]}, u: {params: {act: item}, "
        "seq: [$act]}}\nbackbone: [{u: {act: v}}]",
        "backbone: [{conv_bn_act: {out: n}}, {conv_bn_act: {out: width(n)}}]",
    ],
)
def test_a_block_is_not_shared_where_what_it_mentions_has_changed(text: str) -> None:
    document = document_of(f"{text}\nparams: {{n: 4}}\n")
    assert_shared(document)
    graphs = {elaborated(changed(document, p), Records(document))[0] for p in variations(document)}
    assert len(graphs) > 1, "the variations should differ, or nothing is tested"


def test_a_block_is_not_shared_where_the_defaults_of_its_own_file_have_changed(
    tmp_path: Path,
) -> None:
    defaults = "defaults: {conv: {out: width(4), kernel: 1}}"
    write(tmp_path, units=f"archdsl: 1\n{defaults}\nblocks: {{u: {{seq: [{{conv: {{}}}}]}}}}")
    text = "archdsl: 1\nname: n\ninput: [3, 8, 8]\nimport: units.yaml\nbackbone: [u]"
    write(tmp_path, net=text)
    assert_shared(Candidates(tmp_path / "net.yaml").document)


def test_a_block_that_mentions_nothing_of_the_document_is_elaborated_once_for_all_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []
    node = Builder.node

    def counting(self: Builder, op: Any, inputs: Any, level: Any, name: str, *rest: Any) -> Any:
        made.append(level.child(name))
        return node(self, op, inputs, level, name, *rest)

    monkeypatch.setattr(Builder, "node", counting)
    document = document_of("""
        params: {classes: 10}
        blocks: {u: {params: {k: 3}, residual: {body: {c: {conv: {kernel: k}}}}}}
        backbone: {layer: {u: {}, repeat: depth(100)}}
        head: [global_avg_pool, flatten, {linear: {out: classes}}]
    """)
    shared = Records(document)
    elaborated(document, shared)
    assert made == ["layer.0.c", "layer.0._add", "0", "1", "2"]
    made.clear()
    graph, _ = elaborated(changed(document, Point({"depth": 2.0}, {"classes": 7})), shared)
    assert made == ["0", "1", "2"]
    assert graph is not None
    assert "layer.199.c" in graph


def test_records_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_NODES", 100)
    document = Candidates("efficientnet_b0").document
    shared = Records(document)
    assert elaborated(document, shared) == elaborated(document, Forgetful(document))
    assert sum(len(recorded.nodes) for recorded in shared.kept.values()) <= 100


def test_an_error_is_said_again_for_the_next_network() -> None:
    document = document_of("""
        params: {n: 4}
        blocks: {u: {params: {k: int}, body: {a: {conv: {out: k / 2, kernel: 1}}, b: {relu: {}, from: input}}}}
        backbone: {x: {u: {k: n}}, y: {u: {k: n + 2}}}
    """)  # noqa: E501
    shared = Records(document)
    for n in (4, 3, 3, 4, 5):
        varied = changed(document, Point({}, {"n": n}))
        alone = elaborated(varied, Forgetful(varied))
        assert alone[0] is None
        assert elaborated(varied, shared) == alone


DEEP = """
    blocks:
      a: {seq: [relu, {conv: {kernel: 1}}, {repeat: 3, inline: []}]}
      b: {residual: {body: {x: a, y: a}}}
      c: {seq: [b]}
    backbone: [{b: {}, repeat: 4}, c, {seq: [c]}]
"""


@pytest.mark.parametrize(
    ("limit", "most"),
    [("nodes", 30), ("items", 120), ("connections", 40), ("parameters", 150), ("nesting", 9)],
)
def test_limits_are_the_same_with_and_without_sharing(limit: str, most: int) -> None:
    document = document_of(DEEP)
    found = []
    for number in range(1, most + 1):
        limits = Limits(**{limit: number})
        alone = elaborated(document, Forgetful(document), limits)
        assert elaborated(document, Records(document), limits) == alone
        found.append(alone[0] is not None)
    assert found[0] is False, "the least is too little"
    assert found[-1] is True, "the most is enough"
