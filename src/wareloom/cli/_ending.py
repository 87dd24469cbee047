"""How a command ends: one sentence and an exit code, whatever went wrong; a crash keeps its traceback in a file."""

from __future__ import annotations

import atexit
import contextlib
import os
import platform
import re
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import NamedTuple, TextIO

from wareloom.core.files import disk_full
from wareloom.core.secrets import scrubbed
from wareloom.errors import WareloomError

TRACEBACK = "--traceback"
NO_SPACE = (
    "No space left on the disk{where}. Nothing was left half-written, and finished pieces are kept: free some, and "
    "give the same command again."
)
STOPPED = "stopped; finished stages are kept, and --resume continues a recipe or a proof"
MEMORY = (
    "There is not enough memory for that{details}. Nothing was left half-written: ask for less at once, or use a "
    "machine with more."
)
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
WITHIN_POLARS = re.compile(r"os error (\d+)")
"""How libraries written in Rust name the system's reason: no file stands beside it"""
AGAIN = 0.05
"""Seconds after which a stop that nothing heeded is asked for again"""
LOOKED_AT = 2000
"""Files, at most, that are looked through for one that is damaged"""


class Ended(NamedTuple):
    """An exit code, and the sentence for standard error."""

    code: int
    sentence: str


class Ending:
    """Turns what comes out of a command into an exit code: 2 for what the user can mend, 3 for a crash.

    Not an `except`: libraries raise what they like, panics of compiled code, too, and none of it may be code 1.
    """

    def __init__(self, arguments: Sequence[str], shown: bool) -> None:
        """`arguments`: of the command line. `shown`: whether the traceback is printed as well."""
        self.arguments, self.shown = list(arguments), shown
        self.stopped = 0
        self._before: dict[int, object] = {}
        self._unraised = sys.unraisablehook

    def __enter__(self) -> Ending:
        if threading.current_thread() is threading.main_thread():
            for name in SIGNALS:
                number = getattr(signal, name, None)
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._stop)
            sys.unraisablehook = self._swallowed
            atexit.register(_deaf)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        sys.unraisablehook = self._unraised
        asked = isinstance(error, SystemExit) and error.code == 128 + signal.SIGINT
        if self.stopped or asked or isinstance(error, KeyboardInterrupt):
            _say(STOPPED)
            raise SystemExit(128 + (self.stopped or signal.SIGINT)) from None
        if any(isinstance(each, BrokenPipeError) for each in _chain(error)):
            # Whoever read the output has what it wanted. A layer below has made a code 1 of it.
            _silence()
            raise SystemExit(0) from None
        if error is None or isinstance(error, SystemExit):
            # Here, where it can be said: at its own end Python would have a code of its own for what cannot be written.
            unwritten = _flushed()
            if unwritten is None:
                return
            _silence()
            if isinstance(unwritten, BrokenPipeError):
                raise SystemExit(getattr(error, "code", None)) from None
            error = unwritten
        ended = ending_of(error, self.arguments) or self._crashed(error)
        if self.shown:
            _say("".join(traceback.format_exception(error)).rstrip())
        _say(ended.sentence)
        raise SystemExit(ended.code) from None

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopped = number
        # No KeyboardInterrupt: where one passes through generated code, Python ends by SIGINT whatever is raised after.
        raise SystemExit(128 + number)

    def _swallowed(self, unraisable: sys.UnraisableHookArgs) -> None:
        """Stop again where the stop came within a finaliser, out of which nothing is raised."""
        if not (self.stopped and isinstance(unraisable.exc_value, SystemExit)):
            self._unraised(unraisable)
            return
        again = threading.Timer(AGAIN, os.kill, (os.getpid(), self.stopped))
        again.daemon = True
        again.start()

    def _crashed(self, error: BaseException) -> Ended:
        where = _logged(error, self.arguments)
        kept = f"what is known of it is in {where}" if where else "its log could not be kept"
        more = "" if self.shown else f"; {TRACEBACK} prints it"
        said = scrubbed(_line(error))
        return Ended(
            3,
            f"Wareloom crashed: {said}. This is a bug of Wareloom, please report it: {kept}{more}.",
        )


def _flushed() -> OSError | None:
    """Write out what was printed; returns what cannot be."""
    # Without one, or with one that was closed before, there is nothing to write.
    if sys.stdout is None or sys.stdout.closed:
        return None
    try:
        sys.stdout.flush()
    except OSError as error:
        return error
    return None


def _silence() -> None:
    """Let nothing more be written to standard output, which nobody reads."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _deaf() -> None:
    """Take no signal while the interpreter ends: what is done is done."""
    for name in SIGNALS:
        if number := getattr(signal, name, None):
            signal.signal(number, signal.SIG_IGN)


def ending_of(error: BaseException, arguments: Sequence[str] = ()) -> Ended | None:
    """How an error ends a command where it is none of Wareloom's own; None for a crash."""
    if isinstance(error, WareloomError):
        return Ended(error.exit_code, f"error: {error}")
    for each in _chain(error):
        if disk_full(each):
            where = f" of {each.filename}" if isinstance(each, OSError) and each.filename else ""
            return Ended(2, "error: " + NO_SPACE.format(where=where))
    if isinstance(error, MemoryError):
        return Ended(2, "error: " + MEMORY.format(details=f" ({error})" if str(error) else ""))
    if isinstance(error, OSError) and (said := _of_system(error)):
        return Ended(2, f"error: {said}")
    if isinstance(error, UnicodeEncodeError) and "surrogates" in error.reason:
        text = ascii(error.object[max(0, error.start - 20) : error.end + 20])
        return Ended(
            2, f"error: {text} holds bytes that are no UTF-8: rename the file, or mend the text."
        )
    if not _of_a_file(error):
        return None
    if damaged := next(_damaged(arguments), None):
        path, why = damaged
        named = ascii(str(path))[1:-1] if utf8([str(path)]) else path
        return Ended(2, f"error: {named} is damaged: {why}. Copy it again whole, or make it anew.")
    return None


