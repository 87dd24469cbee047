"""The one training loop."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from wareloom.neural import torch
from wareloom.run import Run


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a model is fitted."""

    learning_rate: float
    epochs: int
    weight_decay: float = 0.0
    warmup: int = 100
    """Updates over which the learning rate rises from nothing."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    patience: int = 0
    """Evaluations without a better value after which training stops; 0 never stops early."""
    every: int = 1
    """Epochs between evaluations."""


@contextlib.contextmanager
def seeded(run: Run, *names: object) -> Iterator[None]:
    """Give torch a seed and the run's threads inside the block, and what it had before afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(run.cores)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(run.seed_for(*names))
            yield
    finally:
        torch.set_num_threads(threads)


def train(
    model: Any,
    batches: Callable[[int], Iterable[Any]],
    loss: Callable[[Any], Any],
    how: Training,
    run: Run,
    evaluate: Callable[[], float] | None = None,
) -> list[dict[str, float]]:
    """Fit `model` in place by AdamW with warm-up and a cosine schedule; returns the loss and value of each evaluation.

    `batches(epoch)` yields what `loss` takes; `evaluate` returns what is to be high. With it the weights of the best
    evaluation are kept (Loshchilov and Hutter 2019 for the decoupled decay and the schedule).
    """
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": how.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=how.learning_rate)
    history: list[dict[str, float]] = []
    best, kept, waited, step, total = -math.inf, None, 0, 0, 0
    with run.task("train", how.epochs) as advance:
        for epoch in range(how.epochs):
            model.train()
            work = list(batches(epoch))
            total = total or len(work) * how.epochs
            running = 0.0
            for batch in work:
                for group in optimiser.param_groups:
                    group["lr"] = how.learning_rate * _schedule(step, total, how.warmup)
                value = loss(batch)
                optimiser.zero_grad(set_to_none=True)
                value.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), how.clip)
                optimiser.step()
                running += float(value.detach())
                step += 1
            advance()
            if evaluate is None or (epoch + 1) % how.every:
                continue
            model.eval()
            with torch.no_grad():
                score = evaluate()
            history.append({"epoch": epoch + 1, "loss": running / max(1, len(work)), "value": score})
            if score > best:
                best, waited = score, 0
                kept = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
            else:
                waited += 1
                if how.patience and waited >= how.patience:
                    break
    if kept is not None:
        model.load_state_dict(kept)
    model.eval()
    return history


def _schedule(step: int, total: int, warmup: int) -> float:
    """Rise over `warmup` steps, then fall along a cosine to a tenth."""
    if step < warmup:
        return (step + 1) / warmup
    share = min(1.0, (step - warmup) / max(1, total - warmup))
    return 0.1 + 0.45 * (1 + math.cos(math.pi * share))
