"""Every option of a figure is honoured or refused by name, in Python and on the command line."""

import inspect
import re
from pathlib import Path
from typing import Any

import click
import pytest

import archdsl
from archdsl import UsageError
from archdsl.cli import main as cli
from archdsl.cli.draw import draw as command
from archdsl.figures.options import KINDS, OPTIONS, SHOWN, asked
from tests.examples import some

NAMES = [option.name for option in OPTIONS]
DRAWN = {  # networks that a kind shows
    "dense": ["densenet121"],
    "pyramid": ["resnet50_fpn"],
    "scaling": ["resnet18", "resnet34"],
    "diff": ["resnet18", "resnet34"],
}
PICTURE = Path(__file__).parent / "picture.png"
ANOTHER: dict[str, Any] = {
    "width": "double", "theme": "dark", "show": "shapes", "title": "A title", "legend": False,
    "scale": "linear", "dims": "edges", "shape": "slabs", "direction": "right", "fold": "2",
    "label": {"**": "Part"},
    "hide": ["avgpool"], "mark": {"**": "ours"}, "roles": {"ours": {"fill": "#FFD966"}},
    "note": {"layer3": "dilated"}, "group": [{"label": "Stages", "parts": ["layer{s}"]}],
    "insets": ["layer3.0"], "rows": 2, "color": "macs",
    "with_": ["caption"],
}  # fmt: skip
ANOTHER |= dict.fromkeys(("input_image", "output_image"), str(PICTURE))
WITH: dict[str, dict[str, Any]] = {  # what an option does nothing without
    "mark": {"roles": {"ours": {"fill": "#00FF00"}}},
    "roles": {"mark": {"**": "ours"}},
}
PARTS = {"dense": "features.denseblock2", "graph": "layer2.0", "pyramid": "fpn"}
USUAL = {"graph": {"only": "layer3"}, "pyramid": {"width": "9in"}}
HONOURED = [(kind, option.name) for option in OPTIONS for kind in KINDS if option.honoured(kind)]
REFUSED = [(kind, option.name) for option in OPTIONS for kind in KINDS if not option.honoured(kind)]


def rendered(kind: str, suffix: str, **options: Any) -> bytes:
    options = {**USUAL.get(kind, {}), **options}
    figure = archdsl.draw(*DRAWN.get(kind, ["resnet50"]), kind=kind, **options)
    return figure.render(suffix)


def test_python_and_the_command_have_the_options_of_the_table() -> None:
    keywords = inspect.signature(archdsl.draw).parameters
    assert [name for name in keywords if name not in ("specs", "kind")] == NAMES
    options = {option.name: option for option in command.params}
    assert [name for name in options if name in {*NAMES, "scale"}] == NAMES
    for row in OPTIONS:
        option = options[row.name]
        assert isinstance(option, click.Option)
        assert row.help in str(option.help)


@pytest.mark.parametrize(("kind", "name"), some(HONOURED, 2))
def test_an_option_that_a_kind_honours_changes_the_figure(kind: str, name: str) -> None:
    values = {**ANOTHER, "only": PARTS.get(kind, "layer3")}
    if kind == "hero":
        values["direction"] = "down"
    if kind in ("scaling", "diff"):
        values["label"] = {"resnet18": "Ours"}
    others = WITH.get(name, {})
    usual = {"mark": {"roles": WITH["mark"]["roles"]}, "roles": {}}.get(name, others)
    suffix = ".md" if kind == "table" else ".tex" if name == "with_" else ".svg"
    drawn = rendered(kind, suffix, **others, **{name: values[name]})
    assert drawn != rendered(kind, suffix, **usual)


@pytest.mark.parametrize(("kind", "name"), REFUSED)
def test_an_option_that_a_kind_does_not_honour_is_refused_by_name(kind: str, name: str) -> None:
    flag = name.rstrip("_").replace("_", "-")
    with pytest.raises(UsageError, match=f"--kind {kind} has no --{flag}; .* (have|has)$"):
        asked(kind, {name: ANOTHER[name]})


@pytest.mark.parametrize("kind", ["hero", "strip", "block", "pyramid"])
def test_what_is_shown_can_be_chosen_word_by_word(kind: str) -> None:
    figures = {rendered(kind, ".svg", show=word) for word in SHOWN}
    assert len(figures) == len(SHOWN)


def test_the_hero_of_a_network_that_is_no_line_has_no_slabs_to_scale_or_fold() -> None:
    for name in ("scale", "dims", "fold"):
        with pytest.raises(UsageError, match=f"{name} does nothing here: unet is no line"):
            archdsl.draw("unet", kind="hero", **{name: ANOTHER[name]})


@pytest.mark.parametrize(("option", "out"), [("dpi", "a.pdf"), ("text", "a.png")])
def test_an_option_of_another_format_is_refused_by_name(
    option: str, out: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    value = {"dpi": "72", "text": "outlines"}[option]
    command = ["draw", "resnet18", "-o", str(tmp_path / out), f"--{option}", value]
    assert cli.run(command) == 2
    assert f"--{option} is for " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_help_names_every_word_to_show() -> None:
    (show,) = (option for option in OPTIONS if option.name == "show")
    assert all(re.search(rf"\b{word}\b", show.help) for word in SHOWN)


@pytest.mark.parametrize("theme", ["paper", "dark"])
@pytest.mark.parametrize("kind", ["hero", "strip", "block", "columns", "pyramid"])
@pytest.mark.parametrize("name", ["densenet121", "googlenet", "unet"])
def test_the_width_that_a_message_asks_for_is_enough(name: str, kind: str, theme: str) -> None:
    graph, titled = archdsl.load(name), "A title that is a good deal wider than an inch"
    for width, title in (("72pt", ""), ("100pt", ""), ("72pt", titled)):
        options = {"kind": kind, "theme": theme, "title": title}
        try:
            archdsl.draw(graph, width=width, **options)  # type: ignore[arg-type]
        except UsageError as error:
            enough = re.search(r"a larger (?:--)?width: (\w+) is enough", str(error))
            assert enough or "does not fit" not in str(error)
            if enough:
                archdsl.draw(graph, width=enough[1], **options)  # type: ignore[arg-type]


def test_what_is_not_given_is_as_the_table_says() -> None:
    for kind in ("hero", "pyramid"):
        said = {option.name: option.default for option in OPTIONS if option.honoured(kind)}
        given, usual = asked(kind, said), asked(kind, {})
        assert given.given == {*said} and not usual.given
        for name in said:
            assert getattr(given, name) == getattr(usual, name)


def test_a_choice_that_is_none_is_an_error() -> None:
    with pytest.raises(UsageError, match="direction `up` is not one of auto, down, right"):
        asked("block", {"direction": "up"})
    with pytest.raises(UsageError, match="nothing to draw"):
        archdsl.draw()
