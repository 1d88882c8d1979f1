"""The end of a command may tell something about a charger's list of tags: see `services.list_sync`."""

from __future__ import annotations

from functools import partial

from django.db.transaction import on_commit
from django.utils import timezone

from chargepoints.list_messages import ASKING, SENDING
from chargepoints.models import Command, LocalList
from csms_project.common import jobs

#: Who orders what keeps the lists in step.
SYNC_NAME = "local list"
JOB = "chargepoints.sync_local_lists"


def ended(command: Command) -> None:
    """Let the list of this charger be looked at soon.  Reading what the command said is not for the gateway."""
    if command.action not in ASKING | SENDING and command.requested_by_name != SYNC_NAME:
        return
    now = timezone.now()
    if LocalList.objects.filter(charge_point_id=command.charge_point_id).update(look_at=now):
        on_commit(partial(jobs.wake_here, JOB))
