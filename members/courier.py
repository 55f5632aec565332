"""
Carries mails to the mail server over one connection, and says in our words what became of each.

The words of the server are not kept: they often repeat the address.
"""

from __future__ import annotations

import enum
import smtplib
from dataclasses import dataclass
from typing import Any

import structlog
from django.core.mail import EmailMessage, get_connection

log = structlog.get_logger(__name__)

_PERMANENT = range(500, 600)


class Outcome(enum.Enum):
    """What became of a mail."""

    SENT = "the server took it"
    PUT_OFF = "a later try may work"
    REFUSED = "no try will work"
    UNREACHABLE = "there is no server to talk to now"


@dataclass(frozen=True, slots=True)
class Result:
    """
    An outcome with its reason.

    :param code: stable, for machines; `reason` is a sentence for staff. Neither holds personal data.
    :param may_have_arrived: the line broke after the content began to flow, so the server may have it.
    """

    outcome: Outcome
    code: str = ""
    reason: str = ""
    may_have_arrived: bool = False


class Courier:
    """
    One connection for many mails, opened with the first and closed at the end of the `with` block.

    A connection that breaks is opened anew for the next mail.
    """

    def __init__(self) -> None:
        self._connection: Any = None  # a Django mail backend; its protocol is not declared anywhere
        self._content_began = False

    def __enter__(self) -> Courier:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            try:
                self._connection.close()
            except (smtplib.SMTPException, OSError) as error:
                # The mails are with the server already; a failing farewell changes nothing.
                log.info("mail_connection_not_closed", error=type(error).__name__)
                self._drop()
            self._connection = None

    def send(self, mail: EmailMessage) -> Result:
        """Hand one mail to the server. Never raises: the result says what happened."""
        if self._connection is None:
            try:
                self._open()
            except (smtplib.SMTPException, OSError) as error:
                return self._unreachable(error)
        self._content_began = False
        try:
            taken = self._connection.send_messages([mail])
        except smtplib.SMTPRecipientsRefused as error:
            return _refused("recipient", max(code for code, _ in error.recipients.values()))
        except smtplib.SMTPDataError as error:
            return _refused("content", error.smtp_code)
        except smtplib.SMTPSenderRefused as error:
            # Our own address is refused: a fault of ours, which people mend.
            return Result(
                Outcome.PUT_OFF, "sender_refused", f"The server refused our address ({error.smtp_code})."
            )
        except (smtplib.SMTPException, OSError) as error:
            return self._broken(error)
        except ValueError as error:
            log.warning("mail_not_addressable", error=type(error).__name__)
            return Result(Outcome.REFUSED, "invalid_address", "The mail cannot be addressed.")
        if not taken:
            return Result(Outcome.PUT_OFF, "not_taken", "The mail system did not take the mail.")
        return Result(Outcome.SENT)

    def _open(self) -> None:
        self._connection = connection = get_connection()
        connection.open()
        line = getattr(connection, "connection", None)
        if isinstance(line, smtplib.SMTP):
            self._watch(line)

    def _watch(self, line: smtplib.SMTP) -> None:
        """Note when content begins to flow: from there on, a break leaves open whether the mail arrived."""
        send_content = line.data

        def data(msg: Any) -> Any:
            self._content_began = True
            return send_content(msg)

        line.data = data  # type: ignore[method-assign]  # on this one connection only

    def _broken(self, error: Exception) -> Result:
        log.info("mail_connection_lost", error=type(error).__name__, content_began=self._content_began)
        self._drop()
        return Result(
            Outcome.PUT_OFF,
            "connection_lost",
            "The connection to the mail server broke off.",
            may_have_arrived=self._content_began,
        )

    def _unreachable(self, error: Exception) -> Result:
        log.warning("mail_server_unreachable", error=type(error).__name__)
        self._drop()
        if isinstance(error, smtplib.SMTPAuthenticationError):
            return Result(Outcome.UNREACHABLE, "login_refused", "The mail server refused our login.")
        return Result(Outcome.UNREACHABLE, "unreachable", "The mail server did not answer.")

    def _drop(self) -> None:
        """Close without a farewell: a server that hangs would make us wait for its answer."""
        for name in ("connection", "_partial_connection"):  # the second, if it broke while it was opened
            line = getattr(self._connection, name, None)
            if isinstance(line, smtplib.SMTP):
                line.close()
        self._connection = None


def _refused(what: str, code: int) -> Result:
    reason = f"The mail server refused the {what} ({code})."
    if code in _PERMANENT:
        return Result(Outcome.REFUSED, f"{what}_refused", reason)
    return Result(Outcome.PUT_OFF, f"{what}_put_off", reason)
