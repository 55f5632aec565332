"""
Derive `stripe_required_keys.json` from Stripe's OpenAPI description.

    python tests/derive_required_keys.py path/to/spec3.json

The description is published by Stripe under the MIT licence (github.com/stripe/openapi,
`latest/openapi.spec3.json`). It is large and not ours, so the repository holds only this table of key names.
It answers one question that the SDK's annotations leave open: `Optional[str]` may mean "there, and perhaps
null" or "perhaps not there at all".

The table looks like this; a path leads from a resource into its nested objects, and lists add nothing to it:

    {"api_version": "...",
     "required": {"charge": {"": ["amount", ...], "outcome": ["network_status", ...]}, ...},
     "only_when_expanded": {"charge": ["refunds"], ...}}
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

TABLE = Path(__file__).with_name("stripe_required_keys.json")

# The resources that the sandbox speaks, or that may appear inside one of them. All others are left to the
# SDK.
RESOURCES = (
    "account",
    "balance",
    "balance_transaction",
    "billing_portal.configuration",
    "billing_portal.session",
    "charge",
    "checkout.session",
    "customer",
    "dispute",
    "event",
    "invoice",
    "invoice_payment",
    "item",
    "line_item",
    "mandate",
    "payment_intent",
    "payment_method",
    "payout",
    "price",
    "product",
    "radar.early_fraud_warning",
    "refund",
    "setup_attempt",
    "setup_intent",
    "subscription",
    "subscription_item",
    "test_helpers.test_clock",
    "webhook_endpoint",
)

# Keys that Stripe adds only on request, although the description does not say so. (Lists that can be
# expanded and are not required are found without help: `charge.refunds`, `invoice.payments`,
# `customer.subscriptions`, ...)
ONLY_WHEN_EXPANDED = {
    "customer": ["cash_balance", "tax"],
    "invoice": ["confirmation_secret"],
}

# Declared as "there, maybe null", yet missing from answers that were recorded from Stripe: old or gated
# features.
SOMETIMES_ABSENT = {
    ("account", "groups"),
    ("payment_intent", "application_fee_amount"),
}


class Deriver:
    """Walks the description's schemas; one per description."""

    def __init__(self, spec: Schema) -> None:
        self.schemas: dict[str, Schema] = spec["components"]["schemas"]
        self.version: str = spec["info"]["version"]

    def table(self) -> Schema:
        """The whole table, ready to be written as JSON."""
        required: dict[str, dict[str, list[str]]] = {}
        expanded: dict[str, list[str]] = {}
        for name in RESOURCES:
            schema = self.schemas[name]
            required[name] = {}
            expanded[name] = sorted({*self._expandable_lists(schema), *ONLY_WHEN_EXPANDED.get(name, [])})
            absent = {key for resource, key in SOMETIMES_ABSENT if resource == name} | set(expanded[name])
            self._walk(schema, "", required[name], absent, trail=())
        return {
            "api_version": self.version,
            "required": required,
            "only_when_expanded": {name: keys for name, keys in expanded.items() if keys},
        }

    def _walk(
        self,
        schema: Schema,
        path: str,
        found: dict[str, list[str]],
        absent: set[str],
        trail: tuple[int, ...],
    ) -> None:
        """Note the keys that `schema` must carry, then do the same for the objects nested in it."""
        demanded = set(schema.get("required", ()))
        demanded |= {key for key, prop in schema["properties"].items() if prop.get("nullable")}
        if keys := sorted(demanded - (absent if not path else set())):
            found[path] = keys
        for key, prop in schema["properties"].items():
            nested = self._nested(prop)
            if nested is not None and id(nested) not in trail:
                self._walk(nested, f"{path}.{key}".lstrip("."), found, absent, (*trail, id(nested)))

    def _nested(self, schema: Schema) -> Schema | None:
        """The plain object that a property holds; None for scalars, resources and choices among objects."""
        if "$ref" in schema:
            return self._nested(self.schemas[schema["$ref"].rsplit("/", 1)[1]])
        if "anyOf" in schema:
            objects = [nested for nested in map(self._nested, schema["anyOf"]) if nested is not None]
            return objects[0] if len(objects) == 1 else None
        if schema.get("type") == "array":
            return self._nested(schema["items"])
        properties = schema.get("properties", {})
        is_resource = bool(
            properties.get("object", {}).get("enum")
        )  # lists too; the checker knows both by name
        return schema if properties and not is_resource else None

    @staticmethod
    def _expandable_lists(schema: Schema) -> set[str]:
        return {
            key
            for key in schema.get("x-expandableFields", ())
            if key not in schema.get("required", ())
            and schema["properties"][key].get("properties", {}).get("object", {}).get("enum") == ["list"]
        }


def as_text(table: Schema) -> str:
    """JSON with one line for each nested object, so that a change of the table can be read as a diff."""
    lines = ["{", f' "api_version": {json.dumps(table["api_version"])},', ' "required": {']
    resources = []
    for name, paths in table["required"].items():
        rows = ",\n".join(f"   {json.dumps(path)}: {json.dumps(keys)}" for path, keys in paths.items())
        resources.append(f"  {json.dumps(name)}: {{\n{rows}\n  }}")
    lines.append(",\n".join(resources) + "\n },")
    rows = ",\n".join(
        f"  {json.dumps(name)}: {json.dumps(keys)}" for name, keys in table["only_when_expanded"].items()
    )
    lines.append(f' "only_when_expanded": {{\n{rows}\n }}\n}}\n')
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Write tests/stripe_required_keys.json from Stripe's spec3.json."
    )
    parser.add_argument("spec", type=Path, help="Stripe's OpenAPI description, e.g. openapi.spec3.json")
    spec = json.loads(parser.parse_args().spec.read_text(encoding="utf-8"))
    TABLE.write_text(as_text(Deriver(spec).table()), encoding="utf-8")


if __name__ == "__main__":
    main()
