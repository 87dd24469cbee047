"""Shops of known truth for advice: what may be said of each, and what may not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from wareloom.shop import Shop

DAY = 86_400_000_000
COLOURS = ["red", "green", "blue", "black", "white", "brown", "amber", "ivory", "coral", "olive"]
THINGS = ["shampoo", "lipstick", "mascara", "perfume", "brush", "cream"]


def catalogue(items: int, *, titled: bool = True) -> pl.DataFrame:
    """Items with titles of their own, whose words say nothing of what follows what."""
    frame = pl.DataFrame({"item_id": [f"i{i:04d}" for i in range(items)]})
    if not titled:
        return frame
    order = np.random.default_rng(99).permutation(items)
    titles = [
        f"{COLOURS[i % 10]} {THINGS[i // 10 % 6]} {chr(97 + i // 26)}{chr(97 + i % 26)}"
        for i in order
    ]
    return frame.with_columns(title=pl.Series(titles), brand=pl.Series(["none"] * items))


def log(rows: list[tuple[str, int, int]]) -> pl.DataFrame:
    """Purchases of (user, item, microseconds)."""
    frame = pl.DataFrame(rows, schema=["user_id", "item", "time"], orient="row")
    return frame.select(
        "user_id",
        item_id=pl.format("i{}", pl.col("item").cast(pl.String).str.zfill(4)),
        event=pl.lit("purchase"),
        time=pl.col("time").cast(pl.Datetime("us")),
    )


def walks(
    users: int,
    items: int,
    seed: int,
    follow: float = 0.8,
    length: tuple[int, int] = (5, 11),
    name: str = "u",
) -> list[tuple[str, int, int]]:
    """Users who walk a ring of items: item i is followed by i + 1 with the chance `follow`."""
    rng, rows = np.random.default_rng(seed), []
    for user in range(users):
        item, clock = int(rng.integers(items)), int(rng.integers(0, 60)) * DAY
        for _ in range(int(rng.integers(*length))):
            rows.append((f"{name}{user}", item, clock))
            item = (item + 1) % items if rng.random() < follow else int(rng.integers(items))
            clock += int(rng.integers(1, 5 * DAY))
    return rows


def tastes(
    users: int, items: int, kinds: int, seed: int, share: float = 0.9
) -> list[tuple[str, int, int]]:
    """Users of one of so many tastes, whose items are of their taste with the chance `share`."""
    rng, rows = np.random.default_rng(seed), list[tuple[str, int, int]]()
    for user in range(users):
        taste, clock = int(rng.integers(kinds)), int(rng.integers(0, 60)) * DAY
        for _ in range(int(rng.integers(4, 9))):
            own = taste + kinds * int(rng.integers(items // kinds))
            item = own if rng.random() < share else int(rng.integers(items))
            rows.append((f"u{user}", item, clock))
            clock += int(rng.integers(1, 5 * DAY))
    return rows


def zipf(users: int, items: int, seed: int) -> list[tuple[str, int, int]]:
    """Users who take what is popular, whatever they had before: nothing foretells more than popularity does."""
    rng, rows = np.random.default_rng(seed), []
    share = 1 / (1 + np.arange(items)) ** 1.2
    for user in range(users):
        clock = int(rng.integers(0, 60)) * DAY
        for item in rng.choice(
            items, p=share / share.sum(), size=int(rng.integers(4, 9)), replace=False
        ):
            rows.append((f"u{user}", int(item), clock))
            clock += int(rng.integers(1, 5 * DAY))
    return rows


def noise(seed: int = 0, users: int = 400) -> Shop:
    """Nothing foretells what comes next but popularity."""
    return Shop({"items": catalogue(60), "events": log(zipf(users, 60, seed))}, {"name": "noise"})


def ring(seed: int = 0) -> Shop:
    """Much of a plain walk: what follows what is known from the log, and there is nothing else to know."""
    return Shop({"items": catalogue(30), "events": log(walks(600, 30, seed))}, {"name": "ring"})


def untitled(seed: int = 1) -> Shop:
    """The same walk without a word on any item."""
    items = catalogue(60, titled=False)
    return Shop({"items": items, "events": log(walks(400, 60, seed))}, {"name": "untitled"})


def reads_alike(seed: int = 2) -> Shop:
    """Tastes that titles tell, and so many items that the log cannot: texts as a member of the system do it all."""
    items, users, kinds = 900, 450, len(THINGS) * len(COLOURS)
    frame = pl.DataFrame({"item_id": [f"i{i:04d}" for i in range(items)]})
    titles = [f"{THINGS[i % 6]} {COLOURS[i % kinds // 6]} number {i}" for i in range(items)]
    events = log(tastes(users, items, kinds, seed))
    return Shop(
        {"items": frame.with_columns(title=pl.Series(titles)), "events": events}, {"name": "tastes"}
    )


def cold(seed: int = 3) -> Shop:
    """A catalogue of which a third was ever chosen."""
    events = log(walks(400, 60, seed))
    return Shop({"items": catalogue(60).vstack(_more(60, 200)), "events": events}, {"name": "cold"})


def _more(first: int, last: int) -> pl.DataFrame:
    frame = pl.DataFrame({"item_id": [f"i{i:04d}" for i in range(first, last)]})
    titles = [f"{COLOURS[i % 10]} {THINGS[i % 6]} new" for i in range(first, last)]
    return frame.with_columns(title=pl.Series(titles), brand=pl.Series(["none"] * len(titles)))


def sorted_within_days(seed: int = 4) -> Shop:
    """Baskets of a day, in the file by item: what stands last is the item of the highest id, and no later choice."""
    rng, rows = np.random.default_rng(seed), []
    for user in range(400):
        for day in np.sort(rng.choice(60, size=3, replace=False)):
            basket = np.sort(rng.choice(60, size=4, replace=False))
            rows += [(f"u{user}", int(item), int(day) * DAY) for item in basket]
    return Shop({"items": catalogue(60, titled=False), "events": log(rows)}, {"name": "sorted"})


def few(seed: int = 5) -> Shop:
    """Forty shoppers of a plain walk."""
    return Shop({"items": catalogue(60), "events": log(walks(40, 60, seed))}, {"name": "few"})


def one_user() -> Shop:
    """One shopper."""
    return Shop(
        {"items": catalogue(60), "events": log(walks(1, 60, 6, length=(9, 10)))}, {"name": "one"}
    )


def items_only() -> Shop:
    """A catalogue, and nobody."""
    return Shop({"items": catalogue(60)}, {"name": "items"})


def copied(seed: int = 7) -> Shop:
    """Half of the users are exact copies of the others: what is held out of one stands in the log of its copy."""
    rng, rows = np.random.default_rng(seed), []
    for user in range(300):
        picked = rng.choice(120, size=7, replace=False)
        times = np.sort(rng.integers(0, 60 * DAY, size=7))
        for name in ("u", "v"):
            rows += [(f"{name}{user}", int(i), int(t)) for i, t in zip(picked, times, strict=True)]
    items = catalogue(60).vstack(_more(60, 120))
    return Shop({"items": items, "events": log(rows)}, {"name": "copied"})


def strides(seed: int = 8) -> Shop:
    """Each user goes on by a step of the own: walks of what follows what mix the steps, and know less than the log."""
    rng, rows = np.random.default_rng(seed), []
    for user in range(500):
        item, step, clock = int(rng.integers(60)), int(rng.integers(1, 6)), 0
        for _ in range(int(rng.integers(6, 11))):
            rows.append((f"u{user}", item, clock))
            item = (item + step) % 60
            clock += int(rng.integers(1, 5 * DAY))
    return Shop({"items": catalogue(60), "events": log(rows)}, {"name": "strides"})


def taught(folder: Path, seed: int = 9) -> tuple[Shop, str]:
    """A young shop, and the log of another that sells the same by other ids: its shoppers know what these will want."""
    items = catalogue(300)
    theirs = log(walks(1500, 300, seed + 1, name="o"))
    other = {
        name: frame.with_columns(pl.col("item_id").str.replace("i", "x"))
        for name, frame in (("items", items), ("events", theirs))
    }
    Shop(other, {"name": "other"}).save(folder / "other")
    events = log(walks(250, 300, seed, length=(5, 8)))
    return Shop({"items": items, "events": events}, {"name": "young"}), str(folder / "other")


def leaking(folder: Path, seed: int = 10) -> tuple[Shop, str]:
    """A shop, and “another” whose log is this one's own."""
    shop = ring(seed)
    more = log(walks(40, 30, seed + 1, name="o"))
    other = shop.with_tables(events=pl.concat([shop.table("events").select(more.columns), more]))
    other.save(folder / "other")
    return shop, str(folder / "other")


