"""What the commands share: exit statuses, options that change a spec, reading one, printing."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click
from click.shell_completion import CompletionItem

from archdsl.api.reading import Reading, read, settings_of
from archdsl.diagnostics.diagnostic import Diagnostic
from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.sink import Sink

if TYPE_CHECKING:
    from archdsl.graph.graph import Graph
    from archdsl.yaml.limits import Limits

OK, WRONG_SPEC, WRONG_CALL, BUG, INTERRUPTED = 0, 1, 2, 3, 130

Settings = dict[str, str]
Command = TypeVar("Command", bound=Callable[..., Any])


def pairs(_: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> Settings:
    """The `name=value` of an option that can be given several times."""
    try:
        return settings_of(texts)
    except UsageError as error:
        raise click.BadParameter(str(error)) from None


def names(_: click.Context, option: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    """The names of an option that takes several, separated by commas."""
    if text is None:
        return None
    return tuple(name.strip() for name in text.split(",") if name.strip())


@dataclass(frozen=True)
class Changes:
    """What a call changes of what a spec says, and how much it may ask for."""

    settings: Settings = field(default_factory=dict)
    scale: Settings = field(default_factory=dict)
    limits: Settings = field(default_factory=dict)
    replace: tuple[str, ...] = ()
    output_stride: str | None = None
    shapes: tuple[str, ...] = ()
    arguments: Settings = field(default_factory=dict)

    @property
    def of_spec(self) -> bool:
        """Whether anything of a spec is changed."""
        return bool(self.settings or self.scale or self.replace or self.output_stride)

    @property
    def of_module(self) -> bool:
        """Whether it is said how a PyTorch network is made."""
        return bool(self.shapes or self.arguments)

    @property
    def allowed(self) -> "Limits":
        from archdsl.yaml.limits import Limits

        return Limits().override(self.limits)


_CHANGES = {
    "--limit": ("limits", "Allow more than a limit does: nodes=1000000."),
    "--replace": ("replace", "Put another op or block where one is written: relu=silu."),
    "--scale": ("scale", "Change a scaling rule: width=1.4, phi=3."),
    "--set": ("settings", "Change a parameter of the spec: classes=10."),
}


def change(option: str) -> Callable[[Command], Command]:
    """One of the options that change what a spec says, or how much it may."""
    name, text = _CHANGES[option]
    callback, metavar = (pairs, "NAME=VALUE") if name != "replace" else (None, "OP=OTHER")
    return click.option(option, name, multiple=True, callback=callback, metavar=metavar, help=text)


def changes(command: Callable[..., Any]) -> Callable[..., Any]:
    """All of these options, given to the command together, as `changed`."""

    @wraps(command)
    def called(*arguments: Any, **given: Any) -> Any:
        said = {name: given.pop(name) for name in Changes.__dataclass_fields__ if name in given}
        return command(*arguments, changed=Changes(**said), **given)

    for option in _CHANGES:
        called = change(option)(called)
    return output_stride(called)


def modules(command: Command) -> Command:
    """The options of how a PyTorch network, in place of a spec, is made."""
    shapes = click.option(
        "--input", "shapes", multiple=True, metavar="C,H,W",
        help="The shape of an input of a PyTorch network, without the batch; again for each.",
    )  # fmt: skip
    arguments = click.option(
        "--arg", "arguments", multiple=True, callback=pairs, metavar="NAME=VALUE",
        help="An argument of its class or function, as in JSON or a word.",
    )  # fmt: skip
    return shapes(arguments(command))


def into(help: str) -> Callable[[Command], Command]:
    """The folder that a command writes to."""
    kind = click.Path(path_type=Path)
    return click.option(
        "-o", "--out", type=kind, default=Path("out"), show_default=True, metavar="DIR", help=help
    )


def dpi(command: Command) -> Command:
    """The option for how fine a PNG is; what is drawn knows the default."""
    return click.option("--dpi", type=click.IntRange(36, 2400), help="Of PNG. [default: 300]")(
        command
    )


def output_stride(command: Command) -> Command:
    """The option for the output stride of the backbone."""
    text = "Strides behind this one become dilation: 8, 16."
    return click.option("--output-stride", metavar="N", help=text)(command)


STDIN = "-"


def networks(context: click.Context, argument: click.Parameter, begun: str) -> list[CompletionItem]:
    """The files and the networks of the gallery that begin so, for shells."""
    from archdsl.language import gallery

    names = [CompletionItem(name) for name in gallery.every() if name.startswith(begun)]
    return [*names, CompletionItem(begun, type="file")]


def standard_input(name: str, limits: "Limits", sink: Sink) -> str | None:
    """The text on standard input, None with the reason in `sink`; `name` is what it is called."""
    from archdsl.yaml.source import decoded

    if sys.stdin is None:
        raise UsageError("there is no standard input to read")
    return decoded(sys.stdin.buffer.read(limits.document_bytes + 1), name, limits, sink)


def imported_graph(
    source: str, shapes: Sequence[str] = (), name: str | None = None,
    arguments: Mapping[str, str] | None = None,
) -> "Graph":  # fmt: skip
    """The graph of a module that a source names; says on stderr that its code is run."""
    import warnings

    from archdsl.diagnostics.packages import require

    require("reading a module", "torch")
    from archdsl.importing.sources import imported

    show(f"importing {source} runs its Python code\n", err=True)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        graph = imported(source, shapes, name, arguments)
    for warning in said:
        if issubclass(warning.category, UserWarning) and graph.name in str(warning.message):
            show(f"{warning.message}\n", err=True)
    return graph


def _imported(source: str, changed: Changes) -> Reading:
    """A module in place of a spec: with the blocks of the spec that it can be, if it can."""
    from archdsl.api.reading import loads
    from archdsl.diagnostics.errors import ModuleError
    from archdsl.importing.specs import spec_of

    if changed.of_spec:
        raise UsageError(f"{source} is a module: what changes a spec needs `archdsl import` first")
    graph = imported_graph(source, changed.shapes, None, changed.arguments)
    try:
        return Reading(loads(spec_of(graph, loads)), [], {})
    except ModuleError:
        return Reading(graph, [], {})  # as it is; why was said


def reading_of(
    spec: str, changed: Changes, lints: Collection[str] = (), text: str | None = None
) -> Reading:
    """What is read of a spec; a text stands for what the file says."""
    said = changed.replace, changed.output_stride
    return read(spec, changed.settings, changed.scale, changed.allowed, lints, *said, text=text)


def network_of(spec: str, changed: Changes) -> Reading:
    """What is read of a spec, or of the module that a source names."""
    from archdsl.importing.sourcing import is_source

    if is_source(spec):
        return _imported(spec, changed)
    if changed.of_module:
        raise UsageError(f"{spec} is a spec: --input and --arg are for modules")
    return reading_of(spec, changed)


def graph_of(spec: str, changed: Changes) -> "Graph":
    """The graph of a spec, or of a module; if it is wrong, says why and exits."""
    reading = network_of(spec, changed)
    if reading.diagnostics:
        show(reading.report(color=color(sys.stderr)), err=True)
    if reading.graph is None:
        raise click.exceptions.Exit(status_of(reading.diagnostics))
    return reading.graph


def status_of(diagnostics: Iterable[Diagnostic]) -> int:
    """The exit status for errors: the call is wrong if each points at the value of an option."""
    errors = [d for d in diagnostics if d.severity == "error"]
    places = [[d.span, *(label.span for label in d.labels)] for d in errors]
    called = all(any(place and place.in_option for place in some) for some in places)
    return WRONG_CALL if called else WRONG_SPEC


def color(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal whose user has not asked for plain text (no-color.org)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream is not None and stream.isatty() and not plain


@contextmanager
def readers_end() -> Iterator[None]:
    """Where a reader closes the output (`| head`) the program ends by the signal, as others do.

    At no other time: the signal would also end it when a browser or a worker of it goes away.
    """
    if not hasattr(signal, "SIGPIPE") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGPIPE, before)


def show(text: str, err: bool = False) -> None:
    """Writes to the output; raises UsageError if that is closed, or the disk behind it full."""
    if text and (sys.stderr if err else sys.stdout) is None:
        raise UsageError("there is no standard output to write to")
    try:
        with readers_end():
            click.echo(text, nl=False, err=err)
    except OSError as error:
        give_up(sys.stderr if err else sys.stdout)
        raise UsageError(f"cannot write the output: {error.strerror or error}") from error


def complain(message: str) -> None:
    """Says what is wrong; where nobody can be told, the exit status has to do."""
    from archdsl.diagnostics.report import printable

    with suppress(UsageError):
        show(f"error: {printable(message)}\n", err=True)


def give_up(stream: TextIO | None) -> None:
    """Lets go of what a stream could not write, or Python would try again at its end."""
    if stream is None:
        return
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
