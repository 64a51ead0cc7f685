"""What the sampler of mutations makes is Python, another program, and the same each time."""

import ast
from pathlib import Path

from tests.mutation.mutations import mutations, sample

ROOT = Path(__file__).parents[2]


def test_every_mutant_of_a_sample_is_another_program() -> None:
    for mutation in sample(ROOT, 40, seed=2):
        text = (ROOT / mutation.path).read_text(encoding="utf-8")
        assert ast.dump(ast.parse(mutation.applied(text))) != ast.dump(ast.parse(text)), mutation


def test_a_sample_is_the_same_for_the_same_seed() -> None:
    assert sample(ROOT, 20, seed=3) == sample(ROOT, 20, seed=3) != sample(ROOT, 20, seed=4)


def test_the_mutations_of_a_few_lines(tmp_path: Path) -> None:
    path = tmp_path / "small.py"
    path.write_text('def f(x: int) -> bool:\n    return x < 3 and "ä" + g(x + 1)\n')
    made = [mutation.applied(path.read_text()) for mutation in mutations(path, tmp_path)]
    assert sorted(line.split("return ")[1].strip() for line in made) == [
        "(x < 3 or 'ä' + g(x + 1))",
        '(x <= 3) and "ä" + g(x + 1)',
        'x < (4) and "ä" + g(x + 1)',
        'x < 3 and "ä" + g((x - 1))',
        'x < 3 and "ä" + g(x + (2))',
    ]
