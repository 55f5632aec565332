"""What readers see of their own money, on the pages and by the API: all of it, and to the cent."""

from __future__ import annotations

import re
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from donations import gateway
from donations.models import Contribution, Payment, Subscription
from members import clock, complimentary, merging
from members import queries as members
from members.models import Tier
from tests.account.conftest import ADA, GRACE
from tests.house import House

NBSP = "\N{NO-BREAK SPACE}"


def text(response: Any) -> str:
    """What a page says, without its marks."""
    assert response.status_code == 200, response
    plain = re.sub(r"<[^>]+>", " ", response.content.decode())
    return " ".join(plain.replace("&#x27;", "'").split())


def add_payments(contribution: Contribution, count: int) -> None:
    """Renewals of the past, as they lie in the books."""
    first = contribution.payments.get()
    assert first.paid_at is not None
    Payment.objects.bulk_create(
        Payment(
            contribution=contribution,
            state="SUCCEEDED",
            amount_minor=500,
            currency="USD",
            created_at=first.paid_at - timedelta(days=30 * number),
            paid_at=first.paid_at - timedelta(days=30 * number),
            is_renewal=True,
            receipt_number=f"2020-{number:06d}",
            stripe_invoice_id=f"in_old_{number}",
        )
        for number in range(1, count + 1)
    )


# --- Overview


def test_the_overview_says_what_one_is_and_gives(givers: House, browser_of) -> None:
    page = text(browser_of(GRACE).get("/account/"))

    assert "Hello, Grace Sample" in page
    assert "Friend" in page
    assert "$5.00 each month Active" in page
    assert "Paid through" in page
    assert "next payment on" in page


def test_who_gave_once_is_no_member_and_is_told_how_to_become_one(givers: House, browser_of) -> None:
    page = text(browser_of(ADA).get("/account/"))

    assert "You are not a member." in page
    assert "You give nothing regularly at the moment." in page


def test_a_membership_that_staff_gave_is_shown_as_one(givers: House, browser_of) -> None:
    ada, now = members.get_member(ADA), clock.now()
    assert ada is not None
    complimentary.give_complimentary(
        member=ada, tier=Tier.objects.get(slug="patron"), until=(now + timedelta(days=90)).date(),
        actor="staff:1", why="A quiz.", now=now,
    )  # fmt: skip
    page = text(browser_of(ADA).get("/account/"))

    assert "Patron" in page
    assert "A gift of the newsroom" in page


def test_a_payment_that_failed_is_said_where_one_looks_first(givers: House, browser_of) -> None:
    Subscription.objects.update(state="PAST_DUE")
    page = text(browser_of(GRACE).get("/account/"))

    assert "The last payment failed" in page


def test_an_ended_contribution_is_not_on_the_overview_but_among_the_others(givers: House, browser_of) -> None:
    gateway.end_now(Subscription.objects.get().stripe_id)
    givers.catch_up()
    client = browser_of(GRACE)

    assert "You give nothing regularly" in text(client.get("/account/"))
    listed = text(client.get("/account/contributions/"))
    assert "Ended" in listed
    assert "next payment" not in listed


# --- The contribution


def test_a_contribution_names_its_next_payment_and_the_card_of_which_nothing_is_kept(
    givers: House, browser_of, program_of
) -> None:
    contribution = Contribution.objects.get(interval="month")
    page = text(browser_of(GRACE).get(f"/account/contributions/{contribution.public_id}/"))
    told = program_of(GRACE).get(f"/api/v1/me/contributions/{contribution.public_id}/").json()

    assert "Visa ending in 4242 good through" in page
    assert "Next payment $5.00 on" in page
    assert told["card"]["last4"] == "4242"
    assert told["card"]["brand"] == "visa"
    assert (told["amount"], told["currency"], told["status"]) == (500, "USD", "active")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM donations_subscription")
        assert "4242" not in str([row[5:] for row in cursor.fetchall()])


def test_the_page_is_there_while_stripe_is_not(givers: House, browser_of, program_of, settings) -> None:
    contribution = Contribution.objects.get(interval="month")
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"  # where nobody listens
    page = text(browser_of(GRACE).get(f"/account/contributions/{contribution.public_id}/"))

    assert "Our payment partner does not answer at the moment." in page
    assert "Next payment $5.00 on" in page
    told = program_of(GRACE).get(f"/api/v1/me/contributions/{contribution.public_id}/").json()
    assert told["card"] is None


