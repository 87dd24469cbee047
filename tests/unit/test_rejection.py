"""Rejection sampling: as many users as were asked for, new names, one seed one sample, and plain words else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
import polars as pl
import pytest

import wareloom as wl
from conftest import small_shop
from wareloom.cli import app
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import LeakError, RefusedError, SettingError
from wareloom.sampling.generator import Generator, Member
from wareloom.sampling.rejection import MOST_DRAWN, ROUNDS, fill, sample_screened
from wareloom.screening import Screen, Screened, made, owners, reject, reject_users, save_screened
from wareloom.shop import Shop
from wareloom.shop.buckets import user_key
from wareloom.synthesis import Given, Synthesizer

RUN = Run(seed=1, threads=1)
LAST = r"(\d)(?:-[0-9a-f]{8})?$"
"""The last digit of a user's number"""


@dataclass(kw_only=True, eq=False)
class Picky(Screen):
    """Take users by the last digit of their number."""

    digits: str = "37"
    """Last digits of the users that are taken."""

    def screen(
        self, synthetic: Shop, train: Shop, holdout: Shop | None = None, run: Run | None = None
    ) -> Screened:
        ids = owners(synthetic)
        taken = ids.filter(ids.str.extract(LAST).is_in(list(self.digits)))
        named = pl.DataFrame({"owner": taken}).with_columns(reason=pl.lit("a wrong digit"))
        return reject_users(synthetic, named, len(ids))


@dataclass(kw_only=True, eq=False)
class OneEach(Screen):
    """Let the first user of each last digit pass: what one user did decides on others."""

    looks_at: ClassVar[Literal["draws", "sample", "end"]] = "sample"
    most: int = 12
    """Users of one last digit at most."""

    def screen(
        self, synthetic: Shop, train: Shop, holdout: Shop | None = None, run: Run | None = None
    ) -> Screened:
        ids = (
            owners(synthetic)
            .to_frame("owner")
            .with_columns(digit=pl.col("owner").str.extract(LAST))
        )
        over = ids.filter(pl.int_range(pl.len()).over("digit") >= self.most).select("owner")
        return reject_users(synthetic, over.with_columns(reason=pl.lit("one too many")), len(ids))


@dataclass(kw_only=True, eq=False)
class Never(Screen):
    """Take every row."""

    def screen(
        self, synthetic: Shop, train: Shop, holdout: Shop | None = None, run: Run | None = None
    ) -> Screened:
        return reject(synthetic, {"no row is good enough": pl.lit(True)})


PICKY, ONE_EACH, NEVER = (f"{__name__}:{name}" for name in ("Picky", "OneEach", "Never"))


