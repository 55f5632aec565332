"""Pages for development: the mailbox of the demo, and each kind of mail with made-up contents."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from members import emails, mailbox, samples

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Concatenate, ParamSpec

    _P = ParamSpec("_P")

# A mail brings its own styles; these pages bring none and run no script. The mail itself is shown in a
# sandboxed frame, which inherits this policy.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'self'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def development_only(
    view: Callable[Concatenate[HttpRequest, _P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, _P], HttpResponse]:
    """404 unless settings.DEV_PAGES is on, and a policy that lets a mail show its own styles."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: _P.args, **kwargs: _P.kwargs) -> HttpResponse:
        if not settings.DEV_PAGES:
            raise Http404
        response = view(request, *args, **kwargs)
        response["Content-Security-Policy"] = _POLICY
        return response

    return guarded


@require_GET
@development_only
def mailbox_list(request: HttpRequest) -> HttpResponse:
    """All mails of the demo, the newest first."""
    return render(
        request, "members/mailbox.html", {"letters": [mailbox.read(name) for name in mailbox.names()]}
    )


@require_GET
@development_only
def mailbox_letter(request: HttpRequest, name: str) -> HttpResponse:
    """One mail: HTML part, text part and headers."""
    try:
        letter = mailbox.read(name)
    except FileNotFoundError:
        raise Http404 from None
    return render(request, "members/letter.html", {"letter": letter, "html": _for_frame(letter.html)})


@require_GET
@development_only
def mail_samples(request: HttpRequest) -> HttpResponse:
    """Which kinds of mail there are, in which languages."""
    languages = [code for code, _ in settings.LANGUAGES]
    return render(request, "members/samples.html", {"kinds": sorted(emails.KINDS), "languages": languages})


@require_GET
@development_only
def mail_sample(request: HttpRequest, kind: str, locale: str) -> HttpResponse:
    """One kind of mail in one language, with made-up contents and marked as a sample."""
    if kind not in emails.KINDS or locale not in dict(settings.LANGUAGES):
        raise Http404
    subject, text, html = emails.write(kind=kind, context=samples.context(kind, locale), locale=locale)
    letter = mailbox.Letter(
        name="", kind=kind, date=None, headers=[("Subject", subject)], text=text, html=html
    )
    shown = {"letter": letter, "html": _for_frame(html), "sample": True, "locale": locale}
    return render(request, "members/letter.html", shown)


def _for_frame(html: str) -> str:
    """Links open beside the mailbox, not inside its frame."""
    return html.replace("<head>", '<head><base target="_blank">', 1)
