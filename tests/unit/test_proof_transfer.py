"""Proofs of transfer on pairs of shops whose truth is planted: what helps, what cannot, what has to be refused."""

from __future__ import annotations

import html
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import wareloom
from wareloom.bundle import Bundle
from wareloom.cli import app
from wareloom.core.run import Run
from wareloom.errors import InputError, LeakError, SettingError
from wareloom.experiment.plan import MIXED, NAIVE, PLACEBO, REAL, REPEATED
from wareloom.experiment.result import Proof
from wareloom.experiment.study import Cell
from wareloom.preparing.splits import SplitSettings
from wareloom.proof.other_shops import ORIGIN, Bridge, opened
from wareloom.proof.prove import prove
from wareloom.proof.story import lines
from wareloom.proof.transfer import LIMIT, Transfer, TransferProofSettings, kept
from wareloom.recipe.load import Recipe, tables_of
from wareloom.recipe.make import make
from wareloom.recipe.steps import MakeStep
from wareloom.sampling.generator import Generator
from wareloom.shop import Shop
from wareloom.stats.bootstrap import resample
from wareloom.synthesis import Given
from wareloom.synthesis.behaviour.markov import Markov

RUN = Run(seed=2, threads=1)
ITEMS = 80
CHAIN = {"structure": "chain"}
WORDS = [f"{a}{b}" for a in ("bo", "ka", "li", "mu", "ne", "po", "ri", "su") for b in "dfghjklmnp"]


def walks(users: int, seed: int, who: str, *, rule: bool = True, timed: bool = True) -> Shop:
    """Users who, after most items, have the one that a fixed permutation names; without the rule any item."""
    rng = np.random.default_rng(seed)
    follower = np.random.default_rng(99).permutation(ITEMS)
    rows = []
    for user in range(users):
        item, clock = int(rng.integers(ITEMS)), int(rng.integers(30 * 86400))
        for _ in range(int(rng.integers(4, 7))):
            rows.append((f"{who}{user}", f"i{item}", "purchase", clock))
            clock += int(rng.integers(60, 86400))
            known = rule and rng.random() < 0.75
            item = int(follower[item]) if known else int(rng.integers(ITEMS))
    schema = ["user_id", "item_id", "event", "time"]
    events = pl.DataFrame(rows, schema=schema, orient="row")
    events = events.with_columns(time=pl.from_epoch("time").cast(pl.Datetime("us")))
    items = pl.DataFrame({"item_id": [f"i{i}" for i in range(ITEMS)]})
    return Shop({"items": items, "events": events if timed else events.drop("time")})


def titled(shop: Shop, prefix: str = "i") -> Shop:
    """The shop with a title of its own for each item, under ids of another prefix."""
    items = pl.DataFrame({"item_id": [f"{prefix}{i}" for i in range(ITEMS)], "title": WORDS})
    renamed = pl.format("{}{}", pl.lit(prefix), pl.col("item_id").str.slice(1))
    return Shop({"items": items, "events": shop.table("events").with_columns(item_id=renamed)})


HERE = walks(260, 1, "b")


