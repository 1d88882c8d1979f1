"""Contents of lists, kept once for all chargers that hold the same."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from datetime import datetime, timedelta

from chargepoints import list_plan
from chargepoints.list_plan import Entries, Entry
from chargepoints.models import LocalListContent

#: Marked as used so often: less than the age at which unused ones are forgotten.
_MARK_AFTER = timedelta(hours=1)


_REMEMBERED = 16
_remembered: OrderedDict[str, dict[str, Entry]] = OrderedDict()


def entries_of(content: LocalListContent) -> Entries:
    """What it says; not to be changed.  Contents never change, and many chargers hold the same: the last are kept."""
    found = _remembered.get(content.digest)
    if found is None:
        found = list_plan.from_rows(content.entries)
        _remember(content.digest, found)
    return found


def _remember(digest: str, entries: dict[str, Entry]) -> None:
    _remembered[digest] = entries
    while len(_remembered) > _REMEMBERED:
        with suppress(KeyError):  # another thread was faster
            _remembered.popitem(last=False)


def keep(tenant_id: int, entries: Entries, now: datetime) -> LocalListContent:
    """The tenant's content that says this, made where there is none."""
    digest = list_plan.digest(entries)
    rows = LocalListContent.objects.filter(tenant_id=tenant_id, digest=digest)
    # Marked before it is referred to: what is being forgotten at this moment is then gone, and made anew.
    rows.filter(used_at__lt=now - _MARK_AFTER).update(used_at=now)
    content: LocalListContent
    content, _ = rows.defer("entries").get_or_create(
        defaults={
            "tenant_id": tenant_id,
            "digest": digest,
            "count": len(entries),
            "entries": list_plan.to_rows(entries),
            "used_at": now,
        }
    )
    return content
