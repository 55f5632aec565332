"""
The billing portal: where a reader changes the card or stops giving, on a page of Stripe's.
"""

from __future__ import annotations

from sandbox.account import Account, Obj, change, merge_metadata
from sandbox.checkout_fields import LOCALES
from sandbox.errors import invalid
from sandbox.params import PAGE, Fields, Flag, Group, Many, Metadata, OneOf, Text, Url
from sandbox.routes import get, post
from sandbox.subscriptions import FEEDBACK
from sandbox.wire import page

UPDATES = ("address", "email", "name", "phone", "shipping", "tax_id")
FLOWS = ("payment_method_update", "subscription_cancel", "customer_update")

SUBSCRIPTION_OF_FLOW = Group({"subscription": Text()}, needed=("subscription",))

CONFIGURATION: Fields = {
    "business_profile": Group(
        {"headline": Text(60), "privacy_policy_url": Url(), "terms_of_service_url": Url()}
    ),
    "default_return_url": Url(),
    "features": Group(
        {
            "customer_update": Group({"enabled": Flag(), "allowed_updates": Many(OneOf(*UPDATES))}),
            "invoice_history": Group({"enabled": Flag()}, needed=("enabled",)),
            "payment_method_update": Group({"enabled": Flag()}, needed=("enabled",)),
            "subscription_cancel": Group(
                {
                    "enabled": Flag(),
                    "mode": OneOf("at_period_end", "immediately"),
                    "proration_behavior": OneOf("none"),
                    "cancellation_reason": Group({"enabled": Flag(), "options": Many(OneOf(*FEEDBACK))}),
                },
                needed=("enabled",),
            ),
        }
    ),
    "metadata": Metadata(),
    "name": Text(),
    "login_page": Group({"enabled": Flag()}, needed=("enabled",)),
}


def _new_configuration(account: Account, given: Obj, *, is_default: bool) -> Obj:
    profile = given.get("business_profile") or {}
    wished = given.get("features") or {}

    def on(feature: str) -> bool:
        return bool((wished.get(feature) or {}).get("enabled", is_default))

    cancel = wished.get("subscription_cancel") or {}
    reason = cancel.get("cancellation_reason") or {}
    configuration: Obj = {
        "id": account.new_id("billing_portal.configuration"),
        "object": "billing_portal.configuration",
        "active": True,
        "application": None,
        "business_profile": {
            key: profile.get(key) for key in ("headline", "privacy_policy_url", "terms_of_service_url")
        },
        "created": account.now(),
        "default_return_url": given.get("default_return_url"),
        "features": {
            "customer_update": {
                "allowed_updates": (wished.get("customer_update") or {}).get("allowed_updates") or [],
                "enabled": on("customer_update"),
            },
            "invoice_history": {"enabled": on("invoice_history")},
            "payment_method_update": {
                "enabled": on("payment_method_update"),
                "payment_method_configuration": None,
            },
            "subscription_cancel": {
                "cancellation_reason": {
                    "enabled": bool(reason.get("enabled", is_default)),
                    "feedback_options": None,
                    "options": reason.get("options") or [],
                },
                "enabled": on("subscription_cancel"),
                "mode": cancel.get("mode") or "at_period_end",
                "proration_behavior": "none",
            },
            "subscription_pause": {
                "duration": {"interval_options": [], "type": "indefinite"},
                "enabled": False,
            },
            "subscription_update": {
                "billing_cycle_anchor": None,
                "default_allowed_updates": [],
                "enabled": False,
                "products": None,
                "proration_behavior": "none",
                "schedule_at_period_end": {"conditions": []},
                "trial_update_behavior": "end_trial",
            },
        },
        "is_default": is_default,
        "livemode": False,
        "login_page": {"enabled": False, "url": None},
        "metadata": given.get("metadata") or {},
        "name": given.get("name"),
        "updated": account.now(),
    }
    return account.keep(configuration)


def default_configuration(account: Account) -> Obj:
    """
    The configuration that sessions use when they name none: a card can be changed and a subscription ended.
    """
    for configuration in account.all("billing_portal.configuration"):
        if configuration["is_default"]:
            return configuration
    return _new_configuration(account, {}, is_default=True)


@post("/v1/billing_portal/configurations", CONFIGURATION, needed=("features",))
def create_configuration(account: Account, given: Obj) -> Obj:
    """A new configuration; what it does not switch on is off."""
    return _new_configuration(account, given, is_default=False)


