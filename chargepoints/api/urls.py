"""Addresses of charge points below /api/v1/."""

from django.urls import re_path
from rest_framework.routers import SimpleRouter

from chargepoints.api import (
    certificates,
    charging,
    charging_reports,
    commands,
    configuration,
    displays,
    firmware,
    fleet,
    grid,
    local_lists,
    model_profiles,
    monitoring,
    parts,
    profile_upgrades,
    templates,
    views,
)
from chargepoints.api.base import IDENTITY_REGEX

_PART = rf"charge-points/(?P<identity>{IDENTITY_REGEX})"

router = SimpleRouter()
router.register("locations", views.LocationViewSet, basename="location")
router.register("charge-points", views.ChargePointViewSet, basename="charge-point")
router.register("model-profiles", model_profiles.ModelProfileViewSet, basename="model-profile")
router.register("refused-connections", views.RefusedConnectionViewSet, basename="refused-connection")
router.register("reservations", views.ReservationViewSet, basename="reservation")
router.register(
    "configuration-templates", templates.ConfigurationTemplateViewSet, basename="configuration-template"
)
router.register("configuration-drift", templates.DriftViewSet, basename="configuration-drift")
router.register("local-lists", local_lists.LocalListsViewSet, basename="local-lists")
router.register("fleet-tasks", fleet.FleetTaskViewSet, basename="fleet-task")
router.register("certificates", certificates.CertificateViewSet, basename="certificate")
router.register(
    "certificate-requests", certificates.CertificateRequestViewSet, basename="certificate-request"
)
router.register("certificate-authorities", certificates.AuthorityViewSet, basename="certificate-authority")
router.register("security-events", certificates.SecurityEventViewSet, basename="security-event")
router.register(
    rf"{_PART}/installed-certificates",
    certificates.InstalledCertificateViewSet,
    basename="installed-certificate",
)
router.register("charging-profiles", charging.ChargingProfileViewSet, basename="charging-profile")
router.register(rf"{_PART}/charging-profiles", charging.AssignmentViewSet, basename="charging-assignment")
router.register(
    rf"{_PART}/reported-charging-profiles",
    charging_reports.ReportedProfileViewSet,
    basename="reported-charging-profile",
)
router.register(rf"{_PART}/charging-limits", charging_reports.ExternalLimitViewSet, basename="charging-limit")
router.register(rf"{_PART}/vehicle-needs", charging_reports.VehicleNeedsViewSet, basename="vehicle-needs")
router.register(rf"{_PART}/priority-charging", charging_reports.PriorityViewSet, basename="priority-charging")
router.register(
    rf"{_PART}/composite-schedule", charging.CompositeScheduleViewSet, basename="composite-schedule"
)
router.register("der-events", grid.DerEventViewSet, basename="der-event")
router.register(rf"{_PART}/der-controls", grid.DerControlViewSet, basename="der-control")
router.register("battery-swaps", grid.BatterySwapViewSet, basename="battery-swap")
router.register("display-messages", displays.DisplayMessageViewSet, basename="display-message")
router.register(rf"{_PART}/display-messages", displays.ShownMessageViewSet, basename="shown-message")
router.register("firmware-files", firmware.FirmwareFileViewSet, basename="firmware-file")
router.register("firmware-campaigns", firmware.FirmwareCampaignViewSet, basename="firmware-campaign")
router.register(rf"{_PART}/firmware-updates", firmware.FirmwareUpdateViewSet, basename="firmware-update")
router.register(
    rf"{_PART}/published-firmware", firmware.PublishedFirmwareViewSet, basename="published-firmware"
)
router.register(rf"{_PART}/log-requests", firmware.LogRequestViewSet, basename="log-request")
router.register("charger-events", monitoring.ChargerEventViewSet, basename="charger-event")
router.register(rf"{_PART}/monitors", monitoring.MonitorViewSet, basename="monitor")
router.register(rf"{_PART}/monitor-results", monitoring.MonitorResultViewSet, basename="monitor-result")
router.register(rf"{_PART}/event-streams", monitoring.EventStreamViewSet, basename="event-stream")
router.register(
    rf"{_PART}/customer-information",
    monitoring.CustomerInformationViewSet,
    basename="customer-information",
)
router.register(rf"{_PART}/commands", commands.CommandViewSet, basename="command")
router.register(rf"{_PART}/messages", parts.MessageViewSet, basename="message")
router.register(rf"{_PART}/device-reports", configuration.DeviceReportViewSet, basename="device-report")
router.register(rf"{_PART}/variables", configuration.VariableViewSet, basename="variable")
router.register(rf"{_PART}/variable-changes", configuration.VariableChangeViewSet, basename="variable-change")
router.register(rf"{_PART}/status-events", parts.StatusEventViewSet, basename="status-event")
router.register(rf"{_PART}/connectors", parts.ConnectorViewSet, basename="connector")

_LOCAL_LIST = rf"^{_PART}/local-list/"
_list_view = local_lists.LocalListViewSet.as_view

_UPGRADE = rf"^{_PART}/security-profile-upgrade/"
_upgrade_view = profile_upgrades.ProfileUpgradeViewSet.as_view

urlpatterns = [
    re_path(
        rf"{_UPGRADE}$",
        _upgrade_view({"get": "state", "post": "start", "delete": "cancel"}),
        name="security-profile-upgrade",
    ),
    re_path(rf"{_UPGRADE}retry/$", _upgrade_view({"post": "retry"}), name="security-profile-upgrade-retry"),
    re_path(
        rf"{_LOCAL_LIST}$", _list_view({"get": "retrieve", "patch": "partial_update"}), name="local-list"
    ),
    re_path(rf"{_LOCAL_LIST}sync/$", _list_view({"post": "sync"}), name="local-list-sync"),
    re_path(rf"{_LOCAL_LIST}check/$", _list_view({"post": "check"}), name="local-list-check"),
    # Named without a slash in the contract; both forms work.
    re_path(r"^connections/?$", views.ConnectionViewSet.as_view({"get": "list"}), name="connection-list"),
    *router.urls,
]
