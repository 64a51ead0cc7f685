"""The gallery for `torch.hub`: `torch.hub.load(..., "resnet50", weights="torchvision")`.

Every network is a function, whose arguments are those of `archdsl.compile`.
"""

from functools import partial as _partial
from functools import update_wrapper as _update_wrapper

from archdsl import compile as _compile
from archdsl.language.gallery import every as _every

dependencies = ["torch", "yaml", "pydantic", "click", "rich", "filelock", "safetensors"]


def _function(name):
    found = _update_wrapper(_partial(_compile, name), _compile)
    found.__doc__ = f"The network {name}.\n\n{_compile.__doc__}"
    return found


globals().update({name: _function(name) for name in _every()})
