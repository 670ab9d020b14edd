"""The metrics of a command as a text file for Prometheus, such as node_exporter's textfile collector reads."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tilepress.codecs.extras import require_extra
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.monitoring.metrics import PREFIX, Reading, end_readings, progress_readings
from tilepress.pipeline.monitoring.scope import Command

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family

EVERY_S = 5.0
_OURS = f"# HELP {PREFIX}".encode()
logger = logging.getLogger(__name__)


class MetricsFile:
    """Writes the metrics of one command, whole each time, until it ends; what the file then says stays there."""

    def __init__(self, path: Path, command: Command) -> None:
        """Check the place, and write what there is now. UsageError where that is impossible; MissingExtra."""
        require_extra("metrics", "`metrics_file`")
        self._path, self._command = path, command
        self._over = threading.Event()
        try:
            self._check()
            self._write(progress_readings(command))
        except OSError as exc:
            raise UsageError(f"`metrics_file` {path} cannot be written: {exc.strerror}") from exc
        self._thread = threading.Thread(target=self._keep_writing, name="tilepress-metrics", daemon=True)
        self._thread.start()

    def end(self, exit_code: int, *, success: bool) -> None:
        """Write how the command ended; a place that has become unwritable is no error of the command."""
        self._over.set()
        self._thread.join()
        progress = progress_readings(self._command, running=False)
        self._write_quietly([*progress, *end_readings(self._command, exit_code, success=success)])

    def _check(self) -> None:
        """UsageError for a file that somebody else wrote: it would be lost."""
        if self._path.exists():
            with self._path.open("rb") as file:
                if not (begin := file.read(len(_OURS))).startswith(_OURS) and begin:
                    raise UsageError(f"`metrics_file` {self._path} holds something else than metrics of tilepress")

    def _keep_writing(self) -> None:
        while not self._over.wait(EVERY_S):
            self._write_quietly(progress_readings(self._command))

    def _write_quietly(self, readings: Iterable[Reading]) -> None:
        try:
            self._write(readings)
        except OSError as exc:
            logger.info("%s was not written: %s", self._path, exc)

    def _write(self, readings: Iterable[Reading]) -> None:
        """Write to a file beside it, then rename that."""
        from prometheus_client import CollectorRegistry, write_to_textfile

        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Readings(readings))
        write_to_textfile(str(self._path), registry)


class _Readings:
    """Readings, as the client of Prometheus collects them."""

    def __init__(self, readings: Iterable[Reading]) -> None:
        self._readings = list(readings)

    def collect(self) -> Iterator[Family]:
        """Yield each metric with all of its readings."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
        for metric in dict.fromkeys(reading.metric for reading in self._readings):
            family = kinds[metric.kind](metric.full_name, metric.help, labels=metric.labels)
            for reading in self._readings:
                if reading.metric == metric:
                    family.add_metric([reading.labels[name] for name in metric.labels], reading.value)
            yield family
