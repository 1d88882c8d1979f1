"""What model profiles want of the configuration: a source beside the templates, which overrule it."""

from __future__ import annotations

from collections.abc import Sequence

from chargepoints.configuration_keys import refusal_in_template
from chargepoints.model_profiles import ModelProfile, built_in_profiles
from chargepoints.models import ChargePointModelProfile
from chargepoints.wanted import PROFILE, Source, Value


def load(tenant_ids: Sequence[int]) -> dict[int, list[Source]]:
    """Profiles with a boot configuration, by tenant; each is for the chargers that follow it."""
    built_in = [_source(row, built_in_key(row.key)) for row in built_in_profiles() if row.boot_configuration]
    found = {pk: list(built_in) for pk in tenant_ids}
    own = ChargePointModelProfile.objects.filter(tenant__in=tenant_ids, is_active=True)
    for row in own.exclude(boot_configuration={}):
        found[row.tenant_id].append(_source(row.as_profile(), own_key(row.pk)))
    return {pk: sources for pk, sources in found.items() if sources}


def key_of(model_profile_id: int | None, built_in: str) -> str:
    """Names the profile that a charge point follows; "" where it follows none."""
    if model_profile_id is not None:
        return own_key(model_profile_id)
    return built_in_key(built_in) if built_in else ""


def own_key(pk: int) -> str:
    """Names a profile of a tenant."""
    return f"own {pk}"


def built_in_key(key: str) -> str:
    """Names a profile that comes with the product."""
    return f"built-in {key}"


def _source(profile: ModelProfile, key: str) -> Source:
    values = [
        Value(key=name, text=text)
        for name, text in profile.boot_configuration.items()
        if not refusal_in_template(name)
    ]
    return Source(
        label=f"{profile.name} (model profile)",
        values=tuple(values),
        profile=key,
        layer=PROFILE,
        apply_at_boot=True,
        only_if_auto=True,
    )
