"""
Which pages `benchmarks.staff` asks for, and asking for them: a process of its own for each newsroom.

`python -m benchmarks.staff_pages lay_out MEMBERS` fills the database; `… serve` says which pages there are, one JSON
line, and answers each page's name on its input with a line of what it took.
"""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

HOST = "give.gazette.example"  # as `place` has it
_WRITERS = ("INSERT", "UPDATE", "DELETE", "SELECT", "WITH")

# What somebody types into the search of a list; of rows in the middle, so that no scan finds them early.
_SEARCHED = {
    "auth.user": ["username"],
    "donations.balanceentry": ["stripe_id"],
    "donations.cardwatch": ["subscription.stripe_id"],
    "donations.contribution": ["stripe_session_id", "subscription.stripe_id", "stripe_customer_id"],
    "donations.dispute": ["stripe_id"],
    "donations.dunning": ["payment.stripe_invoice_id", "payment.contribution.subscription.stripe_id"],
    "donations.notice": ["subscription.stripe_id"],
    "donations.offlinegift": ["payment.receipt_number", "public_id"],
    "donations.payment": [
        "receipt_number",
        "stripe_payment_intent_id",
        "stripe_charge_id",
        "stripe_invoice_id",
    ],
    "donations.payout": ["stripe_id"],
    "donations.reconcilefinding": ["stripe_id"],
    "donations.stripeevent": ["stripe_id"],
    "donations.stripeimportproblem": ["stripe_id"],
    "members.auditentry": ["actor", "subject"],
    "members.bounce": [],
    "members.member": ["email", "public_id"],
    "members.membership": ["source_reference"],
    "members.merge": ["kept.public_id"],
    "members.message": ["recipient", "public_id"],
    "reminders.reminder": ["email", "public_id"],
}
_FOUND = ("email", "public_id", "stripe_customers.stripe_id", "contributions.subscription.stripe_id",
          "contributions.payments.receipt_number", "contributions.payments.stripe_charge_id")  # fmt: skip


def main(part: str, members: str = "0") -> None:
    import django

    django.setup()
    if part == "lay_out":
        from benchmarks import staff_rows

        staff_rows.lay_out(int(members))
        return
    desk = Desk()
    print(json.dumps(sorted(desk.pages)), flush=True)
    for line in sys.stdin:
        print(json.dumps(desk.ask(json.loads(line))), flush=True)


