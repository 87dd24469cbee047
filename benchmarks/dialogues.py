"""Synthetic customer-service dialogues: how real they look, whether their facts are right, how fast they are made.

    python benchmarks/dialogues.py [--dialogues N] [--json FILE]

English: MultiDoGO, of which the log has the customers' side alone; Chinese: JDDC, with both sides. Half of the
dialogues, by chance, are learned from, the other half is held out and is what everything is held beside. The floor of a
figure is the same figure between the two halves. Controls: `bag` draws each customer's turn from the whole log, so that
single turns are real and nothing is in order; `copies` are the dialogues that were learned from. Titles come from
homedepot_search and taobao_ner_zh. Planted: one digit of a fact is changed in one agent's turn of every fifth dialogue,
and the measure of facts has to find each. Rates are counted on held-out and on made dialogues by one counter. A log
that is cut before its dialogues end, as JDDC is, is held beside dialogues that are cut likewise (`ends = "logged"`);
whole ones stand beside. The attack `dialogues` tries to tell whose dialogues were learned from. The assistant's check
lets simulated customers talk to the rule agent. Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from _common import arguments, data, machine, write
from wareloom.attacks import run_attacks
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.evaluation.compare import CompareSettings, compare, dialogue_measures
from wareloom.metrics.likeness.dialogues.dialogue_facts import wrong_turns
from wareloom.metrics.likeness.dialogues.samples import gathered_dialogues
from wareloom.readers import read
from wareloom.shop import Shop
from wareloom.shop.schema import SLOTS
from wareloom.shop.spans import fits
from wareloom.synthesis.dialogues.assistant import check_assistant
from wareloom.synthesis.dialogues.flow import Flow
from wareloom.synthesis.dialogues.phrases import talks_of
from wareloom.synthesis.dialogues.rates import rates

SIDES = {"MultiDoGO": ("multidogo", "en", "USD"), "JDDC": ("jddc_zh", "zh", "CNY")}
ORDERS = (
    "cancel_order", "track_order", "get_refund", "change_shipping_address", "delivery_options", "check_invoice",
    "change_order", "check_refund_policy", "check_payment_methods",
)  # fmt: skip
"""Requests of Bitext's that orders answer"""
ITEMS, TIMES = 2_000, 4
"""Titles that are talked about, and times the dialogues that rates are counted on: refusals are few"""


def items_of(folder: Path, language: str) -> pl.DataFrame:
    """Titles and prices, the prices invented where the source has none."""
    name = "taobao_ner_zh" if language == "zh" else "homedepot_search"
    shop = read(data(name), to=folder / f"items-{language}", on_error="reject")
    items = shop.table("items").filter(pl.col("title").is_not_null()).head(ITEMS)
    price = np.random.default_rng(1).integers(200, 20_000, len(items)) / 100
    return items.select("item_id", "title").with_columns(price=pl.Series(price))


def halves(shop: Shop, items: pl.DataFrame, meta: dict[str, Any]) -> tuple[Shop, Shop]:
    """Half of the dialogues to learn from, half held out."""
    rows = shop.table("dialogues")
    names = rows["dialogue_id"].unique(maintain_order=True)
    first = names.filter(pl.Series(np.random.default_rng(2).random(len(names)) < 0.5))
    there = rows["dialogue_id"].is_in(first.implode())
    return tuple(
        Shop({"items": items, "dialogues": rows.filter(side)}, meta) for side in (there, ~there)
    )  # type: ignore[return-value]


def bag(shop: Shop, number: int, run: Run) -> Shop:
    """Dialogues of real lengths whose turns are drawn from all turns of their role."""
    rng = run.rng("bag")
    rows = shop.table("dialogues").filter(pl.col("text").is_not_null()).drop("origin", "weight")
    names = rows["dialogue_id"].unique(maintain_order=True)
    kept = names.gather(np.sort(rng.permutation(len(names))[:number]))
    made = rows.filter(pl.col("dialogue_id").is_in(kept.implode()))
    parts = []
    said = [c for c in ("text", "intent", "slots") if c in rows.columns]
    for role in ("customer", "agent"):
        whole, own = rows.filter(role=role), made.filter(role=role)
        if len(own):
            drawn = whole.select(said).gather(rng.integers(0, len(whole), len(own)))
            parts.append(own.with_columns(drawn))
    frame = pl.concat(parts).sort("dialogue_id", "turn").with_columns(origin=pl.lit("bag@1"))
    return Shop({"items": shop.table("items"), "dialogues": frame}, shop.meta)


