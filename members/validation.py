"""
Fields that take what a request says and nothing else.

Django REST framework is generous: "5", 5.0 and "1_000" pass its IntegerField, "yes" its BooleanField, and
unknown fields are dropped in silence. With money and people that goodwill ends in surprises, so these fields
refuse. All codes are stable: `required`, `invalid`, `unknown_field` and those of the field that says more.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from rest_framework import serializers

from members import addresses

_DIGITS = re.compile(r"[0-9]+(?:[ -][0-9]+)*")
# Characters that change how the text around them is shown: a name must not be able to do that.
_INVISIBLE = frozenset("\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2060\ufeff") | frozenset(
    chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
)
_MOST_MARKS = 4  # combining marks on one letter; no living script needs more


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer that refuses fields that it does not know, naming them."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if data is None:  # DRF's own message for it is no sentence
            raise serializers.ValidationError(
                {"non_field_errors": [serializers.ErrorDetail("Send one JSON object.", "invalid")]}
            )
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            unknown = [str(name) for name in data if name not in self.fields]
            if unknown:
                known = ", ".join(self.fields)
                raise serializers.ValidationError(
                    {
                        name: [
                            serializers.ErrorDetail(
                                f"There is no such field. The fields are: {known}.", "unknown_field"
                            )
                        ]
                        for name in (_printable(name) for name in unknown[:10])
                    }
                )
        return super().to_internal_value(data)


def _printable(name: str) -> str:
    return name if len(name) <= 40 and re.fullmatch(r"[A-Za-z0-9_.-]+", name) else "body"


class IntegerField(serializers.IntegerField):
    """A JSON integer: no text, no float, no true or false."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            raise serializers.ValidationError(
                "Send a whole number, without quotes and without a point.", "invalid"
            )
        return data


class FlagField(serializers.BooleanField):
    """JSON's true or false."""

    def to_internal_value(self, data: Any) -> bool:
        if type(data) is not bool:
            raise serializers.ValidationError("Send true or false.", "invalid")
        return data


class WordField(serializers.CharField):
    """A JSON text that is one of the given words, to the letter."""

    def __init__(self, *, words: list[str], **kwargs: Any) -> None:
        self.words = words
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or data not in self.words:
            raise serializers.ValidationError(f"Send one of: {', '.join(self.words)}.", "invalid")
        return data


class TextField(serializers.CharField):
    """
    A short line of text by a person: no control or direction characters, nothing that looks like a card number.

    An empty text stands for none.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("allow_blank", True)
        super().__init__(trim_whitespace=True, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("Send a text.", "invalid")
        text = data.strip(" ")
        if self.max_length is not None and (
            len(text) > self.max_length or len(text.encode()) > 4 * self.max_length
        ):
            raise serializers.ValidationError(f"Send {self.max_length} characters at most.", "invalid")
        if any(unicodedata.category(character) in ("Cc", "Cs", "Cn", "Zl", "Zp") for character in text):
            raise serializers.ValidationError("The text holds characters that cannot be shown.", "invalid")
        if _INVISIBLE.intersection(text) or _piles_marks(text):
            raise serializers.ValidationError("The text holds characters that cannot be seen.", "invalid")
        if _holds_card_number(text):
            raise serializers.ValidationError("Never write a card number here.", "invalid")
        return text


def name_or_nothing(text: str, *, longest: int = 100) -> str:
    """A name that other software kept, if it is one that we would take; else none."""
    try:
        return TextField(max_length=longest).to_internal_value(text)
    except serializers.ValidationError:
        return ""


def _piles_marks(text: str) -> bool:
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks > _MOST_MARKS:
            return True
    return False


def _holds_card_number(text: str) -> bool:
    """Whether some groups of digits that follow each other make a card number; digits of every script count."""
    for run in _DIGITS.findall(unicodedata.normalize("NFKC", text)):
        groups = re.split(r"[ -]", run)
        for first in range(len(groups)):
            for last in range(first + 1, len(groups) + 1):
                if _is_card_number("".join(groups[first:last])):
                    return True
    return False


def _is_card_number(text: str) -> bool:
    """Whether the digits pass Luhn's check, as every card number does."""
    digits = [int(character) for character in text if character in "0123456789"]
    doubled = [
        digit if place % 2 == 0 else sum(divmod(2 * digit, 10))
        for place, digit in enumerate(reversed(digits))
    ]
    return 13 <= len(digits) <= 19 and sum(doubled) % 10 == 0


class AddressField(serializers.CharField):
    """An e-mail address that we can write to, normalised. An empty text stands for none."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("Send a text.", "invalid")
        if data == "":
            return ""
        try:
            return addresses.normalise(data)
        except addresses.InvalidAddress as error:
            raise serializers.ValidationError(str(error), "invalid") from error


class LocaleField(serializers.CharField):
    """A language tag, such as "ru" or "pt-BR". Any is taken; texts that we do not have come in English."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or not re.fullmatch(
            r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,2}", data, re.ASCII
        ):
            raise serializers.ValidationError("Send a language tag, such as en or pt-BR.", "invalid")
        return data[:16]
