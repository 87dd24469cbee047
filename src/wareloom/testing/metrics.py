"""The contract of metrics: of rankings, clicks, classes; of likeness to real users, queries, pictures, dialogues."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np

from wareloom.core.family import Algorithm
from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.metrics import ClickMetric, Metric, Predicted, Ranked, RequestMetric
from wareloom.metrics.collect import Collector
from wareloom.metrics.likeness.dialogues.measure import DialogueMeasure
from wareloom.metrics.likeness.dialogues.samples import DialogueTrio, gathered_dialogues
from wareloom.metrics.likeness.measure import Figure, Measure
from wareloom.metrics.likeness.queries.measure import QueryMeasure
from wareloom.metrics.likeness.queries.samples import QueryTrio, gathered_queries
from wareloom.metrics.likeness.samples import Trio, gathered
from wareloom.shop import Shop
from wareloom.testing import laws as kit
from wareloom.testing.asked import asked, typed
from wareloom.testing.figures import told_well
from wareloom.testing.laws import Law, again, law, make, near, refused
from wareloom.testing.lively import lively, lively_events
from wareloom.testing.metrics_pictures import CLASSES, PICTURES, SLOTS
from wareloom.testing.talks import spoken, talks

RUN = Run(seed=1, threads=1)
LAWS: dict[str, Law] = {
    "every setting is documented": kit.documented,
    "settings go round": kit.settings_go_round,
}
"""What every metric keeps to"""
RANKINGS: dict[str, Law] = {}
CLICKS: dict[str, Law] = {}
USERS: dict[str, Law] = {}
QUERIES: dict[str, Law] = {}
DIALOGUES: dict[str, Law] = {}
KINDS = {"rankings": RANKINGS, "clicks": CLICKS, "users": USERS, "queries": QUERIES}
KINDS |= {"classes": CLASSES, "slots": SLOTS, "pictures": PICTURES, "dialogues": DIALOGUES}
"""What a metric keeps to beyond, by what it judges"""
FURTHER: dict[str, Law] = {}
"""What those keep to that name it in `laws`"""


def laws_of(cls: type[Algorithm]) -> dict[str, Law]:
    """The laws that a class is held to, by name."""
    judges = getattr(cls, "judges", None)
    assert judges in KINDS, f"{cls.__name__}.judges is {judges!r}; give one of {', '.join(KINDS)}."
    return kit.chosen(cls, LAWS | KINDS[judges], FURTHER)


def ranked(seed: int = 0, requests: int = 40, items: int = 25) -> Ranked:
    """Random scores, masked places, up to three graded relevant items a request."""
    rng = np.random.default_rng(seed)
    scores = rng.random((requests, items), dtype=np.float32)
    scores[rng.random(scores.shape) < 0.1] = -np.inf
    chosen = [rng.permutation(items)[: rng.integers(0, 4)] for _ in range(requests)]
    offsets = np.concatenate([[0], np.cumsum([len(c) for c in chosen])])
    collector = Collector(
        rng.integers(0, 50, items).astype(float), groups=rng.integers(-1, 4, items).astype(np.int32)
    )
    collector.add(
        scores, offsets, np.concatenate(chosen), rng.integers(1, 4, offsets[-1]).astype(float)
    )
    return collector.finish()


@law(RANKINGS, "saved and restored")
def saved_and_restored(cls: type[Metric]) -> None:
    """Saved and restored, it measures the same."""
    assert again(make(cls)).measure(ranked()) == make(cls).measure(ranked())


@law(RANKINGS, "a mean is that of its requests")
def a_mean_is_that_of_its_requests(cls: type[Metric]) -> None:
    """It is a float, and where it has values of requests, float64 [requests], it is their mean."""
    metric, outcome = make(cls), ranked()
    values = metric.per_request(outcome)
    assert isinstance(metric.measure(outcome), float)
    assert values is not None or not issubclass(cls, RequestMetric)
    if values is not None:
        assert values.shape == (40,)
        assert values.dtype == np.float64
        near(metric.measure(outcome), float(np.nanmean(values)))


@law(RANKINGS, "the order of requests does not matter")
def the_order_of_requests_does_not_matter(cls: type[Metric]) -> None:
    """Requests in another order give the same."""
    outcome = ranked()
    moved = np.random.default_rng(1).permutation(40)
    rows = np.concatenate([np.arange(outcome.offsets[r], outcome.offsets[r + 1]) for r in moved])
    other = Ranked(
        offsets=np.concatenate([[0], np.cumsum(np.diff(outcome.offsets)[moved])]),
        rank=outcome.rank[rows],
        grade=outcome.grade[rows],
        item=outcome.item[rows],
        candidates=outcome.candidates[moved],
        top=outcome.top[moved],
        popularity=outcome.popularity,
        groups=outcome.groups,
    )
    near(make(cls).measure(other), make(cls).measure(outcome))


@law(RANKINGS, "nothing ranked raises nothing")
def nothing_ranked_raises_nothing(cls: type[Metric]) -> None:
    """Without a request it is a float all the same, NaN where it is not defined."""
    assert isinstance(make(cls).measure(Collector(np.ones(5)).finish()), float)


@law(RANKINGS, "its input stays")
def its_input_stays(cls: type[Metric]) -> None:
    """What it measures is as it was before."""
    outcome = ranked()
    make(cls).measure(outcome)
    for name, value in vars(ranked()).items():
        np.testing.assert_array_equal(getattr(outcome, name), value)


def predicted(seed: int = 0, rows: int = 300) -> Predicted:
    """Random probabilities with ties, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    chance = np.round(rng.beta(2, 6, rows), 2)
    return Predicted.of((rng.random(rows) < chance).astype(float), chance)


