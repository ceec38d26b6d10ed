from uuid import UUID

from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views import View
from django.views.decorators.cache import never_cache

from gatehouse import limits
from gatehouse.client import client_of
from gatehouse.pages import SeeOther
from gatehouse.problems import Problem
from sessions_app import services as sessions
from sessions_app.models import Device
from sessions_app.pages.forms import DeviceNameForm
from sessions_app.pages.views import current_of
from sessions_app.pages.words import kind_of

REFUSED = 422


@method_decorator(never_cache, name="dispatch")
class DeviceListPage(LoginRequiredMixin, View):
    def get(self, request: HttpRequest) -> HttpResponse:
        current_id = current_of(request).device_id
        known = Device.objects.for_user(request.user).newest_first(current_id)
        rows = [{"device": one, "kind": kind_of(one), "is_current": one.pk == current_id} for one in known]
        return render(request, "sessions_app/device_list.html", {"rows": rows})


@method_decorator(never_cache, name="dispatch")
class RenameDevicePage(LoginRequiredMixin, View):
    def get(self, request: HttpRequest, device_id: UUID) -> HttpResponse:
        device = _own(request, device_id)
        return _rename_form(request, DeviceNameForm(initial={"name": device.called}), device)

    def post(self, request: HttpRequest, device_id: UUID) -> HttpResponse:
        form = DeviceNameForm(request.POST)
        current, client = current_of(request), client_of(request)
        if form.is_valid():
            limits.take(request, ("acts_account", str(current.user_id)))
            name = form.cleaned_data["name"]
            try:
                sessions.rename_device(current=current, device_id=device_id, name=name, client=client)
            except Problem as problem:
                if problem.code != "validation_failed":
                    raise
                form.refuse(problem)
            else:
                messages.success(request, _("The device has its new name."))
                return SeeOther(resolve_url("sessions_app:devices"))
        return _rename_form(request, form, _own(request, device_id), REFUSED)


@method_decorator(never_cache, name="dispatch")
class ForgetDevicePage(LoginRequiredMixin, View):
    def get(self, request: HttpRequest, device_id: UUID) -> HttpResponse:
        device = _own(request, device_id)
        is_current = device.pk == current_of(request).device_id
        return render(request, "sessions_app/device_forget.html", {"device": device, "is_current": is_current})

    def post(self, request: HttpRequest, device_id: UUID) -> HttpResponse:
        sessions.remove_device(current=current_of(request), device_id=device_id, client=client_of(request))
        messages.success(request, _("The device was forgotten."))
        return SeeOther(resolve_url("sessions_app:devices"))


@method_decorator(never_cache, name="dispatch")
class ForgetDevicesPage(LoginRequiredMixin, View):
    def get(self, request: HttpRequest) -> HttpResponse:
        current_of(request)
        count = Device.objects.for_user(request.user).count()
        return render(request, "sessions_app/device_forget_all.html", {"count": count})

    def post(self, request: HttpRequest) -> HttpResponse:
        count = sessions.remove_devices(user=current_of(request).user, client=client_of(request))
        said = ngettext("%(count)s device was forgotten.", "%(count)s devices were forgotten.", count)
        messages.success(request, said % {"count": count})
        return SeeOther(resolve_url("sessions_app:devices"))


def _own(request: HttpRequest, device_id: UUID) -> Device:
    device = Device.objects.for_user(current_of(request).user).filter(pk=device_id).first()
    if device is None:
        raise Http404
    return device


def _rename_form(request: HttpRequest, form: DeviceNameForm, device: Device, status: int = 200) -> HttpResponse:
    return render(request, "sessions_app/device_rename.html", {"form": form, "device": device}, status=status)
