"""Secrets of the server: where they are kept, and how the embedded start makes its own."""

import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def kept_secret(path: Path) -> str:
    """The secret in `path`, made on the first call."""
    _write_once(path, secrets.token_urlsafe(64).encode())
    return path.read_text()


def kept_signing_key(path: Path) -> Path:
    """`path`, holding an RSA key, made on the first call."""
    if not path.exists():
        _write_once(path, new_signing_key())
    return path


def new_signing_key() -> bytes:
    """A fresh RSA key for RS512, as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_once(path: Path, content: bytes) -> None:
    """Readable by the owner only, whole or not at all, and never over a file another process made meanwhile."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
