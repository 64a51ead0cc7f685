"""The command `draw`."""

import time
from collections.abc import Sequence
from pathlib import Path

import click

from archdsl.cli import CONTEXT, Settings, changes, complain, graph_of, read_spec, say_wrong, show
from archdsl.diagnostics import UsageError
