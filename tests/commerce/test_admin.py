"""The admin of organizations, access and what happened, and what all its pages share."""

import json
import re
from collections.abc import Callable
from datetime import datetime

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client

from commerce import auth, changes, ids
from commerce.admin import AtLeast, BoundedPaginator
from commerce.models import ApiKey, Application, Event, Organization, Owned, Role, Version
from coupons.models import CouponRecipient
from promotions.models import PercentageDiscountPromotion, Promotion
from tests import factories
from tests.client import nothing_written
from tests.factories import BY, NOW
from tests.staff import act, clerk, errors, form_of, last_version, messages, submit, superuser

pytestmark = pytest.mark.django_db

RECIPIENTS = "/admin/coupons/couponrecipient/"
APPLICATIONS = "/admin/commerce/application/"


# --- Everybody and everything ---------------------------------------------------------------------


def test_the_admin_asks_strangers_to_log_in(client: Client) -> None:
    assert client.get("/admin").headers["location"] == "/admin/"
    assert client.get("/admin/").headers["location"] == "/admin/login/?next=/admin/"


def test_a_password_opens_the_admin(client: Client) -> None:
    User.objects.create_superuser("ada", password="a long secret")

    answer = client.post("/admin/login/?next=/admin/", {"username": "ada", "password": "a long secret"})

    assert answer.headers["location"] == "/admin/"
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize("model", [model for model in admin.site._registry if model._meta.app_label != "auth"])
def test_every_list_and_every_empty_form_opens(model: type, acme: Organization) -> None:
    staff = superuser()
    url = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"

    assert staff.get(url).status_code == 200
    assert staff.get(url, {"q": "x"}).status_code == 200
    assert staff.get(f"{url}add/").status_code == (
        200 if admin.site._registry[model].has_add_permission(_request()) else 403
    )


def _request() -> object:
    return type("Request", (), {"user": User(is_superuser=True, is_active=True)})()


def test_owned_tables_are_all_managed_here() -> None:
    kinds = {model for model in _concrete(Owned) if model.__module__.split(".")[0] in ("commerce", "coupons", "tags")}

    assert kinds <= set(admin.site._registry)


def _concrete(model: type) -> list[type]:
    below = [each for child in model.__subclasses__() for each in _concrete(child)]
    return below if model._meta.abstract else [model, *below]


def test_tokens_of_the_protocol_library_are_not_managed_here() -> None:
    assert "oauth2_provider" not in {model._meta.app_label for model in admin.site._registry}


# --- Rows of a tenant -----------------------------------------------------------------------------


def test_staff_create_change_and_delete_a_row_and_versions_tell_who(acme: Organization) -> None:
    staff = superuser("ada")
    user = ids.encode(User.objects.get().pk)

    submit(staff, f"{RECIPIENTS}add/", mode="live", email="Ann@Example.com", metadata='{"vip": true}')
    recipient = CouponRecipient.objects.get()
    assert (recipient.organization, recipient.mode, recipient.email_norm) == (acme, "live", "ann@example.com")
    assert recipient.metadata == {"vip": True}
    assert last_version() == (
        "ada",
        "create",
        "coupon_recipients",
        {"email": [None, "Ann@Example.com"], "metadata": [None, {"vip": True}]},
    )
    assert Version.objects.get().who == {"user": {"id": user, "name": "ada"}}

    submit(staff, f"{RECIPIENTS}{recipient.pk}/change/", first_name="Ann")
    assert last_version() == ("ada", "update", "coupon_recipients", {"first_name": [None, "Ann"]})

    submit(staff, f"{RECIPIENTS}{recipient.pk}/delete/", post="yes")
    assert not CouponRecipient.objects.exists()
    assert last_version()[:3] == ("ada", "destroy", "coupon_recipients")
    assert list(Event.objects.order_by("pk").values_list("name", flat=True)) == [
        "coupon_recipients.create",
        "coupon_recipients.update",
        "coupon_recipients.destroy",
    ]


def test_saving_a_page_unchanged_writes_nothing(acme: Organization) -> None:
    starts_at = factories.NOW.replace(microsecond=123_000)
    promotion = factories.percentage_promotion(acme, starts_at=starts_at, metadata={"a": [1, 2.5, None]})

    submit(superuser(), f"/admin/promotions/percentagediscountpromotion/{promotion.pk}/change/")

    stored = PercentageDiscountPromotion.objects.get()
    assert (stored.starts_at, stored.revision) == (starts_at, 1)
    assert Version.objects.count() == 1


