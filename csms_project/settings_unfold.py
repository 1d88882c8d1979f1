"""The admin's looks and its navigation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _may(action: str) -> Callable[[HttpRequest], bool]:
    def check(request: HttpRequest) -> bool:
        from accounts.permissions import may

        return may(request.actor, action)  # type: ignore[attr-defined]

    return check


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.actor.is_superuser)  # type: ignore[attr-defined]


def _item(title: str, icon: str, name: str, action: str | None = None) -> dict[str, Any]:
    permission = _may(action) if action else _is_superuser
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{name}"), "permission": permission}


def _is_at(part: str, *, but: str) -> Callable[[HttpRequest], bool]:
    """Whether a page is this item's, where another item's address begins with its own."""
    return lambda request: part in request.path and but not in request.path


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Charging",
    "SITE_HEADER": "Charging",
    "SITE_SUBHEADER": "csms_project.dashboard.site.subheader",
    "SITE_SYMBOL": "ev_station",
    "SITE_URL": None,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "8px",
    "STYLES": [lambda request: static("dashboard/admin.css")],
    "SCRIPTS": [lambda request: static("dashboard/admin.js")],
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("dashboard/favicon.svg"),
        }
    ],
    "LOGIN": {"form": "csms_project.dashboard.forms.LoginForm"},
    "DASHBOARD_CALLBACK": "csms_project.dashboard.home.context",
    "COLORS": {
        "primary": {
            "50": "oklch(97.5% .02 166)",
            "100": "oklch(94.5% .05 165)",
            "200": "oklch(89.5% .09 164)",
            "300": "oklch(82.5% .13 163)",
            "400": "oklch(74.5% .15 162)",
            "500": "oklch(65.5% .14 161)",
            "600": "oklch(52.5% .12 161)",
            "700": "oklch(45.5% .1 162)",
            "800": "oklch(39% .085 163)",
            "900": "oklch(33.5% .07 164)",
            "950": "oklch(23.5% .05 165)",
        }
    },
    "SIDEBAR": {
        "show_search": False,
        "navigation": [
            {
                "items": [
                    {"title": "Home", "icon": "space_dashboard", "link": reverse_lazy("admin:index")},
                    _item(
                        "Charge points",
                        "ev_station",
                        "chargepoints_chargepoint_changelist",
                        "charge_points.view",
                    ),
                    _item("Sessions", "bolt", "transactions_transaction_changelist", "transactions.view"),
                    _item("RFID tags", "contactless", "accounts_idtoken_changelist", "id_tokens.view"),
                    _item("Locations", "location_on", "chargepoints_location_changelist", "locations.view"),
                    _item("Tariffs", "sell", "transactions_tariff_changelist", "tariffs.view"),
                    _item(
                        "Settlements",
                        "receipt_long",
                        "transactions_settlement_changelist",
                        "settlements.view",
                    ),
                    _item(
                        "Web payments", "qr_code", "transactions_webpayment_changelist", "settlements.view"
                    ),
                    _item(
                        "Charging profiles",
                        "battery_charging_full",
                        "chargepoints_chargingprofile_changelist",
                        "charging_profiles.view",
                    ),
                ]
            },
            {
                "title": "Customers",
                "separator": True,
                "collapsible": True,
                "items": [
                    _item("Drivers", "group", "accounts_driver_changelist", "drivers.view"),
                    _item("Tag groups", "folder_shared", "accounts_tokengroup_changelist", "id_tokens.view"),
                    _item(
                        "Local lists",
                        "playlist_add_check",
                        "chargepoints_locallist_changelist",
                        "local_lists.view",
                    ),
                    _item(
                        "Reservations",
                        "event_seat",
                        "chargepoints_reservation_changelist",
                        "reservations.view",
                    ),
                ],
            },
            {
                "title": "Operation",
                "separator": True,
                "collapsible": True,
                "items": [
                    _item(
                        "Refused connections",
                        "block",
                        "chargepoints_refusedconnection_changelist",
                        "refusals.view",
                    ),
                    _item(
                        "Model profiles",
                        "fact_check",
                        "chargepoints_chargepointmodelprofile_changelist",
                        "model_profiles.view",
                    ),
                    _item("Connections", "lan", "chargepoints_connection_changelist", "connections.view"),
                    _item("Commands", "send", "chargepoints_command_changelist", "commands.view"),
                    _item("Tasks", "checklist", "chargepoints_fleettask_changelist", "commands.view"),
                    _item(
                        "Configuration templates",
                        "tune",
                        "chargepoints_configurationtemplate_changelist",
                        "configuration_templates.view",
                    ),
                    _item(
                        "Battery swaps",
                        "swap_horiz",
                        "chargepoints_batteryswap_changelist",
                        "battery_swaps.view",
                    ),
                    _item("Grid alarms", "electric_meter", "chargepoints_derevent_changelist", "der.view"),
                    _item(
                        "Display messages",
                        "cast",
                        "chargepoints_displaymessage_changelist",
                        "display_messages.view",
                    )
                    | {"active": _is_at("/configurationtemplate/", but="/drift/")},
                    _item(
                        "Configuration drift",
                        "rule",
                        "chargepoints_configurationtemplate_drift",
                        "configuration_templates.view",
                    ),
                    _item(
                        "Firmware campaigns",
                        "system_update",
                        "chargepoints_firmwarecampaign_changelist",
                        "firmware.view",
                    ),
                    _item(
                        "Firmware files", "memory", "chargepoints_firmwarefile_changelist", "firmware.view"
                    ),
                    _item(
                        "Diagnostics and logs",
                        "lab_profile",
                        "chargepoints_logrequest_changelist",
                        "logs.view",
                    ),
                    _item("Messages", "forum", "chargepoints_ocppmessage_changelist", "messages.view"),
                    _item("Anomalies", "warning", "chargepoints_frameanomaly_changelist", "messages.view"),
                    _item(
                        "Status history",
                        "history",
                        "chargepoints_statusevent_changelist",
                        "charge_points.view",
                    ),
                    _item(
                        "Events of chargers",
                        "notifications",
                        "chargepoints_chargerevent_changelist",
                        "charger_events.view",
                    ),
                    _item(
                        "Customers' data",
                        "privacy_tip",
                        "chargepoints_customerinformation_changelist",
                        "customer_information.view",
                    ),
                    _item(
                        "Security events", "shield", "chargepoints_securityevent_changelist", "messages.view"
                    ),
                    _item(
                        "Certificates", "verified", "chargepoints_certificate_changelist", "certificates.view"
                    ),
                    _item(
                        "Certificate requests",
                        "approval",
                        "chargepoints_certificaterequest_changelist",
                        "certificates.view",
                    ),
                    _item(
                        "Certificate authorities",
                        "account_balance",
                        "chargepoints_certificateauthority_changelist",
                        "authorities.view",
                    ),
                    _item("Meter values", "speed", "transactions_metervalue_changelist", "transactions.view"),
                    _item("Events", "notifications", "common_event_changelist", "events.view"),
                ],
            },
            {
                "title": "Administration",
                "separator": True,
                "collapsible": True,
                "items": [
                    _item("Organisation", "apartment", "accounts_tenant_changelist", "tenant.view"),
                    _item("Users", "manage_accounts", "accounts_user_changelist", "users.view"),
                    _item("API keys", "key", "accounts_apikey_changelist", "api_keys.view"),
                    _item("Audit trail", "policy", "common_auditentry_changelist", "audit.view"),
                    _item("Gateway nodes", "dns", "chargepoints_gatewaynode_changelist"),
                ],
            },
        ],
    },
}
