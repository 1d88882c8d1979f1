"""Certificates, requests for them, the authorities that sign, and the roots in chargers; security events."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django_filters import rest_framework as filters
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import TenantViewSet
from chargepoints.api import certificate_serializers as serializers
from chargepoints.api.base import ChargePointPartViewSet
from chargepoints.choices import (
    AuthorityKind,
    AuthorityState,
    CertificateKind,
    CertificatePurpose,
    CertificateRequestState,
    CertificateState,
)
from chargepoints.models import (
    Certificate,
    CertificateAuthority,
    CertificateRequest,
    ChargePoint,
    InstalledCertificate,
    SecurityEvent,
)
from chargepoints.pki.keys import KeyFamily
from chargepoints.services import (
    authorities,
    certificate_requests,
    certificates,
    installed_certificates,
    security_alerts,
)
from csms_project.common.api.filters import AfterFilter, BeforeFilter, IdFilter, TextFilter, TruthFilter
from csms_project.common.api.pagination import ReceivedPages


class CertificateFilter(filters.FilterSet):
    charge_point = TextFilter(field_name="charge_point__identity_key")
    kind = filters.ChoiceFilter(choices=CertificateKind.choices)
    state = filters.ChoiceFilter(choices=CertificateState.choices)
    serial_number = TextFilter()
    fingerprint = TextFilter()
    common_name = TextFilter()
    authority = IdFilter(field_name="authority_id")
    expires_after = AfterFilter(field_name="not_after")
    expires_before = BeforeFilter(field_name="not_after")


class CertificateViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TenantViewSet):
    """Certificates of chargers, and roots of others that are kept here; servers' for administrators."""

    queryset = Certificate.objects.select_related("charge_point")
    serializer_class = serializers.CertificateSerializer
    filterset_class = CertificateFilter
    permission_area = "certificates"
    permission_overrides = {"revoke": "certificates.change"}
    ordering_fields = ["id", "not_after", "created_at", "state"]
    ordering = ["-id"]

    def get_queryset(self) -> QuerySet[Certificate]:
        if getattr(self, "swagger_fake_view", False):
            return Certificate.objects.none()
        return certificates.certificates_for(self.actor).select_related("charge_point")

    @extend_schema(request=serializers.RevokeSerializer, responses=serializers.CertificateSerializer)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take the certificate back: nobody gets in with it any more, and the revocation list names it."""
        row = self.get_object()
        serializer = serializers.RevokeSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        done = certificates.revoke(actor=self.actor, certificate=row, **serializer.validated_data)
        return Response(self.get_serializer(done).data)


class CertificateRequestFilter(filters.FilterSet):
    charge_point = TextFilter(field_name="charge_point__identity_key")
    state = filters.ChoiceFilter(choices=CertificateRequestState.choices)
    purpose = filters.ChoiceFilter(choices=CertificatePurpose.choices)
    received_after = AfterFilter(field_name="received_at")
    received_before = BeforeFilter(field_name="received_at")


class CertificateRequestViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TenantViewSet):
    """What chargers ask the certificate authority for."""

    queryset = CertificateRequest.objects.select_related("charge_point")
    serializer_class = serializers.CertificateRequestSerializer
    filterset_class = CertificateRequestFilter
    permission_area = "certificates"
    permission_overrides = dict.fromkeys(("approve", "refuse", "retry"), "certificates.change")
    ordering_fields = ["id", "received_at", "state"]
    ordering = ["-id"]

    @extend_schema(request=None, responses=serializers.CertificateRequestSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Let a request that waits be signed; the certificate is delivered by a background job."""
        return self._shown(certificate_requests.approve(actor=self.actor, request=self.get_object()))

    @extend_schema(request=serializers.RefuseSerializer, responses=serializers.CertificateRequestSerializer)
    @action(detail=True, methods=["post"])
    def refuse(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Turn a request away that waits; the charger is not told."""
        row = self.get_object()
        serializer = serializers.RefuseSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        return self._shown(certificate_requests.refuse(actor=self.actor, request=row, **given))

    @extend_schema(request=None, responses=serializers.CertificateRequestSerializer)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Try the newest request of a charger again after it has failed, from where it stood."""
        return self._shown(certificate_requests.try_again(actor=self.actor, request=self.get_object()))

    def _shown(self, row: CertificateRequest) -> Response:
        return Response(self.get_serializer(self.get_queryset().get(pk=row.pk)).data)


class AuthorityFilter(filters.FilterSet):
    kind = filters.ChoiceFilter(choices=AuthorityKind.choices)
    family = filters.ChoiceFilter(choices=KeyFamily.choices)
    state = filters.ChoiceFilter(choices=AuthorityState.choices)


class AuthorityViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TenantViewSet):
    """The certificate authorities of the installation; they are made and replaced in the admin or by `manage.py ca`."""

    queryset = CertificateAuthority.objects.all()
    serializer_class = serializers.AuthoritySerializer
    filterset_class = AuthorityFilter
    permission_area = "authorities"
    ordering_fields = ["id", "not_after"]
    ordering = ["-id"]

    def get_queryset(self) -> QuerySet[CertificateAuthority]:
        # They belong to no tenant, and what is shown of them is public.
        rows = CertificateAuthority.objects.defer("private_key", "crl")
        return rows.none() if getattr(self, "swagger_fake_view", False) else rows

    @extend_schema(responses=serializers.BundleSerializer, filters=False)
    @action(detail=False, methods=["get"], pagination_class=None)
    def bundle(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """All that are trusted, in PEM; also at `/pki/roots.pem` and `/pki/bundle.pem` without a sign-in."""
        return Response({"roots": authorities.roots_pem(), "bundle": authorities.bundle_pem()})


@extend_schema(tags=["charge-points"])
class InstalledCertificateViewSet(mixins.ListModelMixin, ChargePointPartViewSet):
    """Certificates that the charger holds, as it listed them last; ask it by `get_installed_certificate_ids`."""

    queryset = InstalledCertificate.objects.all()
    serializer_class = serializers.HeldSerializer
    permission_area = "certificates"
    filter_backends = ()

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """All of them: a charger has room for few."""
        held = installed_certificates.held_by(self.charge_point)
        data = [serializers.HeldSerializer(item).data for item in held]
        return Response({"count": len(held), "next": None, "previous": None, "results": data})


class SecurityEventFilter(filters.FilterSet):
    charge_point = filters.CharFilter(method="of_charge_point")
    type = TextFilter()
    severity = filters.ChoiceFilter(
        choices=[("critical", "critical"), ("normal", "normal")], method="with_severity"
    )
    alert = TruthFilter(field_name="is_alert")
    open = TruthFilter(method="which_wait", help_text="Alerts that nobody has acknowledged.")
    received_after = AfterFilter(field_name="received_at")
    received_before = BeforeFilter(field_name="received_at")

    def of_charge_point(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        # By its key, which the index begins with.
        found = ChargePoint.objects.filter(identity_key=value.casefold()).values_list("pk", flat=True).first()
        return rows.filter(charge_point_id=found) if found is not None else rows.none()

    def with_severity(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return security_alerts.with_severity(rows, value)

    def which_wait(self, rows: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        waits = Q(is_alert=True, acknowledged_at=None)
        return rows.filter(waits if value else ~waits)


class SecurityEventViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TenantViewSet):
    """What chargers report about their security, the newest first."""

    queryset = SecurityEvent.objects.select_related("charge_point")
    serializer_class = serializers.SecurityEventSerializer
    filterset_class = SecurityEventFilter
    pagination_class = ReceivedPages
    quick_filters = ("received_after", "received_before", "charge_point", "open")
    # The cursor decides the order.
    filter_backends = (DjangoFilterBackend,)
    permission_area = "messages"
    permission_overrides = {"acknowledge": "security_events.acknowledge"}

    @extend_schema(request=None, responses=serializers.SecurityEventSerializer)
    @action(detail=True, methods=["post"])
    def acknowledge(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Note that somebody has looked at the event; an alert ends with that."""
        done = security_alerts.acknowledge(actor=self.actor, event=self.get_object())
        return Response(self.get_serializer(done).data)
