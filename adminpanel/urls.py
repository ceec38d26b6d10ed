"""The pages of enrolment, mounted under /account/enrol/; the staff area itself is a site (sites.py)."""

from django.urls import path

from adminpanel import enrolment

app_name = "adminpanel"
urlpatterns = [
    path("password", enrolment.SetPassword.as_view(), name="enrol-password"),
    path("app", enrolment.SetUpApp.as_view(), name="enrol-app"),
    path("app/qr.svg", enrolment.QrCode.as_view(), name="enrol-qr"),
    path("codes", enrolment.RecoveryCodes.as_view(), name="enrol-codes"),
    path("codes/download", enrolment.DownloadCodes.as_view(), name="enrol-download"),
    path("<str:token>", enrolment.EnrolLink.as_view(), name="enrol"),
]
