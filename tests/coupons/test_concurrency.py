"""Writers that meet: each request on a connection of its own, and their order forced where the outcome hangs on it."""

import random
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from threading import Barrier
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Count, F, Q
from django.http import HttpResponse

from commerce.jsonapi import writing
from commerce.models import Event, Organization, Owned, Version
from coupons import bulk
from coupons.code_files import Row
from coupons.models import Coupon, CouponRecipient
from promotions.models import CouponCodesPromotionRule, Promotion, PromotionRule
from tags.models import Tag
from tests import factories
from tests.client import Api, identifier, path_of, stored

pytestmark = pytest.mark.django_db(transaction=True)

Ask = Callable[[], HttpResponse]

PATIENCE = 10
"""Seconds until a request that does not come back fails its test."""


@pytest.fixture
def rules(acme: Organization) -> tuple[CouponCodesPromotionRule, CouponCodesPromotionRule]:
    """Coupon rules of two promotions."""
    return _rule(acme), _rule(acme)


@pytest.fixture
def rule(rules: Any) -> CouponCodesPromotionRule:
    return rules[0]


@pytest.fixture
def coupon(rule: CouponCodesPromotionRule) -> Coupon:
    return factories.coupon(rule)


def _rule(owner: Organization) -> CouponCodesPromotionRule:
    return factories.coupon_rule(factories.percentage_promotion(owner))


# --- Meeting --------------------------------------------------------------------------------------


def at_once(*asks: Ask) -> list[HttpResponse]:
    """Requests that start together; their answers."""
    start = Barrier(len(asks))

    def ask(request: Ask) -> HttpResponse:
        start.wait(PATIENCE)
        return alone(request)

    with ThreadPoolExecutor(len(asks)) as pool:
        return _answers([pool.submit(ask, request) for request in asks])


def queued(row: Owned, *asks: Ask) -> list[HttpResponse]:
    """Requests that come one after the other while somebody locks `row`, and who are let in when all of them wait.

    SQLite has one lock and no queue: there they wait for the one writer and come as it pleases.
    """
    with ThreadPoolExecutor(len(asks)) as pool:
        requests: list[Future[HttpResponse]] = []
        with transaction.atomic():
            _lock(row)
            for ask in asks:
                requests.append(pool.submit(alone, ask))
                until_waiting(requests)
        return _answers(requests)


def statuses(answers: list[HttpResponse]) -> list[int]:
    return [answer.status_code for answer in answers]


def outcome(in_order: list[int], *otherwise: list[int]) -> tuple[list[int], ...]:
    """The statuses of queued requests. Only SQLite may have let them in in another order."""
    return (in_order, *otherwise) if connection.vendor == "sqlite" else (in_order,)


def alone(ask: Ask) -> HttpResponse:
    try:
        return ask()
    finally:
        connection.close()


def _answers(requests: list["Future[HttpResponse]"]) -> list[HttpResponse]:
    return [request.result(PATIENCE) for request in requests]


def _lock(row: Owned) -> None:
    type(row)._base_manager.select_for_update().get(pk=row.pk)


def until_waiting(requests: list["Future[HttpResponse]"]) -> None:
    """Until every request is done or waits for a lock."""
    if connection.vendor != "postgresql":
        return
    end = time.monotonic() + PATIENCE
    while _waiting() + sum(request.done() for request in requests) < len(requests):
        assert time.monotonic() < end, "a request neither waits nor ends"
        time.sleep(0.005)


def _waiting() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return cursor.fetchone()[0]


# --- What must hold -------------------------------------------------------------------------------


def miscounted() -> list[tuple[int, int, int]]:
    """Promotions whose count is not that of their coupons, as one statement sees them: key, told, held."""
    held = Count("promotion_rules__coupons")
    rows = Promotion.objects.annotate(held=held).exclude(coupons_count=F("held"))
    return list(rows.values_list("pk", "coupons_count", "held"))


