"""The content assistant: what it claims without a field, what it says of an item, and whether its keywords lift search.

    python benchmarks/suggest.py [--items N] [--json FILE]

Claims: texts of N items of three catalogues, of all kinds in both languages, are read by the machine check and by an
oracle that knows the catalogue's row alone: every word of a claim stands in it, or is one of the words that say
nothing. A planted liar behind an HTTP server answers with lies of eight kinds beside one truth; each lie has to be
refused, the truth kept. Coverage: the share of an item's fields that its description says. Search: BM25 on Home Depot's
validation queries, titles alone against titles with suggested keywords, paired over queries; the control has as many
random words of the item's category. Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import json
import re
import tempfile
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from _common import arguments, data, machine, write
from wareloom.core.family import RANKERS, TEXT_MODELS
from wareloom.core.run import Run
from wareloom.evaluation.judged_items import QueryMeasures, QueryTask, evaluate_queries
from wareloom.language.tokenise import tokenise
from wareloom.preparing.splits import SplitSettings, split
from wareloom.readers import read
from wareloom.shop import Shop
from wareloom.stats.bootstrap import resample
from wareloom.synthesis.texts.claims import glue, rules, unsupported_claims
from wareloom.synthesis.texts.suggest import KINDS, Assistant

CATALOGUES = {
    "Beauty": "amazon_beauty",
    "Home Depot": "homedepot_search",
    "Taobao": "taobao_ner_zh",
}
LIES = {
    "a word of no field": ("It is waterproof.", "title"),
    "a number of no field": ("It weighs 987 kg.", "title"),
    "another brand": ("By Zyxwell.", "brand"),
    "another price": ("Price: 0.07.", "price"),
    "a field that there is not": ("{title}", "certificate"),
    "no field": ("{title}", ""),
    "a superlative": ("The ultimate {title}", "title"),
    "an effect on health": ("{title} that heals.", "title"),
}


def row_says(text: str, row: dict[str, Any]) -> bool:
    """The oracle: each word of a text stands in the row of the catalogue, or says nothing by itself."""
    whole = re.sub(r"\W+", "", json.dumps(row, ensure_ascii=False, default=str).lower())
    calls = {word for call in rules()["calls"].values() for word in tokenise(call)}
    said = re.findall(r"[^\W_]+", text.lower())
    spoken = set(glue()) | calls
    return all(
        word in whole
        or word in spoken
        or all(w in whole or w in spoken for w in tokenise(word, stem=True))
        for word in said
    )


def claims_of(name: str, shop: Shop, number: int) -> dict[str, Any]:
    """Texts of some items: how many are wrong by either reader, how long, and what they say."""
    made = Assistant(shop)
    rng = np.random.default_rng(1)
    items = shop.table("items")
    drawn = rng.permutation(len(items))[:number]
    claims, wrong, oracle, texts, empty = 0, 0, 0, 0, 0
    cover = dict[str, list[float]]()
    for place in drawn.tolist():
        row = items.row(place, named=True)
        plain = {k: v for k, v in row.items() if k not in ("origin", "weight", "image")}
        plain["price"] = (
            f"{row['price']:.2f} {shop.meta.get('currency', '')}"
            if row.get("price") is not None
            else ""
        )
        names = [one["name"].replace("_", " ") for one in row.get("attributes") or ()]
        plain["names"] = " ".join(names)
        fields = made.facts.known(row["item_id"]).fields
        for kind in KINDS:
            for language in ("en", "zh"):
                found = made.suggest(row["item_id"], kind, language)
                texts += 1
                empty += not found.text
                claims += len(found.claims)
                wrong += len(unsupported_claims(found.text, found.claims, fields))
                oracle += not row_says(found.text, plain)
                if fields:
                    cover.setdefault(f"{kind} {language}", []).append(found.coverage)
    told = {key: float(np.mean(values)) for key, values in cover.items()}
    return {
        "data": name, "items": len(drawn), "texts": texts, "claims": claims, "unsupported": wrong,
        "oracle_unsupported": oracle, "empty": empty, "coverage": told,
    }  # fmt: skip


class Liar(BaseHTTPRequestHandler):
    """A server that answers with every lie and one truth."""

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        prompt = json.loads(self.rfile.read(size))["messages"][-1]["content"]
        title = re.search(r"^title: << (.*) >>$", prompt, re.MULTILINE)
        own = title[1] if title else ""
        told = [{"text": own, "field": "title"}]
        told += [{"text": t.replace("{title}", own), "field": f} for t, f in LIES.values()]
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": json.dumps(told)},
            "finish_reason": "stop",
        }
        body = json.dumps(
            {"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def lied(shop: Shop, number: int) -> dict[str, Any]:
    """How many lies of each kind are refused, and how many truths are kept."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    model = TEXT_MODELS.make(
        "endpoint", base_url=f"http://127.0.0.1:{server.server_address[1]}/v1", model="liar"
    )
    made, caught, kept, asked = Assistant(shop, model), Counter[str](), 0, 0
    titles = dict(shop.table("items").select("item_id", "title").iter_rows())
    names = [i for i in shop.table("items")["item_id"] if titles[i]][
        :: max(1, len(titles) // number)
    ][:number]
    for name in names:
        found = made.suggest(name, "description", "en", Run(quiet=True))
        title = " ".join(titles[name].split())
        asked += 1
        kept += found.how == "endpoint" and title[:40] in found.text
        refused = [text for text, _ in found.refused]
        for kind, (text, _) in LIES.items():
            # The bare title is refused twice: with a field that is not there, and with none.
            lie = text.replace("{title}", title)
            caught[kind] += refused.count(lie) >= (2 if text == "{title}" else 1)
    server.shutdown()
    server.server_close()
    return {"asked": asked, "truth_kept": kept, "caught": dict(caught)}


def searched(folder: Path) -> dict[str, Any]:
    """BM25 on validation queries, with and without keywords."""
    run = Run(seed=1, threads=1)
    shop = Shop.open(folder / "homedepot_search")
    parts = split(shop, SplitSettings(by="query"), None, run)
    task = QueryTask.of(parts.validation, "validation", 2.0, gain="exponential")
    items = parts.train.table("items")
    made = Assistant(parts.train)
    titles = items["title"].fill_null("").to_list()
    words = [made.suggest(name, "keywords").text for name in items["item_id"]]
    rng, groups = np.random.default_rng(2), dict[str, list[int]]()
    heads = [text.partition(", ")[0].split(" ")[-1] for text in words]
    for place, head in enumerate(heads):
        groups.setdefault(head, []).append(place)
    random = []
    for place, text in enumerate(words):
        own = groups[heads[place]]
        size = len(text.replace(",", "").split())
        others = " ".join(titles[i] for i in rng.choice(own, 6)).split()
        random.append(" ".join(rng.choice(others, size)) if others and size else "")
    twice = titles
    values = dict[str, dict[str, np.ndarray]]()
    for arm, more in (
        ("titles", [""] * len(titles)),
        ("keywords", words),
        ("random", random),
        ("twice", twice),
    ):
        texts = [f"{a} {b}".strip() for a, b in zip(titles, more, strict=True)]
        changed = parts.train.with_tables(
            items=items.with_columns(title=pl.Series(texts, dtype=pl.String))
        )
        ranker = RANKERS.make("bm25").fit(changed, run)
        measures = QueryMeasures(metrics=("ndcg@10",), catalogue_metrics=("ndcg@10", "recall@100"))
        found = evaluate_queries(ranker, task, measures, run)
        values[arm] = {
            k.removesuffix("/all"): v for k, v in found.per_request.items() if k.endswith("/all")
        }
    told: dict[str, Any] = {"queries": len(task), "arms": {}, "differences": {}}
    for arm, own in values.items():
        told["arms"][arm] = {k: float(np.nanmean(v)) for k, v in own.items()}
        if arm != "titles":
            for key, value in own.items():
                paired = (value - values["titles"][key])[:, None]
                low, high = np.quantile(resample(paired, run.rng("paired"))[:, 0], (0.025, 0.975))
                mean = float(np.nanmean(paired))
                told["differences"][f"{arm}, {key}"] = [mean, float(low), float(high)]
    return told


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--items", type=int, default=300, help="items whose texts are read")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shops = {n: read(data(d), to=folder / d, on_error="reject") for n, d in CATALOGUES.items()}
        claims = [claims_of(name, shop, options.items) for name, shop in shops.items()]
        liar = lied(shops["Home Depot"], options.items)
        for one in (*claims, liar):
            print(json.dumps(one, ensure_ascii=False), flush=True)
        search = searched(folder)
        print(json.dumps(search, indent=1))
    write(options.json, "suggest", machine(options.note), claims=claims, liar=liar, search=search)


if __name__ == "__main__":
    main()