def asked(*others: Path, **changes: Any) -> TransferProofSettings:
    quick: dict[str, Any] = {
        "others": tuple(map(str, others)),
        "own": 0.08,
        "draws": 3,
        "ranker_settings": {"members": ("transitions", "item_knn")},
        "ratios": (1.0,),
        "seeds": 2,
        "metrics": ("ndcg@10",),
        "baselines": {},
        "split": SplitSettings(by="leave-last-out"),
        "generator": Generator(settings=CHAIN, screens=("schema", "impossible", "leak")),
    }
    return TransferProofSettings(**quick | changes)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a shop with the rule."""
    folder = tmp_path_factory.mktemp("shops") / "other"
    walks(300, 7, "a").save(folder)
    return folder


@pytest.fixture(scope="module")
def proved(other: Path) -> Proof:
    return prove(HERE, asked(other), RUN)


def means(proof: Proof) -> dict[str, float]:
    rows = proof.arms().filter(metric="ndcg@10", slice="all")
    return dict(zip(rows["arm"], rows["mean"], strict=True))


def test_a_rule_that_this_shop_is_too_young_to_know_is_carried_over(proved: Proof) -> None:
    found = means(proved)
    assert proved.verdict == "helps"
    assert found[REAL] < 0.45 < 0.6 < found[MIXED] <= found[LIMIT] + 0.02
    assert found[NAIVE] < found[REAL] + 0.1, "popularity says nothing of the rule"
    assert proved.data["arms_left_out"] == {PLACEBO: "the items have no texts to walk by"}


def test_the_story_says_what_is_kept_of_the_limit_and_that_no_log_left(
    proved: Proof, other: Path
) -> None:
    found = means(proved)
    shares = {row["arm"]: row for row in proved.data["explored"]["kept"]}
    assert shares.keys() == {MIXED, NAIVE}
    for arm, row in shares.items():
        gained = (found[arm] - found[REAL]) / (found[LIMIT] - found[REAL])
        assert row["share"] == pytest.approx(gained, abs=1e-6)
        assert row["low"] < row["share"] < row["high"]
    text = "\n".join(lines(proved.data))
    assert f"The sample keeps {shares[MIXED]['share']:.0%}" in text
    assert (
        f"From {other} came no log: its generator was fitted there, on the 300 of its 300 users"
        in text
    )
    assert "Synthetic data helps to learn from other shops: ndcg@10" in str(proved)


def test_a_network_is_a_member_and_is_taught_the_sample(other: Path) -> None:
    """The rule is in the other shop alone: with the sample its network knows it, and the system says what it weighs."""
    network = {"embedding_size": 16, "layers": 1, "learning_rate": 0.02, "validation": 0.0}
    system = {"members": ("item_knn", "sasrec"), "member_settings": {"sasrec": network}}
    settings = asked(other, ranker_settings=system, seeds=1, updates=60)
    proof = prove(HERE, settings, RUN)
    assert means(proof)[MIXED] > means(proof)[REAL] + 0.1
    weights = {row["arm"]: row["weights"][0] for row in proof.data["training"]}
    assert weights[MIXED].keys() == {"item_knn", "sasrec", "popularity"}
    assert weights[MIXED]["sasrec"] > 0


def test_noise_is_no_help(tmp_path: Path) -> None:
    walks(300, 7, "a", rule=False).save(tmp_path / "noise")
    proof = prove(HERE, asked(tmp_path / "noise", own=0.5), RUN)
    assert proof.verdict in ("no evidence", "hurts")
    assert proof.data["explored"]["kept"][0]["share"] is None
    assert "nothing to keep a share of" in "\n".join(lines(proof.data))


def arms_of(study: Transfer) -> dict[str, Shop]:
    """What every arm is trained on."""
    parts = study.prepare(study.modes[0])
    train = study.share_of(parts.train, 1.0, RUN)
    pool = study.pool(parts, train, Cell(arm=MIXED, seed=0), RUN)
    arms = (*study.plan().arms, REAL)
    return {
        arm: train if arm == REAL
        else study.training(Cell(arm=arm, seed=0, ratio=2.0), train, lambda: pool, RUN)
        for arm in arms
    }  # fmt: skip


def test_every_arm_has_the_same_own_log_and_the_same_weight_of_other_rows(other: Path) -> None:
    there = Shop.open(other).table("events")
    data = arms_of(Transfer(HERE, asked(other), RUN))
    own = data[REAL].table("events")
    assert own["user_id"].n_unique() == round(0.08 * 260)
    for arm, shop in data.items():
        events = shop.table("events")
        real, added = (
            events.filter(origin) for origin in (pl.col("origin") == REAL, pl.col("origin") != REAL)
        )
        if arm != "synthetic only":
            assert real.sort(real.columns).equals(own.select(real.columns).sort(real.columns)), arm
        weight = {REAL: 0, LIMIT: len(there)}.get(arm, 2.0 * len(there))
        assert added["weight"].sum() == pytest.approx(weight, rel=1e-4), arm
        assert (ORIGIN in set(added["origin"])) == (arm == LIMIT), "the log is in the limit alone"
    more = data[MIXED].table("events").filter(pl.col("origin") != REAL)
    assert len(more) > 2.5 * len(there), "several draws"
    theirs = set(there["user_id"])
    assert not theirs & set(more["user_id"])


def test_shares_of_users_differ_by_seed_and_are_the_same_in_all_arms(other: Path) -> None:
    study = Transfer(HERE, asked(other), RUN)
    parts = study.prepare("file")
    first, again, second = (
        set(study.share_of(parts.train, 1.0, RUN.with_(seed=s)).table("events")["user_id"])
        for s in (1, 1, 2)
    )
    assert first == again != second
    assert study.random


def test_products_of_other_ids_are_matched_by_their_texts(tmp_path: Path, proved: Proof) -> None:
    titled(walks(300, 7, "a"), "x").save(tmp_path / "x")
    proof = prove(titled(HERE), asked(tmp_path / "x"), RUN)
    about = proof.data["modes"][0]["synthetic"]["others"][0]
    assert (about["items_shared"], about["events_same"]) == (0, 0)
    assert about["events_translated"] > 0 == about["events_left_out"]
    assert means(proof)[MIXED] == pytest.approx(means(proved)[MIXED], abs=0.05)
    assert PLACEBO in proof.data["decisive"]["controls"]


def test_of_two_owners_each_has_a_sample_of_its_own(tmp_path: Path, other: Path) -> None:
    walks(100, 8, "c").save(tmp_path / "third")
    study = Transfer(HERE, asked(other, tmp_path / "third"), RUN)
    parts = study.prepare("file")
    pool = study.pool(parts, parts.train, Cell(arm=MIXED, seed=0), RUN)
    sampled = pool.screened.kept.table("events")["user_id"].n_unique()
    assert sampled == pool.screened.sampling["kept"] == 3 * 400
    assert len(pool.fitted) == len(pool.others) == 2
    assert pool.logs["user_id"].n_unique() == 400


def test_users_of_both_shops_are_dropped_by_id_and_by_what_they_did(tmp_path: Path) -> None:
    """By id; and under another id where items and times are the same."""
    events = HERE.table("events")
    mine = events.filter(pl.col("user_id").is_in(["b1", "b2", "b3"]))
    renamed = events.filter(pl.col("user_id").is_in(["b4", "b5"]))
    renamed = renamed.with_columns(user_id=pl.format("again-{}", "user_id"))
    there = walks(50, 7, "a")
    there = there.with_tables(events=pl.concat([there.table("events"), mine, renamed]))
    there.save(tmp_path / "both")
    one = opened([str(tmp_path / "both")], HERE, Bridge(HERE), RUN)[0]
    told = [one.told[n] for n in ("users", "same_id", "same_events", "fitted_users")]
    assert told == [55, 3, 2, 50]
    assert set(one.shop.table("events")["user_id"]) == {f"a{u}" for u in range(50)}


def test_events_later_than_the_training_part_teach_nothing(other: Path) -> None:
    study = Transfer(HERE, asked(other, split=SplitSettings(by="time")), RUN)
    parts = study.prepare("file")
    pool = study.pool(parts, parts.train, Cell(arm=MIXED, seed=0), RUN)
    end = parts.train.table("events")["time"].max()
    there = Shop.open(other).table("events")
    assert pool.logs["time"].max() <= end
    assert 0 < len(pool.logs) == len(there.filter(pl.col("time") <= end)) < len(there)
    assert pool.others[0].told["events_later"] == len(there) - len(pool.logs)


def test_a_log_made_of_what_is_held_out_is_refused(tmp_path: Path) -> None:
    """Its users have other ids and no times; what they did is the held-out steps of this shop's users."""
    here = walks(260, 1, "b", rule=False, timed=False)
    study = Transfer(here, asked(Path("nowhere")), RUN)
    parts = study.prepare("file")
    held = set(parts.held_out().table("events")["user_id"])
    last = here.table("events").group_by("user_id", maintain_order=True).tail(3)
    last = last.filter(pl.col("user_id").is_in(held)).with_columns(
        user_id=pl.format("x{}", "user_id")
    )
    here.with_tables(events=last).save(tmp_path / "copied")
    with pytest.raises(LeakError, match=r"copied holds .* of the .* steps that are held out here"):
        prove(here, asked(tmp_path / "copied"), RUN)
    walks(260, 3, "x", rule=False, timed=False).save(tmp_path / "honest")
    prove(here, asked(tmp_path / "honest", seeds=1), RUN)


