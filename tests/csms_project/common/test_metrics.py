from __future__ import annotations

from decimal import Decimal

from prometheus_client import REGISTRY

from csms_project.common import metrics


def _value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_message_is_counted_by_version_action_and_outcome() -> None:
    labels = {"version": "ocpp1.6", "action": "Heartbeat", "outcome": "ok"}
    before = _value("csms_messages_total", **labels)
    metrics.count_message("ocpp1.6", "Heartbeat")
    metrics.count_message("ocpp1.6", "Heartbeat")
    assert _value("csms_messages_total", **labels) == before + 2


def test_invented_actions_cannot_make_endless_series() -> None:
    labels = {"version": "ocpp9", "action": "other", "outcome": "other"}
    before = _value("csms_messages_total", **labels)
    for number in range(metrics.MAX_SERIES + 10):
        metrics.count_message("ocpp9", f"Invented{number}", "NotImplemented")
    assert _value("csms_messages_total", **labels) >= before + 10
    assert len(metrics._messages._known) <= metrics.MAX_SERIES + 2


def test_energy_counts_only_upwards() -> None:
    before = _value("csms_energy_wh_total")
    metrics.add_energy(Decimal("1500.5"))
    metrics.add_energy(Decimal(-3))
    assert _value("csms_energy_wh_total") == before + 1500.5


def test_batch_is_observed_by_size_and_time() -> None:
    before = _value("csms_batch_size_count")
    metrics.observe_batch(7, 0.004)
    assert _value("csms_batch_size_count") == before + 1
