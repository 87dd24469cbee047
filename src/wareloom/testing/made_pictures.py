"""The contract of synthesizers of pictures."""

from __future__ import annotations

import colorsys
from functools import cache

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.errors import InputError, NotFittedError
from wareloom.shop import Shop
from wareloom.shop.pictures import decode, labelled, look, said_of
from wareloom.synthesis import Given, GivenPictures, Synthesizer
from wareloom.testing import laws as kit
from wareloom.testing.laws import Law, again, law, make, refused
from wareloom.testing.pictures import encoded

LAWS: dict[str, Law] = {}
"""What every synthesizer of pictures keeps to"""
RUN = Run(seed=1, threads=1)
KINDS = ("ball", "bar", "box")
SIDE = 24


def drawn(kind: str, hue: float, side: int = SIDE) -> np.ndarray:
    """A shape of one colour on white: uint8 [side, side, 3]."""
    row, column = np.indices((side, side)) / side - 0.5
    inside = {
        "ball": row**2 + column**2 < 0.09,
        "bar": (abs(row) < 0.12) & (abs(column) < 0.36),
        "box": (abs(row) < 0.28) & (abs(column) < 0.28),
    }[kind]
    colour = np.array(colorsys.hsv_to_rgb(hue, 0.9, 0.7)) * 255
    return np.where(inside[:, :, None], colour, 255).astype(np.uint8)


@cache
def pictured(n: int = 24, turn: float = 0.0) -> Shop:
    """A shop of `n` drawn pictures of three classes, and one item without a picture."""
    kinds = [KINDS[i % 3] for i in range(n)]
    items = pl.DataFrame(
        {
            "item_id": [f"p{i}" for i in range(n)] + ["without"],
            "category": [[kind] for kind in kinds] + [["ball"]],
        }
    )
    files = [encoded(drawn(kind, (i / n + turn) % 1)) for i, kind in enumerate(kinds)]
    images = pl.DataFrame(
        {
            "item_id": [f"p{i}" for i in range(n)],
            "image_id": [f"p{i}" for i in range(n)],
            "image": files,
        }
    )
    return Shop({"items": items, "images": images}, {"name": "shapes"})


def fitted(cls: type[Synthesizer]) -> Synthesizer:
    """One that is fitted on the drawn pictures."""
    return make(cls).fit(pictured(), RUN)


LAWS["every setting is documented"] = kit.documented
LAWS["settings go round"] = kit.settings_go_round


@law(LAWS, "unfitted")
def unfitted(cls: type[Synthesizer]) -> None:
    """It asks to be fitted before it samples."""
    made = make(cls)
    with refused(NotFittedError, f"The synthesizer '{made.name}' is not fitted: call fit"):
        made.sample(3)


@law(LAWS, "what it makes")
def what_it_makes(cls: type[Synthesizer]) -> None:
    """As many pictures as were asked for, each with an id and of an item with a class; none says that it is real."""
    made = fitted(cls)
    assert made.counts == "pictures"
    sample = made.sample(9, Run(seed=2, threads=1))
    images = sample.table("images")
    assert set(sample.names) == {"items", "images"}
    assert len(images) == 9
    assert images["image_id"].n_unique() == 9
    assert set(images["origin"]) == {made.origin}
    assert images["purpose"].is_in(["product", "training"]).all()
    Shop({name: sample.table(name) for name in sample.names})
    shown = labelled(sample).collect()
    assert set(shown["class"]) <= set(KINDS)
    for data in images["image"].to_list():
        assert decode(data, 16).std() > 0, "a picture of nothing"
        assert min(look(data).width, look(data).height) >= 8


@law(LAWS, "a made picture says so")
def says_so(cls: type[Synthesizer]) -> None:
    """Its metadata say who made it, and by the press council's word that it was made or altered."""
    made = fitted(cls)
    for data in made.sample(3, RUN).table("images")["image"].to_list():
        said = said_of(data)
        assert made.origin in said["Software"]
        assert said["source"] in {
            "trainedAlgorithmicMedia",
            "algorithmicallyEnhanced",
            "compositeSynthetic",
        }