def test_a_form_does_not_undo_what_was_changed_since_it_was_opened(acme: Organization) -> None:
    staff = superuser()
    recipient = factories.recipient(acme, first_name="Ann", last_name="Old")
    url = f"{RECIPIENTS}{recipient.pk}/change/"
    opened = form_of(staff.get(url))
    recipient = CouponRecipient.objects.get()
    recipient.last_name = "New"
    changes.save(recipient, BY)

    staff.post(url, opened | {"first_name": "Anna"})

    recipient = CouponRecipient.objects.get()
    assert (recipient.first_name, recipient.last_name) == ("Anna", "New")
    assert last_version()[3] == {"first_name": ["Ann", "Anna"]}


def test_organization_and_mode_stay_what_they_were(acme: Organization) -> None:
    recipient = factories.recipient(acme)
    other = factories.organization()

    submit(superuser(), f"{RECIPIENTS}{recipient.pk}/change/", organization=other.pk, mode="live", first_name="Ann")

    recipient = CouponRecipient.objects.get()
    assert (recipient.organization, recipient.mode, recipient.first_name) == (acme, "test", "Ann")


@pytest.mark.parametrize(
    "metadata", ["[1]", "{", '{"a": "\\u0000"}', '{"a": NaN}', '"text"', "[" * 5000, '{"a": "\\ud800"}']
)
def test_metadata_must_be_an_object_that_can_be_stored(acme: Organization, metadata: str) -> None:
    page = submit(superuser(), f"{RECIPIENTS}add/", email="ann@example.com", metadata=metadata)

    assert errors(page) == {"metadata": ["Enter a JSON object, without null characters."]}
    assert not CouponRecipient.objects.exists()


def test_metadata_that_is_emptied_is_an_empty_object(acme: Organization) -> None:
    recipient = factories.recipient(acme, metadata={"a": 1})

    submit(superuser(), f"{RECIPIENTS}{recipient.pk}/change/", metadata="")

    assert CouponRecipient.objects.get().metadata == {}


def test_deleting_a_selection_writes_a_version_for_each(acme: Organization) -> None:
    rows = [factories.recipient(acme) for _ in range(3)]
    staff = superuser("ada")

    asked = act(staff, RECIPIENTS, "delete_selected", *rows[:2])
    assert asked.status_code == 200
    assert CouponRecipient.objects.count() == 3
    act(staff, RECIPIENTS, "delete_selected", *rows[:2], post="yes")

    assert CouponRecipient.objects.get() == rows[2]
    assert Version.objects.filter(event="destroy", who__user__name="ada").count() == 2


def test_a_selection_is_deleted_whole_or_not_at_all(acme: Organization) -> None:
    free, in_use = factories.recipient(acme), factories.recipient(acme, email="busy@example.com")
    factories.coupon(factories.coupon_rule(factories.percentage_promotion(acme)), coupon_recipient=in_use)

    answer = act(superuser(), RECIPIENTS, "delete_selected", free, in_use, post="yes")

    assert messages(answer) == ["busy@example.com: The coupon recipient is referred to by coupons."]
    assert CouponRecipient.objects.count() == 2
    assert not Version.objects.filter(event="destroy").exists()


def test_what_may_not_be_deleted_says_why(acme: Organization) -> None:
    recipient = factories.recipient(acme)
    factories.coupon(factories.coupon_rule(factories.percentage_promotion(acme)), coupon_recipient=recipient)
    url = f"{RECIPIENTS}{recipient.pk}/"

    answer = submit(superuser(), f"{url}delete/", post="yes")

    assert (answer.status_code, answer.headers["location"]) == (302, f"{url}change/")
    assert messages(answer) == ["The coupon recipient is referred to by coupons."]
    assert CouponRecipient.objects.exists()


def test_actions_write_a_thousand_rows_at_most(acme: Organization) -> None:
    CouponRecipient.objects.bulk_create(
        CouponRecipient(
            organization=acme,
            mode="test",
            email=f"a{n}@example.com",
            email_norm=f"a{n}@example.com",
            created_at=factories.NOW,
            updated_at=factories.NOW,
        )
        for n in range(1001)
    )

    answer = act(
        superuser(), RECIPIENTS, "delete_selected", CouponRecipient.objects.first(), select_across="1", post="yes"
    )

    assert messages(answer) == ["Select at most 1,000 at once."]
    assert CouponRecipient.objects.count() == 1001


