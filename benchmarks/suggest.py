"""The content assistant: what it claims without a field, what it says of an item, and whether its keywords lift search.

    python benchmarks/suggest.py [--items N] [--json FILE]

Claims: texts of N items of three catalogues, of all kinds in both languages, are read by the machine check and by an
oracle that knows the catalogue's row alone and shares no code with the check: every whole word and number of a text
stands in the row, or is one of the words that say nothing. Both are shown each text once more with a word of another
item's title in one claim, and have to object. A planted liar behind an HTTP server answers with lies of eight kinds
beside one truth; each lie has to be refused, the truth kept. Coverage: the share of an item's fields that its
description says. Search: BM25 on Home Depot, titles alone against titles with suggested keywords,
paired over queries: the validation queries, on which the kind of keywords was chosen, and the test queries. Controls:
as many random words of the item's category, and each title twice. Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import html
import json
import re
import tempfile
import threading
import unicodedata
from collections import Counter
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from _common import arguments, data, machine, write
from wareloom.core.family import RANKERS, TEXT_MODELS
from wareloom.core.run import Run
from wareloom.evaluation.judged_items import QueryMeasures, QueryTask, evaluate_queries
from wareloom.preparing.splits import SplitSettings, split
from wareloom.readers import read
from wareloom.shop import Shop
from wareloom.stats.bootstrap import resample
from wareloom.synthesis.texts.claims import glue, unsupported_claims
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


WORDS = re.compile(r"[\u3400-\u9fff]+|\d+(?:[.,/]\d+)*|[^\W\d_\u3400-\u9fff]+")
"""Runs of Chinese signs, numbers with what stands behind their point, and words of letters"""
RUNS = re.compile(r"[^\W_]+(?:[.,/][^\W_]+)*")
HAN = re.compile(r"[\u3400-\u9fff]")
BESIDE = frozenset(
    re.findall(
        r"\w+",
        "a an and are by for from in is it its of on or the this to with brand category price size finish use see "
        "details",
    )
)
ZH_BESIDE = re.compile("查看详情|品牌|类别|售价|规格|颜色|适用")
"""Words that say nothing of a product, written down for the oracle: it shares no list and no code with the check"""


def row_says(text: str, row: dict[str, Any]) -> bool:
    """The oracle: each whole word and number of a text stands in the row of the catalogue, or says nothing by itself.

    A number counts with what stands behind its point, and "0.37" is not said by "10.37". What is written without
    blanks in Chinese has to be made of runs of the row that cut no word of letters and no number, one of them of a
    single sign at most.
    """
    plain = html.unescape(json.dumps(row, ensure_ascii=False, default=str))
    whole = unicodedata.normalize("NFKC", plain).casefold()
    there = set(WORDS.findall(whole))
    said = unicodedata.normalize("NFKC", ZH_BESIDE.sub(" ", text)).casefold()
    return all(
        _made_of(run, whole)
        if HAN.search(run)
        else all(word in there or word in BESIDE for word in WORDS.findall(run))
        for run in RUNS.findall(said)
    )


def _made_of(run: str, whole: str) -> bool:
    """Whether runs that stand in a row make a run up; the fewest of a single sign are counted."""
    plain = [at for at in range(1, len(run)) if HAN.match(run[at]) or HAN.match(run[at - 1])]
    single = {0: 0}
    for end in (*plain, len(run)):
        found = [
            single[start] + (end - start == 1 and len(run) > 1)
            for start in single
            if _stands(run[start:end], whole)
        ]
        if found:
            single[end] = min(found)
    return single.get(len(run), 2) < 2


def _stands(part: str, whole: str) -> bool:
    """Whether a part stands in a row with no letter or figure cut at its ends."""
    edge = r"(?<![^\W_\u3400-\u9fff])", r"(?![^\W_\u3400-\u9fff])"
    before = "" if HAN.match(part[0]) else edge[0]
    after = "" if HAN.match(part[-1]) else edge[1]
    return bool(re.search(before + re.escape(part) + after, whole))


def row_of(shop: Shop, place: int) -> dict[str, Any]:
    """A row of the catalogue as the oracle reads it: with names of attributes, and the price as shops write it."""
    row = shop.table("items").row(place, named=True)
    plain = {k: v for k, v in row.items() if k not in ("item_id", "origin", "weight", "image")}
    if row.get("price") is not None:
        plain["price"] = f"{row['price']:.2f} {shop.meta.get('currency', '')}"
    names = [one["name"].replace("_", " ") for one in row.get("attributes") or ()]
    return plain | {"names": " ".join(names)}


def claims_of(name: str, shop: Shop, number: int) -> dict[str, Any]:
    """Texts of some items: how many are wrong by either reader, and what they say; and what the readers find of lies.

    The lie: a claim of the text gets one word of another item's title beside it, which its own row has not.
    """
    made, rng = Assistant(shop), np.random.default_rng(1)
    items = shop.table("items")
    drawn = rng.permutation(len(items))[:number].tolist()
    count, cover = Counter[str](), dict[str, list[float]]()
    objections = list[str]()
    for place in drawn:
        row, item = row_of(shop, place), items["item_id"][place]
        fields = made.facts.known(item).fields
        foreign = _foreign(row_of(shop, int(rng.integers(len(items)))), row)
        for kind in KINDS:
            for language in ("en", "zh"):
                found = made.suggest(item, kind, language)
                count.update(texts=1, empty=not found.text, claims=len(found.claims))
                count["unsupported"] += len(unsupported_claims(found.text, found.claims, fields))
                if not row_says(found.text, row):
                    count["oracle_unsupported"] += 1
                    objections.append(f"{kind} {language}: {found.text}")
                if fields:
                    cover.setdefault(f"{kind} {language}", []).append(found.coverage)
                if foreign and found.claims:
                    lie = replace(found.claims[0], text=f"{found.claims[0].text} {foreign}")
                    text = found.text.replace(found.claims[0].text, lie.text, 1)
                    count["lies"] += 1
                    told = unsupported_claims(text, (lie, *found.claims[1:]), fields)
                    count.update(lies_checked=bool(told), lies_read=not row_says(text, row))
    told = {key: float(np.mean(values)) for key, values in cover.items()}
    keys = (
        *("texts", "claims", "unsupported", "oracle_unsupported", "empty"),
        *("lies", "lies_checked", "lies_read"),
    )
    figures = {key: int(count[key]) for key in keys}
    return {
        "data": name,
        "items": len(drawn),
        **figures,
        "objections": objections[:20],
        "coverage": told,
    }


def _foreign(other: dict[str, Any], row: dict[str, Any]) -> str:
    """A word of another item's title that a row has not; "" where there is none."""
    said = WORDS.findall(str(other.get("title") or "").casefold())
    whole = html.unescape(json.dumps(row, ensure_ascii=False, default=str)).casefold()
    words = [w[:2] if "\u3400" <= w <= "\u9fff" else w for w in said]
    good = [
        w for w in words if len(w) > 1 and w not in whole and w not in BESIDE and w not in glue()
    ]
    return good[0] if good else ""


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
        title = " ".join(html.unescape(titles[name]).split())
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
    """BM25 with and without keywords, on the validation queries that they were chosen on, and on the test queries."""
    run = Run(seed=1, threads=1)
    shop = Shop.open(folder / "homedepot_search")
    parts = split(shop, SplitSettings(by="query"), None, run)
    sides = {"validation": parts.validation, "test": parts.test}
    tasks = {
        name: QueryTask.of(side, name, 2.0, gain="exponential") for name, side in sides.items()
    }
    items = parts.train.table("items")
    titles = items["title"].fill_null("").to_list()
    made = Assistant(parts.train)
    words = [made.suggest(name, "keywords").text for name in items["item_id"]]
    values = dict[str, dict[str, dict[str, np.ndarray]]]()
    for arm, more in (
        ("titles", [""] * len(titles)),
        ("keywords", words),
        ("random", _random(words, titles)),
        ("twice", titles),
    ):
        texts = [f"{a} {b}".strip() for a, b in zip(titles, more, strict=True)]
        changed = parts.train.with_tables(
            items=items.with_columns(title=pl.Series(texts, dtype=pl.String))
        )
        ranker = RANKERS.make("bm25").fit(changed, run)
        measures = QueryMeasures(metrics=("ndcg@10",), catalogue_metrics=("ndcg@10", "recall@100"))
        for name, task in tasks.items():
            found = evaluate_queries(ranker, task, measures, run).per_request
            values.setdefault(name, {})[arm] = {
                k.removesuffix("/all"): v for k, v in found.items() if k.endswith("/all")
            }
    return {name: _told(own, len(tasks[name]), run) for name, own in values.items()}


