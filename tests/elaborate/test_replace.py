"""Another op wherever one is written: `replace`."""

from fnmatch import fnmatchcase
from random import Random
from typing import Any

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import archdsl
from archdsl.diagnostics.errors import UsageError
from archdsl.graph.graph import Graph
from archdsl.language.gallery import every, names
from archdsl.language.patterns import fits
from archdsl.ops import OPS
from archdsl.pytorch.naming import class_name
from archdsl.pytorch.proof import prove
from archdsl.pytorch.source import translate
from archdsl.study.candidates import Candidates, Point
from tests.random_specs import spec
from tests.support import graph_of, read, verbs, whole

GROUPS = {"batch_norm": {"group_norm": {"groups": 32}}}
FEW = settings(
    max_examples=15, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def translated(graph: Graph) -> str:
    """The source in the spec's own words, which is the graph."""
    built = graph.select(graph.outputs, graph.aux)
    source = translate(built, class_name(graph.name))
    prove(source, graph)
    return source


def ops(graph: Graph) -> dict[str, str]:
    return {node.id: node.op.verb for node in graph.nodes}


def test_resnet50_with_group_norm_is_timms() -> None:
    import timm

    theirs = timm.create_model("resnet50_gn").eval()
    graph = archdsl.load("resnet50", replace=GROUPS)
    ours = archdsl.compile(graph).eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for tensor in theirs.state_dict().values():
        tensor.normal_(0, 0.05)
    ours.load_state_dict(theirs.state_dict())
    image = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        assert torch.equal(ours(image), theirs(image))
    assert archdsl.analyze(graph).total.parameters == 25_557_032
    translated(graph)


def test_the_written_out_form_is_the_same_network() -> None:
    said = (
        "archdsl: 1\nname: gn\nextends: resnet50\nreplace: {batch_norm: {group_norm: {groups: 32}}}"
    )
    written = archdsl.loads(said)
    called = archdsl.load("resnet50", replace=GROUPS)
    assert [(n.id, n.op, n.inputs) for n in written.nodes] == [
        (n.id, n.op, n.inputs) for n in called.nodes
    ]


def test_a_block_with_the_name_of_an_op_is_told_of_replace() -> None:
    _, (error,) = read("blocks: {batch_norm: {seq: [{group_norm: {groups: 32}}]}}")
    assert error.code == "E0208"
    assert "`replace: {batch_norm: NAME}`" in error.help


LARGE = {"preresnet1001_cifar10", "efficientnet_b7", "tf_efficientnet_b7", "efficientnet_v2_l"}


def test_every_network_takes_silu_for_relu() -> None:
    found = 0
    for name in set(names()) - LARGE:
        reading = archdsl.api.reading.read(name, replaced=["relu=silu"])
        if reading.graph is None:
            assert [error.code for error in reading.diagnostics] == ["E0402"]
            continue
        found += 1
        assert "relu" not in ops(reading.graph).values()
    assert found > 45


# A thousand layers that no statistics normalise yet pass the largest number of float32.
DEEP = {"preresnet1001_cifar10"}


@pytest.mark.slow
@pytest.mark.parametrize("name", every())
def test_every_network_with_silu_runs_as_translated(name: str) -> None:
    if "relu" not in ops(archdsl.load(name)).values():
        return
    graph = archdsl.load(name, replace={"relu": "silu"})
    translated(graph)
    module = archdsl.compile(graph).eval()
    dtype = torch.float64 if name in DEEP else torch.float32
    images = [torch.randn(1, *given.shape, dtype=dtype) for given in graph.inputs.values()]
    with torch.no_grad():
        result = module.to(dtype)(*images)
    for value in result.values() if isinstance(result, dict) else [result]:
        assert value.isfinite().all()


SMALL = """
    blocks:
      unit:
        params: {act: relu}
        residual:
          body: {c: {conv: {kernel: 3}}, n: batch_norm, a: $act}
          after: relu
    backbone:
      one: unit
      two: {unit: {act: tanh}, repeat: 2}
      last: relu
"""


def with_rules(text: str, rules: Any) -> Graph:
    return archdsl.loads(yaml.safe_dump({**yaml.safe_load(whole(text)), "replace": rules}))


def replaced(text: str, rules: Any) -> dict[str, str]:
    return ops(with_rules(text, rules))


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        ({"relu": "silu"}, {"one.a", "one.relu", "two.0.relu", "two.1.relu", "last"}),
        ({"op": "relu", "at": "one", "with": "silu"}, {"one.a", "one.relu"}),
        ([{"op": "relu", "at": "two.*", "with": "silu"}], {"two.0.relu", "two.1.relu"}),
        ([{"op": "relu", "at": "*.1.relu", "with": "silu"}], {"two.1.relu"}),
        ([{"op": "relu", "at": "*.a", "with": "silu"}], {"one.a"}),
        ([{"op": "tanh", "at": "two.?", "with": "silu"}], {"two.0.a", "two.1.a"}),
        ([{"tanh": "silu"}, {"op": "relu", "at": "last", "with": "silu"}],
         {"two.0.a", "two.1.a", "last"}),
    ],
)  # fmt: skip
def test_ops_are_replaced_where_the_paths_fit(rules: Any, found: set[str]) -> None:
    assert {id for id, verb in replaced(SMALL, rules).items() if verb == "silu"} == found
    graph = with_rules(SMALL, rules)
    assert ("SiLU" in translated(graph)) == bool(found)


