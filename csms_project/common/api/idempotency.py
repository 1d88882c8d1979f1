"""Idempotency-Key: a POST that is sent again gets the first answer and has no second effect."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
from django.db import IntegrityError
from django.db.transaction import atomic
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from csms_project.common import crypto
from csms_project.common.api.problems import BadParameter, Unprocessable
from csms_project.common.models import IdempotencyRecord

HEADER = "Idempotency-Key"
KEPT_FOR = timedelta(hours=24)
_FORM = re.compile(r"[\x21-\x7e]{1,128}")

Handler = Callable[..., Response]


def key_of(request: Request) -> str:
    """The key that the caller sent, or nothing.  Raises BadParameter."""
    key = request.headers.get(HEADER, "")
    if key and not _FORM.fullmatch(key):
        raise BadParameter(HEADER, "Must be up to 128 printable ASCII characters without spaces.")
    return key


class IdempotentMixin(APIView):
    """Repeats the answer of a POST with the same key, caller and path for 24 hours.

    Work and record are one transaction: either both exist or none, and a second caller waits for the first.
    Only successes are kept; what failed may be tried again.  The same key with another body is a 422.
    """

    #: Actions whose service knows the key itself.
    own_idempotency: frozenset[str] = frozenset()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        handler: Handler | None = getattr(self, "post", None)
        if request.method != "POST" or handler is None or getattr(self, "action", "") in self.own_idempotency:
            return
        if key := key_of(request):
            self.post = _once(handler, key, self.idempotency_scope(request))

    def idempotency_scope(self, request: Request) -> str:
        """Who asks; keys of different callers never meet."""
        raise NotImplementedError


def _once(handler: Handler, key: str, scope: str) -> Handler:
    def run(request: Request, *args: Any, **kwargs: Any) -> Response:
        digest = _digest(scope, request.path, key)
        body = _digest(request.META.get("QUERY_STRING", ""), json.dumps(request.data, sort_keys=True))
        IdempotencyRecord.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()
        try:
            with atomic():
                record = IdempotencyRecord.objects.create(digest=digest, body_digest=body)
                response = handler(request, *args, **kwargs)
                _keep(record, response)
                return response
        except IntegrityError:
            # Somebody was first; an IntegrityError of the work itself leaves no record and is raised.
            earlier = IdempotencyRecord.objects.filter(digest=digest).first()
            if earlier is None:
                raise
        return _replay(earlier, body)

    return run


def _keep(record: IdempotencyRecord, response: Response) -> None:
    # The answer may hold a key that is shown once.
    record.status = response.status_code
    record.response = crypto.encrypt(orjson.dumps(response.data, default=str).decode())
    record.save(update_fields=["status", "response"])


def _replay(record: IdempotencyRecord, body_digest: str) -> Response:
    if record.body_digest != body_digest:
        raise Unprocessable(f"This {HEADER} was used with another body.", "idempotency_conflict")
    data = orjson.loads(crypto.decrypt(record.response))
    return Response(data, status=record.status, headers={"Idempotent-Replayed": "true"})


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
