"""Each kind of block that only some of its uses show whole is one class, of which all are uses.

The spec calls the block with several arguments; what is emitted is proved to be its graph, so that
the class holds for each of them.
"""

import inspect
import json
from functools import cache
from itertools import pairwise
from textwrap import dedent, indent
from typing import Any

import pytest
import torch
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import archdsl
from archdsl.pytorch.running import import_source
from tests.examples import examples, some

HEAD = "archdsl: 1\nname: net\ninput: [8, 16, 16]\nblocks:\n"
BRANCHES = """
      unit:
        params: {out: 8, stride: 1, n: 4, wide: false}
        branches:
          join: JOIN
          paths:
            a: {conv: {out: out, kernel: 1, stride: stride}, if: stride == 1 and C == out}
            b: {conv: {out: out, kernel: 3, stride: stride}}
            c: {seq: [{conv: {out: out, kernel: 1, stride: stride}}, relu], if: wide}
            d: {max_pool: {kernel: 3, stride: stride, padding: 1}, if: n > 3 and C == out}
"""
ADDED = [{}, {"stride": 2}, {"out": 16}, {"wide": "true", "out": 16}, {"n": 1, "out": 16}]
KINDS = {
    "branches that are joined": (
        BRANCHES.replace("JOIN", "concat"), [{}, {"wide": "true"}, {"n": 1}],
    ),
    "branches that are added": (BRANCHES.replace("JOIN", "add"), ADDED),
    "branches that are multiplied": (BRANCHES.replace("JOIN", "multiply"), ADDED),
    "one branch": (
        """
      unit:
        params: {out: 8, stride: 1}
        body:
          _all:
            branches:
              join: add
              paths:
                same: {batch_norm: {}, if: stride == 1 and C == out}
                conv: {conv: {out: out, kernel: 3, stride: stride}}
                plain: {conv: {out: out, kernel: 1, stride: stride}}
          act: relu
    """,
        [{}, {"stride": 2}, {"out": 16}],
    ),
    "pools": (
        """
      unit:
        params: {pool: item, size: 3}
        body: {down: {$pool: {kernel: size, stride: 1, padding: 1}}}
    """,
        [{"pool": "avg_pool"}, {"pool": "max_pool"},
         {"pool": "{avg_pool: {count_padding: false}}"}],
    ),
    "norms": (
        """
      unit:
        params: {norm: batch_norm, out: 8}
        body: {conv: {conv: {out: out, kernel: 1}}, norm: $norm}
    """,
        [{}, {"norm": "{batch_norm: {eps: 0.001}}"}, {"norm": "batch_norm", "out": 16}],
    ),
    "names with numbers": (
        """
      unit:
        params: {sizes: [1, 2]}
        branches:
          paths:
            _x: []
            part{row + 2}:
              for: {size: sizes}
              seq:
                pool: {adaptive_avg_pool: {size: size}}
                conv: {conv: {out: C // 2, kernel: 1}}
                _up: {resize: {like: input, mode: bilinear}}
    """,
        [{}, {"sizes": "[4]"}, {"sizes": "[1, 3, 8]"}],
    ),
    "names by argument": (
        """
      unit:
        params: {kernel: 3, stride: 1, project: true, out: 8}
        body:
          _old:
            inline:
              old_k{kernel}_s{stride}: {conv: {out: out, kernel: 1, stride: stride}, if: project}
          k{kernel}:
            seq: {conv: {conv: {out: out, kernel: kernel, stride: stride}}, bn: batch_norm}
            from: input
          sum: {add: {}, from: [_old, "k{kernel}"]}
    """,
        [{}, {"stride": 2}, {"project": "false"}, {"kernel": 1, "out": 16}],
    ),
    "densely connected residuals": (
        """
      unit:
        params: {n: 2}
        body:
          layers:
            dense:
              repeat: n
              sees: last
              layer: [{residual: {body: {conv: {conv: {out: C, kernel: 3}}, act: relu}}}]
          conv: {conv: {out: 8, kernel: 1}}
    """,
        [{}, {"n": 3}],
    ),
    "parts of a list": (
        """
      unit:
        params: {sizes: [2, 6]}
        body:
          part: {split: {parts: sizes}}
          first: {conv: {out: 8, kernel: 1}, from: "part[0]"}
          all: {concat: {}, from: ["*part", first]}
    """,
        [{}, {"sizes": "[1, 3, 4]"}],
    ),
    "so many parts": (
        """
      unit:
        params: {n: 2}
        body:
          part: {split: {parts: n}}
          first: {conv: {out: 8, kernel: 1}, from: "part[0]"}
          all: {concat: {}, from: ["*part", first]}
    """,
        [{}, {"n": 4}],
    ),
    "branches that read the one before": (
        """
      unit:
        params: {n: 3, out: 4}
        body:
          all:
            branches:
              paths:
                _input: []
                "0": {conv: {out: out, kernel: 3}}
                "{k}":
                  for: {k: "[1, 2, 3, 4, 5][:n - 1]"}
                  from: "{k - 1}"
                  conv: {out: out, kernel: 3}
          conv: {conv: {out: 8, kernel: 1}}
    """,
        [{}, {"n": 1}, {"out": 8}, {"n": 2}],
    ),
    "branches of which the first reads none": (
        """
      unit:
        params: {n: 2, width: 2}
        branches:
          paths:
            _path{k}:
              for: {k: "[0, 1, 2][:n]"}
              inline:
                _part{k}: {slice: {start: k * width, stop: (k + 1) * width}, from: input}
                _sum{k}: {add: {}, from: ["_part{k}", "{k - 1}"], if: k > 0}
                "{k}": {conv: {out: C, kernel: 3, groups: C}}
            _rest: {slice: {start: n * width, stop: 8}, from: input}
    """,
        [{}, {"n": 3}, {"n": 1, "width": 3}],
    ),
    "a list of one length": (
        """
      unit:
        params: {shape: "[2, 4, 16, 16]"}
        body:
          _a: {reshape: {shape: shape}}
          _b: {permute: {order: [1, 0, 2, 3]}}
          _c: {reshape: {shape: "[8, 16, 16]"}}
          conv: {conv: {out: 8, kernel: 1}}
    """,
        [{}, {"shape": "[4, 2, 16, 16]"}, {"shape": "[2, 4, 8, 32]"}],
    ),
    "the size of a map": (
        """
      unit:
        params: {h: H, w: W, width: C}
        body:
          _rows: {reshape: {shape: "[width, h * w, 1]"}}
          norm: batch_norm
          _mean: {avg_pool: {kernel: "[h, 1]"}}
          _scaled: {scale: {factor: w}}
          conv: {conv: {out: 8, kernel: 1}}
    """,
        [{}, {}],
    ),
    "one of two joins": (
        """
      unit:
        params: {keep: true}
        body:
          a: {conv: {out: 2 * C, kernel: 3}}
          end:
            seq:
              _two: {concat: {}, from: [a, a], if: not keep}
              _three: {concat: {}, from: [a, a, input], if: keep}
              conv: {conv: {out: 8, kernel: 1}}
    """,
        [{}, {"keep": "false"}],
    ),
    "taps that say their turn": (
        """
      unit:
        params: {at: 0, n: 2, out: 4}
        body:
          maps:
            - for: {k: "[0, 1, 2][:n]"}
              from: input
              tap: "m{at}_{k + 1}"
              seq: [{conv: {out: out * (k + 1), kernel: 3}}]
          sums:
            - for: {to: "[0, 1, 2][:n]"}
              tap: "sum{at}_{to}"
              branches:
                join: add
                paths:
                  "{k}":
                    for: {k: "[0, 1, 2][:n]"}
                    from: "m{at}_{k + 1}"
                    conv: {out: 2 * to + 2, kernel: 1}
          _act{to}: {for: {to: "[0, 1, 2][:n]"}, from: "sum{at}_{to}", tap: "y{at}_{to}", relu: {}}
          all:
            branches:
              join: add
              paths:
                "{k}": {for: {k: "[0, 1, 2][:n]"}, from: "y{at}_{k}", conv: {out: 8, kernel: 1}}
    """,
        [{}, {"at": 1, "n": 3}, {"at": 2, "out": 8}],
    ),
    "a block whose taps others read": (
        """
      several:
        inputs: [x0, x1, x2]
        params: {at: int, n: int, out: int}
        body:
          maps:
            - {for: {k: "[0, 1, 2][:n]"}, from: "x{k}", tap: "m{at}_{k}",
               seq: [{conv: {out: out * (k + 1), kernel: 3}}]}
          _act{k}: {for: {k: "[0, 1, 2][:n]"}, from: "m{at}_{k}", tap: "y{at}_{k}", relu: {}}
      unit:
        params: {at: 0, n: 2, out: 4}
        body:
          a: {conv: {out: out, kernel: 1}}
          b: {conv: {out: 6, kernel: 1}, from: input}
          two: {several: {at: at, n: n, out: out}, from: [a, b, b]}
          all:
            branches:
              join: add
              paths:
                "{k}": {for: {k: "[0, 1, 2][:n]"}, from: "y{at}_{k}", conv: {out: 8, kernel: 1}}
    """,
        [{}, {"at": 1, "n": 3}, {"at": 2, "out": 8}],
    ),
    "fractions that are whole": (
        """
      unit:
        params: {n: 2, m: 1}
        body:
          norm: {lrn: {size: n, alpha: 2 * n + 1, beta: n, k: m + 1}}
          act: {leaky_relu: {slope: n - 4}}
          drop: {dropout: {rate: m // (m + 1)}}
          conv: {conv: {out: 8, kernel: 1}}
    """,
        [{}, {"n": 3}, {"m": 2}],
    ),
    "an order of its own": (
        """
      unit:
        params: {times: 1}
        seq:
          - for: {width: "[8, 12]", depth: "[times, 2]"}
            seq:
              down: {conv: {out: width, kernel: 3, stride: 1 + row}}
              blocks: {repeat: depth, conv: {out: C, kernel: 3}, made_before: down}
    """,
        [{}, {"times": "2"}],
    ),
}  # fmt: skip


