"""Run the code of a documentation page as a reader would, block after block in one folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tiny_export import wareloom

DOCS = Path(__file__).parents[2] / "docs"
FENCE = re.compile(
    r"(?P<skip><!-- not run: [^>]*-->\s*\n)?^```(?P<language>\w+)"
    r'(?: title="(?P<title>[^"]+)")?\n(?P<code>.*?)^```$',
    re.DOTALL | re.MULTILINE,
)
"""A fenced block; a comment `<!-- not run: why -->` before it takes it out"""


@dataclass(frozen=True)
class Block:
    """One block of code."""

    language: str
    title: str | None
    code: str
    line: int

    def bare(self) -> list[str]:
        """Its lines without comments and blank ones, as a translation has to keep them."""
        lines = [
            re.sub(r"(^|\s)#.*|\"\"\".*\"\"\"", "", line).rstrip()
            for line in self.code.splitlines()
        ]
        return [line for line in lines if line]


def blocks(page: Path) -> list[Block]:
    """The blocks of a page that are run: Python, shell, and files, which have a title."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(m["language"], m["title"], m["code"], text.count("\n", 0, m.start("code")))
        for m in FENCE.finditer(text)
        if not m["skip"] and (m["language"] in ("python", "sh") or m["title"])
    ]


def play(page: Path) -> None:
    """Run a page's blocks in the current folder; raises `AssertionError` that names the line."""
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page):
        where = f"{page.name}, line {block.line}"
        if block.title:
            Path(block.title).write_text(block.code, encoding="utf-8")
        elif block.language == "python":
            # Compiled with its place, so that a traceback points into the page.
            code = compile("\n" * block.line + block.code, str(page), "exec")
            exec(code, names)
        else:
            for line in block.code.replace("\\\n", " ").splitlines():
                _typed(line, where)


def _typed(line: str, where: str) -> None:
    """Do what one line of a shell block says; `# exit code N` behind it says how it ends."""
    wanted = int(m[1]) if (m := re.search(r"# exit code (\d)", line)) else 0
    words = shlex.split(line, comments=True)
    if not words:
        return
    if words[0] == "wareloom":
        said = wareloom(*words[1:])
        assert said.code == wanted, (
            f"{where}: {line}\nexit code {said.code}\n{said.out}\n{said.err}"
        )
    else:
        done = subprocess.run(
            line, shell=True, check=False, capture_output=True, text=True, env=dict(os.environ)
        )
        assert done.returncode == wanted, f"{where}: {line}\n{done.stderr}"