@law(CLICKS, "saved and restored")
def saved_and_restored_of_clicks(cls: type[ClickMetric]) -> None:
    """Saved and restored, it measures the same."""
    assert again(make(cls)).measure(predicted()) == make(cls).measure(predicted())


@law(CLICKS, "weighted rows")
def weighted_rows(cls: type[ClickMetric]) -> None:
    """A row of weight 2 is the row twice, and one of no weight is none."""
    one = predicted()
    weight = np.random.default_rng(1).integers(0, 4, len(one)).astype(float)
    rows = np.repeat(np.arange(len(one)), weight.astype(int))
    twice = Predicted.of(one.label[rows], one.value[rows])
    heavy = Predicted.of(one.label, one.value, weight)
    near(make(cls).measure(heavy), make(cls).measure(twice))


@law(CLICKS, "the order of rows does not matter")
def the_order_of_rows_does_not_matter(cls: type[ClickMetric]) -> None:
    """Rows in another order give the same."""
    one = predicted()
    moved = np.random.default_rng(2).permutation(len(one))
    other = Predicted.of(one.label[moved], one.value[moved])
    near(make(cls).measure(other), make(cls).measure(one))


@law(CLICKS, "a mean is that of its rows")
def a_mean_is_that_of_its_rows(cls: type[ClickMetric]) -> None:
    """Where it has values of rows, float64, it is their mean."""
    values = make(cls).per_row(predicted())
    if values is not None:
        assert values.dtype == np.float64
        near(make(cls).measure(predicted()), float(values.mean()))


@law(CLICKS, "the truth is better than its opposite")
def the_truth_is_better_than_its_opposite(cls: type[ClickMetric]) -> None:
    """What happened, foretold, is better by `higher_is_better` than what did not."""
    label = predicted().label
    right, wrong = (make(cls).measure(Predicted.of(label, value)) for value in (label, 1 - label))
    assert right > wrong if cls.higher_is_better else right < wrong


@law(CLICKS, "nothing predicted is not defined")
def nothing_predicted_is_not_defined(cls: type[ClickMetric]) -> None:
    """Without a row it is NaN."""
    assert math.isnan(make(cls).measure(Predicted.of(np.zeros(0), np.zeros(0))))