def test_a_row_that_is_gone_is_a_message(acme: Organization) -> None:
    staff = superuser()

    for page in ("change", "delete", "history"):
        answer = staff.get(f"{RECIPIENTS}99999999999999999999999/{page}/")
        assert (answer.status_code, answer.headers["location"]) == (302, "/admin/")


# --- Permissions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("permission", "allowed"),
    [("view_couponrecipient", []), ("add_couponrecipient", ["add"]), ("change_couponrecipient", ["change"])],
)
def test_staff_do_only_what_their_permissions_say(acme: Organization, permission: str, allowed: list[str]) -> None:
    recipient = factories.recipient(acme, email="ann@example.com")
    staff = clerk(permission)
    values = {"organization": acme.pk, "mode": "test", "email": "new@example.com", "metadata": "{}"}
    urls = {
        "add": f"{RECIPIENTS}add/",
        **{page: f"{RECIPIENTS}{recipient.pk}/{page}/" for page in ("change", "delete")},
    }

    answers = {page: staff.post(url, values | {"post": "yes"}).status_code for page, url in urls.items()}

    assert answers == {page: 302 if page in allowed else 403 for page in urls}
    assert Version.objects.count() == 1 + len(allowed)


def test_staff_without_permission_for_a_model_do_not_see_it(acme: Organization) -> None:
    recipient = factories.recipient(acme)
    staff = clerk("view_tag")

    assert staff.get(RECIPIENTS).status_code == 403
    assert staff.get(f"{RECIPIENTS}{recipient.pk}/history/").status_code == 403


@pytest.mark.parametrize("model", ["version", "event"])
def test_versions_and_events_are_only_read(acme: Organization, model: str) -> None:
    factories.recipient(acme)
    staff = superuser()
    key = {"version": Version, "event": Event}[model].objects.get().pk
    url = f"/admin/commerce/{model}/"

    assert staff.get(f"{url}{key}/change/").status_code == 200
    for page in ("add/", f"{key}/change/", f"{key}/delete/"):
        assert staff.post(f"{url}{page}", {"post": "yes"}).status_code == 403


# --- Organizations, applications, roles -----------------------------------------------------------


def test_an_organization_is_created_and_changed() -> None:
    staff = superuser()

    submit(staff, "/admin/commerce/organization/add/", slug="globex", name="Globex")
    organization = Organization.objects.get()
    settings = json.dumps({"coupons_min_code_length": 4})
    submit(staff, f"/admin/commerce/organization/{organization.pk}/change/", slug="other", settings=settings)

    organization.refresh_from_db()
    assert (organization.slug, organization.name, organization.revision) == ("globex", "Globex", 2)
    assert organization.setting("coupons_min_code_length") == 4
    assert organization.updated_at > organization.created_at


@pytest.mark.parametrize(
    ("values", "complaints"),
    [
        ({"slug": "auth"}, {"slug": ["is reserved"]}),
        ({"slug": "acme"}, {"slug": ["Organization with this Slug already exists."]}),
        ({"slug": "new", "settings": '{"nonsense": 1}'}, {"settings": ["nonsense is not a setting"]}),
        ({"slug": "new", "settings": "[]"}, {"settings": ["Enter a JSON object, without null characters."]}),
    ],
)
def test_an_organization_keeps_its_rules(acme: Organization, values: dict, complaints: dict) -> None:
    page = submit(superuser(), "/admin/commerce/organization/add/", name="New", **values)

    assert errors(page) == complaints
    assert Organization.objects.get() == acme


def test_a_complaint_about_what_the_form_does_not_hold_is_shown_above_it(acme: Organization) -> None:
    Organization.objects.filter(pk=acme.pk).update(slug="auth")

    page = submit(superuser(), f"/admin/commerce/organization/{acme.pk}/change/", name="New")

    assert errors(page) == {"__all__": ["slug is reserved"]}


def test_organizations_are_not_deleted_here(acme: Organization) -> None:
    assert superuser().post(f"/admin/commerce/organization/{acme.pk}/delete/", {"post": "yes"}).status_code == 403


