"""The torch blocks: laws of batches, causality, losses against the plain softmax, the training loop."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import small_shop
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError, SourceError
from wareloom.neural import torch
from wareloom.neural.batches import bucketed, padded, windows
from wareloom.neural.dropout import dropout
from wareloom.neural.items import ItemTable
from wareloom.neural.loss import gbce_loss, kl_loss, sampled_softmax_loss, softmax_loss
from wareloom.neural.training import Training, seeded, train
from wareloom.neural.transformer import CausalEncoder
from wareloom.shop import Log, Requests


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=60), st.integers(1, 200), st.integers(0, 5)
)
def test_every_user_is_in_one_batch_and_batches_keep_their_size(
    sizes: list[int], tokens: int, seed: int
) -> None:
    lengths = np.array(sizes)
    batches = list(bucketed(lengths, tokens, np.random.default_rng(seed)))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(sizes)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= tokens


def test_histories_are_cut_to_their_end_and_laid_out_from_the_left() -> None:
    starts, sizes = windows(np.array([0, 2, 2, 7]), 3)
    assert padded(np.arange(10, 17), starts, sizes).tolist() == [
        [10, 11, 0],
        [0, 0, 0],
        [14, 15, 16],
    ]


def test_no_place_knows_what_comes_after_it() -> None:
    torch.manual_seed(0)
    encoder = CausalEncoder(size=8, length=6, layers=2, heads=2, dropout=0.0).eval()
    items = ItemTable(20, 8)
    one, other = torch.tensor([[1, 2, 3, 4, 5, 6]]), torch.tensor([[1, 2, 3, 9, 8, 7]])
    with torch.no_grad():
        a, b = encoder(items(one)), encoder(items(other))
    assert torch.allclose(a[:, :3], b[:, :3], atol=1e-6)
    assert not torch.allclose(a[:, 3], b[:, 3], atol=1e-3)


def test_losses_are_the_softmax() -> None:
    generator = torch.Generator().manual_seed(1)
    state, table = torch.randn(5, 4, generator=generator), torch.randn(7, 4, generator=generator)
    bias, target = torch.randn(7, generator=generator), torch.tensor([0, 1, 2, 6, 6])
    weight = torch.tensor([1.0, 2.0, 1.0, 0.0, 1.0])
    logits = (state @ table.T + bias).double().numpy()
    each = np.log(np.exp(logits).sum(1)) - logits[np.arange(5), target.numpy()]
    expected = (each * weight.numpy()).sum() / 5.0
    assert float(softmax_loss(state, target, weight, table, bias)) == pytest.approx(
        expected, rel=1e-5
    )
    every = torch.arange(7)
    rows = table.__getitem__
    sampled = sampled_softmax_loss(state, target, weight, rows, bias, every, torch.zeros(7))
    assert float(sampled) == pytest.approx(expected, rel=1e-5)


def test_the_correction_makes_sampling_unbiased() -> None:
    """With many negatives drawn from any q the corrected loss comes to that of the full softmax."""
    generator = torch.Generator().manual_seed(2)
    state, table = (
        torch.randn(3, 4, generator=generator),
        torch.randn(50, 4, generator=generator) * 0.5,
    )
    bias, target, weight = torch.zeros(50), torch.tensor([4, 30, 49]), torch.ones(3)
    q = torch.arange(1, 51).double() ** 1.5
    q = q / q.sum()
    drawn = torch.multinomial(q, 200_000, replacement=True, generator=generator)
    log_q, rows = torch.log(q * len(drawn)).float(), table.__getitem__
    full = float(softmax_loss(state, target, weight, table, bias))
    corrected = float(sampled_softmax_loss(state, target, weight, rows, bias, drawn, log_q))
    plain = float(
        sampled_softmax_loss(
            state, target, weight, rows, bias, drawn, torch.log(torch.full((50,), 4000.0))
        )
    )
    assert abs(corrected - full) < 0.01 < abs(plain - full)


def test_training_keeps_the_best_weights_and_stops_when_it_gets_no_better() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 0.0)
    values = iter([1.0, 3.0, 2.0, 1.0, 5.0])
    seen = []

    def evaluate() -> float:
        seen.append(float(model.weight.detach()))
        return next(values)

    how = Training(learning_rate=0.1, epochs=5, warmup=1, patience=2)
    history = train(
        model,
        lambda epoch: [1.0],
        lambda x: (model.weight - 1.0).square().sum(),
        how,
        Run(),
        evaluate,
    )
    assert [entry["value"] for entry in history] == [1.0, 3.0, 2.0, 1.0]
    assert float(model.weight.detach()) == seen[1]


def test_a_seed_inside_leaves_the_stream_outside_alone() -> None:
    torch.manual_seed(5)
    with seeded(Run(seed=1), "here"):
        first = torch.rand(3)
    outside = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), outside)
    with seeded(Run(seed=1), "here"):
        assert torch.equal(torch.rand(3), first)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(SettingError, match="sasrec: heads is 3; give a divisor of embedding_size"):
        RANKERS.make("sasrec", embedding_size=64, heads=3)


def test_order_matters_to_sasrec() -> None:
    """On a ring, i5 follows after i3, i4 rather than after i4, i3."""
    ranker = RANKERS.make("sasrec", **quick(epochs=40, dropout=0.0)).fit(
        small_shop(users=200), Run(seed=1)
    )
    up, down = ranker.score(Requests.sessions([["i3", "i4"], ["i4", "i3"]]))
    assert up[5] > down[5]


def test_gbce_between_the_binary_loss_and_calibration() -> None:
    generator = torch.Generator().manual_seed(3)
    state, table = torch.randn(4, 5, generator=generator), torch.randn(9, 5, generator=generator)
    bias, target, weight = (
        torch.randn(9, generator=generator),
        torch.tensor([0, 3, 3, 8]),
        torch.tensor([1.0, 2, 0, 1]),
    )
    drawn, share = torch.tensor([1, 3, 5]), 3 / 8
    logits = (state @ table.T + bias).double().numpy()
    for calibration, power in ((0.0, 1.0), (1.0, share)):
        each = []
        for row, wanted in enumerate(target.tolist()):
            own = -power * np.log(1 / (1 + np.exp(-logits[row, wanted])))
            each.append(
                own + sum(np.log1p(np.exp(logits[row, j])) for j in drawn.tolist() if j != wanted)
            )
        expected = (np.array(each) * weight.numpy()).sum() / 4.0
        found = gbce_loss(state, target, weight, table.__getitem__, bias, drawn, share, calibration)
        assert float(found) == pytest.approx(expected, rel=1e-5)


def test_kl_is_zero_where_the_distributions_agree() -> None:
    logits = torch.tensor([[1.0, 2.0, 0.5], [0.0, 0.0, 5.0]])
    wanted = torch.softmax(logits, dim=1)
    assert float(kl_loss(logits, wanted, torch.ones(2))) == pytest.approx(0.0, abs=1e-6)
    sure = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    expected = -torch.log_softmax(logits, dim=1)[[0, 1], [0, 1]].mean()
    assert float(kl_loss(logits, sure, torch.ones(2))) == pytest.approx(float(expected), rel=1e-6)


def test_dropout_keeps_the_mean_and_drops_its_share() -> None:
    with seeded(Run(seed=3)):
        x = torch.ones(200, 501, requires_grad=True)
        found = dropout(x, 0.4, training=True)
        found.sum().backward()
    dropped = (found == 0).detach()
    assert float(dropped.float().mean()) == pytest.approx(0.4, abs=0.005)
    assert float(found.detach().mean()) == pytest.approx(1.0, abs=0.01)
    assert torch.equal(x.grad, found.detach())
    for part in (dropped.float().mean(0), dropped.float().mean(1)):
        assert float((part - 0.4).abs().max()) < 0.2
    assert torch.equal(dropout(x, 0.4, training=False), x)


def test_a_batch_of_nothing_but_the_target_has_a_gradient() -> None:
    state = torch.ones(2, 3, requires_grad=True)
    table, bias, ones = torch.ones(5, 3), torch.zeros(5), torch.ones(2)
    target, drawn = torch.tensor([4, 4]), torch.tensor([4])
    loss = sampled_softmax_loss(state, target, ones, table.__getitem__, bias, drawn, torch.zeros(5))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert torch.isfinite(state.grad).all()


def noisy(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1))


def rows(epoch: int) -> Iterator[tuple[object, object]]:
    rng = np.random.default_rng(epoch)
    for _ in range(7):
        x = torch.from_numpy(rng.normal(size=(16, 4)).astype(np.float32))
        yield x, x.sum(1, keepdim=True)


class Killed(Exception):
    pass


@pytest.mark.parametrize("stop", [3, 7, 10])
def test_a_stopped_training_goes_on_to_the_same_weights(tmp_path: Path, stop: int) -> None:
    """Killed between two evaluations, amid an epoch: dropout, moments, schedule and best weights come out alike."""

    def fit(
        path: Path | None, die_after: int = 10**9
    ) -> tuple[dict[str, object], list[dict[str, float]]]:
        with seeded(Run(seed=4)):
            model, seen = noisy(), []

            def evaluate() -> float:
                seen.append(1)
                if len(seen) > die_after:
                    raise Killed
                return float(np.sin(3.0 * float(next(model.parameters()).sum())))

            how = Training(learning_rate=0.05, epochs=14, updates=33, warmup=5, patience=0)
            loss = lambda batch: (model(batch[0]) - batch[1]).square().mean()  # noqa: E731
            return model.state_dict(), train(
                model, rows, loss, how, Run(), evaluate, checkpoint=path
            )

    whole, history = fit(None)
    path = tmp_path / "state.safetensors"
    with pytest.raises(Killed):
        fit(path, stop)
    assert path.exists()
    again, resumed = fit(path)
    assert resumed == history
    for name, value in whole.items():
        assert torch.equal(value, again[name])
    assert not path.exists()


def test_a_broken_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    path.write_bytes(b"cut short")
    model = noisy()
    how = Training(learning_rate=0.05, epochs=1)
    with pytest.raises(SourceError, match=r"state\.safetensors cannot be read"):
        train(model, rows, lambda b: model(b[0]).sum(), how, Run(), checkpoint=path)


def test_gradients_add_up_to_those_of_one_batch() -> None:
    """Two batches of 16 accumulated are one batch of 32."""

    def fit(size: int, accumulate: int) -> torch.nn.Module:
        torch.manual_seed(1)
        model = torch.nn.Linear(4, 1)
        x = torch.from_numpy(np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32))
        batches = [x[start : start + size] for start in range(0, 64, size)]
        how = Training(learning_rate=0.1, epochs=3, accumulate=accumulate, warmup=1)
        train(
            model,
            lambda _: batches,
            lambda b: (model(b) - b.sum(1, keepdim=True)).square().mean(),
            how,
            Run(),
        )
        return model

    one, two = fit(32, 1), fit(16, 2)
    assert torch.allclose(one.weight, two.weight, atol=1e-6)


def test_updates_are_as_many_as_asked_for() -> None:
    model, steps = noisy(), []
    how = Training(learning_rate=0.05, epochs=4, updates=18)
    history = train(
        model, rows, lambda b: (steps.append(1), model(b[0]).square().mean())[1], how, Run()
    )
    assert len(steps) == 18
    assert [entry["step"] for entry in history] == [4, 8, 12, 16, 18]


def test_a_constant_schedule_stays_up() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 0.0)
    how = Training(learning_rate=0.1, epochs=1, updates=20, warmup=1, schedule="constant", clip=1e9)
    train(model, lambda _: [1.0] * 20, lambda x: -model.weight.sum(), how, Run())
    assert float(model.weight.detach()) == pytest.approx(2.0, rel=1e-3)


@pytest.mark.parametrize("kind", ["tensorboard", "wandb"])
def test_losses_are_told_to_a_listener(kind: str, tmp_path: Path) -> None:
    model = noisy()
    how = Training(learning_rate=0.05, epochs=3)
    train(model, rows, lambda b: model(b[0]).square().mean(), how, Run(track=f"{kind}:{tmp_path}"))
    if kind == "wandb":
        assert list(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))
        return
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(tmp_path)).Reload()
    assert [point.step for point in board.Scalars("loss")] == [7, 14, 21]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_losses_are_told_to_mlflow(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    model = noisy()
    train(
        model,
        rows,
        lambda b: model(b[0]).square().mean(),
        Training(learning_rate=0.05, epochs=2),
        Run(track=f"mlflow:{tmp_path}"),
    )
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    (job,) = client.search_runs([client.get_experiment_by_name("wareloom").experiment_id])
    assert [m.step for m in client.get_metric_history(job.info.run_id, "loss")] == [7, 14]
    assert job.info.status == "FINISHED"


def test_an_unknown_listener_is_refused() -> None:
    with pytest.raises(SettingError, match=r"track='tensorbord:x' is not understood.*tensorboard"):
        train(
            noisy(),
            rows,
            lambda b: b,
            Training(learning_rate=0.1, epochs=1),
            Run(track="tensorbord:x"),
        )


def test_a_gpu_that_is_not_there_is_named() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SettingError, match="torch finds no GPU"):
        train(noisy(), rows, lambda b: b, Training(learning_rate=0.1, epochs=1), Run(device="cuda"))


SHARED = """
import json, os, sys
from pathlib import Path
import numpy as np
from wareloom.neural import torch
from wareloom.neural.training import Training, train
from wareloom.core.run import Run
torch.manual_seed(1)
model = torch.nn.Linear(4, 1)
x = torch.from_numpy(np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32))
batches = [x[i : i + 16] for i in range(0, 64, 16)]
how = Training(learning_rate=0.1, epochs=3, accumulate=int(sys.argv[1]), warmup=1)
train(model, lambda _: batches, lambda b: (model(b) - b.sum(1, keepdim=True)).square().mean(), how, Run(threads=1))
Path(sys.argv[2], os.environ.get("RANK", "alone")).write_text(json.dumps(model.weight.tolist()))
# On a busy machine threads of torch may abort a process whose interpreter ends; what is tested is written by now.
os._exit(0)
"""


@pytest.mark.slow
def test_two_processes_come_to_what_one_comes_to(tmp_path: Path) -> None:
    """Two real processes that take a batch each per update, against one that adds up two batches."""
    script = tmp_path / "shared.py"
    script.write_text(SHARED)
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node",
        "2",
    ]
    both = subprocess.run(
        [*launch, str(script), "1", str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert both.returncode == 0, both.stderr[-2000:]
    subprocess.run(
        [sys.executable, str(script), "2", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found = [np.array(json.loads((tmp_path / name).read_text())) for name in ("alone", "0", "1")]
    for weights in found[1:]:
        np.testing.assert_allclose(weights, found[0], rtol=1e-4, atol=1e-5)


def quick(**settings: object) -> dict[str, object]:
    return {"epochs": 6, "embedding_size": 16, "dropout": 0.1, "batch_size": 512} | settings


def test_a_ranker_takes_the_updates_of_the_run() -> None:
    shop = small_shop(users=200)
    ranker = RANKERS.make("sasrec", **quick()).fit(shop, Run(seed=1))
    assert ranker.updates_ == ranker.training_[-1]["step"]
    more = RANKERS.make("sasrec", **quick()).fit(shop, Run(seed=1, updates=50))
    assert (more.updates_, more.training_[-1]["step"]) == (50, 50)


def test_a_stopped_ranker_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wareloom.neural import training

    shop, run = small_shop(users=200), Run(seed=1, cache=tmp_path)
    asked = Requests.sessions([["i3", "i4"]])
    whole = RANKERS.make("sasrec", **quick()).fit(shop, Run(seed=1)).score(asked)
    saved, calls = training.save_checkpoint, []

    def killed(*args: object) -> None:
        saved(*args)
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "save_checkpoint", killed)
    with pytest.raises(KeyboardInterrupt):
        RANKERS.make("sasrec", **quick()).fit(shop, run)
    monkeypatch.setattr(training, "save_checkpoint", saved)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1
    again = RANKERS.make("sasrec", **quick()).fit(shop, run)
    np.testing.assert_array_equal(again.score(asked), whole)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_rows_come_and_go_while_a_ranker_is_taught() -> None:
    """A ring walked upwards early and downwards late is remembered downwards; the other way round, upwards."""
    shop = small_shop(users=300)
    events = shop.table("events")
    down = events.with_columns(
        user_id=pl.format("d{}", "user_id"),
        item_id=pl.format("i{}", (30 - pl.col("item_id").str.slice(1).cast(pl.Int64)) % 30),
    )

    def taught(first: pl.DataFrame, last: pl.DataFrame) -> np.ndarray:
        both = [
            first.with_columns(since=pl.lit(0.0), until=pl.lit(0.4)),
            last.with_columns(since=pl.lit(0.4), until=pl.lit(1.0)),
        ]
        ranker = RANKERS.make("sasrec", **quick(epochs=30, validation=0.0))
        return ranker.fit(shop.with_tables(events=pl.concat(both)), Run(seed=1)).score(
            Requests.sessions([["i10"]])
        )[0]

    late_down, late_up = taught(events, down), taught(down, events)
    assert late_down[9] > late_down[11]
    assert late_up[11] > late_up[9]


def test_a_ranker_without_updates_refuses_rows_that_come_and_go() -> None:
    log = Log.of(small_shop())
    spans = np.tile(np.array([0.0, 0.5], dtype=np.float32), (len(log), 1))
    with pytest.raises(InputError, match="'ease' learns from all rows at once"):
        RANKERS.make("ease").fit(replace(log, span=spans))


def test_text_tells_of_items_without_events() -> None:
    """Colours follow each other; a new red item is recommended where red ones are."""
    rng = np.random.default_rng(0)
    colours = ["red", "green", "blue"]
    items = pl.DataFrame(
        {
            "item_id": [f"i{i}" for i in range(60)],
            "title": [f"{colours[i % 3]} thing" for i in range(60)],
        }
    )
    rows_ = []
    for user in range(300):
        kind = int(rng.integers(3))
        for place in range(6):
            item = 3 * int(rng.integers(2, 20)) + (kind + place) % 3
            rows_.append((f"u{user}", f"i{item}", "purchase"))
    events = pl.DataFrame(rows_, schema=["user_id", "item_id", "event"], orient="row")
    shop = small_shop().with_tables(items=items, events=events)
    ranker = RANKERS.make("sasrec", **quick(epochs=40, text="tfidf")).fit(shop, Run(seed=1))
    scores = ranker.score(Requests.sessions([["i6", "i7"]]), ["i0", "i1", "i2"])[0]
    assert scores.argmax() == 2
    with pytest.raises(InputError, match="needs a shop with items"):
        RANKERS.make("sasrec", text="tfidf").fit(Log.of(shop))


@pytest.mark.parametrize(
    "settings", [{"loss": "gbce"}, {"negatives": 5}, {"loss": "gbce", "negatives": 5}]
)
def test_every_loss_learns_the_ring(settings: dict[str, object]) -> None:
    ranker = RANKERS.make("sasrec", **quick(epochs=80, learning_rate=0.01, **settings)).fit(
        small_shop(users=300), Run(seed=1)
    )
    scores = ranker.score(Requests.sessions([[f"i{i}"] for i in range(29)]))
    assert np.mean([(scores[i] > scores[i, i + 1]).sum() for i in range(29)]) < 5
