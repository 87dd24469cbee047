"""A small convolutional network, taught from scratch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from wareloom.classifiers import Examples, PictureClassifier
from wareloom.core.run import Run
from wareloom.core.settings import Count, NonNegative, Positive, ShareBelowOne, Size
from wareloom.errors import require
from wareloom.neural import torch
from wareloom.neural.training import Training, seeded, train
from wareloom.neural.weights import arrays, loaded
from wareloom.shop import Shop
from wareloom.shop.pictures import batches

F = torch.nn.functional
AT_ONCE = 256
"""Photos that are judged at a time"""


@dataclass(kw_only=True, eq=False)
class CNN(PictureClassifier):
    """Four convolutions and a linear layer, below half a million weights, learned from the shop's photos alone.

    Each convolution is normalised in groups; the last layer sees the mean over places. It is what synthetic photos are
    proved on: whoever has a pretrained encoder takes lite0. Photos are small squares; nothing is altered in training,
    so that an arm of a proof is what its rows are.
    """

    gradient: ClassVar[bool] = True
    quick: ClassVar[Mapping[str, Any]] = {
        "side": 16, "epochs": 2, "width": 8, "least_updates": 0,
    }  # fmt: skip

    side: Size = 32
    """Pixels of a side that photos are brought to."""
    width: Size = 32
    """Channels of the first layer; later ones have two, four and four times as many."""
    epochs: Size = 60
    """Passes over the photos."""
    least_updates: Count = 2_000
    """Updates at least, however few the photos are: 60 passes over 150 photos are 300, which teach next to nothing."""
    batch_size: Size = 32
    """Photos of one update."""
    learning_rate: Positive = 3e-3
    """Highest step size."""
    weight_decay: NonNegative = 5e-2
    """Decoupled decay of the weights."""
    dropout: ShareBelowOne = 0.2
    """Share of channels dropped before the last layer in training."""

    def _check(self) -> None:
        require(self.name, "side", self.side, 16 <= self.side <= 96, "16 to 96 pixels")

    def _seen(self, shop: Shop, run: Run) -> tuple[np.ndarray, np.ndarray]:
        places, pixels = [np.zeros(0, dtype=np.int64)], [np.zeros((0, self.side, self.side, 3))]
        for place, part in batches(shop, self.side, "pad"):
            places.append(place)
            pixels.append(part)
        return np.concatenate(places), np.concatenate(pixels[1:] or pixels).astype(np.uint8)

    def _learn(self, examples: Examples, run: Run) -> None:
        with seeded(run, self.name, "training"):
            net = self._build()
            tensors = (
                torch.from_numpy(examples.seen).permute(0, 3, 1, 2),
                torch.from_numpy(examples.target),
                torch.from_numpy(examples.weight.astype(np.float32)),
            )
            how = self._training(len(examples.seen), run)
            train(net, lambda epoch: self._batches(tensors, epoch, run), loss_of(net), how, run)
        self.updates_, self.weights_ = how.updates, arrays(net)
        self._net = loaded(self._build(), self.weights_)

    def _training(self, photos: int, run: Run) -> Training:
        passes = self.epochs * -(-photos // self.batch_size)
        updates = run.updates or max(passes, self.least_updates)
        return Training(
            learning_rate=self.learning_rate,
            epochs=1,
            updates=updates,
            weight_decay=self.weight_decay,
            warmup=min(50, max(1, updates // 10)),
        )

    def _batches(self, tensors: tuple[Any, ...], epoch: int, run: Run) -> Iterator[Any]:
        """One pass; the last batch, which would be short, takes photos of its beginning again."""
        n, rng = len(tensors[0]), run.rng(self.name, "order", epoch)
        order = rng.permutation(n)
        for start in range(0, n, self.batch_size):
            rows = np.take(order, np.arange(start, start + self.batch_size), mode="wrap")
            pixels, target, weight = (tensor[torch.from_numpy(rows)] for tensor in tensors)
            yield scaled(pixels), target, weight

    def _build(self) -> Any:
        return Network(self.width, len(self.classes_), self.dropout)

    @cached_property
    def _net(self) -> Any:
        """The network, built anew from the saved weights where this was restored."""
        return loaded(self._build(), self.weights_)

    def _chances(self, seen: np.ndarray, run: Run) -> Any:
        found, threads = [], torch.get_num_threads()
        torch.set_num_threads(run.cores)
        try:
            with torch.inference_mode():
                for start in range(0, len(seen), AT_ONCE):
                    pixels = torch.from_numpy(seen[start : start + AT_ONCE]).permute(0, 3, 1, 2)
                    found.append(torch.softmax(self._net(scaled(pixels)), dim=1).numpy())
        finally:
            torch.set_num_threads(threads)
        return np.concatenate(found)


def scaled(pixels: Any) -> Any:
    """Bytes as numbers from -1 to 1."""
    return pixels.float() / 127.5 - 1


def loss_of(net: Any) -> Any:
    """The mean cross-entropy of a batch, by the weights of its photos."""

    def loss(batch: Any) -> Any:
        pixels, target, weight = batch
        return (F.cross_entropy(net(pixels), target, reduction="none") * weight).mean()

    return loss


class Network(torch.nn.Module):  # type: ignore[misc]
    """Convolutions of stride 2, the second of stride 1."""

    def __init__(self, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        sizes, layers = (3, width, 2 * width, 4 * width, 4 * width), list[Any]()
        for place, (inside, outside) in enumerate(itertools.pairwise(sizes)):
            stride = 1 if place == 1 else 2
            layers += [
                torch.nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False),
                torch.nn.GroupNorm(min(8, outside), outside),
                torch.nn.ReLU(inplace=True),
            ]
        self.layers = torch.nn.Sequential(*layers)
        self.last = torch.nn.Sequential(
            torch.nn.Dropout(dropout), torch.nn.Linear(4 * width, classes)
        )

    def forward(self, x: Any) -> Any:
        """Photos [photos, 3, side, side] → scores [photos, classes]."""
        return self.last(self.layers(x).mean(dim=(2, 3)))
