"""Messages on displays."""

from __future__ import annotations

from typing import Any

EXAMPLES: dict[str, dict[str, Any]] = {
    "set_display_message": {
        "content": "Welcome",
        "format": "UTF8",
        "language": "en",
        "priority": "InFront",
        "state": "Idle",
        "starts_at": "2099-03-02T10:00:00Z",
        "ends_at": "2099-03-03T10:00:00Z",
        "transaction_id": "tx-1",
        "connector": 1,
        "extra": [{"content": "Willkommen", "format": "UTF8", "language": "de"}],
        "message_id": 7,
    },
    "get_display_messages": {
        "message_ids": ["7", "8"],
        "priority": "InFront",
        "state": "Idle",
        "request_id": 3,
    },
    "clear_display_message": {"message_id": 7},
}