@pytest.fixture(scope="module")
def train() -> Shop:
    events = small_shop().table("events")
    sessions = pl.format("{}-{}", "user_id", pl.int_range(pl.len()) // 3)
    return small_shop().with_tables(events=events.with_columns(session_id=sessions)).in_memory()


@pytest.fixture(scope="module")
def markov(train: Shop) -> Synthesizer:
    fitted: Synthesizer = SYNTHESIZERS.make("markov").fit(train, RUN)
    return fitted


def whole(shop: Shop) -> None:
    """Ids are unique, sessions belong to one user, and the table of users names those with events."""
    events, users = shop.table("events"), shop.table("users")
    assert users["user_id"].is_unique().all()
    assert set(users["user_id"]) == set(events["user_id"])
    assert events["user_id"].str.contains(r"^markov@[\w.]+/\d+-[0-9a-f]{8}$").all()
    assert events.group_by("session_id").agg(pl.col("user_id").n_unique())["user_id"].max() == 1


def test_the_size_is_kept_exactly_and_ids_go_on(markov: Synthesizer, train: Shop) -> None:
    found = sample_screened(markov, 100, made([PICKY]), (train, None), RUN)
    assert len(owners(found.kept)) == found.kept.rows("users") == 100
    whole(found.kept)
    sampling = found.sampling
    assert sampling["asked"] == sampling["kept"] == 100
    assert sampling["rounds"] == 2
    assert sampling["drawn"] == 200
    assert sampling["acceptance"] == pytest.approx(0.8)
    assert "warning" not in sampling
    names = [int(name.rpartition("/")[2].partition("-")[0]) for name in owners(found.kept)]
    assert names == [n for n in range(200) if str(n)[-1] not in "37"][:100]
    report = found.report[PICKY]
    assert report["users"] == 40
    assert report["of users"] == 200
    assert report["share of users"] == pytest.approx(0.2)
    assert report["rejected"] == sum(report["reasons"].values()) == len(found.rejected["events"])
    assert json.loads(json.dumps(found.report)) == found.report


def test_where_nothing_is_taken_the_first_draw_is_the_sample(
    markov: Synthesizer, train: Shop
) -> None:
    found = sample_screened(markov, 60, made(["schema", "impossible"]), (train, None), RUN)
    assert found.kept.fingerprint == markov.sample(60, RUN).fingerprint
    assert found.sampling == {"asked": 60, "drawn": 60, "kept": 60, "rounds": 1, "acceptance": 1.0}
    first = sample_screened(markov, 60, made([PICKY]), (train, None), RUN).kept.table("events")
    same = (
        markov.sample(60, RUN)
        .table("events")
        .filter(~pl.col("user_id").str.extract(LAST).is_in(["3", "7"]))
    )
    assert first.head(len(same)).equals(same)


def test_same_seed_same_bytes_other_seed_others(markov: Synthesizer, train: Shop) -> None:
    prints = [
        sample_screened(
            markov, 80, made([PICKY, "novelty"]), (train, None), Run(seed=seed, threads=threads)
        ).kept.fingerprint
        for seed, threads in ((1, 1), (1, 2), (2, 1))
    ]
    assert prints[0] == prints[1] != prints[2]


def test_later_draws_have_seeds_of_their_own(markov: Synthesizer, train: Shop) -> None:
    seeds = []

    def draw(n: int, run: Run, kept: pl.Series) -> Shop:
        seeds.append(run.seed)
        return markov.sample(n, run)

    fill(draw, 50, made([PICKY], {PICKY: {"digits": "012345678"}}), (train, None), RUN)
    assert len(seeds) == len(set(seeds))
    assert seeds[:2] == [RUN.seed, RUN.seed_for("rejection", 1)]


def test_screens_of_the_sample_see_all_that_is_kept(markov: Synthesizer, train: Shop) -> None:
    found = sample_screened(markov, 100, made([PICKY, ONE_EACH]), (train, None), RUN)
    digits = owners(found.kept).str.extract(LAST).value_counts()["count"]
    assert len(owners(found.kept)) == 96 == 8 * digits.max()
    assert found.sampling["kept"] == 96
    assert found.sampling["warning"].startswith(
        f"Of {found.sampling['drawn']:,} synthetic users drawn 96 passed the"
    )
    report = found.report[ONE_EACH]
    assert report["seen"] == report["rejected"] + found.kept.rows("events")
    assert report["of users"] == report["users"] + 96


def test_a_tiny_acceptance_is_told_with_a_remedy(markov: Synthesizer, train: Shop) -> None:
    rejecting = made([PICKY], {PICKY: {"digits": "012345678"}})
    found = sample_screened(markov, 100, rejecting, (train, None), RUN)
    assert found.sampling["kept"] == 100
    assert found.sampling["rounds"] <= ROUNDS
    tight = sample_screened(Rare(), 100, made([NEVER_BUT]), (train, None), RUN)
    assert tight.sampling["acceptance"] < 0.1
    assert tight.sampling["drawn"] <= MOST_DRAWN * 100
    assert "Loosen the settings of the screen that takes most" in tight.sampling["warning"]
    assert f"{NEVER_BUT}, a wrong digit" in tight.sampling["warning"]
    with pytest.raises(
        RefusedError, match=r"Not one of 2,000 synthetic users passed.*no row is good enough"
    ) as caught:
        sample_screened(markov, 100, made([NEVER]), (train, None), RUN)
    assert caught.value.exit_code == 1


@dataclass(kw_only=True, eq=False)
class NeverBut(Screen):
    """Let the first user of a draw pass."""

    def screen(
        self, synthetic: Shop, train: Shop, holdout: Shop | None = None, run: Run | None = None
    ) -> Screened:
        ids = owners(synthetic)
        named = pl.DataFrame({"owner": ids[1:]})
        return reject_users(synthetic, named.with_columns(reason=pl.lit("a wrong digit")), len(ids))


NEVER_BUT = f"{__name__}:NeverBut"


@dataclass(kw_only=True, eq=False)
class Rare(Synthesizer):
    """Users of one event, whose ids hold no number that could be counted on."""

    named: str = "{}"
    """How they are called."""

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        return self

    def sample(self, n: int, run: Run | None = None, given: Given | None = None) -> Shop:
        ids = [self.named.format(i) for i in range(n)]
        events = pl.DataFrame(
            {"user_id": ids, "item_id": "i1", "event": "purchase", "origin": "rare@1"}
        )
        return Shop({"items": pl.DataFrame({"item_id": ["i1"]}), "events": events})


def test_ids_of_any_form_stay_apart(train: Shop) -> None:
    for named in ("user {}", "{}", "a/b/{}", "rare@1/{}/x", "{}:rare@1/5"):
        found = sample_screened(
            Rare(named=named), 50, made([PICKY], {PICKY: {"digits": "1"}}), (train, None), RUN
        )
        assert len(owners(found.kept)) == 50
        assert found.kept.table("events")["user_id"].is_unique().all()


def test_continued_users_are_drawn_anew_under_their_own_names(
    markov: Synthesizer, train: Shop
) -> None:
    digit = Coin()
    found = sample_screened(markov, 40, {"coin": digit}, (train, None), RUN, Given(histories=train))
    assert found.sampling["kept"] == 40
    assert found.sampling["rounds"] > 1
    assert set(owners(found.kept)) <= set(owners(train))
    assert found.kept.table("users")["user_id"].is_unique().all()


@dataclass(kw_only=True, eq=False)
class Coin(Screen):
    """Take half of the users, by the run."""

    def screen(
        self, synthetic: Shop, train: Shop, holdout: Shop | None = None, run: Run | None = None
    ) -> Screened:
        ids = owners(synthetic)
        heads = (run or Run()).rng("coin").random(len(ids)) < 0.5
        named = pl.DataFrame({"owner": ids.filter(pl.Series(heads))}).with_columns(
            reason=pl.lit("heads")
        )
        return reject_users(synthetic, named, len(ids))


def test_members_of_a_generator_fill_up_together(train: Shop) -> None:
    members = (Member(synthesizer="markov", share=3), Member(synthesizer="shuffled"))
    generator = Generator(
        members=members, screens=(PICKY,), screen_settings={PICKY: {"digits": "12345"}}
    )
    found = generator.pool(train, train, 80, RUN).screened
    assert len(owners(found.kept)) == 80
    origins = found.kept.table("events").group_by(pl.col("origin").str.split("@").list.first())
    shares = dict(origins.agg(pl.col("user_id").n_unique()).iter_rows())
    assert 50 <= shares["markov"] <= 68
    with pytest.raises(
        SettingError, match="settings for the screen 'novelty', which is not among those named"
    ):
        Generator(screens=("schema",), screen_settings={"novelty": {}}).check()


def test_a_leak_is_looked_for_once_in_what_is_returned(
    markov: Synthesizer, train: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wareloom.screening.leak import Leak

    sizes: list[int] = []

    def examined(self: Leak, synthetic: Shop, *parts: object) -> dict[str, object]:
        sizes.append(len(owners(synthetic)))
        return {"looked": True, "leak": False, "runs": {"leak": False}}

    monkeypatch.setattr(Leak, "examine", examined)
    sample_screened(markov, 90, made([PICKY, "leak"]), (train, train), RUN)
    assert sizes == [90]


def test_a_leak_stops_a_filled_sample(train: Shop) -> None:
    """Two thirds of each user's items are given away."""
    rng = np.random.default_rng(1)
    own = {f"u{u}": rng.permutation(3000)[:9].tolist() for u in range(400)}
    rows = [(u, f"i{i}", n) for u, items in own.items() for n, i in enumerate(items)]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "n"], orient="row")
    events = events.with_columns(
        event=pl.lit("purchase"), time=pl.from_epoch("n", time_unit="d")
    ).drop("n")
    shop = Shop(
        {"items": pl.DataFrame({"item_id": [f"i{i}" for i in range(3000)]}), "events": events}
    )
    parts = wl.split(shop, by="leave-last-out")
    cheat = SYNTHESIZERS.make("shuffled").fit(parts.train, RUN)
    cheat.sample = lambda n, run, given: shop.with_tables(  # type: ignore[method-assign]
        events=events.with_columns(
            user_id=pl.format("x/{}", pl.col("user_id").str.slice(1)), origin=pl.lit("x")
        )
    )
    with pytest.raises(LeakError, match="has seen the held-out part"):
        sample_screened(cheat, 400, made(["leak"]), (parts.train, parts.held_out()), RUN)


