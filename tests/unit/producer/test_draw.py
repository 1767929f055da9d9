"""The portable dice."""

import re

from hypothesis import given
from hypothesis import strategies as st

from producer.draw import Weighted, derived_id, scramble, uuid_text

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}")


def test_scrambling_is_the_same_on_every_machine() -> None:
    assert scramble(0) == 0xE220A8397B1DCDAF  # the published first output of SplitMix64


def test_a_weighted_table_gives_each_value_its_share() -> None:
    table = Weighted.of({"a": 1.0, "b": 3.0})

    assert [table.at(u) for u in (0.0, 0.2499, 0.25, 0.9999)] == ["a", "a", "b", "b"]


@given(st.integers(0, 2**128 - 1), st.integers(1, 2000))
def test_ids_look_like_uuids_and_those_of_a_purchase_differ(bits: int, number: int) -> None:
    ids = {uuid_text(bits), derived_id(bits, number), derived_id(bits, number + 1)}

    assert len(ids) == 3
    assert all(UUID.fullmatch(text) for text in ids)
