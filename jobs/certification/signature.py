"""Ed25519 signatures of certificates (RFC 8032), by the library `cryptography`. Keys are PEM files, as openssl's:

openssl genpkey -algorithm ed25519 -out key.pem
openssl pkey -in key.pem -pubout -out public.pem
openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in certificate.json -sigfile certificate.sig
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tilepress.codecs.extras import require_extra
from tilepress.pipeline.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE_BYTES = 64
_MAX_KEY_FILE = 1 << 16
_HOW = "`openssl genpkey -algorithm ed25519 -out key.pem` makes one"


def private_key(path: str) -> Ed25519PrivateKey:
    """Return the private key in a local PEM file. UsageError, which never shows what is in the file."""
    require_extra("certify", "signing a certificate")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_pem(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UsageError(f"`key` {path} holds no private key without a password, in PEM: {_HOW}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"`key` {path} is a key of another kind than Ed25519: {_HOW}")
    return key


def public_key(path: str) -> Ed25519PublicKey:
    """Return the public key in a local PEM file. UsageError."""
    require_extra("certify", "checking a signature")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(_pem(path))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UsageError(f"`public_key` {path} holds no public key in PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(f"`public_key` {path} is a key of another kind than Ed25519")
    return key


def key_text(key: Ed25519PublicKey) -> str:
    """Return a public key as 64 hexadecimal digits."""
    return key.public_bytes_raw().hex()


def row_secret(key: Ed25519PrivateKey) -> bytes:
    """Return 32 bytes that only a holder of the key can know, and that tell nothing of it: HKDF-SHA256 (RFC 5869)."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), 32, salt=None, info=b"tilepress certify: rows of parts").derive(key.private_bytes_raw())


def require_signature(signed_by: str, signature: bytes, content: bytes, where: str) -> None:
    """Raise IntegrityError unless `signature` is that of `content` by the public key `signed_by`, as `key_text`."""
    require_extra("certify", "checking a signature")
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(signed_by)).verify(signature, content)
    except (InvalidSignature, ValueError) as exc:
        raise IntegrityError(
            f"{where}: the signature is not that of this certificate by the key that it names"
        ) from exc


def _pem(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MAX_KEY_FILE + 1)
    except (OSError, ValueError) as exc:
        raise UsageError(f"the key file {path} cannot be read: {getattr(exc, 'strerror', None) or exc}") from exc
    if len(data) > _MAX_KEY_FILE:
        raise UsageError(f"{path} is no key file: it is larger than any")
    return data
