"""The way out of the building, typed as a person would: anonymise, release, verify."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from tiny_export import wareloom

from leaving import Leaving, built
from wareloom.core.state import read_json


@pytest.fixture
def of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Leaving:
    monkeypatch.setenv("WARELOOM_LEDGERS", str(tmp_path / "ledgers"))
    return built(tmp_path / "shops", tmp_path / "ledgers")


def test_a_release_is_written_verified_and_counted(of: Leaving, tmp_path: Path) -> None:
    out, policy = tmp_path / "out", tmp_path / "policy.toml"
    policy.write_text(
        'preset = "partner"\nattack_area = 0.7\nattack_tpr = 0.2\nattacks = ["rhythm"]\n'
    )
    words = (
        "release",
        of.place / "real",
        of.place / "honest",
        "--policy",
        policy,
        "--to",
        out,
    )
    said = wareloom(*words, "--holdout", of.place / "holdout")
    assert said.code == 0, said.err
    assert "All 6 gates of 'partner' are passed" in said.out
    assert str(tmp_path / "out.inside.json") in said.out
    seen = wareloom("verify", out)
    assert seen.code == 0
    assert "is what its certificate was written for: 4 files, not signed" in seen.out
    assert json.loads(wareloom("verify", out, "--json").out)["keeps"] == "counts"

    again = wareloom(*words, "--holdout", of.place / "holdout")
    assert again.code == 2
    assert "pass --force" in again.err
    words = (*words, "--holdout", of.place / "holdout", "--force")
    unseen = wareloom(*words)
    assert unseen.code == 1
    assert "1 earlier releases of this shop were not shown" in unseen.err
    forced = wareloom(*words, "--earlier", out, "--json")
    assert forced.code == 0, forced.err
    checks = json.loads(forced.out)["checks"]
    assert next(one for one in checks if one["name"] == "releases")["measured"] == 2

    path = out / "events.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    broken = wareloom("verify", out)
    assert broken.code == 1
    assert "events.parquet was changed" in broken.err


def test_what_may_not_leave_is_told_why(of: Leaving, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("release", of.place / "real", of.place / "copied", "--to", out, "-q")
    said = wareloom(*words, "--policy", "partner", "--holdout", of.place / "holdout")
    assert said.code == 1
    assert "Nothing was released" in said.err
    assert "attack_area: the worst of" in said.err
    assert "Remedy:" in said.err
    assert not out.exists()
    told = wareloom(*words, "--policy", "partner", "--holdout", of.place / "holdout", "--json")
    assert told.code == 1
    found = json.loads(told.out)
    assert not found["passed"]
    assert {one["name"] for one in found["checks"] if not one["passed"]} >= {
        "attack_area",
        "attack_tpr",
    }

    alone = wareloom(*words, "--policy", "partner")
    assert alone.code == 2
    assert "give --holdout" in alone.err
    both = wareloom(*words, "--policy", "partner", "--holdout", of.place / "real")
    assert both.code == 2
    assert "The holdout is the shop itself" in both.err
    near = wareloom(*words, "--policy", "partnr")
    assert near.code == 2
    assert "Did you mean 'partner'" in near.err


def test_a_log_loses_its_names(of: Leaving, tmp_path: Path) -> None:
    key, out = tmp_path / "key", tmp_path / "log"
    key.write_bytes(b"0123456789abcdef")
    words = ("anonymise", of.place / "real", "--key", key, "--to", out, "--time", "week")
    said = wareloom(*words)
    assert said.code == 0, said.err
    assert "it is a log of real people all the same" in said.out
    times = pl.read_parquet(out / "events.parquet")["time"]
    assert set(times.dt.weekday()) == {1}
    assert read_json(out / "shop.json")["keeps"] == "people"
    assert wareloom(*words).code == 2
    inside = of.place / "real" / "key"
    inside.write_bytes(key.read_bytes())
    refused = wareloom("anonymise", of.place / "real", "--key", inside, "--to", tmp_path / "other")
    assert refused.code == 2
    assert "keep it in another place" in refused.err
    released = wareloom("release", of.place / "real", out, "--policy", "partner", "--to", tmp_path / "away",
                        "--holdout", of.place / "holdout", "-q")  # fmt: skip
    assert released.code == 1
    assert "keeps: the sample keeps people" in released.err
