"""The scaling rule of a document."""

import math
from collections.abc import Mapping

from archdsl.elaborate.env import Here, Poison, fail
from archdsl.elaborate.items import Run
from archdsl.expressions import scaling
from archdsl.expressions.scaling import Function, Rule
from archdsl.language.syntax import ScalingRule
from archdsl.yaml.source import Place


def _functions(
    run: Run, here: Here, without: frozenset[str] = frozenset()
) -> Mapping[str, Function]:
    """What expressions may call; a rule that fails is missing, and found missing later."""
    place = here.file.source.at("scaling")
    rules: dict[str, Rule] = {}
    bases: dict[str, float] = {}
    failed = set(without)
    for name, rule in run.document.rules.items():
        phi = run.document.phi
        if name in without or rule.broken or phi is None:
            failed.add(name)
            continue
        try:
            power, base = run.values.number(phi, here), 1.0
            if "base" in rule.numbers:
                base = run.values.number(rule.numbers["base"], here)
            rules[name] = _rule(run, rule, base, power, place / name, here)
            bases[name] = base
        except Poison:
            failed.add(name)
    if run.document.form.lint.get("W0101") != "off":
        _warn_of_growth(run, bases, place)
    functions = scaling.functions(rules)
    return {name: function for name, function in functions.items() if name not in failed}


def _rule(run: Run, rule: ScalingRule, base: float, phi: float, place: Place, here: Here) -> Rule:
    wholes = {
        word: run.values.whole(rule.numbers[word], here, 1)
        for word in ("multiple_of", "min", "max")
        if word in rule.numbers
    }
    if wholes.get("min", 1) > wholes.get("max", math.inf):
        fail(run.sink, "E0305", "min is more than max", (place / "min").span)
    try:
        factor = base**phi if base > 0 else 0.0
    except OverflowError:
        factor = math.inf
    written = rule.numbers.get("factor")
    if written is not None:
        factor = run.values.number(written, here)
    if not 0 < factor < math.inf:
        name = str(place.path[-1])
        message = f"the factor of {name} is {factor:g}, not a positive number"
        where = place if written is None else written.place
        fail(run.sink, "E0305", message, where.span)
    rounding = rule.round or scaling.RULES.get(str(place.path[-1]), "nearest")
    return Rule(factor, rounding, **wholes)


def _warn_of_growth(run: Run, bases: Mapping[str, float], place: Place) -> None:
    """Compound scaling wants cost to double with every unit of phi."""
    if all(bases.get(name, 1.0) != 1.0 for name in scaling.RULES):
        growth = scaling.compound_growth(*(bases[name] for name in scaling.RULES))
        if not 1.8 <= growth <= 2.2:
            message = f"depth * width^2 * resolution^2 is {growth:.2f} per phi, not near 2"
            help = "one more phi should double the cost; Tan & Le have 1.2, 1.1 and 1.15"
            run.sink.error("W0101", message, place.key, severity="warning", help=help)