def test_the_secret_of_an_application_is_shown_once_and_opens_the_api(acme: Organization, client: Client) -> None:
    staff = superuser()

    answer = submit(staff, f"{APPLICATIONS}add/", name="Shop", kind="integration")
    application = Application.objects.get()
    told = messages(answer)[0]
    client_id, secret = re.findall(r"<code>(.*?)</code>", told)
    page = staff.get(f"{APPLICATIONS}{application.pk}/change/").content.decode()

    assert client_id == application.client_id
    assert secret not in staff.get(f"{APPLICATIONS}{application.pk}/change/").content.decode()
    assert client_id in page
    assert application.client_secret not in page
    assert secret not in str(list(Version.objects.values_list("changes", flat=True)))
    body = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    assert client.post("/oauth/token", body, content_type="application/json").status_code == 200


@pytest.mark.parametrize(("kind", "client_type"), [("integration", "confidential"), ("sales_channel", "public")])
def test_the_kind_of_an_application_decides_its_client_type_and_stays(
    acme: Organization, kind: str, client_type: str
) -> None:
    staff = superuser("ada")

    submit(staff, f"{APPLICATIONS}add/", name="Shop", kind=kind)
    application = Application.objects.get()
    submit(staff, f"{APPLICATIONS}{application.pk}/change/", kind="webapp", name="Store")

    application.refresh_from_db()
    assert (application.kind, application.client_type, application.name) == (kind, client_type, "Store")
    assert application.authorization_grant_type == "client-credentials"
    assert last_version() == ("ada", "update", "applications", {"name": ["Shop", "Store"]})


def test_a_webapp_is_sent_back_to_the_addresses_kept_with_it(acme: Organization) -> None:
    staff = superuser("ada")

    submit(staff, f"{APPLICATIONS}add/", name="Shop", kind="webapp", redirect_uris="https://a.example.com/x")
    application = Application.objects.get()
    page = submit(staff, f"{APPLICATIONS}{application.pk}/change/", redirect_uris="http://a.example.com/ javascript:x")

    application.refresh_from_db()
    assert application.redirect_uris == "https://a.example.com/x"
    assert list(errors(page)) == ["redirect_uris"]


def test_a_name_that_another_application_took_is_a_complaint(acme: Organization) -> None:
    factories.application(acme, name="Shop")

    page = submit(superuser(), f"{APPLICATIONS}add/", name="Shop", kind="integration")

    assert errors(page) == {"__all__": ["Application with this Organization, Mode and Name already exists."]}
    assert Application.objects.count() == 1


def test_an_application_is_deleted_with_a_version(acme: Organization) -> None:
    application = factories.application(acme)

    submit(superuser("ada"), f"{APPLICATIONS}{application.pk}/delete/", post="yes")

    assert not Application.objects.exists()
    assert last_version()[:3] == ("ada", "destroy", "applications")


def test_a_role_of_another_organization_is_refused(acme: Organization) -> None:
    role = Role.objects.create(organization=factories.organization(), name="clerk")

    page = submit(superuser(), f"{APPLICATIONS}add/", organization=acme.pk, name="A", kind="webapp", role=role.pk)

    assert errors(page) == {"role": ["belongs to another organization or mode."]}
    assert not Application.objects.exists()


def test_roles_are_managed(acme: Organization) -> None:
    staff, url = superuser(), "/admin/commerce/role/"

    submit(staff, f"{url}add/", name="clerk", permissions='{"coupons": ["read"]}')
    role = Role.objects.get()
    assert (role.organization, role.permissions) == (acme, {"coupons": ["read"]})
    submit(staff, f"{url}{role.pk}/change/", permissions='{"coupons": ["read", "create"]}')
    role.refresh_from_db()
    assert role.permissions == {"coupons": ["read", "create"]}
    page = submit(staff, f"{url}{role.pk}/change/", permissions='{"coupons": ["sing"]}')
    assert errors(page) == {"permissions": ["coupons must list some of create, read, update, destroy"]}
    page = submit(staff, f"{url}add/", name="clerk", permissions='{"tags": ["read"]}')
    assert list(errors(page)) == ["__all__"]
    submit(staff, f"{url}{role.pk}/delete/", post="yes")
    assert not Role.objects.exists()


# --- History and lists ----------------------------------------------------------------------------


def test_the_history_of_a_row_tells_who_changed_what(acme: Organization) -> None:
    recipient = factories.recipient(acme, first_name="Ann")
    staff = superuser("ada")
    submit(staff, f"{RECIPIENTS}{recipient.pk}/change/", first_name="<b>Anna</b>")

    page = staff.get(f"{RECIPIENTS}{recipient.pk}/history/")

    versions = [(version.event, who) for version, who in page.context["versions"]]
    assert versions == [("update", "ada"), ("create", "command tests")]
    assert "<strong>first_name</strong> Ann → &lt;b&gt;Anna&lt;/b&gt;" in page.content.decode()


