"""What `tilepress certify` is asked for, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tilepress.jobs.certification.certificate import CERTIFICATE, Certificate
from tilepress.pipeline.engine.engine import EngineConfig
from tilepress.pipeline.storage.options import NO_OPTIONS


@dataclass(frozen=True)
class CertifyConfig:
    """What `tilepress.certify` was asked for; its signature describes every field."""

    archive: str
    out: str | None = None
    key: str | None = None
    require_independent: bool = False
    check: str | None = None  # a certificate: nothing is read but that
    public_key: str | None = None
    engine: EngineConfig = field(default_factory=EngineConfig)
    quiet: bool = True
    storage_options: Mapping[str, Any] = field(default=NO_OPTIONS, repr=False)  # of all places: see StorageOptions


@dataclass
class CertifyReport:
    """What was read and certified. `certificate`: its place; "" where none was written, since something is wrong."""

    certificate: str = ""
    archive_id: str = ""
    runs: list[int] = field(default_factory=list)
    files: int = 0
    source_bytes: int = 0
    parts: int = 0
    comes_back: dict[str, int] = field(default_factory=dict)
    begun: str = ""
    independent: bool = False
    independence: str = ""
    signed_by: str = ""  # the public key, 64 hexadecimal digits
    confirmed: bool = False  # that key was the one that was given
    resumed_tasks: int = 0
    written: bool = False  # by this command; else it was there, or none is
    problems: list[tuple[str, str, str]] = field(default_factory=list)  # file of the archive, image, what is wrong
    unchecked: list[tuple[str, str]] = field(default_factory=list)  # path, reason: a codec is not installed here
    notes: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 certified; 4 damage; 5 not all could be decoded here: there is no certificate then."""
        return 4 if self.problems else 5 if self.unchecked else 0

    def fill(self, certificate: Certificate) -> None:
        """Add what a certificate says."""
        self.certificate = f"{certificate.storage.url}/{CERTIFICATE}"
        self.archive_id, self.begun = certificate.archive_id, certificate.begun
        self.runs = sorted(certificate.run_seals)
        self.files, self.source_bytes = certificate.files["rows"], certificate.files["source_bytes"]
        self.comes_back, self.parts = certificate.files["comes_back"], certificate.parts
        self.independent, self.independence = certificate.independent, certificate.independence
        self.signed_by = certificate.signed_by
