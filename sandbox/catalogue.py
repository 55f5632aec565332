"""
Products and prices, those made beforehand and those written into a call (``price_data``).
"""

from __future__ import annotations

from decimal import Decimal

from sandbox import money, shapes
from sandbox.account import Account, Obj, change, merge_metadata
from sandbox.errors import invalid
from sandbox.events import tell, tell_updated
from sandbox.params import CREATED, PAGE, Exact, Fields, Flag, Group, Many, Metadata, OneOf, Text, Whole
from sandbox.routes import delete, get, post
from sandbox.wire import page, within

PRODUCT_FIELDS: Fields = {
    "name": Text(),
    "description": Text(),
    "active": Flag(),
    "images": Many(Text(), 8),
    "metadata": Metadata(),
    "statement_descriptor": Text(22),
    "tax_code": Text(),
    "unit_label": Text(12),
    "url": Text(),
}
RECURRING = Group(
    {
        "interval": OneOf("day", "week", "month", "year"),
        "interval_count": Whole(1),
        "usage_type": OneOf("licensed"),
    },
    needed=("interval",),
)
PRICE_DATA = Group(
    {
        "currency": Text(),
        "product": Text(),
        "product_data": Group(
            {
                "name": Text(),
                "description": Text(),
                "images": Many(Text(), 8),
                "metadata": Metadata(),
                "tax_code": Text(),
                "unit_label": Text(12),
            },
            needed=("name",),
        ),
        "recurring": RECURRING,
        "tax_behavior": OneOf("exclusive", "inclusive", "unspecified"),
        "unit_amount": Whole(),
        "unit_amount_decimal": Exact(),
    },
    needed=("currency",),
)


def price_of(account: Account, line: Obj, *, param: str, products_too: bool = True) -> Obj:
    """
    The price of a line: the one that ``price`` names, or a new one from ``price_data`` (with a new product
    where ``product_data`` is allowed). Raises 400 unless exactly one of the two is there and it makes sense.
    """
    data = line.get("price_data")
    if bool(line.get("price")) == bool(data):
        raise invalid(
            f"You must specify exactly one of price and price_data: {param}.",
            param=param,
            code="parameter_missing",
        )
    if not data:
        price = account.find("price", line["price"], param=f"{param}[price]")
        if not price["active"]:
            raise invalid("The price specified is inactive.", param=f"{param}[price]")
        return price
    inner = f"{param}[price_data]"
    if bool(data.get("product")) == bool(products_too and data.get("product_data")):
        raise invalid(
            f"You must specify exactly one of product and product_data: {inner}.",
            param=inner,
            code="parameter_missing",
        )
    if data.get("product"):
        product = account.find("product", data["product"], param=f"{inner}[product]")
    else:
        product = shapes.product(account, name=data["product_data"]["name"])
        change(product, **data["product_data"])
    amount = _amount(data, inner)
    currency = money.check_currency(data["currency"], param=f"{inner}[currency]")
    money.check_unit(amount, currency, param=f"{inner}[unit_amount]")
    account.keep(product)
    recurring = data.get("recurring")
    return account.keep(
        shapes.price(
            account,
            product=product["id"],
            currency=currency,
            unit_amount=amount,
            recurring=recurring,
            active=False,
        )
    )


def _amount(data: Obj, param: str) -> int:
    whole, exact = data.get("unit_amount"), data.get("unit_amount_decimal")
    if (whole is None) == (exact is None):
        message = f"You must specify exactly one of unit_amount and unit_amount_decimal: {param}."
        raise invalid(message, param=param, code="parameter_missing")
    if exact is not None:
        if exact != exact.to_integral_value():
            raise invalid(
                "The sandbox has prices in whole minor units only.", param=f"{param}[unit_amount_decimal]"
            )
        whole = int(Decimal(exact))
    return int(whole or 0)


@post("/v1/products", {**PRODUCT_FIELDS, "id": Text(), "type": OneOf("service", "good")}, needed=("name",))
def create_product(account: Account, given: Obj) -> Obj:
    """A new product, under an id of the caller's choice or of ours."""
    id = given.pop("id", None)
    if id and id in account.objects:
        raise invalid(f"Product already exists: {id}", param="id", code="resource_already_exists")
    product = shapes.product(account, name=given["name"], id=id)
    change(product, **given)
    account.keep(product)
    tell(account, "product.created", product)
    return product


