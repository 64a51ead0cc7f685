"""How often a property is tried: on few examples by default, on many with a profile of its own.

`pytest --hypothesis-profile many -m property` tries the many.
"""

from hypothesis import settings


def examples(few: int, many: int) -> int:
    """The number of examples: for what takes long, where the profile's own would be too many."""
    return many if settings.get_current_profile_name() == "many" else few