def source_of(block: str, calls: list[dict[str, object]]) -> str:
    """The source of a network that is the calls of a block, each on a map of 8 channels."""
    items = []
    for n, call in enumerate(calls):
        given = ", ".join(f"{key}: {value}" for key, value in call.items())
        items.append(f"  call{n}: {{unit: {{{given}}}, from: input}}")
        items.append(f"  mean{n}: {{seq: [global_avg_pool, {{conv: {{out: 8, kernel: 1}}}}]}}")
    last = ", ".join(f"mean{n}" for n in range(len(calls)))
    items.append(f"  sum: {{add: {{}}, from: [{last}]}}")
    text = f"{HEAD}{indent(dedent(block), '  ')}\nbackbone:\n" + "\n".join(items)
    return archdsl.emit(archdsl.loads(text))


@pytest.mark.parametrize("kind", KINDS)
def test_a_block_of_several_arguments_is_one_class(kind: str) -> None:
    block, calls = KINDS[kind]
    source = source_of(block, calls)
    assert "Fixed:" not in source
    assert "every number is fixed" not in source
    module = import_source(source, "net").Net()
    made = {type(part) for name, part in module.named_children() if name.startswith("call")}
    assert [one.__name__ for one in made] == ["Unit"]


@pytest.mark.parametrize("kind", some(KINDS, 3))
@pytest.mark.filterwarnings("ignore")
def test_a_class_of_any_arguments_is_traced_and_scripted(kind: str) -> None:
    module, image = module_of(kind).Net().eval(), torch.randn(2, 8, 16, 16)
    torch.testing.assert_close(torch.jit.script(module)(image), module(image))
    torch.testing.assert_close(torch.fx.symbolic_trace(module)(image), module(image))