def test_an_op_keeps_the_arguments_that_the_other_takes_too() -> None:
    text = """
        defaults: {batch_norm: {eps: 0.01, momentum: 0.2}, conv: {bias: false}}
        replace:
          batch_norm: {group_norm: {groups: C // 4}}
          conv: std_conv
          max_pool: {avg_pool: {padding: 0}}
        backbone:
          c: {conv: {out: 16, kernel: 3}}
          n: {batch_norm: {init: zeros}}
          p: {max_pool: {kernel: 2, padding: 1}}
    """
    graph = graph_of(text)
    found = {node.id: node.op for node in graph.nodes}
    norm, conv, pool = found["n"], found["c"], found["p"]
    assert (norm.verb, norm.groups, norm.eps, norm.init.scheme) == ("group_norm", 4, 0.01, "zeros")  # type: ignore[attr-defined]
    assert (conv.verb, conv.bias) == ("std_conv", False)  # type: ignore[attr-defined]
    assert (pool.verb, pool.kernel, pool.padding) == ("avg_pool", (2, 2), (0, 0))  # type: ignore[attr-defined]
    translated(graph)


def test_defaults_of_what_stands_there_go_before_those_of_the_op() -> None:
    text = """
        defaults: {batch_norm: {eps: 0.01}, group_norm: {eps: 0.5, groups: 2}}
        replace: {batch_norm: group_norm}
        backbone: [{conv: {out: 4, kernel: 1}}, batch_norm, {batch_norm: {eps: 0.1}}]
    """
    assert [node.op.eps for node in graph_of(text).nodes[1:]] == [0.5, 0.1]  # type: ignore[attr-defined]


BLURRED = """
    blocks:
      blurred:
        params: {kernel: int, stride: 1, padding: 0}
        seq:
          - max_pool: {kernel: kernel, padding: padding, stride: 1}
          - blur_pool: {stride: stride}
      unit: {seq: [relu, {max_pool: {kernel: 3, stride: 2, padding: 1}}]}
    replace: {max_pool: blurred}
    backbone: {a: unit, pool: {max_pool: {kernel: 3, stride: 2, padding: 1}}}
"""


def test_a_block_that_has_the_op_stands_for_it_once() -> None:
    graph = graph_of(BLURRED)
    assert ops(graph) == {
        "a.0": "relu", "a.1.0": "max_pool", "a.1.1": "blur_pool",
        "pool.0": "max_pool", "pool.1": "blur_pool",
    }  # fmt: skip
    assert str(graph.nodes[-1].output) == "3x2x2"
    assert "class Blurred" in translated(graph)


def test_what_stands_for_an_op_is_not_replaced_again() -> None:
    text = "replace: {relu: silu, silu: gelu}\nbackbone: [relu, silu]"
    assert list(verbs(text).values()) == ["silu", "gelu"]
    again = "replace: {batch_norm: {batch_norm: {eps: 0.5}}}\nbackbone: [batch_norm]"
    assert graph_of(again).nodes[0].op.eps == 0.5  # type: ignore[attr-defined]


def test_an_op_is_what_it_is_written_in_conditions() -> None:
    text = """
        blocks: {unit: {params: {act: relu}, seq: [$act, {tanh: {}, if: act == 'relu'}]}}
        replace: {relu: silu}
        backbone:
          a: unit
          b: {seq: [{$act: {}, for: {act: [relu, gelu]}}]}
          c: {unit: {act: gelu}}
    """
    assert verbs(text) == {
        "a.0": "silu", "a.1": "tanh", "b.0": "silu", "b.1": "gelu", "c.0": "gelu",
    }  # fmt: skip
    translated(graph_of(text))


