"""manage.py demo: make or remove the demo tenant."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from csms_project.demo.removal import remove_demo
from csms_project.demo.seeding import DemoError, ensure_demo


class Command(BaseCommand):
    help = "Make the demo tenant (`up --demo` does it too and runs its chargers), or remove it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--remove", action="store_true", help="delete the demo tenant and everything of it"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(self.remove() if options["remove"] else self.make())
        except DemoError as error:
            raise CommandError(str(error)) from error

    def make(self) -> str:
        demo = ensure_demo(now=timezone.now())
        return "The demo tenant is made." if demo.was_made else "The demo tenant exists."

    def remove(self) -> str:
        deleted = remove_demo()
        return "There is no demo tenant." if deleted is None else f"The demo is removed: {deleted} rows."