@dataclass(kw_only=True, eq=False)
class Cheating(Markov):
    """Shoppers among whom are those of a shop that was looked at in secret."""

    seen: ClassVar[Shop]

    def sample(self, n: int, run: Run | None = None, given: Given | None = None) -> Shop:
        made = super().sample(n, run, given)
        mark, events = pl.lit(self.origin), self.seen.table("events")
        copied = events.with_columns(user_id=pl.format("{}/c{}", mark, "user_id"), origin=mark)
        whole = pl.concat([copied, made.table("events")], how="diagonal_relaxed")
        return made.with_tables(events=whole)


def test_a_sample_that_knows_what_is_held_out_is_refused(tmp_path: Path) -> None:
    """Where no rule explains what it holds; the same generator without the copies passes."""
    here, there = walks(260, 1, "b", rule=False), tmp_path / "other"
    walks(60, 7, "a", rule=False).save(there)
    Cheating.seen = here
    screens = ("schema", "impossible", "leak")
    cheat = Generator(synthesizer=f"{__name__}:Cheating", settings=CHAIN, screens=screens)
    with pytest.raises(LeakError):
        prove(here, asked(there, draws=1, generator=cheat), RUN)
    prove(here, asked(there, draws=1, seeds=1), RUN)


def refused(*others: Path | str, here: Shop = HERE, **changes: Any) -> str:
    with pytest.raises((InputError, SettingError)) as caught:
        prove(here, asked(*map(Path, others), **changes), RUN)
    return str(caught.value)


