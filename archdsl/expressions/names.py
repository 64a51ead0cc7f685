"""Which names a spec, or a graph in JSON, may give."""

import re
from keyword import iskeyword

from archdsl.ops.tensor import INPUT

# Attributes of PyTorch's modules and containers: an item of such a name would hide one of them.
RESERVED = frozenset(
    """
    T_destination add_module append apply bfloat16 buffers call_super_init children compile cpu
    cuda double dump_patches eval extend extra_repr feature_info float forward get_buffer
    get_extra_state get_parameter get_submodule half insert ipu items keys load_state_dict modules
    mtia named_buffers named_children named_modules named_parameters parameters pop
    register_backward_hook register_buffer register_forward_hook register_forward_pre_hook
    register_full_backward_hook register_full_backward_pre_hook
    register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module
    register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_
    set_extra_state set_submodule share_memory state_dict to to_empty train training type values
    xpu zero_grad
    """.split()  # noqa: SIM905 - one a line would be fifty
)

LONGEST = 200  # characters: with a suffix it is the name of a file on every system

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+")


_MODULE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(-[A-Za-z0-9_]+)*|[0-9]+")


def name_problem(name: str) -> str:
    """Why an item, tap or output cannot have this name, or nothing."""
    if problem := _length_problem(name):
        return problem
    if not _MODULE_NAME.fullmatch(name):
        return f"`{name}` cannot be a name: names are letters, digits, `_`, and `-` inside"
    plain = name.lstrip("_")  # as the module calls it, which `_` keeps out of the path
    if iskeyword(plain):
        return f"`{plain}` is a word of Python and cannot be a name"
    if plain in RESERVED:
        return f"`{plain}` is an attribute of PyTorch's modules and cannot be a name"
    if name == INPUT:
        return f"`{name}` is what a network or block is given and cannot be a name"
    if name.startswith("__"):
        return f"`{name}` cannot be a name: it starts with two underscores"
    return ""


def key_problem(name: str) -> str:
    """Why an item cannot have this key, or nothing; a dot leads to a level."""
    parts = name.split(".")
    problem = _length_problem(name) or next(filter(None, map(name_problem, parts)), "")
    hidden = next((part for part in parts if part.startswith("_")), "")
    if not problem and hidden and len(parts) > 1:
        return f"`{name}` cannot be a name: `{hidden}` would add no level"
    return problem


def other_name(name: str) -> str:
    """Help for a name that cannot be used: one that can."""
    if len(name) > LONGEST:
        return ""
    if "." in name:
        outer, _, inner = name.partition(".")
        return f"a dot is a level: put `{inner}` among the items of `{outer}`"
    usable = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")
    usable = f"{name}_" if name in (usable, f"_{usable}") else usable
    return "" if not usable or name_problem(usable) or usable[0].isdigit() else f"write `{usable}`"


def identifier_problem(name: str) -> str:
    """Why a network, block, parameter or column cannot have this name, or nothing."""
    if problem := _length_problem(name):
        return problem
    if not _NAME.fullmatch(name) or name.isdigit():
        return f"`{name}` cannot be a name: it needs letters, digits and `_`, a letter first"
    if name.startswith("__"):
        return f"`{name}` cannot be a name: it starts with two underscores"
    return f"`{name}` is a word of Python and cannot be a name" if iskeyword(name) else ""


def field_problem(name: str) -> str:
    """Why a field of a tuple cannot have this name, or nothing."""
    if name.startswith("_") or name in ("count", "index"):
        return f"`{name}` cannot be a field: it is an attribute of every tuple, or private"
    return identifier_problem(name)


def _length_problem(name: str) -> str:
    if len(name) <= LONGEST:
        return ""
    return f"`{name[:20]}...` cannot be a name: it has {len(name):,} characters, {LONGEST} at most"
