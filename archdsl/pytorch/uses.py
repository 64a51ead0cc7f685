"""What the graph knows of the uses of blocks: values that cross borders, sizes, overwriting."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from archdsl.graph.graph import Graph
from archdsl.language.mentions import Mentions
from archdsl.language.replacing import NONE, Replacements
from archdsl.language.syntax import (
    Block,
    items_in,
    written_in,
)
from archdsl.language.written import Written
from archdsl.modules.structure import Structure
from archdsl.ops.tensor import TensorSpec


def above(path: str) -> list[str]:
    """The parts that hold what is at a path, the largest first, and itself."""
    parts = path.split(".")
    return [".".join(parts[: n + 1]) for n in range(len(parts))]


@dataclass
class Uses:
    """A graph beside the spec that it came from."""

    graph: Graph
    written: Written

    def __post_init__(self) -> None:
        self.document = self.written.document
        self.structure = Structure(self.graph)
        self.replacing = Replacements.of_all(self.document)

    @cached_property
    def keys(self) -> frozenset[str]:
        """The names that stand in the document and its blocks."""
        templates = [template for template, _ in self.document.file.written]
        for block in self.document.titles:
            if block.body is not None:
                templates += [i.key for i in items_in(block.body) if i.key is not None]
        return frozenset(t.text for t in templates if not t.expressions)

    @cached_property
    def uses(self) -> dict[str, list[str]]:
        """The scopes of every block, by its title in the graph."""
        found: dict[str, list[str]] = {}
        for scope in self.graph.scopes:
            if scope.block and scope is self.structure.first[scope.path]:
                found.setdefault(scope.block, []).append(scope.id)
        return found

    @cached_property
    def cut(self) -> frozenset[str]:
        """The paths of the parts of which some is not needed: what a result is taken from inside.

        Of these the classes and containers of their kind, which are whole, say too much.
        """
        missing = [id for id in self.written.nodes if id not in self.graph.by_id]
        left = {path for id in missing for path in above(id.partition("@")[0])}
        return frozenset(left & {scope.path for scope in self.graph.scopes})

    def uses_of(self, title: str, replacing: Replacements) -> list[str]:
        """The scopes of a block in which the same ops are replaced, and all is needed."""
        scopes = [id for id in self.uses.get(title, []) if id.partition("@")[0] not in self.cut]
        if not self.replacing.rules:
            return scopes
        return [id for id in scopes if self.replaced_at(id.partition("@")[0]) == replacing]

    def replaced_at(self, path: str) -> Replacements:
        """What is replaced in what stands at a path."""
        return NONE if self.written.replaced & {*above(path)} else self.replacing.under(path)

    @cached_property
    def arguments(self) -> dict[tuple[str, str], list[Any]]:
        """What the graph's uses of a block have for each of its parameters."""
        found: dict[tuple[str, str], list[Any]] = {}
        for scope in self.graph.scopes:
            for title, value in scope.arguments if scope.block else ():
                found.setdefault((scope.block, title), []).append(value)
        return found

    def said(self, block: Block, title: str) -> list[Any]:
        """The values that a block's parameter has in the graph."""
        return self.arguments.get((self.document.titles.get(block, block.name), title), [])

    @cached_property
    def spans(self) -> dict[Any, dict[str, bool]]:
        """Whether the activations that a place in the spec makes write over their input, by verb.

        What is so of one node is so of all of its place and verb.
        """
        found: dict[Any, dict[str, bool]] = {}
        for node in self.graph.nodes:
            if node.op.storage(node.output, *self.graph.specs(node)).over is not None:
                over = node.id in self.structure.overwriting
                found.setdefault(node.span, {})[node.op.verb] = over
        return found

    def may_overwrite(self, span: Any, verb: str) -> bool | None:
        """Whether what is written at a place writes over its input; None if nothing came of it.

        A verb that never stood there does as those that did.
        """
        said = self.spans.get(span, {})
        return said.get(verb, all(said.values()) if said else None)

    @staticmethod
    def paths(path: str, prefixes: Sequence[str]) -> Iterator[str]:
        for prefix in prefixes:
            yield f"{prefix}.{path}" if prefix and path else prefix or path

    @cached_property
    def opened(self) -> frozenset[str]:
        """How references say that in which they name something: `a` and `a.b` of `a.b.c`."""
        bodies = [b.body for b in self.document.titles if b.body is not None]
        bodies += [item for items in self.document.sections.values() for item in items.items]
        said = Mentions()
        for body in bodies:
            for item in items_in(body):
                said.add(written_in(item))
        names = [t.text.split(".") for t in said.references if not t.expressions]
        return frozenset(".".join(parts[:n]) for parts in names for n in range(1, len(parts)))

    def is_opened(self, path: str, prefixes: Sequence[str]) -> bool:
        """Whether a reference or a result may name what stands in the item at a path."""
        parts = path.split(".")
        if any(p in self.cut for p in self.paths(path, prefixes)):
            return True
        return any(".".join(parts[n:]) in self.opened for n in range(len(parts)))

    def is_closed(self, path: str, prefixes: Sequence[str]) -> bool:
        structure = self.structure
        found = [p for p in self.paths(path, prefixes) if p in structure.inputs]
        return not self.is_opened(path, prefixes) and all(
            len(structure.inputs[p]) == 1 and len(structure.outputs[p]) <= 1 for p in found
        )

    def is_scope(self, path: str, prefixes: Sequence[str]) -> bool:
        return any(p in self.structure.first for p in self.paths(path, prefixes))

    def is_empty(self, path: str, prefixes: Sequence[str]) -> bool:
        """Whether nothing stands at a path in any use; of a path with a number it is not known."""
        if any(sign in path for sign in "{%"):
            return False
        found = [*self.paths(path, prefixes)]
        return bool(found) and not any(p in self.marks for p in found)

    def gives(self, path: str, prefixes: Sequence[str]) -> int:
        found = [p for p in self.paths(path, prefixes) if p in self.structure.outputs]
        return max([len(self.structure.outputs[p]) for p in found], default=0)

    def tapped(self, prefixes: Sequence[str]) -> list[str]:
        """The taps of what scopes give to others."""
        given = {id for prefix in prefixes for id in self.structure.outputs.get(prefix, ())}
        return [title for title, id in self.graph.taps.items() if id in given]

    def given_by(self, path: str, prefixes: Sequence[str]) -> list[str]:
        found = [p for p in self.paths(path, prefixes) if p in self.structure.outputs]
        return [id for p in found if len(self.structure.outputs[p]) == 1
                for id in self.structure.outputs[p]]  # fmt: skip

    @cached_property
    def places(self) -> dict[str, int]:
        """The places of the nodes in their order."""
        return {id: place for place, id in enumerate(self.graph.by_id)}

    @cached_property
    def marks(self) -> dict[str, dict[str, None]]:
        """The marks of the applications of what stands at every path, in their order."""
        found: dict[str, dict[str, None]] = {}
        ids = [*self.graph.by_id, *(scope.id for scope in self.graph.scopes)]
        for path, _, mark in (id.partition("@") for id in ids):
            found.setdefault(path, {})[f"@{mark}" if mark else ""] = None
        return found

    def used_marks(self, path: str, prefixes: Sequence[str], again: str) -> list[str]:
        """The marks that the uses of a module have behind that of its application."""
        start = f"{again}@0@"
        found = [m for p in self.paths(path, prefixes) for m in self.marks.get(p, ())]
        return [m.removeprefix(again) for m in found
                if m.startswith(start) and m.removeprefix(start).isdecimal()]  # fmt: skip

    def refined(self, spec: TensorSpec, path: str, prefixes: Sequence[str]) -> TensorSpec:
        """With sizes that are not known as the graph has them, if all uses have the same."""
        if None not in spec.shape or not path:
            return spec
        ids = [
            id
            for p in self.paths(path, prefixes)
            for id in ([p] if p in self.graph.by_id else self.structure.outputs.get(p, ()))
        ]
        shapes = {self.graph.spec(id).shape for id in ids}
        found = shapes.pop() if len(shapes) == 1 else ()
        if len(found) != len(spec.shape):
            return spec
        filled = (b if a is None else a for a, b in zip(spec.shape, found, strict=True))
        return TensorSpec(tuple(filled), spec.layout)
