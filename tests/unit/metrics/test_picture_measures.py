"""Measures of pictures beside slow obvious versions, and a memoriser that has to be told."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from wareloom.core.run import Run
from wareloom.metrics import Classified
from wareloom.metrics.classes.accuracy import Accuracy
from wareloom.metrics.classes.macro_f1 import MacroF1
from wareloom.metrics.likeness.pictures.kernel_distance import KernelDistance, discrepancy
from wareloom.metrics.likeness.pictures.measure import reached
from wareloom.metrics.likeness.pictures.picture_class import PictureClass
from wareloom.metrics.likeness.pictures.picture_copies import PictureCopies
from wareloom.metrics.likeness.pictures.picture_coverage import PictureCoverage
from wareloom.metrics.likeness.pictures.picture_density import PictureDensity
from wareloom.metrics.likeness.pictures.picture_precision import PicturePrecision
from wareloom.metrics.likeness.pictures.picture_recall import PictureRecall
from wareloom.metrics.likeness.pictures.samples import PictureSample, PictureTrio
from wareloom.testing.metrics_pictures import classified, sample, trio

RUN = Run(seed=1, threads=1)


def slow(real: np.ndarray, fake: np.ndarray, k: int) -> dict[str, float]:
    """Precision, recall, density and coverage as they are defined, picture by picture."""

    def reach(points: np.ndarray) -> list[float]:
        return [
            sorted(
                float(((points[i] - points[j]) ** 2).sum()) for j in range(len(points)) if j != i
            )[k - 1]
            for i in range(len(points))
        ]

    near_real, near_fake = reach(real), reach(fake)
    inside = [
        [float(((r - f) ** 2).sum()) <= near_real[i] for f in fake] for i, r in enumerate(real)
    ]
    told = [[float(((r - f) ** 2).sum()) <= near_fake[j] for j, f in enumerate(fake)] for r in real]
    return {
        "precision": float(np.mean([any(row[j] for row in inside) for j in range(len(fake))])),
        "recall": float(np.mean([any(row) for row in told])),
        "density": float(np.mean([sum(row[j] for row in inside) for j in range(len(fake))])) / k,
        "coverage": float(np.mean([any(row) for row in inside])),
    }


def test_neighbourhoods_are_those_of_the_definitions() -> None:
    of = trio()
    wanted = slow(of.real.vectors, of.synthetic.vectors, 5)
    for name, cls in (
        ("precision", PicturePrecision),
        ("recall", PictureRecall),
        ("density", PictureDensity),
        ("coverage", PictureCoverage),
    ):
        found = cls().compare(of, RUN)
        assert not isinstance(found, str)
        assert found[0].about["synthetic photos"] == pytest.approx(wanted[name])
        assert found[0].value == pytest.approx(max(0.0, 1 - wanted[name]))
        assert 0 < wanted[name] < 1.2


def test_the_kernel_distance_is_that_of_the_definition() -> None:
    of = trio()
    a, b = of.real.vectors.astype(np.float64), of.synthetic.vectors.astype(np.float64)

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y + 1) ** 3)

    n = len(a)
    within = sum(k(x[i], x[j]) for x in (a, b) for i in range(n) for j in range(n) if i != j)
    wanted = within / (n * (n - 1)) - 2 * np.mean([[k(x, y) for y in b] for x in a])
    kernel = (2 - of.distances.astype(np.float64) / 2) ** 3
    assert discrepancy(kernel, of.places(0), of.places(2)) == pytest.approx(wanted, abs=1e-4)
    found = KernelDistance(subset=30).compare(of, RUN)
    assert not isinstance(found, str)
    assert found[0].about["kid"] == pytest.approx(wanted, abs=4 * found[0].about["sd"])
    assert found[0].about["subset"] == 30
    assert found[0].value > 2 * found[0].floor_high, "the sample was moved away"


def memorised(trio_: PictureTrio) -> PictureTrio:
    """The training photos given for synthetic ones."""
    return PictureTrio(
        trio_.real,
        trio_.again,
        trio_.real,
        trio_.training,
        trio_.held_out,
        trio_.sizes,
    )


def test_a_memoriser_is_told_by_its_copies_and_scores_as_the_training_photos_do() -> None:
    copied, fair = memorised(trio()), trio(moved=0.0)
    caught = PictureCopies().compare(copied, RUN)
    missed = PictureCopies().compare(fair, RUN)
    assert not isinstance(caught, str)
    assert not isinstance(missed, str)
    assert caught[0].value == 1.0
    assert caught[0].low > caught[0].floor_high
    assert missed[0].value == missed[0].floor == 0.0
    for cls in (PicturePrecision, PictureRecall, PictureDensity, PictureCoverage):
        found = cls().compare(copied, RUN)
        assert not isinstance(found, str)
        assert found[0].about["synthetic photos"] == found[0].about["training photos"]
        assert found[0].value < found[0].floor, "a memoriser looks better than real photos do"


def test_a_mirrored_and_a_noisy_copy_are_copies_and_a_near_vector_alone_is_none() -> None:
    of = trio(moved=0.0)
    rng = np.random.default_rng(0)
    near = of.real.vectors + rng.normal(0, 0.005, of.real.vectors.shape).astype(np.float32)
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    mirrored = of.real.marks[:, ::-1].copy()
    mirrored[:, :, :2] ^= True
    for marks, share in ((mirrored, 1.0), (sample(8).marks, 0.0)):
        made = PictureSample(near.astype(np.float32), of.real.classes, marks)
        found = PictureCopies().compare(
            PictureTrio(of.real, of.again, made, of.training, True, of.sizes), RUN
        )
        assert not isinstance(found, str)
        assert found[0].value == share


def test_a_judge_finds_pictures_of_another_class() -> None:
    fair = PictureClass().compare(trio(moved=0.0), RUN)
    of = trio(moved=0.0)
    swapped = tuple("shoe" if one == "hat" else one for one in of.synthetic.classes)
    wrong = PictureSample(of.synthetic.vectors, swapped, of.synthetic.marks)
    found = PictureClass().compare(
        PictureTrio(of.real, of.again, wrong, of.training, True, of.sizes), RUN
    )
    assert not isinstance(fair, str)
    assert not isinstance(found, str)
    assert fair[0].value < 0.1
    assert found[0].value > fair[0].value + 0.2, "a third says another class"
    without = PictureSample(of.again.vectors, (None,) * 60, of.again.marks)
    nothing = PictureTrio(of.real, without, of.synthetic, of.training, True, of.sizes)
    assert PictureClass().compare(nothing, RUN) == (
        "real photos are of one class, or of none: items need a category"
    )


def test_the_floor_of_a_judge_is_of_photos_that_did_not_teach_it() -> None:
    """Labels in random order teach nothing: two in three of other photos are told wrongly, of its own next to none."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(2, 60, 80)).astype(np.float32)
    labels = [tuple(rng.choice(["hat", "shirt", "shoe"], 60).tolist()) for _ in range(2)]
    marks = sample(60).marks
    real, again = (PictureSample(v, of, marks[:60]) for v, of in zip(vectors, labels, strict=True))
    trio_ = PictureTrio(real, again, real, real, True, {})
    found = PictureClass(penalty=1e-6).compare(trio_, RUN)
    assert not isinstance(found, str)
    assert found[0].floor > 0.4


