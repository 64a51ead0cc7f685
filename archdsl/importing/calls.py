"""Which functions ask for values, write in place, or go with a batch that is elsewhere."""

READ = {  # what asks a tensor for its values
    "__bool__", "__complex__", "__contains__", "__float__", "__index__", "__int__", "__array__",
    "item", "numpy", "tolist",
}  # fmt: skip
QUESTIONS = {  # what makes no tensor, or none that flows
    "__get__", "_assert", "_set_grad_enabled", "dim", "get_device", "is_complex",
    "is_floating_point", "numel", "size", "stride",
}  # fmt: skip
WRITING = {"__iadd__", "__imul__", "__isub__", "__itruediv__", "__setitem__"}
ANYWHERE = {  # readers that know where the batch is
    "permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "unbind", "select",
    "__getitem__", "reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze", "contiguous",
    "clone", "detach", "to", "type", "alias", "type_as", "chunk", "split", "float",
    "reshape_as", "view_as", "stack", "mean", "sum", "amax", "max",
}  # fmt: skip
ALONG = {  # what acts on the last axes, on axes by number, or on every number for itself
    "linear", "layer_norm", "rms_norm", "softmax", "matmul", "__matmul__", "bmm", "add", "__add__",
    "__iadd__", "__radd__", "sub", "__sub__", "mul", "__mul__", "__imul__", "__rmul__", "multiply",
    "div", "__truediv__", "true_divide", "neg", "__neg__", "relu", "relu6", "silu", "mish",
    "hardswish", "hardsigmoid", "sigmoid", "tanh", "hardtanh", "clamp", "leaky_relu", "elu", "gelu",
    "dropout", "normalize", "scaled_dot_product_attention", "expand", "narrow", "slice",
    "batch_norm", "pow", "__pow__", "square", "cat",
}  # fmt: skip
SPREADING = {"add", "__add__", "__iadd__", "__radd__", "mul", "__mul__", "__imul__", "__rmul__"}
JOINING = {  # what may have a weight, or what was made of some, in place of what flows
    "add", "__add__", "__iadd__", "__radd__", "sub", "__sub__", "mul", "__mul__", "__imul__",
    "__rmul__", "multiply", "matmul", "__matmul__", "cat", "scaled_dot_product_attention",
}  # fmt: skip
SEEN = {
    "contiguous", "expand", "reshape", "to", "unsqueeze", "view", "__getitem__", "repeat",
    "type_as",
}  # fmt: skip
