"""The keys of figures that hold more than a word: roles of the author, groups, panels."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from typing import Annotated, Any, Literal

from archdsl.figures.canvas.theme import Color
from archdsl.yaml.models import Within, key, wrong

Kind = Literal[
    "hero", "strip", "block", "columns", "dense", "pyramid", "table", "scaling", "graph", "diff"
]


@dataclass(frozen=True)
class RoleForm:
    """A color of the author's, and what the legend says of it."""

    fill: Color = key("The area.", MISSING)
    stroke: Color = key("The line around it.", "#333333")
    legend: str = key("What the legend says; its name without.", "")


@dataclass(frozen=True)
class GroupForm:
    """Stages under one brace: those of a section of the spec, or of some parts."""

    label: str = key("What is written at the brace.", MISSING)
    section: Literal["backbone", "neck", "head"] | None = key("A section of the spec.")
    parts: list[str] = key("Parts, by their paths: `layer{s}`.", [])

    def __post_init__(self) -> None:
        if (self.section is None) == (not self.parts):
            raise wrong("a group is a `section` or a list of `parts`")


Label = dict[str, str]
Paths = list[str]
Roles = dict[str, RoleForm]
Groups = list[GroupForm]
With = list[Literal["caption", "label", "bib"]]
Rows = Annotated[int, Within(1, 6)]
Data = Mapping[str, Any]
