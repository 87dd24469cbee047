"""A fourth kind of proof is one class in one file: whether a ranker's first item is of the category that comes next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest

import wareloom
from conftest import small_shop
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.evaluation.ranking import Evaluation
from wareloom.evaluation.tasks import Task, build_task
from wareloom.experiment.plan import ARMS, CONTROLS, MIXED, REAL
from wareloom.experiment.result import Proof
from wareloom.experiment.settings import ExperimentSettings
from wareloom.experiment.study import Cell, Study, Words
from wareloom.preparing.splits import Split, SplitSettings, split
from wareloom.proof.arms import training_data
from wareloom.proof.curves import curves
from wareloom.proof.kinds import kinds, study_for, study_of
from wareloom.proof.prove import prove, prove_study
from wareloom.rankers import Ranker
from wareloom.report import write_report
from wareloom.sampling.generator import Generator, Pool
from wareloom.shop import Log, Shop

RUN = Run(seed=5, threads=1)
HIT = "right category"


# From here to `asked` stands all that a kind of proof is.


@dataclass(frozen=True, kw_only=True)
class CategorySettings(ExperimentSettings):
    """What is proved of the next category, and how hard."""

    ranker: str = "transitions"
    """The ranker that every arm trains."""
    metrics: tuple[str, ...] = (HIT,)
    """How often the category of the first item is that of an answer."""
    level: int = 1
    """Which step of an item's path of categories is to be right."""

    def check_ranker(self, label: str, ranker: Any) -> None:
        """Raise `SettingError` for what needs more than events."""
        if label == "bm25":
            raise SettingError(f"The ranker {label!r} reads queries; there are none here.")


class NextCategory(Study):
    """Whether synthetic behaviour makes a ranker's first item be of the category that the user wants next."""

    kind: ClassVar[str] = "next category"
    settings_of: ClassVar[type[ExperimentSettings]] = CategorySettings
    settings: CategorySettings

    def check(self) -> None:
        """Raise `InputError` where items have no categories."""
        if "category" not in self.shop.columns("items"):
            raise InputError("A proof of the next category needs the column items.category.")

    @property
    def words(self) -> Words:
        """Visitors are asked."""
        return Words(askers="visitors", purpose=" to find the next category")

    def task(self, parts: Split, part: str) -> Task:
        """The requests of a part."""
        return build_task(parts, part)

    def pool(self, parts: Split, train: Shop, cell: Cell, run: Run) -> Pool:
        """Synthetic visitors, enough for the largest ratio."""
        users = int(1.1 * max(self.settings.ratios) * len(Log.of(train).users)) + 1
        return self.settings.generator.pool(train, parts.held_out(), users, run)

    def training(self, cell: Cell, train: Shop, pool: Callable[[], Pool], run: Run) -> Shop:
        """The real events with those that the arm adds."""
        return training_data(self.settings.generator, cell.arm, train, pool, cell.ratio, run)

    def evaluate(self, ranker: Ranker, task: Task, run: Run) -> Evaluation:
        """1 where the first item is of the category of an answer, else 0."""
        held = self.shop.table("items").select(
            "item_id", of=pl.col("category").list.get(self.settings.level)
        )
        of = dict(held.iter_rows())
        first = ranker.score(task.requests).argmax(axis=1)
        names, assumed = ranker.items_.to_list(), task.requests.histories
        assert assumed is not None
        wanted = assumed.items.ids.to_list()
        hits = [
            of[names[item]]
            in {of[wanted[a]] for a in task.item[task.offsets[r] : task.offsets[r + 1]]}
            for r, item in enumerate(first)
        ]
        values = np.array(hits, dtype=np.float64)
        return Evaluation({f"{HIT}/all": values}, {HIT: float(values.mean())})

    def told(self, parts: Split, pool: Callable[[], Pool]) -> dict[str, Any]:
        """How many visitors were made, and how they look beside the real ones."""
        drawn = pool()
        kept = drawn.screened.kept
        made = {"users": len(Log.of(kept).users), "events": kept.rows("events"), "origin": "markov"}
        return {
            "synthetic": made | {"screens": drawn.screened.report},
            "curves": curves({REAL: parts.train, "synthetic": kept, "naive": drawn.naive}),
        }


# It is proved as the others are.


def asked(**changes: Any) -> CategorySettings:
    quick: dict[str, Any] = {
        "seeds": 2,
        "ratios": (0.5, 1.0),
        "baselines": {"popularity": {}},
        "split": SplitSettings(by="leave-last-out"),
        "generator": Generator(screens=("schema", "impossible")),
    }
    return CategorySettings(**quick | changes)