def _random(words: list[str], titles: list[str]) -> list[str]:
    """As many words as each item's keywords, at random from titles that end in the same word."""
    rng, groups = np.random.default_rng(2), dict[str, list[int]]()
    heads = [text.partition(", ")[0].split(" ")[-1] for text in words]
    for place, head in enumerate(heads):
        groups.setdefault(head, []).append(place)
    random = []
    for head, text in zip(heads, words, strict=True):
        size = len(text.replace(",", "").split())
        others = " ".join(titles[i] for i in rng.choice(groups[head], 6)).split()
        random.append(" ".join(rng.choice(others, size)) if others and size else "")
    return random


def _told(values: dict[str, dict[str, np.ndarray]], queries: int, run: Run) -> dict[str, Any]:
    """Means of arms, and differences to titles alone, and of keywords to titles twice, paired over queries."""
    told: dict[str, Any] = {"queries": queries, "arms": {}, "differences": {}}
    for arm, own in values.items():
        told["arms"][arm] = {k: float(np.nanmean(v)) for k, v in own.items()}
        bases = {"titles": ""} | ({"twice": " over twice"} if arm == "keywords" else {})
        for base, called in bases.items() if arm != "titles" else ():
            for key, value in own.items():
                paired = (value - values[base][key])[:, None]
                low, high = np.quantile(resample(paired, run.rng("paired"))[:, 0], (0.025, 0.975))
                told["differences"][f"{arm}{called}, {key}"] = [
                    float(np.nanmean(paired)), float(low), float(high)
                ]  # fmt: skip
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
