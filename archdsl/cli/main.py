"""The command line: reads the call, asks the library, prints. Exit status 0, 1 (the spec is
wrong), 2 (the call is wrong), 3 (a bug in archdsl)."""

import errno
import gc
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from typing import NoReturn

import click

from archdsl import __version__
from archdsl.cli.console import (
    BUG,
    INTERRUPTED,
    OK,
    WRONG_CALL,
    WRONG_SPEC,
    complain,
    give_up,
    show,
    status_of,
)
from archdsl.diagnostics.errors import InternalError, ModuleError, SpecError, UsageError

FILES = {
    "check": "check", "build": "build", "export": "export", "bench": "bench", "import": "import_",
    "summary": "measure", "diff": "measure", "draw": "draw", "plot": "plot", "scale": "study",
    "sweep": "study", "partition": "measure", "list": "show", "weights": "weights", "show": "show",
    "explain": "explain", "fmt": "fmt", "schema": "schema", "new": "editor", "serve": "editor",
    "lsp": "editor", "completion": "editor",
}  # fmt: skip


class Commands(click.Group):
    """The commands by their names; the file of one is imported when it is asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted(FILES)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        for one in [name] if name in FILES else FILES:  # of all click says what was meant
            self.add_command(_command(one))
        return self.commands.get(name)


def _command(name: str) -> click.Command:
    found = vars(import_module(f"archdsl.cli.{FILES[name]}")).values()
    return next(one for one in found if isinstance(one, click.Command) and one.name == name)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="archdsl")
def cli() -> None:
    """Convolutional networks said in YAML, compiled to PyTorch.

    SPEC is a file, or the name of a network in the gallery (`archdsl list`); `summary`, `draw`,
    `diff`, `plot`, `export` and `bench` take a PyTorch network, too (`torchvision:resnet50`;
    `archdsl import --help`).
    """


OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.EPIPE)


def require_arguments(arguments: Sequence[str]) -> None:
    """Raises UsageError for what no shell could give: the functions behind need not expect it."""
    for argument in arguments:
        if "\0" in argument:
            raise UsageError("an argument cannot have a NUL character")
        try:
            os.fsencode(argument)
        except UnicodeEncodeError:
            raise UsageError(f"an argument cannot have half a character: {argument!a}") from None


def run(arguments: Sequence[str]) -> int:
    """Runs a command; gives its exit status, having said on stderr what is wrong with the call."""
    try:
        require_arguments(arguments)
        return cli.main(list(arguments), "archdsl", standalone_mode=False) or OK
    except UsageError as error:
        complain(str(error))
    except SpecError as error:
        with suppress(UsageError):
            show(str(error), err=True)
        return status_of(error.diagnostics)
    except ModuleError as error:
        complain(str(error))
        return WRONG_SPEC
    except click.ClickException as error:
        with suppress(OSError):
            error.show()
    except click.Abort:
        return INTERRUPTED
    except InternalError as error:
        complain(f"internal error, please report it: {error}")
        return BUG
    except Exception as error:
        if isinstance(error, OSError) and error.errno in OUTPUT:
            complain(f"cannot write the output: {error.strerror}")
            give_up(sys.stdout)
            return WRONG_CALL
        with suppress(OSError):
            traceback.print_exc()
        complain(f"this is a bug in archdsl, please report it: {error}")
        return BUG
    return WRONG_CALL


YOUNG = 1_000_000  # objects between two searches for cycles, of which specs and graphs have none


def main() -> NoReturn:
    """The program `archdsl`."""
    gc.set_threshold(YOUNG)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    sys.exit(run(sys.argv[1:]))
