"""Why a promotion or a code did not apply: a code for programs, a sentence for people, a distance if there is one."""

from dataclasses import dataclass

SENTENCES = {
    "coupon_not_found": "No coupon has this code.",
    "coupon_expired": "The coupon has expired.",
    "coupon_usage_reached": "The coupon has been used as often as it may be.",
    "recipient_unknown": "The coupon is meant for one e-mail address, and the order has none yet.",
    "recipient_mismatch": "The coupon is meant for another e-mail address.",
    "customer_unknown": "The customer decides on it, and the order has none yet.",
    "already_used_by_customer": "This customer has used it as often as one customer may.",
    "customer_not_eligible": "It is for other customers.",
    "country_not_eligible": "It is for customers of other countries.",
    "order_not_eligible": "It is for other orders.",
    "subscription_not_eligible": "It is for other subscriptions.",
    "promotion_disabled": "The promotion is disabled.",
    "promotion_pending": "The promotion has not started yet.",
    "promotion_expired": "The promotion has expired.",
    "promotion_usage_reached": "The promotion has been used as often as it may be.",
    "market_mismatch": "The promotion belongs to another market.",
    "currency_mismatch": "The promotion is in another currency.",
    "opened_by_another_code": "Another of the codes opens the same promotion.",
    "outside_concurrent_limit": "More promotions are active at once than the organization considers.",
    "superseded_by_exclusive": "An exclusive promotion applies instead.",
    "superseded_by_others": "The other promotions together take off at least as much.",
    "superseded_by_free_shipping": "Another free shipping promotion applies already.",
    "order_amount_too_low": "The order is too small: {missing} cents to go.",
    "order_amount_too_high": "The order is too large.",
    "sku_missing": "The order lacks items of the rule's SKU list: {missing} to go.",
    "filters_not_matched": "The order does not meet the filter {filter}.",
    "flex_rules_not_matched": "None of the promotion's rules holds for the order.",
    "no_matching_items": "The order holds nothing that the promotion is for.",
    "quantity_too_low": "The order holds too few units: {missing} to go.",
    "balance_too_low": "Less is left of what the coupon was worth than would be used.",
    "balance_used_up": "Nothing is left of what the coupon was worth.",
    "no_shipping": "Nothing is to be paid for shipping.",
    "no_effect": "The promotion would take nothing off the order.",
    "external_failed": "The external service gave no discount: {cause}.",
    "external_unanswered": "The external service has not been asked yet.",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """`reason` is one of SENTENCES. `missing` is what would have to be added: cents, units or SKUs, as it says."""

    reason: str
    missing: int | None = None
    filter: str | None = None
    cause: str | None = None

    @property
    def sentence(self) -> str:
        return SENTENCES[self.reason].format(missing=self.missing, filter=self.filter, cause=self.cause)
