"""Legal specs that have very many of one thing: `SHAPES[what](n)` has about n nodes."""

import random
from collections.abc import Callable

HEAD = "archdsl: 1\nname: n\ninput: [4, 8, 8]\n"
LONG = "4" + " + 0*i" * 160  # near the limit of an expression


def lines(count: int, line: Callable[[int], str]) -> str:
    return "".join(f"  {line(n)}\n" for n in range(count))


def names(count: int, name: str) -> str:
    return ", ".join(f"{name}{n}" for n in range(count))


BODIES = (
    "seq: [{conv: {out: k, kernel: 3}}, relu, {conv: {out: 4, kernel: 1}}]",
    "body: {a: {conv: {out: k, kernel: 1}}, b: relu, c: {conv: {out: 4, kernel: 1}}}",
    "residual: {body: [{conv: {out: k, kernel: 1}}, {conv: {out: 4, kernel: 1}}]}",
    "branches: {paths: {a: {conv: {kernel: 1}}, b: relu}, join: add}",
)


def random_blocks(number: int) -> str:
    """Blocks of random kinds, called in a random order with random widths."""
    source = random.Random(number)
    blocks = lines(20, lambda i: f"b{i}: {{params: {{k: 4}}, {source.choice(BODIES)}}}")
    calls = lines(
        number // 3,
        lambda i: f"- {{b{source.randrange(20)}: {{k: {source.choice([4, 4, 8, 12])}}}}}",
    )
    return f"{HEAD}blocks:\n{blocks}backbone:\n{calls}"


