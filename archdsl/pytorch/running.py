"""Emitted source as a Python module: what runs is the source that users can read."""

import hashlib
import linecache
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from archdsl.pytorch.allowed import allowed
from archdsl.pytorch.naming import class_name

if TYPE_CHECKING:
    from torch import nn


_PACKAGE = "archdsl_compiled"


def new_module(source: str, name: str) -> "nn.Module":
    """An instance of the network that emitted source defines."""
    namespace = import_source(source, name)
    networks = [value for value in vars(namespace).values() if _is_own_class(value, namespace)]
    module: nn.Module = networks[-1]()  # the network is the last class
    return module


def import_source(source: str, name: str) -> ModuleType:
    """Emitted source as a Python module, known to tracebacks, debuggers and pickle."""
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    full = f"{_PACKAGE}.{class_name(name)}_{digest}"
    if full in sys.modules:
        return sys.modules[full]
    tree = allowed(source)
    sys.modules.setdefault(_PACKAGE, ModuleType(_PACKAGE))
    module = ModuleType(full)
    file = f"<archdsl {name} {digest}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    sys.modules[full] = module
    module.__file__ = file
    try:
        exec(compile(tree, file, "exec"), module.__dict__)
    except BaseException:
        del sys.modules[full]
        raise
    for value in vars(module).values():
        if _is_own_class(value, module):
            value.__reduce_ex__ = _reducer(source, name)
    return module


def _is_own_class(value: Any, module: ModuleType) -> bool:
    from torch import nn

    return (
        isinstance(value, type)
        and issubclass(value, nn.Module)
        and value.__module__ == module.__name__
    )


def _reducer(source: str, name: str) -> Any:
    def reduce(self: Any, protocol: Any) -> tuple[Any, ...]:
        return _restore, (source, name, type(self).__name__), self.__dict__

    return reduce


def _restore(source: str, name: str, class_name: str) -> Any:
    """An empty instance, for pickle and copy: the source travels with the pickle."""
    cls = getattr(import_source(source, name), class_name)
    return cls.__new__(cls)