def test_what_cannot_teach_is_refused_with_a_remedy(tmp_path: Path, other: Path) -> None:
    assert "needs other shops: name their folders (--from OTHER" in refused()
    assert "There is no shop nowhere: name the folder" in refused("nowhere")
    HERE.save(tmp_path / "same")
    assert "same holds the same data as this shop: name another" in refused(tmp_path / "same")
    assert f"{other} holds the same data as {other}" in refused(other, other)
    some = HERE.table("events").filter(pl.col("user_id") != "b0")
    HERE.with_tables(events=some).save(tmp_path / "users")
    assert "All 259 users of" in refused(tmp_path / "users")
    empty = walks(5, 1, "a")
    empty.with_tables(events=empty.table("events").head(0)).save(tmp_path / "empty")
    assert "has no events, so that there is nothing to learn" in refused(tmp_path / "empty")
    named = titled(walks(50, 7, "a"), "x")
    named.save(tmp_path / "x")
    assert "share no item id, and not both have texts" in refused(tmp_path / "x")
    swapped = titled(walks(50, 7, "a"))
    items = swapped.table("items").with_columns(title=pl.Series(WORDS[::-1]))
    swapped.with_tables(items=items).save(tmp_path / "swapped")
    said = refused(tmp_path / "swapped", here=titled(HERE))
    assert "share 80 item ids, but the products under them do not read alike" in said
    mixed = Generator(mixer="curriculum", screens=())
    assert "mixer 'curriculum'" in refused(other, generator=mixed)
    assert "own is 0; give a number above 0, at most 1" in refused(other, own=0)