class Desk:
    """Somebody with every role, signed in with both factors, and the pages that they may open."""

    def __init__(self) -> None:
        from django.contrib.auth.models import Group, User
        from django.test import Client

        from staff import roles
        from staff.models import AuthenticatorApp

        somebody, _ = User.objects.get_or_create(username="everybody", defaults={"is_staff": True})
        somebody.groups.set(Group.objects.filter(name__in=list(roles.ROLES)))
        device, _ = AuthenticatorApp.objects.get_or_create(user=somebody, confirmed=True)
        self.user = somebody
        self.client = Client(headers={"Host": HOST, "X-Forwarded-Proto": "https"})
        self.client.force_login(somebody)
        session, now = self.client.session, time.time()
        session.update({"second_factor": device.persistent_id, "signed_in_at": now, "seen_at": now})
        session.save()
        self.pages = dict(self._pages())

    def ask(self, page: str) -> dict[str, Any]:
        """Open a page: statements that it took, milliseconds, rows of tables on it, and the status of the answer."""
        from django.db import connection

        address, sent = self.pages[page]
        statements: list[str] = []

        def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            if sql.startswith(_WRITERS):
                statements.append(sql)
            return execute(sql, params, many, context)

        began = time.perf_counter()
        with connection.execute_wrapper(count):
            # A term that is typed into a list leads on to the list.
            post = functools.partial(self.client.post, address, sent, follow=" list, " in page)
            response = post() if sent else self.client.get(address)
        elapsed = (time.perf_counter() - began) * 1000
        rows = response.content.count(b"<tr")
        return {"statements": len(statements), "ms": elapsed, "rows": rows, "status": response.status_code}

    # --- Which pages there are

    def _pages(self) -> Iterator[tuple[str, tuple[str, dict[str, str]]]]:
        from django.contrib import admin
        from django.urls import reverse

        from members.models import Member

        yield "Today", (reverse("admin:index"), {})
        yield "duplicates", (reverse("admin:members_merge_add"), {})
        reader = Member.objects.filter(
            merged_into=None, contributions__payments__receipt_number__isnull=False
        )
        reader = reader.filter(contributions__subscription__isnull=False).order_by("pk")
        middle = reader[reader.count() // 2]
        yield "person", (reverse("admin:person", args=[middle.pk]), {})
        for path in _FOUND:
            yield (
                f"find by {path.replace('.', ' ')}",
                (reverse("admin:find"), {"q": str(_value(middle, path))}),
            )
        for model, model_admin in admin.site._registry.items():
            for name, address, *sent in self._of(model, model_admin):
                yield f"{model._meta.label_lower} {name}", (address, {"q": sent[0]} if sent else {})

    def _of(self, model: Any, model_admin: Any) -> Iterator[tuple[str, ...]]:
        """The name of each page of a list and its address; of a search what is typed as well."""
        from django.urls import reverse

        base = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        request = self._request()
        if not model_admin.has_view_permission(request):
            return
        there = reverse(f"{base}_changelist")
        yield "list", there
        yield "list, second page", f"{there}?p=2"
        for name, query in _filters(model_admin, request):
            yield f"list, {name}", there + query
        rows = model._default_manager.order_by("pk")
        row = rows[rows.count() // 2] if rows.exists() else None
        if row is None:
            return
        for path in _SEARCHED.get(model._meta.label_lower, ()):
            if term := _value(row, path):
                yield f"list, search by {path.replace('.', ' ')}", there, str(term)
        yield "list, search for nothing there", there, "nothing_there"
        yield "page", reverse(f"{base}_change", args=[row.pk])
        yield "history", reverse(f"{base}_history", args=[row.pk])
        if model_admin.has_delete_permission(request, row):
            yield "delete?", reverse(f"{base}_delete", args=[row.pk])

    def _request(self) -> Any:
        from django.test import RequestFactory

        request = RequestFactory().get("/")
        request.user = self.user
        return request


def _filters(model_admin: Any, request: Any) -> Iterator[tuple[str, str]]:
    """Each choice of each filter, also of what is rare; years, months and a day; each column to sort by."""
    from benchmarks import staff_rare

    changes = model_admin.get_changelist_instance(request)
    for spec in changes.filter_specs:
        for choice in list(spec.choices(changes))[1:]:
            yield f"{spec.title}: {choice['display']}", choice["query_string"]
    offered = {getattr(spec, "field_path", "") for spec in changes.filter_specs}
    for column, value in staff_rare.rare_of(model_admin.model._meta.label_lower):
        if column in offered:
            yield f"{column}: of a few old rows", "?" + urlencode({column: value})
    if changes.date_hierarchy:
        yield from _dates(model_admin.model, changes.date_hierarchy)
    for number, column in enumerate(changes.list_display[1:], start=1):
        if column in getattr(model_admin, "sorted_by", ()) and changes.get_ordering_field(column):
            yield f"by {column}", f"?o={number}"
            yield f"by {column}, falling", f"?o=-{number}"


def _dates(model: Any, name: str) -> Iterator[tuple[str, str]]:
    """The way through the dates: each year that is offered, a month and a day, and days before and after all rows."""
    from members import clock

    now = clock.now()
    steps: list[tuple[str, dict[str, int]]] = [
        (f"{back} years ago" if back else "this year", {"year": now.year - back}) for back in range(7)
    ]
    month = {"year": now.year - 1, "month": 3}
    steps += [("a month", month), ("a day", {**month, "day": 3}), ("next year", {"year": now.year + 1})]
    first = model._default_manager.order_by(name).values_list(name, flat=True).first()
    if first is not None:
        steps.append(("the first month", {"year": first.year, "month": first.month}))
    for title, moment in steps:
        yield title, "?" + urlencode({f"{name}__{part}": value for part, value in moment.items()})


def _value(row: Any, path: str) -> Any:
    """What stands at the end of a path of attributes; of many rows the first; "" where it is interrupted."""
    for name in path.split("."):
        row = getattr(row, name, None)
        if hasattr(row, "order_by"):
            row = row.order_by("pk").first()
    return row or ""


if __name__ == "__main__":
    main(*sys.argv[1:])
