"""The modules of ultralytics' model files as blocks, with the names of their weights."""

from typing import Any


def _unit(out: Any, **said: Any) -> dict[str, Any]:
    return {"unit": {"out": out, **said}}


def _cross(first: int) -> dict[str, Any]:
    """Half of the channels through bottlenecks, the other half beside them (a cross stage)."""
    inner = {"out": "half", "joins": "joins", "width": "half", "k1": first}
    return {
        "params": {"out": "int", "n": "int", "joins": False, "half": "out // 2"},
        "body": {
            "cv1": _unit("half"),
            "m": [{"bottleneck": inner, "repeat": "n"}],
            "cv2": {**_unit("half"), "from": "input", "made_before": "m"},
            "_both": {"concat": {}, "from": ["m", "cv2"]},
            "cv3": {**_unit("out"), "made_before": "m"},
        },
    }


def _chain(layer: dict[str, Any]) -> dict[str, Any]:
    """Half of a map through a chain, all of whose links are joined."""
    links = {"layer": [layer], "repeat": "n", "sees": "last", "gives": "list"}
    return {
        "params": {"out": "int", "n": "int", "joins": False, "half": "out // 2"},
        "body": {
            "cv1": _unit("2 * half"),
            "_past": {"slice": {"stop": "half"}, "from": "cv1"},
            "_through": {"slice": {"start": "half"}, "from": "cv1"},
            "m": {"dense": links},
            "_all": {"concat": {}, "from": ["_past", "*m"]},
            "cv2": {**_unit("out"), "made_before": "m"},
        },
    }


def _tower(*layers: Any) -> dict[str, Any]:
    last = {"conv": {"out": "out", "kernel": 1, "bias": True}}
    return {"params": {"width": "int", "out": "int"}, "seq": [*layers, last]}


def _quarter(down: int, across: int) -> dict[str, Any]:
    """Every second row and column of a map."""
    rows = {"slice": {"axis": 1, "start": down, "step": 2}}
    columns = {"slice": {"axis": 2, "start": across, "step": 2}}
    return {"seq": {"_rows": rows, "_columns": columns}, "from": "input"}


_HALF = {"bottleneck": {"out": "half", "joins": "joins", "width": "half"}}
_LINEAR = {"kernel": 1, "acts": False}

