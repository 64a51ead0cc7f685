"""What a network returns in training, where users expect more than its results by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from archdsl.expressions.names import field_problem, identifier_problem, name_problem

DICT = "dict"
ONLY = "output"  # what a spec calls its only result, which has no name

Value = TypeVar("Value")


@dataclass(frozen=True)
class Returns:
    """A dict, or a tuple with named fields: `fields` maps names to results, "" for the only one.

    A dict is returned in evaluation, too, without the results in training only; a tuple is not.
    """

    type: str
    fields: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.type}({', '.join(self.fields)})"

    @property
    def is_dict(self) -> bool:
        return self.type == DICT

    def results(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """The results by their own names, from the fields that were returned."""
        return {self.fields[field]: value for field, value in given.items()}

    def type_problem(self) -> str:
        """Why the type cannot be called so, or nothing."""
        return identifier_problem(self.type)

    def field_problem(self, field: str) -> str:
        """Why a field cannot be called so, or nothing."""
        return name_problem(field) if self.is_dict else field_problem(field)
