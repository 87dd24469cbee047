"""Servers that tests start on this machine alone, each in a folder of its own; where one is missing, a skip."""

from __future__ import annotations

import contextlib
import glob
import logging
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def awake(port: int, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            assert time.monotonic() < until, f"nothing listens at {port}"
            time.sleep(0.03)


class Postgres:
    """A PostgreSQL that may be stopped, killed, halted and started again."""

    def __init__(self, folder: Path) -> None:
        found = shutil.which("initdb") or next(
            iter(sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))), None
        )
        if found is None:
            pytest.skip("no initdb: PostgreSQL's programs are not installed")
        self.programs, self.folder, self.port = Path(found).resolve().parent, folder, free_port()
        self.options: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.options |= {"check": True, "cwd": "/"}
        if os.geteuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            user = next((name for name in ("postgres", "nobody") if name in names), None)
            if user is None:
                pytest.skip("initdb refuses root, and there is neither a user postgres nor nobody")
            shutil.chown(folder, user)
            environment = {"HOME": str(folder), "PATH": os.environ["PATH"], "LC_ALL": "C"}
            self.options |= {"user": user, "env": environment}
        words = ["-D", folder / "data", "-U", "shop", "-E", "UTF8", "--no-sync"]
        subprocess.run([self.programs / "initdb", *words], **self.options)
        self.url = f"postgresql://shop@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        # Without fsync, as what is tested is a server that ends, not a machine.
        how = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._control("-w", "-o", how, "-l", self.folder / "log", "start")

    def stop(self) -> None:
        """End it as if it was killed: nobody is waited for."""
        self._control("-m", "immediate", "stop")

    @contextlib.contextmanager
    def halted(self) -> Iterator[None]:
        """It is there, and does nothing."""
        first = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        every = [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]
        for process in every:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in every:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)

    def ask(self, text: str) -> list[Any]:
        psycopg = pytest.importorskip("psycopg")
        with psycopg.connect(self.url, autocommit=True) as one:
            done = one.execute(text)
            return done.fetchall() if done.description else []

    def _control(self, *words: Any) -> None:
        subprocess.run(
            [self.programs / "pg_ctl", "-D", self.folder / "data", *words], **self.options
        )


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL of its own."""
    pytest.importorskip("psycopg")
    # Not below pytest's folders, which another user may not enter.
    folder = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    try:
        made = Postgres(folder)
        made.start()
        try:
            yield made
        finally:
            with contextlib.suppress(subprocess.CalledProcessError):
                made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def redis(folder: Path, port: int = 0) -> Iterator[int]:
    """A Redis of its own that keeps nothing; its port."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server")
    port = port or free_port()
    words = ["--port", str(port), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with subprocess.Popen([program, *words], stdout=subprocess.DEVNULL) as process:
        try:
            awake(port)
            yield port
        finally:
            process.terminate()


class Buckets:
    """A server that speaks S3, by moto, that may be gone for a while; what it holds stays."""

    def __init__(self) -> None:
        self.port = free_port()
        self.start()

    def start(self) -> None:
        moto = pytest.importorskip("moto.server")
        self.server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self.server.start()

    def stop(self) -> None:
        self.server.stop()


@contextlib.contextmanager
def buckets(name: str) -> Iterator[Buckets]:
    """A server with one bucket, and an environment in which it is found."""
    boto3 = pytest.importorskip("boto3")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    made = Buckets()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{made.port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "someone")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "c2VjcmV0LW9mLWEtdGVzdA")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=name)
        yield made
    made.stop()


DEPLOY = Path(__file__).parents[1] / "docs" / "deploy"


