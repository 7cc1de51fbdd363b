"""What can go wrong in the domain, whoever asked. The API turns each into its own error document."""


class DomainError(Exception):
    """A refusal with a sentence a client may read."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail


class NotUnique(DomainError):
    """Two writers met and this one lost; nothing was written."""

    def __init__(self, detail: str = "The resource was changed by another request at the same time.") -> None:
        super().__init__(detail)


class Locked(DomainError):
    """What was to be deleted or moved is still referred to."""


class InvalidToken(DomainError):
    """No access token, or one that is malformed, expired, revoked or meant for somebody else."""


class AccessDenied(DomainError):
    """A valid token that does not permit what was asked."""


class Forbidden(DomainError):
    """A change that the resource does not allow, whoever asks."""
