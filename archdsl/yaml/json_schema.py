"""Models as JSON Schema, made by pydantic."""

import inspect
from typing import Any

from archdsl.diagnostics.packages import require

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(model: Any, title: str = "") -> Schema:
    """The JSON Schema of a model; with a title that of a whole document, with its `$defs`.

    One that is part of another has none, so it can stand anywhere in that.
    """
    require("schema", "pydantic")
    from pydantic import TypeAdapter

    schema: Schema = _finished(TypeAdapter(model).json_schema())
    schema["description"] = described(model)
    if not title:
        return schema
    return {"$schema": DIALECT, "title": title, "$defs": {}, **schema}


def described(model: type) -> str:
    """What its docstring says, as one paragraph."""
    return " ".join((inspect.getdoc(model) or "").split())


def _finished(schema: Any) -> Any:
    """What pydantic made, closed, without titles that only repeat names, its references in it."""
    if isinstance(schema, list):
        return [_finished(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _finished(part) for key, part in schema.items()}
    if isinstance(made.get("title"), str):
        del made["title"]
    if "default" in made and made["default"] is None:
        del made["default"]
    if isinstance(made.get("defined"), str):
        made["$ref"] = f"#/$defs/{made.pop('defined')}"
    if isinstance(made.get("properties"), dict) and made.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made
