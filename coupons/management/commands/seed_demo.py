"""What a newcomer needs to try the API, made once; printed again on every run."""

import os
import secrets
import shlex
import sys
from datetime import timedelta
from io import StringIO
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from commerce import changes, clock
from commerce.models import (
    Address,
    Application,
    Market,
    Merchant,
    Mode,
    Organization,
    Price,
    PriceList,
    ShippingCategory,
    Sku,
    Tenant,
)
from commerce.organizations import create_organization
from coupons import upkeep
from coupons.dialects.ticketing import guids
from coupons.models import Coupon
from promotions.models import (
    CouponCodesPromotionRule,
    FreeShippingPromotion,
    OrderAmountPromotionRule,
    PercentageDiscountPromotion,
)

SLUG = "acme"
CODE = "WELCOME-10"

GUIDE = """
Create a coupon from another terminal, as often as you like:

curl -i {url}/api/coupons \\
  -H "Authorization: Bearer $({manage} issue_token --organization {slug})" \\
  -H 'Accept: application/vnd.api+json' -H 'Content-Type: application/vnd.api+json' \\
  -d '{{"data": {{"type": "coupons",
     "attributes": {{"code": "DEMO-'$(date +%s%N)'"}},
     "relationships": {{"promotion_rule": {{"data": {{"type": "coupon_codes_promotion_rules", "id": "{rule}"}}}}}}}}}}'

Ask what a cart would come to, and why a promotion does not apply:

curl -s {url}/api/evaluations \\
  -H "Authorization: Bearer $({manage} issue_token --organization {slug})" \\
  -H 'Accept: application/vnd.api+json' -H 'Content-Type: application/vnd.api+json' \\
  -d '{{"data": {{"type": "evaluations", "attributes": {{
     "currency_code": "EUR", "customer_email": "ada@example.com", "coupon_codes": ["{code}"],
     "line_items": [{{"code": "SHIRT", "quantity": 2, "unit_amount_cents": 1999}}],
     "shipments": [{{"cost_amount_cents": 700}}]}}}}}}'

Use the code for an order that is kept elsewhere; sent again with the same key it is used once:

curl -s {url}/api/redemptions \\
  -H "Authorization: Bearer $({manage} issue_token --organization {slug})" \\
  -H 'Accept: application/vnd.api+json' -H 'Content-Type: application/vnd.api+json' \\
  -H "Idempotency-Key: $(date +%s%N)" \\
  -d '{{"data": {{"type": "redemptions", "attributes": {{
     "coupon_code": "{code}", "reference": "order 4711", "customer_email": "ada@example.com",
     "currency_code": "EUR", "amount_cents": 5000}}}}}}'
"""

REBILLY = """
Create a coupon in Rebilly style, with a key that shows only when it is made:

key=$({manage} create_api_key --organization {slug} --mode test)
curl -i {url}/organizations/{slug}/coupons \\
  -H "REB-APIKEY: $key" -H 'Content-Type: application/json' \\
  -d '{{"discount": {{"type": "percent", "value": 12.5}}, "description": "An eighth off",
     "restrictions": [{{"type": "redemptions-per-customer", "quantity": 2}}],
     "issuedTime": "2026-01-01T00:00:00Z"}}'
"""

TICKETING = """
Create a cheque in ticketing style, three codes of it that hold 50 euros each, and list them:

token=$({manage} issue_token --organization {slug})
cheque=$(curl -s {url}/coupon \\
  -H "Authorization: Bearer $token" -H 'Company: {company}' -H 'Content-Type: application/json' \\
  -d '{{"name": "Gift cheque", "type": "cheque", "amount": 5000}}' | sed 's/.*"guid": *"\\([^"]*\\)".*/\\1/')
curl -s {url}/coupon/$cheque/codes \\
  -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \\
  -d '{{"count": 3, "length": 10, "prefix": "CHEQUE-"}}'
curl -s {url}/coupon/$cheque/codes -H "Authorization: Bearer $token"
"""

STAFF = """
The admin is at {url}/admin/ for {staff}.
"""


class Command(BaseCommand):
    help = "Seeds a demo: organization acme in test mode with applications, a promotion, its coupon rule; a staff user."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="where the server will listen")

    def handle(self, *args: Any, port: int, **options: Any) -> None:
        by = changes.By({"command": "seed_demo"}, clock.now())
        with transaction.atomic():
            organization = _organization(by)
            rule = _rule(organization, by)
            staff, password = _staff()
        server = f"http://127.0.0.1:{port}"
        told = {"slug": SLUG, "rule": rule.public_id, "code": CODE, "manage": _manage(), "staff": staff}
        told["company"] = guids.encode("company", organization.pk)
        for guide, mount in _guides():
            self.stdout.write(guide.format(url=f"{server}{mount}".rstrip("/"), **told).rstrip("\n"))
        if password:
            self.stdout.write(f"Its password, shown only this once: {password}")
        self.stdout.write(f"To set another: {_manage()} changepassword {staff}\n")