@law(LAWS, "an item of its own, or the real one")
def items_of_pictures(cls: type[Synthesizer]) -> None:
    """A picture is of the real item that it was made of, or of an item with its own id."""
    sample = fitted(cls).sample(6, RUN)
    real = set(pictured().table("items")["item_id"])
    for item, image in sample.table("images").select("item_id", "image_id").rows():
        assert item in real or item == image
    own = sample.table("items").filter(~pl.col("item_id").is_in(list(real)))
    assert (own["origin"] != "real").all()


@law(LAWS, "given classes")
def given_classes(cls: type[Synthesizer]) -> None:
    """Only the classes that are given are made, in turn; an unknown one is refused, and what is for shoppers, too."""
    made = fitted(cls)
    sample = made.sample(6, RUN, GivenPictures(("bar", "ball")))
    shown = labelled(sample).collect()
    assert set(shown["class"]) == {"bar", "ball"}
    with refused(InputError, "the class 'baar', which was not learned"):
        made.sample(3, None, GivenPictures(("baar",)))
    with refused(InputError, "draws pictures: give it a GivenPictures, not a Given"):
        made.sample(3, None, Given(length=3))
    with refused(InputError, "Asked to sample 0 pictures; ask for at least 1"):
        made.sample(0)


@law(LAWS, "the same seed")
def same_seed(cls: type[Synthesizer]) -> None:
    """One seed gives the same bytes, whatever the threads; another one others."""
    prints = {
        make(cls)
        .fit(pictured(), Run(seed=1, threads=n))
        .sample(8, Run(seed=4, threads=n))
        .fingerprint
        for n in (1, 2)
    }
    assert len(prints) == 1, "the number of threads changes the bytes"
    made = fitted(cls)
    assert prints == {made.sample(8, Run(seed=4, threads=1)).fingerprint}
    assert made.sample(8, Run(seed=5, threads=1)).fingerprint not in prints, "the seed is ignored"


@law(LAWS, "saved and restored")
def saved_and_restored(cls: type[Synthesizer]) -> None:
    """Saved and restored, it has the same settings and samples the same bytes."""
    made = fitted(cls)
    restored = again(made)
    assert restored.settings() == made.settings()
    assert restored.sample(5, Run(seed=4)).fingerprint == made.sample(5, Run(seed=4)).fingerprint


@law(LAWS, "a second fit")
def second_fit(cls: type[Synthesizer]) -> None:
    """Fitted to another shop it forgets the first."""
    twice = make(cls).fit(pictured(30, 0.3), RUN)
    twice.sample(3, RUN)
    anew = twice.fit(pictured(), RUN)
    assert anew.sample(5, RUN).fingerprint == fitted(cls).sample(5, RUN).fingerprint


@law(LAWS, "what goes in stays as it was")
def inputs_unchanged(cls: type[Synthesizer]) -> None:
    """Neither fitting nor sampling changes a table that it was given."""
    real = pictured()
    before = {table: real.table(table).clone() for table in real.names}
    sample = make(cls).fit(real, RUN).sample(4, RUN)
    assert all(real.table(table).equals(rows) for table, rows in before.items())
    assert sample.meta == real.meta


@law(LAWS, "no pictures, no classes")
def nothing_to_learn(cls: type[Synthesizer]) -> None:
    """Without pictures, and without classes, there is nothing to learn, and the remedy is said."""
    items = pictured().table("items")
    with refused(InputError, "the shop has no table images"):
        make(cls).fit(Shop({"items": items}))
    bare = Shop({"items": items.select("item_id"), "images": pictured().table("images")})
    with refused(InputError, "no item with a picture has a category"):
        make(cls).fit(bare)
