"""The pages of the development mailbox. They are wired in development alone."""

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from config.devmail import mailbox


@never_cache
@require_safe
def mail_list(request: HttpRequest) -> HttpResponse:
    return render(request, "dev/mail_list.html", {"mails": mailbox.mails()})


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


def _mail(mail_id: str) -> mailbox.KeptMail:
    mail = mailbox.find(mail_id)
    if mail is None:
        raise Http404
    return mail
