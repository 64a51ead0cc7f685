"""PSPNet: pytorchcv's pyramid and head on torchvision's ResNet-50, as in the paper."""

from pytorchcv.models.pspnet import PSPNet
from torch import Tensor
from torchvision.models import resnet50
from torchvision.models._utils import IntermediateLayerGetter


class Backbone(IntermediateLayerGetter):
    """What pytorchcv's network takes: the last map, and that of the auxiliary head."""

    def __init__(self) -> None:
        network = resnet50(replace_stride_with_dilation=[False, True, True])
        super().__init__(network, {"layer3": "third", "layer4": "last"})

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        maps = super().forward(x)
        return maps["last"], maps["third"]


def pspnet() -> PSPNet:
    return PSPNet(Backbone(), fixed_size=False)