def test_the_part_for_the_fee_is_said(house: House, browser_of, program_of) -> None:
    house.give_and_pay(interval="month", amount=500, email=GRACE, cover_fees=True)
    contribution = Contribution.objects.get()
    cover = contribution.fee_cover.format("en")
    page = text(browser_of(GRACE).get(f"/account/contributions/{contribution.public_id}/"))
    payment = Payment.objects.get()

    assert f"Of it for the payment fee {cover}" in page
    assert f"Of it for the payment fee {cover}" in text(
        browser_of(GRACE).get(f"/account/payments/{payment.public_id}/")
    )
    told = program_of(GRACE).get(f"/api/v1/me/contributions/{contribution.public_id}/").json()
    assert told["fee_cover"] == contribution.fee_cover_minor > 0


# --- Payments and receipts


def test_a_receipt_is_there_on_the_page_and_on_paper(givers: House, browser_of, program_of) -> None:
    payment = Payment.objects.get(amount_minor=2500)
    client = browser_of(ADA)
    listed = client.get("/account/payments/")
    assert f"/account/payments/{payment.public_id}/" in listed.content.decode()
    page = text(client.get(f"/account/payments/{payment.public_id}/"))
    for part in (payment.receipt_number, "Ada Sample", "$25.00", "Support The Sample Gazette", "A gift"):
        assert part in page

    for file in (
        client.get(f"/account/payments/{payment.public_id}/receipt.pdf"),
        program_of(ADA).get(f"/api/v1/me/payments/{payment.public_id}/receipt.pdf"),
    ):
        assert file["Content-Type"] == "application/pdf"
        assert file["Content-Disposition"] == f'inline; filename="receipt-{payment.receipt_number}.pdf"'
        assert file["Cache-Control"] == "no-store"
        assert file.content.startswith(b"%PDF-")
        assert file.content.rstrip().endswith(b"%%EOF")


def test_a_payment_that_did_not_arrive_has_no_receipt(givers: House, browser_of) -> None:
    Payment.objects.filter(amount_minor=2500).update(state="FAILED", paid_at=None)
    payment = Payment.objects.get(amount_minor=2500)
    client = browser_of(ADA)

    assert f"/account/payments/{payment.public_id}/" not in client.get("/account/payments/").content.decode()
    assert client.get(f"/account/payments/{payment.public_id}/").status_code == 404
    assert client.get(f"/account/payments/{payment.public_id}/receipt.pdf").status_code == 404


def test_what_was_given_back_is_on_the_receipt_and_off_the_year(
    givers: House, browser_of, program_of
) -> None:
    payment = Payment.objects.get(amount_minor=2500)
    givers.stripe.controls.refund(payment.stripe_charge_id, 1000)
    givers.catch_up()
    page = text(browser_of(ADA).get(f"/account/payments/{payment.public_id}/"))
    assert "Given back $10.00 Received $15.00" in page

    assert payment.paid_at is not None
    told = program_of(ADA).get(f"/api/v1/me/statements/{payment.paid_at.year}/").json()
    assert told["sums"] == [{"currency": "USD", "given": 2500, "returned": 1000, "kept": 1500}]


def test_what_the_bank_took_back_is_no_gift(givers: House, browser_of) -> None:
    payment = Payment.objects.get(amount_minor=2500)
    payment.disputes.create(
        stripe_id="dp_1", state="LOST", stripe_status="lost", amount_minor=2500, currency="USD",
        opened_at=clock.now(),
    )  # fmt: skip

    assert "Received $0.00" in text(browser_of(ADA).get(f"/account/payments/{payment.public_id}/"))


# --- Years


def test_a_year_begins_and_ends_by_the_newsrooms_clocks(
    givers: House, browser_of, program_of, settings
) -> None:
    """New Year in Riga is two hours before New Year in UTC."""
    settings.NEWSROOM_TIME_ZONE = "Europe/Riga"
    before = datetime(2025, 12, 31, 21, 59, 59, tzinfo=UTC)
    Payment.objects.filter(amount_minor=2500).update(paid_at=before)
    ada = program_of(ADA)
    assert ada.get("/api/v1/me/statements/").json() == [2025]
    Payment.objects.filter(amount_minor=2500).update(paid_at=before + timedelta(seconds=1))

    assert ada.get("/api/v1/me/statements/").json() == [2026]
    assert ada.get("/api/v1/me/statements/2025/").status_code == 404
    page = text(browser_of(ADA).get("/account/statements/2026/"))
    assert "January 1, 2026" in page
    assert "$25.00" in page


def test_a_year_keeps_currencies_apart(givers: House, program_of) -> None:
    givers.give_and_pay("5555555555554444", email=ADA, currency="JPY", amount=3000)
    year = clock.now().year
    sums = program_of(ADA).get(f"/api/v1/me/statements/{year}/").json()["sums"]

    assert [(each["currency"], each["kept"]) for each in sums] == [("JPY", 3000), ("USD", 2500)]


