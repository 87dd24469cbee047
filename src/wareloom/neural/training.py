"""The one training loop."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from wareloom.core.run import Run
from wareloom.neural import torch
from wareloom.neural.checkpoint import Progress, load_checkpoint, save_checkpoint
from wareloom.neural.devices import Devices
from wareloom.neural.listeners import listen


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a model is fitted."""

    learning_rate: float
    epochs: int
    """Evaluations there are at most; without `updates`, passes over the batches."""
    updates: int = 0
    """Updates in all; 0 makes `epochs` passes."""
    weight_decay: float = 0.0
    schedule: Literal["cosine", "constant"] = "cosine"
    """What the learning rate does after the warm-up."""
    warmup: int = 100
    """Updates over which the learning rate rises from nothing."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    accumulate: int = 1
    """Batches whose gradients are added up before each update."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decays of the moving averages of the gradient and of its square."""
    patience: int = 0
    """Evaluations without a better value after which training stops; 0 never stops early."""


@contextlib.contextmanager
def seeded(run: Run, *names: object) -> Iterator[None]:
    """Give torch a seed and the run's threads inside the block, and what it had before afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(run.cores)
    devices = [torch.device(run.device)] if run.device.startswith("cuda") else []
    try:
        with torch.random.fork_rng(devices=devices):
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
    *,
    checkpoint: Path | None = None,
    after: Callable[[int], None] | None = None,
) -> list[dict[str, float]]:
    """Fit `model` in place by AdamW with warm-up and a schedule; returns loss and value at each evaluation.

    `batches(epoch)` yields what `loss` takes, the same each time it is asked for the same epoch; `evaluate` returns
    what is to be high. With it the weights of the best evaluation are kept. At `checkpoint` the state is kept after
    every evaluation, a stopped run goes on from there to the same weights, and the file is deleted at the end.
    `after(step)` is called after each update, the first being 0, while its gradients are still there.
    Loshchilov and Hutter (2019) for the decoupled decay and the schedule.
    """
    return _Loop(model, batches, loss, how, run, evaluate, checkpoint, after).run()


def taken(history: Sequence[dict[str, float]]) -> int:
    """After how many updates a training stopped, by what `train` returned; 0 where nothing was learned."""
    return int(history[-1]["step"]) if history else 0


class _Loop:
    """One fit of one model."""

    def __init__(
        self,
        model: Any,
        batches: Callable[[int], Iterable[Any]],
        loss: Callable[[Any], Any],
        how: Training,
        run: Run,
        evaluate: Callable[[], float] | None,
        checkpoint: Path | None,
        after: Callable[[int], None] | None,
    ) -> None:
        self.batches, self.loss, self.how, self.evaluate = batches, loss, how, evaluate
        self.settings, self.checkpoint, self.after = run, checkpoint, after
        self.devices = Devices(run)
        self.size = how.accumulate * self.devices.world
        self.model = self.devices.place(model)
        decayed = [p for p in model.parameters() if p.dim() > 1]
        others = [p for p in model.parameters() if p.dim() <= 1]
        groups = [
            {"params": decayed, "weight_decay": how.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(
            groups, lr=how.learning_rate, betas=how.betas, fused=True
        )
        self.progress, self.history = Progress(), list[dict[str, float]]()
        self.kept: dict[str, Any] | None = None

    def run(self) -> list[dict[str, float]]:
        """Train to the end, or until patience runs out, and put the best weights back."""
        if self.checkpoint and self.checkpoint.exists():
            self.progress, self.kept, self.history = load_checkpoint(
                self.checkpoint, self.model, self.optimiser
            )
        total = self.how.updates
        if not total:
            total = self.how.epochs * max(1, sum(1 for _ in self.batches(0)) // self.size)
        every = max(1, round(total / self.how.epochs))
        self.devices.part_ways(self.settings)
        with self.settings.task("train", total) as advance, listen(self.settings) as tell:
            advance(self.progress.step)
            while self.progress.step < total and not self._exhausted():
                before = self.progress.step, self.progress.batch
                self._pass(total, every, advance, tell)
                if before == (self.progress.step, 0):
                    break  # there is nothing to learn from
        if self.kept is not None:
            self.model.load_state_dict(self.kept)
        self.model.eval()
        if self.checkpoint:
            self.checkpoint.unlink(missing_ok=True)
        return self.history

    def _exhausted(self) -> bool:
        return bool(self.how.patience) and self.progress.waited >= self.how.patience

    def _pass(
        self, total: int, every: int, advance: Callable[..., None], tell: Callable[..., None]
    ) -> None:
        """Go once over the batches, from where a stopped run left off."""
        at, size = self.progress, self.size
        waiting = islice(self.batches(at.epoch), at.batch, None)
        self.model.train()
        while group := list(islice(waiting, size)):
            if len(group) < size and at.batch:
                break
            value = self._update(group[self.devices.rank :: self.devices.world] or group[:1], total)
            at.batch, at.step, at.since = at.batch + len(group), at.step + 1, at.since + 1
            at.running += value
            if at.step % every == 0 or at.step == total:
                self._judge(tell)
                advance(at.since, **{k: v for k, v in self.history[-1].items() if k != "step"})
                at.running, at.since = 0.0, 0
                if self.checkpoint:
                    save_checkpoint(
                        self.checkpoint, self.model, self.optimiser, at, self.kept, self.history
                    )
                if at.step == total or self._exhausted():
                    return
                self.model.train()
        at.epoch, at.batch = at.epoch + 1, 0

    def _update(self, group: list[Any], total: int) -> float:
        """Take one step on the gradients of some batches; returns their mean loss."""
        for part in self.optimiser.param_groups:
            part["lr"] = self.how.learning_rate * self._schedule(self.progress.step, total)
        self.optimiser.zero_grad(set_to_none=True)
        sum_ = 0.0
        for batch in group:
            with self.devices.precision():
                value = self.loss(self.devices.move(batch)) / len(group)
            value.backward()
            sum_ += float(value.detach())
        self.devices.share_gradients(self.model)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.how.clip)
        self.optimiser.step()
        if self.after is not None:
            self.after(self.progress.step)
        return sum_

    def _judge(self, tell: Callable[..., None]) -> None:
        """Evaluate, and keep the weights where they are the best so far."""
        at = self.progress
        entry = {"step": at.step, "loss": at.running / max(1, at.since)}
        if self.evaluate is not None:
            self.model.eval()
            with torch.no_grad():
                entry["value"] = self.evaluate()
            if entry["value"] > at.best:
                at.best, at.waited = entry["value"], 0
                self.kept = {
                    name: tensor.detach().clone()
                    for name, tensor in self.model.state_dict().items()
                }
            else:
                at.waited += 1
        self.history.append(entry)
        tell(at.step, {k: v for k, v in entry.items() if k != "step"})

    def _schedule(self, step: int, total: int) -> float:
        """Rise over the warm-up, then stay or fall along a cosine to a tenth."""
        if step < self.how.warmup:
            return (step + 1) / self.how.warmup
        if self.how.schedule == "constant":
            return 1.0
        share = min(1.0, (step - self.how.warmup) / max(1, total - self.how.warmup))
        return 0.1 + 0.45 * (1 + math.cos(math.pi * share))
