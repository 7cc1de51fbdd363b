"""Secrets of the server: where they are kept, how the embedded start makes its own, and what they sign."""

import hashlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jwt
import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.exceptions import ImproperlyConfigured
from jwt.algorithms import RSAAlgorithm
from jwt.utils import base64url_encode

ALGORITHM = "RS512"


class Keyring:
    """RSA keys from PEM files: the first signs, all verify. Of a key that only verifies the public half will do."""

    def __init__(self, files: Sequence[Path]) -> None:
        signing, *retired = map(_read, files)
        if not isinstance(signing, rsa.RSAPrivateKey):
            raise ImproperlyConfigured(f"{files[0]} is the first key, so it must be a private one")
        self._signing = signing
        self._signing_kid = _thumbprint(_public(signing))
        self._verifying = {_thumbprint(key): key for key in map(_public, [signing, *retired])}

    def sign(self, claims: dict[str, Any]) -> str:
        """The JWT of `claims`. The same claims give the same letters, in whatever order a database returned them."""
        payload = orjson.dumps(claims, option=orjson.OPT_SORT_KEYS)
        return jwt.PyJWS().encode(payload, self._signing, ALGORITHM, headers={"kid": self._signing_kid})

    def verify(self, token: str) -> Any:
        """What a JWT of these keys claims; times and meaning are not checked. Raises ValueError for any other text."""
        try:
            key = self._verifying[jwt.get_unverified_header(token)["kid"]]
            return orjson.loads(jwt.PyJWS().decode(token, key, [ALGORITHM]))
        except (jwt.PyJWTError, KeyError, TypeError, RecursionError) as error:
            raise ValueError("not a token of ours") from error

    def public(self) -> list[dict[str, str]]:
        """The public keys as JSON Web Keys."""
        return [_numbers(key) | {"kid": kid, "alg": ALGORITHM, "use": "sig"} for kid, key in self._verifying.items()]


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


def _read(file: Path) -> rsa.RSAPrivateKey | rsa.RSAPublicKey:
    try:
        pem = file.read_bytes()
        is_private = b"PRIVATE KEY" in pem
        key = serialization.load_pem_private_key(pem, None) if is_private else serialization.load_pem_public_key(pem)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ImproperlyConfigured(f"{file} holds no key: {error}") from error
    if not isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey) or key.key_size < 2048:
        raise ImproperlyConfigured(f"{file} holds no RSA key of 2048 bits or more")
    return key


def _public(key: rsa.RSAPrivateKey | rsa.RSAPublicKey) -> rsa.RSAPublicKey:
    return key.public_key() if isinstance(key, rsa.RSAPrivateKey) else key


def _numbers(key: rsa.RSAPublicKey) -> dict[str, str]:
    jwk = RSAAlgorithm.to_jwk(key, as_dict=True)
    return {name: jwk[name] for name in ("e", "kty", "n")}


def _thumbprint(key: rsa.RSAPublicKey) -> str:
    """RFC 7638, so that the kid of a key is the same wherever it is computed."""
    return base64url_encode(hashlib.sha256(orjson.dumps(_numbers(key))).digest()).decode()


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
