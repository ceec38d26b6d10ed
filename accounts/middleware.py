"""Asking for the terms after a sign-in on the pages, before anything else (docs/consents.md)."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts.pages import asking
from accounts.pages.steps import SignedInOnly, see_other

_PAGES = (SignedInOnly, LoginRequiredMixin)
_OPEN = {"sessions_app:stay"}


class TermsMiddleware:
    """Lead whoever has yet to agree to the terms to the page that asks, from every page for people who are signed in.

    1. Asked is whoever signed in while they were due; sessions that were open when they changed go on undisturbed.
    2. A page that says ``before_terms = True`` stays open: signing out, what was agreed to, deleting the account and
       keeping it, proving oneself again.
    3. The API and the staff area are not behind this; neither are pages that anybody may see.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], _args: Any, _kwargs: Any
    ) -> HttpResponseBase | None:
        """Answer in place of a page that has to wait."""
        page = getattr(view, "view_class", None)
        if page is None or not issubclass(page, _PAGES) or getattr(page, "before_terms", False):
            return None
        match = request.resolver_match
        if (match is not None and match.view_name in _OPEN) or not asking.is_waiting(request):
            return None
        return see_other("accounts:consents-terms", next=request.get_full_path() if request.method == "GET" else "")
