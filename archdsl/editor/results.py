"""What the items of a spec became: their parts of the graph, with shapes and costs."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property

from archdsl.analysis.measures import Facts, measure
from archdsl.diagnostics.diagnostic import Span
from archdsl.diagnostics.errors import UsageError
from archdsl.editor.marks import Mark
from archdsl.editor.view import View
from archdsl.expressions.template import Template
from archdsl.graph.graph import Graph, Node, Scope
from archdsl.tables.summary import cell


class Results:
    """The parts of a view's graph by the items that they come from."""

    def __init__(self, view: View) -> None:
        self.view = view

    @property
    def graph(self) -> Graph | None:
        return self.view.graph

    @cached_property
    def facts(self) -> Facts:
        assert self.graph is not None
        return Facts(self.graph)

    def gives(self, id: str) -> str:
        """The shape of what a node or scope gives, "" for a scope that has no nodes."""
        return str(self.facts.analysis.outputs.get(id, ""))

    def numbers(self, id: str, columns: Iterable[str]) -> list[str]:
        """The shape that a node or scope gives, then measures of it, as tables write them."""
        assert self.graph is not None
        nodes = self.graph.nodes_at(id)
        try:
            values = [(measure(name), measure(name).of(self.facts, nodes)) for name in columns]
        except UsageError:  # more positions than a field may look up
            values = [(measure(name), "") for name in columns]
        return [self.gives(id), *(cell(value, of.kind) for of, value in values)]

    @cached_property
    def by_span(self) -> dict[Span, list[Node | Scope]]:
        """The outermost parts of each place."""
        found: dict[Span, list[Node | Scope]] = defaultdict(list)
        spans = {scope.id: scope.span for scope in self.graph.scopes} if self.graph else {}
        for part in self.parts:
            outer = part.parent if isinstance(part, Scope) else part.scope
            if part.span is not None and spans.get(outer) != part.span:
                found[part.span].append(part)
        return found

    @cached_property
    def parts(self) -> Sequence[Node | Scope]:
        return [*self.graph.scopes, *self.graph.nodes] if self.graph is not None else []

    @cached_property
    def blocks(self) -> dict[str, str]:
        """For every part the block in whose body it stands, "" for the document."""
        found: dict[str, str] = {"": ""}
        titles: dict[str, str] = {"": ""}  # what a scope makes of it for what stands in it
        for scope in self.graph.scopes if self.graph is not None else ():
            found[scope.id] = titles[scope.parent]
            titles[scope.id] = scope.block or titles[scope.parent]
        for node in self.graph.nodes if self.graph is not None else ():
            found[node.id] = titles[node.scope]
        return found

    def of(self, mark: Mark) -> list[str]:
        """The ids of nodes and scopes that the item of a mark became, in order; maybe none."""
        item = mark.item
        if item is None or self.graph is None:
            return []
        spans = [item.place.span, item.span, item.inside.key]
        for span in spans:
            if span is not None and span in self.by_span:
                return [part.id for part in self.by_span[span]]
        if item.key is None or self.view.document is None:
            return []
        block = self.view.document.titles.get(mark.block, "") if mark.block is not None else ""
        pattern = pattern_of(item.key)
        alike = (p for p in self.parts if self.blocks[p.id] == block and pattern.fullmatch(p.name))
        return [part.id for part in alike]


def pattern_of(template: Template) -> re.Pattern[str]:
    """The names that a key with expressions in it may become."""
    parts = (re.escape(p) if isinstance(p, str) else r"[A-Za-z0-9-]+" for p in template.parts)
    return re.compile("".join(parts))
