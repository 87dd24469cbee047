"""Starting a training from a saved ranker: its weights, its items by their ids, its view of texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from wareloom.core.family import EMBEDDERS, RANKERS
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.language.embedders import LEAN
from wareloom.neural import torch
from wareloom.rankers import Ranker
from wareloom.rankers.vectors import axes, projected, unit_rows
from wareloom.shop import Shop, Vocabulary
from wareloom.shop.texts import item_texts

KEPT = 1 << 25
"""Numbers of a projection that are kept with a ranker at most, 64 MB; beyond it its text cannot be started from."""
PARTS = ("text_kept_", "text_by_", "text_axes_")
"""How the names begin under which a ranker keeps its view of texts"""

AnyRanker = TypeVar("AnyRanker", bound=Ranker)


@dataclass(frozen=True)
class TextSpace:
    """How texts become vectors: an embedder, then a projection. Shops that share it share what the numbers mean."""

    embedder: Any
    axes: np.ndarray | None
    """float16 [numbers of the embedder, numbers kept]; None keeps all"""

    @classmethod
    def fit(cls, shop: Shop, embedder: str, size: int, run: Run) -> tuple[TextSpace, np.ndarray]:
        """Learn from a shop's items, keeping the `size` directions that tell most; returns `vectors`, too."""
        made = EMBEDDERS.make(embedder, **LEAN.get(embedder, {}))
        texts = item_texts(shop)
        whole = made.fit(texts, run).vectors(texts, run)
        found = axes(whole, size, run)
        space = cls(made, None if found is None else found.astype(np.float16))
        return space, unit_rows(projected(whole, space.axes))

    @classmethod
    def of(cls, ranker: str, embedder: str, state: Mapping[str, Any]) -> TextSpace:
        """Take over the space that a fitted ranker kept in its state, see `state`; `ranker`: who asks, for messages."""
        if not state.get("text_kept_"):
            raise SettingError(
                f"{ranker}: the ranker at start_from kept no projection of its texts, as it has too many words: "
                "train it with text='minilm', or without text."
            )
        own = {
            name.removeprefix("text_by_"): value
            for name, value in state.items()
            if name.startswith("text_by_")
        }
        made = EMBEDDERS.load(embedder).restore(LEAN.get(embedder, {}), own)
        return cls(made, state.get("text_axes_"))

    def state(self) -> dict[str, Any]:
        """What a ranker keeps of it, by the names of its attributes; nothing where that were too much."""
        if self.axes is not None and self.axes.size > KEPT:
            return {}
        learned = {f"text_by_{name}": value for name, value in self.embedder.state().items()}
        return (
            {"text_kept_": True}
            | learned
            | ({} if self.axes is None else {"text_axes_": self.axes})
        )

    def vectors(self, shop: Shop, run: Run) -> np.ndarray:
        """Vectors of the items' texts: float32 [items, numbers], rows of length 1, zeros where there is no text."""
        return unit_rows(projected(self.embedder.vectors(item_texts(shop), run), self.axes))


def saved_ranker(folder: str, ranker: AnyRanker) -> AnyRanker:
    """Open the ranker that `ranker` begins with; `SettingError` where it is of another kind or reads text otherwise."""
    # One of its own kind runs already.
    source = RANKERS.restore(folder, allow_code=(type(ranker).__module__,))
    if type(source) is not type(ranker):
        raise SettingError(
            f"{ranker.name}: start_from={folder!r} holds a {source.name}: give a saved {ranker.name}."
        )
    theirs, ours = source.settings(), ranker.settings()
    for name in ("text", "text_as"):
        if theirs[name] != ours[name]:
            raise SettingError(
                f"{ranker.name}: {name} is {ours[name]!r}, but {theirs[name]!r} for the ranker at "
                f"start_from={folder!r}: give it the same."
            )
    ranker._begun = (source.kept(),)
    return source


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The weights that a training starts from, and whose they are."""

    items: Vocabulary
    weights: Mapping[str, np.ndarray]
    per_shop: tuple[str, ...]
    """Beginnings of the names of weights that belong to a shop's own catalogue"""
    ranker: str
    """Who starts from them"""
    folder: str
    differ: tuple[str, ...]
    """Settings in which both rankers differ, of those that may change a shape"""

    def unlike(self, name: str, theirs: Any, ours: Any) -> SettingError:
        """Build the error for weights that do not fit."""
        return SettingError(
            f"{self.ranker}: the ranker at start_from={self.folder!r} does not fit: its {name} is "
            f"{list(theirs.shape)}, here {list(ours.shape)}. Settings that differ: {', '.join(self.differ) or 'none'}."
        )


def origin_of(source: Ranker, ranker: Ranker, folder: str, per_shop: tuple[str, ...]) -> Origin:
    """Take the weights of a fitted ranker for another of the same kind."""
    theirs = source.settings()
    differ = tuple(
        name
        for name, value in ranker.settings().items()
        if theirs[name] != value and isinstance(value, int)
    )
    return Origin(
        items=Vocabulary(source.items_),
        weights=source.state()["weights_"],
        per_shop=per_shop,
        ranker=ranker.name,
        folder=folder,
        differ=differ,
    )


def begin_from(net: Any, origin: Origin, items: Vocabulary) -> None:
    """Copy known weights into `net`, whose items are `items`; those of items that are not known stay as they are.

    Raises `SettingError` where the shapes differ.
    """
    code = origin.items.recode(items).astype(np.int64)
    known = np.flatnonzero(code >= 0)
    # Code 0 is padding, so that the vector of an item stands one place behind its code.
    here, there = torch.from_numpy(known + 1), torch.from_numpy(code[known] + 1)
    for name, value in net.state_dict().items():
        own = name.startswith(origin.per_shop)
        if name not in origin.weights or (own and name not in ("item.own.weight", "bias.weight")):
            continue
        other = torch.from_numpy(np.array(origin.weights[name]))
        if other.shape[1:] != value.shape[1:] or (not own and other.shape != value.shape):
            raise origin.unlike(name, other, value)
        if not own:
            value.copy_(other)
            continue
        value[here] = other[there]
        value[len(items) + 1 :] = other[len(origin.items) + 1 :]
