"""Editors set up a test, change it, and stop all asking, with the forms of the admin."""

from __future__ import annotations

from typing import Any

import pytest

from donations.models import AskSwitch, AskTest, AskVariant, Campaign, VariantAsk

PATH = "/api/v1/campaigns/support-us/"
TESTS = "/admin/donations/asktest/"
VARIANTS = "/admin/donations/askvariant/"


def formset(prefix: str, rows: list[dict[str, Any]], *, kept: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": kept}
    return found | {
        f"{prefix}-{n}-{name}": value for n, row in enumerate(rows) for name, value in row.items()
    }


def a_test(campaign: Campaign, **changes: Any) -> dict[str, Any]:
    variants = [{"slug": "own", "weight": 1}, {"slug": "warm", "weight": 3, "title": "Dear reader"}]
    return {
        "campaign": campaign.pk,
        "slug": "words",
        "position": 0,
        "seed": "a seed",
        "region": "",
        "countries": "",
        "starts_at_0": "2026-01-01",
        "starts_at_1": "00:00",
        **formset("variants", variants),
        **changes,
    }


def problems(answer: Any) -> str:
    assert answer.status_code == 200, answer.status_code
    return str(answer.content.decode())


@pytest.fixture
def variant(appeal, admin_client) -> AskVariant:
    assert admin_client.post(f"{TESTS}add/", a_test(appeal)).status_code == 302
    return AskVariant.objects.get(slug="warm")


def test_an_editor_sets_up_a_test_and_readers_see_it_at_once(appeal, admin_client, api):
    assert api.get(PATH).json()["variant"] is None
    answer = admin_client.post(f"{TESTS}add/", a_test(appeal, countries="", region=""))

    assert answer.status_code == 302, problems(answer)
    assert api.get(PATH).json()["variant"]["test"] == "words"
    assert AskTest.objects.get().seed == "a seed"


def test_countries_are_written_as_people_write_them(appeal, admin_client):
    admin_client.post(f"{TESTS}add/", a_test(appeal, countries="nl, be;NL"))

    assert AskTest.objects.get().countries == "NL BE"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"countries": "Holland"}, "There is no country HOLLAND"),
        ({"countries": "NL", "region": "EU"}, "not both"),
        ({"ends_at_0": "2025-01-01", "ends_at_1": "00:00"}, "It ends after it started."),
        ({"slug": "two words"}, "Enter a valid"),
        ({"seed": ""}, "This field is required."),
        ({"variants-1-slug": "own"}, "duplicate"),
        ({"variants-0-weight": "-1"}, "greater than or equal to 0"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(appeal, admin_client, changes, says):
    answer = admin_client.post(f"{TESTS}add/", a_test(appeal, **changes))

    assert says in problems(answer)
    assert not AskTest.objects.exists()


def amounts(variant: AskVariant, **changes: Any) -> dict[str, Any]:
    row = {"currency": "USD", "interval": "month", "suggested": "7, 9", "default_minor": "9", **changes}
    own = {"test": variant.test_id, "slug": "warm", "weight": 3, "title": "Dear reader"}
    return own | formset("asks", [row])


def test_an_editor_changes_the_amounts_of_a_variant(variant, admin_client):
    answer = admin_client.post(f"{VARIANTS}{variant.pk}/change/", amounts(variant))

    assert answer.status_code == 302, problems(answer)
    assert list(VariantAsk.objects.values_list("suggested", "default_minor")) == [([700, 900], 900)]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"currency": "SEK"}, "does not ask in this currency"),
        ({"currency": "UGX"}, "does not ask in this currency at this interval"),
        ({"suggested": "1, 9"}, "Each amount must lie between"),
        ({"suggested": ""}, "This field is required"),
        ({"suggested": "[9]"}, "cannot be read"),
        ({"suggested": "7, 900000000"}, "Each amount must lie between"),
        ({"default_minor": "8"}, "one of the suggested amounts"),
        ({"interval": "week"}, "Select a valid choice"),
    ],
)
def test_amounts_that_the_campaign_would_not_take_are_refused_in_words(variant, admin_client, changes, says):
    answer = admin_client.post(f"{VARIANTS}{variant.pk}/change/", amounts(variant, **changes))

    assert says in problems(answer)
    assert not VariantAsk.objects.exists()


def test_a_new_variant_with_amounts_needs_a_test(variant, admin_client):
    added = amounts(variant) | {"slug": "third"}
    assert "This field is required" in problems(admin_client.post(f"{VARIANTS}add/", added | {"test": ""}))
    assert admin_client.post(f"{VARIANTS}add/", added).status_code == 302
    assert AskVariant.objects.get(slug="third").asks.count() == 1


def test_an_editor_stops_all_asking_and_goes_on(appeal, admin_client, api):
    assert api.get(PATH).json()["show"] is True
    admin_client.post("/admin/donations/askswitch/1/change/", {"is_off": "on"})
    assert api.get(PATH).json()["hidden_because"] == "off"
    admin_client.post("/admin/donations/askswitch/1/change/", {})
    assert api.get(PATH).json()["show"] is True


def test_there_is_one_switch_and_it_stays(appeal, admin_client):
    assert admin_client.get("/admin/donations/askswitch/add/").status_code == 403
    assert admin_client.post("/admin/donations/askswitch/1/delete/", {"post": "yes"}).status_code == 403
    assert AskSwitch.objects.count() == 1


def test_a_hold_out_is_a_share_of_a_hundred(appeal, admin_client, api):
    api.get(PATH)
    form = {
        "slug": "support-us", "title": "T", "locale": "en", "default_interval": "month", "default_currency": "USD",
        "payment_methods": "[]", "starts_at_0": "2020-01-01", "starts_at_1": "00:00", "is_published": "on",
        **formset("asks", []),
    }  # fmt: skip
    path = f"/admin/donations/campaign/{appeal.pk}/change/"
    assert "less than or equal to 100" in problems(admin_client.post(path, form | {"hold_out_percent": 101}))
    assert admin_client.post(path, form | {"hold_out_percent": 100}).status_code == 302

    assert api.get(PATH).json()["hidden_because"] == "held_out"
