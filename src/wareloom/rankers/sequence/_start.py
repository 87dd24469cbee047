"""Starting a training from a saved ranker: its weights, its items by their ids, its view of texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wareloom.core.family import EMBEDDERS, RANKERS
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.language.embedders import LEAN
from wareloom.neural import torch
from wareloom.rankers.vectors import axes, projected, unit_rows
from wareloom.shop import Shop, Vocabulary
from wareloom.shop.texts import item_texts

if TYPE_CHECKING:
    from wareloom.rankers.sequence.base import SequenceRanker

KEPT = 1 << 25
"""Numbers of a projection that are kept with a ranker at most, 64 MB; beyond it its text cannot be started from."""


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
    def of(cls, ranker: SequenceRanker) -> TextSpace:
        """Take over the space of a fitted ranker."""
        if not getattr(ranker, "text_kept_", False):
            raise SettingError(
                f"{ranker.name}: the ranker at start_from kept no projection of its texts, as it has too many words: "
                "train it with text='minilm', or without text."
            )
        made = EMBEDDERS.load(ranker.text)
        names = [name for name in ranker.state() if name.startswith("text_by_")]
        state = {name.removeprefix("text_by_"): getattr(ranker, name) for name in names}
        return cls(
            made.restore(LEAN.get(ranker.text, {}), state), getattr(ranker, "text_axes_", None)
        )

    def keep_in(self, ranker: SequenceRanker) -> None:
        """Make the space part of what a ranker has learned."""
        for name in [
            name
            for name in vars(ranker)
            if name.startswith(("text_kept_", "text_by_", "text_axes_"))
        ]:
            delattr(ranker, name)
        if self.axes is not None and self.axes.size > KEPT:
            return
        learned = {f"text_by_{name}": value for name, value in self.embedder.state().items()}
        axes = {} if self.axes is None else {"text_axes_": self.axes}
        for name, value in ({"text_kept_": True} | learned | axes).items():
            setattr(ranker, name, value)

    def vectors(self, shop: Shop, run: Run) -> np.ndarray:
        """Vectors of the items' texts: float32 [items, numbers], rows of length 1, zeros where there is no text."""
        return unit_rows(projected(self.embedder.vectors(item_texts(shop), run), self.axes))


def saved_ranker(folder: str, ranker: SequenceRanker) -> SequenceRanker:
    """Open the ranker at `folder`; `SettingError` where it is of another kind or reads text otherwise."""
    source = RANKERS.restore(folder)
    if type(source) is not type(ranker):
        raise SettingError(
            f"{ranker.name}: start_from={folder!r} holds a {source.name}: give a saved {ranker.name}."
        )
    for name in ("text", "text_as"):
        if getattr(source, name) != getattr(ranker, name):
            raise SettingError(
                f"{ranker.name}: {name} is {getattr(ranker, name)!r}, but {getattr(source, name)!r} for the ranker at "
                f"start_from={folder!r}: give it the same."
            )
    return source


def begin_from(net: Any, source: SequenceRanker, ranker: SequenceRanker) -> None:
    """Copy a fitted ranker's weights into `net`; vectors and biases of items it does not know stay as they are.

    Raises `SettingError` where the shapes differ.
    """
    own, given = net.state_dict(), source.weights_
    here, there = Vocabulary(ranker.items_), Vocabulary(source.items_)
    code = there.recode(here).astype(np.int64)
    known = np.flatnonzero(code >= 0)
    pairs = torch.from_numpy(known + 1), torch.from_numpy(code[known] + 1)
    for name, value in own.items():
        if name not in given or (
            name.startswith(ranker.per_shop) and name not in ("item.own.weight", "bias.weight")
        ):
            continue
        other = torch.from_numpy(np.array(given[name]))
        if other.shape[1:] != value.shape[1:] or (
            not name.startswith(ranker.per_shop) and other.shape != value.shape
        ):
            raise SettingError(_unlike(name, value, other, source, ranker))
        if not name.startswith(ranker.per_shop):
            value.copy_(other)
            continue
        value[pairs[0]] = other[pairs[1]]
        value[len(here) + 1 :] = other[len(there) + 1 :]


def _unlike(
    name: str, value: Any, other: Any, source: SequenceRanker, ranker: SequenceRanker
) -> str:
    differ = [
        k for k, v in ranker.settings().items() if source.settings()[k] != v and isinstance(v, int)
    ]
    return (
        f"{ranker.name}: the ranker at start_from={ranker.start_from!r} does not fit: its {name} is "
        f"{list(other.shape)}, here {list(value.shape)}. Settings that differ: {', '.join(differ) or 'none'}."
    )