@get("/v1/billing_portal/configurations", {**PAGE, "active": Flag(), "is_default": Flag()})
def list_configurations(account: Account, given: Obj) -> Obj:
    """Configurations, newest first, the default among them."""
    default_configuration(account)
    found = [
        configuration
        for configuration in account.all("billing_portal.configuration")
        if all(given.get(key) in (None, configuration[key]) for key in ("active", "is_default"))
    ]
    return page(found, given, "/v1/billing_portal/configurations")


@get("/v1/billing_portal/configurations/<id>")
def retrieve_configuration(account: Account, given: Obj, id: str) -> Obj:
    """One configuration."""
    return account.find("billing_portal.configuration", id)


@post("/v1/billing_portal/configurations/<id>", {**CONFIGURATION, "active": Flag()})
def update_configuration(account: Account, given: Obj, id: str) -> Obj:
    """Change a configuration; of its features, those that are named."""
    configuration = account.find("billing_portal.configuration", id)
    for name, wish in (given.pop("features", None) or {}).items():
        feature, wish = configuration["features"][name], dict(wish)
        if reason := wish.pop("cancellation_reason", None):
            feature["cancellation_reason"] |= reason
        feature |= {key: value for key, value in wish.items() if value is not None}
    if "metadata" in given:
        given["metadata"] = merge_metadata(configuration, given["metadata"])
    if given.get("business_profile"):
        given["business_profile"] = configuration["business_profile"] | given["business_profile"]
    given.pop("login_page", None)  # the sandbox has no page to log in on
    change(configuration, **given, updated=account.now())
    return configuration


@post(
    "/v1/billing_portal/sessions",
    {
        "customer": Text(),
        "configuration": Text(),
        "return_url": Url(),
        "locale": OneOf(*(name for name in LOCALES if name != "hi-IN")),  # Checkout alone speaks it
        "flow_data": Group(
            {
                "type": OneOf(*FLOWS),
                "after_completion": Group(
                    {
                        "type": OneOf("hosted_confirmation", "portal_homepage", "redirect"),
                        "redirect": Group({"return_url": Url()}, needed=("return_url",)),
                        "hosted_confirmation": Group({"custom_message": Text(500)}),
                    },
                    needed=("type",),
                ),
                "subscription_cancel": SUBSCRIPTION_OF_FLOW,
            },
            needed=("type",),
        ),
    },
    needed=("customer",),
)
def create_session(account: Account, given: Obj) -> Obj:
    """A link into the portal for one customer, perhaps straight to one task (``flow_data``)."""
    customer = account.find("customer", given["customer"], param="customer")
    if given.get("configuration"):
        configuration = account.find(
            "billing_portal.configuration", given["configuration"], param="configuration"
        )
    else:
        configuration = default_configuration(account)
    id = account.new_id("billing_portal.session")
    return account.keep(
        {
            "id": id,
            "object": "billing_portal.session",
            "after_expiration": None,
            "configuration": configuration["id"],
            "created": account.now(),
            "customer": customer["id"],
            "customer_account": None,
            "flow": _flow(account, customer, given["flow_data"]) if given.get("flow_data") else None,
            "livemode": False,
            "locale": given.get("locale"),
            "on_behalf_of": None,
            "return_url": given.get("return_url") or configuration["default_return_url"],
            "url": f"{account.public_url}/p/session/{id}",
        }
    )


def _flow(account: Account, customer: Obj, wish: Obj) -> Obj:
    cancel = wish.get("subscription_cancel")
    if wish["type"] == "subscription_cancel":
        if not cancel:
            message = "Missing required param: flow_data[subscription_cancel]."
            raise invalid(message, param="flow_data[subscription_cancel]", code="parameter_missing")
        param = "flow_data[subscription_cancel][subscription]"
        subscription = account.find("subscription", cancel["subscription"], param=param)
        if subscription["customer"] != customer["id"] or subscription["status"] == "canceled":
            raise invalid("This subscription cannot be canceled by this customer.", param=param)
    after = wish.get("after_completion") or {"type": "portal_homepage"}
    return {
        "after_completion": {
            "hosted_confirmation": after.get("hosted_confirmation"),
            "redirect": after.get("redirect"),
            "type": after["type"],
        },
        "customer_update": {} if wish["type"] == "customer_update" else None,
        "subscription_cancel": cancel and {"retention": None, "subscription": cancel["subscription"]},
        "subscription_pause": None,
        "subscription_update": None,
        "subscription_update_confirm": None,
        "type": wish["type"],
    }
