"""Packages that only a part of archdsl needs: what lacks one says so, and how to get it."""

from importlib.util import find_spec

from archdsl.diagnostics.errors import UsageError

PACKAGES = {  # module -> what it is called, and what pip calls it
    "distributed": ("Dask", "'dask[distributed]'"),
    "graphviz": ("the package graphviz", "graphviz"),
    "huggingface_hub": ("huggingface_hub", "huggingface_hub"),
    "matplotlib": ("matplotlib", "matplotlib"),
    "networkx": ("NetworkX", "networkx"),
    "onnxscript": ("onnxscript", "'archdsl[export]'"),
    "openvino": ("OpenVINO", "'archdsl[export]'"),
    "nicegui": ("NiceGUI", "'archdsl[page]'"),
    "optuna": ("Optuna", "optuna"),
    "pygls": ("pygls", "'archdsl[editor]'"),
    "pebble": ("Pebble", "'archdsl[page]'"),
    "pptx": ("python-pptx", "'archdsl[slides]'"),
    "pyarrow": ("pyarrow", "pyarrow"),
    "pydantic": ("pydantic", "pydantic"),
    "reportlab": ("reportlab", "reportlab"),
    "resvg_py": ("resvg", "resvg-py"),
    "ruamel.yaml": ("ruamel.yaml", "ruamel.yaml"),
    "safetensors": ("safetensors", "safetensors"),
    "timm": ("timm", "timm"),
    "torch": ("PyTorch", "torch"),
    "torchvision": ("torchvision", "torchvision"),
}


def require(what: str, module: str) -> None:
    """Raises UsageError if a package is not installed that `what` needs; imports nothing."""
    try:
        found = find_spec(module) is not None
    except (ImportError, ValueError):  # a part of a package that is not there
        found = False
    if not found:
        called, pip = PACKAGES[module]
        raise UsageError(f"{what} needs {called}: pip install {pip}")
