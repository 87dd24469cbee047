"""What is given for deploying keeps the obvious laws, each of which a changed copy must break."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wareloom.serving.web.supervise import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "docs" / "deploy"
MOST_EXPOSED = 20
"""Tenths of `systemd-analyze security`, where 100 is no protection at all"""


def steps(text: str) -> list[tuple[str, str]]:
    """Instructions of a Dockerfile with what they say."""
    whole = re.sub(r"\\\n", " ", text)
    lines = [line for line in whole.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0].upper(), line.split(None, 1)[1]) for line in lines]


def wrong_in_image(text: str) -> set[str]:
    """The laws that a Dockerfile breaks, as hadolint has them, and ours."""
    found, broken = steps(text), set[str]()
    of: dict[str, list[str]] = {}
    for name, said in found:
        of.setdefault(name, []).append(said)
    for base in of["FROM"]:
        tag = base.split()[0].partition(":")[2]
        if not re.fullmatch(r"\d+\.\d+\.\d+-[a-z-]+", tag):
            broken.add("base is not pinned")
    last = [name for name, _ in found if name in ("USER", "ENTRYPOINT", "CMD")]
    users = [said.split(":")[0] for said in of.get("USER", [])]
    if not users or users[-1] in ("root", "0") or last[0] != "USER":
        broken.add("runs as root")
    if not of.get("HEALTHCHECK"):
        broken.add("no healthcheck")
    if "ADD" in of:
        broken.add("ADD")
    for said in of.get("RUN", []):
        if "pip install" in said and not {"--no-cache-dir", "-c"} <= set(shlex.split(said)):
            broken.add("pip without pins, or with its cache")
        if "sudo" in said or "curl" in said:
            broken.add("sudo or curl")
    for name in ("ENTRYPOINT", "CMD"):
        for said in of.get(name, []):
            try:
                json.loads(said)
            except ValueError:
                broken.add("no exec form")
    for said in [*of.get("ENV", []), *of.get("ARG", [])]:
        if re.search("password|secret|token|key=", said, re.IGNORECASE):
            broken.add("secret in the image")
    if any(int(port) < 1024 for said in of.get("EXPOSE", []) for port in said.split()):
        broken.add("port of the system")
    for said in of.get("COPY", []):
        *sources, _ = said.split()
        if not all((ROOT / source).exists() for source in sources):
            broken.add("copies what is not there")
    return broken


def test_the_image_keeps_the_laws() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    assert wrong_in_image(text) == set()
    check = next(said for name, said in steps(text) if name == "HEALTHCHECK")
    words = json.loads(check[check.index("[") :])
    assert words[:2] == ["python", "-c"]
    compile(words[2], "healthcheck", "exec")
    assert "/readyz" in words[2]


@pytest.mark.parametrize(
    ("old", "new", "law"),
    [
        (r"FROM .*", "FROM python:latest", "base is not pinned"),
        (r"FROM .*", "FROM python:3.11-slim", "base is not pinned"),
        (r"USER .*", "USER root", "runs as root"),
        (r"USER .*\n", "", "runs as root"),
        (r"HEALTHCHECK .*\n", "", "no healthcheck"),
        (r"COPY src src", "ADD src src", "ADD"),
        (r" --no-cache-dir", "", "pip without pins, or with its cache"),
        (r" -c constraints.txt", "", "pip without pins, or with its cache"),
        (r"CMD \[\"--w.*", "CMD --workers 2", "no exec form"),
        (r"ENV ", "ENV API_KEY=wl_x ", "secret in the image"),
        (r"EXPOSE 8000", "EXPOSE 80", "port of the system"),
        (r"COPY src src", "COPY sources src", "copies what is not there"),
    ],
)
def test_a_changed_image_breaks_its_law(old: str, new: str, law: str) -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    changed = re.sub(old, new, text, count=1)
    assert changed != text
    assert law in wrong_in_image(changed)


def wrong_in_compose(told: dict[str, Any]) -> set[str]:
    """The laws that a compose file breaks."""
    broken = set[str]()
    for service in told["services"].values():
        laws = {
            "writes to its image": service.get("read_only") is True,
            "has capabilities": service.get("cap_drop") == ["ALL"] and "cap_add" not in service,
            "may gain privileges": "no-new-privileges:true" in service.get("security_opt", []),
            "is privileged": not service.get("privileged"),
            "listens to all": all(str(p).startswith("127.0.0.1:") for p in service["ports"]),
            "ends too early": _seconds(service.get("stop_grace_period", "10s")) > PATIENCE,
            "shares the host": not {"network_mode", "pid", "ipc", "userns_mode"} & set(service),
            "mounts the engine": not any("docker.sock" in v for v in service["volumes"]),
            "is not begun anew": service.get("restart") in ("unless-stopped", "always"),
        }
        broken |= {law for law, held in laws.items() if not held}
    return broken


def _seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def _compose() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def test_compose_keeps_the_laws_and_builds_this_image() -> None:
    told = _compose()
    assert wrong_in_compose(told) == set()
    build = told["services"]["wareloom"]["build"]
    root = (DEPLOY / build["context"]).resolve()
    assert root == ROOT
    assert (root / build["dockerfile"]).is_file()
    assert_options(told["services"]["wareloom"]["command"])


@pytest.mark.parametrize(
    ("change", "law"),
    [
        (lambda s: s.pop("read_only"), "writes to its image"),
        (lambda s: s.update(cap_drop=[]), "has capabilities"),
        (lambda s: s.update(cap_add=["SYS_ADMIN"]), "has capabilities"),
        (lambda s: s.pop("security_opt"), "may gain privileges"),
        (lambda s: s.update(privileged=True), "is privileged"),
        (lambda s: s.update(ports=["8000:8000"]), "listens to all"),
        (lambda s: s.update(stop_grace_period="5s"), "ends too early"),
        (lambda s: s.update(network_mode="host"), "shares the host"),
        (lambda s: s["volumes"].append("/var/run/docker.sock:/x"), "mounts the engine"),
        (lambda s: s.pop("restart"), "is not begun anew"),
    ],
)
def test_a_changed_compose_breaks_its_law(change: Callable[[Any], object], law: str) -> None:
    told = _compose()
    change(told["services"]["wareloom"])
    assert law in wrong_in_compose(told)


def assert_options(words: list[str]) -> None:
    """Options are such that `wareloom serve` has."""
    text = (ROOT / "docs" / "commands.md").read_text()
    part = text[text.index("`serve`") :] if "`serve`" in text else text
    for word in words:
        if word.startswith("--"):
            assert word in part, word


def _unit() -> configparser.RawConfigParser:
    class Many(dict[str, str]):
        """Keys that stand twice are joined."""

        def __setitem__(self, key: str, value: Any) -> None:
            if isinstance(value, list) and key in self:
                super().__setitem__(key, [*self[key], *value])  # type: ignore[misc]
            else:
                super().__setitem__(key, value)

    unit = configparser.RawConfigParser(dict_type=Many, strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(DEPLOY / "wareloom.service")
    return unit


def test_the_unit_starts_what_there_is_and_waits_for_its_end() -> None:
    service = _unit()["Service"]
    words = shlex.split(service["ExecStart"])
    assert words[1] == "serve"
    assert_options(words)
    assert service["User"] not in ("", "root")
    assert float(service["TimeoutStopSec"]) > PATIENCE
    writes = service["ReadWritePaths"].split()
    assert any(words[2].startswith(place + "/") for place in writes)
    cache = dict(one.split("=", 1) for one in service["Environment"].split())["NUMBA_CACHE_DIR"]
    assert any(cache.startswith(place + "/") for place in writes)
    assert "AF_UNIX" in service["RestrictAddressFamilies"]
    assert "MemoryDenyWriteExecute" not in service


def unnamed(proxy: str, words: list[str]) -> set[str]:
    """Names that a proxy passes on and the server behind it would not answer to."""
    given = {words[n + 1] for n, word in enumerate(words) if word == "--host-name"}
    return set(re.findall(r"server_name (\S+);", proxy)) - given


def test_what_a_proxy_passes_on_is_answered_behind_it() -> None:
    starts = {
        "unit": shlex.split(_unit()["Service"]["ExecStart"]),
        "compose": _compose()["services"]["wareloom"]["command"],
    }
    guide = (DEPLOY.parent / "serving.md").read_text()
    command = re.search(r"wareloom serve store --versions s3(?:\\\n|[^\n])*", guide)
    assert command
    starts["guide"] = shlex.split(command[0].replace("\\\n", " "))
    assert_options(starts["guide"])
    for proxy in DEPLOY.glob("nginx*.conf"):
        for words in starts.values():
            assert unnamed(proxy.read_text(), words) == set()
            assert unnamed(proxy.read_text(), [w for w in words if w != "shop.example"] + [""])
    # A proxy on another machine asks at an address, which wants keys.
    assert "--host" in starts["guide"]


def test_who_runs_the_image_may_write_what_is_mounted() -> None:
    text, service = (DEPLOY / "Dockerfile").read_text(), _compose()["services"]["wareloom"]
    user = re.search(r"--uid (\d+)", text)
    assert user
    for place in ("Dockerfile", "compose.yaml"):
        assert f"chown -R {user[1]} store" in (DEPLOY / place).read_text()
    cache = re.search(r"NUMBA_CACHE_DIR=(\S+)", text)
    assert cache
    held = {volume.split(":")[1]: volume.split(":")[0] for volume in service["volumes"]}
    assert held[cache[1]] in _compose()["volumes"], "compiled loops outlive the container"
    # They are compiled by who may write them, after the place is named.
    named = [name for name, said in steps(text) if "prepare()" in said or name in ("USER", "ENV")]
    assert named == ["USER", "ENV", "RUN"]


def test_systemd_takes_the_unit_and_finds_it_closed(tmp_path: Path) -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not on this machine")
    text = (DEPLOY / "wareloom.service").read_text()
    command = re.search(r"ExecStart=(\S+)", text)
    assert command
    place = tmp_path / "wareloom.service"
    place.write_text(text.replace(command[1], "/bin/true"))
    said = subprocess.run([tool, "verify", str(place)], capture_output=True, text=True)
    assert (said.returncode, said.stdout + said.stderr) == (0, "")
    limit = ["security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", str(place)]
    assert subprocess.run([tool, *limit], capture_output=True).returncode == 0
    place.write_text(re.sub(r"(?m)^(Protect|Restrict|Private|System|Capab).*\n", "", text))
    assert subprocess.run([tool, *limit], capture_output=True).returncode != 0
