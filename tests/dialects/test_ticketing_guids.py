from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce import ids
from coupons.dialects.ticketing import guids

keys = st.integers(0, ids.SIZE - 1)
kinds = st.sampled_from(guids.KINDS)


def test_guids_stay_what_they_are():
    assert [guids.encode(kind, 1) for kind in guids.KINDS] == [
        "94d1c567-0dfa-8379-856d-f292570a1db6",
        "2abbe4c4-43a2-835f-a82d-7aa58ff8f489",
        "5c3d30ae-9f4e-8b31-aaed-02b8c8e7cb5c",
        "7bee1e21-8622-873f-a11f-705da6973206",
        "11d83d7e-bbca-8726-83de-f870df8608d9",
    ]


@given(kind=kinds, key=keys)
def test_a_guid_is_a_uuid_of_version_8_that_leads_back_to_its_key(kind: str, key: int):
    guid = guids.encode(kind, key)
    assert (UUID(guid).version, str(UUID(guid))) == (8, guid)
    assert guids.decode(kind, guid) == guids.decode(kind, guid.upper()) == key


@given(kind=kinds, other=kinds, key=keys)
def test_a_guid_of_another_kind_is_none(kind: str, other: str, key: int):
    assert (guids.decode(other, guids.encode(kind, key)) == key) == (kind == other)


@given(kind=kinds, number=st.integers(0, 2**128 - 1))
def test_a_uuid_of_somebody_else_is_none(kind: str, number: int):
    assert guids.decode(kind, str(UUID(int=number))) is None


@given(kind=kinds, key=keys, place=st.integers(0, 127))
def test_a_guid_with_a_bit_changed_is_none(kind: str, key: int, place: int):
    assert guids.decode(kind, str(UUID(int=UUID(guids.encode(kind, key)).int ^ 1 << place))) is None


@pytest.mark.parametrize(
    "text", ["", "x", "{2abbe4c4-43a2-835f-a82d-7aa58ff8f489}", "2abbe4c443a2835fa82d7aa58ff8f489", 1]
)
def test_what_is_not_shaped_as_a_guid_is_none(text: object):
    assert not guids.is_guid(text)
    assert guids.decode("coupon", text) is None


@pytest.mark.parametrize("key", [-1, ids.SIZE])
def test_keys_that_no_row_has_have_no_guid(key: int):
    with pytest.raises(ValueError, match="no GUID"):
        guids.encode("coupon", key)
