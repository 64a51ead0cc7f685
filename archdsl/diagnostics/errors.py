"""The exceptions that users see."""

from collections.abc import Iterable

from archdsl.diagnostics.diagnostic import Diagnostic


class SpecError(Exception):
    """A spec is wrong; `diagnostics` says every way in which it is, `report` shows them."""

    def __init__(self, diagnostics: Iterable[Diagnostic], report: str = "") -> None:
        self.diagnostics, self.report = tuple(diagnostics), report
        super().__init__(self.diagnostics, report)

    def __str__(self) -> str:
        return self.report or "\n".join(
            f"{d.span}: {d.code} {d.message}" if d.span else f"{d.code} {d.message}"
            for d in self.diagnostics
        )


class UsageError(Exception):
    """The call is wrong (a missing file, an unknown `--set` name), whatever the spec says."""


class CheckpointError(UsageError):
    """A file of weights does not fit a module; the message lists every kind of difference."""


class ModuleError(Exception):
    """A PyTorch module is no network of ours; the message says where and why."""


class InternalError(Exception):
    """Two parts of archdsl disagree about a network: a bug in archdsl, not in the spec."""


class Difference(InternalError):
    """A source is another network than its graph."""
