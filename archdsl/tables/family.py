"""Scaled networks as a table: text, Markdown, JSON, CSV."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

from archdsl.analysis.measures import MEASURES
from archdsl.study.scale import Family, Row
from archdsl.tables.summary import cell
from archdsl.tables.text import aligned


def text(family: Family) -> str:
    """Aligned columns, a line per network."""
    if not family.rows:
        return "no network to show\n"
    rows = [_headings(family), *(_cells(family, row) for row in family.rows)]
    return "\n".join([*aligned(rows, _sides(family)), ""])


def markdown(family: Family) -> str:
    """A table as GitHub shows it."""
    rule = [":--" if side == "l" else "--:" for side in _sides(family)]
    rows = [_headings(family), rule, *(_cells(family, row) for row in family.rows)]
    return "\n".join(["| " + " | ".join(row) + " |" for row in rows] + [""])


def to_json(family: Family) -> str:
    """Everything, numbers exact."""
    return json.dumps({"spec": family.spec, "rows": _records(family)}, indent=1) + "\n"


def to_csv(family: Family) -> str:
    """One line per network, numbers exact."""
    records = _records(family)
    rules = dict.fromkeys(rule for row in family.rows for rule in row.scale)
    file = io.StringIO()
    fields = ["label", *(f"scale.{rule}" for rule in rules), "input", *family.columns, "note"]
    writer = csv.DictWriter(file, fields, lineterminator="\n", restval="")
    writer.writeheader()
    for record in records:
        scale = {f"scale.{rule}": factor for rule, factor in record.pop("scale").items()}
        writer.writerow({**record, **scale, "input": "x".join(map(str, record["input"]))})
    return file.getvalue()


FORMATS: dict[str, Callable[[Family], str]] = {
    "table": text,
    "markdown": markdown,
    "json": to_json,
    "csv": to_csv,
}


def _headings(family: Family) -> list[str]:
    headings = ["", "input", *(MEASURES[name].heading for name in family.columns)]
    return headings + ([""] if _noted(family) else [])


def _noted(family: Family) -> bool:
    return any(row.note for row in family.rows)


def _sides(family: Family) -> str:
    return "ll" + "r" * len(family.columns) + "l" * _noted(family)


def _cells(family: Family, row: Row) -> list[str]:
    values = [cell(row.values[name], MEASURES[name].kind) for name in family.columns]
    note = [row.note] if _noted(family) else []
    return [row.label, "x".join(map(str, row.input)), *values, *note]


def _records(family: Family) -> list[dict[str, Any]]:
    return [
        {
            "label": row.label,
            "scale": dict(row.scale),
            "input": list(row.input),
            **row.values,
            "note": row.note,
        }
        for row in family.rows
    ]
