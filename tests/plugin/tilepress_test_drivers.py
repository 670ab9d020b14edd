"""Drivers in processes of their own that die at a chosen moment; children are forked by a warm server."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from typing import Any

from tilepress import compress
from tilepress.pipeline.storage.base import Storage
from tilepress.pipeline.storage.local import LocalStorage
from tilepress.pipeline.storage.s3.bucket import S3Storage

BEFORE, AFTER = "before", "after"


def start(target: Callable[..., None], *args: Any) -> BaseProcess:
    """A child; modules are imported once, in the server that forks it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "tilepress.codecs.classical.jpegxl", "imagecodecs", "PIL.Image"])
    child = context.Process(target=target, args=args)
    child.start()
    return child


def run(source: str, archive: str, options: Mapping[str, Any], environment: Mapping[str, str]) -> None:
    """One `compress`; its exit code is that of the report."""
    os.environ.update(environment)
    raise SystemExit(compress(source, archive, **options).exit_code)


def run_until(
    nth: int, moment: str, source: str, archive: str, options: Mapping[str, Any], environment: Mapping[str, str]
) -> None:
    """`run`, killed by SIGKILL before its nth attempt to create an object, or after its nth success."""
    made = 0

    def killing(create: Callable[..., None]) -> Callable[..., None]:
        def wrapped(storage: Storage, *args: Any) -> None:
            nonlocal made
            made += moment == BEFORE
            if made == nth:
                os.kill(os.getpid(), signal.SIGKILL)
            create(storage, *args)
            made += moment == AFTER
            if made == nth:
                os.kill(os.getpid(), signal.SIGKILL)

        return wrapped

    for kind in (LocalStorage, S3Storage):
        for name in ("create", "create_file"):
            setattr(kind, name, killing(getattr(kind, name)))
    run(source, archive, options, environment)