def nginx_settings(name: str, folder: Path, port: int, upstreams: Sequence[int] = ()) -> Path:
    """A configuration of docs/deploy as it may run here: other addresses, a certificate, no limit of one client."""
    text = (DEPLOY / name).read_text()
    key, certificate = _certificate(folder)
    text = re.sub(r"listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;", text)
    text = re.sub(r"ssl_certificate +\S+;", f"ssl_certificate {certificate};", text)
    text = re.sub(r"ssl_certificate_key +\S+;", f"ssl_certificate_key {key};", text)
    text = text.replace("rate=50r/s", "rate=100000r/s").replace("burst=100 ", "burst=100000 ")
    for n, own in enumerate(upstreams):
        text = text.replace(f"10.0.0.1{n + 1}:8000", f"127.0.0.1:{own}")
    places = [f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi")]
    places += [f"{kind}_temp_path {folder}/{kind};" for kind in ("uwsgi", "scgi")]
    text = text.replace("http {", "http {\n  access_log off;\n  " + "\n  ".join(places), 1)
    text = f"pid {folder}/nginx.pid;\nerror_log {folder}/error.log;\ndaemon off;\n" + text
    (folder / "nginx.conf").write_text(text)
    return folder / "nginx.conf"


def nginx_program() -> str:
    found = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if found is None:
        pytest.skip("there is no nginx")
    return found


@contextlib.contextmanager
def nginx(folder: Path, upstreams: Sequence[int]) -> Iterator[int]:
    """The proxy of docs/deploy before replicas at these ports; its own port, which speaks TLS."""
    program, port = nginx_program(), free_port()
    settings = nginx_settings("nginx-replicas.conf", folder, port, upstreams)
    with subprocess.Popen(
        [program, "-c", settings, "-p", folder], stderr=subprocess.DEVNULL
    ) as one:
        try:
            awake(port)
            yield port
        finally:
            one.terminate()


class Replica:
    """`wareloom serve` that may be killed and begun again."""

    def __init__(self, store: Path, *options: str) -> None:
        self.port = free_port()
        words = ["serve", str(store), "--port", str(self.port), "--host-name", "shop.example"]
        self.command = [sys.executable, "-m", "wareloom", *words, *options]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Replica:
        self.process = subprocess.Popen(self.command)
        return self

    def children(self) -> list[int]:
        """Those that answer, and what was begun beside them."""
        assert self.process is not None
        one = self.process.pid
        with contextlib.suppress(FileNotFoundError):
            return [int(n) for n in Path(f"/proc/{one}/task/{one}/children").read_text().split()]
        return []

    def kill(self) -> None:
        """kill -9 for all of it at once, as a machine does that loses its power."""
        assert self.process is not None
        every = self.children() if self.process.poll() is None else []
        self.process.kill()
        for process in every:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait()
        until = time.monotonic() + 10
        while any(_runs(process) for process in every) and time.monotonic() < until:
            time.sleep(0.01)

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(20)


ON_RAY = """
import sys
from pathlib import Path
import ray
from ray import serve
from wareloom.cluster import deployment
from wareloom.serving.config import Settings
ray.init(num_cpus=2, num_gpus=0, include_dashboard=False, log_to_driver=False, object_store_memory=80_000_000,
         _temp_dir=sys.argv[3], _node_ip_address="127.0.0.1")
serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[2])})
serve.run(deployment(Settings(store=Path(sys.argv[1]))))
print("ready", flush=True)
sys.stdin.read()
serve.shutdown()
ray.shutdown()
"""


@contextlib.contextmanager
def ray_serve(store: Path, seconds: float = 240) -> Iterator[tuple[int, int]]:
    """The application on a Ray Serve of its own, on this machine alone: its port, and the process that began it.

    All that Ray began is ended, in good order or, `seconds` after the beginning, without asking.
    """
    pytest.importorskip("ray.serve")
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="wl-ray-"))
    mark = f"WARELOOM_MARK={folder.name}"
    words = [sys.executable, "-c", ON_RAY, str(store), str(port), str(folder)]
    environment = os.environ | dict([mark.split("=")]) | {"RAY_USAGE_STATS_ENABLED": "0"}
    said = open(folder / "said", "w")  # noqa: SIM115 (it lives as long as the process)
    with (
        said,
        subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env=environment,
            text=True,
        ) as process,
    ):
        watch = threading.Timer(seconds, process.kill)
        watch.start()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            if not any(line.strip() == "ready" for line in process.stdout):
                logs = [folder / "said", *folder.glob("session_*/logs/serve/*.log")]
                last = "\n".join(path.read_text()[-2000:] for path in logs)
                raise AssertionError(f"Ray Serve did not come up: {last}")
            yield port, process.pid
            process.stdin.close()
            process.wait(30)
        finally:
            watch.cancel()
            process.kill()
            for left in marked(mark):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(left, signal.SIGKILL)
            shutil.rmtree(folder, ignore_errors=True)


def marked(mark: str) -> set[int]:
    """Processes whose environment says NAME=VALUE."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark.encode() in path.read_bytes().split(b"\0"):
                found.add(int(path.parent.name))
    return found


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A key and a certificate that it signs itself."""
    import datetime as dt

    pytest.importorskip("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=1))
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    signed = made.sign(key, hashes.SHA256())
    (folder / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    return folder / "key.pem", folder / "cert.pem"
