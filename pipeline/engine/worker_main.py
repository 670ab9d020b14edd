"""The process that a WorkerProcess starts: it does stages of shards, one after the other, until its owner is gone."""

from __future__ import annotations

import os
from functools import partial
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.engine.child_process import limit_child
from tilepress.pipeline.engine.engine import run_stage
from tilepress.pipeline.engine.remote_result import done

READY = "ready"


def main(descriptor: int, memory: int) -> None:
    """Do what is asked on an open socket until its other end is closed, with at most `memory` bytes of data.

    Asked are (stage, task, attempt, heard); progress of it and at last its Done are answered. The first message has
    the archive's location and the number of threads.
    """
    limit_child(memory)
    channel, sending = Connection(descriptor), Lock()

    def send(answer: object) -> None:
        with sending:  # progress comes from any thread
            channel.send(answer)

    location, threads = channel.recv()
    archive = location.open()
    pool = CodecPool(archive, device="cpu", threads=threads)
    send(READY)
    asked: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_receive, args=(channel, asked), name="questions", daemon=True).start()
    while True:
        stage, task, attempt, heard = asked.get()
        send(done(partial(run_stage, stage, task, archive, pool.told_to(send), attempt), heard=heard))


def _receive(channel: Connection, asked: SimpleQueue[Any]) -> None:
    """Pass questions on; end this process as soon as its owner is gone, whatever it is at."""
    try:
        while True:
            asked.put(channel.recv())
    except (EOFError, OSError):
        os._exit(0)