def dangling() -> list[int]:
    """Coupons whose rule or recipient is not there."""
    rules, recipients = PromotionRule.objects.values("pk"), CouponRecipient.objects.values("pk")
    strange = Q(coupon_recipient_id__isnull=False) & ~Q(coupon_recipient_id__in=recipients)
    return list(Coupon.objects.filter(~Q(promotion_rule_id__in=rules) | strange).values_list("pk", flat=True))


def assert_whole() -> None:
    assert miscounted() == []
    assert dangling() == []


def told(row: Owned, event: str = "update") -> list[dict[str, Any]]:
    versions = Version.objects.filter(resource_type=row.wire_type, resource_id=row.pk, event=event)
    return list(versions.order_by("pk").values_list("changes", flat=True))


# --- Codes and counts -----------------------------------------------------------------------------


def test_of_many_creates_of_one_code_one_succeeds(api: Api, rule: CouponCodesPromotionRule):
    codes = ("SUMMER 2026", "summer2026", "Summer2026", "SUMMER2026", "summer 2026", " SUMMER2026")
    answers = at_once(*(partial(api.create, "coupons", {"code": code}, promotion_rule=rule) for code in codes))
    assert sorted(statuses(answers)) == [201, 422, 422, 422, 422, 422]
    problems = [answer.json()["errors"] for answer in answers if answer.status_code == 422]
    assert {(only["meta"]["error"], only["source"]["pointer"]) for (only,) in problems} == {
        ("taken", "/data/attributes/code")
    }
    assert Coupon.objects.get().code_norm == "SUMMER2026"
    assert Event.objects.filter(name="coupons.create").count() == 1
    assert_whole()


@pytest.mark.parametrize("rule_comes", ["first", "second"])
@pytest.mark.parametrize("action", ["create", "delete", "move in", "move out"])
def test_a_rule_takes_its_count_along_whatever_happens_to_its_coupons(
    api: Api, acme: Organization, rules: Any, action: str, rule_comes: str
):
    rule, other = rules
    ours, theirs, *_ = [factories.coupon(home) for home in (rule, other, rule, other)]
    change = {
        "create": partial(api.create, "coupons", {"code": "SUMMER2026"}, promotion_rule=rule),
        "delete": partial(api.destroy, ours),
        "move in": partial(api.update, theirs, promotion_rule=rule),
        "move out": partial(api.update, ours, promotion_rule=other),
    }[action]
    move = partial(api.update, rule, promotion=factories.percentage_promotion(acme))
    asks = (move, change) if rule_comes == "first" else (change, move)
    answers = queued(rule.promotion, *asks)
    # Who finds that the rule of a coupon left its promotion meanwhile is turned away.
    assert set(statuses(answers)) <= {200, 201, 204, 409}
    assert statuses(answers)[0] != 409 or connection.vendor == "sqlite"
    assert_whole()


def test_counts_are_exact_at_every_moment(api: Api, acme: Organization, rules: Any):
    """Creates, moves both ways, deletions and a rule that changes its promotion, while somebody counts."""
    shared = [factories.coupon(rule) for rule in rules for _ in range(6)]
    homes = [rules[0].promotion, factories.percentage_promotion(acme)]
    start = Barrier(4)

    def work(seed: int) -> set[int]:
        chance = random.Random(seed)
        start.wait(PATIENCE)
        return {act(chance, f"STORM-{seed}-{number}").status_code for number in range(20)}

    def act(chance: random.Random, code: str) -> HttpResponse:
        rule, coupon = chance.choice(rules), chance.choice(shared)
        return chance.choice(
            [
                partial(api.create, "coupons", {"code": code}, promotion_rule=rule),
                partial(api.update, coupon, promotion_rule=rule),
                partial(api.post, f"{path_of(rule)}/relationships/coupons", {"data": [identifier(coupon)]}),
                partial(api.update, rules[0], promotion=chance.choice(homes)),
                partial(api.destroy, coupon),
            ]
        )()

    wrong = []
    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(alone, partial(work, seed)) for seed in range(4)]
        while not all(worker.done() for worker in workers):
            wrong += miscounted()
            time.sleep(0.01)
    assert wrong == []
    assert set().union(*_answers(workers)) <= {200, 201, 204, 404, 409}
    assert_whole()


