"""
E-mail addresses: what we accept, how we write them, and when two of them are one reader.

Stricter than the mail standards on purpose: an address that needs quoting, has no public domain, or hides a
second one is a mistake or an attack when it comes from a form (RELIABILITY.md, section 4, "Contribution
create").
"""

from __future__ import annotations

import re

import idna

_MAX_ADDRESS = 254  # RFC 5321: what fits a path
_MAX_LOCAL = 64
# The letters that an unquoted local part may have, without % and ! which old relays read as routes.
_LOCAL = re.compile(r"[A-Za-z0-9#$&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9#$&'*+/=?^_`{|}~-]+)*", re.ASCII)
_TOP_LEVEL = re.compile(r"(?:xn--[a-z0-9-]+|[a-z]{2,63})", re.ASCII)
_NOT_PUBLIC = frozenset({"local", "localhost", "internal", "localdomain", "lan", "onion", "arpa", "invalid"})


class InvalidAddress(ValueError):
    """The text is no e-mail address that we can write to. Its message is fit for the reader."""


def normalise(email: str) -> str:
    """
    The address as we write to it: the local part as it was given, the domain in lower-case A-labels.

    "A+x@B.ORG" becomes "A+x@b.org", "ada@bücher.example" becomes "ada@xn--bcher-kva.example".

    :raises InvalidAddress: it is no plain address at a public domain.
    """
    if not isinstance(email, str):
        raise InvalidAddress("Enter an e-mail address.")
    if len(email) > _MAX_ADDRESS:
        raise InvalidAddress("This e-mail address is too long.")
    local, at, domain = email.rpartition("@")
    if not at or not local or not domain:
        raise InvalidAddress("Enter an e-mail address such as name@example.org.")
    if len(local) > _MAX_LOCAL or not _LOCAL.fullmatch(local):
        raise InvalidAddress(
            "The part of the e-mail address before the @ has characters that we cannot write to."
        )
    address = f"{local}@{_domain(domain)}"
    if len(address) > _MAX_ADDRESS:
        raise InvalidAddress("This e-mail address is too long.")
    return address


def identity(address: str) -> str:
    """
    What makes two normalised addresses one reader: the whole address in lower case; a "+tag" stays.

    Give it what `normalise` returned. It is what look-up hashes are made of.
    """
    return address.lower()


def _domain(domain: str) -> str:
    wrong = InvalidAddress("The part of the e-mail address after the @ is not a domain that mail can reach.")
    if domain.startswith("[") or domain.endswith(".") or "." not in domain:
        raise wrong
    try:
        # Strict, without look-alike mapping: a domain that needs it was not typed by its owner.
        name = idna.encode(domain.lower(), std3_rules=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise wrong from None  # idna's message repeats the address
    top_level = name.rpartition(".")[2]
    if not _TOP_LEVEL.fullmatch(top_level) or top_level in _NOT_PUBLIC:
        raise wrong
    return name
