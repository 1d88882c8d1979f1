"""What a charger is told when a message of it is put aside unprocessed."""

from __future__ import annotations

import logging

from django.db.transaction import atomic

from accounts.choices import AuthorizationStatus
from accounts.services.authorization import Authorization
from transactions.services.batch import SessionBatch
from transactions.services.sessions import AUTHORIZE, Authorize
from transactions.services.starts import Started

logger = logging.getLogger(__name__)


def start_unserved(request: Authorize, batch: SessionBatch) -> Started:
    """An id for a session that is not in the books, so that its stop names it, and the tag's own status."""
    return Started(ocpp_id=batch.unused_ocpp16_id(), authorization=judge_unserved(request, batch))


def judge_unserved(request: Authorize, batch: SessionBatch) -> Authorization:
    """The tag's own status.

    Where not even the tag can be judged it is Invalid: nobody gets energy for a message that breaks us.
    """
    try:
        with atomic():
            authorization: Authorization = AUTHORIZE.decide(request, batch)
    except Exception:
        logger.exception("start.tag_cannot_be_judged", extra={"charge_point": request.charge_point_id})
        authorization = Authorization(status=AuthorizationStatus.INVALID)
    return authorization
