"""A network in stages as text."""

from archdsl.analysis.measures import MEASURES
from archdsl.analysis.partition import Partition, Stage
from archdsl.expressions.numbers import quantity, share
from archdsl.tables.text import aligned


def text(partition: Partition) -> str:
    """A line per stage with its costs for one image, and how even they are."""
    shown = [*dict.fromkeys(("parameters", "macs", partition.by))]
    totals = {name: sum(getattr(s.cost, name) for s in partition.stages) for name in shown}
    costs = [part for name in shown for part in (MEASURES[name].heading, "%")]
    rows = [["stage", "begins with", *costs, "receives"]]
    for number, stage in enumerate(partition.stages):
        row = [str(number), stage.cut.path if stage.cut else ""]
        for name in shown:
            cost = getattr(stage.cost, name)
            row += [quantity(cost), share(cost, totals[name])]
        rows.append([*row, _received(partition, stage)])
    stages = len(partition.stages)
    title = f"{partition.graph.name}: {stages} stage{'s' * (stages > 1)}"
    by = MEASURES[partition.by].heading
    end = f"the dearest has {partition.balance:.2f} times its share of {by}"
    return "\n".join([title, "", *aligned(rows, "ll" + "rr" * len(shown) + "r"), "", end, ""])


def _received(partition: Partition, stage: Stage) -> str:
    """`401.41 KB`, of several tensors `1.20 MB in 3`; nothing for the first stage."""
    if stage.cut is None:
        return ""
    number = len(stage.cut.tensors)
    size = quantity(partition.received(stage))
    unit = "B" if size[-1].isalpha() else " B"
    return f"{size}{unit}" + f" in {number}" * (number > 1)
