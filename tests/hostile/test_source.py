"""Specs that were built into something else, or into no Python at all."""

from pathlib import Path
from textwrap import dedent

import pytest

import archdsl
from archdsl.cli.main import run as command
from archdsl.expressions.names import LONGEST
from tests.support import check_error, errors, graph_of, require_network, whole


def built(text: str) -> str:
    """The source of a spec, which is what the spec says."""
    graph = graph_of(text)
    source = archdsl.emit(graph)
    require_network(source, graph)
    return source


BUILT = {  # what a spec says that Python could misunderstand
    "text that is code": """
        blocks:
          u: {params: {note: str, k: int}, body: {a: {conv: {kernel: 1}}, b: {relu: {}, if: k > 5}}}
        backbone:
          - {u: {note: 'q" if open("EXECUTED","w") else "', k: 5}}
          - {u: {note: plain, k: 7}}
          - {u: {note: plain, k: 7}}
        """,
    "numbers that look like a row": """
        backbone: [{batch_norm: {eps: 1e-6}}, {batch_norm: {eps: 1e-7}}, {batch_norm: {eps: 1e-8}}]
        """,
    "a network named none": "name: none",
    "a network named true": "name: true_",
    "a network named as a class of Python": "name: exception",
    "a network named as a class of the prelude": "name: permute",
    "blocks that are words of Python": """
        blocks:
          true_: {residual: {body: [{conv: {kernel: 1}}]}}
          "true": {residual: {body: [{conv: {kernel: 3}}]}}
          none: {residual: {body: [{conv: {kernel: 5}}]}}
        backbone: ["true", true_, none]
        """,
    "parameters that the source uses": """
        blocks:
          u:
            params: {self: int, nn: int, torch: int, x: int, i: int, layers: int, super: int,
                     F: int, match: int, type: int, in_channels: int, layer: int, list: int}
            body: [{conv: {out: self, kernel: nn}}, {conv: {out: torch, kernel: x}},
                   {conv: {out: i, kernel: layers}}, {conv: {out: super, kernel: F}},
                   {conv: {out: match, kernel: type}}, {conv: {out: in_channels, kernel: layer}},
                   {conv: {out: list, kernel: 1}}]
        backbone:
          - {u: {self: 2, nn: 1, torch: 3, x: 3, i: 4, layers: 1, super: 5, F: 3, match: 2, type: 1,
                 in_channels: 7, layer: 1, list: 3}}
          - {u: {self: 3, nn: 3, torch: 2, x: 1, i: 5, layers: 3, super: 4, F: 1, match: 3, type: 3,
                 in_channels: 6, layer: 3, list: 4}}
        """,
    "numbers with zeros before them": """
        backbone: {"01": {conv: {kernel: 1}}, "007": relu, a: {relu: {}, from: "01"}}
        outputs: {a: a, "00": "007"}
        """,
    "signs of zero": "backbone: [{scale: {factor: 0.0}}, {scale: {factor: -0.0}}]",
    "no chance, of either sign": """
        backbone:
          [tokens, {attention: {heads: 3, dropout: -0.0}}, {attention: {heads: 3, dropout: 0.0}},
           {dropout: {rate: -0.0}}, {layer_norm: {eps: -0.0}}]
        """,
}  # fmt: skip


