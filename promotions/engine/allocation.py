"""Rounding once and sharing out without a cent lost."""

from collections.abc import Sequence


def half_up(numerator: int, denominator: int) -> int:
    """The quotient of two whole numbers, none negative, rounded to the nearest; a half goes up."""
    return (2 * numerator + denominator) // (2 * denominator)


def spread(total: int, weights: Sequence[int]) -> list[int]:
    """`total` in shares proportional to `weights`, by largest remainder; ties go to whoever comes first.

    The shares sum to `total`, but to 0 where all weights are 0. None exceeds its weight while `total` is no more than
    the sum of them.
    """
    whole = sum(weights)
    if total == whole:
        return list(weights)
    if not whole:
        return [0] * len(weights)
    exact = [total * weight for weight in weights]
    shares = [portion // whole for portion in exact]
    missing = total - sum(shares)
    if missing:
        remainders = [-(portion % whole) for portion in exact]
        for place in sorted(range(len(weights)), key=remainders.__getitem__)[:missing]:
            shares[place] += 1
    return shares


def spread_within(total: int, weights: Sequence[int], caps: Sequence[int]) -> list[int]:
    """`spread`, where no share exceeds its cap: what one cannot hold goes to the others by the same weights."""
    shares = [0] * len(weights)
    while total:
        open_weights = [weight if share < cap else 0 for weight, share, cap in zip(weights, shares, caps, strict=True)]
        more = spread(total, open_weights)
        if not any(more):
            break
        for place, cents in enumerate(more):
            taken = min(cents, caps[place] - shares[place])
            shares[place] += taken
            total -= taken
    return shares