def test_a_scope_says_what_is_replaced_in_it_alone() -> None:
    rules = [{"op": "relu", "at": "two.1", "with": "silu"}]
    graph = with_rules(SMALL, rules)
    first, second = (graph.scope_by_id[id] for id in ("two.0", "two.1"))
    assert first.arguments == (("act", "tanh"),)
    assert second.arguments == (("act", "tanh"), ("relu", "silu"))
    assert Graph.from_json(graph.to_json()) == graph
    everywhere = with_rules(SMALL, {"relu": "silu"})
    assert everywhere.scope_by_id["one"].arguments == (("act", "silu"),)


def test_what_the_call_says_goes_before_what_the_spec_says(tmp_path: Any) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(
        whole("replace: {relu: silu, tanh: gelu}\nbackbone: [relu, tanh]\nexpect: {params: 9}")
    )
    graph = archdsl.load(path, replace={"relu": "hard_swish"})
    assert list(ops(graph).values()) == ["hard_swish", "gelu"]
    graph = archdsl.api.reading.read(
        path, replaced=["relu=sigmoid", "[{op: tanh, at: '1', with: relu}]"]
    ).require()
    assert list(ops(graph).values()) == ["sigmoid", "relu"]
    one = archdsl.api.reading.read(path, replaced=["[{op: tanh, at: '1', with: relu}]"]).require()
    assert list(ops(one).values()) == ["silu", "relu"], "none is left for the spec's own rule"
    candidates = Candidates(path, replaced=["relu=gelu"])
    assert list(ops(candidates.graph(Point({}, {}))).values()) == ["gelu", "gelu"]
    with pytest.raises(UsageError, match="did you mean `relu`"):
        archdsl.api.reading.read(path, replaced=["rellu=silu"])
    with pytest.raises(UsageError, match="replace, output_stride and input change a spec"):
        archdsl.compile(graph, replace={"relu": "silu"})


def test_a_spec_that_extends_says_its_own(tmp_path: Any) -> None:
    (tmp_path / "base.yaml").write_text(whole("replace: {relu: silu}\nbackbone: [relu, tanh]"))
    child = tmp_path / "child.yaml"
    child.write_text("archdsl: 1\nname: child\nextends: base.yaml\n")
    assert list(ops(archdsl.load(child)).values()) == ["silu", "tanh"]
    child.write_text("archdsl: 1\nname: child\nextends: base.yaml\nreplace: {tanh: gelu}\n")
    assert list(ops(archdsl.load(child)).values()) == ["relu", "gelu"]
    child.write_text("archdsl: 1\nname: child\nextends: base.yaml\nreplace: {}\n")
    assert list(ops(archdsl.load(child)).values()) == ["relu", "tanh"]


@pytest.mark.parametrize(
    ("rules", "code", "words"),
    [
        ("{relu6: silu}", "E0402", "there is no relu6 to replace"),
        ("[{op: relu, at: layer4, with: silu}]", "E0402", "at `layer4`"),
        ("{rellu: silu}", "E0205", "did you mean `relu`?"),
        ("[{op: rellu, with: silu}]", "E0205", "did you mean `relu`?"),
        ("{relu: sillu}", "E0205", "did you mean `silu`?"),
        ("{unit: silu}", "E0205", "a block is changed by one of its name"),
        ("{relu: {leaky_relu: {slop: 1}}}", "E0206", "slope"),
        ("{relu: group_norm}", "E0207", "group_norm needs `groups`"),
        ("{relu: {group_norm: {groups: 2}}}", "E0502", "2 groups do not divide 3 channels"),
        ("{relu: flat}", "E0204", "write `seq` instead"),
        ("{op: relu, with: silu, when: 1}", "E0201", "unknown key `when`"),
        ("{op: relu}", "E0202", "`with` is missing"),
        ("{op: relu, at: 3, with: silu}", "E0203", "at must be a path"),
        ("silu", "E0203", "replace must be a mapping or a list"),
        ("{relu: {dropout: {rate: nothing}}}", "E0302", "nothing"),
        ("{relu: {dropout: {rate: 2}}}", "E0305", "out of range"),
    ],
)
def test_mistakes_are_told_at_their_place(rules: str, code: str, words: str) -> None:
    text = f"""
        replace: {rules}
        blocks: {{unit: {{seq: [relu]}}, flat: {{inline: [silu]}}}}
        backbone: [relu, {{flat: {{}}, if: false}}, {{unit: {{}}, if: false}}]
    """
    _, (error,) = read(text)
    assert error.code == code
    assert words in f"{error.message} {error.help}"
    assert error.span is not None
    assert error.span.line == 1


