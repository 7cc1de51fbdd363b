"""What a `filter[q]` key says, read without a database."""

import pytest

from commerce.jsonapi.filters import LONGEST_KEY, PREDICATES, Condition, Path, Predicate, Vocabulary, parse_key

SHOPS = Vocabulary(frozenset({"id", "name"}), {})
BOOKS = Vocabulary(
    frozenset({"id", "title", "title_page", "read_in", "shop_code", "metadata"}),
    {"shop": lambda: SHOPS, "author": lambda: AUTHORS, "author_of_preface": lambda: AUTHORS},
)
AUTHORS = Vocabulary(frozenset({"id", "name"}), {"books": lambda: BOOKS})


def read(key: str) -> tuple[list[str], str, Predicate] | None:
    condition = parse_key(key, BOOKS)
    return condition and ([spelled(path) for path in condition.paths], condition.joiner, condition.predicate)


def spelled(path: Path) -> str:
    return ".".join((*path.relations, path.attribute))


@pytest.mark.parametrize("name", PREDICATES)
def test_every_predicate_is_read_behind_an_attribute(name: str):
    assert read(f"title_{name}") == (["title"], "_and_", PREDICATES[name])


def test_there_is_every_predicate_of_the_vendors_clients():
    simple = "eq not_eq matches does_not_match lt lteq gt gteq start not_start end not_end cont not_cont i_cont".split()
    several = [f"{name}_{each}" for name in simple for each in ("any", "all")]
    lists = "in not_in in_or_null not_in_or_null eq_or_null not_eq_or_null".split()
    flags = "present blank null not_null true false".split()
    assert {*simple, *several, *lists, *flags, "jcont"} <= set(PREDICATES)


@pytest.mark.parametrize(
    ("key", "paths", "predicate"),
    [
        ("title_not_eq", ["title"], "not_eq"),
        ("title_not_eq_or_null", ["title"], "not_eq_or_null"),
        ("title_not_in_or_null", ["title"], "not_in_or_null"),
        ("title_does_not_match_any", ["title"], "does_not_match_any"),
        ("title_not_null", ["title"], "not_null"),
        ("read_in_in", ["read_in"], "in"),
        ("read_in_eq", ["read_in"], "eq"),
    ],
)
def test_the_longest_predicate_wins(key: str, paths: list[str], predicate: str):
    assert read(key) == (paths, "_and_", PREDICATES[predicate])


def test_a_shorter_predicate_is_read_when_the_longest_leaves_no_attribute():
    words = Vocabulary(frozenset({"title_not"}), {})

    assert parse_key("title_not_eq", words) == Condition((Path((), "title_not"),), "_and_", PREDICATES["eq"])


@pytest.mark.parametrize(
    ("key", "paths", "joiner"),
    [
        ("title_or_read_in_eq", ["title", "read_in"], "_or_"),
        ("title_and_read_in_eq", ["title", "read_in"], "_and_"),
        ("title_or_shop_name_or_author_id_cont_any", ["title", "shop.name", "author.id"], "_or_"),
        ("title_or_read_in_eq_or_null", ["title", "read_in"], "_or_"),
    ],
)
def test_attributes_are_joined(key: str, paths: list[str], joiner: str):
    condition = read(key)

    assert condition is not None
    assert condition[:2] == (paths, joiner)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("shop_name_eq", "shop.name"),
        ("author_books_title_eq", "author.books.title"),
        ("author_books_shop_id_in", "author.books.shop.id"),
        ("author_of_preface_name_eq", "author_of_preface.name"),
        ("author_books_author_books_author_name_eq", "author.books.author.books.author.name"),
    ],
)
def test_relationships_lead_to_attributes(key: str, path: str):
    condition = read(key)

    assert condition is not None
    assert condition[0] == [path]


def test_an_attribute_is_preferred_to_a_relationship_that_begins_like_it():
    condition = read("shop_code_eq")

    assert condition is not None
    assert condition[0] == ["shop_code"]


@pytest.mark.parametrize(
    "key",
    [
        "",
        "_",
        "_eq",
        "eq",
        "title",
        "title_",
        "title_is",
        "title_EQ",
        "Title_eq",
        "titles_eq",
        "title__eq",
        "title_eq_",
        "title_eq_any_all",
        "title_in_any",
        "title_null_any",
        "pages_eq",
        "shop_eq",
        "shop_title_eq",
        "publisher_name_eq",
        "title_or_eq",
        "title_or_pages_eq",
        "title_or_read_in_and_id_eq",
        "or_title_eq",
        "title.eq",
        "metadata__title_eq",
        "author_books_author_books_author_books_title_eq",
    ],
)
def test_what_is_not_known_has_no_reading(key: str):
    assert parse_key(key, BOOKS) is None


def test_a_key_may_be_so_long_and_no_longer():
    longest = "title_or_" * ((LONGEST_KEY - 8) // 9) + "title_eq"

    assert len(longest) == LONGEST_KEY
    assert len(parse_key(longest, BOOKS).paths) == 57
    assert parse_key(f"id_or_{longest}", BOOKS) is None
