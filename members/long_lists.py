"""
Admin lists that cost the same however long they are.

Django's own count every row, ask for all values that a column has, look for a term in any case and sort by any column:
each of them reads the whole table. These count to a limit, offer what recent rows have, look a term up as it stands,
and sort along an index. Older rows are reached by date, filter or search. See docs/decisions/0048.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, reduce
from typing import Any, ClassVar

from django.contrib.admin import FieldListFilter, ShowFacets
from django.contrib.admin.utils import get_fields_from_path
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest

COUNTED = 1000  # rows; whoever wants to see more of them says which
RECENT = 1000


class LimitedPaginator(Paginator[Any]):
    """Pages of the first `COUNTED` rows; the rest is neither counted nor reached by turning pages."""

    @cached_property
    def _counted(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[: COUNTED + 1].count())

    @cached_property
    def count(self) -> int:
        return min(self._counted, COUNTED)

    @property
    def is_cut(self) -> bool:
        """Whether there are more rows than are counted."""
        return self._counted > COUNTED


class LongList:
    """
    A mixin for an admin class whose table grows with the number of readers.

    `exact_fields` are what a term is looked up in, whole and as it stands; each needs an index. Columns are sorted by
    where `sorted_by` says that there is an index.
    """

    paginator: Any = LimitedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    exact_fields: ClassVar[Sequence[str]] = ()
    sorted_by: ClassVar[Sequence[str]] = ()

    def is_of_dates(self, request: HttpRequest) -> bool:
        """Whether the list shows a year, a month or a day alone."""
        return f"{self.date_hierarchy}__year" in request.GET  # type: ignore[attr-defined]  # Django's

    def get_sortable_by(self, request: HttpRequest) -> Any:
        return self.sorted_by

    def get_search_fields(self, request: HttpRequest) -> Any:
        """Whether there is a field to type into; `get_search_results` says what is searched."""
        return self.exact_fields or super().get_search_fields(request)  # type: ignore[misc]  # Django's

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """
        Rows of which one of the exact fields is the term.

        Each field is asked apart: for an OR over several tables PostgreSQL reads all of them.
        """
        term = search_term.strip()
        if not term or not self.exact_fields:
            return queryset, False
        model = queryset.model
        found = [
            model._default_manager.filter(condition).order_by().values("pk")
            for name in self.exact_fields
            for condition in self.exactly(model, name, term)
        ]
        if not found:
            return queryset.none(), False
        return queryset.filter(pk__in=reduce(lambda one, other: one.union(other, all=True), found)), False

    def exactly(self, model: Any, name: str, term: str) -> Iterator[Q]:
        """The condition for one field; none if the field cannot hold the term at all."""
        try:
            get_fields_from_path(model, name)[-1].to_python(term)
        except ValidationError:
            return
        if "\x00" not in term:
            yield Q(**{name: term})

    def response_action(self, request: HttpRequest, queryset: Any, *more: Any, **named: Any) -> Any:
        """“Select all” means those that were counted, as the page says."""
        if request.POST.get("select_across") == "1":
            chosen = list(queryset.values_list("pk", flat=True)[:COUNTED])
            queryset = queryset.model._default_manager.filter(pk__in=chosen)
        return super().response_action(request, queryset, *more, **named)  # type: ignore[misc]  # Django's


def few_values(known: Callable[[], Iterable[tuple[str, str]]] | None = None) -> type[FieldListFilter]:
    """
    A list filter for a column with few values: those that the newest `RECENT` rows have.

    :param known: says which are offered as well, each with its name, because they are rare and have an index.
    """

    class FewValues(FieldListFilter):
        def __init__(
            self, field: Any, request: HttpRequest, params: Any, model: Any, model_admin: Any, field_path: str
        ) -> None:
            self.lookup_kwarg = field_path
            super().__init__(field, request, params, model, model_admin, field_path)
            chosen = params.get(self.lookup_kwarg) or self.used_parameters.get(self.lookup_kwarg)
            self.chosen = chosen[-1] if isinstance(chosen, list) else chosen
            named = dict(known()) if known else {}
            self.values = sorted({**dict(self._recent(model, field_path)), **named}.items())
            if self.chosen and self.chosen not in dict(self.values):
                self.values.append((str(self.chosen), str(self.chosen)))

        @staticmethod
        def _recent(model: Any, name: str) -> list[tuple[str, str]]:
            newest = model._default_manager.order_by("-pk").values_list(name, flat=True)[:RECENT]
            return [(value, value) for value in set(newest) - {"", None}]

        def expected_parameters(self) -> list[str | None]:
            return [self.lookup_kwarg]

        def has_output(self) -> bool:
            return bool(self.values)

        def choices(self, changelist: Any) -> Iterator[Any]:
            yield {
                "selected": not self.chosen,
                "query_string": changelist.get_query_string(remove=[self.lookup_kwarg]),
                "display": "All",
            }
            for value, name in self.values:
                yield {
                    "selected": self.chosen == value,
                    "query_string": changelist.get_query_string({self.lookup_kwarg: value}),
                    "display": name,
                }

    return FewValues