def utf8(arguments: Sequence[str]) -> Ended | None:
    """Why arguments cannot be taken: one that holds bytes that are no UTF-8 names a file that most formats cannot."""
    for argument in arguments:
        if any("\ud800" <= letter <= "\udfff" for letter in argument):
            return Ended(
                2, f"error: {argument!a} holds bytes that are no UTF-8: rename the file or folder."
            )
        if "\0" in argument:
            return Ended(2, f"error: {argument!a} holds a zero byte, which no name can.")
    return None


def widened(*streams: TextIO) -> None:
    """Let streams in an encoding that lacks letters, such as cp1252, show these as escapes."""
    for stream in streams:
        change = getattr(stream, "reconfigure", None)
        if change is not None:
            change(errors="backslashreplace")


def parted(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Take `--traceback` out of the arguments, wherever it stands before a "--"."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    kept = [word for word in arguments[:end] if word != TRACEBACK]
    return [*kept, *arguments[end:]], len(kept) < end


def _of_system(error: OSError) -> str:
    """What the system said, with the file that it said it of."""
    reason = error.strerror or str(error)
    number = error.errno
    if number is None and (found := WITHIN_POLARS.search(str(error))):
        number = int(found[1])
        return f"A file cannot be used: {str(error).splitlines()[0].rstrip('.')}."
    if number is None:
        return ""
    named = [str(each) for each in (error.filename, error.filename2) if each is not None]
    if isinstance(error, PermissionError):
        remedy = "look at its permissions, or choose another place"
    elif isinstance(error, FileNotFoundError):
        remedy = "look at how it is written"
    else:
        remedy = "look at the place and its disk, or choose another"
    if not named:
        return f"The system refused: {reason}; {remedy}."
    return f"{' and '.join(named)} cannot be used: {reason}; {remedy}."


def _of_a_file(error: BaseException) -> bool:
    """Whether an error may come of a file's bytes: what libraries raise that read Parquet, archives, JSON or arrays."""
    rooms = (
        "polars",
        "pyarrow",
        "zipfile",
        "zlib",
        "gzip",
        "lzma",
        "json",
        "safetensors",
        "pyo3_runtime",
        "sqlite3",
    )
    kinds = (ValueError, EOFError, KeyError, TypeError, IndexError, OSError)
    return any(
        type(e).__module__.partition(".")[0] in rooms or isinstance(e, kinds) for e in _chain(error)
    )


def _damaged(arguments: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """Files among the arguments, or in folders among them, that cannot be read, with the reason."""
    seen = 0
    for argument in arguments:
        place = Path(argument.partition("=")[2] or argument)
        with contextlib.suppress(OSError, ValueError):
            for path in _below(place):
                seen += 1
                if seen > LOOKED_AT:
                    return
                if utf8([str(path)]):
                    yield path, "its name holds bytes that are no UTF-8, rename it"
                elif path.is_file() and (why := _broken(path)):
                    yield path, why


def _below(place: Path) -> Iterator[Path]:
    """A place, and what is below it, one after the other: nobody waits for the end of a large folder."""
    yield place
    for folder, inner, names in os.walk(place):
        inner.sort()
        yield from (Path(folder) / name for name in sorted([*inner, *names]))


def _broken(path: Path) -> str:
    """Why a file of a known kind cannot be read, "" where it can or the kind is not known."""
    if path.suffix == ".json":
        from wareloom.core.parse import read_json
        from wareloom.errors import SourceError

        try:
            read_json(path)
        except SourceError as error:
            return str(error).removeprefix(f"{path} ").partition(". ")[0]
    elif path.suffix == ".parquet":
        return _broken_parquet(path)
    elif path.suffix in (".npz", ".zip"):
        import zipfile

        try:
            with zipfile.ZipFile(path) as archive:
                bad = archive.testzip()
                return f"{bad} in it differs from what was written" if bad else ""
        except (zipfile.BadZipFile, EOFError, OSError) as error:
            return str(error)
    return ""


def _broken_parquet(path: Path) -> str:
    import polars as pl

    with path.open("rb") as file:
        head = file.read(4)
        file.seek(0, os.SEEK_END)
        size = file.tell()
        file.seek(max(0, size - 4))
        tail = file.read(4)
    if size < 12 or head != b"PAR1" or tail != b"PAR1":
        return "it is no whole Parquet file"
    try:
        columns = pl.read_parquet_schema(path)
        for column in columns:
            pl.scan_parquet(path, glob=False).select(pl.col(column).count()).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        return str(error).splitlines()[0].rstrip(".")
    return ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came of."""
    seen: set[int] = set()
    here = error
    while here is not None and id(here) not in seen:
        seen.add(id(here))
        yield here
        here = here.__cause__ or here.__context__


def _line(error: BaseException) -> str:
    first = (str(error).strip().splitlines() or [""])[0][:300].rstrip(".")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _logged(error: BaseException, arguments: Sequence[str]) -> Path | None:
    """Write what is known of a crash to a file of its own; None where no folder takes it. Secrets are taken out."""
    from wareloom._version import __version__

    head = [
        f"wareloom {__version__}, Python {platform.python_version()}, {platform.platform()}",
        "arguments: " + " ".join(arguments),
        "",
    ]
    text = scrubbed("\n".join([*head, *traceback.format_exception(error)]))
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    name = f"crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    for folder in (Path(state) / "wareloom", Path(tempfile.gettempdir()) / "wareloom"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        return folder / name
    return None


def _say(text: str) -> None:
    if sys.stderr is None:
        return
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)
