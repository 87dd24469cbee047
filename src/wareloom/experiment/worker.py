"""A worker: `python -m wareloom.experiment.worker` computes the tasks that a driver says on standard input.

One JSON line each: first the job, then tasks; answers go to standard output. It ends when the driver has nothing more
to say, and when the driver is gone.
"""

from __future__ import annotations

import faulthandler
import json
import sys
import traceback
from types import TracebackType

from wareloom.core import logging
from wareloom.experiment.executors._attempt import attempt
from wareloom.experiment.executors._channel import Channel


def main() -> None:
    """Compute until standard input ends. What is no error of Wareloom's is told to the driver, and ends the worker."""
    channel = Channel()
    faulthandler.enable()

    def crashed(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        channel.say({"crashed": "".join(traceback.format_exception(kind, error, trace))})
        sys.__excepthook__(kind, error, trace)

    sys.excepthook = crashed
    job = channel.first
    opener, told = job["opener"], json.dumps(job["told"])
    with logging.to_stream(sys.stderr), logging.within(run_id=job["run_id"]):
        for line in channel.lines():
            channel.say({"key": line["key"], **attempt(opener, told, line["key"], line["call"])})


if __name__ == "__main__":
    main()
