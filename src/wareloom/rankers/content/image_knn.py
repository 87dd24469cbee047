"""Image-kNN: items that look alike are alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from scipy import sparse

from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.errors import InputError
from wareloom.rankers.content.base import ContentKNN
from wareloom.rankers.content.nearest import nearest
from wareloom.rankers.content.picture_vectors import by_class, picture_vectors
from wareloom.shop import Log, Shop


@dataclass(kw_only=True, eq=False)
class ImageKNN(ContentKNN):
    """Score items by how much their pictures look like those of the items of the history.

    The similarity of i and j is the cosine of their pictures' vectors (of several pictures of an item, of their mean):
    the colours of a grid, a histogram of colours and the edges of a grid, each less its mean over the catalogue, or
    what a vision model makes of them. A request's score of j is the sum over its events of decay^age × weight ×
    similarity (i, j) over the `neighbours` items nearest to each; where that is 0, as for items without a picture,
    items follow by popularity, below all others. Items without a single event are scored like all others.

    Pictures stand in the shop's table images. Colours and edges tell a shoe from a shirt and red from blue, not what is
    in fashion: name a vision model where there is one. Needs the extra `images`, a vision model `text`, too. Raises
    `InputError` where no picture can be read. He and McAuley (2016) on pictures for recommendation.
    """

    needs: ClassVar[str] = (
        "learns from pictures of the items: fit it on a shop with a table images (wareloom read --set images=FOLDER "
        "reads files that are called by item id)."
    )

    model: str = ""
    """lite0 for the frozen encoder EfficientNet-Lite0 (extra `pictures`), or a folder with a vision model in Hugging
    Face's layout, such as ViT, DINOv2 or CLIP; empty takes colours and edges."""
    learned: bool = False
    """Whether vectors of items of one category are brought nearer to one another, learned from the categories of the
    catalogue; an item without one is placed by its picture alone."""
    neighbours: Size = 200
    """Similar items kept for each item."""

    def _alike(self, shop: Shop, log: Log, run: Run) -> sparse.csr_matrix:
        if not shop.rows("images"):
            raise InputError(f"The ranker {self.name!r} {self.needs}")
        vectors = picture_vectors(shop, log.items, self.model, run, self.name)
        return nearest(by_class(vectors, shop) if self.learned else vectors, self.neighbours)