@pytest.mark.parametrize("what", BUILT)
def test_it_is_built_as_it_says(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    built(BUILT[what])
    Path("net.yaml").write_text(whole(BUILT[what]), encoding="utf-8")
    assert command(["build", "net.yaml"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.yaml", "out"]


@pytest.mark.parametrize("depth", [20, 22, 60])
def test_lists_in_lists(depth: int) -> None:
    built(f"backbone: {'[' * depth}{{conv: {{kernel: 1}}}}, {{relu: {{}}, repeat: 3}}{']' * depth}")


@pytest.mark.parametrize("length", [80, 84, 100, 200, 255, 1000])
@pytest.mark.parametrize(
    "text",
    [
        "name: NAME",
        "backbone: {NAME: {conv: {kernel: 3}}, z: {add: {}, from: [NAME, input]}}",
        "backbone: [{relu: {}, tap: NAME}]",
        "outputs: {NAME: '0'}",
        "blocks: {NAME: {residual: {body: [{conv: {kernel: 3}}]}}}\nbackbone: [NAME, NAME]",
        "blocks: {u: {params: {NAME: int}, body: [{conv: {kernel: NAME}}]}}\n"
        "backbone: [{u: {NAME: 1}}, {u: {NAME: 3}}]",
        "backbone: [{conv: {kernel: 3}}, {relu: {}, for: {NAME: [1, 2]}}]",
        "blocks: {u: {inputs: [NAME, b],"
        " body: {s: {conv: {kernel: 3}, from: NAME}, t: {add: {}, from: [s, b]}}}}\n"
        "backbone: {a: relu, b: relu, c: {u: {}, from: [a, b]}}",
        "under: {backbone: NAME}\nbackbone: {a: {conv: {kernel: 3}}}",
        "backbone: [{conv: {kernel: 3}}]\naux: {NAME: [{conv: {kernel: 3}}]}",
    ],
)  # fmt: skip
def test_long_names_are_built_or_refused_where_they_stand(
    text: str, length: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = text.replace("NAME", "v" * length)
    if length <= LONGEST:
        built(text)
        Path("net.yaml").write_text(whole(text), encoding="utf-8")
        assert command(["build", "net.yaml"]) == 0
        return
    found = errors(text)
    says = f"`{'v' * 20}...` cannot be a name: it has {length:,} characters, 200 at most"
    assert found and all(line.partition(" ")[2] == f"E0208 {says}" for line in found)


def test_a_sum_of_thousands_is_refused_and_their_concatenation_built() -> None:
    inputs = ", ".join(["a"] * 3000)
    text = f"backbone:\n  a: {{conv: {{kernel: 1}}}}\n  b: {{VERB: {{}}, from: [{inputs}]}}"
    for verb in ("add", "multiply"):
        check_error(
            text.replace("VERB", verb), 3, 6, "E0501",
            f"{verb} takes at most 256 inputs, not 3,000",
        )  # fmt: skip
    built(text.replace("VERB", "concat"))
    built(f"backbone:\n  a: relu\n  b: {{add: {{}}, from: [{', '.join(['a'] * 256)}]}}")


@pytest.mark.parametrize(
    "inputs", [("x", "x_"), ("self", "self_"), ("x_", "x"), ("a_channels", "a"), ("a", "b")]
)
@pytest.mark.parametrize("parameter", ["a", "x", "b", "a_channels", "b_channels", "in_channels"])
def test_inputs_of_a_block_whose_variables_would_be_one(
    inputs: tuple[str, str], parameter: str
) -> None:
    one, other = inputs
    text = f"""
        blocks:
          u:
            params: {{{parameter}: 1}}
            inputs: [{one}, {other}]
            body:
              p: {{conv: {{kernel: {parameter}}}, from: {one}}}
              q: {{conv: {{kernel: 1}}, from: {other}}}
              r: {{add: {{}}, from: [p, q]}}
        backbone:
          c: relu
          d: tanh
          e: {{u: {{}}, from: [c, d]}}
          f: {{u: {{{parameter}: 3}}, from: [d, e]}}
        """
    built(text)


@pytest.mark.parametrize("name", ["0", "00", "a-b", "1a", "é", "forward"])
def test_inputs_of_a_block_are_identifiers(name: str) -> None:
    body = "{s: {conv: {kernel: 1}, from: b}}"
    (found,) = errors(f'blocks: {{u: {{inputs: ["{name}", b], body: {body}}}}}\nbackbone: [relu]')
    assert found.startswith("1:24 E0208")


def test_a_module_on_many_inputs() -> None:
    inputs = ", ".join(["a"] * 300)
    text = f"""
        backbone:
          a: relu
          b: {{conv: {{kernel: 1}}, each: [{inputs}]}}
          c: {{concat: {{}}, from: b}}
        """
    built(text)


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ("{normal: {std: -1}}", "std of normal is -1, less than 0"),
        ("{normal: {mean: 1e308}}", "mean of normal: 1e+308 is too large"),
        ("{uniform: {a: 2}}", "uniform needs a below b"),
        ("{xavier_normal: {gain: -1}}", "gain of xavier_normal is -1, less than 0"),
        ("{kaiming_normal: {a: -1e31}}", "a of kaiming_normal: -1e+31 is too large"),
        ("{trunc_normal: {std: 0}}", "std of trunc_normal is 0"),
        ("{trunc_normal: {mean: 4.5}}", "trunc_normal needs a mean at most 2 std from a and b"),
        ("{trunc_normal: {mean: -4.5}}", "trunc_normal needs a mean at most 2 std from a and b"),
    ],
)  # fmt: skip
def test_initialisers_outside_their_range_are_refused(init: str, message: str) -> None:
    found = errors(f"backbone: [{{conv: {{kernel: 1, init: {init}}}}}]")
    assert found == [f"1:37 E0305 init of conv: {message}"]


@pytest.mark.parametrize("number", [".inf", "-.inf", ".nan", "1.0e999"])
@pytest.mark.parametrize(
    "text",
    [
        *(
            f"backbone: [{{conv: {{kernel: 1, init: {{{init}}}}}}}]"
            for init in ("normal: {std: N}", "normal: {mean: N}", "constant: {val: N}",
                         "uniform: {a: N}", "xavier_uniform: {gain: N}", "zeros: {}, bias: N",
                         "zeros: {}, bias: {constant: {val: N}}", "normal: {std: [1, N]}")
        ),
        "backbone: [{scale: {factor: N}}]",
        "backbone: [{batch_norm: {eps: N, init: {constant: {val: 2}}}}]",
        "backbone: [{resize: {scale: [N, 2]}}]",
        "backbone: [{branches: {split: N, paths: {a: relu, b: relu}}}]",
        "backbone: [{residual: {body: [relu], when: N}}]",
        "backbone: [{relu: {}, repeat: N}]",
        "backbone: [{relu: {}, for: {c: [1, N]}}]",
        "backbone: [{relu: {}, for: {columns: [c], rows: [[1], [N]]}}]",
        "blocks: {u: {params: {k: 1}, seq: [relu]}}\nbackbone: [{u: {k: N}}, {u: {}, tap: t}]",
        "blocks: {u: {params: {k: N}, seq: [{scale: {factor: k}}]}}\nbackbone: [u]",
        "params: {a: N}\nbackbone: [{conv: {out: a, kernel: 1}}]",
        "params: {n: {type: float, default: 1, max: N}}",
        "params: {n: {type: float, default: 1, choices: [1, N]}}",
        "defaults: {dropout: {rate: N}}",
        "scaling: {phi: N}",
        "input: [3, N, 3]",
        "expect: {params: N}",
        "cite: {year: N}",
    ],
)  # fmt: skip
def test_a_number_that_is_none_is_reported_once_where_it_stands(text: str, number: str) -> None:
    (found,) = errors(text.replace("N", number))
    line, _, message = found.partition(" ")
    said = {".inf": "inf", "-.inf": "-inf", ".nan": "nan", "1.0e999": "inf"}[number]
    assert message == f"E0203 expected a number, not {said}"
    lines = text.split("\n")
    row = next(n for n, part in enumerate(lines) if "N" in part)
    assert line == f"{row + 1}:{lines[row].index('N') + 1}"


@pytest.mark.parametrize(
    "init",
    ["{normal: {std: 0}}", "{normal: {std: 1e30}}", "{uniform: {a: -1e30, b: 1e30}}",
     "{xavier_normal: {gain: 0}}", "{constant: {val: -1e30}}", "{kaiming_uniform: {a: 1e30}}",
     "{trunc_normal: {std: 1e-30}}", "{trunc_normal: {mean: 4}}"],
)  # fmt: skip
def test_initialisers_at_the_end_of_their_range_are_built(init: str) -> None:
    text = f"backbone: [{{conv: {{kernel: 1, init: {init}}}}}]"
    built(text)
    archdsl.compile(graph_of(text))


@pytest.mark.parametrize("name", ["__class__", "__init__", "__x", "__"])
def test_names_with_two_underscores_before_them(name: str) -> None:
    for text in (
        f"name: {name}",
        f"blocks: {{{name}: {{seq: [relu]}}}}\nbackbone: [{name}]",
        f"blocks: {{u: {{params: {{{name}: int}}, body: [{{conv: {{kernel: {name}}}}}]}}}}\n"
        f"backbone: [{{u: {{{name}: 1}}}}, {{u: {{{name}: 3}}}}]",
        f"backbone: {{{name}: relu}}",
        f"backbone: [{{relu: {{}}, tap: {name}}}]",
        f"outputs: {{{name}: '0'}}",
    ):
        (found,) = errors(dedent(text))
        says = f"E0208 `{name}` cannot be a name: it starts with two underscores"
        assert found.partition(" ")[2] == says
