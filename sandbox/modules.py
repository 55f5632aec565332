"""
The modules that bring routes and plans with them, imported in one place so that all of them are there.
"""

from __future__ import annotations

from importlib import import_module

NAMES = (
    "balance", "billing", "catalogue", "checkout", "collection", "customers", "disputes", "events",
    "invoice_calls", "methods", "payments", "payouts", "portal", "refunds", "subscriptions", "webhooks",
)  # fmt: skip


def load() -> None:
    """Import them all. Safe to repeat."""
    for name in NAMES:
        import_module(f"sandbox.{name}")
