"""The readers of all functions, which their modules add where they are imported."""

from archdsl.importing import joins, layers, pools, shapes
from archdsl.importing.readers import FUNCTIONS

__all__ = ["FUNCTIONS", "joins", "layers", "pools", "shapes"]