@pytest.fixture(scope="module")
def proved() -> Proof:
    return prove_study(NextCategory, small_shop(), asked(), RUN)


def test_has_a_verdict_a_story_and_a_choice(proved: Proof) -> None:
    data = proved.data
    assert data["kind"] == "next category"
    assert proved.verdict in ("helps", "helps, but", "no evidence", "hurts")
    assert f"to find the next category: {HIT} " in str(proved)
    assert data["decisive"]["controls"] == list(CONTROLS)
    assert {row["arm"] for row in data["arms"]} == set(ARMS)
    assert data["better"] == {HIT: "higher"}
    assert data["story"]["finding"].startswith("With synthetic visitors added, right category of")
    assert "visitors asked" in data["story"]["power"]
    assert "shoppers" not in str(data["story"])
    assert data["story"]["next"]
    tried = {row["ratio"]: row["value"] for row in data["modes"][0]["choice"]["tried"]}
    assert proved.choice["ratio"] == min(tried, key=lambda ratio: (-tried[ratio], ratio))
    assert (proved.choice["ranker"], proved.choice["updates"]) == ("transitions", None)


def test_figures_are_those_of_the_definition(proved: Proof) -> None:
    """Oracle: split, fit on real data, look request by request whether the arc of the ring is right."""
    parts = split(small_shop(), SplitSettings(by="leave-last-out"), None, RUN)
    ranker = wareloom.ranker("transitions").fit(parts.train.in_memory())
    test = parts.test.table("events")
    task = build_task(parts)
    right = []
    for request, scores in zip(task.requests.users, ranker.score(task.requests), strict=True):
        wanted = test.filter(pl.col("user_id") == request)["item_id"][-1]
        first = ranker.items_[int(np.argmax(scores))]
        right.append(int(first[1:]) // 10 == int(wanted[1:]) // 10)
    real = proved.arms().filter(arm=REAL)
    assert real["requests"].item() == len(right)
    assert real["mean"].item() == pytest.approx(np.mean(right), abs=1e-7)
    assert 0.1 < np.mean(right) < 1
    mixed = proved.arms().filter(arm=MIXED)["mean"].item()
    against = proved.headline().filter(arm=MIXED, against=REAL)["lift"].item()
    assert against == pytest.approx((mixed - np.mean(right)) / np.mean(right), abs=1e-6)


def test_is_kept_read_and_shown_like_any_other(proved: Proof, tmp_path: Path) -> None:
    proved.save(tmp_path / "proof")
    opened = Proof.open(tmp_path / "proof")
    assert opened.id == proved.id
    write_report(opened, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert opened.data["sentence"].partition(":")[0] in page
    assert "visitors" in page


def test_goes_on_where_it_was_stopped(proved: Proof, tmp_path: Path) -> None:
    cached = RUN.with_(cache=tmp_path)
    assert prove_study(NextCategory, small_shop(), asked(), cached).data == proved.data
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert len(kept) > 2 * len(ARMS)
    assert prove_study(NextCategory, small_shop(), asked(), cached).data == proved.data
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_is_found_by_its_address_by_its_settings_and_in_one_call(proved: Proof) -> None:
    address = f"{__name__}:NextCategory"
    assert study_of(address) is NextCategory
    assert study_for(asked()) is NextCategory
    assert NextCategory.kind not in kinds(), "the house has no such kind"
    assert prove(small_shop(), asked(), RUN).data == proved.data
    once = wareloom.prove(
        small_shop(), of=address, split="leave-last-out", seeds=2, ratios=[0.5, 1.0], run=RUN,
        baselines={"popularity": {}}, generator=asked().generator,
    )  # fmt: skip
    assert once.data == proved.data
    with pytest.raises(SettingError, match=r"has no setting 'levle'\. Did you mean 'level'"):
        wareloom.prove(small_shop(), of=address, levle=0)


def test_refuses_what_all_refuse_and_what_it_alone_does() -> None:
    with pytest.raises(SettingError, match="CategorySettings: guard is 7; give a number from 0 to"):
        asked(guard=7)
    with pytest.raises(SettingError, match="'bm25' reads queries"):
        prove_study(NextCategory, small_shop(), asked(baselines={"bm25": {}}), RUN)
    plain = small_shop().table("items").drop("category")
    with pytest.raises(InputError, match=r"needs the column items\.category"):
        prove_study(NextCategory, small_shop().with_tables(items=plain), asked(), RUN)
