"""`tilepress view`: serve an archive to a browser until it is interrupted."""

from __future__ import annotations

import ipaddress
import signal
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any

from tilepress.codecs.extras import require_extra
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.storage.options import NO_OPTIONS

if TYPE_CHECKING:
    import uvicorn

    from tilepress.jobs.viewer.library import Library

Told = Callable[[str, str, bool], None]  # URL of the viewer, that of the archive, whether others may reach it


@dataclass(frozen=True)
class ViewConfig:
    """What `tilepress.view` was asked for; its signature describes every field."""

    archive: str
    port: int = 8187
    host: str = "127.0.0.1"
    allow_remote: bool = False
    open_browser: bool = False
    storage_options: Mapping[str, Any] = field(default=NO_OPTIONS, repr=False)


@dataclass(frozen=True)
class ViewReport:
    """Where the archive was shown."""

    url: str
    archive: str

    @property
    def exit_code(self) -> int:
        """0: a viewer ends when it is told to."""
        return 0


def run_view(config: ViewConfig, told: Told) -> ViewReport:
    """Serve until SIGINT or SIGTERM; `told` is called once the viewer can be asked.

    UsageError if there is no archive, the port is taken, or others could reach the server and nobody asked for that.
    """
    require_extra("view", "tilepress view")
    from tilepress.jobs.viewer.app import LOOPBACK
    from tilepress.jobs.viewer.library import Library

    local = is_loopback(config.host)
    if not local and not config.allow_remote:
        raise UsageError(
            f"`host` {config.host}: whoever reaches this machine could read the archive; `allow_remote` says that so "
            "it is meant"
        )
    library = Library(config.archive, config.storage_options)
    with _listening(config.host, config.port) as bound:
        url = _url(config.host, bound.getsockname()[1])
        server = _server(library, (*LOOPBACK, _in_url(config.host)) if local else None)
        threading.Thread(target=library.warm, name="warm", daemon=True).start()
        told(url, config.archive, not local)
        if config.open_browser:
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        with _ended_by_signals():
            server.run(sockets=[bound])
    return ViewReport(url, config.archive)


def is_loopback(host: str) -> bool:
    """Tell whether a host name is one of this machine's alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        bound = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as exc:
        why = getattr(exc, "strerror", None) or exc
        raise UsageError(f"`host` {host}, `port` {port}: {why}; `port` 0 takes any that is free") from exc
    with bound:
        yield bound


def _url(host: str, port: int) -> str:
    return f"http://{_in_url(host)}:{port}/"


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _server(library: Library, hosts: Sequence[str] | None) -> uvicorn.Server:
    """A server of a library, which abandons what it decodes when a signal ends it. `hosts`: see `viewer_app`."""
    import uvicorn

    from tilepress.jobs.viewer.app import viewer_app
    from tilepress.jobs.viewer.work import Workers

    workers = Workers()
    app = viewer_app(library, hosts, workers)
    settings = uvicorn.Config(app, lifespan="off", log_level="error", access_log=False, server_header=False)
    settings.timeout_graceful_shutdown = 1
    server = uvicorn.Server(settings)
    handle_exit = server.handle_exit

    def handle(number: int, frame: FrameType | None) -> None:
        handle_exit(number, frame)
        workers.end()

    server.handle_exit = handle  # type: ignore[assignment, method-assign]  # looked up when it begins to serve
    return server


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Open a context in which the first SIGINT or SIGTERM ends the server, and only that: it has done its work.

    uvicorn raises a signal again once the server has ended; it then finds a handler that has seen it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
