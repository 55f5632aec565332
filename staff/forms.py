"""What staff type to get in, and why they want to see somebody."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password

from members import audit
from staff import locks


class SignInForm(AdminAuthenticationForm):
    """Name and password. What is wrong, or that the account is closed for a while, it does not say."""

    def __init__(self, request: Any = None, *args: Any, now: Any = None, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self._now = now

    def clean(self) -> dict[str, Any]:
        name = self.cleaned_data.get("username") or ""
        user = get_user_model().objects.filter(username=name).first()
        if user is not None and locks.is_locked(user, now=self._now):
            make_password(self.cleaned_data.get("password") or "")  # as long as looking would take
            self._refused(user)
            raise self.get_invalid_login_error()
        try:
            return super().clean()
        except forms.ValidationError:
            self._refused(user)
            if user is not None:
                locks.note_wrong(user, "wrong_passwords", now=self._now)
            raise

    def _refused(self, user: Any) -> None:
        """Which account was tried, if there is one; what was typed is written down nowhere."""
        audit.record(
            actor=audit.UNKNOWN,
            act=audit.Act.PASSWORD_REFUSED,
            subject=f"auth.user:{user.pk}" if user is not None else "",
            now=self._now,
        )


class CodeForm(forms.Form):
    """A code of the app, or a recovery code."""

    code = forms.CharField(
        label="Code",
        max_length=40,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "one-time-code",
                "inputmode": "text",
                "autofocus": True,
                "spellcheck": "false",
            }
        ),
    )


class RevealForm(forms.Form):
    """Why somebody needs to see it."""

    why = forms.CharField(
        label="Why do you need to see it?",
        max_length=500,
        widget=forms.TextInput(attrs={"autofocus": True, "size": 60}),
    )
