"""What the engine is given and what it answers. Values only: amounts in cents, keys as numbers, instants in UTC."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from promotions.engine import lifecycle
from promotions.engine.reasons import Refusal

# --- The order ------------------------------------------------------------------------------------


class Listed(NamedTuple):
    """How a SKU list holds an item. A regex has neither positions nor quantities."""

    position: int = 0
    quantity: int = 1
    max_per_coupon: int = 0
    """How many units of it one promotion discounts; 0 is no limit."""
    price_amount_cents: int | None = None
    """What a unit costs with a promotion that sets prices, where that is not the promotion's own amount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Units of one SKU, bundle or purchased gift card."""

    id: int
    code: str
    quantity: int
    unit_amount_cents: int
    options_amount_cents: int = 0
    item_type: str = "skus"
    product: str | None = None
    """What it is a variant or a plan of, as the catalog calls that."""
    discountable: bool = True
    """Whether promotions without a SKU list take something off it; a gift card that is no taxable item is not."""
    lists: Mapping[int, Listed] = field(default_factory=dict)
    """Key of every SKU list that holds the item -> how."""
    tags: frozenset[int] = frozenset()
    """Keys of the tags of its SKU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    id: int
    amount_cents: int
    lines: frozenset[int] | None = None
    """Ids of the lines in it; all of them when None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    id: int | None = None
    email: str | None = None
    status: str | None = None
    tags: frozenset[int] = frozenset()
    tag_names: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    """What the customer is called here and elsewhere."""
    country_code: str | None = None
    uses: Mapping[int, int] = field(default_factory=dict)
    """Key of a promotion with a limit per customer -> how often this one used it."""

    @property
    def is_known(self) -> bool:
        return bool(self.id or self.email or self.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is bought, by whom and where, before any promotion. Positions are the order of `lines` and `shipments`."""

    currency_code: str
    market_id: int | None = None
    status: str = "pending"
    lines: tuple[Line, ...] = ()
    shipments: tuple[Shipment, ...] = ()
    customer: Customer = Customer()
    tags: frozenset[int] = frozenset()
    names: frozenset[str] = frozenset()
    """What the order or invoice is called here and elsewhere."""
    subscription: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The order as flex rules read it: a document of plain values, `{"line_items": [{"id": ..., "sku": {...}}]}`."""


# --- Promotions -----------------------------------------------------------------------------------


class Discount(NamedTuple):
    """What a benefit took off, and for flex promotions what each of its rules found."""

    shares: "tuple[Share, ...]"
    rule_outcomes: tuple[Mapping[str, Any], ...] = ()


class Rule(Protocol):
    def refusal(self, cart: Any) -> Refusal | None:
        """Why the order does not meet the rule; None if it does."""


class Selection(Protocol):
    """What of its targets a promotion is for."""

    def selected(self, targets: Sequence[Any]) -> Sequence[Any]: ...


class Benefit(Protocol):
    def apply(self, cart: Any, promotion: "Promotion", given: "Given") -> Discount | Refusal:
        """Takes the discount off the parts of the cart; what cannot take anything leaves the cart as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """`kind` is one of `lifecycle.TYPE_RANK`; `sku_list_id` limits what is discounted to items of that list.

    `applies_to_count` and `balance_cents` are those of the coupon that opens it.
    """

    id: int
    kind: str
    benefit: Benefit
    starts_at: datetime
    expires_at: datetime
    name: str = ""
    disabled_at: datetime | None = None
    exclusive: bool = False
    exclusive_by_size: bool = False
    """Applies alone, where it takes off more than all the others together."""
    priority: int | None = None
    currency_code: str | None = None
    market_id: int | None = None
    sku_list_id: int | None = None
    total_usage_limit: int | None = None
    rules: tuple[Rule, ...] = ()
    selections: tuple[Selection, ...] = ()
    applies_to_count: int | None = None
    """How many units of listed items are discounted, the most expensive ones."""
    balance_cents: int | None = None
    """What is left of a declining amount."""
    rank: tuple[int, int] = field(init=False, repr=False, compare=False)
    """Sorts promotions as they apply, first ones first."""

    @property
    def is_for_items(self) -> bool:
        """Whether it is for certain items, rather than for the order as it is."""
        return self.sku_list_id is not None or bool(self.selections)

    def __post_init__(self) -> None:
        weight = lifecycle.weight(self.exclusive, self.priority, self.kind, self.starts_at)
        object.__setattr__(self, "rank", (-weight, self.id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A coupon that the order names, for the promotion it opens. `refusal` says why it cannot be used."""

    code: str
    promotion: Promotion | None = None
    coupon_id: int | None = None
    refusal: Refusal | None = None


class Outcome(NamedTuple):
    """What the service behind an external promotion answered, or why it gives nothing."""

    discount_cents: int = 0
    lines: tuple[tuple[int, int | None], ...] = ()
    """Ids of the lines it names, each with its own cents or None; all lines when empty."""
    name: str = ""
    metadata: Mapping[str, Any] | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What benefits may need besides the cart."""

    now: datetime
    outcomes: Mapping[int, Outcome]
    """Key of an external promotion -> its answer, as far as it was asked."""


# --- The answer -----------------------------------------------------------------------------------


class Share(NamedTuple):
    """Positive cents off one line or one shipment."""

    cents: int
    line_id: int | None = None
    shipment_id: int | None = None


class Applied(NamedTuple):
    promotion: Promotion
    amount_cents: int
    shares: tuple[Share, ...]
    claim: Claim | None = None
    name: str = ""
    rule_outcomes: tuple[Mapping[str, Any], ...] = ()
    additions: tuple[tuple[str, int], ...] = ()
    """Codes of items that the order gets by the promotion, each with how many units of it are not in the order yet."""


class NotApplied(NamedTuple):
    refusal: Refusal
    promotion: Promotion | None = None
    claim: Claim | None = None
    additions: tuple[tuple[str, int], ...] = ()
    """Those of a promotion that would apply to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Amounts are positive; `total_amount_cents = subtotal + shipping - discount`, never below zero."""

    subtotal_amount_cents: int
    shipping_amount_cents: int
    discount_amount_cents: int
    total_amount_cents: int
    applied: tuple[Applied, ...]
    not_applied: tuple[NotApplied, ...]
    unanswered: tuple[Promotion, ...] = ()
    """External promotions whose turn came without an outcome: ask them and calculate again."""


Matches = Callable[[str, str], bool]
"""`matches(pattern, text)`: whether a pattern is found in a text. Passed in, for patterns of clients are not safe with
every engine of regular expressions."""
