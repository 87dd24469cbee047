"""How a store is served."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from wareloom.core.settings import Count, Positive, Size, configure


@dataclass(frozen=True)
class Settings:
    """How a store is served; each process has its own `worker`."""

    store: Path
    host: str = "127.0.0.1"
    port: int = 8000
    hosts: tuple[str, ...] = ()
    """Names, beside that of the machine itself, under which it may be asked"""
    sessions: Size = 1 << 16
    """Shoppers that are remembered; the file takes 1.3 KB each at 50 events"""
    events_of_session: Size = 50
    """Events that are remembered of each"""
    expiry: Positive = 30 * 86400.0
    """Seconds of silence after which a shopper is forgotten"""
    redis: str = ""
    """Address of a Redis that remembers shoppers for several machines; the store's own file where empty"""
    events: str = ""
    """Address of what keeps events for several machines; the store's own folder where empty"""
    versions: str = ""
    """Bucket that versions and slots are taken from, s3://BUCKET/PREFIX; the store's own folder where empty"""
    most_spooled: Size = 1 << 30
    """Bytes of events that may wait on this disk while what keeps them is gone"""
    most_waiting: Size = 8 << 20
    """Bytes of events that may wait for the disk; what comes then is sent away"""
    most_running: Size = 512
    """Requests that a process works on at once; what comes then is sent away"""
    rate: Count = 0
    """Requests a second that one key may make in one process; 0 for any number"""
    body_seconds: Positive = 10.0
    """Within which a body must have come"""
    log_requests: bool = False
    """Whether a line is logged for each answer; none says who asked, or for what"""
    worker: int = 0
    allow_code: tuple[str, ...] = ()


VARIABLE = "WARELOOM_SERVE"
"""Where a worker finds its settings, as JSON"""


def handed_on(settings: Settings) -> str:
    """Settings as text, for a process that is begun."""
    import dataclasses
    import json

    return json.dumps(dataclasses.asdict(settings), default=str)


def taken_up() -> Settings:
    """The settings that this process was begun with."""
    import json

    told = json.loads(os.environ[VARIABLE])
    told["store"] = Path(told["store"])
    made: Settings = configure(Settings, told)
    return made