@law(FURTHER, "refuses what is no click")
def refuses_what_is_no_click(cls: type[ClickMetric]) -> None:
    """A label that is no click, and a prediction that is no probability, are refused."""
    with refused(InputError, "label of row 1 is 3; a click is 1"):
        make(cls).measure(Predicted.of(np.array([1, 3]), np.array([0.5, 0.5])))
    with refused(InputError, r"prediction of row 0 is 1.5; a probability is in \[0, 1\]"):
        make(cls).measure(Predicted.of(np.array([1, 0]), np.array([1.5, 0.5])))


def trio_of(real: Shop, synthetic: Shop) -> Trio:
    """Samples of two shops, and of one held out."""
    return gathered(real, synthetic, lively(60, 2, "h"), 10, RUN)


@cache
def trio() -> Trio:
    """Samples of two lively shops."""
    return trio_of(lively(80, 1), lively(70, 3, "f"))


def figures(cls: type[Measure], of: Trio) -> list[Figure]:
    """What a measure finds in samples that have all it needs."""
    found = make(cls).compare(of, RUN)
    assert isinstance(found, list), found
    return found


@law(USERS, "saved and restored")
def saved_and_restored_of_users(cls: type[Measure]) -> None:
    """Saved and restored, it has the same settings."""
    assert again(make(cls)).settings() == make(cls).settings()


@law(USERS, "figures are numbers with intervals")
def figures_are_numbers_with_intervals(cls: type[Measure]) -> None:
    """Figures bear its name, and are finite, from 0, with value and floor in their intervals, and JSON."""
    told_well(make(cls).name, figures(cls, trio()))


@law(USERS, "the same seed")
def the_same_seed(cls: type[Measure]) -> None:
    """With the same seed it finds exactly the same."""
    assert figures(cls, trio()) == figures(cls, trio())


@law(USERS, "its input stays")
def its_samples_stay(cls: type[Measure]) -> None:
    """What it compares is as it was before."""
    of = trio_of(lively(80, 1), lively(70, 3, "f"))
    before = [sample.log.item.copy() for sample in (*of.samples, of.training)]
    figures(cls, of)
    for old, sample in zip(before, (*of.samples, of.training), strict=True):
        np.testing.assert_array_equal(old, sample.log.item)


@law(USERS, "the order of rows does not matter")
def the_order_of_events_does_not_matter(cls: type[Measure]) -> None:
    """Where no two events of a user share a time, rows in another order give exactly the same."""
    events = [lively_events(80, 1), lively_events(70, 3, "f")]
    assert all(not each.select("user_id", "time").is_duplicated().any() for each in events)
    moved = [
        lively(1, 1).with_tables(events=each.sample(fraction=1.0, shuffle=True, seed=9))
        for each in events
    ]
    assert figures(cls, trio_of(*moved)) == figures(cls, trio())


@law(USERS, "what a shop lacks is said")
def what_a_shop_lacks_is_said(cls: type[Measure]) -> None:
    """Without times and categories it says what it `needs` and misses, or finds its figures all the same."""
    shops = lively(80, 1), lively(70, 3, "f")
    bare = [
        shop.with_tables(
            events=shop.table("events").drop("time"), items=shop.table("items").drop("category")
        )
        for shop in shops
    ]
    found = make(cls).compare(trio_of(*bare), RUN)
    if cls.needs:
        assert found in (
            "REAL and SYNTH have no times",
            "REAL and SYNTH have no times, and not everybody has session ids",
            "REAL has no categories, or nearly all of its events are in one",
        )
    else:
        assert isinstance(found, list), found


@law(USERS, "users of one event each")
def users_of_one_event_each(cls: type[Measure]) -> None:
    """Where every user has one event it finds finite figures, or says why there are none."""
    shops = (
        shop.with_tables(
            events=shop.table("events").unique("user_id", keep="first", maintain_order=True)
        )
        for shop in (lively(80, 1), lively(70, 3, "f"))
    )
    found = make(cls).compare(trio_of(*shops), RUN)
    assert found
    assert isinstance(found, str) or all(math.isfinite(figure.value) for figure in found)