def copies(shop: Shop, number: int) -> Shop:
    """The dialogues that were learned from, as if they were made."""
    rows = shop.table("dialogues")
    names = rows["dialogue_id"].unique(maintain_order=True).head(number)
    kept = rows.filter(pl.col("dialogue_id").is_in(names.implode()))
    frame = kept.with_columns(origin=pl.lit("copies@1"))
    return Shop({"items": shop.table("items"), "dialogues": frame}, shop.meta)


def figures(real: Shop, made: Shop, held: Shop) -> list[dict[str, Any]]:
    """Every measure of dialogues."""
    wanted = CompareSettings(measures=tuple(dialogue_measures()))
    found = compare(real, made, held, wanted, run=Run(seed=1, threads=1)).data["figures"]
    keep = ("name", "value", "low", "high", "floor", "floor_high", "ratio", "real", "synthetic")
    return [{k: one[k] for k in keep} | {"about": one["about"]} for one in found]


def counted(shop: Shop) -> dict[str, float]:
    """Refusals, interruptions and open ends, with the dialogues: told alike on both sides.

    By labels where the log has them; else from words alone, on made dialogues, too. Where the platform put a sign for
    an order's number, a made number gets that sign before words are read.
    """
    rows = shop.table("dialogues")
    if shop.meta.get("language") == "zh":
        cells = zip(rows["text"].to_list(), rows["slots"].to_list(), strict=True)
        rows = rows.drop("act", strict=False)
        rows = rows.with_columns(text=pl.Series([_masked(*one) for one in cells]), slots=None)
    frame = Shop(
        {"items": shop.table("items"), "dialogues": rows.cast({"slots": SLOTS})}, shop.meta
    )
    talks = [talk for talk in talks_of([frame]) if talk.acts]
    found = rates([talk.acts for talk in talks], [talk.turns for talk in talks])
    return found | {"dialogues": float(sum(len(talk.acts) > 1 for talk in talks))}


def _masked(text: str | None, slots: list[dict[str, Any]] | None) -> str | None:
    for slot in slots or ():
        if text and slot["name"] == "order_id" and not slot["value"].startswith("["):
            text = text.replace(slot["value"], "[ORDERID_1]")
    return text


def told(train: Shop, made: dict[str, Shop], held: Shop) -> dict[str, dict[str, Any]]:
    """Whether an attack on membership tells whose dialogues were learned from, by their words.

    The floor: real dialogues that are neither members nor the attack's others, in the place of the sample.
    """
    rows = held.table("dialogues")
    names = rows["dialogue_id"].unique(maintain_order=True)
    first = names.filter(pl.Series(np.random.default_rng(4).random(len(names)) < 0.5))
    there = rows["dialogue_id"].is_in(first.implode())
    other, holdout = (
        Shop({"items": held.table("items"), "dialogues": rows.filter(side)}, held.meta)
        for side in (there, ~there)
    )
    found = {}
    for name, synth in {**made, "other real dialogues": other}.items():
        report = run_attacks(train, synth, holdout, Run(seed=1, threads=1), names=["dialogues"])
        area = report.worst.area
        found[name] = {"area": area.value, "low": area.low, "high": area.high, **report.worst.about}
    return found


def planted(made: Shop, real: Shop) -> dict[str, Any]:
    """Change one digit of a fact in every fifth dialogue, and count what the measure of facts finds of it."""
    trio = gathered_dialogues(real, made, None, 20, Run(seed=1))
    rng, found, number, clean = np.random.default_rng(3), 0, 0, 0
    sample = trio.synthetic
    for place, dialogue in enumerate(sample.dialogues):
        item = sample.items[place]
        title, price = trio.catalogue.get(item, ("", None))
        clean += any(wrong_turns(dialogue, title, price, trio.policies))
        facts = [
            (at, slot)
            for at, said in enumerate(dialogue)
            if said.role == "agent"
            for slot in said.slots
            if re.search(r"\d", slot[1]) and slot[0].startswith(("policy.", "item."))
        ]
        if place % 5 or not facts:
            continue
        at, slot = facts[int(rng.integers(len(facts)))]
        digit = re.search(r"[0-8]", slot[1])
        if digit is None:
            continue
        value = slot[1][: digit.start()] + str(int(digit[0]) + 1) + slot[1][digit.end() :]
        said = dialogue[at]
        text = said.text[: slot[2]] + value + said.text[slot[3] :]
        slots = tuple((slot[0], value, slot[2], slot[3]) if s == slot else s for s in said.slots)
        wrong = [
            *dialogue[:at],
            type(said)(said.turn, said.role, text, said.act, slots),
            *dialogue[at + 1 :],
        ]
        number += 1
        found += any(wrong_turns(tuple(wrong), title, price, trio.policies))
    return {"planted": number, "found": found, "dialogues": len(sample), "wrong unplanted": clean}