def test_ids_that_mean_other_products_can_be_matched_by_texts(tmp_path: Path) -> None:
    swapped = titled(walks(50, 7, "a"))
    items = swapped.table("items").with_columns(title=pl.Series(WORDS[::-1]))
    swapped = swapped.with_tables(items=items)
    here = titled(HERE)
    moved, counts = Bridge(here, "texts").carry(swapped, RUN)
    given = swapped.table("events")["item_id"].str.slice(1).cast(pl.Int64)
    assert counts == {"events_same": 0, "events_translated": len(given), "events_left_out": 0}
    assert (moved["item_id"].str.slice(1).cast(pl.Int64) == ITEMS - 1 - given).all()


def test_the_share_that_is_kept_is_that_of_the_definition() -> None:
    """The interval beside one by percentiles of the ratio itself, where the denominator is far from zero."""
    rng = np.random.default_rng(4)
    most = rng.normal(1.0, 1.0, size=(4000, 1))
    gain = 0.6 * most + rng.normal(0, 0.5, size=(4000, 1))
    found = kept(gain, most, np.random.default_rng(0))
    assert found["share"] == pytest.approx(gain.mean() / most.mean())
    means_ = resample(np.concatenate([gain, most], axis=1), np.random.default_rng(1))
    low, high = np.quantile(means_[:, 0] / means_[:, 1], [0.025, 0.975])
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=0.004)
    assert kept(gain, most - 1.0, rng) == {"share": None, "low": None, "high": None}


def test_one_call_proves_it_and_names_the_members(other: Path) -> None:
    settings = Recipe.of(
        {"stages": ("prove",), "prove": {"of": "transfer", "others": [str(other)]}}
    ).settings
    assert settings == TransferProofSettings(others=(str(other),))
    assert settings.generator.settings == {"structure": "chain"}
    assert "session_knn" in settings.ranker_settings["members"]
    generator = asked(other).generator
    proof = wareloom.prove(
        HERE, of="transfer", others=[str(other)], own=0.08, draws=1, ratios=[1.0], seeds=1, run=RUN,
        split="leave-last-out", generator=generator, baselines={}, metrics=["ndcg@10"],
        ranker_settings={"members": ["transitions"]},
    )  # fmt: skip
    assert proof.data["kind"] == "transfer"
    assert {row["against"] for row in proof.data["power"]} == {REAL, REPEATED, NAIVE}


def test_the_command_line_proves_it_and_the_page_tells_it(tmp_path: Path, other: Path) -> None:
    HERE.save(tmp_path / "shop")
    words = ["prove", str(tmp_path / "shop"), "--from", str(other), "--to", str(tmp_path / "proof")]
    words += [
        "--seeds",
        "1",
        "--ratios",
        "1",
        "--metrics",
        "ndcg@10",
        "--split",
        "leave-last-out",
    ]
    words += [
        "--screens",
        "schema,impossible,leak",
        "--set",
        "proof.own=0.08",
        "--set",
        "proof.draws=1",
    ]
    done = CliRunner().invoke(app, [*words, "--set", 'ranker.members=["transitions"]'])
    assert done.exit_code == 0, done.output
    data = json.loads((tmp_path / "proof" / "proof.json").read_text())
    assert data["kind"] == "transfer"
    assert data["settings"]["others"] == [str(other)]
    page = html.unescape((tmp_path / "proof" / "report.html").read_text())
    for sentence in data["story"]["references"]:
        assert sentence in page
    assert data["sentence"] in done.output
    wrong = CliRunner().invoke(app, [*words, "--of", "clicks"])
    assert "--from names other shops, which a proof of clicks does not learn from" in str(
        wrong.exception
    )


def test_a_recipe_says_where_other_shops_lie(tmp_path: Path, other: Path) -> None:
    """Relative to its own folder; written down they are absolute."""
    (tmp_path / "jobs").mkdir()
    walks(20, 1, "a").save(tmp_path / "there")
    text = '[read]\nsource = "x"\n[prove]\nof = "transfer"\nothers = ["../there"]\n'
    (tmp_path / "jobs" / "r.toml").write_text(text)
    recipe = Recipe.load(tmp_path / "jobs" / "r.toml")
    assert Shop.open(recipe.settings.others[0]).rows("events") > 0  # type: ignore[attr-defined]
    (tmp_path / "again.toml").write_text(recipe.toml())
    again = Recipe.load(tmp_path / "again.toml").settings
    assert again.others == (str((tmp_path / "there").resolve()),)  # type: ignore[attr-defined]