def test_moves_in_both_directions_wait_for_each_other_and_all_succeed(api: Api, rules: Any):
    there, back = ([factories.coupon(rule) for _ in range(4)] for rule in rules)
    moves = [*((coupon, rules[1]) for coupon in there), *((coupon, rules[0]) for coupon in back)]
    answers = at_once(*(partial(api.update, coupon, promotion_rule=rule) for coupon, rule in moves))
    assert statuses(answers) == [200] * 8
    assert set(Coupon.objects.filter(promotion_rule=rules[0])) == set(back)
    assert_whole()


# --- Deletions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("deletion_comes", ["first", "second"])
def test_a_coupon_never_outlives_its_rule(api: Api, rule: CouponCodesPromotionRule, deletion_comes: str):
    create = partial(api.create, "coupons", {"code": "SUMMER2026"}, promotion_rule=rule)
    delete = partial(api.destroy, rule)
    if deletion_comes == "first":
        assert statuses(queued(rule, delete, create)) in outcome([204, 404], [423, 201])
    else:
        assert statuses(queued(rule, create, delete)) in outcome([201, 423], [404, 204])
    assert_whole()


@pytest.mark.parametrize("action", ["create", "move in", "adopt"])
@pytest.mark.parametrize("deletion_comes", ["first", "second"])
def test_a_coupon_never_outlives_its_promotion(api: Api, rules: Any, action: str, deletion_comes: str):
    rule, other = rules
    coupon = factories.coupon(other)
    add = {
        "create": partial(api.create, "coupons", {"code": "SUMMER2026"}, promotion_rule=rule),
        "move in": partial(api.update, coupon, promotion_rule=rule),
        "adopt": partial(api.post, f"{path_of(rule)}/relationships/coupons", {"data": [identifier(coupon)]}),
    }[action]
    delete = partial(api.destroy, rule.promotion)
    added = {"create": 201, "move in": 200, "adopt": 204}[action]
    if deletion_comes == "first":
        assert statuses(queued(rule, delete, add)) in outcome([204, 404], [204, added])
    else:
        # On PostgreSQL each waits for what the other has, and one is turned away.
        assert statuses(queued(rule, add, delete)) in ([409, 204], [added, 409], [added, 204], [404, 204])
    assert_whole()


def test_the_last_of_many_deletions_disables_the_promotion_once(api: Api, rule: CouponCodesPromotionRule):
    coupons = [factories.coupon(rule) for _ in range(6)]
    answers = at_once(*(partial(api.destroy, coupon) for coupon in coupons))
    assert statuses(answers) == [204] * 6
    assert told(rule.promotion) == [{"disabled_at": [None, "2026-06-15T12:00:00.000Z"]}]
    assert Promotion.objects.get(pk=rule.promotion_id).coupons_count == 0
    assert_whole()


def test_a_coupon_is_deleted_once(api: Api, coupon: Coupon):
    answers = queued(coupon, *[partial(api.destroy, coupon)] * 4)
    assert sorted(statuses(answers)) == [204, 404, 404, 404]
    assert len(told(coupon, "destroy")) == 1
    assert_whole()


