"""What other frameworks and papers call things, so that their words lead to ours."""

import re

# their word, in lower case and without `_`, `-` and `2d`, to ours; several where it depends on what
# is asked for
OTHER_WORDS: dict[str, tuple[str, ...]] = {
    # operations
    "bn": ("batch_norm",),
    "batchnormalization": ("batch_norm",),
    "convolution": ("conv",),
    "deconv": ("conv_transpose",),
    "dense": ("linear",),
    "fc": ("linear",),
    "fullyconnected": ("linear",),
    "gap": ("global_avg_pool",),
    "globalaveragepooling": ("global_avg_pool",),
    "globalpool": ("global_avg_pool",),
    "avgpooling": ("avg_pool",),
    "averagepooling": ("avg_pool",),
    "maxpooling": ("max_pool",),
    "in": ("instance_norm",),
    "bmm": ("matmul",),
    "l2norm": ("normalize",),
    "reducemean": ("mean",),
    "reducesum": ("sum",),
    "reducemax": ("max",),
    "amax": ("max",),
    "blur": ("blur_pool",),
    "blurpooling": ("blur_pool",),
    "unpool": ("max_unpool",),
    "unpooling": ("max_unpool",),
    "cropping": ("crop",),
    "stdconv": ("std_conv",),
    "scaledstdconv": ("std_conv",),
    "weightstandardization": ("std_conv",),
    "unflatten": ("to_map", "reshape"),
    "learnedscale": ("weight",),
    "positionembeddingsine": ("position_grid",),
    "gmp": ("global_max_pool",),
    "globalmaxpooling": ("global_max_pool",),
    "interpolate": ("resize",),
    "ln": ("layer_norm",),
    "localresponsenorm": ("lrn",),
    "mul": ("multiply",),
    "droppath": ("drop_path",),
    "stochasticdepth": ("drop_path",),
    "swish": ("silu",),
    "upsample": ("resize",),
    "upsampling": ("resize",),
    "zeropadding": ("pad",),
    "depthwise": ("conv",),
    "depthwiseconv": ("conv",),
    "dwconv": ("conv",),
    "none": ("identity",),
    # blocks
    "basicblock": ("basic",),
    "bottleneckblock": ("bottleneck",),
    "convbnrelu": ("conv_bn_act",),
    "fusedmbconv": ("fused_residual",),
    "mbconv": ("inverted_residual",),
    "se": ("squeeze_excite",),
    "squeezeexcitation": ("squeeze_excite",),
    # combinators and modifiers
    "sequential": ("seq",),
    "parallel": ("branches",),
    "skip": ("residual", "shortcut"),
    "inputs": ("input", "from", "inputs"),
    "times": ("repeat",),
    "name": ("tap",),
    "main": ("body",),
    "downsample": ("shortcut",),
    "parameters": ("params",),
    # arguments
    "basewidth": ("group_width",),
    "cardinality": ("groups",),
    "channels": ("out", "width"),
    "dim": ("axis",),
    "epsilon": ("eps",),
    "expandratio": ("hidden", "expansion"),
    "features": ("out", "backbone"),
    "filters": ("out", "width"),
    "inchannels": ("C",),
    "inplanes": ("C",),
    "ksize": ("kernel",),
    "kernelsize": ("kernel",),
    "outchannels": ("out", "width"),
    "outfeatures": ("out",),
    "outputchannels": ("out",),
    "p": ("rate",),
    "planes": ("width", "out"),
    "poolsize": ("kernel",),
    "prob": ("rate",),
    "scalefactor": ("scale",),
    "seratio": ("squeeze",),
    "units": ("out",),
    "widthpergroup": ("group_width",),
    "usebias": ("bias",),
    "activation": ("act",),
}

# ops of other frameworks, spelled as above, that are neither here nor made of those that are
NO_OPS = frozenset(
    """
    affinegrid alphadropout bilinear celu channeldropout convlstm cosinesimilarity ctcloss cumsum
    deformableconv deformconv deformconvv2 dropblock einsum embedding featurealphadropout fft fold
    fractionalmaxpool gather gridsample gru hardshrink hardtanh involution knn logsigmoid
    logsoftmax lppool lstm nms nonmaxsuppression psroialign roialign roipool
    rnn rrelu scatter selu softmin softplus softshrink softsign sort sparseconv spectralnorm
    tanhshrink threshold topk unfold weightnorm
    """.split()  # noqa: SIM905 - one a line would be seventy
)

NO_ARGUMENTS = {  # what other frameworks ask for, and specs do not
    **dict.fromkeys(
        ("in", "in_channels", "in_features", "inputs", "in_planes", "input_shape"),
        "leave it out: input channels follow from what stands before",
    ),
    **dict.fromkeys(("activation", "act"), "an activation is an item of its own: `- relu`"),
    **dict.fromkeys(("inplace", "data_format", "device", "dtype"), "leave it out"),
}


def plain(word: str) -> str:
    """The word without what spellings differ in: case, `_`, `-` and the `2d` of frameworks.

    Of what is Python it is the name: `relu` of `nn.ReLU(inplace=True)`, `out` of `out=64`.
    """
    word = re.sub(r"^(?:(?:torch|nn|F|tf|keras|layers)\.)+|[(=].*$", "", word)
    return re.sub(r"[123]d$", "", re.sub(r"[\s_-]", "", word.lower()))
