"""Letters and signs that TeX has names for, by the names."""

_GREEK_NAMES = (
    "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau"
    " upsilon varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
)
GREEK = dict(zip(_GREEK_NAMES.split(), "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ", strict=True))
SIGNS = {
    "partial": "∂", "prod": "∏", "sum": "∑", "surd": "√", "infty": "∞", "cap": "∩", "int": "∫",
    "approx": "≈", "neq": "≠", "equiv": "≡", "leftrightarrow": "↔", "updownarrow": "↕",
    "varsigma": "ς", "vartheta": "ϑ", "phi": "ϕ", "varpi": "ϖ", "varrho": "ϱ", "epsilon": "ϵ",
    "prime": "′", "times": "×", "rightarrow": "→", "cdot": "·", "leq": "≤", "geq": "≥",
    "pm": "±", "div": "÷",
}  # fmt: skip
