"""
Tokens with which the newspaper's own site says who reads: signed there, with a secret that both know.

A JSON Web Token (HS256) for the audience `sustainer`, with `exp`, and `email` or `sub` (a member's id here). It lives
for a day at most, so that one that leaks is soon worth nothing. docs/api.md has the lines that make one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
from django.conf import settings

from members import addresses, crypto

AUDIENCE = "sustainer"
LONGEST_LIFE = timedelta(days=1)
_SKEW = timedelta(seconds=60)  # how far two machines' clocks may be apart
_LONGEST = 2048  # characters


class BadToken(Exception):
    """Nobody we know signed it, or it is for somebody else, names nobody, or is good for too long."""


class ExpiredToken(BadToken):
    """It was good, and its time is over."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a token names: by the look-up hashes of an address, or by a member's id."""

    expires_at: datetime
    hashes: tuple[str, ...] = field(default=(), repr=False)
    member: UUID | None = None

    def seconds_left(self, now: datetime) -> int:
        """For how long its token is good yet."""
        return max(0, int((self.expires_at - now).total_seconds()))


def read(token: str, *, now: datetime) -> Reader:
    """
    Whom a token names. The clock is ours, so that a test's or the demo's day counts as well.

    :raises BadToken: it is not to be believed; ExpiredToken, it is not any more.
    """
    claims = _claims(token)
    expires_at = _moment(claims["exp"])
    if expires_at + _SKEW <= now:
        raise ExpiredToken("This token has expired.")
    if expires_at > now + LONGEST_LIFE + _SKEW:
        raise BadToken("A token may live for a day at most.")
    if "nbf" in claims and _moment(claims["nbf"]) > now + _SKEW:
        raise BadToken("This token is not valid yet.")
    return _named(claims, expires_at)


def _claims(token: str) -> dict[str, Any]:
    if not settings.READER_TOKEN_SECRETS or len(token) > _LONGEST:
        raise BadToken("This token is not signed by anybody we know.")
    for secret in settings.READER_TOKEN_SECRETS:
        try:
            return dict(
                jwt.decode(
                    token,
                    secret,
                    algorithms=["HS256"],  # the only one: neither `none` nor what the token itself names
                    audience=AUDIENCE,
                    options={
                        "require": ["exp", "aud"],
                        "verify_exp": False,
                        "verify_nbf": False,
                        "verify_iat": False,
                    },
                )
            )
        except jwt.InvalidSignatureError:
            continue
        except jwt.PyJWTError as error:
            raise BadToken("This token cannot be read, or is not for us.") from error
    raise BadToken("This token is not signed by anybody we know.")


def _named(claims: dict[str, Any], expires_at: datetime) -> Reader:
    email, subject = claims.get("email"), claims.get("sub")
    if isinstance(email, str) and email:
        try:
            identity = addresses.identity(addresses.normalise(email))
        except addresses.InvalidAddress as error:
            raise BadToken("The token's email is no e-mail address.") from error
        return Reader(hashes=tuple(crypto.lookup_hashes(identity)), expires_at=expires_at)
    if isinstance(subject, str):
        try:
            return Reader(member=UUID(subject), expires_at=expires_at)
        except ValueError:
            pass
    raise BadToken("The token names nobody: it needs `email`, or a member's id as `sub`.")


def _moment(value: Any) -> datetime:
    if type(value) not in (int, float):
        raise BadToken("The token's times are numbers of seconds.")
    try:
        return _EPOCH + timedelta(seconds=value)
    except (OverflowError, ValueError) as error:
        raise BadToken("The token's times are no times.") from error


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
