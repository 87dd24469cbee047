"""Dialogues made after a real log refuse, interrupt and leave as often as held-out ones, and say no wrong fact."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
import pytest

from wareloom.core.run import Run
from wareloom.metrics.likeness.dialogues.dialogue_facts import wrong_turns
from wareloom.metrics.likeness.dialogues.samples import gathered_dialogues
from wareloom.readers import read
from wareloom.synthesis.dialogues.flow import Flow

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
ITEMS = pl.DataFrame(
    {"item_id": ["a", "b"], "title": ["Oak Table", "Steel Lamp"], "price": [19.5, 8.0]}
)
NUMBER = 1_500


@pytest.mark.parametrize(("name", "language"), [("multidogo", "en")])
def test_rates_are_those_of_held_out_dialogues(
    name: str, language: str, real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    sys.modules.pop("dialogues", None)
    import dialogues

    shop = read(real_data / name, to=tmp_path / name, on_error="reject")
    train, held = dialogues.halves(shop, ITEMS, {"language": language})
    flow = Flow(ends="logged").fit(train, Run(seed=1, threads=1, quiet=True))
    made = flow.sample(NUMBER, Run(seed=2, threads=1, quiet=True))
    real, found = dialogues.counted(held), dialogues.counted(made)
    print(name, real, found)
    for rate in flow.rates_[language]:
        # Beyond a quarter, three standard errors of so few turns are luck.
        turns = made.table("dialogues").filter(role="customer")
        luck = 3 * (real[rate] / len(turns)) ** 0.5
        assert found[rate] == pytest.approx(real[rate], rel=0.25, abs=0.25 * real[rate] + luck), (
            rate
        )
    trio = gathered_dialogues(train, made, held, 10, Run(seed=1))
    sample = trio.synthetic
    for place, dialogue in enumerate(sample.dialogues):
        title, price = trio.catalogue.get(sample.items[place], ("", None))
        assert not any(wrong_turns(dialogue, title, price, trio.policies)), dialogue
    sys.modules.pop("dialogues", None)
    sys.modules.pop("_common", None)
