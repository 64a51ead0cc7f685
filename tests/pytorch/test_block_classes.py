"""Each kind of block that only some of its uses show whole is one class, of which all are uses.

The spec calls the block with several arguments; what is emitted is proved to be its graph, so that
the class holds for each of them.
"""

from textwrap import dedent, indent

import pytest
import torch

import archdsl
from archdsl.pytorch.running import import_source

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
