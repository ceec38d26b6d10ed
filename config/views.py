"""The deployment's own pages: the way in, the types of problems, well-known names, the API's description."""

from datetime import timedelta
from email.utils import parseaddr

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularSwaggerSplitView

from gatehouse.conf import app_settings
from gatehouse.problems import PROBLEMS, Problem

SECURITY_TXT_LIFE = timedelta(days=180)


@require_safe
def home(request: HttpRequest) -> HttpResponseRedirect:
    """Lead to one's own account, or to the sign-in."""
    return redirect("accounts:security" if request.user.is_authenticated else "accounts:login")


@require_safe
def problem_type(request: HttpRequest, code: str) -> HttpResponse:
    """Explain one code of the API's problems; its address is the problem's ``type``."""
    if code not in PROBLEMS:
        raise Http404
    kind = PROBLEMS[code]
    problem = {"code": code, "status": kind.status, "title": kind.title, "detail": kind.detail}
    return render(request, "problems/detail.html", {"problem": problem})


@csrf_exempt
def unknown_api_path(request: HttpRequest, rest: str) -> HttpResponse:
    """Answer whatever the API has no path for, by any method, as the problem it is."""
    raise Problem("not_found")


@require_safe
def change_password(request: HttpRequest) -> HttpResponseRedirect:
    """Lead password managers to the page where a password is changed."""
    return redirect("accounts:password-change")


@require_safe
def security_txt(request: HttpRequest) -> HttpResponse:
    """Say where to report a weakness (RFC 9116)."""
    site = app_settings()
    expires = (timezone.now() + SECURITY_TXT_LIFE).replace(hour=0, minute=0, second=0, microsecond=0)
    lines = [
        f"Contact: {security_contact()}",
        f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}",
        "Preferred-Languages: en",
        f"Canonical: {site.url('/.well-known/security.txt')}",
    ]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")


def security_contact() -> str:
    """Return the address of ``Contact``: its own setting, else support, else the sender of mails."""
    named = str(settings.SECURITY_CONTACT) or app_settings().SUPPORT_URL
    return named or f"mailto:{parseaddr(settings.DEFAULT_FROM_EMAIL)[1]}"


# Swagger's viewer styles elements by attribute and draws its icons from data: addresses. Scripts stay files.
@method_decorator(csp_update({"style-src": [SELF, UNSAFE_INLINE], "img-src": [SELF, "data:"]}), name="dispatch")
class ApiDocsView(SpectacularSwaggerSplitView):
    """The page of the API's description, with every asset served from here."""
