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
    assert sum(len(recorded.nodes) for recorded in shared.own.kept.values()) <= 100


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


@st.composite
def of_library(draw: st.DrawFn) -> str:
    """A document of blocks of the library, with default arguments and blocks of their names."""
    calls = draw(st.lists(st.sampled_from(CALLS), min_size=1, max_size=5))
    parts = ["input: [8, 16, 16]", f"params: {{n: {draw(st.integers(3, 5))}, stride: 2}}"]
    for key, among in {"defaults": DEFAULTS, "blocks": BLOCKS, "lines": OTHERS}.items():
        chosen = draw(st.lists(st.sampled_from(among), max_size=2, unique_by=lambda x: x[:8]))
        if chosen:
            parts += chosen if key == "lines" else [f"{key}: {{{', '.join(chosen)}}}"]
    return "\n".join([*parts, "backbone:", *(f"  - {call}" for call in calls)])


CALLS = (
    "conv_bn_act: {out: 8}", "conv_bn_act: {out: 8, act: silu}", "conv_bn_act: {out: width(n)}",
    "conv_bn_act: {out: 8, act: {leaky_relu: {slope: 0.1}}}", "conv_bn_act: {out: 8, act: own}",
    "conv_bn_act: {out: n / 2}", "basic: {width: 8}", "{basic: {width: 8}, repeat: 2}",
    "bottleneck: {width: 4}", "bottleneck: {width: 4, stride: 2}", "basic_conv: {out: 8}",
    "inverted_residual: {out: 8, hidden: 16}", "{relu: {}, as: own_name}",
    "inverted_residual: {out: 8, hidden: 16, squeeze: 4, drop_path: n / 10}",
    "squeeze_excite: {squeeze: n}", "aspp: {rates: [1, 2], out: 8}", "projection: {out: 8}",
)  # fmt: skip
DEFAULTS = (
    "batch_norm: {eps: 0.01}", "batch_norm: {eps: n / 100}", "conv: {init: {normal: {std: 0.1}}}",
    "conv: {stride: stride - 1}", "leaky_relu: {slope: 0.3}",
)  # fmt: skip
BLOCKS = (
    "own: {seq: [relu]}", "own: {seq: [{elu: {alpha: n}}]}", "own_too: {seq: [own]}",
    "conv_bn_act: {params: {out: 8, act: relu}, seq: [{conv: {out: out, kernel: 1}}, $act]}",
    "projection: {params: {out: int, stride: 1}, seq: [{conv: {out: out, kernel: 1}}]}",
)  # fmt: skip
OTHERS = (
    "replace: {relu: silu}", "freeze: [batch_norm]", "output_stride: 2", "replace: {conv: own}",
    "scaling: {width: {factor: 2}}", "scaling: {width: {factor: n}}",
)  # fmt: skip


@settings(max_examples=examples(60, 600), derandomize=True, database=None, deadline=None)
@given(of_library())
def test_what_documents_share_of_the_library_changes_none_of_them(text: str) -> None:
    """The one store is that of all examples, and of all that ran before."""
    sink = Sink()
    document = Loader(sink).loads(f"archdsl: 1\nname: n\n{text}")
    if document is not None and not sink.failed:
        alone = elaborated(document, Forgetful(document))
        for _ in range(2):
            assert elaborated(document, Records(document, Limits())) == alone


def test_a_block_of_the_library_is_elaborated_once_for_all_documents() -> None:
    def kept(text: str) -> int:
        document = document_of(text)
        elaborated(document, shared := Records(document, Limits()))
        assert shared.common is not None
        return len(shared.common.kept)

    records.COMMON.clear()
    call = "[{conv_bn_act: {out: 16, act: silu}}]"
    assert kept(f"backbone: {{a: {call}}}") == kept(f"params: {{n: 4}}\nbackbone: {{b: {call}}}")
    assert kept("backbone: [{conv_bn_act: {out: 8, act: silu}}]") == 2
    assert kept(f"defaults: {{conv: {{bias: true}}}}\nbackbone: {call}") == 1
    own = "blocks: {own: {seq: [relu]}}\nbackbone: [{conv_bn_act: {out: 16, act: own}}]"
    assert kept(own) == 2
    assert (
        Records(document_of(f"replace: {{relu: elu}}\nbackbone: {call}"), Limits()).common is None
    )


def test_names_that_happen_to_be_those_of_arguments_do_not_mix_up_two_documents() -> None:
    """`eps` follows from the first value of the one, and from the second of the other."""
    for names in ("n: 4, stride: 2", "dilation: 4, n: 2"):
        document = document_of(f"""
            params: {{{names}}}
            defaults: {{batch_norm: {{eps: n / 100}}}}
            backbone: [{{conv_bn_act: {{out: 8}}}}]
        """)
        alone = elaborated(document, Forgetful(document))
        assert elaborated(document, Records(document, Limits())) == alone


@pytest.mark.parametrize("item", ["{relu: {}, as: x}", "{relu: {}, tap: x}", "{use: a}", "{v: {}}"])
def test_a_block_with_names_for_the_document_is_not_for_others(item: str) -> None:
    document = document_of(f"""
        blocks: {{u: {{seq: {{a: relu, b: {item}}}}}, v: {{seq: {{a: relu, b: {{relu: {{}}, as: x}}}}}}}}
        backbone: [u, {{v: {{}}, as: other}}]
    """)  # noqa: E501
    document.file.common = True
    assert not Records(document).mentions(document.file.blocks["u"]).common


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
