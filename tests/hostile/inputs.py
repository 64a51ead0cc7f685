"""Specs that broke something once, or could: what every command is given."""

from tests.hostile.shapes import SHAPES

HEAD = "archdsl: 1\nname: n\ninput: [4, 8, 8]\n"
TINY = "archdsl: 1\nname: tiny\ninput: [3, 8, 8]\nbackbone: [{conv: {out: 4, kernel: 3}}]\n"
CONV = "{conv: {kernel: 1}}"
GRAPH = '{"format": 1, "name": "Q(*[open(1)]):\\n pass\\nclass Z", "input": {"shape": [3, 8, 8]}}'

INPUTS: dict[str, str] = {
    "text that is code": f"""{HEAD}
blocks:
  u: {{params: {{note: str, k: int}}, body: {{a: {CONV}, b: {{conv: {{kernel: 3}}, if: k > 5}}}}}}
backbone:
  - {{u: {{note: 'q" if open("EXECUTED","w") else "', k: 5}}}}
  - {{u: {{note: plain, k: 7}}}}
  - {{u: {{note: plain, k: 7}}}}
""",
    "numbers that look like a row": f"{HEAD}backbone: [{{batch_norm: {{eps: 1e-6}}}}, "
    "{batch_norm: {eps: 1e-7}}, {batch_norm: {eps: 1e-8}}]\n",
    "a network named none": f"{HEAD}backbone: [relu]\n".replace("name: n", "name: none"),
    "blocks named true": f"{HEAD}blocks: {{true_: {{residual: {{body: [{CONV}]}}}}, "
    '"true": {residual: {body: [{conv: {kernel: 3}}]}}}\nbackbone: ["true", true_]\n',
    "a parameter of every class": f"{HEAD}blocks: {{u: {{params: {{__class__: int}}, "
    "residual: {body: [{conv: {kernel: __class__}}]}}}\n"
    "backbone: [{u: {__class__: 1}}, {u: {__class__: 3}}]\n",
    "lists in lists": f"{HEAD}backbone: {'[' * 22}{CONV}, {{relu: {{}}, repeat: 3}}{']' * 22}\n",
    "a long name": f"{HEAD}backbone: {{{'v' * 84}: {{conv: {{kernel: 3}}}}, "
    f"zz: {{add: {{}}, from: [{'v' * 84}, input]}}}}\n",
    "an infinite start": f"{HEAD}backbone: [{{conv: {{kernel: 1, "
    "init: {normal: {std: .inf}}}}]\n",
    "a layer of thousands": f"{HEAD}backbone: {{a: relu, b: {{conv: {{kernel: 1}}, "
    f"each: [{', '.join(['a'] * 300)}]}}, c: {{concat: {{}}, from: b}}}}\n",
    "a sum of hundreds": f"{HEAD}backbone: {{a: relu, b: {{add: {{}}, "
    f"from: [{', '.join(['a'] * 600)}]}}}}\n",
    "a block without layers": f"{HEAD}blocks: {{swish: {{body: {{s: sigmoid, m: {{multiply: {{}}, "
    "from: [input, s]}}}}\nbackbone: [{conv: {kernel: 3}}, swish]\n",
    "a residual of a norm": f"{HEAD}backbone: [{{conv: {{out: 8, kernel: 3}}}}, "
    "{residual: {body: [batch_norm]}}]\n",
    "activations alone": f"{HEAD}backbone: [relu, tanh]\n",
    "no layers": f"{HEAD}backbone: []\n",
    "an input that is the output": f"{HEAD}backbone: []\noutputs: {{o: input}}\n",
    "a NUL that is extended": 'archdsl: 1\nname: n\nextends: "\\0"\n',
    "comments": f"{HEAD}backbone: [relu]\n" + "#\n" * 2000,
    "pairs": SHAPES["like pairs"](400),
    "attention": f"{HEAD}backbone: [tokens, {{attention: {{heads: 2}}, repeat: 90}}]\n",
    "siblings": SHAPES["siblings"](160),
    "a study": "archdsl: 1\nstudy: s\nspec: tiny.yaml\n"
    "set: {a: {range: [1, 2], count: 1000000000}}\n",
    "a study of NaN": "archdsl: 1\nstudy: o\nspec: efficientnet_b0\nscale: {width: [1]}\n"
    "minimize: objective\nobjective: {command: echo NaN}\n",
    "a rename that goes back": f"{HEAD}backbone: [relu]\n"
    'weights: {x: {keys: {"{a}{b}{c}{d}{e}{f}{g}{h}z": "0"}}}\n',
    "a graph": GRAPH,
    "a vector": "archdsl: 1\nname: n\ninput: [8]\nbackbone: [{linear: {out: 4}}]\n",
    "one number": "archdsl: 1\nname: n\ninput: [1]\nbackbone: [relu]\n",
    "a volume": "archdsl: 1\nname: n\ninput: [1, 4, 4, 4]\n"
    "backbone: [{conv: {out: 2, kernel: 3}}]\n",
    "positions": "archdsl: 1\nname: n\ninput: [1, 1000000]\n"
    "backbone: [{adaptive_avg_pool: {size: 100000 - i}, repeat: 2}]\n",
    "free text": TINY + 'doc: "\\e[31m\\u202e\\r\\n]]>"\n'
    'cite: {title: "\\"\\"\\" + exit() \\\\", venue: "{} %s $x | <b>", authors: "=1+1, \\ud7ff"}\n',
    "values": TINY.replace("out: 4", "out: 10 ** 12"),
    "powers": TINY.replace("out: 4", "out: 9 ** 9 ** 9 ** 9"),
    "infinite": TINY + "params: {a: .inf}\n",
    "merge keys": TINY + "params: {<<: {a: 1}}\n",
    "a tag": TINY + "params: {a: !!python/object/apply:os.system [true]}\n",
    "aliases": TINY + "params: {a: &a [1, 1], b: &b [*a, *a], c: &c [*b, *b], d: [*c, *c]}\n",
    "keys twice": TINY + "name: b\n",
    "an octal": TINY.replace("out: 4", "out: 0o7"),
    "a sexagesimal": TINY.replace("out: 4", "out: 1:30"),
    "a word of YAML 1.1": TINY.replace("out: 4", "out: yes"),
    "binary": "\x00\x01",
    "a surrogate": 'archdsl: 1\nname: "\\ud800"\n',
    "nothing": "",
    "a list": "- 1\n- 2\n",
    "deep": "[" * 3000,
    "a network named None": TINY.replace("tiny", "None"),
    "a long network": TINY.replace("tiny", "a" * 199),
    "an attribute": TINY.replace("conv:", "__class__: {conv: {kernel: 1}}, conv:"),
    "a block of one activation": TINY + "blocks: {u: {seq: [silu]}}\nhead: [u, u]\n",
    "outputs alone": f"{HEAD}backbone: [relu]\noutputs: {{a: input, b: input}}\n",
    "names alike": f"{HEAD}backbone: {{ab: relu, \uff41b: relu, \U0001d41ab: relu}}\n",
    "names of modules": f"{HEAD}backbone: {{forward: relu, training: relu, T_destination: relu}}\n",
    "names of Python": f"{HEAD}backbone: {{self: relu, x: {CONV}, torch: relu, nn: {CONV}, "
    "F: relu, Tensor: relu, super: relu, type: relu}\n",
}
