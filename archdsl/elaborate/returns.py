"""What `returns` says: the results as users of another implementation know them in training."""

from collections.abc import Mapping

from archdsl.diagnostics.suggest import did_you_mean
from archdsl.elaborate.items import Run
from archdsl.expressions.names import other_name
from archdsl.graph.returns import ONLY, Returns
from archdsl.language.syntax import items_in

EXAMPLE = "`returns: {dict: {out: output, aux: side}}`, or a name instead of `dict` for a tuple"


def returns(run: Run, outputs: Mapping[str, str], aux: Mapping[str, str]) -> Returns | None:
    """The results by fields; what is wrong is in the run's sink.

    A field of a result that an `if` has taken away is left out, and so is a tuple without any that
    is in training only. What is inherited is left out where the results are not those it names.
    """
    said, place = run.document.form.returns, run.document.file.source.at("returns")
    if not said:
        return None
    if len(said) > 1:
        run.sink.error("E0203", "`returns` is one kind of result", place.span, help=EXAMPLE)
        return None
    ((kind, written),) = said.items()
    made = Returns(kind, {})
    if problem := made.type_problem():
        run.sink.error("E0208", problem, (place / kind).key, help=other_name(kind))
    for name in outputs.keys() & aux.keys():
        run.sink.error("E0401", f"two results are named {name}", place.span)
    results = {name or ONLY: name for name in outputs} | {name: name for name in aux}
    inherited = place.span is not None and place.span.file != place.source.name
    absent = _sides(run) - results.keys()
    if inherited and not results.keys() <= {*written.values()} <= results.keys() | absent:
        return None
    fields: dict[str, str] = {}
    for field, result in written.items():
        at = place / kind / field
        if problem := made.field_problem(field):
            run.sink.error("E0208", problem, at.key, help=other_name(field))
        if result in results and results[result] in fields.values():
            run.sink.error("E0401", f"two fields give {result}", at.span)
        elif result in results:
            fields[field] = results[result]
        elif result not in absent:
            help = did_you_mean(result, results)
            run.sink.error("E0402", f"no result is named {result}", at.span, help=help)
    unknown = {*written.values()} - results.keys() - absent
    for name in () if unknown else results.keys() - written.values():
        help = "give it a field, or leave `returns` out"
        run.sink.error("E0403", f"no field gives {name}", (place / kind).key, help=help)
    return Returns(kind, fields) if made.is_dict or aux else None


def _sides(run: Run) -> set[str]:
    """The names of all results in training only that stand in the document."""
    sections = run.document.sections
    tops = [item for section in sections.values() for item in section.items]
    tops += [block.body for block in run.document.titles if block.body is not None]
    items = [inner for top in tops for inner in items_in(top)]
    named = {i.key.text for i in items if i.key is not None and i.modifiers.aux}
    aside = sections["aux"].items if "aux" in sections else ()
    return named | {item.key.text for item in aside if item.key is not None}
