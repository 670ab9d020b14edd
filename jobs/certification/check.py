"""`tilepress certify --check`: whether a certificate is whole, signed as it says, and still that of its archive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tilepress.jobs.certification.asking import CertifyConfig, CertifyReport
from tilepress.jobs.certification.certificate import CERTIFICATE, Certificate, read_certificate
from tilepress.jobs.certification.signature import key_text, public_key
from tilepress.jobs.certification.state import require_as_certified, require_models, require_parts
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.reading.archive import Archive, open_archive
from tilepress.pipeline.storage.base import open_storage


def checked_certificate(
    archive: str, place: str, public: str | None, storage_options: Mapping[str, Any]
) -> tuple[Archive, Certificate]:
    """Return an archive and a certificate of it: signature and seals right, runs, parts and models as certified.

    Args:
        archive: Its place.
        place: The certificate's folder, or the file certificate.json in it.
        public: File of the public key that must have signed it; without, a signature need only be right.
        storage_options: Of all places.

    Raises:
        UsageError: There is no such certificate, it is of another archive, or the archive has other runs now.
        IntegrityError: Certificate or archive is damaged, or the signature is wrong.
    """
    confirmed = key_text(public_key(public)) if public is not None else None
    folder = place.removesuffix(f"/{CERTIFICATE}") if place != CERTIFICATE else "."
    certificate = read_certificate(open_storage(folder, storage_options), confirmed)
    certificate.require_files()
    opened = open_archive(archive, include_deleted=True, checked=True, storage_options=storage_options)
    require_as_certified(opened, certificate)
    require_parts(opened)
    require_models(opened.storage, certificate.models)
    return opened, certificate


def run_check(config: CertifyConfig) -> CertifyReport:
    """Return what a certificate says, once all of that is checked: see `checked_certificate`."""
    assert config.check is not None
    if config.out is not None or config.key is not None:
        raise UsageError("`out` and `key` have no effect with `check`, which writes nothing")
    _, certificate = checked_certificate(config.archive, config.check, config.public_key, config.storage_options)
    if config.require_independent and not certificate.independent:
        raise UsageError(f"`require_independent`: {certificate.independence}")
    report = CertifyReport()
    report.fill(certificate)
    report.confirmed = config.public_key is not None
    if certificate.signed_by and not report.confirmed:
        report.notes.append("the signature is right, by the key that the certificate names; `public_key` says whose")
    return report
