"""Ops of a random spec, with arguments that suit the input."""

from typing import Any

from tests.random_specs.naive import Names
from tests.random_specs.place import Place
from tests.random_specs.values import Draw

ACTIVATIONS = ("relu", "relu6", "leaky_relu", "prelu", "elu", "gelu", "silu", "mish", "hard_swish",
               "hard_sigmoid", "sigmoid", "tanh", "softmax")  # fmt: skip
SCHEMES = ("kaiming_normal", "xavier_uniform", "zeros", {"trunc_normal": {"std": 0.02}, "bias": 0},
           {"kaiming_normal": {"mode": "fan_out", "nonlinearity": "relu"}, "bias": 0.1},
           {"constant": {"val": 0.3}}, "normal")  # fmt: skip


class Ops(Draw):
    """Draws ops, each as a verb and its arguments."""

    def op(self, place: Place) -> Any:
        """An op that suits the input."""
        suited = [self.activation, self.norm, self.stochastic, self.simple]
        if place.shape.layout == "channels_last":
            suited += [self.linear, self.tokens, self.tokens, self.tokens]
        elif place.shape.rank:
            suited += [self.conv, self.conv, self.conv, self.pool, self.spatial, self.resize]
        else:
            suited += [self.linear, self.linear]
        verb, arguments = self.one(*suited)(place)
        return {verb: arguments} if arguments or self.chance(20) else verb

    def conv(self, place: Place) -> tuple[str, Names]:
        c, rank = place.shape.channels, place.shape.rank
        out = self.channels(place)
        arguments: Names = {"kernel": self.axes(rank, 3, 1, 5, 2), "out": self.number(out, place)}
        if self.chance(20):
            extra = {"output_padding": self.one(0, 1), "stride": 2, "padding": self.one(0, 1)}
            return "conv_transpose", {**arguments, **(extra if self.chance(60) else {})}
        verb = "conv"
        if self.chance(12):
            arguments["kernel"], verb = 3, "std_conv"  # a weight of one number has no variance
            arguments |= self.one({}, {"gain": True}, {"gain": True, "gamma": 1.5}, {"eps": 0.01})
        if self.chance(30):
            arguments["stride"] = self.axes(rank, 2, 1, 3)
        if self.chance(40):
            arguments["padding"] = self.one("same", "valid", "auto", 1, 0, *([[1] * rank]))
        if self.chance(15):
            arguments["dilation"] = self.axes(rank, 2, 1)
        if self.chance(25):
            arguments["groups"] = self.one(
                *(g for g in (1, 2, 3, 4, "C") if g == "C" or c % g == 0)
            )
            arguments["out"] = self.one(
                *(("C", "2 * C") if arguments["groups"] == "C" else (out, "C"))
            )
        if self.chance(40):
            arguments["bias"] = self.one(True, False)
        if self.chance(10):
            arguments["init"] = self.one(*SCHEMES)
        return verb, arguments

    def linear(self, place: Place) -> tuple[str, Names]:
        arguments: Names = {"out": self.number(self.channels(place), place)}
        if self.chance(30):
            arguments["bias"] = False
        if self.chance(10):
            arguments["init"] = self.one(*SCHEMES)
        return "linear", arguments

    def tokens(self, place: Place) -> tuple[str, Names]:
        heads = {"heads": self.one(*(h for h in (1, 2, 4) if place.shape.channels % h == 0))}
        window = self.one(2, 3, [2, 3])
        shift = self.one({}, {"shift": 1}, {"shift": [0, 1]})
        on_maps = [
            ("window_attention", {**heads, "window": window, **shift}),
            ("cosine_window_attention", {**heads, "window": window, **shift, "hidden": 4}),
            ("relative_attention", {**heads, "window": [1, place.shape.spatial[-1]]}),
            (
                "patch_merging",
                {
                    "out": self.number(self.channels(place), place),
                    **self.one({}, {"norm": "after"}),
                },
            ),
            ("channels_first", {}),
        ]
        on_sequences = [
            ("attention", {**heads, **({"bias": False} if self.chance(30) else {})}),
            (
                "relative_attention",
                {**heads, "window": [place.shape.spatial[-1], 1], **self.one({}, {"scale": 0.5})},
            ),
            ("class_token", {}),
            ("class_token", {}),
            ("position_embedding", {}),
            ("token", {"index": self.one(0, 1)}),
            ("to_map", {"size": self.one([place.shape.spatial[0], 1], [place.shape.spatial[0]])}),
            ("channels_first", {}),
        ]
        verb, arguments = self.one(*(on_maps if place.shape.rank == 2 else on_sequences))
        if verb == "class_token" and place.shape.rank == 3:  # so that no draw is another
            return "window_attention", {**heads, "window": [2, 3, 2], "shift": len(shift)}
        count = place.shape.spatial[0]
        if verb == "attention" and "bias" in arguments and count > 1:
            size = [1, 2, count // 2] if count % 2 else [1, 1, count - 1]
            pools = {"kernel": [1, 1, 3], "relative": len(shift) == 0}
            return "pooled_attention", {**heads, "size": size, **pools}
        return verb, arguments

    def activation(self, place: Place) -> tuple[str, Names]:
        verb = self.one(*ACTIVATIONS)
        settings = {
            "leaky_relu": {"slope": self.one(0.2, 0.01, -0.5, 1)},
            "elu": {"alpha": self.one(0.5, 1.0, -1)},
            "gelu": {"tanh": self.one(True, False)},
            "prelu": {"shared": self.one(True, False)},
            "softmax": {"axis": self.one(0, -1)},
        }
        return verb, settings[verb] if verb in settings and self.chance(50) else {}

    def norm(self, place: Place) -> tuple[str, Names]:
        c = place.shape.channels
        verb = self.one("batch_norm", "layer_norm", "group_norm")
        if 0 < place.shape.rank < 3 and self.chance(25):  # test_memory has it for three axes
            verb = "lrn"
        counts = [g for g in (1, 2, 3, c) if c % g == 0 and place.shape.elements > g]
        arguments: Names = {"groups": self.one(*(counts or [1]))}
        arguments = arguments if verb == "group_norm" else {}
        if self.chance(25):
            axis = self.one({}, {"axis": self.one(*range(place.shape.rank + 1))}, {"axis": -1})
            others = [("rms_norm", self.one({}, {"eps": 0.01}, {"affine": False})),
                      ("normalize", {**axis, **self.one({}, {"p": 1}, {"p": 3})})]  # fmt: skip
            if place.shape.layout == "channels_first" and c < place.shape.elements:
                others.append(("instance_norm", self.one({}, {"affine": True}, {"eps": 0.25})))
            return self.one(*others)
        if verb == "lrn":
            return verb, {"size": self.one(3, 5, 2), "alpha": 0.1} if self.chance(50) else {}
        if self.chance(30):
            arguments |= self.one({"eps": 0.25}, {"affine": False}, {"eps": "1 / 8"})
        if verb == "batch_norm" and self.chance(10):
            arguments |= self.one({"momentum": 0.01}, {"init": "zeros"}, {"frozen": True})
        return verb, arguments

    def stochastic(self, place: Place) -> tuple[str, Names]:
        verb = self.one("dropout", "drop_path", "scale", "layer_scale", "weight")
        if verb == "weight":
            return verb, self.one({}, {"start": 0.5}, {"shared": False})
        if verb == "scale":
            return verb, {"factor": self.one(0.5, 2, "1 / 3")}
        if verb == "layer_scale":
            return verb, {"start": 0.1} if self.chance(50) else {}
        return verb, {"rate": self.one(0.5, 0.0, 0.1, "C / (C + 7)")}

    def pool(self, place: Place) -> tuple[str, Names]:
        rank = place.shape.rank
        verb = self.one(
            "max_pool", "avg_pool", "adaptive_avg_pool", "adaptive_max_pool", "global_avg_pool",
            "global_max_pool", "blur_pool",
        )  # fmt: skip
        if verb.startswith("global"):
            return verb, {}
        if verb == "blur_pool":
            return verb, self.one({}, {"stride": 1}, {"kernel": 5, "mode": "zeros"})
        if verb.startswith("adaptive"):
            return verb, {"size": self.axes(rank, 2, 1, 3, 5)}
        arguments: Names = {"kernel": self.axes(rank, 2, 3, 1)}
        if self.chance(50):
            arguments["stride"] = self.axes(rank, 2, 1, 3)
        if self.chance(50):
            arguments["padding"] = self.one(1, "same", 0)
        if arguments.get("padding") != "same" and self.chance(30):
            arguments["ceil"] = True
        if verb == "max_pool" and self.chance(20):
            arguments["dilation"] = self.axes(rank, 2, 1)
        if verb == "avg_pool" and self.chance(30):
            arguments["count_padding"] = self.one(False, True)
        return verb, arguments

    def resize(self, place: Place) -> tuple[str, Names]:
        rank = place.shape.rank
        arguments = self.one(
            {"scale": 2}, {"scale": 0.5}, {"scale": 1.5}, {"size": self.axes(rank, 4, 7)},
            {"scale": [2, 1, 1.5][:rank]},
        )  # fmt: skip
        if rank == 2 and self.chance(40):
            arguments["mode"] = self.one("bilinear", "bicubic")
            arguments |= {"align_corners": True} if self.chance(30) else {}
        return "resize", arguments

    def spatial(self, place: Place) -> tuple[str, Names]:
        rank = place.shape.rank
        verb, arguments = self.one(
            (
                "pad",
                {
                    "border": self.one(self.axes(rank, 1, 0, 2), [[1, 0], 2, [0, 1]][:rank]),
                    "mode": self.one("zeros", "reflect", "replicate"),
                },
            ),
            ("crop", {"size": self.axes(rank, 2, 1, 5)}),
            ("crop", {"border": [[1, 0], 0, [0, 1]][:rank]}),
            ("position_grid", {"out": 12, **self.one({}, {"normalize": False})}),
            ("pixel_shuffle", {"factor": 2}),
            ("space_to_depth", {"factor": self.one(2, 3)}),
            ("channel_shuffle", {"groups": self.one(1, 2, 3)}),
            ("pad_channels", {"out": "C + 3"}),
            ("permute", {"order": list(range(rank + 1))[::-1]}),
            (
                "reshape",
                {"shape": self.one([-1, place.shape.spatial[-1]], [place.shape.channels, -1])},
            ),
        )
        c = place.shape.channels
        if verb == "position_grid" and c % 2:  # so that no draw is another than without it
            return "learned", {"shape": [12, *place.shape.spatial]}
        if verb == "permute" and c < 4 and rank < 3:
            return "relative_positions", {"window": [c, 1], "signed": False}
        return verb, arguments

    def simple(self, place: Place) -> tuple[str, Names]:
        c = place.shape.channels
        return self.one(
            ("identity", {}),
            ("flatten", {}),
            ("tokens", {}),
            ("tokens", {}),
            ("channels_last", {}),
            ("slice", {"stop": self.number(max(1, c // 2), place)}),
            ("slice", {"start": c // 2, "stop": "C"}),
            ("slice", {"start": c // 2}),
            ("slice", {"axis": self.one(*range(place.shape.rank + 1)), "step": self.one(1, 2)}),
            (
                self.one("mean", "sum", "max"),
                {
                    "axis": self.one("channels", *range(place.shape.rank + 1), [0, -1]),
                    "keepdim": self.one(True, True, False),
                },
            ),
        )
