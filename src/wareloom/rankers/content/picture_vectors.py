"""Pictures as vectors: the colours and edges of a grid, or what a vision model sees in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import polars as pl
from scipy import fft

from wareloom.core.run import Run
from wareloom.errors import InputError, SourceError, needed
from wareloom.language.quiet import still
from wareloom.shop import Shop, Vocabulary
from wareloom.shop.pictures import PictureError
from wareloom.shop.pictures import opened as within_limits
from wareloom.stats.metric_head import fit_metric_head

AT_ONCE = 256
"""Pictures that are held at once"""
SIDE, CELLS = 64, 8
"""Pixels of a side that a picture is brought to, and cells of a side of its grid"""
ANGLES = 9
"""Directions of edges that are told apart"""
BROAD = 4
"""Broadest waves of the colours' layout that are kept, in each direction"""


LITE0 = "lite0"
"""The name of the frozen encoder EfficientNet-Lite0"""
Look = Callable[[list[bytes]], list[np.ndarray | None]]
"""From files to vectors, None for a file that is no picture"""


def picture_vectors(shop: Shop, items: Vocabulary, model: str, run: Run, who: str) -> np.ndarray:
    """Return a vector for each of `items`, the mean of its pictures', of length 1; zeros where none can be read.

    `model`: "lite0", a folder in Hugging Face's layout, "" for colours and edges. Raises `InputError` where the shop
    has no picture that can be read of a known item.
    """
    total = np.zeros((len(items), 0), dtype=np.float32)
    count, unread = np.zeros(len(items)), 0
    look = _look(model, run, who)
    known = shop.rows("images")
    with run.task(f"{who}: pictures", known) as advance:
        for part in _parts(shop, known):
            code = items.encode(part["item_id"])
            told = look(part["image"].to_list())
            there = np.array([one is not None for one in told]) & (code >= 0)
            unread += sum(one is None for one in told)
            vectors = [
                one for one, taken in zip(told, there, strict=True) if taken and one is not None
            ]
            advance(len(part))
            if not vectors:
                continue
            if not total.shape[1]:
                total = np.zeros((len(items), len(vectors[0])), dtype=np.float32)
            np.add.at(total, code[there], np.stack(vectors))
            np.add.at(count, code[there], 1)
    if not count.any():
        raise InputError(
            f"{who} finds no picture that can be read: of {known:,} in the table images {unread:,} are none, and the "
            "others are of unknown items. A row has an item_id and the bytes of a picture (JPEG, PNG, WebP …)."
        )
    rows = np.flatnonzero(count)
    means = total[rows] / count[rows, None]
    vectors_ = np.zeros_like(total)
    vectors_[rows] = _unit(means - means.mean(axis=0)) if model else _blocks(means)
    return vectors_


def by_class(vectors: np.ndarray, shop: Shop) -> np.ndarray:
    """Bring vectors of items of one category nearer to one another: float32 [items, size], rows of zeros stay.

    `vectors`: as `picture_vectors` returns them, in the order of the shop's items. See `fit_metric_head`.
    """
    rows = np.flatnonzero(vectors.any(axis=1))
    kinds = pl.Series([None] * len(vectors), dtype=pl.String)
    if shop.has("items", "category"):
        kinds = shop.table("items")["category"].list.last()
    codes = (kinds.rank("dense").cast(pl.Int64) - 1).fill_null(-1).to_numpy()
    mapped = fit_metric_head(vectors[rows], codes[rows]).apply(vectors[rows])
    made = np.zeros((len(vectors), mapped.shape[1]), dtype=np.float32)
    made[rows] = mapped
    return made


def _look(model: str, run: Run, who: str) -> Look:
    """What makes vectors of files."""
    if model == LITE0:
        needed("torch", "pictures", f"{who} with the encoder lite0")
        from wareloom.neural.vision import vectors_of

        return lambda files: vectors_of(files, run)
    seen = _Model(model, run, who) if model else None

    def look(files: list[bytes]) -> list[np.ndarray | None]:
        pictures = [opened(data, who) for data in files]
        readable = [one for one in pictures if one is not None]
        if not readable:
            return [None] * len(files)
        found = iter(seen.vectors(readable) if seen else [described(one) for one in readable])
        return [None if one is None else next(found) for one in pictures]

    return look


def opened(data: bytes, who: str) -> Any:
    """Return a picture as all of the product sees it: in RGB, upright, what is transparent white, within limits.

    None where the bytes are no picture that can be used. Raises `MissingExtraError` without Pillow.
    """
    needed("PIL.Image", "images", f"{who} reads pictures, which")
    try:
        return within_limits(data, side=2 * SIDE)
    except PictureError:
        return None


