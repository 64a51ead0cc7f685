"""Results that survive a kill: whole rows are appended as they come, what is there is read back."""

import csv
import hashlib
import io
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.files import make_folder, replacing
from archdsl.diagnostics.packages import require
from archdsl.study.candidates import Point

Record = dict[str, Any]
OBJECTIVE = "objective"


def key_of(point: Point) -> str:
    """A name for a candidate that is the same in every run."""
    text = json.dumps([dict(point.scale), dict(point.params)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Results(Protocol):
    """Where records go; `done` are those that are there already, by key."""

    done: dict[str, Record]

    def add(self, records: Sequence[Record]) -> None:
        """Keeps records; when it returns, they survive a kill."""


class Csv:
    """One file with a heading. A line that a kill cut short is cut off when it is opened again."""

    def __init__(self, path: Path, fields: Sequence[str]) -> None:
        self.path, self.fields = path, list(fields)
        self.done: dict[str, Record] = {}
        make_folder(path.parent)
        heading, whole = f"{','.join(self.fields)}\n".encode(), 0
        if path.exists():
            data = _bytes(path)
            whole = data.rfind(b"\n") + 1
            if not whole and not heading.startswith(data):
                raise UsageError(f"{path} is no table of results; use another --out")
            self.done = {record["key"]: record for record in _rows(path, data[:whole], fields)}
        try:
            with open(path, "ab") as file:
                file.truncate(whole)
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
        if not whole:
            self._append(heading.decode())

    def add(self, records: Sequence[Record]) -> None:
        file = io.StringIO(newline="")
        writer = csv.DictWriter(file, self.fields, lineterminator="\n", restval="")
        for record in records:
            plain = {k: _one_line(v) for k, v in record.items()}
            writer.writerow(plain)
            self.done[record["key"]] = record
        self._append(file.getvalue())

    def _append(self, text: str) -> None:
        try:
            with open(self.path, "ab") as file:
                file.write(text.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise UsageError(f"cannot write {self.path}: {error.strerror or error}") from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error


def _rows(path: Path, data: bytes, fields: Sequence[str] = ()) -> list[Record]:
    """The records in the lines of a table; raises UsageError if it is damaged, or no study's."""
    try:
        lines = list(csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} is no table of results: {error}") from error
    if not lines:
        return []
    heading = lines[0]
    _require_columns(path, heading, fields)
    for number, line in enumerate(lines, 1):
        if len(line) != len(heading):
            found = f"{len(line)} cells for {len(heading)} columns"
            raise UsageError(f"{path} is damaged: row {number} has {found}")
    return [_mended(dict(zip(heading, map(_value, line), strict=True))) for line in lines[1:]]


def _require_columns(path: Path, heading: Sequence[str], fields: Sequence[str]) -> None:
    """Raises UsageError unless columns are those of a study, of the one with `fields` if given."""
    if not {"key", "status"} <= set(heading) or len(set(heading)) < len(heading):
        raise UsageError(f"{path} is no table of results: its first line names no columns of one")
    if fields and [*heading] != [*fields]:
        raise UsageError(f"{path} has the columns of another study; use another --out")


def _mended(record: Record) -> Record:
    """A record; its objective was no number where that is NaN or infinite: it failed."""
    spoiled = isinstance(value := record.get(OBJECTIVE), float) and not math.isfinite(value)
    if record["status"] == "ok" and spoiled:
        return {**record, "status": "failed", OBJECTIVE: None, "message": f"gives {value}"}
    return record


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """While a sweep writes there; raises UsageError if another one does."""
    from filelock import FileLock, Timeout

    make_folder(path.parent)
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(f"another sweep is writing to {path}; use another --out") from None
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()


class Parquet:
    """A folder of parts, each a whole file; pandas, Arrow and DuckDB read it as one table."""

    def __init__(self, path: Path, fields: Sequence[str]) -> None:
        self.path, self.fields = path, list(fields)
        make_folder(path)
        self.done: dict[str, Record] = {}
        self.count = 0
        for part in _parts(path):
            self.done |= {record["key"]: record for record in _part(path, part, fields)}
            self.count = max(self.count, int(part.stem.removeprefix("part-")))

    def add(self, records: Sequence[Record]) -> None:
        import pyarrow
        import pyarrow.parquet as parquet

        self.count += 1
        columns = {name: [record.get(name) for record in records] for name in self.fields}
        typed = {name: _typed(values) for name, values in columns.items()}
        with replacing(self.path / f"part-{self.count:06}.parquet") as aside:
            parquet.write_table(pyarrow.table(typed), aside)
        self.done |= {record["key"]: record for record in records}


@contextmanager
def open_results(path: Path, fields: Sequence[str]) -> Iterator[Csv | Parquet]:
    """Results in a file named `*.csv`, or in parts in a folder named `*.parquet`, and in no other
    hands as long."""
    if path.suffix not in (".csv", ".parquet"):
        raise UsageError(f"--out {path}: results are written to *.csv or *.parquet")
    if path.suffix == ".parquet":
        require("Parquet", "pyarrow")
    with _locked(path):
        yield Csv(path, fields) if path.suffix == ".csv" else Parquet(path, fields)


def read_records(path: Path) -> list[Record]:
    """The records in a file or folder of results; raises UsageError if it is none."""
    if path.suffix == ".parquet":
        if not path.is_dir():
            raise UsageError(f"cannot read {path}: there is no such folder")
        return [record for part in _parts(path) for record in _part(path, part)]
    data = _bytes(path)
    return _rows(path, data[: data.rfind(b"\n") + 1])


def _part(path: Path, part: Path, fields: Sequence[str] = ()) -> list[Record]:
    """The records of one file of a folder; raises UsageError if it is damaged, or no study's."""
    require("Parquet", "pyarrow")
    import pyarrow.parquet as parquet

    try:
        table = parquet.ParquetFile(part).read()
        records: list[Record] = table.to_pylist()
    except (OSError, ValueError) as error:  # of Arrow's errors these are the parents
        raise UsageError(f"{part} is damaged: {error}") from error
    _require_columns(path, table.column_names, fields)
    for number, record in enumerate(records, 1):
        if not isinstance(record["key"], str) or not all(map(_is_cell, record.values())):
            raise UsageError(f"{part} is damaged: row {number} has what is no result")
    return [_mended(record) for record in records]


def _is_cell(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _parts(path: Path) -> list[Path]:
    return [part for part in sorted(path.glob("part-*.parquet")) if part.stem[5:].isdecimal()]


def fields_of(axes: Iterable[str], columns: Iterable[str]) -> list[str]:
    return ["key", "status", *axes, *columns, "seconds", "message"]


def _one_line(value: Any) -> Any:
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    if isinstance(value, str):
        return " ".join(value.split())
    return json.dumps(value) if isinstance(value, list | Mapping) else value


def _value(text: str | None) -> Any:
    """A cell read back: a number if it is one."""
    for kind in (int, float):
        try:
            return kind(text or "")
        except ValueError:
            continue
    return text or None


def _typed(values: list[Any]) -> list[Any]:
    """A column of one type: numbers, or else text."""
    if all(value is None or isinstance(value, int | float) for value in values):
        return [None if value is None else float(value) for value in values]
    return [None if value is None else str(_one_line(value)) for value in values]