def _guides() -> list[tuple[str, str]]:
    """What is told, each with the path that it is about; of a dialect nothing where it is off."""
    dialects = [(REBILLY, settings.REBILLY_MOUNT), (TICKETING, settings.TICKETING_MOUNT)]
    return [(GUIDE, ""), *((guide, mount) for guide, mount in dialects if mount), (STAFF, "")]


def _organization(by: changes.By) -> Organization:
    organization = Organization.objects.filter(slug=SLUG).first()
    if organization is None:
        organization = create_organization(SLUG, "Acme", by.now)
        for kind in (Application.Kind.INTEGRATION, Application.Kind.SALES_CHANNEL):
            name = f"Demo {kind.label.lower()}"
            call_command("create_application", name, organization=SLUG, kind=kind, mode=Mode.TEST, stdout=StringIO())
    return organization


def _rule(organization: Organization, by: changes.By) -> CouponCodesPromotionRule:
    tenant = Tenant(organization.pk, Mode.TEST)
    rule = CouponCodesPromotionRule.objects.owned_by(tenant).order_by("pk").first()
    if rule is None:
        promotion = PercentageDiscountPromotion(
            **tenant._asdict(),
            name="Welcome",
            percentage=10,
            starts_at=by.now,
            expires_at=by.now + timedelta(days=3650),
        )
        changes.create(promotion, by)
        rule = CouponCodesPromotionRule(**tenant._asdict(), promotion=promotion)
        changes.create(rule, by)
        upkeep.create_coupon(Coupon(**tenant._asdict(), promotion_rule=rule, code=CODE), by)
        _free_shipping(tenant, by)
        _shop(tenant, by)
    return rule


def _shop(tenant: Tenant, by: changes.By) -> None:
    """A market `EU` that sells a shirt, so that a sales channel can fill an order."""
    place = {"line_1": "Piazza Grande 1", "city": "Modena", "zip_code": "41121", "country_code": "IT", "phone": "+39"}
    address = _made(Address(**tenant._asdict(), business=True, company="Acme", **place), by)
    merchant = _made(Merchant(**tenant._asdict(), name="Acme", address=address), by)
    prices = _made(PriceList(**tenant._asdict(), name="Europe", currency_code="EUR"), by)
    _made(Market(**tenant._asdict(), name="Europe", code="EU", merchant=merchant, price_list=prices), by)
    parcels = _made(ShippingCategory(**tenant._asdict(), name="Parcels"), by)
    shirt = _made(Sku(**tenant._asdict(), code="SHIRT", name="Shirt", shipping_category=parcels), by)
    _made(Price(**tenant._asdict(), price_list=prices, sku=shirt, amount_cents=1999), by)


def _free_shipping(tenant: Tenant, by: changes.By) -> None:
    """From 50 euros, so that the demo's cart is told how far it is."""
    window = {"starts_at": by.now, "expires_at": by.now + timedelta(days=3650)}
    promotion = FreeShippingPromotion(
        **tenant._asdict(), name="Free shipping from 50 euros", currency_code="EUR", **window
    )
    changes.create(promotion, by)
    changes.create(OrderAmountPromotionRule(**tenant._asdict(), promotion=promotion, order_amount_cents=5000), by)


def _made(row: Any, by: changes.By) -> Any:
    changes.create(row, by)
    return row


def _staff() -> tuple[str, str | None]:
    """Who may do everything in the admin, and the password if that user was made now."""
    superuser = User.objects.filter(is_superuser=True).order_by("pk").first()
    if superuser:
        return superuser.username, None
    password = secrets.token_urlsafe(12)
    return User.objects.create_superuser("admin", password=password).username, password


def _manage() -> str:
    """`manage.py` for a shell in any folder, on the database of this process."""
    given = {name: os.environ[name] for name in ("DATABASE_URL", "EMBEDDED") if os.environ.get(name)}
    if os.environ.get("DATA_DIR"):
        given["DATA_DIR"] = str(settings.DATA_DIR)
    assignments = [f"{name}={shlex.quote(value)}" for name, value in given.items()]
    return " ".join([*assignments, shlex.quote(sys.executable), shlex.quote(str(settings.BASE_DIR / "manage.py"))])
