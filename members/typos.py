"""
Domains of mail providers as fingers miss them, so that a reader can be asked "did you mean gmail.com?".

Only a table: nobody else is asked, and what is suggested depends on nothing but what was typed. The address is
taken as it is, for somebody may well own such a domain.
"""

from __future__ import annotations

_MISSED = {
    "gmail.com": "gmial.com gmai.com gmil.com gmal.com gamil.com gnail.com gmaill.com ggmail.com gmaul.com gmeil.com "
    "gmail.con gmail.co gmail.cm gmail.cmo gmail.ocm gmail.comm gmail.om gmail.vom gmail.xom gmail.ru",
    "googlemail.com": "googlemail.con googelmail.com googlemial.com",
    "hotmail.com": "hotmial.com hotmai.com hotmal.com hotmil.com hotamil.com homail.com hotmaill.com hotmail.con "
    "hotmail.co hotmail.cm",
    "outlook.com": "outlok.com outloook.com outllook.com outlook.con outlook.co oulook.com",
    "icloud.com": "iclod.com icoud.com iclould.com icloud.con icloud.co icluod.com",
    "yahoo.com": "yaho.com yahooo.com yhoo.com yahho.com yahoo.con yahoo.cm",
    "proton.me": "porton.me protn.me proton.mee",
    "protonmail.com": "protonmial.com protonmai.com protonmail.con protonmal.com",
    "mail.ru": "mial.ru maill.ru mail.rru mail.ri mai.ru",
    "yandex.ru": "yandx.ru yandes.ru yandex.rru yadnex.ru yandex.ri",
    "rambler.ru": "ramler.ru rambler.rru",
    "gmx.de": "gmx.dee gmxx.de",
    "web.de": "web.dee webb.de",
}
_MEANT = {missed: meant for meant, line in _MISSED.items() for missed in line.split()}


def meant(domain: str) -> str:
    """
    The provider's domain that somebody who typed this one probably meant; "" if it looks like no slip.

    >>> meant("gmial.com"), meant("example.org")
    ('gmail.com', '')
    """
    return _MEANT.get(domain.lower(), "")