def test_the_reach_leaves_a_picture_itself_out() -> None:
    points = np.array([0.0, 1.0, 3.0])
    distances = (points[:, None] - points[None, :]) ** 2
    assert reached(distances, 1).tolist() == [1.0, 1.0, 4.0]
    assert reached(distances, 9).tolist() == [9.0, 4.0, 9.0], "no further than there are others"


def test_macro_f1_and_accuracy_are_those_of_the_library() -> None:
    of = classified(photos=200)
    wanted = f1_score(of.truth, of.said, labels=[0, 1, 2], average="macro")
    assert MacroF1().measure(of) == pytest.approx(wanted)
    each = f1_score(of.truth, of.said, labels=[0, 1, 2], average=None)
    for code, one in enumerate(each):
        assert np.mean(MacroF1().per_photo(of)[str(code)]) == pytest.approx(one)
    assert Accuracy().measure(of) == pytest.approx((of.truth == of.said).mean())


def test_the_spread_of_macro_f1_is_that_of_a_bootstrap() -> None:
    of, rng = classified(photos=300), np.random.default_rng(0)
    drawn = []
    for _ in range(400):
        rows = rng.integers(0, 300, 300)
        drawn.append(MacroF1().measure(Classified(of.truth[rows], of.chance[rows])))
    ours = np.std(MacroF1().per_photo(of)["all"]) / 300**0.5
    assert ours == pytest.approx(np.std(drawn), rel=0.15)
