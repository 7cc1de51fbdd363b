"""What can go wrong in the domain, whoever asked. The API turns each into its own error document."""

from collections.abc import Callable


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


class CodeRefused(DomainError):
    """A code that cannot be used: the attribute it was sent in, a word for programs and a sentence for people."""

    def __init__(self, attribute: str, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.attribute, self.reason = attribute, reason


class Refused(Exception):
    """A refusal, `cause`, that leaves something behind, such as a row that tells why.

    `afterwards` writes it, in a transaction of its own, once everything else is rolled back: see commerce.repeating.
    """

    def __init__(self, cause: Exception, afterwards: Callable[[], None]) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.afterwards = afterwards
