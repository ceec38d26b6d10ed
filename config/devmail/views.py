"""The pages of the development mailbox. They are wired in development alone."""

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from config.devmail import mailbox

_ALONE = ("code", "link")  # what ?show= may ask for


@never_cache
@require_safe
def mail_list(request: HttpRequest) -> HttpResponse:
    return render(request, "dev/mail_list.html", {"mails": mailbox.mails()})


@never_cache
@require_safe
def latest(request: HttpRequest) -> HttpResponse:
    """Return the newest mail as JSON, for scripts: ``to`` picks its reader, ``show=code`` or ``link`` a part."""
    reader, show = request.GET.get("to", "").casefold(), request.GET.get("show", "")
    for mail in mailbox.mails():
        if reader not in mail.to.casefold():
            continue
        if show not in _ALONE:
            return JsonResponse(facts(mail))
        if text := getattr(mail, show):
            return HttpResponse(f"{text}\n", "text/plain")
    raise Http404


@never_cache
@require_safe
def mail_detail(request: HttpRequest, mail_id: str) -> HttpResponse:
    return render(request, "dev/mail_detail.html", {"mail": _mail(mail_id)})


# mails carry their styles in themselves
@method_decorator([never_cache, csp_update({"style-src": [SELF, UNSAFE_INLINE]})], name="dispatch")
class MailHtmlView(View):
    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, mail_id: str) -> HttpResponse:
        return HttpResponse(_mail(mail_id).html)


def facts(mail: mailbox.KeptMail) -> dict[str, str]:
    """Return what a script reads of a mail."""
    return {name: getattr(mail, name) for name in ("id", "sent_at", "to", "subject", "code", "link", "text")}


def _mail(mail_id: str) -> mailbox.KeptMail:
    mail = mailbox.find(mail_id)
    if mail is None:
        raise Http404
    return mail
