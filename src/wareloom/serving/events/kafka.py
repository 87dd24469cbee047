"""Events to a topic of Kafka, in order for each shopper; what reads them there is the shop's.

An event that was acknowledged is in the topic at least once: one that was sent on after the brokers were gone may be
there twice. Its id says which two are one.
"""

from __future__ import annotations

import contextlib
import re
import time
from typing import Any

import msgspec

from wareloom.core.secrets import scrubbed
from wareloom.errors import InputError, needed
from wareloom.serving.events.log import Away
from wareloom.serving.events.sink import SECONDS, Sink
from wareloom.serving.shoppers.sessions import digest_of

ADDRESS = re.compile(r"kafka://([\w.:,\[\]-]+)/([\w.-]{1,249})")


class _Whose(msgspec.Struct):
    """By whom messages are divided."""

    session_id: str | None = None
    user_id: str | None = None


class Kafka(Sink):
    """A topic at kafka://HOST:PORT,HOST:PORT/TOPIC."""

    def __init__(self, address: str) -> None:
        """Nothing is asked yet; raises `InputError` for what is no such address."""
        found = ADDRESS.fullmatch(address)
        if found is None:
            raise InputError(
                f"Events cannot be kept at {scrubbed(address)}: give kafka://HOST:PORT/TOPIC."
            )
        self._kafka = needed("confluent_kafka", "kafka", "Events in Kafka")
        self._brokers, self.topic = found[1], found[2]
        self._producer: Any = None
        self._whose = msgspec.json.Decoder(_Whose).decode
        self._split = msgspec.json.Decoder(list[msgspec.Raw]).decode

    def open(self) -> None:
        """Ask the brokers for the topic."""
        self.close()
        self._producer = self._kafka.Producer(
            {
                "bootstrap.servers": self._brokers,
                "client.id": "wareloom",
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 1,
                "message.timeout.ms": int(SECONDS * 800),
                # What is wrong is said once, by whoever asked.
                "log_level": 0,
            }
        )
        try:
            told = self._producer.list_topics(self.topic, timeout=SECONDS).topics[self.topic]
        except self._kafka.KafkaException as error:
            self.close()
            raise Away(f"Kafka does not answer: {error.args[0].str().rstrip('.')}.") from None
        if told.error is not None:
            self.close()
            raise Away(f"Kafka has no topic {self.topic!r} to write to: {told.error.str()}.")

    def write(self, records: list[bytes]) -> None:
        """Return when the brokers have all of them, as many copies as the topic asks for."""
        if self._producer is None:
            raise Away("Kafka is not connected.")
        failed: list[str] = []

        def delivered(error: Any, _: Any) -> None:
            if error is not None:
                failed.append(error.str())

        for record in records:
            for one in self._split(record) if record.startswith(b"[") else [record]:
                whose = self._whose(one)
                self._produce(bytes(one), whose.session_id or whose.user_id, delivered)
        left = self._producer.flush(SECONDS)
        if left or failed:
            said = failed[0] if failed else "it takes too long"
            self.close()
            raise Away(f"Kafka did not take all events: {said.rstrip('.')}.")

    def forget(self, user: str) -> tuple[int, frozenset[str]]:
        """Say in the topic who is to be deleted, by the digest of the id: Kafka itself deletes by age alone."""
        self.write(
            [msgspec.json.encode({"erased": digest_of(user), "time": time.time_ns() // 1000})]
        )
        return 0, frozenset()

    def close(self) -> None:
        """Drop what was not taken: it is on the disk, and would be there twice."""
        if self._producer is not None:
            with contextlib.suppress(self._kafka.KafkaException):
                self._producer.purge()
                self._producer.flush(0.1)
            self._producer = None

    def _produce(self, content: bytes, key: str | None, delivered: Any) -> None:
        until = time.monotonic() + SECONDS
        while True:
            try:
                self._producer.produce(self.topic, content, key, on_delivery=delivered)
                return
            except BufferError:
                if time.monotonic() > until:
                    raise Away("Kafka takes events more slowly than they come.") from None
                self._producer.poll(0.05)
