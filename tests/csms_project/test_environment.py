from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from csms_project.environment import Environment, read_secret

env = Environment()


@pytest.mark.parametrize(("value", "expected"), [("on", True), ("1", True), ("false", False), ("", False)])
def test_boolean_is_read(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    monkeypatch.setenv("SWITCH", value)
    assert env.bool("SWITCH", default=not expected) is expected


def test_boolean_with_a_typing_error_is_refused_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRODUCTION", "ture")
    with pytest.raises(ImproperlyConfigured, match="PRODUCTION=ture is not true or false"):
        env.bool("PRODUCTION", default=False)


def test_number_that_is_none_is_refused_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECONDS", "10s")
    with pytest.raises(ImproperlyConfigured, match="SECONDS=10s is not a whole number"):
        env.int("SECONDS", default=1)


def test_price_with_a_comma_is_refused_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRICE", "0,40")
    with pytest.raises(ImproperlyConfigured, match="PRICE=0,40 is not a number"):
        env.get_value("PRICE", cast=Decimal)


def test_secret_comes_from_the_variable_before_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("from file\n")
    monkeypatch.setenv("THING_FILE", str(tmp_path / "secret"))
    assert read_secret("THING") == "from file"
    monkeypatch.setenv("THING", "from variable")
    assert read_secret("THING") == "from variable"


def test_secret_that_nobody_set_is_empty() -> None:
    assert read_secret("NOBODY_SET_THIS") == ""


def test_secret_file_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("THING_FILE", str(tmp_path / "none"))
    with pytest.raises(ImproperlyConfigured, match=r"THING_FILE: cannot read .*No such file"):
        read_secret("THING")
