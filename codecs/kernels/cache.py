"""Where compiled kernels are kept between processes, so that machine code of other sources is never run.

numba's own cache sees a changed file, but not a changed function of another file that was inlined; it mixes up code
where two processes save a function for different types at once; and it fails where its folder cannot be written. Here

- the folder is named by a hash of every source that a kernel can be made of (the codecs, folders below them included,
  and the whole package of the kernel's own file, of tilepress's pipeline that alone), the versions of the compiler, and
  numba's settings: after an upgrade it is another folder;
- each signature has files of its own, named by types, processor and its features, and replaced atomically;
- what cannot be read is compiled again, what cannot be written is not kept;
- while one process compiles, others of the machine that need a kernel wait, and load what it saved (lock.py);
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
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from llvmlite.binding import get_host_cpu_features
from numba.core import config
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, NullCache

from tilepress.codecs.errors import CodecError
from tilepress.codecs.kernels.compile_clock import COMPILE_CLOCK
from tilepress.codecs.kernels.lock import CompileLock, start_clock

VARIABLE = "TILEPRESS_KERNEL_CACHE"
_PACKAGE = Path(__file__).parents[1]
_PIPELINE = _PACKAGE.parent / "pipeline"
_COMPILERS = ("numba", "llvmlite", "numpy")
_NO_MATTER = {"NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_DEBUG_CACHE", "NUMBA_THREADING_LAYER"}
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


def sources_key(folder: Path | None) -> str:
    """Return the hash of all that decides how kernels are compiled, but for the processor.

    `folder`: the kernel's package, hashed with all folders below it beside the codecs; or the folder of a module that
    is in no package, whose neighbours are hashed alone: such a folder may be all of site-packages. None: the codecs.
    """
    digest = hashlib.sha256()
    for name in _COMPILERS:
        digest.update(f"{name} {version(name)}\n".encode())
    for name in sorted(name for name in os.environ if name.startswith("NUMBA_") and name not in _NO_MATTER):
        digest.update(f"{name}={os.environ[name]}\n".encode())
    for name, path in (*_sources(_PACKAGE), *(_sources(folder) if folder else ())):
        content = path.read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:32]


def _sources(folder: Path) -> list[tuple[str, Path]]:
    """Name (relative, with slashes) and path of every source file of a folder, in the order of names."""
    found = _below(folder) if (folder / "__init__.py").is_file() else folder.glob("*.py")
    return sorted((path.relative_to(folder).as_posix(), path) for path in found)


def _below(folder: Path) -> Iterator[Path]:
    """Every source file of a package. Its folders may be links, which rglob leaves out: those of a checkout are."""
    seen = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        seen.add(os.path.realpath(place))
        folders[:] = [name for name in folders if os.path.realpath(Path(place, name)) not in seen]
        yield from (Path(place, name) for name in files if name.endswith(".py"))


def _package_of(function: Callable[..., Any]) -> Path | None:
    """The outermost package of a function's file, else the file's folder; None for a file of the codecs themselves.

    The pipeline imports nothing but the codecs: its own kernels stay as they are where the jobs change.
    """
    folder = Path(inspect.getfile(function)).parent
    for layer, sources in ((_PACKAGE, None), (_PIPELINE, _PIPELINE)):
        if folder.resolve().is_relative_to(layer.resolve()):
            return sources
    while (folder / "__init__.py").is_file() and (folder.parent / "__init__.py").is_file():
        folder = folder.parent
    return folder


_key_when_imported = cache(sources_key)


class KernelCache(FunctionCache):  # type: ignore[misc]  # numba has no types
    """The cache of one kernel, with the interface of numba's; counts signatures of all kernels in this process."""

    compiled = 0
    loaded = 0
    not_kept = 0

    def __init__(self, function: Callable[..., Any], root: Path) -> None:
        self._py_func = function
        self._name = repr(function)
        self._impl = _Reduced(function)
        self._sources = _package_of(function)
        self._key = _key_when_imported(self._sources)
        self._cache_path = str(root / self._key)
        self._lock = CompileLock.of(root / self._key)
        self.enable()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return a compiled signature; None if the caller must compile it, while other processes wait for that."""
        target_context.refresh()
        found = self._read(sig, target_context)
        if found is None:
            start_clock(lasting=_can_be_made(Path(self._cache_path)))
            if self._lock.acquire():
                found = self._read(sig, target_context)
        if found is None:
            KernelCache.compiled += 1
        else:
            KernelCache.loaded += 1
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled signature, unless its sources were changed after this process imported them."""
        COMPILE_CLOCK.count()
        KernelCache.not_kept += 1
        if not self._impl.check_cachable(data) or sources_key(self._sources) != self._key:
            return
        file = self._file(sig, data.codegen)
        try:
            Path(self._cache_path).mkdir(parents=True, exist_ok=True)
            file.flush()  # an index that cannot be read
            file.save(sig, self._impl.reduce(data))
            KernelCache.not_kept -= 1
        except OSError as exc:
            _log.info("a compiled kernel is not kept (%s); $%s may name a folder", exc, VARIABLE)

    def flush(self) -> None:
        """Do nothing: a user removes the folder instead."""

    def _read(self, sig: Any, target_context: Any) -> Any:
        try:
            stored = self._file(sig, target_context.codegen()).load(sig)
            return None if stored is None else self._impl.rebuild(target_context, stored)
        except Exception as exc:  # noqa: BLE001 - of damaged bytes numba raises anything
            _log.info("a compiled kernel in %s cannot be read, and is made again: %r", self._cache_path, exc)
            return None

    def _file(self, sig: Any, codegen: Any) -> Any:
        exact = hashlib.sha256(repr(self._index_key(sig, codegen)).encode()).hexdigest()[:16]
        return IndexDataCacheFile(self._cache_path, f"{self._impl.filename_base}-{exact}", self._key)


