"""Tags that the charger knows by itself (profile Local Auth List Management)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chargepoints.command_fields import MAX_TOKEN, SEND_DANGEROUS, TOKEN_TYPE, CommandSpec, FieldSpec


def _check_list(given: dict[str, Any]) -> dict[str, str]:
    """No tag twice; a full list says of each tag what it is (OCPP 1.6 §6.41, §7.1; 2.0.1 D01.FR.18, .19)."""
    seen: set[tuple[str, str]] = set()
    for number, entry in enumerate(given.get("entries", ()), start=1):
        tag = (entry["id_token"].casefold(), entry.get("id_token_type", ""))
        if tag in seen:
            return {"entries": f"Entry {number}: this tag is in the list twice."}
        seen.add(tag)
        if "status" in entry:
            continue
        if given["update_type"] == "Full":
            return {"entries": f"Entry {number}: in a full list each tag needs a status."}
        if entry.keys() - {"id_token", "id_token_type"}:
            return {"entries": f"Entry {number}: a tag without a status is removed and takes nothing else."}
    return {}


LOCAL_LIST = (
    CommandSpec(
        action="get_local_list_version",
        label="Ask for the local list's version",
        description="Which version of the list of tags the charger holds.",
    ),
    CommandSpec(
        action="send_local_list",
        label="Send a local list",
        description="Give the charger tags that it accepts, or refuses, while it is offline.",
        fields=(
            FieldSpec(
                name="update_type",
                type="enum",
                label="Kind",
                required=True,
                choices=("Full", "Differential"),
                choice_labels=("Full: replaces the whole list", "Differential: changes the tags named"),
            ),
            FieldSpec(
                name="version",
                type="integer",
                label="Version",
                minimum=1,
                help="What the list is called afterwards. Empty: the next one after the version that is known.",
            ),
            FieldSpec(
                name="entries",
                type="rows",
                label="Tags",
                max_length=10_000,
                help="A full list without tags empties the charger's list. In a differential one a tag without "
                "a status is removed.",
                fields=(
                    FieldSpec(
                        name="id_token", type="string", label="tag", required=True, max_length=MAX_TOKEN
                    ),
                    FieldSpec(
                        name="status",
                        type="enum",
                        label="status",
                        choices=("Accepted", "Blocked", "Expired", "Invalid"),
                    ),
                    FieldSpec(name="expires_at", type="datetime", label="valid until"),
                    FieldSpec(name="parent_id_token", type="string", label="group", max_length=MAX_TOKEN),
                    replace(TOKEN_TYPE, label="type"),
                ),
            ),
        ),
        dangerous=True,
        permission=SEND_DANGEROUS,
        confirm="Change the tags that the charger knows?",
        check=_check_list,
    ),
)
