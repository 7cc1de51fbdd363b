"""Staff at the admin, as a browser shows it to them: forms are read from the page and sent with all they hold."""

from html.parser import HTMLParser
from typing import Any

from django.contrib.auth.models import Permission, User
from django.test import Client

from commerce.models import Version


def superuser(name: str = "ada") -> Client:
    return _client(User.objects.create_superuser(name))


def clerk(*permissions: str) -> Client:
    """A staff user who may do this and nothing else, such as `view_coupon`."""
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return _client(user)


def submit(client: Client, url: str, **values: Any) -> Any:
    """Opens the page, fills in `values` and sends its form."""
    page = client.get(url)
    assert page.status_code == 200, page
    return client.post(url, form_of(page) | values)


def form_of(page: Any) -> dict[str, Any]:
    parser = _Form()
    parser.feed(page.content.decode())
    return parser.values


def errors(page: Any) -> dict[str, list[str]]:
    """What the form shown again complains of."""
    assert page.status_code == 200, page
    return dict(page.context["adminform"].form.errors)


def messages(page: Any) -> list[str]:
    return [str(message) for message in page.wsgi_request._messages]


def act(client: Client, url: str, action: str, *rows: Any, **values: Any) -> Any:
    """Runs an action of a list on rows of it."""
    return client.post(url, {"action": action, "_selected_action": [row.pk for row in rows], **values})


def last_version() -> tuple[str, str, str, dict[str, Any]]:
    """Who did what to which type, and the changes told."""
    version = Version.objects.latest("pk")
    return version.who["user"]["name"], version.event, version.resource_type, version.changes


def _client(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


class _Form(HTMLParser):
    """The values of the form of the page's content, which comes after that for logging out."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, Any] = {}
        self.select = self.textarea = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        name = given.get("name") or ""
        if tag == "form":
            self.values = {}
        elif tag == "select":
            self.select = name
        elif tag == "option" and "selected" in given:
            self.values[self.select] = given.get("value") or ""
        elif tag == "textarea":
            self.textarea, self.values[name] = name, ""
        elif tag == "input" and given.get("type") == "checkbox":
            self.values |= {name: "on"} if "checked" in given else {}
        elif tag == "input" and given.get("type") != "submit":
            self.values[name] = given.get("value") or ""

    def handle_data(self, data: str) -> None:
        if self.textarea:
            # A browser drops the line break that follows the tag.
            self.values[self.textarea] += data.removeprefix("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self.textarea = ""
