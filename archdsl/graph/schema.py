"""The JSON Schema of graphs: that of their forms, with the arguments of every op."""

from typing import Any

from archdsl.graph.forms import GraphForm, InitForm
from archdsl.graph.json import FORMAT
from archdsl.ops import OPS, arguments, kind
from archdsl.yaml.json_schema import described, schema_of

Schema = dict[str, Any]


def graph_schema() -> Schema:
    """The JSON Schema (2020-12) of a graph in JSON."""
    schema = schema_of(GraphForm, "A graph of archdsl")
    schema["properties"]["format"] = {"const": FORMAT}
    schema["oneOf"] = [{"required": ["input"]}, {"required": ["inputs"]}]
    schema["properties"]["input"] = {"$ref": "#/$defs/SpecForm"}
    schema["properties"]["inputs"]["minProperties"] = 1
    schema["$defs"] |= schema_of(InitForm)["$defs"]
    schema["$defs"] |= {verb: _taken(verb) for verb in OPS}
    node = schema["$defs"]["NodeForm"]
    node["properties"]["op"] = {"enum": [*OPS]}
    node["allOf"] = [
        {
            "if": {"properties": {"op": {"const": verb}}},
            "then": {"properties": {"arguments": {"$ref": f"#/$defs/{verb}"}}},
        }
        for verb in OPS
    ]
    return schema


def _taken(verb: str) -> Schema:
    """All arguments of an op, as they are once an op has them."""
    properties = {name: _argument(verb, name) for name in arguments(OPS[verb])}
    return {
        "type": "object",
        "title": verb,
        "description": described(OPS[verb]),
        "properties": properties,
        "required": [n for n, f in arguments(OPS[verb]).items() if not f.metadata.get("later")],
        "additionalProperties": False,
    }


def _argument(verb: str, name: str) -> Schema:
    declared, of = arguments(OPS[verb])[name], kind(OPS[verb], name)
    found: list[Schema] = [{"enum": [*of.words]}] if of.words and of.form != "mapping" else []
    if of.form == "mapping":
        found.append({"$ref": "#/$defs/InitForm"})
    elif of.form == "reference":
        found.append({"type": "boolean"})
    elif of.form == "value":
        found.append(dict(of.schema))
    if declared.default is None:
        found.append({"type": "null"})
    return {"anyOf": found, "description": str(declared.metadata["doc"])}
