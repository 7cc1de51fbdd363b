"""Transactions that need to know what somebody else's server says, or that leave something behind when refused.

No other server is ever asked inside a transaction, which would wait for it with its locks held. One that lacks an
answer raises Deferred and is rolled back; `repeated` asks and does it all again, and then the answer is known.
"""

from collections.abc import Callable, Hashable, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar

from django.db import connection

from commerce import changes
from commerce.chance import Draws, as_before
from commerce.errors import NotUnique, Refused

MOST_REPEATS = 20

Done = TypeVar("Done")
Key = TypeVar("Key", bound=Hashable)


class Deferred(Exception):
    """What a transaction has to be told before it can be done. `calls`: question -> what asks it and returns."""

    def __init__(self, calls: Mapping[str, Callable[[], Any]]) -> None:
        super().__init__("what other servers say must be asked outside of any transaction: see commerce.repeating")
        self.calls = calls


def repeated(work: Callable[[], Done]) -> Done:
    """What `work` returns, which opens its own transaction and is done anew as often as it is Deferred.

    Every question is asked once, also one that fails, and what is left to chance comes out the same every time.
    What a Refused leaves behind is written in a transaction of its own. Raises NotUnique where there is no end to it.
    """
    answers: dict[str, Any] = {}
    drawn: Draws = {}
    token = _answers.set(answers)
    try:
        for _ in range(1 + MOST_REPEATS):
            try:
                with as_before(drawn):
                    return work()
            except Deferred as deferred:
                answers |= {question: call() for question, call in deferred.calls.items()}
        raise NotUnique("What other servers are asked about kept changing; nothing was written.")
    except Refused as refusal:
        with changes.atomic():
            refusal.afterwards()
        raise refusal.cause from None
    finally:
        _answers.reset(token)


def answered(question: str) -> Any:
    """What was answered since `repeated` began; None where nothing was."""
    return (_answers.get() or {}).get(question)


def together(asked: Mapping[Key, Callable[[], Done]]) -> dict[Key, Done]:
    """What each returns; those that are Deferred are deferred as one."""
    found: dict[Key, Done] = {}
    calls: dict[str, Callable[[], Any]] = {}
    for key, ask in asked.items():
        try:
            found[key] = ask()
        except Deferred as deferred:
            calls |= deferred.calls
    if calls:
        raise Deferred(calls)
    return found


def in_transaction() -> bool:
    """By the rule of `atomic(durable=True)`: the transaction that a test is wrapped in is none."""
    return connection.in_atomic_block and not connection.atomic_blocks[-1]._from_testcase  # type: ignore[attr-defined]


_answers: ContextVar[Mapping[str, Any] | None] = ContextVar("answers", default=None)
