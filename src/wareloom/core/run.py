"""How a run goes: seed, threads, device, progress. What a model *is* stays in its settings."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wareloom.core.progress import Advance, stage
from wareloom.errors import require

if TYPE_CHECKING:
    import numpy as np

DEVICE = re.compile(r"cpu|mps|(cuda|xpu)(:\d{1,4})?")
WHOLE = (
    ("seed", -(2**64), 2**64, "a whole number of at most 64 bits"),
    ("threads", 0, 4096, "0 for the physical cores, or 1 to 4096"),
    ("jobs", 1, 4096, "a whole number from 1 to 4096"),
    ("updates", 0, 10**12, "0, or how many there are"),
)
"""Fields that are whole numbers: name, limits, and what is wanted"""


def physical_cores() -> int:
    """Number of physical cores this process may use, at least one; hyper-threads are not counted on Linux."""
    usable = (
        os.sched_getaffinity(0)
        if hasattr(os, "sched_getaffinity")
        else set(range(os.cpu_count() or 1))
    )
    seen = set()
    for cpu in usable:
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            seen.add(siblings.read_text().strip())
        except OSError:
            seen.add(str(cpu))
    return max(1, len(seen))


@dataclass(frozen=True)
class Run:
    """How one run goes.

    Every random number comes from `rng` or `seed_for`, so that one seed decides all of them and no global state is
    touched.
    """

    seed: int = 0
    """The one seed; the same seed, data and settings give the same bytes."""
    threads: int = 0
    """Threads to compute with; 0 takes the physical cores."""
    jobs: int = 1
    """Processes that work on the pieces of a long experiment side by side, and share the threads."""
    on: str = "local"
    """Where the pieces of a long experiment are computed: "local" (here, by `jobs` processes), "ray-local[2]" (a Ray of
    its own with two processes) or "ray://host:port" (a running Ray)."""
    device: str = "cpu"
    """Where neural models run: "cpu", "cuda" or "cuda:1"."""
    quiet: bool = True
    """No progress is shown."""
    store: str = ""
    """Where finished cells of an experiment are kept, when not in the cache: a folder, or s3://bucket/prefix."""
    cache: Path | None = None
    """A folder in which long work keeps its finished pieces, so that it resumes; None keeps nothing."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of neural models; auto takes bf16 on a GPU and fp32 on a CPU, many of which are slower in bf16: one
    that multiplies matrices in it (Intel's AMX) reads two to three times as fast.
    """
    compile: bool = False
    """Whether neural models are compiled: worth it for long training on a GPU."""
    track: str = ""
    """Where losses and validation values go: "page:FOLDER", "tensorboard:FOLDER", "mlflow:FOLDER" or "wandb:FOLDER"
    (offline)."""
    watch: Callable[[int, dict[str, float]], None] | None = None
    """Called with the step, the loss and the validation value while a network is trained; may raise to stop it."""
    updates: int = 0
    """Gradient updates a ranker that learns by them takes in all; 0 leaves it to the ranker's settings."""

    def __post_init__(self) -> None:
        """Check every field; raises `SettingError` for one that no run can have."""
        for name, least, most, wanted in WHOLE:
            value = getattr(self, name)
            whole = isinstance(value, Integral) and not isinstance(value, bool)
            require("Run", name, value, whole and least <= value <= most, wanted)
        for name in ("quiet", "compile"):
            require(
                "Run",
                name,
                getattr(self, name),
                isinstance(getattr(self, name), bool),
                "true or false",
            )
        for name in ("on", "device", "store", "track", "precision"):
            require(
                "Run", name, getattr(self, name), isinstance(getattr(self, name), str), "a text"
            )
        require(
            "Run", "device", self.device, bool(DEVICE.fullmatch(self.device)), "cpu, cuda or cuda:1"
        )
        known = ("auto", "fp32", "bf16")
        require("Run", "precision", self.precision, self.precision in known, "auto, fp32 or bf16")
        cache: object = self.cache
        if cache is not None and not isinstance(cache, Path):
            require(
                "Run", "cache", cache, isinstance(cache, str) and cache != "", "a folder, or None"
            )
            object.__setattr__(self, "cache", Path(str(cache)))

    @property
    def cores(self) -> int:
        """Threads to compute with, resolved."""
        return self.threads or physical_cores()

    @property
    def arithmetic(self) -> str:
        """Arithmetic of neural models, resolved: "fp32", or "bf16" where matrices are multiplied in bfloat16."""
        if self.precision != "auto":
            return self.precision
        return "bf16" if self.device.startswith("cuda") else "fp32"

    def seed_for(self, *names: object) -> int:
        """Return a 63-bit seed for the purpose that `names` spell, independent of every other purpose's."""
        text = "\x1f".join([str(self.seed), *map(str, names)])
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1

    def rng(self, *names: object) -> np.random.Generator:
        """Return a fresh numpy generator for the purpose that `names` spell."""
        import numpy as np

        return np.random.default_rng(self.seed_for(*names))

    def with_(self, **changes: Any) -> Run:
        """Return this run with some fields changed."""
        return replace(self, **changes)

    @contextlib.contextmanager
    def limits(self) -> Iterator[None]:
        """Hold BLAS, OpenMP and numba to this run's threads for the length of the block."""
        import numba
        from threadpoolctl import threadpool_limits

        before = numba.get_num_threads()
        numba.set_num_threads(min(self.cores, numba.config.NUMBA_NUM_THREADS))
        try:
            with threadpool_limits(self.cores):
                yield
        finally:
            numba.set_num_threads(before)

    @contextlib.contextmanager
    def task(self, label: str, total: float | None = None) -> Iterator[Advance]:
        """Tell whoever listens of the progress of `label`; yields `advance(steps=1, **values)`.

        Who listens decides what is shown, see `wareloom.core.progress`: bars on the command line, else lines.
        """
        with stage(label, total, shown=not self.quiet) as advance:
            yield advance