@cache
def _other() -> Trio:
    """The same real samples beside another synthetic one."""
    other = trio_of(lively(80, 1), lively(70, 4, "f"))
    return replace(other, real=trio().real, again=trio().again, training=trio().training)


@law(USERS, "the synthetic side moves the value")
def the_synthetic_side_moves_the_value(cls: type[Measure]) -> None:
    """Another synthetic sample gives another value, unless it is at an end."""
    for one, two in zip(figures(cls, trio()), figures(cls, _other()), strict=True):
        assert one.value != two.value or one.value in (0.0, 1.0)


@law(FURTHER, "the floor is of the real users alone")
def the_floor_is_of_the_real_users_alone(cls: type[Measure]) -> None:
    """Another synthetic sample leaves the floor where it was."""
    for one, two in zip(figures(cls, trio()), figures(cls, _other()), strict=True):
        near(one.floor, two.floor)


@cache
def query_trio() -> QueryTrio:
    """Samples of queries as they are typed: real, held out, and others in their manner."""
    made, seeds = "made@1", (1, 2, 3)
    real, held, fake = (typed(120, seed) for seed in seeds)
    return gathered_queries(asked(real), asked(fake, made), asked(held), 10, RUN)


def query_figures(cls: type[QueryMeasure]) -> list[Figure]:
    """What a measure finds in samples that have all it needs."""
    found = make(cls).compare(query_trio(), RUN)
    assert isinstance(found, list), found
    return found


@law(QUERIES, "saved and restored")
def saved_and_restored_of_queries(cls: type[QueryMeasure]) -> None:
    """Saved and restored, it has the same settings."""
    assert again(make(cls)).settings() == make(cls).settings()


@law(QUERIES, "figures are numbers with intervals")
def figures_of_queries_are_numbers_with_intervals(cls: type[QueryMeasure]) -> None:
    """Figures bear its name, and are finite, from 0, with value and floor in their intervals, and JSON."""
    told_well(make(cls).name, query_figures(cls))


@law(QUERIES, "the same seed")
def the_same_seed_of_queries(cls: type[QueryMeasure]) -> None:
    """With the same seed it finds exactly the same."""
    assert query_figures(cls) == query_figures(cls)


@law(QUERIES, "its input stays")
def its_queries_stay(cls: type[QueryMeasure]) -> None:
    """What it compares is as it was before."""
    before = [sample.text for sample in query_trio().samples]
    query_figures(cls)
    assert [sample.text for sample in query_trio().samples] == before


@cache
def dialogue_trio() -> DialogueTrio:
    """Samples of dialogues: real, held out, and others in their manner, whose agents say facts."""
    return gathered_dialogues(talks(60, 1), spoken(60, 3), talks(60, 2), 10, RUN)


def dialogue_figures(cls: type[DialogueMeasure]) -> list[Figure]:
    """What a measure finds in samples that have all it needs."""
    found = make(cls).compare(dialogue_trio(), RUN)
    assert isinstance(found, list), found
    return found


@law(DIALOGUES, "saved and restored")
def saved_and_restored_of_dialogues(cls: type[DialogueMeasure]) -> None:
    """Saved and restored, it has the same settings."""
    assert again(make(cls)).settings() == make(cls).settings()


@law(DIALOGUES, "figures are numbers with intervals")
def figures_of_dialogues_are_numbers_with_intervals(cls: type[DialogueMeasure]) -> None:
    """Figures bear its name, and are finite, from 0, with value and floor in their intervals, and JSON."""
    told_well(make(cls).name, dialogue_figures(cls))


@law(DIALOGUES, "the same seed")
def the_same_seed_of_dialogues(cls: type[DialogueMeasure]) -> None:
    """With the same seed it finds exactly the same."""
    assert dialogue_figures(cls) == dialogue_figures(cls)


@law(DIALOGUES, "its input stays")
def its_dialogues_stay(cls: type[DialogueMeasure]) -> None:
    """What it compares is as it was before."""
    before = [sample.dialogues for sample in dialogue_trio().samples]
    dialogue_figures(cls)
    assert [sample.dialogues for sample in dialogue_trio().samples] == before