@pytest.mark.parametrize("year", [0, 1, 1989, 3000, 99999, 2**40])
def test_a_year_without_gifts_is_no_page(givers: House, browser_of, program_of, year: int) -> None:
    assert browser_of(ADA).get(f"/account/statements/{year}/").status_code == 404
    assert browser_of(ADA).get(f"/account/statements/{year}/statement.pdf").status_code == 404
    assert program_of(ADA).get(f"/api/v1/me/statements/{year}/").status_code == 404


def test_a_statement_of_many_payments_goes_on_on_a_second_sheet(givers: House, browser_of) -> None:
    contribution = Contribution.objects.get(interval="month")
    add_payments(contribution, 60)
    year = clock.now().year
    Payment.objects.filter(contribution=contribution).update(paid_at=datetime(year, 1, 2, tzinfo=UTC))
    file = browser_of(GRACE).get(f"/account/statements/{year}/statement.pdf")

    assert file.content.count(b"/Type /Page\n") + file.content.count(b"/Type /Page ") >= 2
    assert browser_of(GRACE).get(f"/account/statements/{year}/statement.pdf").content == file.content


def test_paper_has_a_font_of_its_own_in_which_russian_can_be_read(givers: House, browser_of) -> None:
    year = clock.now().year
    file = browser_of(ADA).get(f"/account/statements/{year}/statement.pdf?lang=ru").content

    assert b"DejaVuSansCondensed" in file
    assert b"/FontFile2" in file, "the font is inside"
    assert b"/Lang" in file
    maps = [unpacked(stream) for stream in re.findall(rb"stream\r?\n(.*?)endstream", file, re.DOTALL)]
    assert any(b"beginbfchar" in each or b"beginbfrange" in each for each in maps), "text can be copied"


def unpacked(stream: bytes) -> bytes:
    """A stream of a PDF; empty for one that is packed in another way."""
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""


# --- Languages, people, lists


def test_pages_are_in_the_readers_language(house: House, browser_of) -> None:
    house.give_and_pay(interval="month", amount=500, email=GRACE, locale="ru")
    page = browser_of(GRACE).get("/account/")

    assert page["Content-Language"] == "ru"
    assert "5,00 $ каждый месяц" in text(page).replace(NBSP, " ")
    assert "What you give" in text(browser_of(GRACE).get("/account/?lang=en"))


def test_who_gave_under_two_addresses_sees_both(givers: House, browser_of, program_of) -> None:
    ada, grace = members.get_member(ADA), members.get_member(GRACE)
    assert ada is not None
    assert grace is not None
    merging.merge(kept=grace, duplicate=ada, actor="staff:1", why="One person.", now=clock.now())

    page = text(browser_of(ADA).get("/account/payments/"))
    assert "$25.00" in page
    assert "$5.00" in page
    assert program_of(ADA).get("/api/v1/me/payments/").json()["count"] == 2
    assert program_of(GRACE).get("/api/v1/me/contributions/").json()["count"] == 2


def test_the_api_says_how_the_membership_stands(givers: House, program_of) -> None:
    grace, ada = program_of(GRACE).get("/api/v1/me/").json(), program_of(ADA).get("/api/v1/me/").json()

    assert grace["membership"]["tier"] == "friend"
    assert grace["membership"]["is_member"] is True
    assert grace["membership"]["state"] == "ACTIVE"
    assert ada["membership"] is None


READS = ["/account/", "/account/payments/", "/account/contributions/", "/api/v1/me/payments/", "/api/v1/me/"]


def test_fifty_payments_cost_as_many_statements_as_one(givers: House, browser_of, program_of) -> None:
    contribution = Contribution.objects.get(interval="month")
    client, program = browser_of(GRACE), program_of(GRACE)
    year = clock.now().year
    reads = [*READS, f"/account/statements/{year}/", f"/api/v1/me/statements/{year}/"]

    def counts() -> list[int]:
        found = []
        for path in reads:
            with CaptureQueriesContext(connection) as statements:
                answer = (program if path.startswith("/api") else client).get(path)
            assert answer.status_code == 200
            found.append(len(statements))
        return found

    with_one = counts()
    add_payments(contribution, 49)

    assert counts() == with_one
    assert max(with_one) <= 8


def test_long_lists_are_read_a_page_at_a_time(givers: House, browser_of, program_of) -> None:
    add_payments(Contribution.objects.get(interval="month"), 59)
    client = browser_of(GRACE)
    first, last = client.get("/account/payments/"), client.get("/account/payments/?page=3")

    assert "Page 1 of 3" in text(first)
    assert first.content.count(b'class="amount"') == 25
    assert last.content.count(b'class="amount"') == 10
    for strange in ("0", "-1", "99", "x", "1e9", "9" * 50):
        assert client.get(f"/account/payments/?page={strange}").status_code == 200
    told = program_of(GRACE).get("/api/v1/me/payments/?page=2").json()
    assert (told["count"], told["page"], told["pages"], len(told["results"])) == (60, 2, 2, 10)
