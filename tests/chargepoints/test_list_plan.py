"""From the tags that a charger holds to those that it should hold: pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoints import list_plan
from chargepoints.list_plan import Entry, Limits, Message, TooMany, apply, by_key, plan

VALUES = ["a", "A", "b", "B", "c", "d", "ß", "SS", *(f"tag{number}" for number in range(12))]
entries = st.lists(
    st.builds(
        Entry,
        value=st.sampled_from(VALUES),
        status=st.sampled_from(["Accepted", "Blocked", "Expired", "Invalid"]),
        expires_at=st.sampled_from(["", "2026-03-02T10:00:00Z", "2030-01-01T00:00:00Z"]),
        parent=st.sampled_from(["", "G1", "G2"]),
    ),
    max_size=20,
).map(by_key)


class Charger:
    """A list as the specification describes it (OCPP 1.6 §5.15, §6.41, §7.47), with its limits."""

    def __init__(self, held: list_plan.Entries, limits: Limits, version: int) -> None:
        self.held = {key: (entry.status, entry.expires_at, entry.parent) for key, entry in held.items()}
        self.limits, self.version = limits, version

    def take(self, payload: dict) -> None:
        given_entries = payload["entries"]
        keys = [entry["id_token"].casefold() for entry in given_entries]
        assert len(keys) == len(set(keys))
        assert len(keys) <= self.limits.message_length
        assert payload["version"] > 0
        if payload["update_type"] == "Full":
            assert all("status" in entry for entry in given_entries)
            self.held = {}
        else:
            assert payload["version"] > self.version
        for key, entry in zip(keys, given_entries, strict=True):
            if "status" not in entry:
                assert list(entry) == ["id_token"]
                del self.held[key]  # what is taken away was there
                continue
            self.held[key] = (entry["status"], entry.get("expires_at", ""), entry.get("parent_id_token", ""))
            assert self.limits.list_length is None or len(self.held) <= self.limits.list_length
        self.version = payload["version"]


@given(
    held=entries,
    wanted=entries,
    message_length=st.integers(1, 6),
    spare=st.none() | st.integers(0, 3),
    is_known=st.booleans(),
)
def test_charger_that_takes_the_messages_holds_exactly_what_was_wanted(
    held: dict[str, Entry],
    wanted: dict[str, Entry],
    message_length: int,
    spare: int | None,
    is_known: bool,
) -> None:
    room = None if spare is None else max(len(held), len(wanted)) + spare
    limits = Limits(list_length=room, message_length=message_length)
    charger = Charger(held, limits, version=7)

    messages = plan(held if is_known else None, wanted, limits)
    for number, message in enumerate(messages, start=8):
        charger.take(list_plan.to_payload(message, number))

    says = {key: (entry.status, entry.expires_at, entry.parent) for key, entry in wanted.items()}
    assert charger.held == says
    assert len(messages) <= max(1, -(-len(wanted) // message_length))
    if not is_known:
        assert [message.is_full for message in messages] == [True] + [False] * (len(messages) - 1)


@given(held=entries, wanted=entries, message_length=st.integers(1, 6))
def test_what_we_think_the_charger_holds_is_what_it_holds_and_one_step_at_a_time_arrives_as_well(
    held: dict[str, Entry], wanted: dict[str, Entry], message_length: int
) -> None:
    limits, now, steps = Limits(message_length=message_length), dict(held), 0
    charger = Charger(held, limits, version=0)
    while messages := plan(now, wanted, limits):
        steps += 1
        charger.take(list_plan.to_payload(messages[0], steps))
        now = apply(now, messages[0])
        assert charger.held.keys() == now.keys()
        assert steps <= 1 + len(held) + len(wanted)
    assert list_plan.digest(now) == list_plan.digest(wanted)


@given(held=entries)
def test_nothing_is_sent_where_only_the_spelling_differs(held: dict[str, Entry]) -> None:
    spelled = by_key(
        Entry(value=e.value.swapcase(), status=e.status, expires_at=e.expires_at, parent=e.parent)
        for e in held.values()
        if e.value.swapcase().casefold() == e.key
    )
    same = {key: entry for key, entry in held.items() if key in spelled}

    assert plan(same, spelled, Limits()) == []
    assert list_plan.digest(same) == list_plan.digest(spelled)


@given(held=entries)
def test_entries_survive_being_stored(held: dict[str, Entry]) -> None:
    assert list_plan.from_rows(list_plan.to_rows(held)) == held


def accepted(*values: str) -> dict[str, Entry]:
    return by_key(Entry(value=value, status="Accepted") for value in values)


def test_blocked_tag_is_one_change_and_a_deleted_one_has_no_information() -> None:
    held = accepted("A", "B", "C", "D")
    wanted = accepted("A", "B", "C") | by_key([Entry(value="B", status="Blocked", parent="G")])

    (message,) = plan(held, wanted, Limits())

    assert list_plan.to_payload(message, 9) == {
        "update_type": "Differential",
        "version": 9,
        "entries": [{"id_token": "D"}, {"id_token": "B", "status": "Blocked", "parent_id_token": "G"}],
    }


def test_list_that_becomes_empty_is_emptied_by_a_full_list_without_tags() -> None:
    assert plan(accepted("A", "B"), {}, Limits()) == [Message(is_full=True)]
    assert plan(None, {}, Limits()) == [Message(is_full=True)]
    assert plan({}, {}, Limits()) == []


def test_list_that_is_longer_than_a_message_is_a_full_one_and_changes() -> None:
    messages = plan(None, accepted("A", "B", "C", "D", "E"), Limits(message_length=2))

    assert [(m.is_full, [e.value for e in m.entries]) for m in messages] == [
        (True, ["A", "B"]),
        (False, ["C", "D"]),
        (False, ["E"]),
    ]


def test_changes_that_are_no_fewer_messages_and_more_tags_than_the_whole_are_not_sent_as_changes() -> None:
    held, wanted = accepted("A", "B", "C"), accepted("D", "E")

    assert [message.is_full for message in plan(held, wanted, Limits())] == [True]


def test_more_tags_than_there_is_room_for_are_refused_with_the_number_that_is_too_much() -> None:
    with pytest.raises(TooMany, match=r"There are 3 tags and the charger has room for 2: choose 1 fewer\."):
        plan({}, accepted("A", "B", "C"), Limits(list_length=2))


def test_type_is_part_of_a_tag_where_the_version_has_types() -> None:
    card = Entry(value="04A1", status="Accepted", type="ISO14443")
    code = Entry(value="04a1", status="Blocked", type="Local")
    both = by_key([card, code])

    assert len(both) == 2
    assert list_plan.from_rows(list_plan.to_rows(both)) == both
    others = accepted("A", "B", "C")
    (message,) = plan(both | others, by_key([card]) | others, Limits())
    assert list_plan.to_payload(message, 2)["entries"] == [{"id_token": "04a1", "id_token_type": "Local"}]
    assert apply(both | others, message) == by_key([card]) | others


def test_list_without_types_is_stored_and_compared_as_ever() -> None:
    held = accepted("A")

    assert list_plan.to_rows(held) == [["A", "Accepted", "", ""]]
    assert list_plan.digest(held) == "913a6f72160d0362cdf8d0a2c5435791a20072d2fff18196fa9d5cefdb8a2ef0"


def test_message_takes_no_more_bytes_than_the_charger_does_but_one_tag_at_least() -> None:
    values = [f"{number:020}" for number in range(30)]
    wanted = by_key(Entry(value=value, status="Accepted", type="ISO14443", parent="G") for value in values)

    messages = plan(None, wanted, Limits(message_bytes=1000))

    assert [entry.value for message in messages for entry in message.entries] == values
    assert all(sum(e.size for e in m.entries) <= 800 for m in messages)
    assert all(len(m.entries) > 1 for m in messages[:-1])
    assert len(plan(None, wanted, Limits(message_bytes=10))) == 30
