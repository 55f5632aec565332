"""An editor makes an appeal without help: amounts as people write them, a preview, and who changed what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from donations.campaign_admin import BadAmount, read_amounts
from donations.models import Ask, Campaign, CampaignChange
from tests import factories
from tests.browser import CHROMIUM, Browser

pytestmark = pytest.mark.django_db

ADD = "admin:donations_campaign_add"


def an_editor(*, may_change: bool = True) -> User:
    user = User.objects.create_user("grace", is_staff=True)
    names = ["view_campaign", "view_ask", "view_campaignchange"]
    if may_change:
        names += [f"{verb}_{model}" for verb in ("add", "change") for model in ("campaign", "ask")]
    for name in names:
        user.user_permissions.add(Permission.objects.get(content_type__app_label="donations", codename=name))
    return user


@pytest.fixture
def editor(db: Any) -> Client:
    client = Client()
    client.force_login(an_editor())
    return client


def form(**changes: Any) -> dict[str, Any]:
    """An appeal with one ask, as the page sends it."""
    return {
        "slug": "spring",
        "title": "Spring",
        "message": "We *will* go on.\n\n[Why](https://example.org/why) we ask.",
        "thank_you": "Thank you.",
        "locale": "en",
        "default_interval": "month",
        "default_currency": "USD",
        "payment_methods": '["visa"]',
        "goal_minor": "50000",
        "hold_out_percent": "0",
        "starts_at_0": "2026-01-01",
        "starts_at_1": "00:00",
        "ends_at_0": "",
        "ends_at_1": "",
        "asks-TOTAL_FORMS": "1",
        "asks-INITIAL_FORMS": "0",
        "asks-0-currency": "USD",
        "asks-0-interval": "month",
        "asks-0-suggested": "5, 10, 25.50",
        "asks-0-default_minor": "10",
        "asks-0-minimum_minor": "2",
        "asks-0-maximum_minor": "",
    } | changes


def test_amounts_are_written_as_people_write_them(editor: Client) -> None:
    answer = editor.post(reverse(ADD), form())
    assert answer.status_code == 302, answer.context["errors"]
    ask = Ask.objects.get()
    assert (ask.suggested, ask.default_minor, ask.minimum_minor, ask.maximum_minor) == (
        [500, 1000, 2550],
        1000,
        200,
        None,
    )
    campaign = Campaign.objects.get()
    assert campaign.goal_minor == 50_000_00
    page = editor.get(reverse("admin:donations_campaign_change", args=[campaign.pk])).content.decode()
    assert 'value="5.00, 10.00, 25.50"' in page
    assert 'value="50000.00"' in page


@pytest.mark.parametrize(
    ("currency", "text", "minor"),
    [("JPY", "500, 1000", [500, 1000]), ("KWD", "1.5; 2", [1500, 2000]), ("UGX", "5000", [500000])],
)
def test_amounts_are_exact_in_every_currency(currency: str, text: str, minor: list[int]) -> None:
    assert read_amounts(text, currency) == minor


@pytest.mark.parametrize("text", ["5,10", "5,50, 10", "five", "5.005", "1e3"])
def test_what_can_be_read_in_two_ways_is_not_guessed(text: str) -> None:
    with pytest.raises(BadAmount):
        read_amounts(text, "USD")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"asks-0-suggested": "5,10"}, "Write a space after each comma"),
        ({"asks-0-suggested": "1, 10"}, "Each amount must lie between"),
        ({"asks-0-default_minor": "7"}, "must be one of the suggested amounts"),
        ({"asks-0-minimum_minor": "0.10"}, "is less than"),
        ({"asks-0-minimum_minor": "abc"}, "cannot be read"),
        ({"asks-0-currency": "UGX", "asks-0-suggested": "5000.50", "asks-0-default_minor": "5000.50",
          "asks-0-minimum_minor": "4000"}, "Each amount must lie between"),
        ({"goal_minor": "much"}, "cannot be read"),
        ({"ends_at_0": "2025-01-01", "ends_at_1": "00:00"}, "ends_after_start"),
        ({"message": "[x](javascript:alert)"}, "A link has to begin with https://"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_beside_the_field(editor: Client, wrong: dict[str, str], said: str) -> None:
    answer = editor.post(reverse(ADD), form(**wrong))
    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert not Campaign.objects.exists()


def test_readers_see_emphasis_and_links_and_the_api_plain_text(editor: Client) -> None:
    editor.post(reverse(ADD), form(is_published="on"))
    page = Client().get("/support/spring/").content.decode()
    assert "We <em>will</em> go on." in page
    assert '<a href="https://example.org/why" rel="noopener">Why</a> we ask.' in page
    told = Client().get("/api/v1/campaigns/spring/").json()
    assert told["message"] == ["We will go on.", "Why (https://example.org/why) we ask."]


def test_a_draft_is_looked_at_by_staff_and_by_nobody_else(editor: Client) -> None:
    editor.post(reverse(ADD), form())
    campaign = Campaign.objects.get()
    assert not campaign.is_published
    url = reverse("admin:donations_campaign_preview", args=[campaign.pk])
    assert url in editor.get(reverse("admin:donations_campaign_change", args=[campaign.pk])).content.decode()

    page = editor.get(url)
    assert page.status_code == 200
    text = page.content.decode()
    assert "This is a preview for the newsroom." in text
    assert "We <em>will</em> go on." in text
    assert " inert " in text
    assert Client().get("/support/spring/").status_code == 404
    stranger = Client().get(url)
    assert stranger.status_code == 302
    assert "/login/" in stranger["Location"]
    outsider = Client()
    outsider.force_login(User.objects.create_user("eve", is_staff=True))
    assert outsider.get(url).status_code == 403


def test_who_changed_what_is_kept(editor: Client) -> None:
    editor.post(reverse(ADD), form())
    campaign, ask = Campaign.objects.get(), Ask.objects.get()
    CampaignChange.objects.all().delete()
    url = reverse("admin:donations_campaign_change", args=[campaign.pk])
    changed = form(**{"title": "Summer", "asks-INITIAL_FORMS": "1", "asks-0-id": ask.pk,
                      "asks-0-campaign": campaign.pk, "asks-0-suggested": "10, 20"})  # fmt: skip

    answer = editor.post(url, changed)

    assert answer.status_code == 302, answer.context["errors"]
    told = {change.what: (change.before, change.after) for change in CampaignChange.objects.all()}
    assert told == {
        "title": ("Spring", "Summer"),
        "USD month": (
            "5.00, 10.00, 25.50; default 10.00, from 2.00 to 20000.00",
            "10.00, 20.00; default 10.00, from 2.00 to 20000.00",
        ),
    }
    assert CampaignChange.objects.values_list("actor", flat=True)[0].startswith("staff:")
    page = editor.get(url).content.decode()
    assert "Summer" in page
    editor.post(url, changed)
    assert CampaignChange.objects.count() == 2, "saving the same again changes nothing"


def test_who_may_only_look_changes_nothing() -> None:
    campaign = factories.a_campaign()
    client = Client()
    client.force_login(an_editor(may_change=False))
    assert client.get(reverse("admin:donations_campaign_change", args=[campaign.pk])).status_code == 200
    assert (
        client.post(reverse("admin:donations_campaign_change", args=[campaign.pk]), form()).status_code == 403
    )


# --- In a real browser ------------------------------------------------------------------------------


@pytest.fixture
def page(live_server: Any, transactional_db: Any, tmp_path: Path) -> Iterator[Browser]:
    """Chromium at the editor, signed in."""
    campaign = factories.a_campaign()
    client = Client()
    client.force_login(an_editor())
    with Browser(tmp_path / "profile") as browser:
        name = django_settings.SESSION_COOKIE_NAME
        browser.ask("Network.setCookie", name=name, value=client.cookies[name].value, url=live_server.url)
        browser.open(live_server.url + reverse("admin:donations_campaign_change", args=[campaign.pk]))
        yield browser


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.xdist_group("browser")
@pytest.mark.django_db(transaction=True)
def test_the_page_says_what_is_wrong_while_somebody_types(page: Browser) -> None:
    def typed(name: str, text: str) -> str:
        field = f"#id_asks-0-{name}"
        page.run(
            f"(() => {{ const e = document.querySelector('{field}'); e.value = '{text}';"
            " e.dispatchEvent(new Event('input', {bubbles: true})); })()"
        )
        return str(page.run(f"document.querySelector('{field}-problem').textContent"))

    assert page.run("document.querySelector('#id_asks-0-currency').value") == "EUR"
    assert (
        typed("suggested", "5,10")
        == "Write a space after each comma, and a point before decimals: 5, 10, 25.50."
    )
    assert typed("suggested", "5, x") == "“x” cannot be read. Write digits, such as 5.00."
    assert typed("suggested", "0.10, 5") == "Each amount must lie between 2.00 and 20000.00."
    assert typed("minimum_minor", "0.10") == "Stripe takes no less than 0.50."
    assert typed("minimum_minor", "2") == ""
    assert typed("suggested", "5, 10") == ""
    assert typed("default_minor", "7") == "The default must be one of the amounts."
    assert typed("default_minor", "5") == ""
    # The browser looks for an icon that the admin has not.
    assert [said for said in page.complaints if "404" not in said] == []