@get("/v1/products", {**PAGE, "active": Flag(), "ids": Many(), "created": CREATED})
def list_products(account: Account, given: Obj) -> Obj:
    """Products, newest first."""
    found = [
        product
        for product in account.all("product")
        if not product.get("deleted")
        and given.get("active") in (None, product["active"])
        and (not given.get("ids") or product["id"] in given["ids"])
        and within(product["created"], given.get("created"))
    ]
    return page(found, given, "/v1/products")


@get("/v1/products/<id>")
def retrieve_product(account: Account, given: Obj, id: str) -> Obj:
    """One product; of a deleted one only that it was deleted."""
    return account.find("product", id, deleted_too=True)


@post("/v1/products/<id>", PRODUCT_FIELDS)
def update_product(account: Account, given: Obj, id: str) -> Obj:
    """Change a product."""
    product = account.find("product", id)
    if "metadata" in given:
        given["metadata"] = merge_metadata(product, given["metadata"])
    previous = change(product, **given)
    product["updated"] = account.now()
    tell_updated(account, "product.updated", product, previous)
    return product


@delete("/v1/products/<id>")
def delete_product(account: Account, given: Obj, id: str) -> Obj:
    """Delete a product that no price uses."""
    product = account.find("product", id)
    if any(price["product"] == id for price in account.all("price")):
        raise invalid("This product cannot be deleted because it has prices. Deactivate it instead.")
    tell(account, "product.deleted", product)
    product.clear()
    product |= {"id": id, "object": "product", "deleted": True}
    return product


@post(
    "/v1/prices",
    {
        "currency": Text(),
        "product": Text(),
        "unit_amount": Whole(),
        "unit_amount_decimal": Exact(),
        "recurring": RECURRING,
        "nickname": Text(),
        "lookup_key": Text(200),
        "active": Flag(),
        "metadata": Metadata(),
        "tax_behavior": OneOf("exclusive", "inclusive", "unspecified"),
        "product_data": Group({"name": Text(), "metadata": Metadata()}, needed=("name",)),
    },
    needed=("currency",),
)
def create_price(account: Account, given: Obj) -> Obj:
    """A new price."""
    kept = ("currency", "product", "product_data", "unit_amount", "unit_amount_decimal", "recurring")
    data = {key: given[key] for key in kept if key in given}
    price = price_of(account, {"price_data": data}, param="price")
    change(price, active=given.get("active", True), metadata=given.get("metadata") or {})
    change(price, nickname=given.get("nickname"), lookup_key=given.get("lookup_key"))
    tell(account, "price.created", price)
    return price


@get(
    "/v1/prices",
    {
        **PAGE,
        "active": Flag(),
        "product": Text(),
        "currency": Text(),
        "type": OneOf("one_time", "recurring"),
        "lookup_keys": Many(Text(), 10),
        "created": CREATED,
    },
)
def list_prices(account: Account, given: Obj) -> Obj:
    """Prices, newest first."""
    found = [
        price
        for price in account.all("price")
        if all(given.get(key) in (None, price[key]) for key in ("active", "product", "currency", "type"))
        and (not given.get("lookup_keys") or price["lookup_key"] in given["lookup_keys"])
        and within(price["created"], given.get("created"))
    ]
    return page(found, given, "/v1/prices")


@get("/v1/prices/<id>")
def retrieve_price(account: Account, given: Obj, id: str) -> Obj:
    """One price."""
    return account.find("price", id)


@post(
    "/v1/prices/<id>", {"active": Flag(), "nickname": Text(), "lookup_key": Text(200), "metadata": Metadata()}
)
def update_price(account: Account, given: Obj, id: str) -> Obj:
    """Change what is not about money: amounts of a price stay as they are."""
    price = account.find("price", id)
    if "metadata" in given:
        given["metadata"] = merge_metadata(price, given["metadata"])
    tell_updated(account, "price.updated", price, change(price, **given))
    return price
