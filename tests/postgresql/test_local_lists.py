"""The end of a command and the job that reads it meet at the row of a local list, and neither is lost."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.db.transaction import atomic
from django.utils import timezone

from chargepoints import commands
from chargepoints.choices import CommandStatus
from chargepoints.models import LocalList
from chargepoints.services import list_sync
from tests import factories
from tests.chargepoints.sending import send

pytestmark = pytest.mark.django_db(transaction=True)


def test_command_that_ends_while_the_list_is_looked_at_is_looked_at_again() -> None:
    socket = factories.ConnectionFactory()
    row = factories.LocalListFactory(charge_point=socket.charge_point)
    now = timezone.now() + timedelta(seconds=1)
    list_sync.run(now)
    command = LocalList.objects.select_related("command").get().command
    assert command is not None
    send(command, socket)

    def end() -> None:
        try:
            commands.complete(command.pk, status=CommandStatus.ACCEPTED, response={"listVersion": 0})
        finally:
            connection.close()

    gateway = threading.Thread(target=end)
    with atomic():
        locked = LocalList.objects.select_for_update(no_key=True).get(pk=row.pk)
        gateway.start()
        gateway.join(0.5)
        assert gateway.is_alive()  # it waits for us
        locked.look_at = now + timedelta(hours=1)
        locked.save()
    gateway.join(10)

    assert LocalList.objects.get().look_at <= timezone.now()
    list_sync.run(now)
    assert LocalList.objects.get().read_up_to == command.pk


def test_list_that_somebody_holds_is_left_for_the_next_run() -> None:
    socket = factories.ConnectionFactory()
    row = factories.LocalListFactory(charge_point=socket.charge_point)
    done = []

    def job() -> None:
        try:
            done.append(list_sync.run(timezone.now() + timedelta(seconds=1)))
        finally:
            connection.close()

    with atomic():
        LocalList.objects.select_for_update(no_key=True).get(pk=row.pk)
        thread = threading.Thread(target=job)
        thread.start()
        thread.join(10)

    assert done == [0]
    assert list_sync.run(timezone.now() + timedelta(seconds=1)) == 2