def one_side(name: str, folder: Path, number: int) -> dict[str, Any]:
    """All that is measured of one log."""
    source, language, currency = SIDES[name]
    shop = read(data(source), to=folder / source, on_error="reject")
    said = json.loads((folder / source / "read.json").read_text())["said"]
    meta = {"name": source, "language": language, "currency": currency}
    train, held = halves(shop, items_of(folder, language), meta)
    flow: Flow = SYNTHESIZERS.make("flow")
    # Seconds of the processor: other work on the machine is not the synthesizer's.
    begun = time.process_time()
    flow.fit(train, Run(seed=1, threads=1))
    fitted = time.process_time() - begun
    begun = time.process_time()
    made = flow.sample(number, Run(seed=2, threads=1))
    speed = number / (time.process_time() - begun)
    rows = made.table("dialogues")
    spans = [
        fits(slot, text)
        for text, slots in zip(rows["text"].to_list(), rows["slots"].to_list(), strict=True)
        for slot in slots or ()
    ]
    # A log that is cut before its dialogues end is held beside dialogues that are cut likewise.
    shows_ends = "abandon" in flow.rates_[language]
    flow.ends = "logged"
    cut = made if shows_ends else flow.sample(number, Run(seed=2, threads=1))
    real, own = counted(held), counted(flow.sample(TIMES * number, Run(seed=5, threads=1)))
    if not shows_ends:
        del real["abandon"], own["abandon"]
    generators = {
        "flow": figures(train, cut, held),
        "bag": figures(train, bag(train, number, Run(seed=3)), held),
        "copies": figures(train, copies(train, number), held),
    }
    if not shows_ends:
        generators["whole"] = figures(train, made, held)
    careful: Flow = SYNTHESIZERS.make("flow", seen_in=5, min_phrases=0)
    attacked = {
        "flow": made,
        "flow, seen_in = 5": careful.fit(train, Run(seed=1, threads=1)).sample(number, Run(seed=2)),
        "bag of real turns": bag(train, number, Run(seed=3)),
        "copies": copies(train, number),
    }
    return {
        "data": name,
        "said": said,
        "dialogues": number,
        "phrases": len(flow.bank_),
        "fit_seconds": fitted,
        "per_second": speed,
        "refused": made.meta["dialogues"]["refused"],
        "spans": len(spans),
        "spans_right": sum(spans),
        "shows_ends": shows_ends,
        "rates": {"real": real, "flow": own},
        "facts": planted(made, train),
        "generators": generators,
        "attack": told(train, attacked, held),
    }


def assistant(folder: Path) -> list[dict[str, Any]]:
    """The assistant's check in both languages: simulated customers and the rule agent."""
    found = []
    bitext = read(data("bitext_intents"), to=folder / "bitext", on_error="reject")
    shops = {
        "en": (
            Shop.open(folder / "multidogo"),
            {"phrases": (str(bitext.path),), "intents": ORDERS},
        ),
        "zh": (Shop.open(folder / "jddc_zh"), {}),
    }
    for language, (shop, settings) in shops.items():
        items = items_of(folder / "again", language)
        whole = Shop({"items": items, "dialogues": shop.table("dialogues")}, {"language": language})
        flow: Flow = SYNTHESIZERS.make("flow", **settings)
        report = check_assistant(flow.fit(whole, Run(seed=1)), 250, 4, Run(seed=1))
        found.append(
            {
                "language": language,
                "said": str(report),
                "success": report.success,
                "pass": [report.passes(k) for k in range(1, 5)],
                "talks": len(report.trials),
            }
        )
    return found


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--dialogues", type=int, default=1_500, help="how many are written")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        sides = [one_side(name, folder, options.dialogues) for name in SIDES]
        checked = assistant(folder)
    write(options.json, "dialogues", machine(options.note), sides=sides, assistant=checked)
    for side in sides:
        print(
            side["data"],
            f"{side['per_second']:.0f} dialogues a second",
            side["rates"],
            side["facts"],
        )
        for name, own in side["generators"].items():
            for one in own:
                print(f"  {name:8} {one['name']:34} {one['value']:.4f} floor {one['floor']:.4f}")
    for one in checked:
        print(one["said"])


if __name__ == "__main__":
    main()
