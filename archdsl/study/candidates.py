"""One spec under many settings: it is read once and elaborated for each."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from archdsl import plugins
from archdsl.analysis.measures import Value, totals
from archdsl.diagnostics.errors import SpecError, UsageError
from archdsl.diagnostics.report import failure
from archdsl.diagnostics.sink import Sink
from archdsl.diagnostics.suggest import did_you_mean
from archdsl.diagnostics.text import as_yaml
from archdsl.elaborate.document import elaborate
from archdsl.elaborate.replay import Records
from archdsl.expressions.scaling import RULES
from archdsl.graph.graph import Graph
from archdsl.language.blocks import with_defaults
from archdsl.language.gallery import find
from archdsl.language.loader import Loader
from archdsl.language.syntax import Document, Literal, ScalingRule
from archdsl.yaml.limits import Limits
from archdsl.yaml.source import parse

PHI = "phi"


@dataclass(frozen=True)
class Point:
    """What is changed of a spec: values of its parameters, factors of its scaling rules, phi."""

    scale: Mapping[str, float]
    params: Mapping[str, Any]

    def named(self) -> dict[str, Any]:
        """What is set, by `scale.NAME` and `set.NAME`."""
        rules = {f"scale.{name}": factor for name, factor in self.scale.items()}
        return rules | {f"set.{name}": value for name, value in self.params.items()}


class Candidates:
    """The networks that a spec describes under different settings."""

    def __init__(
        self,
        spec: str | os.PathLike[str],
        settings: Mapping[str, str] | None = None,
        scale: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        replaced: Sequence[str] = (),
        output_stride: str | None = None,
    ) -> None:
        """Reads the spec, changed as on the command line; raises SpecError if it is wrong."""
        self.path, self.limits = find(spec), limits or Limits()
        self.settings, self.scale = dict(settings or {}), dict(scale or {})
        self.replaced, self.output_stride = tuple(replaced), output_stride
        loader = Loader(Sink(), self.limits)
        document = loader.load(self.path, settings, scale, replaced, output_stride)
        if loader.sink.failed and plugins.wanted([*loader.sources.values(), *replaced]):
            loader = Loader(Sink(), self.limits)
            document = loader.load(self.path, settings, scale, replaced, output_stride)
        if document is None or loader.sink.failed:
            raise failure(loader.sink, loader.sources)
        self.document = replace(document, renamings={})  # no weights fit another size
        self.sources, self.sink = loader.sources, loader.sink
        self.records = Records(document, self.limits)

    def graph(self, point: Point) -> Graph:
        """The network at a point; raises SpecError if there is none."""
        sink = self.sink.fresh()
        document = changed(self.document, point, sink)
        graph = elaborate(document, sink, self.limits, self.records)
        if graph is None:
            sources = [parameter.place.source for parameter in document.parameters.values()]
            texts = {source.name: source.text for source in sources} | {**self.sources}
            raise failure(sink, texts)
        return graph

    def measure(self, point: Point, columns: Sequence[str]) -> dict[str, Value]:
        """Measures of the network at a point, by name; raises SpecError if there is none."""
        return totals(self.graph(point), columns)

    def check(self, point: Point) -> None:
        """Raises UsageError for a rule or parameter that the spec does not have."""
        for name in point.scale:
            known = [PHI, *RULES, *self.document.rules]
            if name not in known:
                raise UsageError(f"no scaling rule `{name}`; {did_you_mean(name, known)}")
        for name in point.params:
            known = [*self.document.parameters]
            if name not in known:
                raise UsageError(f"no parameter `{name}`; {did_you_mean(name, known)}")

    def uses(self) -> tuple[str, ...]:
        """Which of depth, width and resolution the spec's expressions use, found by trying."""
        base = self.measure(Point({}, {}), ("parameters", "macs", "layers", "activations"))
        found = []
        for name in RULES:
            for factor in (2.0, 3.0):
                point = Point({PHI: 0, name: factor}, {})
                try:
                    if self.measure(point, tuple(base)) != base:
                        found.append(name)
                        break
                except SpecError:
                    found.append(name)
                    break
        return tuple(found)


def changed(document: Document, point: Point, sink: Sink | None = None) -> Document:
    """The document at a point; what is wrong with the values of parameters is in the sink."""
    place, rules, phi = document.file.source.at("scaling"), dict(document.rules), document.phi
    for name, factor in point.scale.items():
        if name == PHI:
            phi = Literal(factor, place / PHI)
        else:
            rule, number = rules.get(name, ScalingRule()), Literal(factor, place / name / "factor")
            rules[name] = replace(rule, numbers={**rule.numbers, "factor": number})
    sources = {}
    for name, value in point.params.items():
        text = as_yaml(value)
        source = parse(text, f"{name}={text}", Sink())
        assert source is not None, f"{text} cannot be read back"
        sources[name] = source
    parameters = with_defaults(document, sources, sink or Sink())
    return replace(document, phi=phi, rules=rules, parameters=parameters)
