"""The torch blocks: laws of batches, causality, losses against the plain softmax, the training loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wareloom.errors import SettingError
from wareloom.family import RANKERS
from wareloom.neural import torch
from wareloom.neural.batches import bucketed, padded, windows
from wareloom.neural.loss import sampled_softmax_loss, softmax_loss
from wareloom.neural.training import Training, seeded, train
from wareloom.neural.transformer import CausalEncoder
from wareloom.run import Run
from wareloom.shop import Requests


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.integers(1, 200), st.integers(0, 5))
def test_every_user_is_in_one_batch_and_batches_keep_their_size(sizes: list[int], tokens: int, seed: int) -> None:
    lengths = np.array(sizes)
    batches = list(bucketed(lengths, tokens, np.random.default_rng(seed)))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(sizes)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= tokens


def test_histories_are_cut_to_their_end_and_laid_out_from_the_left() -> None:
    starts, sizes = windows(np.array([0, 2, 2, 7]), 3)
    assert padded(np.arange(10, 17), starts, sizes).tolist() == [[10, 11, 0], [0, 0, 0], [14, 15, 16]]


def test_no_place_knows_what_comes_after_it() -> None:
    torch.manual_seed(0)
    encoder = CausalEncoder(20, size=8, length=6, layers=2, heads=2, dropout=0.0).eval()
    one, other = torch.tensor([[1, 2, 3, 4, 5, 6]]), torch.tensor([[1, 2, 3, 9, 8, 7]])
    with torch.no_grad():
        a, b = encoder(one), encoder(other)
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
    assert float(softmax_loss(state, target, weight, table, bias)) == pytest.approx(expected, rel=1e-5)
    every = torch.arange(7)
    sampled = sampled_softmax_loss(state, target, weight, table, bias, every, torch.zeros(7))
    assert float(sampled) == pytest.approx(expected, rel=1e-5)


def test_the_correction_makes_sampling_unbiased() -> None:
    """With many negatives drawn from any q the corrected loss comes to that of the full softmax."""
    generator = torch.Generator().manual_seed(2)
    state, table = torch.randn(3, 4, generator=generator), torch.randn(50, 4, generator=generator) * 0.5
    bias, target, weight = torch.zeros(50), torch.tensor([4, 30, 49]), torch.ones(3)
    q = torch.arange(1, 51).double() ** 1.5
    q = q / q.sum()
    drawn = torch.multinomial(q, 200_000, replacement=True, generator=generator)
    log_q = torch.log(q * len(drawn)).float()
    full = float(softmax_loss(state, target, weight, table, bias))
    corrected = float(sampled_softmax_loss(state, target, weight, table, bias, drawn, log_q))
    plain = float(sampled_softmax_loss(state, target, weight, table, bias, drawn, torch.log(torch.full((50,), 4000.0))))
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
    history = train(model, lambda epoch: [1.0], lambda x: (model.weight - 1.0).square().sum(), how, Run(), evaluate)
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
    from conftest import small_shop

    ranker = RANKERS.make("sasrec", epochs=30, dropout=0.0, embedding_size=16).fit(small_shop(users=200), Run(seed=1))
    up, down = ranker.score(Requests.sessions([["i3", "i4"], ["i4", "i3"]]))
    assert up[5] > down[5]