TRUTHS: dict[str, dict[str, Any]] = {
    "synthesis helps": {"make": taught, "answers": {"synthesis helps"}},
    "walks know less than the log": {"make": strides, "answers": {"leave it out", "no evidence"}},
    "distillation suffices": {"make": reads_alike, "answers": {"distil"}},
    "nothing helps": {"make": ring, "answers": {"no evidence", "leave it out"}},
    "cold items": {
        "make": cold,
        "answers": {"no evidence", "leave it out", "distil"},
        "says": "items were never chosen",
    },
    "another shop that is this one": {
        "make": leaking,
        "answers": {"no evidence", "leave it out"},
        "says": "is a leak",
    },
    "copied users": {
        "make": copied,
        "answers": {"no evidence", "leave it out", "too few to tell"},
        "says": "That is a leak",
    },
    "noise": {"make": noise, "answers": {"no evidence", "leave it out", "too few to tell"}},
    "no texts": {
        "make": untitled,
        "answers": {"no evidence", "leave it out"},
        "says": "No texts say what products are",
    },
    "sorted by item within a day": {
        "make": sorted_within_days,
        "answers": {"no evidence", "leave it out", "too few to tell"},
        "says": "That order is an artefact",
    },
    "forty shoppers": {
        "make": few,
        "answers": {"too few to tell"},
        "says": "says nothing of any generator",
    },
    "one user": {"make": one_user, "answers": {"too few to tell"}},
}
"""What may be said of each, and a sentence that must be"""


def made(name: str, folder: Path) -> tuple[Shop, tuple[str, ...]]:
    """The shop of a truth, and the other shops that are named beside it."""
    make: Callable[..., Any] = TRUTHS[name]["make"]
    if make in (taught, leaking):
        shop, other = make(folder)
        return shop, (other,)
    return make(), ()


def wrong(name: str, data: dict[str, Any]) -> list[str]:
    """What of the advice is not what the truth allows; nothing where it is right."""
    truth = TRUTHS[name]
    found = [] if data["answer"] in truth["answers"] else [f"it answers {data['answer']!r}"]
    said = " ".join(s for section in data["sections"] for s in section["sentences"])
    if truth.get("says", "") not in said:
        found.append(f"it does not say {truth['says']!r}")
    whole = " ".join([data["headline"], said, *data["next"]])
    if data["answer"] == "too few to tell" and "hange the generator" in whole:
        found.append("it blames the generator where shoppers are too few")
    if not data["look"]["has"]["texts"] and any(
        t["label"] == "text_knn" for t in data["rankers"]["trials"]
    ):
        found.append("it tries to read texts that are not there")
    return found