class NoCache(NullCache):  # type: ignore[misc]  # numba has no types
    """Where there is no folder to keep code in: every process compiles what it needs, and the clock runs."""

    def load_overload(self, sig: Any, target_context: Any) -> None:
        """Find nothing."""
        start_clock(lasting=False)

    def save_overload(self, sig: Any, cres: Any) -> None:
        """Count a compiled signature."""
        COMPILE_CLOCK.count()


class _Reduced(CompileResultCacheImpl):  # type: ignore[misc]  # numba has no types
    """How numba turns compiled functions into bytes and back; without numba's search for a folder."""

    def __init__(self, function: Callable[..., Any]) -> None:
        file = Path(inspect.getfile(function))
        self._lineno = function.__code__.co_firstlineno
        self._locator = SimpleNamespace(_py_file=str(file), get_disambiguator=lambda: str(self._lineno))
        self._filename_base = self.get_filename_base(f"{file.stem}.{function.__qualname__}", "")


def require_processor() -> None:
    """Raise CodecError if NUMBA_CPU_FEATURES asks for code that this processor cannot run."""
    wanted = [name[1:] for name in (config.CPU_FEATURES or "").split(",") if name.startswith("+")]
    features = get_host_cpu_features()
    if missing := [name for name in wanted if not features.get(name)]:
        raise CodecError(
            f"kernels are to be compiled for a processor with {', '.join(wanted)}, and this one lacks "
            f"{', '.join(missing)}: unset NUMBA_CPU_NAME and NUMBA_CPU_FEATURES to compile them for this one"
        )


def kernel_cache(function: Callable[..., Any]) -> KernelCache | NoCache:
    """Return a cache for a function, one of nothing if its sources are not files or there is no folder for code."""
    root = cache_root()
    return KernelCache(function, root) if root and Path(inspect.getfile(function)).is_file() else NoCache()


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
