"""Gift cards in the admin: a code is money, and a balance is what its ledger says."""

from typing import Any

import pytest
from django.test import Client

from commerce.models import GiftCard, LedgerEntry, Organization, Version
from tests import factories
from tests.client import Api, nothing_written
from tests.commerce.test_orders_admin import page_of, queries, section, text
from tests.shopping import Shop
from tests.staff import act, clerk, errors, last_version, messages, submit, superuser

pytestmark = pytest.mark.django_db

CARDS = "/admin/commerce/giftcard/"
CODE = "GIFT-ABCD-1234-EFGH"


@pytest.fixture
def card(acme: Organization) -> GiftCard:
    return factories.gift_card(acme, code=CODE)


def found(staff: Client, **query: Any) -> list[str]:
    return [card.code for card in staff.get(CARDS, query).context["cl"].result_list]


def entries() -> list[tuple[str, int, int]]:
    return list(LedgerEntry.objects.order_by("pk").values_list("kind", "amount_cents", "balance_cents"))


def test_lists_tell_how_a_code_ends_and_only_its_page_tells_it_whole(card: GiftCard) -> None:
    short = factories.gift_card(card.organization, code="ABCDEFGH")
    staff = superuser()

    listed = staff.get(CARDS).content.decode()
    assert "…EFGH" in listed
    assert CODE not in listed
    assert short.code not in listed
    assert CODE not in staff.get(f"{CARDS}{card.pk}/history/").content.decode()
    assert CODE not in staff.get("/admin/commerce/ledgerentry/").content.decode()
    assert CODE in staff.get(page_of(card)).content.decode()


def test_cards_are_found_by_how_their_code_begins(card: GiftCard) -> None:
    factories.gift_card(card.organization, code="ABCD-1234")
    staff = superuser()

    assert found(staff, q="gift-abcd") == [CODE]
    assert found(staff, q=CODE) == [CODE]
    assert found(staff, q="EFGH") == []
    assert sorted(found(staff, status__exact="active")) == ["ABCD-1234", CODE]
    assert found(staff, status__exact="draft") == []


def test_staff_give_a_new_card_its_balance(acme: Organization) -> None:
    staff = superuser("ada")
    url = f"{CARDS}add/"
    assert "balance_change_cents" not in text(staff.get(url))

    submit(staff, url, code=CODE, currency_code="EUR", balance_cents="5000")

    card = GiftCard.objects.get()
    assert (card.status, card.balance_cents, card.initial_balance_cents) == ("draft", 5000, 5000)
    assert entries() == [("issue", 5000, 5000)]


def test_a_new_card_says_what_it_lacks(acme: Organization) -> None:
    page = submit(superuser(), f"{CARDS}add/", code="x")

    assert "balance_cents" in errors(page)
    assert not GiftCard.objects.exists()


def test_a_balance_is_changed_and_the_ledger_tells(card: GiftCard) -> None:
    staff = superuser("ada")

    submit(staff, page_of(card), balance_change_cents="2500")
    submit(staff, page_of(card), balance_change_cents="-500")

    card.refresh_from_db()
    assert (card.balance_cents, card.initial_balance_cents) == (12_000, 10_000)
    assert entries() == [("issue", 10_000, 10_000), ("change", 2500, 12_500), ("change", -500, 12_000)]
    assert last_version() == ("ada", "update", "gift_cards", {"balance_cents": [12_500, 12_000]})
    told = section(staff.get(page_of(card)), "Ledger")
    assert told.index("-€5,00 €120,00") < told.index("€25,00 €125,00") < told.index("€100,00 €100,00")


@pytest.mark.parametrize(
    ("cents", "complaint"),
    [
        ("-10001", "takes off more than the balance, 10000 cents"),
        ("many", "Enter a whole number."),
        ("9" * 30, "Ensure this value is less than or equal to 9007199254740991."),
    ],
)
def test_a_change_that_cannot_be_is_told_at_its_field(card: GiftCard, cents: str, complaint: str) -> None:
    with nothing_written():
        page = submit(superuser(), page_of(card), balance_change_cents=cents)

    assert errors(page) == {"balance_change_cents": [complaint]}