@cache
def module_of(kind: str) -> Any:
    return import_source(source_of(*KINDS[kind]), "net")


@st.composite
def arguments(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """Arguments of a block, of the kinds that its uses give; a list is the channels in parts."""
    known = {key: yaml.safe_load(str(value)) for call in KINDS[kind][1]
             for key, value in call.items()}  # fmt: skip
    given: dict[str, Any] = {}
    for key, value in known.items():
        if isinstance(value, bool):
            given[key] = draw(st.booleans())
        elif isinstance(value, int):
            given[key] = draw(st.sampled_from([value, 1, 2, 3, 4, 8, 12]))
        elif isinstance(value, list):
            cuts = sorted(draw(st.sets(st.integers(1, 7), max_size=3)))
            given[key] = [b - a for a, b in pairwise([0, *cuts, 8])]
    return {key: value for key, value in given.items() if draw(st.booleans())}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "pools"])  # which needs an op
@settings(max_examples=examples(3, 40), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_class_of_a_block_is_the_block_for_arguments_of_no_use(
    kind: str, data: st.DataObject
) -> None:
    values = data.draw(arguments(kind))
    block = indent(dedent(KINDS[kind][0]), "  ")
    text = f"{HEAD}{block}\nbackbone:\n  call: {{unit: {json.dumps(values)}}}"
    try:
        wanted: Any = archdsl.compile(archdsl.loads(text))
    except archdsl.SpecError:
        assume(False)
        raise
    made = module_of(kind).Unit
    takes = inspect.signature(made).parameters
    values = {"in_channels": 8, "h": 16, "w": 16, **values}
    module = made(**{key: value for key, value in values.items() if key in takes})
    module, wanted = module.double().eval(), wanted.call.double().eval()
    assert list(module.state_dict()) == list(wanted.state_dict())
    module.load_state_dict(wanted.state_dict())
    image = torch.randn(2, 8, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(module(image), wanted(image), rtol=1e-9, atol=1e-9)


def test_what_a_constructor_keeps_hides_no_method_of_a_module() -> None:
    source = source_of(
        """
      unit:
        params: {half: C // 2}
        body: {_first: {slice: {stop: half}}, conv: {conv: {out: 8, kernel: 1}}}
    """,
        [{}, {"half": 3}],
    )
    unit = import_source(source, "net").Net().call0.half()
    assert unit(torch.randn(1, 8, 16, 16).half()).dtype == torch.half


def test_copies_of_a_branch_are_a_loop() -> None:
    source = source_of(
        """
      unit:
        branches:
          paths:
            _x: []
            "{row}":
              for: {size: [1, 2, 4, 8]}
              seq:
                - {adaptive_avg_pool: {size: size}}
                - {conv: {out: C // 4, kernel: 1}}
                - {resize: {like: input, mode: bilinear}}
    """,
        [{}, {}],
    )
    assert source.count("F.interpolate") == 1
    assert "in (1, 2, 4, 8)" in source
