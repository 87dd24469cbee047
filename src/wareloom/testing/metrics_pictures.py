"""The contract of metrics of classes that are said of photos, and of likeness to real pictures."""

from __future__ import annotations

import numpy as np

from wareloom.core.run import Run
from wareloom.metrics import Classified, ClassMetric
from wareloom.metrics.likeness.measure import Figure
from wareloom.metrics.likeness.pictures.measure import PictureMeasure
from wareloom.metrics.likeness.pictures.samples import PictureSample, PictureTrio
from wareloom.testing.figures import told_well
from wareloom.testing.laws import Law, again, law, make, near

RUN = Run(seed=1, threads=1)
CLASSES: dict[str, Law] = {}
SLOTS: dict[str, Law] = {}
PICTURES: dict[str, Law] = {}
KINDS = ("hat", "shirt", "shoe")


def classified(seed: int = 0, photos: int = 60) -> Classified:
    """Photos of three classes, two in three of which are told rightly, and one that could not be read."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, photos)
    chance = rng.dirichlet(np.ones(4), photos).astype(np.float32)
    chance[np.arange(photos), truth] += rng.random(photos) < 0.5
    chance[0] = np.nan
    return Classified(truth, chance)


@law(CLASSES, "saved and restored")
def saved_and_restored_of_classes(cls: type[ClassMetric]) -> None:
    """Saved and restored, it measures the same."""
    assert again(make(cls)).measure(classified()) == make(cls).measure(classified())


@law(CLASSES, "a mean is that of its photos")
def a_mean_is_that_of_its_photos(cls: type[ClassMetric]) -> None:
    """It is the mean of its values of photos, float64 [photos] in each slice, within its bounds."""
    _a_mean(cls, {"all", "0", "1", "2"})


@law(SLOTS, "a mean is that of its tokens")
def a_mean_is_that_of_its_tokens(cls: type[ClassMetric]) -> None:
    """It is the mean of its values of tokens; class 0, of no slot, is no slice, and nothing is won by it."""
    _a_mean(cls, {"all", "1", "2"})
    none = Classified(np.zeros(9, dtype=np.int64), np.eye(3, dtype=np.float32)[np.zeros(9, int)])
    assert np.isnan(make(cls).measure(none))


def _a_mean(cls: type[ClassMetric], slices: set[str]) -> None:
    metric = make(cls)
    values = metric.per_photo(classified())
    assert set(values) == slices
    assert all(each.shape == (60,) and each.dtype == np.float64 for each in values.values())
    near(metric.measure(classified()), float(np.mean(values["all"])))
    assert cls.bounds[0] <= metric.measure(classified()) <= cls.bounds[1]


@law(CLASSES, "the order of photos does not matter")
def the_order_of_photos_does_not_matter(cls: type[ClassMetric]) -> None:
    """Photos in another order give the same."""
    of, moved = classified(), np.random.default_rng(1).permutation(60)
    near(make(cls).measure(Classified(of.truth[moved], of.chance[moved])), make(cls).measure(of))


@law(CLASSES, "what is right is best")
def what_is_right_is_best(cls: type[ClassMetric]) -> None:
    """Where all is right it is at its best bound, and worse where a photo is wrong."""
    truth = classified().truth
    right = Classified(truth, np.eye(4, dtype=np.float32)[truth])
    best = cls.bounds[1] if cls.higher_is_better else cls.bounds[0]
    near(make(cls).measure(right), best)
    assert make(cls).measure(classified()) != best


@law(CLASSES, "nothing said raises nothing")
def nothing_said_raises_nothing(cls: type[ClassMetric]) -> None:
    """Without a photo it is a float all the same."""
    nothing = Classified(np.zeros(0, dtype=np.int64), np.zeros((0, 3), dtype=np.float32))
    assert isinstance(make(cls).measure(nothing), float)


# In the order of the laws: a set's order would differ from process to process.
SLOTS |= {name: own for name, own in CLASSES.items() if name != "a mean is that of its photos"}


def sample(seed: int, pictures: int = 60, moved: float = 0.0) -> PictureSample:
    """Vectors about three means, a class each, and hashes at random."""
    rng = np.random.default_rng(seed)
    kind = np.arange(pictures) % 3
    vectors = rng.normal(0, 1, (pictures, 12)) + 3 * np.eye(12)[kind] + moved
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    marks = rng.random((pictures, 2, 64)) < 0.5
    return PictureSample(vectors.astype(np.float32), tuple(KINDS[k] for k in kind), marks)


def trio(moved: float = 0.3, seed: int = 3) -> PictureTrio:
    """Real samples, and a synthetic one that is moved away."""
    real, again_, made = sample(1), sample(2), sample(seed, moved=moved)
    sizes = {"real": 60, "synthetic": 60, "holdout": 60}
    return PictureTrio(real, again_, made, real, held_out=True, sizes=sizes)


def figures(cls: type[PictureMeasure], of: PictureTrio) -> list[Figure]:
    """What a measure finds."""
    found = make(cls).compare(of, RUN)
    assert isinstance(found, list), found
    return found


@law(PICTURES, "saved and restored")
def saved_and_restored_of_pictures(cls: type[PictureMeasure]) -> None:
    """Saved and restored, it has the same settings."""
    assert again(make(cls)).settings() == make(cls).settings()


@law(PICTURES, "figures are numbers with intervals")
def figures_of_pictures_are_numbers_with_intervals(cls: type[PictureMeasure]) -> None:
    """Figures bear its name, are finite, within their intervals, and tell what training photos would score."""
    found = figures(cls, trio())
    told_well(make(cls).name, found)
    assert all(isinstance(figure.about["training photos"], float) for figure in found)


@law(PICTURES, "the same seed")
def the_same_seed_of_pictures(cls: type[PictureMeasure]) -> None:
    """With the same seed it finds exactly the same."""
    assert figures(cls, trio()) == figures(cls, trio())


@law(PICTURES, "its input stays")
def its_pictures_stay(cls: type[PictureMeasure]) -> None:
    """What it compares is as it was before."""
    of = trio()
    figures(cls, of)
    for one, other in zip(
        (of.real, of.again, of.synthetic), (sample(1), sample(2), sample(3, moved=0.3)), strict=True
    ):
        np.testing.assert_array_equal(one.vectors, other.vectors)


@law(PICTURES, "the floor is of the real pictures alone")
def the_floor_is_of_the_real_pictures_alone(cls: type[PictureMeasure]) -> None:
    """Another synthetic sample leaves the floor where it was."""
    for one, other in zip(figures(cls, trio()), figures(cls, trio(2.0, 5)), strict=True):
        near(one.floor, other.floor)
