"""Read what currencies were worth from a file of the European Central Bank."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from donations.reports import exchange


class Command(BaseCommand):
    help = (
        "Read the rates of days from a file of the European Central Bank (its CSV of all days, or its XML)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with transaction.atomic():
                count = exchange.store(exchange.read(options["file"].read_bytes()))
        except (OSError, exchange.UnreadableRates) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{count} rates.")