# --- Recipients -----------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["create", "update"])
@pytest.mark.parametrize("named_by", ["id", "e-mail"])
@pytest.mark.parametrize("deletion_comes", ["first", "second"])
def test_a_recipient_is_never_missing(api: Api, coupon: Coupon, action: str, named_by: str, deletion_comes: str):
    recipient = factories.recipient(coupon.organization, email="ada@example.com")
    attributes = {"recipient_email": "Ada@example.com"} if named_by == "e-mail" else {}
    linkage = {"coupon_recipient": recipient} if named_by == "id" else {}
    attach = {
        "create": partial(
            api.create, "coupons", {"code": "SUMMER2026", **attributes}, promotion_rule=coupon.promotion_rule, **linkage
        ),
        "update": partial(api.update, coupon, attributes, **linkage),
    }[action]
    done = 201 if action == "create" else 200
    # Of an e-mail nobody has, a new recipient is made.
    attached_later = 404 if named_by == "id" else done
    delete = partial(api.destroy, recipient)
    if deletion_comes == "first":
        assert statuses(queued(recipient, delete, attach)) in outcome([204, attached_later], [423, done])
    else:
        assert statuses(queued(recipient, attach, delete)) in outcome([done, 423], [attached_later, 204])
    assert_whole()


def test_requests_that_name_the_same_new_e_mail_make_one_recipient(api: Api, acme: Organization):
    asks = [
        partial(api.create, "coupons", {"code": "SUMMER2026", "recipient_email": email}, promotion_rule=_rule(acme))
        for email in ("ada@example.com", "Ada@example.com", "ADA@EXAMPLE.COM", "ada@Example.com")
    ]
    assert statuses(at_once(*asks)) == [201] * 4
    assert CouponRecipient.objects.get().coupons.count() == 4
    assert Event.objects.filter(name="coupon_recipients.create").count() == 1


def test_a_recipient_that_a_load_names_cannot_be_deleted_meanwhile(api: Api, rule: CouponCodesPromotionRule):
    recipient = factories.recipient(rule.organization, email="ada@example.com")
    row = Row(2, "SUMMER2026", "SUMMER2026", rule.pk, email="ada@example.com", email_norm="ada@example.com")
    with ThreadPoolExecutor(1) as pool:
        with bulk.staging(rule.tenant) as rows:
            rows.add([row])
            rows.refuse_duplicates()
            rows.insert(factories.BY)
            requests = [pool.submit(alone, partial(api.destroy, recipient))]
            until_waiting(requests)
        assert statuses(_answers(requests)) == [423]
    assert_whole()


# --- Tags -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["name", "id"])
def test_tags_that_are_added_at_once_are_never_more_than_ten(api: Api, coupon: Coupon, by: str):
    coupon.tags.add(*(factories.tag(coupon.organization) for _ in range(6)))
    tags = [factories.tag(coupon.organization) for _ in range(6)]
    if by == "name":
        asks = [partial(api.update, coupon, {"_add_tags": tag.name}) for tag in tags]
    else:
        asks = [partial(api.post, f"{path_of(coupon)}/relationships/tags", {"data": [identifier(tag)]}) for tag in tags]
    answers = queued(coupon, *asks)
    added = 200 if by == "name" else 204
    assert sorted(statuses(answers)) == [added] * 4 + [422] * 2
    assert coupon.tags.count() == 10
    assert [len(new) - len(old) for old, new in (change["tags"] for change in told(coupon))] == [1, 1, 1, 1]


@pytest.mark.parametrize("deletion_comes", ["first", "second"])
def test_a_tag_that_is_deleted_meanwhile_hangs_on_nothing(api: Api, coupon: Coupon, deletion_comes: str):
    tag = factories.tag(coupon.organization)
    asks = (partial(api.destroy, tag), partial(api.update, coupon, {"_add_tags": tag.name}))
    answers = queued(tag, *(asks if deletion_comes == "first" else reversed(asks)))
    # On PostgreSQL the foreign key may turn one of them away.
    assert set(statuses(answers)) <= {200, 204, 409}
    links = Coupon.tags.through.objects
    assert links.count() == links.filter(tag__in=Tag.objects.all()).count()


# --- Updates --------------------------------------------------------------------------------------


