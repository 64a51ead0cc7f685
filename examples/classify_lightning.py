"""The training of classify.py by Lightning, which `pip install lightning` brings.

    python examples/classify_lightning.py

A compiled network is a module as any other; the hyperparameters say its spec and parameters, so
that a checkpoint of Lightning's knows what it is of. `archdsl.compile(SPEC, weights=CHECKPOINT)`
takes it, too.
"""

import sys
from pathlib import Path
from typing import Any

import lightning
import torch
import torch.nn.functional as F
from classify import SPEC, images
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

import archdsl


class Classifier(lightning.LightningModule):
    """A network of a spec with its loss and its optimizer."""

    def __init__(self, spec: str, params: dict[str, Any] | None = None, rate: float = 0.05) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.model = archdsl.compile(spec, params=params)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        x, y = batch
        loss = F.cross_entropy(self(x), y)
        self.log("loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: list[Tensor], _: int) -> None:
        x, y = batch
        self.log("accuracy", (self(x).argmax(dim=1) == y).float().mean(), prog_bar=True)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), self.hparams["rate"], momentum=0.9)
        epochs = self.trainer.max_epochs or 1
        return [optimizer], [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)]


def train(spec: str | Path, folder: str | Path, epochs: int = 10, **said: Any) -> lightning.Trainer:
    """Trains a spec on scikit-learn's digits; the checkpoint is in the folder."""
    lightning.seed_everything(0, verbose=False)
    x, y = images()
    data = TensorDataset(x[:-450], y[:-450]), TensorDataset(x[-450:], y[-450:])
    loaders = DataLoader(data[0], 64, shuffle=True), DataLoader(data[1], 450)
    trainer = lightning.Trainer(
        max_epochs=epochs, default_root_dir=folder, log_every_n_steps=10, accelerator="auto", **said
    )
    trainer.fit(Classifier(str(spec)), *loaders)
    return trainer


if __name__ == "__main__":
    trained = train(sys.argv[1] if len(sys.argv) > 1 else SPEC, "out")
    print(f"test {trained.callback_metrics['accuracy']:.1%}")
    print(getattr(trained.checkpoint_callback, "best_model_path", ""))
