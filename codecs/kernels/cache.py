"""Where compiled kernels come from: what tilepress ships (pack.py), else a folder that processes share.

numba's own cache sees a changed file, but not a changed function of another file that was inlined; it mixes up code
where two processes save a function for different types at once; and it fails where its folder cannot be written. Here

- the folder is named by a hash of every source that a kernel can be made of (the codecs, folders below them included,
  and the whole package of the kernel's own file, of tilepress's pipeline that alone), the versions of the compiler, and
  numba's settings (sources.py): after an upgrade it is another folder;
- each signature has files of its own, named by types and level of processors, and replaced atomically;
- what cannot be read is compiled again, what cannot be written is not kept;
- while one process compiles a signature, others of the machine that need it wait, and load what it saved (lock.py);
- displays are told when this process compiles (compile_clock.py).

The folder is in `$TILEPRESS_KERNEL_CACHE`, or `$NUMBA_CACHE_DIR`, or the user's cache folder. What it holds is run:
nobody else may be able to write to it. It may be read-only, as in a container image, and may be removed at any time.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, NullCache

from tilepress.codecs.kernels.compile_clock import COMPILE_CLOCK
from tilepress.codecs.kernels.lock import CompileLock, start_clock
from tilepress.codecs.kernels.pack import Pack
from tilepress.codecs.kernels.sources import package_of, sources_key, sources_stamp

VARIABLE = "TILEPRESS_KERNEL_CACHE"
_log = logging.getLogger(__name__)


@cache
def cache_root() -> Path | None:
    """Return the folder for compiled kernels of all versions; None if others could write to every such folder."""
    for name in (VARIABLE, "NUMBA_CACHE_DIR"):
        if os.environ.get(name):
            return Path(os.environ[name]).absolute()
    caches = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))  # noqa: PTH111 - never raises
    mine = caches / "tilepress" / "kernels"
    if caches.is_absolute() and _writable(mine):
        return mine
    # Temporary folders are everybody's: somebody else may have made one of that name.
    other = Path(tempfile.gettempdir()) / f"tilepress-kernels-{os.getuid()}"
    return other if _writable(other) and _private(other) else None


@cache
def _when_imported(sources: Path | None) -> tuple[int, str]:
    """Stamp and key of sources. In this order: what is written between the two is seen by its stamp later."""
    return sources_stamp(sources), sources_key(sources)


class KernelCache(FunctionCache):
    """The cache of one kernel, with the interface of numba's; counts signatures of all kernels in this process."""

    compiled = 0
    loaded = 0
    not_kept = 0

    def __init__(self, function: Callable[..., Any], root: Path | None, kind: str) -> None:
        """Look for code in `root`, unless it is shipped; `kind`: what is compiled of the function, by target.py."""
        self._py_func, self._root, self._kind = function, root, kind
        self._name = repr(function)
        self._impl = _Reduced(function)
        self._sources = package_of(function)
        self._stamp, self._key = _when_imported(self._sources)
        self._cache_path = str(root / self._key) if root else ""
        self._lock = CompileLock.of(root / self._key) if root else None
        self.enable()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return a compiled signature; None if the caller must compile it, while other processes wait for that."""
        target_context.refresh()
        entry = self._entry(sig, target_context.codegen())
        shipped = Pack.here().proven(self._key, entry)
        found = self._read(str(shipped), entry, sig, target_context) if shipped else None
        if found is None:
            found = self._read(self._cache_path, entry, sig, target_context)
        if found is None:
            start_clock(lasting=bool(self._root) and _can_be_made(Path(self._cache_path)))
            if self._lock and self._lock.acquire(entry):
                found = self._read(self._cache_path, entry, sig, target_context)
                if found is not None:
                    self._lock.release(entry)
        if found is None:
            KernelCache.compiled += 1
        else:
            KernelCache.loaded += 1
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled signature, unless its sources were changed after this process imported them."""
        COMPILE_CLOCK.count()
        KernelCache.not_kept += 1
        entry = self._entry(sig, data.codegen)
        if self._root and self._impl.check_cachable(data) and self._unchanged():
            self._write(entry, sig, data)
        if self._lock:
            self._lock.release(entry)

    def alone(self) -> KernelCache:
        """Return the cache of the same function when it is a part that Python calls by itself, a kernel then."""
        return KernelCache(self._py_func, self._root, "alone")

    def flush(self) -> None:
        """Do nothing: a user removes the folder instead."""

    def _unchanged(self) -> bool:
        try:
            return sources_stamp(self._sources) == self._stamp
        except OSError:  # some are being replaced
            return False

    def _write(self, entry: str, sig: Any, data: Any) -> None:
        try:
            Path(self._cache_path).mkdir(parents=True, exist_ok=True)
            file = self._file(self._cache_path, entry)
            file.flush()  # an index that cannot be read
            file.save(sig, self._impl.reduce(data))
            KernelCache.not_kept -= 1
        except OSError as exc:
            _log.info("a compiled kernel is not kept (%s); $%s may name a folder", exc, VARIABLE)

    def _read(self, folder: str, entry: str, sig: Any, target_context: Any) -> Any:
        if not folder:
            return None
        try:
            stored = self._file(folder, entry).load(sig)
            return None if stored is None else self._impl.rebuild(target_context, stored)
        except Exception as exc:  # noqa: BLE001 - of damaged bytes numba raises anything
            _log.info("a compiled kernel in %s cannot be read, and is made again: %r", folder, exc)
            return None

    def _entry(self, sig: Any, codegen: Any) -> str:
        exact = hashlib.sha256(repr(self._index_key(sig, codegen)).encode()).hexdigest()[:16]
        return f"{self._impl.filename_base}-{self._kind}-{exact}"

    def _file(self, folder: str, entry: str) -> Any:
        return IndexDataCacheFile(folder, entry, self._key)


class NoCache(NullCache):
    """Of a function whose sources are no files: every process compiles it, and the clock runs."""

    def load_overload(self, sig: Any, target_context: Any) -> None:
        """Find nothing."""
        start_clock(lasting=False)

    def save_overload(self, sig: Any, cres: Any) -> None:
        """Count a compiled signature."""
        COMPILE_CLOCK.count()

    def alone(self) -> NoCache:
        """Return the same: it keeps nothing of any function."""
        return self


class _Reduced(CompileResultCacheImpl):
    """How numba turns compiled functions into bytes and back; without numba's search for a folder."""

    def __init__(self, function: Callable[..., Any]) -> None:
        file = Path(inspect.getfile(function))
        self._lineno = function.__code__.co_firstlineno
        self._locator = SimpleNamespace(_py_file=str(file), get_disambiguator=lambda: str(self._lineno))
        self._filename_base = self.get_filename_base(f"{file.stem}.{function.__qualname__}", "")


def kernel_cache(function: Callable[..., Any], kind: str) -> KernelCache | NoCache:
    """Return the cache of a function; one of nothing if its sources are not files."""
    return KernelCache(function, cache_root(), kind) if Path(inspect.getfile(function)).is_file() else NoCache()


def _can_be_made(folder: Path) -> bool:
    """Whether files can be made in a folder, or the folder itself; it is not made here."""
    there = next(path for path in (folder, *folder.parents) if os.access(path, os.F_OK))
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.R_OK | os.W_OK | os.X_OK)


def _private(folder: Path) -> bool:
    about = folder.lstat()
    return folder.is_dir() and not folder.is_symlink() and about.st_uid == os.getuid() and not about.st_mode & 0o022
