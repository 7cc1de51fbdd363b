"""A promotion and the rule that its coupons open it by, made as one; coupons that go by their code alone.

Every function runs inside `changes.atomic()`.
"""

from collections.abc import Iterable, Sequence

from django.db.models import F

from commerce import changes
from commerce.errors import DomainError
from commerce.models import Tenant
from coupons import bulk, upkeep
from coupons.code_files import Row
from coupons.models import Coupon
from promotions.models import CouponCodesPromotionRule, Promotion


def define(promotion: Promotion, by: changes.By) -> CouponCodesPromotionRule:
    """Creates the promotion, which nothing but coupons of the rule opens."""
    changes.create(promotion, by)
    rule = CouponCodesPromotionRule(promotion=promotion, **promotion.tenant._asdict())
    changes.create(rule, by)
    return rule


def create_only_coupon(coupon: Coupon, by: changes.By) -> None:
    """Creates a coupon whose code no other of its tenant has. Raises ValidationError on `code` where one has."""
    coupon.only_code = ""  # becomes the normalised code
    upkeep.create_coupon(coupon, by)


class CodesTaken(DomainError):
    """Codes that others have; `lines` are those of their rows."""

    def __init__(self, lines: Sequence[int]) -> None:
        super().__init__("Codes have already been taken; nothing was written.")
        self.lines = lines


def create_only_coupons(tenant: Tenant, rows: Iterable[Row], by: changes.By) -> str:
    """Creates coupons whose codes no others of the tenant have, and names their batch. Raises CodesTaken."""
    with bulk.staging(tenant, only_code=True) as staged:
        staged.add(rows)
        staged.refuse_duplicates()
        if refused := [refusal.line for refusal in staged.refusals()]:
            raise CodesTaken(refused)
        return staged.insert(by).name


def with_code(tenant: Tenant, code_norm: str) -> Coupon | None:
    """The coupon that has the code: that which has it alone, or else the first."""
    rows = Coupon.objects.owned_by(tenant).filter(code_norm=code_norm)
    found = rows.select_related("promotion_rule__promotion").order_by(F("only_code").desc(nulls_last=True), "pk")
    return found.first()