def test_versions_are_found_by_the_public_id_of_their_resource(acme: Organization) -> None:
    first, second = factories.recipient(acme), factories.recipient(acme)
    staff = superuser()

    for term in (first.public_id, f"coupon_recipients/{first.public_id}"):
        page = staff.get("/admin/commerce/version/", {"q": term})
        assert [version.resource_id for version in page.context["cl"].result_list] == [first.pk]
    assert page.content.decode().count(f"{RECIPIENTS}{first.pk}/change/") == 1
    assert not staff.get("/admin/commerce/version/", {"q": "nonsense"}).context["cl"].result_list
    assert second.public_id in staff.get("/admin/commerce/version/").content.decode()


def test_lists_are_filtered_by_tenant_and_type(acme: Organization) -> None:
    test, live = factories.recipient(acme), factories.recipient(acme, mode="live")
    factories.tag(acme, mode="live")
    staff = superuser()

    def found(url: str, **filters: str) -> list[int]:
        return [row.pk for row in staff.get(url, filters).context["cl"].result_list]

    assert found(RECIPIENTS) == [live.pk, test.pk]
    assert found(RECIPIENTS, tenant=f"{acme.pk}-live") == [live.pk]
    assert len(found("/admin/commerce/version/", tenant=f"{acme.pk}-live", resource_type="tags")) == 1
    assert staff.get(RECIPIENTS, {"tenant": "nonsense"}).status_code == 200


def test_counts_stop_at_the_bound(acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedPaginator, "MOST", 2)
    for _ in range(2):
        factories.recipient(acme)
    staff = superuser()

    assert "2 coupon recipients" in staff.get(RECIPIENTS).content.decode()
    factories.recipient(acme)
    page = staff.get(RECIPIENTS)

    assert "2+ coupon recipients" in page.content.decode()
    assert page.context["cl"].result_count == AtLeast(2)


def test_autocompletion_finds_promotions_by_name(acme: Organization) -> None:
    summer = factories.percentage_promotion(acme, name="Summer")
    factories.percentage_promotion(acme, name="Winter")
    asked = {"app_label": "promotions", "model_name": "promotionrule", "field_name": "promotion", "term": "summ"}

    answer = superuser().get("/admin/autocomplete/", asked)

    assert answer.json()["results"] == [{"id": str(summer.pk), "text": "Summer"}]
    assert Promotion.objects.count() == 2


# --- API keys -------------------------------------------------------------------------------------


def test_api_keys_are_told_by_how_they_end_and_revoked_after_a_question(
    acme: Organization, travel: Callable[[datetime], None]
) -> None:
    application = factories.application(acme)
    with changes.atomic():
        key, other = (auth.create_api_key(application, BY) for _ in range(2))
    mine = ApiKey.objects.get(ending=key[-4:])
    staff, url = superuser("ada"), f"{APPLICATIONS}{application.pk}/change/"
    revoke = f"{APPLICATIONS}revoke/{mine.pk}/"
    page = staff.get(url).content.decode()
    assert f"…{key[-4:]}" in page
    assert f'href="{revoke}"' in page
    assert key not in page
    assert other not in page

    with nothing_written():
        asked = staff.get(revoke).content.decode()
    assert f"Revoke the API key of {application} that ends in {key[-4:]}" in asked
    answer = staff.post(revoke)

    assert (answer.headers["location"], messages(answer)) == (url, [f"The API key that ends in {key[-4:]} is revoked."])
    assert dict(ApiKey.objects.values_list("ending", "revoked_at")) == {key[-4:]: NOW, other[-4:]: None}
    assert last_version() == ("ada", "update", "applications", {"api_key": [f"...{key[-4:]}", None]})
    page = staff.get(url).content.decode()
    assert "2026-06-15 12:00:00" in page
    assert revoke not in page
    with nothing_written():
        assert staff.post(revoke).headers["location"] == "/admin/"


def test_whoever_may_only_look_at_applications_revokes_no_key(acme: Organization) -> None:
    application = factories.application(acme)
    with changes.atomic():
        auth.create_api_key(application, BY)
    staff = clerk("view_application")
    revoke = f"{APPLICATIONS}revoke/{ApiKey.objects.get().pk}/"

    with nothing_written():
        assert staff.post(revoke).status_code == 403
    assert Client().post(revoke).status_code == 302
    assert ApiKey.objects.get().revoked_at is None
