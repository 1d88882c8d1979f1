from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from pytest_django import Settings

from accounts.models import Tenant, User
from csms_project import network, up
from csms_project.up import Address, UpError
from tests.factories import UserFactory


@pytest.fixture
def said() -> list[str]:
    """What was printed."""
    return []


# ---------------------------------------------------------------- directory and lock


def test_data_directory_is_made(tmp_path: Path, settings: Settings) -> None:
    settings.STATIC_ROOT = tmp_path / "data" / "static"
    up.prepare_directory(tmp_path / "data")
    assert (tmp_path / "data").is_dir()
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["static"]


def test_data_directory_that_is_a_file_is_refused_with_the_way_out(
    tmp_path: Path, settings: Settings
) -> None:
    settings.STATIC_ROOT = tmp_path / "static"
    (tmp_path / "data").touch()
    with pytest.raises(UpError, match=r"Cannot write in .*data: .*Set DATA_DIR"):
        up.prepare_directory(tmp_path / "data")


def test_second_server_on_a_database_is_refused_and_names_the_first(tmp_path: Path) -> None:
    first = up.lock_database(tmp_path / "db.sqlite3")
    assert first is not None
    with pytest.raises(UpError, match=f"Another server \\(process {os.getpid()}\\)"):
        up.lock_database(tmp_path / "db.sqlite3")
    first.close()
    again = up.lock_database(tmp_path / "db.sqlite3")
    assert again is not None
    again.close()


def test_lock_in_a_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UpError, match="Cannot write"):
        up.lock_database(tmp_path / "none" / "db.sqlite3")


# ---------------------------------------------------------------- database


@pytest.mark.django_db
def test_database_that_answers_passes() -> None:
    up.check_database()
    assert up.check_migrations() == 0


def test_database_is_named_without_its_password(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SQLITE = False
    values = {"NAME": "csms", "HOST": "db", "PORT": 5433, "PASSWORD": "hunter2"}
    monkeypatch.setitem(django_settings.DATABASES, "default", values)
    assert up.database_name() == "csms at db:5433"


@pytest.mark.django_db
def test_database_of_a_newer_version_is_refused() -> None:
    MigrationRecorder(connection).record_applied("chargepoints", "9999_from_the_future")
    with pytest.raises(UpError, match=r"newer version .*chargepoints\.9999_from_the_future"):
        up.check_migrations()


@pytest.mark.django_db
def test_migration_that_was_not_applied_is_counted() -> None:
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("sessions", "0001_initial")
    assert up.check_migrations() == 1


@pytest.mark.django_db
def test_inconsistent_history_is_one_sentence(said: list[str]) -> None:
    MigrationRecorder(connection).record_unapplied("accounts", "0001_initial")
    with pytest.raises(UpError, match="could not be updated: Migration"):
        up.migrate(say=said.append)


# ---------------------------------------------------------------- first rows


@pytest.mark.django_db
def test_first_start_makes_tenant_and_admin_and_shows_the_password_once(said: list[str]) -> None:
    up.make_first_rows(say=said.append)
    up.make_first_rows(say=said.append)
    user = User.objects.get()
    password = said[0].split("password ")[1].split(" ")[0]
    assert user.is_superuser
    assert user.check_password(password)
    assert Tenant.objects.get().slug == django_settings.DEFAULT_TENANT
    assert "exists" in said[1]
    assert password not in said[1]


@pytest.mark.django_db
def test_given_password_is_used_and_not_shown(said: list[str], settings: Settings) -> None:
    settings.CSMS_ADMIN_USERNAME = "boss"
    settings.CSMS_ADMIN_PASSWORD = "hunter2-hunter2"
    up.make_first_rows(say=said.append)
    assert User.objects.get(username="boss").check_password("hunter2-hunter2")
    assert "hunter2" not in "".join(said)


@pytest.mark.django_db
def test_given_password_never_changes_an_existing_admin(said: list[str], settings: Settings) -> None:
    UserFactory(username="admin", is_superuser=True, is_staff=True, password="the old password")
    settings.CSMS_ADMIN_PASSWORD = "another password"
    up.make_first_rows(say=said.append)
    assert User.objects.get().check_password("the old password")


@pytest.mark.django_db
def test_admin_of_another_name_is_enough(said: list[str]) -> None:
    UserFactory(username="alice", is_superuser=True, is_staff=True)
    up.make_first_rows(say=said.append)
    assert list(User.objects.values_list("username", flat=True)) == ["alice"]


@pytest.mark.django_db
def test_normal_user_with_the_admin_name_is_not_promoted(said: list[str]) -> None:
    UserFactory(username="admin")
    with pytest.raises(UpError, match="set CSMS_ADMIN_USERNAME"):
        up.make_first_rows(say=said.append)
    assert not User.objects.get().is_superuser


# ---------------------------------------------------------------- banner


def test_banner_on_the_loopback_address_says_that_chargers_cannot_reach_it() -> None:
    text = "\n".join(up.banner(Address(port=9000)))
    assert "http://127.0.0.1:9000/admin/" in text
    assert "ws://127.0.0.1:9000/ocpp/" in text
    assert "cannot reach 127.0.0.1" in text
    assert "--host 0.0.0.0" in text


def test_banner_on_all_addresses_lists_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "lan_addresses", lambda ipv6=False: ["192.168.1.20", "10.0.0.2"])
    text = "\n".join(up.banner(Address(host="0.0.0.0")))
    assert "ws://192.168.1.20:8000/ocpp/" in text
    assert "ws://10.0.0.2:8000/ocpp/" in text
    assert "cannot reach" not in text


def test_banner_shows_the_public_address(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://csms.example.com/"
    text = "\n".join(up.banner(Address()))
    assert "https://csms.example.com/admin/" in text
    assert "wss://csms.example.com/ocpp/" in text


def test_local_address_serves_clients_on_this_machine() -> None:
    assert Address(host="0.0.0.0", port=1).local_url == "127.0.0.1:1"
    assert Address(host="::1", port=1).local_url == "[::1]:1"


def test_chargers_are_told_the_address_of_this_server() -> None:
    assert up.own_url(Address(host="127.0.0.1", port=81)) == "http://127.0.0.1:81"
    assert up.own_url(Address(host="::1", port=81)) == "http://[::1]:81"
