"""A network in stages as text."""

from archdsl.analysis.partition import Partition, Stage
from archdsl.expressions.numbers import quantity, share
from archdsl.tables.text import aligned

HEADINGS = ("stage", "begins with", "parameters", "%", "MACs", "%", "receives")


def text(partition: Partition) -> str:
    """A line per stage with its costs for one image, and how even they are."""
    costs = [stage.cost for stage in partition.stages]
    parameters, macs = sum(c.parameters for c in costs), sum(c.macs for c in costs)
    rows = [
        [
            str(number),
            stage.cut.path if stage.cut else "",
            quantity(stage.cost.parameters),
            share(stage.cost.parameters, parameters),
            quantity(stage.cost.macs),
            share(stage.cost.macs, macs),
            _received(partition, stage),
        ]
        for number, stage in enumerate(partition.stages)
    ]
    by = {"macs": "MACs"}.get(partition.by, partition.by)
    title = f"{partition.graph.name}: {len(rows)} stage{'s' * (len(rows) > 1)}"
    end = f"the dearest has {partition.balance:.2f} times its share of {by}"
    return "\n".join([title, "", *aligned([HEADINGS, *rows], "llrrrrr"), "", end, ""])


def _received(partition: Partition, stage: Stage) -> str:
    """`401.41 KB`, of several tensors `1.20 MB in 3`; nothing for the first stage."""
    if stage.cut is None:
        return ""
    number = len(stage.cut.tensors)
    size = quantity(partition.received(stage))
    unit = "B" if size[-1].isalpha() else " B"
    return f"{size}{unit}" + f" in {number}" * (number > 1)
