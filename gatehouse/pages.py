"""What the pages of every app share: where to go next, and how an error is told."""

import re
from typing import NamedTuple

from django.http import HttpRequest, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme

_LONGEST = 2000
_SUSPECT = re.compile("[\\\\\\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ud800-\udfff]")


class SeeOther(HttpResponseRedirect):
    """Where a POST goes on: 303, so that reloading the next page repeats nothing."""

    status_code = 303


class SummaryItem(NamedTuple):
    """One line of the error summary: where it leads, and what it says."""

    id: str
    text: str


def safe_next(request: HttpRequest, default: str) -> str:
    """Return the path that the parameter ``next`` names, or *default* where it could lead anywhere else.

    1. Only a path on this origin is taken: it begins with one slash (ASVS 3.7.2).
    2. Backslashes, white space and control characters are refused before any parser sees them: browsers read some
       of them as a slash and drop others, so ``/<tab>/evil.test`` would leave the site.
    """
    target = request.POST.get("next") or request.GET.get("next") or ""
    return target if is_safe_path(target) else default


def is_safe_path(target: str) -> bool:
    """Whether *target* is a path on this origin in every browser's reading."""
    if not target.startswith("/") or target.startswith("//") or len(target) > _LONGEST or _SUSPECT.search(target):
        return False
    return url_has_allowed_host_and_scheme(target, allowed_hosts=None)