def test_of_two_updates_of_one_revision_one_succeeds(api: Api, coupon: Coupon):
    etag = api.get(path_of(coupon)).headers["ETag"]
    limits = [5, 6]
    answers = queued(
        coupon, *(partial(api.update, coupon, {"usage_limit": limit}, headers={"if_match": etag}) for limit in limits)
    )
    assert statuses(answers) in outcome([200, 412], [412, 200])
    won = limits[statuses(answers).index(200)]
    assert told(coupon) == [{"usage_limit": [None, won]}]
    coupon.refresh_from_db()
    assert (coupon.usage_limit, coupon.revision) == (won, 2)


def test_a_deletion_of_a_revision_that_is_gone_is_refused(api: Api, coupon: Coupon):
    etag = api.get(path_of(coupon)).headers["ETag"]
    update, delete = partial(api.update, coupon, {"usage_limit": 5}), partial(api.destroy, coupon, if_match=etag)
    assert statuses(queued(coupon, update, delete)) in outcome([200, 412], [404, 204])


def test_updates_of_different_attributes_all_survive(api: Api, coupon: Coupon):
    changes = {"usage_limit": 5, "reference": "R", "reference_origin": "O", "customer_single_use": True}
    changes |= {"metadata": {"a": 1}, "recipient_email": "ada@example.com"}
    answers = queued(coupon, *(partial(api.update, coupon, {name: value}) for name, value in changes.items()))
    assert statuses(answers) == [200] * 6
    shown = api.data(path_of(coupon))["attributes"]
    assert {name: shown[name] for name in changes} == changes
    assert sorted(name for change in told(coupon) for name in change) == [
        "coupon_recipient_id",
        "customer_single_use",
        "metadata",
        "reference",
        "reference_origin",
        "usage_limit",
    ]
    coupon.refresh_from_db()
    assert coupon.revision == 7


def test_versions_are_a_chain(api: Api, coupon: Coupon):
    answers = queued(coupon, *(partial(api.update, coupon, {"usage_limit": limit}) for limit in range(1, 7)))
    assert statuses(answers) == [200] * 6
    steps = [(None, None), *(change["usage_limit"] for change in told(coupon))]
    assert len(steps) == 7
    assert all(former == old for (_, former), (old, _) in pairwise(steps))
    coupon.refresh_from_db()
    assert (coupon.usage_limit, coupon.revision) == (steps[-1][1], 7)


def test_the_first_writes_of_a_process_may_come_together(api: Api, rule: CouponCodesPromotionRule):
    for code in ("SUMMER2026", "SUMMER2027"):
        writing.writable_fields.cache_clear()
        assert api.create("coupons", {"code": code}, promotion_rule=rule).status_code == 201


# --- Turned away ----------------------------------------------------------------------------------


def test_whoever_waits_in_vain_is_told_so_and_has_written_nothing(api: Api, rule: CouponCodesPromotionRule):
    patience = {"sqlite": "PRAGMA busy_timeout = 100", "postgresql": "SET statement_timeout = 100"}

    def impatiently() -> HttpResponse:
        with connection.cursor() as cursor:
            cursor.execute(patience[connection.vendor])
        attributes = {"code": "SUMMER2026", "recipient_email": "ada@example.com"}
        return api.create("coupons", attributes, promotion_rule=rule)

    before = stored()
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        # The last lock that a new coupon takes: by then all of it is written.
        _lock(rule.promotion)
        answer = pool.submit(alone, impatiently).result(PATIENCE)
    assert answer.status_code == 409
    assert [problem["code"] for problem in answer.json()["errors"]] == ["RECORD_NOT_UNIQUE"]
    assert stored() == before


def test_a_deadlock_is_a_conflict_that_wrote_nothing(api: Api, coupon: Coupon):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one lock")
    before = stored()
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        _lock(coupon.promotion_rule.promotion)
        request = pool.submit(alone, partial(api.destroy, coupon))
        until_waiting([request])
        _lock(coupon)
    answer = request.result(PATIENCE)
    assert answer.status_code == 409
    assert [problem["code"] for problem in answer.json()["errors"]] == ["RECORD_NOT_UNIQUE"]
    assert stored() == before
