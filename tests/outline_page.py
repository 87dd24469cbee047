"""The table of docs/outlines.md, made anew: `python tests/outline_page.py` prints it."""

from __future__ import annotations

import numpy as np
import polars as pl

import wareloom as wl
from wareloom.shop import Log, Shop
from wareloom.shop.schema import EVENTS
from wareloom.synthesis.behaviour._candidates import REACH, Candidates, followed
from wareloom.synthesis.behaviour._fill import NEAR
from wareloom.synthesis.behaviour._outline import Outline, draw_outlines
from wareloom.synthesis.behaviour.markov import Markov
from wareloom.synthesis.draws import mark, new_ids

CATEGORIES = {
    "Kitchen": ("tea", "coffee", "mugs", "kettles"),
    "Garden": ("seeds", "soil", "pots", "gloves"),
}
EACH, USERS, DAY = 8, 400, 86_400_000_000
MONDAY = 1_767_571_200_000_000
"""The fifth of January 2026, microseconds"""


def corner_shop(seed: int = 0) -> Shop:
    """A shop of 64 items: what is popular is bought more, and number 3 of a category follows number 2."""
    rng = np.random.default_rng(seed)
    kinds = [(top, name) for top, names in CATEGORIES.items() for name in names]
    items = pl.DataFrame(
        {
            "item_id": [f"{name} {n + 1}" for _, name in kinds for n in range(EACH)],
            "category": [[top, name] for top, name in kinds for _ in range(EACH)],
        }
    )
    popular = 1.0 / (1.0 + np.arange(EACH))
    rows = []
    for user in range(USERS):
        clock = int(rng.integers(0, 60) * DAY + rng.integers(8, 22) * 3_600_000_000)
        likes = rng.choice(len(kinds), size=2, replace=False)
        for _ in range(int(rng.integers(1, 4))):
            kind, n = int(rng.choice(likes)), int(rng.choice(EACH, p=popular / popular.sum()))
            for _ in range(int(rng.integers(1, 4))):
                item = f"{kinds[kind][1]} {n + 1}"
                for event in ("view_item", "purchase")[: 1 + int(rng.random() < 0.4)]:
                    rows.append((f"u{user}", item, event, clock))
                    clock += int(rng.integers(20, 300)) * 1_000_000
                n = n + 1 if n == 1 else int(rng.choice(EACH, p=popular / popular.sum()))
            clock += int(rng.integers(1, 15)) * DAY
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "event", "time"], orient="row")
    time = (pl.col("time") + MONDAY).cast(pl.Datetime("us"))
    return Shop({"items": items, "events": events.with_columns(time=time)}, {"name": "corner"})


def tables() -> tuple[str, str]:
    """The two tables of the page, of the first synthetic user whose outline shows everything."""
    shop, run = corner_shop(), wl.Run(seed=1, threads=1)
    model: Markov = wl.synthesizer("markov").fit(shop, run)
    real, run = Log.of(shop), wl.Run(seed=2, threads=1)
    sample = model.sample(USERS, run)
    made = Log.of(sample, items=real.items)
    outline = model._outline()
    template, _ = draw_outlines(outline, USERS, run.rng("markov", "outlines"))
    user = next(u for u in range(USERS) if _shows_all(outline, template[u]))
    rows = range(*outline.offsets[template[user] : template[user] + 2])
    whose = made.users.encode(new_ids(model.origin, USERS, mark(model, USERS, run))[[user]])[0]
    drawn = range(*made.offsets[whose : whose + 2])
    tops = model.catalogue_["category"].list.first().to_list()
    parents = {int(outline.parent[row]): tops[real.item[row]] for row in rows}
    return _kept(outline, real, rows, parents), _slots(model, rows, made, drawn, parents)