def test_the_api_samples_and_screens_with_settings(train: Shop, tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text("[[most]]\nevents = 6\nper = 'user'\n")
    asked = {"rules": {"file": str(tmp_path / "rules.toml")}}
    fitted = wl.synthesizer("markov").fit(train, RUN)
    found = wl.sample(fitted, 70, train, screens=("schema", "rules"), settings=asked, run=RUN)
    events = found.kept.table("events")
    assert events["user_id"].n_unique() == 70
    assert events["user_id"].value_counts()["count"].max() == 6
    alone = wl.screen(fitted.sample(70, RUN), train, screens=("rules",), settings=asked)
    assert alone.report["rules"]["reasons"].keys() == {"more than 6 events a user"}
    with pytest.raises(SettingError, match="has no setting 'fil'"):
        wl.screen(found.kept, train, screens=("rules",), settings={"rules": {"fil": "x"}})
    saved = save_screened(found, tmp_path / "saved")
    told = json.loads((tmp_path / "saved" / "screen.json").read_text())
    assert told == found.report | {"sampling": found.sampling}
    assert saved.rows("users") == 70


def test_the_commands_take_screens_and_their_settings(
    train: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train.save(tmp_path / "train")
    (tmp_path / "rules.toml").write_text("[[most]]\nevents = 6\nper = 'user'\n")
    file = f"rules.file={tmp_path / 'rules.toml'}"

    def told(*words: object) -> dict[str, dict[str, object]]:
        app([*map(str, words), "-q", "--json"], standalone_mode=False)
        found: dict[str, dict[str, object]] = json.loads(capsys.readouterr().out)
        return found

    synth = ("synth", "markov", tmp_path / "train", "--to", tmp_path / "fake", "--users", 50)
    filled = told(*synth, "--screens", "schema,rules", "--screen-set", file)
    assert filled["sampling"]["kept"] == filled["rows"]["users"] == 50
    assert filled["screens"]["rules"]["users"]
    assert (tmp_path / "fake" / "rejected" / "events.parquet").exists()
    again = (
        "screen",
        tmp_path / "fake",
        tmp_path / "train",
        "--to",
        tmp_path / "good",
        "--screens",
        "rules",
    )
    assert told(*again, "--set", file)["rules"]["rejected"] == 0
    assert "sampling" not in told(*synth, "--force")
    wrong: list[tuple[tuple[object, ...], str]] = [
        (
            (*again, "--set", "rulse.file=x"),
            "--set rulse.file must name one of rules before the setting",
        ),
        (
            (*synth, "--screens", "copies", "--screen-set", "length=4"),
            "--screen-set length must name one of copies",
        ),
        ((*synth, "--screen-set", "copies.length=4"), "must name one of nothing"),
    ]
    for words, message in wrong:
        with pytest.raises(SettingError, match=message):
            told(*words, "--force")


def test_a_recipe_takes_screens_with_settings(tmp_path: Path) -> None:
    events = small_shop().table("events").select("user_id", "item_id", "event", "time")
    events.write_csv(tmp_path / "events.csv")
    (tmp_path / "rules.toml").write_text("[[most]]\nevents = 6\nper = 'user'\n")
    text = """
        stages = ["read", "split", "prove", "make"]
        [read]
        source = "events.csv"
        [split]
        by = "leave-last-out"
        [synthesize]
        screens = ["schema", "rules", "novelty"]
        [synthesize.screen_settings.rules]
        file = "rules.toml"
        [synthesize.screen_settings.novelty]
        tolerance = 2.0
        [prove]
        seeds = 1
        ratios = [0.5]
        metrics = ["ndcg@10"]
        ties = ["file"]
        baselines = {}
    """
    (tmp_path / "job.toml").write_text(text)
    recipe = wl.Recipe.load(tmp_path / "job.toml")
    job = wl.run_recipe(recipe, tmp_path / "job", Run(threads=1))
    made_ = Shop.open(job.folder / "synthetic")
    sampling = json.loads((job.folder / "synthetic" / "screen.json").read_text())["sampling"]
    assert made_.rows("users") == sampling["kept"] == sampling["asked"] == 34
    assert recipe.settings.generator.screen_settings["novelty"] == {"tolerance": 2.0}
    assert wl.Recipe.load(job.folder / "recipe.toml").toml() == recipe.toml()
    events = made_.scan("events")
    counts = events.select(user_key(events).value_counts()).collect().to_series()
    assert counts.struct.field("count").max() == 6
    again = wl.run_recipe(recipe, tmp_path / "job", Run(threads=1), resume=True)
    assert again.seconds["make"] == 0.0
    (tmp_path / "rules.toml").write_text("[[most]]\nevents = 4\nper = 'user'\n")
    changed = wl.run_recipe(recipe, tmp_path / "job", Run(threads=1), resume=True)
    assert changed.seconds["make"] > 0.0, "another file of rules, another sample"
    for old, new, message in (
        (
            "tolerance = 2.0",
            "tolerence = 2.0",
            "has no setting 'tolerence'. Did you mean 'tolerance'",
        ),
        (
            "screen_settings.novelty",
            "screen_settings.copies",
            "settings for the screen 'copies', which is not among",
        ),
    ):
        (tmp_path / "wrong.toml").write_text(text.replace(old, new))
        with pytest.raises(SettingError, match=message):
            wl.Recipe.load(tmp_path / "wrong.toml")