BLOCKS: dict[str, Any] = {
    "unit": {
        "params": {
            "out": "int", "kernel": 1, "stride": 1, "padding": "kernel // 2", "groups": 1,
            "acts": True,
        },
        "body": {
            "conv": {
                "conv": {
                    "out": "out", "kernel": "kernel", "stride": "stride", "padding": "padding",
                    "groups": "groups",
                },
            },
            "bn": "batch_norm",
            "act": {"silu": {}, "if": "acts"},
        },
    },
    "focus": {
        "params": {"out": "int", "kernel": 1, "stride": 1},
        "body": {
            "_a": _quarter(0, 0), "_b": _quarter(1, 0), "_c": _quarter(0, 1), "_d": _quarter(1, 1),
            "_all": {"concat": {}, "from": ["_a", "_b", "_c", "_d"]},
            "conv": _unit("out", kernel="kernel", stride="stride"),
        },
    },
    "bottleneck": {
        "params": {"out": "int", "joins": "bool", "width": "out // 2", "k1": 3},
        "residual": {
            "when": "joins",
            "body": {"cv1": _unit("width", kernel="k1"), "cv2": _unit("out", kernel=3)},
        },
    },
    "c2f": _chain(_HALF),
    "c3": _cross(1),
    "c3k": _cross(3),
    "c3k2": _chain({"bottleneck": {"out": "half", "joins": True}}),
    "c3k2_deep": _chain({"c3k": {"out": "half", "n": 2, "joins": True}}),
    "csp": {
        "params": {"out": "int", "n": "int", "joins": False, "half": "out // 2"},
        "body": {
            "cv1": _unit("half"),
            "m": [
                {
                    "bottleneck": {"out": "half", "joins": "joins", "width": "half", "k1": 1},
                    "repeat": "n",
                }
            ],
            "cv3": {"conv": {"out": "half", "kernel": 1}, "made_before": "m"},
            "cv2": {
                "conv": {"out": "half", "kernel": 1}, "from": "input", "made_before": "cv3",
            },
            "_both": {"concat": {}, "from": ["cv3", "cv2"]},
            "bn": {"batch_norm": {}, "made_before": "m"},
            "act": "silu",
            "cv4": {**_unit("out"), "made_before": "bn"},
        },
    },
    "spp": {
        "params": {"out": "int", "kernel": [5, 9, 13]},
        "body": {
            "cv1": _unit("C // 2"),
            "_pools": {
                "branches": {
                    "paths": {
                        "_past": "identity",
                        "_pool{row}": {
                            "for": {"k": "kernel"},
                            "max_pool": {"kernel": "k", "stride": 1, "padding": "k // 2"},
                        },
                    },
                },
            },
            "cv2": _unit("out"),
        },
    },
    "sppf": {
        "params": {"out": "int", "kernel": 5},
        "body": {
            "cv1": _unit("C // 2"),
            "_m{i}": {
                "repeat": 3, "as": "y[i]",
                "max_pool": {"kernel": "kernel", "stride": 1, "padding": "kernel // 2"},
            },
            "_all": {"concat": {}, "from": ["cv1", "*y"]},
            "cv2": _unit("out"),
        },
    },
    "self_attention": {
        "params": {
            "heads": "int", "all": "C", "each": "all // heads", "key": "each // 2", "h": "H",
            "w": "W",
        },
        "body": {
            "qkv": _unit("all + 2 * heads * key", **_LINEAR),
            "_heads": {"reshape": {"shape": ["heads", "2 * key + each", -1]}},
            "_q": {"slice": {"axis": 1, "stop": "key"}, "from": "_heads"},
            "_k": {"slice": {"axis": 1, "start": "key", "stop": "2 * key"}, "from": "_heads"},
            "_v": {"slice": {"axis": 1, "start": "2 * key"}, "from": "_heads"},
            "_turned": {"permute": {"order": [0, 2, 1]}, "from": "_q"},
            "_scores": {"matmul": {}, "from": ["_turned", "_k"]},
            "_scaled": {"scale": {"factor": "1 / sqrt(key)"}},
            "_last": {"reshape": {"shape": ["heads", "h * w", "h * w"], "channels_last": True}},
            "_weights": "softmax",
            "_back": {"permute": {"order": [0, 2, 1]}},
            "_mixed": {"matmul": {}, "from": ["_v", "_back"]},
            "_map": {"reshape": {"shape": ["all", "h", "w"]}},
            "_positions": {"reshape": {"shape": ["all", "h", "w"]}, "from": "_v"},
            "pe": {"unit": {"out": "all", "kernel": 3, "groups": "all", "acts": False}},
            "_sum": {"add": {}, "from": ["_map", "pe"]},
            "proj": {**_unit("all", **_LINEAR), "made_before": "pe"},
        },
    },
    "psa": {
        "seq": {
            "_attended": {
                "residual": {"body": {"attn": {"self_attention": {"heads": "C // 64"}}}}
            },
            "_passed": {
                "residual": {"body": {"ffn": [_unit("2 * C"), _unit("C // 2", **_LINEAR)]}}
            },
        },
    },
    "c2psa": {
        "params": {"out": "int", "n": "int", "half": "out // 2"},
        "body": {
            "cv1": _unit("2 * half"),
            "_past": {"slice": {"stop": "half"}, "from": "cv1"},
            "_through": {"slice": {"start": "half"}, "from": "cv1"},
            "m": [{"psa": {}, "repeat": "n"}],
            "_both": {"concat": {}, "from": ["_past", "m"]},
            "cv2": {**_unit("out"), "made_before": "m"},
        },
    },
    "tower": _tower(
        {"repeat": 2, **_unit("width", kernel=3)},
    ),
    "light_tower": _tower(
        [_unit("C", kernel=3, groups="C"), _unit("width")],
        [_unit("width", kernel=3, groups="width"), _unit("width")],
    ),
}  # fmt: skip
NEEDS = {
    "focus": ("unit",), "bottleneck": ("unit",), "c2f": ("bottleneck", "unit"),
    "c3": ("bottleneck", "unit"), "c3k": ("bottleneck", "unit"), "csp": ("bottleneck", "unit"),
    "c3k2": ("bottleneck", "unit"), "c3k2_deep": ("c3k", "bottleneck", "unit"), "spp": ("unit",),
    "sppf": ("unit",), "c2psa": ("psa", "self_attention", "unit"),
}  # fmt: skip
