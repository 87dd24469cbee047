"""Several processes at one experiment: each does what no other is doing, and all find what is finished."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.shop import Shop

CALL = "from wareloom.experiment.jobs import help_out; help_out()"


@contextlib.contextmanager
def shared(
    work: Callable[[Shop, Any, Run], Any], shop: Shop, settings: Any, run: Run
) -> Iterator[Run]:
    """Let `run.jobs` - 1 more processes do `work` of the same shop and settings; yields the run to do it with here.

    They share the cells of the run's cache, which is a temporary one where none is named, and the run's threads. What
    one of them cannot do is done here, with its error. They end with the block.
    """
    if run.jobs < 2:
        yield run
        return
    with tempfile.TemporaryDirectory(prefix="wareloom-") as name:
        cache = run.cache or Path(name) / "cells"
        mine = run.with_(cache=cache, threads=max(1, run.cores // run.jobs), jobs=1)
        where = shop.path or shop.save(Path(name) / "shop").path
        told = json.dumps(
            {
                "work": _name(work),
                "kind": _name(type(settings)),
                "settings": asdict(settings),
                "shop": str(where),
                "run": asdict(mine.with_(quiet=True, watch=None)) | {"cache": str(cache)},
            }
        )
        helpers = [_start(told) for _ in range(run.jobs - 1)]
        try:
            yield mine
        finally:
            for helper in helpers:
                helper.terminate()
            for helper in helpers:
                helper.wait()


def _start(told: str) -> subprocess.Popen[str]:
    quiet = subprocess.DEVNULL
    command = [sys.executable, "-c", CALL]
    helper = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, text=True, encoding="utf-8"
    )
    assert helper.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        helper.stdin.write(told)
        helper.stdin.close()
    return helper


def help_out() -> None:
    """Do what standard input says, until it is done or the process that said it is gone."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    told = json.loads(sys.stdin.buffer.read())
    settings = configure(_named(told["kind"]), told["settings"])
    run = Run(**told["run"] | {"cache": Path(told["run"]["cache"])})
    _named(told["work"])(Shop.open(told["shop"]), settings, run)


def _name(thing: Any) -> str:
    return f"{thing.__module__}:{thing.__qualname__}"


def _named(name: str) -> Any:
    module, _, own = name.partition(":")
    return getattr(importlib.import_module(module), own)


def _end_with(process: int) -> None:
    while os.getppid() == process:
        time.sleep(1)
    os._exit(1)