def _shows_all(outline: Outline, user: int) -> bool:
    """Whether an outline has two sessions, an item again, three new ones, and a known predecessor of an item."""
    rows = slice(*outline.offsets[user : user + 2])
    size, sessions = rows.stop - rows.start, int(outline.starts[rows].sum())
    new, known = outline.same_item[rows] < 0, outline.predecessors[rows] > 0
    fresh = new & (outline.same_category[rows] < 0)
    return 5 <= size <= 8 and sessions == 2 and new.sum() >= 3 and fresh.sum() >= 2 and any(known)


def _kept(outline: Outline, real: Log, rows: range, parents: dict[int, str]) -> str:
    """The real user's events, and what the outline keeps of each."""
    lines = ["| # | the real user's event | session | kind | item | category | popularity bucket |"]
    lines.append("|--:|---|--:|---|---|---|--:|")
    session = 0
    for at, row in enumerate(rows):
        session += int(outline.starts[row])
        item, category = int(outline.same_item[row]), int(outline.same_category[row])
        cells = (
            at + 1,
            f"{_name(real, row)}, {_when(real, row)}",
            session,
            EVENTS[outline.event[row]],
            f"that of {item + 1}" if item >= 0 else "new",
            f"that of {category + 1}"
            if category >= 0
            else f"new, below {parents[outline.parent[row]]}",
            outline.bucket[row],
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def _slots(model: Markov, rows: range, made: Log, drawn: range, parents: dict[int, str]) -> str:
    """What each slot allows, and what is drawn for it."""
    lines = ["| # | category | bucket | known predecessor | candidates | drawn |"]
    lines.append("|--:|---|---|---|--:|---|")
    candidates, outline = model._fill()
    names = model.catalogue_["category"].list.last()
    items = made.item[drawn.start : drawn.stop]
    for at, row in enumerate(rows):
        bucket, old = int(outline.bucket[row]), int(outline.same_item[row])
        cells = ["", "", "", f"the item of {old + 1}"]
        if old < 0:
            fits, known = _candidates(candidates, outline, rows, at, items)
            first = int(outline.same_category[row])
            category = f"a new one below {parents[outline.parent[row]]}"
            cells[0] = names[int(items[first])] if first >= 0 else category
            cells[1] = f"{bucket - NEAR} to {bucket + NEAR}" if known else str(bucket)
            before = [made.items.decode(items[place : place + 1])[0] for place in known]
            cells[2], cells[3] = ", ".join(dict.fromkeys(before)) or "none", str(fits)
        name, when = _name(made, drawn[at]), _when(made, drawn[at])
        lines.append("| " + " | ".join([str(at + 1), *cells, f"{name}, {when}"]) + " |")
    return "\n".join(lines)


def _candidates(
    candidates: Candidates, outline: Outline, rows: range, at: int, made: np.ndarray
) -> tuple[int, list[int]]:
    """How many items a slot admits, given what was drawn before it, and the places of its known predecessors."""
    row, had = rows[at], made[:at]
    bits = int(outline.predecessors[row])
    near = NEAR if bits else 0
    fits = np.abs(candidates.bucket.astype(int) - int(outline.bucket[row])) <= near
    fits[had] = False
    if (first := int(outline.same_category[row])) >= 0:
        fits &= candidates.category == candidates.category[made[first]]
    else:
        fits &= candidates.parent[candidates.category] == outline.parent[row]
        fits &= ~np.isin(candidates.category, candidates.category[had])
    known = [at - back for back in range(1, REACH + 1) if bits >> (back - 1) & 1]
    if known:
        nearest = int(made[known[0]])
        fits &= [followed.py_func(candidates, nearest, item, 0) for item in range(len(fits))]
    return int(fits.sum()), known


def _name(log: Log, row: int) -> str:
    return str(log.items.decode(log.item[row : row + 1])[0])


def _when(log: Log, row: int) -> str:
    return str(np.datetime64(int(log.time[row]), "us").astype("datetime64[m]")).replace("T", " ")[
        5:
    ]


if __name__ == "__main__":
    print(*tables(), sep="\n\n")
