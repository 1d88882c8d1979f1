"""Somebody at the admin."""

from __future__ import annotations

from typing import Any

from django.test import Client

from accounts.permissions import Actor


def sign_in(client: Client, actor: Actor) -> Client:
    """The client, signed in as the actor's user."""
    assert actor.user is not None
    client.force_login(actor.user)
    return client


def messages_of(answer: Any) -> list[str]:
    """What the page said at its top."""
    return [str(message) for message in answer.context["messages"]]