def described(picture: Any) -> np.ndarray:
    """Describe a picture in RGB by the layout of its colours, their histogram, and its edges: float32.

    Layout: the broadest waves (discrete cosine transform) of an 8 × 8 grid of luma and chroma, as MPEG-7's colour
    layout (Kasutani and Yamada 2001). Histogram: 8 hues × 3 saturations × 3 values, roots taken. Edges: directions of
    gradients in 8 × 8 cells (Dalal and Triggs 2005).
    """
    small = picture.resize((SIDE, SIDE))
    pixels = np.asarray(small.convert("YCbCr"), dtype=np.float32) / 255
    size = SIDE // CELLS
    grid = pixels.reshape(CELLS, size, CELLS, size, 3).mean(axis=(1, 3))
    layout = fft.dctn(grid, axes=(0, 1), norm="ortho")[:BROAD, :BROAD].ravel()
    hue, saturation, value = np.moveaxis(np.asarray(small.convert("HSV"), dtype=np.int64), -1, 0)
    cell = hue * 8 // 256 * 9 + saturation * 3 // 256 * 3 + value * 3 // 256
    colours = np.sqrt(np.bincount(cell.ravel(), minlength=72) / SIDE**2)
    down, right = np.gradient(pixels[:, :, 0])
    strength, angle = np.hypot(down, right), np.arctan2(down, right) % np.pi
    row, column = np.indices((SIDE, SIDE)) // size
    place = (row * CELLS + column) * ANGLES + np.minimum(
        (angle * ANGLES / np.pi).astype(np.int64), ANGLES - 1
    )
    edges = np.sqrt(np.bincount(place.ravel(), strength.ravel(), CELLS * CELLS * ANGLES))
    return np.concatenate([layout, colours, edges]).astype(np.float32)


def _blocks(described: np.ndarray) -> np.ndarray:
    """Bring layout, histogram and edges, each less its mean over the catalogue, to one length, side by side."""
    ends = np.cumsum([3 * BROAD * BROAD, 72])
    parts = [_unit(part - part.mean(axis=0)) for part in np.split(described, ends, axis=1)]
    return np.concatenate(parts, axis=1) / np.float32(np.sqrt(len(parts)))


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length > 1e-6, length, 1.0), dtype=np.float32)


def _parts(shop: Shop, rows: int) -> Iterator[pl.DataFrame]:
    frame = shop.scan("images").select("item_id", "image")
    for start in range(0, rows, AT_ONCE):
        yield frame.slice(start, AT_ONCE).collect()


@runtime_checkable
class _ReadsPictures(Protocol):
    """A model of pictures and texts, such as CLIP."""

    def get_image_features(self, pixel_values: Any) -> Any:
        """Vectors of pictures, or what holds them as `pooler_output`."""


@runtime_checkable
class _Pooled(Protocol):
    """What a model says of whole pictures beside what it says of their parts."""

    pooler_output: Any


class _Model:
    """A vision model in a folder: ViT, DINOv2, CLIP, SigLIP and others."""

    def __init__(self, folder: str, run: Run, who: str) -> None:
        self.torch = needed("torch", "text", f"{who} with a vision model")
        transformers = needed("transformers", "text", f"{who} with a vision model")
        try:
            with still():
                self.reader = transformers.AutoImageProcessor.from_pretrained(
                    folder, local_files_only=True
                )
                self.model = transformers.AutoModel.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise SourceError(
                f"{who}: {folder} holds no vision model in Hugging Face's layout (config.json, "
                f"preprocessor_config.json and weights): {str(error).splitlines()[0]}"
            ) from error
        self.model.float().eval().to(run.device)
        self.run = run

    def vectors(self, pictures: Sequence[Any]) -> np.ndarray:
        """What it makes of pictures, each of length 1: float32 [pictures, size]."""
        with self.torch.inference_mode():
            given = self.reader(images=list(pictures), return_tensors="pt").to(self.run.device)
            told = self._seen(given["pixel_values"])
        return _unit(told.float().cpu().numpy())

    def _seen(self, pixels: Any) -> Any:
        if isinstance(self.model, _ReadsPictures):
            told = self.model.get_image_features(pixel_values=pixels)
            return told if self.torch.is_tensor(told) else told.pooler_output
        told = self.model(pixel_values=pixels)
        if isinstance(told, _Pooled) and told.pooler_output is not None:
            return told.pooler_output.flatten(1)
        return told.last_hidden_state.mean(dim=1)
