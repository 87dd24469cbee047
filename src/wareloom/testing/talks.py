"""Small shops of dialogues in English and Chinese."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from wareloom.shop import Shop
from wareloom.shop.schema import REAL, SLOTS
from wareloom.shop.spans import found

ASKS = {
    "en": {
        "cancel_order": [
            "please cancel order {}",
            "i want to cancel my order {}",
            "can you cancel it",
        ],
        "track_order": ["where is my order {}", "i want to track order {}", "when does it arrive"],
        "get_refund": ["i want to send it back", "can i get a refund"],
    },
    "zh": {
        "cancel": ["我想取消订单{}", "能取消吗"],
        "track": ["订单{}什么时候能到", "怎么还没到呢"],
        "return": ["我要退货", "可以退款吗"],
    },
}
SAYS = {
    "en": {
        "greeting": ["hello", "hi there"],
        "provide": ["my order number is {}", "{}"],
        "confirm": ["yes please", "ok"],
        "reject": ["no thanks", "nothing else"],
        "thankyou": ["thank you", "thanks a lot"],
        "outofdomain": ["it is raining here"],
    },
    "zh": {
        "greeting": ["你好", "在吗"],
        "provide": ["订单号{}", "{}"],
        "confirm": ["好的", "可以"],
        "reject": ["没有了"],
        "thankyou": ["谢谢"],
        "outofdomain": ["今天下雨了"],
    },
}
TITLES = {
    "en": ["Bolton Oak Dining Table", "Cortex Red Running Shoes", "Acme Steel Hammer 16 oz."],
    "zh": ["红豆秋冬女士连衣裙", "小米无线蓝牙耳机", "美的家用电饭煲"],
}
FLOW = ("greeting", "?", "provide", "confirm", "reject", "thankyou")


def talks(number: int = 80, seed: int = 0, language: str = "en", origin: str = REAL) -> Shop:
    """Dialogues of customers whose agents nobody saw, with intents and slots; some are interrupted or left open."""
    rng, rows = np.random.default_rng(seed), list[dict[str, Any]]()
    asks, says = ASKS[language], SAYS[language]
    for n in range(number):
        turn = 0
        for step in FLOW[: rng.integers(3, 7)]:
            if rng.random() < 0.1:
                step = "outofdomain"
            intent = str(rng.choice(sorted(asks))) if step == "?" else step
            phrases = asks[intent] if step == "?" else says[step]
            order = f"{rng.choice(list('KLM'))}{rng.integers(10**5, 10**6)}"
            text = str(rng.choice(phrases)).format(order)
            slot = found("order_id", order, text)
            rows.append(
                {
                    "dialogue_id": f"d{n}",
                    "turn": turn,
                    "role": "customer",
                    "text": text,
                    "intent": intent,
                    "slots": [slot] if slot else None,
                    "language": language,
                    "origin": origin,
                    "weight": 1.0,
                }
            )
            turn += 1 if rng.random() < 0.1 else 2
    frame = pl.DataFrame(rows, schema_overrides={"slots": SLOTS})
    titles = TITLES[language]
    items = pl.DataFrame(
        {
            "item_id": [f"i{n}" for n in range(len(titles))],
            "title": titles,
            "price": [19.5 + 10 * n for n in range(len(titles))],
        }
    )
    meta = {"name": "talks", "language": language, "currency": "USD"}
    return Shop({"items": items, "dialogues": frame}, meta)


def spoken(number: int, seed: int, wrong: bool = False) -> Shop:
    """Dialogues as a synthesizer makes them: with an agent who says a price and a policy, wrongly where asked for."""
    shop = talks(number, seed, origin="made@1")
    rows, made = shop.table("dialogues"), list[dict[str, Any]]()
    for name in rows["dialogue_id"].unique(maintain_order=True):
        for row in rows.filter(dialogue_id=name).iter_rows(named=True):
            made.append({**row, "item_id": "i0"})
            last = row["turn"] * 2
            made[-1]["turn"] = last
        price, days = ("$21.5", "30") if wrong else ("$19.5", "30")
        text = f"It costs {price}, and you have {days} days."
        slots = [found("item.price", price, text), found("policy.return_days", days, text)]
        agent = {"role": "agent", "text": text, "slots": slots, "intent": None, "turn": last + 1}
        made.append({**made[-1], **agent})
    frame = pl.DataFrame(made, schema=rows.schema | {"item_id": pl.String})
    meta = {**shop.meta, "policies": {"return_days": 30}}
    return Shop({"items": shop.table("items"), "dialogues": frame}, meta)
