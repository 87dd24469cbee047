"""Suggested texts and utterances on real logs: nothing unsupported, most fields said, and a lift that is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wareloom.core.run import Run
from wareloom.experiment.plan import MIXED, NAIVE, REPEATED
from wareloom.proof.dialogues import DialogueProofSettings
from wareloom.proof.prove import prove
from wareloom.readers import read
from wareloom.synthesis.texts.claims import unsupported_claims
from wareloom.synthesis.texts.suggest import KINDS, Assistant


@pytest.mark.parametrize(("name", "language"), [("taobao_ner_zh", "zh"), ("taobao_ner_zh", "en")])
def test_texts_of_real_items_say_what_fields_say(
    name: str, language: str, real_data: Path, tmp_path: Path
) -> None:
    shop = read(real_data / name, to=tmp_path / name, on_error="reject")
    made, said = Assistant(shop), list[float]()
    items = shop.table("items")["item_id"]
    for item in items.gather(np.random.default_rng(1).permutation(len(items))[:25]):
        known = made.facts.known(item)
        for kind in KINDS:
            found = made.suggest(item, kind, language)
            assert unsupported_claims(found.text, found.claims, known.fields) == []
            if kind == "description" and known.fields:
                said.append(found.coverage)
    print(f"{name} {language}: {np.mean(said):.3f} of the fields said")
    assert np.mean(said) >= 0.9


def test_utterances_teach_more_than_repeats_and_edits_on_bitext(
    real_data: Path, tmp_path: Path
) -> None:
    shop = read(real_data / "bitext_intents", to=tmp_path / "bitext", on_error="reject")
    settings = DialogueProofSettings(
        seeds=3, most=600, features=False, ranker_settings={"penalties": (10.0,)}
    )
    found = prove(shop, settings, Run(seed=2, quiet=True, threads=1))
    mean = {
        row["arm"]: row["mean"]
        for row in found.data["arms"]
        if (row["metric"], row["slice"]) == ("macro_f1", "all")
    }
    print(mean)
    assert mean[MIXED] > max(mean[REPEATED], mean[NAIVE]), mean
    assert mean[REPEATED] > 0.5, "the baseline works"