def test_a_model_is_made_by_what_was_proved(tmp_path: Path, other: Path, proved: Proof) -> None:
    """Of all that this shop has of its own: the share is a question of the proof."""
    raw = tables_of({"of": "transfer", "others": [str(other)]})
    make(HERE, proved, MakeStep(), Recipe.of(raw).plain(), RUN, tmp_path)
    bundle = Bundle.open(tmp_path / "bundle")
    assert bundle.ranker.name == "stack"
    mixed = Shop.open(tmp_path / "mixed").table("events")
    real = mixed.filter(pl.col("origin") == "real")
    assert real["user_id"].n_unique() == 260
    assert ORIGIN not in set(mixed["origin"])
    assert len(mixed) > 2 * len(real)


def test_cells_are_computed_anew_where_another_shop_changed(tmp_path: Path) -> None:
    """A store that holds the cells of one other shop does not answer for what lies there later."""
    folder, run = tmp_path / "other", RUN.with_(cache=tmp_path / "cells")
    quick = {"seeds": 1, "draws": 1}
    walks(100, 7, "a").save(folder)
    first = prove(HERE, asked(folder, **quick), run)
    assert prove(HERE, asked(folder, **quick), run).data == first.data
    shutil.rmtree(folder)
    walks(100, 7, "a", rule=False).save(folder)
    assert means(prove(HERE, asked(folder, **quick), run))[MIXED] < means(first)[MIXED] - 0.05


def test_workers_come_to_the_same(tmp_path: Path, other: Path) -> None:
    quick = asked(other, seeds=1, draws=1)
    alone = prove(HERE, quick, RUN)
    assert prove(HERE, quick, Run(seed=2, threads=2, jobs=2)).data == alone.data


def test_repeating_its_own_log_misleads_nobody(other: Path) -> None:
    """Where only popularity tells anything, a system that held back rows of its own believed their copies instead."""
    rng = np.random.default_rng(5)
    popular = [f"i{int(ITEMS * draw**2)}" for draw in rng.random(260 * 6)]
    rows = {"user_id": [f"b{n // 6}" for n in range(len(popular))], "item_id": popular}
    events = pl.DataFrame(rows).with_columns(event=pl.lit("purchase"))
    here = Shop({"items": HERE.table("items"), "events": events})
    proof = prove(here, asked(other, own=0.9, draws=1, seeds=1, repeats="mask"), RUN)
    weights = {row["arm"]: row["weights"][0] for row in proof.data["training"]}
    assert weights[REAL]["popularity"] == weights[REPEATED]["popularity"] == 1.0
    assert means(proof)[REPEATED] == pytest.approx(means(proof)[REAL], rel=0.1)


@pytest.mark.parametrize("by", ["leave-last-out", "time", "user"])
def test_a_younger_shop_stops_by_its_own_users_alone(other: Path, by: Any) -> None:
    study = Transfer(HERE, asked(other, own=0.25, split=SplitSettings(by=by)), RUN)
    parts = study.prepare("shuffled")
    own, held = study.share_of(parts.train, 1.0, RUN), study.held(parts)
    everybody, mine = (set(part.table("events")["user_id"]) for part in (parts.train, own))
    narrow = study.held_of(held, parts.train, own, RUN)
    assert narrow is not None
    asks = set(narrow.histories.users.ids)
    assert asks & everybody == set(held.histories.users.ids) & mine
    strangers = len(set(held.histories.users.ids) - everybody)
    assert len(asks - everybody) == round(strangers * len(mine) / len(everybody))
    assert len(narrow) == len(asks) > 0
    assert strangers > 10 or by != "user"
    assert study.held_of(held, parts.train, parts.train, RUN) is held