ONLY_READ: dict[str, Callable[[int], str]] = {  # whose size is that of the spec
    "lengths of lists": lambda n: (
        f"{HEAD}backbone:\n"
        + lines(n, lambda i: f"a{i}: {{relu: {{}}, repeat: 2, as: 's{i}[i]'}}")
        + lines(n, lambda i: f"b{i}: {{conv: {{kernel: 1, out: 2 + len(s{n - 1})}}}}")
    ),
    "labels with expressions": lambda n: (
        f"{HEAD}blocks:\n  u:\n    params: {{k: 1}}\n    body:\n"
        + lines(n, lambda i: f'  - {{relu: {{}}, as: "x{i}_{{k}}"}}')
        + lines(n, lambda i: f'  - {{relu: {{}}, from: "y{i}_{{k}}"}}')
        + "backbone: [relu]\n"
    ),
    "a shortcut from items of the body": lambda n: (
        f"{HEAD}backbone:\n- residual:\n    shortcut:\n"
        f"    - {{relu: {{}}, from: b{n - 1}_1, as: k0}}\n"
        + lines(n, lambda i: f"  - {{add: {{}}, from: [k{i}, b{n - 1}_1], as: k{i + 1}}}")
        + "    body:\n"
        + lines(n, lambda i: f'    "b{i}_{{1}}": relu')
    ),
    "blocks that name the next": lambda n: (
        f"{HEAD}blocks:\n"
        + lines(
            n,
            lambda i: f"b{i}: {{seq: [relu, {{if: C > 4, seq: [b{i + 1}, b{i + 2}, b{i + 3}]}}]}}",
        )
        + "".join(f"  b{n + i}: {{seq: [relu]}}\n" for i in range(3))
        + f"backbone: [{names(n, 'b')}]\n"
    ),
    "references to what failed": lambda n: (
        f"{HEAD}backbone:\n  a:\n    repeat: 1 / 0\n    inline:\n"
        + lines(n, lambda i: f'    "a{i}_{{1}}": relu')
        + lines(n, lambda i: f"b{i}: {{relu: {{}}, from: a{i}_1}}")
    ),
}
SHAPES: dict[str, Callable[[int], str]] = {
    "like pairs": lambda n: (
        f"{HEAD}backbone: [{{inline: [{{conv: {{kernel: 1}}}}, relu], repeat: {n // 2}}}]\n"
    ),
    "pairs of growing width": lambda n: (
        f"{HEAD}backbone: [{{inline: [{{conv: {{kernel: 1, "
        f"out: 4 + i % 7}}}}, relu], repeat: {n // 2}}}]\n"
    ),
    "siblings": lambda n: f'{HEAD}backbone: {{"a{{i}}": {{conv: {{kernel: 1}}, repeat: {n}}}}}\n',
    "items written out": lambda n: (
        f"{HEAD}backbone:\n"
        + lines(n, lambda i: f"- {{conv: {{out: {1 + i * i % 11}, kernel: {1 + 2 * (i % 2)}}}}}")
    ),
    "residuals": lambda n: (
        f"{HEAD}backbone: [{{residual: {{body: [{{conv: {{kernel: 1}}}}, relu]}}, "
        f"repeat: {n // 3}}}]\n"
    ),
    "residuals that differ": lambda n: (
        f"{HEAD}backbone: [{{residual: {{body: [{{conv: {{kernel: 1}}}}"
        f', {{leaky_relu: {{slope: "0.1 + i / 9000"}}}}]}}, repeat: {n // 3}}}]\n'
    ),
    "calls": lambda n: (
        f"{HEAD}blocks: {{u: {{params: {{k: 1}}, seq: [{{conv: {{out: k, kernel: 1}}}}, "
        f"relu]}}}}\nbackbone: [{{u: {{k: 1 + i % 5}}, repeat: {n // 2}}}]\n"
    ),
    "long arguments": lambda n: (
        f"{HEAD}blocks: {{u: {{params: {{k: 1}}, seq: [{{conv: {{out: k, kernel: 1}}}}, "
        f'relu]}}}}\nbackbone: [{{u: {{k: "{LONG}"}}, repeat: {n // 2}}}]\n'
    ),
    "random blocks": lambda n: random_blocks(n),
    "blocks": lambda n: (
        f"{HEAD}blocks:\n"
        + lines(n, lambda i: f"b{i}: {{seq: [relu]}}")
        + f"backbone: [{names(n, 'b')}]\n"
    ),
    "blocks beside parameters": lambda n: (
        f"{HEAD}params:\n"
        + lines(n, lambda i: f"p{i}: {i}")
        + "blocks:\n"
        + lines(n, lambda i: f"b{i}: {{params: {{k: p{i}}}, seq: [relu]}}")
        + "backbone: [b0]\n"
    ),
    "modifiers beside parameters": lambda n: (
        f"{HEAD}params:\n"
        + lines(n, lambda i: f"p{i}: {i}")
        + "backbone:\n  a: relu\n"
        + lines(n, lambda i: f"a{i}: {{relu: {{}}, from: {f'a{i - 1}' if i else 'a'}, repeat: 1}}")
    ),
    "windows as wide as the image": lambda n: (
        f"archdsl: 1\nname: n\ninput: [1, {1000 * n}]\n"
        f"backbone: [{{conv: {{kernel: {1000 * n + 1}}}, repeat: {n}}}]\n"
    ),
    "stages": lambda n: (
        f"{HEAD}backbone:\n"
        + lines(n // 3, lambda i: f"s{i}: [relu, {{conv: {{out: {1 + i % 3}, kernel: 1}}}}, relu]")
    ),
    "paths": lambda n: (
        f"{HEAD}backbone: [{{branches: {{paths: {{"
        + ", ".join(f"p{i}: {{conv: {{out: 1, kernel: 1}}}}" for i in range(24))
        + f"}}, join: concat}}, repeat: {n // 24}}}]\n"
    ),
    "one module for many": lambda n: (
        f"{HEAD}backbone:\n  a: relu\n  b: {{conv: {{out: 4, kernel: 1}}, "
        f"each: [{', '.join('a' * n)}]}}\noutputs: {{o: b}}\n"
    ),
    "a join of many": lambda n: (
        f"{HEAD}backbone:\n  a: relu\n  b: {{relu: {{}}, each: [{', '.join('a' * n)}]}}\n"
        "  c: {concat: {}, from: b}\n"
    ),
    "paths of one": lambda n: (
        f"{HEAD}backbone: [{{branches: {{paths: {{"
        + ", ".join(f"p{i}: relu" for i in range(n))
        + "}, join: concat}}]\n"
    ),
    "outputs": lambda n: (
        f"{HEAD}backbone:\n"
        + lines(n, lambda i: f"a{i}: relu")
        + "outputs:\n"
        + lines(n, lambda i: f"o{i}: a{i}")
    ),
    "side outputs": lambda n: (
        f"{HEAD}backbone:\n  a: relu\naux:\n"
        + lines(n, lambda i: f"x{i}: {{conv: {{out: {1 + i % 7}, kernel: 1}}, from: a}}")
    ),
    "taps": lambda n: f"{HEAD}backbone:\n" + lines(n, lambda i: f"a{i}: {{relu: {{}}, tap: t{i}}}"),
    "long skips": lambda n: (
        f"{HEAD}backbone:\n"
        + lines(n // 2, lambda i: f"s{i}: relu")
        + lines(
            n // 2,
            lambda i: (
                f"j{i}: {{add: {{}}, from: [s{n // 2 - 1 - i}, {f'j{i - 1}' if i else 's0'}]}}"
            ),
        )
    ),
}