def test_saving_a_card_unchanged_writes_nothing(card: GiftCard) -> None:
    with nothing_written():
        submit(superuser(), page_of(card))


def test_a_balance_is_not_set_on_a_card_that_is_there(card: GiftCard) -> None:
    with nothing_written():
        submit(superuser(), page_of(card), balance_cents="1", code="OTHER-CODE")


def test_staff_confirm_activate_and_deactivate_cards(acme: Organization) -> None:
    card = factories.gift_card(acme, status="draft")
    staff = superuser()

    for action, told, status in (
        ("purchase", "confirmed", "inactive"),
        ("activate", "activated", "active"),
        ("deactivate", "deactivated", "inactive"),
    ):
        answer = act(staff, CARDS, action, card, asked_on=card.pk)
        assert list(messages(answer))[-1] == f"1 {told}."
        assert answer.headers["location"] == page_of(card)
        card.refresh_from_db()
        assert card.status == status
    assert entries() == [("issue", 10_000, 10_000)]


def test_cards_that_refuse_stay_as_they_are(card: GiftCard) -> None:
    draft = factories.gift_card(card.organization, status="draft")

    with nothing_written():
        answer = act(superuser(), CARDS, "deactivate", card, draft)

    assert messages(answer) == [f"{draft}: deactivate is not possible: the card is draft"]


def test_whoever_may_only_look_changes_no_balance(card: GiftCard) -> None:
    staff = clerk("view_giftcard")

    assert CODE in text(staff.get(page_of(card)))
    with nothing_written():
        assert staff.post(page_of(card), {"balance_change_cents": "1"}).status_code == 403
        act(staff, CARDS, "deactivate", card)


def test_a_recipient_leads_to_its_cards(acme: Organization) -> None:
    recipient = factories.gift_card_recipient(acme, email="Ann@example.com")
    factories.gift_card(acme, gift_card_recipient=recipient, code=CODE)
    factories.gift_card(acme)
    staff = superuser()
    recipients = "/admin/commerce/giftcardrecipient/"

    assert [str(row) for row in staff.get(recipients, {"q": "ann@EXAMPLE.com"}).context["cl"].result_list] == [
        "Ann@example.com"
    ]
    assert found(staff, tenant=f"{acme.pk}-test", gift_card_recipient__id__exact=recipient.pk) == [CODE]


def test_ledgers_are_read_and_lead_to_their_cards_and_orders(acme: Organization, api: Api) -> None:
    shop = Shop(acme, api)
    card = factories.gift_card(acme)
    order = shop.placed(700, gift_card_code=card.code)
    staff = superuser()
    url = "/admin/commerce/ledgerentry/"

    listed = staff.get(url, {"q": f"gift_cards/{card.public_id}"})

    assert [row.amount_cents for row in listed.context["cl"].result_list] == [-700, 10_000]
    assert f"Use gift_cards/{card.public_id} {order} -€7,00 €93,00" in text(listed)
    entry = LedgerEntry.objects.latest("pk")
    assert page_of(order) in staff.get(page_of(entry)).content.decode()
    for page in ("change", "delete"):
        assert staff.post(f"{url}{entry.pk}/{page}/", {"post": "yes"}).status_code == 403


def test_as_many_queries_whatever_the_ledger_holds(card: GiftCard) -> None:
    staff = superuser()
    submit(staff, page_of(card), balance_change_cents="100")
    few = (queries(staff, page_of(card)), queries(staff, "/admin/commerce/ledgerentry/"), queries(staff, CARDS))
    for _ in range(3):
        submit(staff, page_of(card), balance_change_cents="100")
        factories.gift_card(card.organization)

    many = (queries(staff, page_of(card)), queries(staff, "/admin/commerce/ledgerentry/"), queries(staff, CARDS))
    assert many == few


def test_no_version_tells_a_code(card: GiftCard) -> None:
    submit(superuser(), page_of(card), balance_change_cents="100")

    assert CODE not in str(list(Version.objects.values_list("changes", flat=True)))
