"""What the sampler of mutations makes is Python, another program, and the same each time."""

import ast
from pathlib import Path
from shutil import copytree

import pytest

from tests.mutation.mutations import mutations, sample
from tests.mutation.switched import switched

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of some of the files: to look through all takes seconds."""
    target = tmp_path_factory.mktemp("root")
    copytree(ROOT / "archdsl" / "expressions", target / "archdsl" / "expressions")
    return target


def test_every_mutant_of_a_sample_is_another_program(root: Path) -> None:
    for mutation in sample(root, 40, seed=2):
        text = (root / mutation.path).read_text(encoding="utf-8")
        assert ast.dump(ast.parse(mutation.applied(text))) != ast.dump(ast.parse(text)), mutation


def test_a_sample_is_the_same_for_the_same_seed(root: Path) -> None:
    assert sample(root, 20, seed=3) == sample(root, 20, seed=3) != sample(root, 20, seed=4)


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


def test_a_mutant_behind_a_switch_is_the_mutant_when_it_is_on(tmp_path: Path) -> None:
    path = tmp_path / "small.py"
    path.write_text(
        'LIMIT = 3\ndef f(x):\n    """Doc."""\n    return [n for n in x if n < 2 or not n > 5]\n'
    )
    sites = [*enumerate(mutations(path, tmp_path))]
    assert [site.at_import for _, site in sites].count(True) == 1  # of `LIMIT`
    later = [(number, site) for number, site in sites if not site.at_import]
    text, given = switched(path.read_bytes(), "small.py", later), range(9)

    def results(program: str | bytes, on: int | None) -> list[int]:
        ran: set[int | str] = set()
        known = {"_mutant": lambda number: ran.add(number) or number == on}
        exec(program, known)
        found: list[int] = known["f"](given)  # type: ignore[operator,assignment]
        assert not isinstance(program, bytes) or "small.py" in ran
        return found

    assert results(text, None) == results(path.read_text(), None)
    for number, site in later:
        assert results(text, number) == results(site.applied(path.read_text()), None) != [], site
