"""Results that survive a kill: whole rows are appended as they come, what is there is read back."""

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from archdsl.diagnostics.errors import UsageError
from archdsl.diagnostics.packages import require
from archdsl.files import make_folder, replacing
from archdsl.study.candidates import Point

Record = dict[str, Any]


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
        whole = self._read()
        try:
            with open(path, "ab") as file:
                file.truncate(whole)
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
        if not whole:
            self._append(",".join(self.fields) + "\n")

    def _read(self) -> int:
        """Reads the whole lines; gives how many bytes they are."""
        if not self.path.exists():
            return 0
        data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        reader = csv.DictReader(io.StringIO(whole.decode("utf-8"), newline=""))
        if whole and list(reader.fieldnames or ()) != self.fields:
            message = f"{self.path} has the columns of another study; use another --out"
            raise UsageError(message)
        for record in reader:
            self.done[record["key"]] = {k: _value(v) for k, v in record.items()}
        return len(whole)

    def add(self, records: Sequence[Record]) -> None:
        file = io.StringIO(newline="")
        writer = csv.DictWriter(file, self.fields, lineterminator="\n", restval="")
        for record in records:
            plain = {k: _one_line(v) for k, v in record.items()}
            writer.writerow(plain)
            self.done[record["key"]] = record
        self._append(file.getvalue())

    def _append(self, text: str) -> None:
        with open(self.path, "ab") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())


class Parquet:
    """A folder of parts, each a whole file; pandas, Arrow and DuckDB read it as one table."""

    def __init__(self, path: Path, fields: Sequence[str]) -> None:
        require("Parquet", "pyarrow")
        import pyarrow.parquet as parquet

        self.path, self.fields = path, list(fields)
        make_folder(path)
        self.done: dict[str, Record] = {}
        self.count = 0
        for part in sorted(path.glob("part-*.parquet")):
            table = parquet.ParquetFile(part).read()
            if table.column_names != self.fields:
                raise UsageError(f"{path} has the columns of another study; use another --out")
            self.done |= {record["key"]: record for record in table.to_pylist()}
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


def open_results(path: Path, fields: Sequence[str]) -> Csv | Parquet:
    """Results in a file named `*.csv`, or in parts in a folder named `*.parquet`."""
    if path.suffix == ".parquet":
        return Parquet(path, fields)
    if path.suffix == ".csv":
        return Csv(path, fields)
    raise UsageError(f"--out {path}: results are written to *.csv or *.parquet")


def read_records(path: Path) -> list[Record]:
    """The records in a file or folder of results; raises UsageError if it is none."""
    if path.suffix == ".parquet":
        return list(Parquet(path, _parquet_fields(path)).done.values())
    with open(path, encoding="utf-8", newline="") as file:
        return [{k: _value(v) for k, v in row.items()} for row in csv.DictReader(file)]


def _parquet_fields(path: Path) -> list[str]:
    require("Parquet", "pyarrow")
    import pyarrow.parquet as parquet

    part = next(iter(sorted(path.glob("part-*.parquet"))), None)
    return list(parquet.read_schema(part).names) if part else []


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
