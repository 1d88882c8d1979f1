"""The page on which a charge point is led to a higher security profile."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from unfold import widgets

from accounts.admin_base import TenantModelAdmin, actor_of, allowed, require
from chargepoints import network_upgrades
from chargepoints.admin.shared import ERRORS, UPGRADE_TONES
from chargepoints.choices import SecurityProfile, UpgradeStatus
from chargepoints.command_fields import SEND_DANGEROUS
from chargepoints.errors import Invalid
from chargepoints.models import ChargePoint, SecurityProfileUpgrade
from chargepoints.services import network_choices, profile_upgrades
from csms_project.common.admin import chip

DAY_S = 24 * 3600
_STEP_TONES = {profile_upgrades.OK: "ok", profile_upgrades.MISSING: "bad", profile_upgrades.UNKNOWN: "warn"}
_STEP_WORDS = {
    profile_upgrades.OK: "there",
    profile_upgrades.MISSING: "missing",
    profile_upgrades.UNKNOWN: "not known",
}


_INTERFACES = tuple(f"{kind}{number}" for kind in ("Wired", "Wireless") for number in range(4))
_NETWORK = ("network_slot", "network_url", "network_interface")


class UpgradeForm(forms.Form):
    """What to change, how, and that it is meant."""

    target_profile = forms.TypedChoiceField(
        label="New profile", coerce=int, widget=widgets.UnfoldAdminSelectWidget
    )
    how = forms.ChoiceField(
        label="Who changes it",
        choices=(
            ("ocpp", "We order it from the charger now"),
            ("wait", "We order it as soon as the charger is connected (for a day)"),
            ("hand", "Somebody changes it at the charger"),
        ),
        widget=widgets.UnfoldAdminSelectWidget,
    )
    network_slot = forms.IntegerField(
        label="Slot of the network profile",
        min_value=0,
        max_value=999,
        help_text="Where the charger keeps the new address; it must not be in use.",
        widget=widgets.UnfoldAdminIntegerFieldWidget,
    )
    network_url = forms.CharField(
        label="New address",
        max_length=512,
        help_text="Of this system, as the charger reaches it with the new profile; without its identity at the end.",
        widget=widgets.UnfoldAdminTextInputWidget,
    )
    network_interface = forms.ChoiceField(
        label="Interface",
        choices=[(name, name) for name in _INTERFACES],
        widget=widgets.UnfoldAdminSelectWidget,
    )
    confirm = forms.BooleanField(
        label="After its first success with the new profile the charger cannot come back to the old one",
        widget=widgets.UnfoldBooleanSwitchWidget,
    )

    def __init__(self, charge_point: ChargePoint, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["target_profile"]
        higher = profile_upgrades.higher_profiles(charge_point)
        field.choices = [(profile.value, profile.label) for profile in higher]
        if not network_choices.takes_network_profiles(charge_point):
            for name in _NETWORK:
                del self.fields[name]
            return
        found = network_choices.network_of(charge_point, target=self.initial.get("target_profile") or 2)
        self.initial = {
            **self.initial,
            "network_slot": found.slot,
            "network_url": found.url,
            "network_interface": found.interface,
        }


class ProfileUpgradePages(TenantModelAdmin):
    """Views of an upgrade, beside the other pages of a charge point."""

    def get_urls(self) -> list[Any]:
        wrap, name = self.admin_site.admin_view, "chargepoints_chargepoint_upgrade"
        return [
            path("<int:pk>/security-profile/", wrap(self.upgrade_view), name=name),
            path("<int:pk>/security-profile/retry/", wrap(self.upgrade_retry_view), name=f"{name}_retry"),
            path("<int:pk>/security-profile/cancel/", wrap(self.upgrade_cancel_view), name=f"{name}_cancel"),
            *super().get_urls(),
        ]

    def upgrade_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """How the charger stands, what the next profile needs, and the way there."""
        obj = self.find_or_404(request, str(pk))
        require(request, "charge_points.view", obj)
        given = request.POST if request.method == "POST" else None
        form = UpgradeForm(obj, given, initial={"target_profile": _target(request, obj)})
        if request.method == "POST":
            require(request, SEND_DANGEROUS, obj)
            if form.is_valid() and self._start(request, obj, form):
                return HttpResponseRedirect(request.path)
        return self.page(request, "admin/chargepoints/upgrade/page.html", _context(request, obj, form))

    def _start(self, request: HttpRequest, obj: ChargePoint, form: UpgradeForm) -> bool:
        how = form.cleaned_data["how"]
        try:
            profile_upgrades.start(
                actor=actor_of(request),
                charge_point=obj,
                target_profile=form.cleaned_data["target_profile"],
                over_ocpp=how != "hand",
                expires_in=DAY_S if how == "wait" else None,
                **{name: form.cleaned_data[name] for name in _NETWORK if name in form.cleaned_data},
            )
        except Invalid as error:
            for name, text in error.errors.items():
                form.add_error(name if name in form.fields else None, text)
            return False
        except ERRORS as error:
            form.add_error(None, str(error))
            return False
        messages.success(request, "The upgrade has begun; how it goes on is shown here.")
        return True

    def upgrade_retry_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Order the change again, as soon as the charger is there."""
        return self._act(
            request,
            pk,
            title="Try again",
            lead="The charger is asked for the new profile again; for a day, should it be offline. Both profiles "
            "go on to work until its first success with the new one.",
            act=lambda actor, obj: profile_upgrades.retry(actor=actor, charge_point=obj, expires_in=DAY_S),
            done="The charger is asked again.",
        )

    def upgrade_cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Call the upgrade off."""
        return self._act(
            request,
            pk,
            title="Call the upgrade off",
            lead="From now on only the old profile works. Should the charger have changed its profile already, it is "
            "refused from now on: then set its security profile in its settings by hand.",
            act=lambda actor, obj: profile_upgrades.cancel(actor=actor, charge_point=obj),
            done="The upgrade was called off.",
        )

    def _act(
        self, request: HttpRequest, pk: int, *, title: str, lead: str, act: Any, done: str
    ) -> HttpResponse:
        obj = self.find_or_404(request, str(pk))
        require(request, SEND_DANGEROUS, obj)
        url = reverse("admin:chargepoints_chargepoint_upgrade", args=[obj.pk])
        if request.method == "POST":
            self.attempt(request, lambda: act(actor_of(request), obj), done)
            return HttpResponseRedirect(url)
        context = {
            "title": f"{title}: {obj}",
            "lead": lead,
            "submit": title,
            "is_dangerous": True,
            "back_url": url,
        }
        return self.page(request, "admin/form_page.html", context)


def _target(request: HttpRequest, obj: ChargePoint) -> int | None:
    """The profile that the page is about: of the upgrade under way, as asked for, or the next one."""
    upgrade = profile_upgrades.find_latest(obj)
    if upgrade is not None and upgrade.is_open:
        return upgrade.target_profile
    higher = [profile.value for profile in profile_upgrades.higher_profiles(obj)]
    asked = request.POST.get("target_profile") or request.GET.get("target", "")
    if asked.isdecimal() and int(asked) in higher:
        return int(asked)
    return higher[0] if higher else None


def _context(request: HttpRequest, obj: ChargePoint, form: UpgradeForm) -> dict[str, Any]:
    rows = list(
        SecurityProfileUpgrade.objects.filter(charge_point=obj).select_related("command").order_by("-id")[:10]
    )
    current = rows[0] if rows and rows[0].is_open else None
    target = _target(request, obj)
    over_ocpp = current.over_ocpp if current is not None else True
    found = profile_upgrades.steps(obj, target, over_ocpp=over_ocpp) if target is not None else []
    may_act = allowed(request, SEND_DANGEROUS, obj) and obj.archived_at is None
    return {
        "title": f"Security profile: {obj}",
        "charge_point": obj,
        "form": form if may_act and current is None and target is not None else None,
        "target": SecurityProfile(target) if target is not None else None,
        "choices": profile_upgrades.higher_profiles(obj) if current is None else [],
        "steps": [_shown(obj, step, may_act=may_act) for step in found],
        "current": current,
        "state": upgrade_chip(current) if current is not None else "",
        "stages": _stages(current) if current is not None else [],
        "may_act": may_act,
        "may_retry": current is not None and current.status != UpgradeStatus.REQUESTED and current.over_ocpp,
        "earlier": [{"row": row, "chip": upgrade_chip(row)} for row in rows if not row.is_open],
        "back_url": reverse("admin:chargepoints_chargepoint_change", args=[obj.pk]) + "?tab=settings",
    }


def _shown(obj: ChargePoint, step: profile_upgrades.Step, *, may_act: bool) -> dict[str, Any]:
    url, words = "", "Send…"
    if step.place:
        url, words = (
            f"{reverse('admin:chargepoints_chargepoint_change', args=[obj.pk])}?tab={step.place}",
            "Open",
        )
    elif may_act and step.action:
        url = reverse("admin:chargepoints_chargepoint_command", args=[obj.pk, step.action])
        url += f"?{urlencode(step.arguments)}" if step.arguments else ""
    return {
        "step": step,
        "chip": chip(_STEP_WORDS[step.state], _STEP_TONES[step.state]),
        "url": url,
        "words": words,
    }


def _stages(row: SecurityProfileUpgrade) -> list[dict[str, Any]]:
    """The way of an upgrade, with what is behind it."""
    if row.network is not None:
        return _network_stages(row)
    asked = row.status != UpgradeStatus.REQUESTED
    first = "The charger has been asked" if row.over_ocpp else "The new profile is welcome"
    return [
        {"label": first, "is_done": True},
        {
            "label": "The charger has agreed" if row.over_ocpp else "Change it at the charger",
            "is_done": asked,
        },
        {"label": f"It connects with profile {row.target_profile}", "is_done": False},
    ]


def _network_stages(row: SecurityProfileUpgrade) -> list[dict[str, Any]]:
    """The orders of an upgrade by a network profile; the latest is done when the next one is due or it waits."""
    latest = row.command.action if row.command is not None else network_upgrades.PROFILE
    done = network_upgrades.STEPS.index(latest) if latest in network_upgrades.STEPS else 0
    is_over = bool(row.next_step) or (row.command is not None and row.command.status == "accepted")
    network = row.network or {}
    labels = (
        f"The charger keeps the new address in slot {network.get('slot')}",
        f"It uses the slots {network.get('priority')}, in this order",
        "It restarts",
    )
    stages = [{"label": label, "is_done": n < done + is_over} for n, label in enumerate(labels)]
    return [*stages, {"label": f"It connects with profile {row.target_profile}", "is_done": False}]


def upgrade_chip(row: SecurityProfileUpgrade) -> Any:
    """How an upgrade stands."""
    return chip(row.get_status_display(), UPGRADE_TONES[UpgradeStatus(row.status)], title=row.detail)
