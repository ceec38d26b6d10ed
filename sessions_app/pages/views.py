from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.db.models import prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render, resolve_url
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views import View
from django.views.decorators.cache import never_cache

from gatehouse import limits
from gatehouse.client import client_of
from gatehouse.cursors import InvalidCursorError
from gatehouse.headers import CLEAR_SITE_DATA
from gatehouse.pages import SeeOther, safe_next
from gatehouse.problems import Problem
from sessions_app import browser
from sessions_app import services as sessions
from sessions_app.models import Session
from sessions_app.pages.words import described
from sessions_app.paging import page_of

PAGE_SIZE = 50


@method_decorator(never_cache, name="dispatch")
class SessionListPage(LoginRequiredMixin, View):
    def get(self, request: HttpRequest) -> HttpResponse:
        current, now = current_of(request), timezone.now()
        try:
            page = page_of(
                user=request.user,
                current_id=current.pk,
                now=now,
                limit=PAGE_SIZE,
                cursor=request.GET.get("cursor"),
            )
        except InvalidCursorError:
            raise Http404 from None
        prefetch_related_objects(page.rows, "device")  # the names that its owner gave
        context: dict[str, Any] = {
            "sessions": [described(session, current=current) for session in page.rows],
            "page": page,
            "has_others": any(session.pk != current.pk for session in page.rows),
        }
        return render(request, "sessions_app/session_list.html", context)


@method_decorator(never_cache, name="dispatch")
class EndSessionPage(LoginRequiredMixin, View):
    def get(self, request: HttpRequest, session_id: UUID) -> HttpResponse:
        current = current_of(request)
        session = (
            Session.objects.live(timezone.now())
            .for_user(request.user)
            .select_related("device")
            .filter(pk=session_id)
            .first()
        )
        if session is None:
            raise Http404
        return render(request, "sessions_app/session_end.html", {"shown": described(session, current=current)})

    def post(self, request: HttpRequest, session_id: UUID) -> HttpResponse:
        current = current_of(request)
        ended = sessions.end_own(user=request.user, session_id=session_id, current=current, client=client_of(request))
        if session_id == current.pk:
            browser.sign_out(request)
            messages.success(request, _("You are signed out."))
            return SeeOther(resolve_url(settings.LOGIN_URL), headers={"Clear-Site-Data": CLEAR_SITE_DATA})
        said = _("The session was signed out.") if ended else _("That session had already ended.")
        messages.success(request, said)
        return SeeOther(resolve_url("sessions_app:list"))


@method_decorator(never_cache, name="dispatch")
class EndOthersPage(LoginRequiredMixin, View):
    def get(self, request: HttpRequest) -> HttpResponse:
        others = Session.objects.live(timezone.now()).for_user(request.user).exclude(pk=current_of(request).pk)
        return render(request, "sessions_app/session_end_others.html", {"count": others.count()})

    def post(self, request: HttpRequest) -> HttpResponse:
        count = sessions.end_others(current=current_of(request), client=client_of(request))
        said = ngettext("%(count)s other session was signed out.", "%(count)s other sessions were signed out.", count)
        messages.success(request, said % {"count": count})
        return SeeOther(resolve_url("sessions_app:list"))


@method_decorator(never_cache, name="dispatch")
class StayPage(LoginRequiredMixin, View):
    """Begin the idle time anew; a script that asks is told how many seconds there are, a form goes back to its page."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        current, now = current_of(request), timezone.now()
        limits.take(request, ("acts_account", str(current.user_id)))
        sessions.stay(current, client_of(request), now)
        if request.accepts("text/html"):
            return SeeOther(safe_next(request, resolve_url(settings.LOGIN_REDIRECT_URL)))
        return JsonResponse({"seconds_left": int((current.expires_at - now).total_seconds())})


def current_of(request: HttpRequest) -> Session:
    """Return the session at hand; a user that another middleware signed in has none."""
    principal = getattr(request, "principal", None)
    if principal is None:
        raise Problem("not_authenticated")
    current: Session = principal.session
    return current
