"""Where the arithmetic of a network runs, in which precision, and how several processes share it."""

from __future__ import annotations

import atexit
import contextlib
import os
from typing import Any, cast

from wareloom.core.run import Run
from wareloom.errors import SettingError, missing_extra
from wareloom.neural import torch


def _leave() -> None:
    """Leave the group of processes, where there is one."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


class Devices:
    """The device of this process; under `accelerate launch` or torchrun, its share of the work of several.

    `world` processes take the batches of one update between them and average their gradients.
    """

    def __init__(self, run: Run) -> None:
        self.world, self._accelerator = 1, cast(Any, None)
        self.device = torch.device(run.device)
        if run.device.startswith("cuda") and not torch.cuda.is_available():
            raise SettingError(
                f"The device {run.device!r} was asked for, but torch finds no GPU: use device 'cpu'."
            )
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            self._join(run)
        self._type = torch.bfloat16 if run.arithmetic == "bf16" else None
        self._compile = run.compile

    def _join(self, run: Run) -> None:
        """Take part in a group of processes that a launcher started."""
        try:
            from accelerate import Accelerator
        except ModuleNotFoundError as error:
            raise missing_extra(
                "accelerate", "accelerate", "Training with several processes"
            ) from error
        self._accelerator = Accelerator(cpu=run.device == "cpu")
        # A group that is joined when the interpreter ends may abort the process: nobody waits for its threads.
        atexit.unregister(_leave)
        atexit.register(_leave)
        self.world, self.device = self._accelerator.num_processes, self._accelerator.device

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""
        return 0 if self._accelerator is None else int(self._accelerator.process_index)

    def part_ways(self, run: Run) -> None:
        """Give each of several processes random numbers of its own; their weights are the same by now."""
        if self.world > 1:
            torch.manual_seed(run.seed_for("process", self.rank))

    def place(self, model: Any) -> Any:
        """Move `model` to the device, and compile its parts where that was asked for."""
        model.to(self.device)
        if self._compile:
            for part in model.children():
                part.compile(dynamic=True)
        return model

    def move(self, batch: Any) -> Any:
        """Move the tensors of a batch (a tensor, or a tuple, list or dictionary of them) to the device."""
        if isinstance(batch, torch.Tensor):
            return batch.to(self.device)
        if isinstance(batch, dict):
            return {name: self.move(value) for name, value in batch.items()}
        return (
            type(batch)(self.move(value) for value in batch)
            if isinstance(batch, tuple | list)
            else batch
        )

    def precision(self) -> Any:
        """Compute in bfloat16 inside the block where that was asked for, or where it pays; weights stay in 32 bits."""
        return (
            torch.autocast(self.device.type, dtype=self._type)
            if self._type
            else contextlib.nullcontext()
        )

    def share_gradients(self, model: Any) -> None:
        """Average the gradients over all processes, in place."""
        if self._accelerator is None:
            return
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.grad = self._accelerator.reduce(parameter.grad, reduction="mean")
