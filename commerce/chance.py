"""What is left to chance, and comes out the same however often a transaction is repeated."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

Drawn = TypeVar("Drawn")
Draws = dict[Callable[[], Any], list[Any]]
"""What makes something random -> all it made, in order."""


def drawn(make: Callable[[], Drawn]) -> Drawn:
    """What `make` makes, or made in this place when it was done before."""
    draw = _drawing.get()
    return draw(make) if draw else make()


@contextmanager
def as_before(kept: Draws) -> Iterator[None]:
    """What is drawn is what was drawn before, as far as `kept` goes, and is kept from then on."""
    places: Counter[Callable[[], Any]] = Counter()

    def draw(make: Callable[[], Any]) -> Any:
        made, place = kept.setdefault(make, []), places[make]
        if place == len(made):
            made.append(make())
        places[make] += 1
        return made[place]

    token = _drawing.set(draw)
    try:
        yield
    finally:
        _drawing.reset(token)


_drawing: ContextVar[Callable[[Callable[[], Any]], Any] | None] = ContextVar("drawing", default=None)
