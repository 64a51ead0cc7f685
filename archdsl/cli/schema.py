"""The command `schema`."""

import json

import click

from archdsl.cli.console import show
from archdsl.diagnostics.packages import require


@click.command()
@click.argument(
    "document", type=click.Choice(["spec", "study", "theme", "figure", "graph"]), default="spec"
)
def schema(document: str) -> None:
    """Print the JSON Schema of specs, or of another kind of document, for editors and tools."""
    require("schema", "pydantic")
    show(json.dumps(schema_of(document), indent=1, ensure_ascii=False) + "\n")


def schema_of(document: str) -> dict[str, object]:
    """The JSON Schema of a kind of document, ops of installed plug-ins included."""
    if document == "study":
        from archdsl.study.plan import study_schema

        return study_schema()
    if document == "theme":
        from archdsl.figures.canvas.theme import theme_schema

        return theme_schema()
    if document == "figure":
        from archdsl.figures.file import figure_schema

        return figure_schema()
    if document == "graph":
        from archdsl.graph.schema import graph_schema

        return graph_schema()
    from archdsl import plugins
    from archdsl.language.schema import spec_schema

    plugins.load_all()

    return spec_schema()