def test_a_call_that_replaces_wrongly_is_a_wrong_call() -> None:
    from archdsl.cli.main import run

    assert run(["check", "resnet18", "--replace", "relu6=silu"]) == 2
    assert run(["check", "resnet18", "--replace", "relu=sillu"]) == 2
    assert run(["check", "resnet18", "--replace", "rellu=silu"]) == 2
    assert run(["check", "resnet18", "--replace", "{relu: "]) == 2
    assert run(["check", "resnet18", "--replace", "relu=silu"]) == 0


@given(st.text("ab.*?", max_size=8), st.text("ab.", max_size=8))
@settings(max_examples=300, derandomize=True, database=None)
def test_a_pattern_fits_a_path_or_one_above_it(pattern: str, path: str) -> None:
    parts = path.split(".")
    above = [".".join(parts[: n + 1]) for n in range(len(parts))]
    assert fits(pattern, path) == any(fnmatchcase(one, pattern) for one in above)


def swapped(graph: Graph, rules: list[tuple[str, str, str]]) -> dict[str, str]:
    """The verbs of a graph after rules of an op, a pattern and another op."""
    found = {}
    for node in graph.nodes:
        parts = node.path.split(".")
        above = [".".join(parts[: n + 1]) for n in range(len(parts))]
        fit = (
            other
            for op, at, other in rules
            if op == node.op.verb and any(fnmatchcase(one, at) for one in above)
        )
        written = not node.name.startswith("_")
        found[node.id] = next(fit, node.op.verb) if written else node.op.verb
    return found


def check_random(seed: int) -> None:
    """Activations of a random spec replaced here and there, held to a swap in its graph."""
    drawn = spec(seed, 4)[0]
    document = {key: part for key, part in drawn.items() if key not in ("replace", "freeze")}
    random, graph = Random(seed), archdsl.loads(yaml.safe_dump(document, sort_keys=False))
    plain = {n.op.verb for n in graph.nodes if type(n.op).__module__.endswith(".activation")}
    plain = {verb for verb in plain if not OPS[verb].__dataclass_fields__}
    nodes = [n for n in graph.nodes if n.op.verb in plain and not n.name.startswith("_")]
    if not nodes:
        return
    one = random.choice(nodes)
    parts = one.path.split(".")
    at = random.choice(["*", ".".join(parts[: random.randint(1, len(parts))]), f"*{parts[-1]}"])
    rule = (one.op.verb, at, "softplus" if one.op.verb != "softplus" else "silu")
    rules = [{"op": rule[0], "at": rule[1], "with": rule[2]}]
    after = archdsl.loads(yaml.safe_dump({**document, "replace": rules}, sort_keys=False))
    wanted = swapped(graph, [rule])
    assert {node.id: node.op.verb for node in after.nodes} == wanted
    assert [n.inputs for n in after.nodes] == [n.inputs for n in graph.nodes]
    prove(archdsl.emit(after), after)


@FEW
@given(st.integers(0, 2**32))
def test_random_specs_are_as_if_their_ops_were_swapped(seed: int) -> None:
    check_random(seed)


@pytest.mark.slow
@settings(FEW, max_examples=1000)
@given(st.integers(0, 2**32))
def test_many_random_specs_are_as_if_their_ops_were_swapped(seed: int) -> None:
    check_random(seed)


def test_two_rules_for_one_op_tell_a_block_from_its_like() -> None:
    graph = graph_of("""
        blocks: {unit: {seq: {act: relu, conv: {conv: {kernel: 3}}, end: relu}}}
        replace:
          - {op: relu, at: "low.0.act", with: gelu}
          - {op: relu, at: "low.0", with: silu}
        backbone: {low: {unit: {}, repeat: 3}}
    """)
    acts = [node.op.verb for node in graph.nodes if node.op.verb != "conv"]
    assert acts == ["gelu", "silu", *4 * ["relu"]]
    shown = [dict(scope.arguments) for scope in graph.scopes if scope.block]
    assert shown == [{"relu": "gelu at act, silu"}, {}, {}]
    assert Graph.from_json(graph.to_json()) == graph
