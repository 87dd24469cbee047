"""The benchmarks of texts and utterances, on made-up shops: the oracle and the liar are right, tables stand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from search_shop import search_shop

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import _tables_texts
    import suggest

    yield suggest, _tables_texts
    for name in ("suggest", "_tables_texts", "_common", "_tables"):
        sys.modules.pop(name, None)


def test_suggest_is_measured(modules: Any, tmp_path: Path) -> None:
    suggest, tables = modules
    shop = search_shop(60)
    shop.save(tmp_path / "homedepot_search")
    claims = suggest.claims_of("made", shop, 6)
    assert (claims["unsupported"], claims["oracle_unsupported"]) == (0, 0)
    assert claims["coverage"]["description en"] >= 0.9
    assert claims["lies"] > 0
    assert claims["lies_checked"] == claims["lies_read"] == claims["lies"], "each lie is found"
    liar = suggest.lied(shop, 3)
    assert liar["caught"] == dict.fromkeys(suggest.LIES, liar["asked"])
    assert liar["truth_kept"] == liar["asked"]
    search = suggest.searched(tmp_path)
    assert set(search) == {"validation", "test"}
    for part in search.values():
        assert set(part["arms"]) == set(tables.ARMS)
        assert all(low <= mean <= high for mean, low, high in part["differences"].values())
    text = "\n".join(tables.suggest({"claims": [claims], "liar": liar, "search": search}))
    assert "with keywords" in text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Lamp, 0.37 Ounce. Brand: L'Oreal. Price: 9.00 USD.", True),
        ("lamp waterproof", False),
        ("Lamp, 37 Ounce.", False),
        ("Lamp, 0.37oz.", False),
        ("Price: 9.50 USD.", False),
        ("amp", False),
        ("品牌：木花箱。规格：木花。", True),
        ("木花制造。", False),
        ("木花现代箱", False),
    ],
)
def test_the_oracle_reads_whole_words_and_numbers(modules: Any, text: str, says: bool) -> None:
    row = {
        "title": "Lamp, 0.37 Ounce 木花箱", "brand": "L&#39;Oreal", "price": "9.00 USD", "names": ""
    }  # fmt: skip
    assert modules[0].row_says(text, row) == says


def test_what_dialogues_teach_has_its_tables(modules: Any) -> None:
    _, tables = modules
    arms = [{"arm": arm, "metric": "macro_f1", "mean": 0.5} for arm in ("real", "real + synthetic")]
    less = {"arm": "real + synthetic", "against": "real", "metric": "macro_f1", "low": -0.01}
    proof = {
        "part": "made, 5",
        "asks": "intents",
        "draws": 3,
        "sentence": "No evidence that synthetic data helps.",
        "metric": "macro_f1",
        "arms": arms,
        "beside": [],
        "comparisons": [less | {"difference": 0.05, "high": 0.11}],
    }
    text = "\n".join(tables.dialogues_useful({"proofs": [proof]}))
    assert "| made, 5 | **real + synthetic** | 0.500 |" in text
    assert "| made, 5 | real + synthetic | real | +5.0 | -1.0 to +11.0 |" in text
    assert "No evidence" in text
