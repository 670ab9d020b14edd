"""`tilepress warm`: compile every kernel once and keep the code, for machines and images that shall start at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TypeAlias, cast

from tilepress.codecs.kernels.cache import VARIABLE, cache_root
from tilepress.codecs.kernels.level import NATIVE, kernel_level
from tilepress.codecs.kernels.level import VARIABLE as LEVEL
from tilepress.codecs.kernels.pack import folder_here, remove_pack, write_pack
from tilepress.codecs.registry import CodecChoice
from tilepress.codecs.warm import Warmed, Work, counting_kernels
from tilepress.jobs.cli.messages import MESSAGES
from tilepress.jobs.cli.tables import print_json
from tilepress.jobs.codec_choice import AUTO, AUTO_CODECS, chosen_codec
from tilepress.jobs.maintenance.warm_works import works
from tilepress.pipeline.errors import EngineError, UsageError

_ADVICE = "Set TILEPRESS_KERNEL_CACHE to a writable folder"
_CHILD = "tilepress.jobs.maintenance.warm_works"
Counts: TypeAlias = tuple[int, int, int]  # signatures that were compiled, found, and compiled but not kept


def warm(codecs: Sequence[str] = (), *, quiet: bool = False, processes: int | None = None) -> Warmed:
    """Compile what is not compiled yet: what `codecs`, named as for --codec, need to compress and restore; none: all.

    `processes` compile side by side: one a processor if not given, of which 1 is this one. Each signature is compiled
    once. UsageError for an unknown codec; EngineError if compiled code cannot be kept, at once if none can.
    """
    _require_place()

    def say(name: str) -> None:
        if not quiet:
            MESSAGES.say(f"warming {name}", "warming")

    with ExitStack() as stack:
        names = [each for name in codecs for each in (AUTO_CODECS if name == AUTO else (name,))]
        chosen = [stack.enter_context(chosen_codec(name)) for name in names]
        done = warm_kernels([CodecChoice(one.codec.codec_id, one.model_folder) for one in chosen], say, processes)
    if done.not_kept:
        raise EngineError(f"{done.not_kept} compiled kernels could not be kept in {done.folder}: is it full? {_ADVICE}")
    return done


def _require_place() -> None:
    folder = cache_root()
    if folder is None:
        raise EngineError(f"there is no place where compiled code could be kept. {_ADVICE}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        raise EngineError(f"compiled code cannot be kept in {folder}: {exc.strerror}. {_ADVICE}") from exc


def warm_kernels(codecs: Sequence[CodecChoice], say: Callable[[str], None], processes: int | None = None) -> Warmed:
    """Compile or load the kernels of codecs, of none all there are; `say` is told the name of each work in turn."""
    todo = works(codecs)
    processes = min(processes or len(os.sched_getaffinity(0)), len(todo))
    if processes == 1:
        with counting_kernels() as done:
            for work in todo:
                say(work.name)
                work.do()
        return done
    return _warm_by_children(codecs, todo, say, processes, cache_root())


def pack_kernels(say: Callable[[str], None], processes: int | None = None) -> tuple[Warmed, int]:
    """Compile all kernels for the level of processors, and ship them in this package; return what was done, and bytes.

    EngineError if the package cannot be written; UsageError for code that would be of this processor alone.
    """
    if kernel_level().name == NATIVE:
        raise UsageError(f"kernels that are shipped are for a level of processors, and here is none: unset {LEVEL}")
    processes = processes or len(os.sched_getaffinity(0))
    try:
        remove_pack()  # so that nothing is found there
        with tempfile.TemporaryDirectory() as folder:
            done = _warm_by_children((), works(()), say, processes, Path(folder))
            return done, write_pack(Path(folder))
    except OSError as exc:
        raise EngineError(f"kernels cannot be shipped in {folder_here()}: {exc}") from exc


def _warm_by_children(
    codecs: Sequence[CodecChoice], todo: Sequence[Work], say: Callable[[str], None], processes: int, place: Path | None
) -> Warmed:
    """Hand works to processes, each of which takes the next when it is done with one; code is kept in a folder."""
    began, numbers, saying = time.monotonic(), iter(range(len(todo))), threading.Lock()

    def feed() -> list[Counts]:
        counts = []
        with _child(codecs, place) as ask:
            for number in numbers:  # shared by all threads: each number goes to one
                with saying:
                    say(todo[number].name)
                counts.append(ask(number))
        return counts

    with ThreadPoolExecutor(processes) as threads:
        fed = [threads.submit(feed) for _ in range(processes)]
        try:
            counts = [counted for one in fed for counted in one.result()]
        finally:
            list(numbers)  # after an error or a signal nobody begins another
    compiled, loaded, not_kept = map(sum, zip(*counts, strict=True))
    return Warmed(compiled, loaded, not_kept, time.monotonic() - began, place)


@contextmanager
def _child(codecs: Sequence[CodecChoice], place: Path | None) -> Iterator[Callable[[int], Counts]]:
    """A process that does works by number; it ends with the context, and with this process."""
    environment = os.environ | ({VARIABLE: str(place)} if place else {})
    words = [json.dumps([one.codec_id, one.model_folder and str(one.model_folder)]) for one in codecs]
    command, pipe = [sys.executable, "-m", _CHILD, *words], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        told, answers = cast(IO[str], process.stdin), cast(IO[str], process.stdout)

        def ask(number: int) -> Counts:
            print(number, file=told, flush=True)
            if not (line := answers.readline()):
                raise EngineError(f"a process that compiles kernels died ({process.wait()}): its messages are above")
            compiled, loaded, not_kept = json.loads(line)
            return compiled, loaded, not_kept

        yield ask


def show_pack(*, as_json: bool) -> int:
    """Print what was compiled and is shipped in this package, and return the exit code."""
    done, size = pack_kernels(lambda name: MESSAGES.say(f"warming {name}", "warming"))
    folder = folder_here()
    if as_json:
        print_json(vars(done) | {"folder": str(folder), "bytes": size})
        return 0
    print(f"compiled {done.compiled} kernels in {done.seconds:.1f} s; {size / 1e6:.1f} MB of code are in {folder}")
    return 0


def show_warm(codecs: Sequence[str] = (), *, as_json: bool) -> int:
    """Print how much was compiled and where the code is kept, and return the exit code."""
    done = warm(codecs, quiet=False)
    if as_json:
        print_json(vars(done) | {"folder": str(done.folder)})
        return 0
    print(f"compiled {done.compiled} kernels, found {done.loaded}, in {done.seconds:.1f} s; kept in {done.folder}")
    return 0
