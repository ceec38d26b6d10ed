from django.urls import path

from sessions_app.pages import devices, views

app_name = "sessions_app"

urlpatterns = [
    path("stay", views.StayPage.as_view(), name="stay"),
    path("sessions", views.SessionListPage.as_view(), name="list"),
    path("sessions/end-others", views.EndOthersPage.as_view(), name="end-others"),
    path("sessions/<uuid:session_id>/end", views.EndSessionPage.as_view(), name="end"),
    path("devices", devices.DeviceListPage.as_view(), name="devices"),
    path("devices/forget", devices.ForgetDevicesPage.as_view(), name="devices-forget"),
    path("devices/<uuid:device_id>/rename", devices.RenameDevicePage.as_view(), name="device-rename"),
    path("devices/<uuid:device_id>/forget", devices.ForgetDevicePage.as_view(), name="device-forget"),
]
