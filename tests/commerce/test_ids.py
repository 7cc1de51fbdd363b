import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce import ids
from commerce.models import Organization
from tests import factories
from tests.client import Api

keys = st.integers(0, ids.SIZE - 1)


@given(keys)
def test_an_id_is_ten_letters_and_leads_back_to_its_key(key: int):
    public_id = ids.encode(key)
    assert re.fullmatch("[A-Za-z]{10}", public_id)
    assert ids.decode(public_id) == key


@given(st.text(st.sampled_from(ids.LETTERS), min_size=10, max_size=10))
def test_ten_letters_are_the_id_of_exactly_one_key(public_id: str):
    key = ids.decode(public_id)
    assert key is not None
    assert 0 <= key < ids.SIZE
    assert ids.encode(key) == public_id


@given(keys, keys)
def test_two_keys_have_two_ids(one: int, other: int):
    assert (ids.encode(one) == ids.encode(other)) == (one == other)


def test_ids_of_neighbours_share_no_beginning():
    assert len({ids.encode(key)[:3] for key in range(1, 101)}) > 95


@pytest.mark.parametrize("key", [-1, ids.SIZE, ids.SIZE + 5])
def test_a_key_beyond_the_range_has_no_id(key: int):
    with pytest.raises(ValueError, match="no public id"):
        ids.encode(key)


@given(st.one_of(st.text(), st.none(), st.integers(), st.binary(), st.lists(st.text())))
def test_whatever_is_not_ten_ascii_letters_is_no_id(value: object):
    if not (isinstance(value, str) and re.fullmatch("[A-Za-z]{10}", value)):
        assert ids.decode(value) is None


@pytest.mark.parametrize("value", ["ABCDEFGHIé", "ABCDEFGHI1", "ABCDEFGHI", "ABCDEFGHIJK", "ABCDEFGHI\n", "ＡBCDEFGHI"])
def test_what_looks_like_an_id_is_none(value: str):
    assert ids.decode(value) is None


def test_the_ids_are_those_that_were_given_out():
    """A change of the bijection would orphan every id that clients hold."""
    assert [ids.encode(key) for key in (1, 2, 1_000_000)] == ["szGFKvRWjU", "PmRwMqitSo", "skPQDBNgsK"]


def test_sorting_by_id_and_comparing_ids_are_one_order(api: Api, acme: Organization):
    rows = [factories.tag(acme).public_id for _ in range(30)]
    seen: list[str] = []
    while len(seen) < len(rows):
        after = f"&filter[q][id_gt]={seen[-1]}" if seen else ""
        page = api.ids(f"tags?sort=id&page[size]=7{after}")
        assert page
        seen += page
    assert seen == rows
    assert api.ids("tags?sort=-id&page[size]=25") == rows[::-1][:25]


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        ("id_gt", slice(3, None)),
        ("id_gteq", slice(2, None)),
        ("id_lt", slice(0, 2)),
        ("id_lteq", slice(0, 3)),
        ("id_eq", slice(2, 3)),
    ],
)
def test_ids_compare_as_they_sort(api: Api, acme: Organization, predicate: str, expected: slice):
    rows = [factories.tag(acme).public_id for _ in range(5)]
    assert api.ids(f"tags?sort=id&filter[q][{predicate}]={rows[2]}") == rows[expected]


@pytest.mark.parametrize("predicate", ["id_gt", "id_lteq"])
def test_comparing_with_what_is_no_id_is_refused_rather_than_meaning_everything(api: Api, predicate: str):
    assert api.get(f"tags?filter[q][{predicate}]=nope").status_code == 400
