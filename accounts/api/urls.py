from django.urls import path

from accounts.api.views import (
    activity,
    address,
    deletion,
    disavowal,
    export,
    factors,
    me,
    passwords,
    registration,
    sign_in,
)

app_name = "accounts_api"

urlpatterns = [
    path("auth/session", sign_in.SessionView.as_view(), name="session"),
    path("config", registration.ConfigView.as_view(), name="config"),
    path("auth/register", registration.RegisterView.as_view(), name="register"),
    path("auth/verify-email", registration.VerifyEmailView.as_view(), name="verify-email"),
    path("auth/verify-email/resend", registration.ResendView.as_view(), name="resend"),
    path("auth/login", sign_in.LoginView.as_view(), name="login"),
    path("auth/otp/send", sign_in.SendCodeView.as_view(), name="otp-send"),
    path("auth/otp/verify", sign_in.VerifyCodeView.as_view(), name="otp-verify"),
    path("auth/disavow", disavowal.DisavowView.as_view(), name="disavow"),
    path("auth/reauthenticate", sign_in.ReauthenticateView.as_view(), name="reauthenticate"),
    path("auth/password/forgot", passwords.ForgotView.as_view(), name="password-forgot"),
    path("auth/password/reset", passwords.ResetView.as_view(), name="password-reset"),
    path("me", me.MeView.as_view(), name="me"),
    path("users/me", me.MeView.as_view(), name="users-me"),
    path("me/factors", factors.FactorsView.as_view(), name="factors"),
    path("me/factors/totp", factors.TotpView.as_view(), name="totp"),
    path("me/factors/totp/<uuid:app_id>/confirm", factors.ConfirmTotpView.as_view(), name="totp-confirm"),
    path("me/factors/<uuid:app_id>", factors.FactorView.as_view(), name="factor"),
    path("me/recovery-codes", factors.RecoveryCodesView.as_view(), name="recovery-codes"),
    path("me/activity", activity.ActivityView.as_view(), name="activity"),
    path("me/consents", me.ConsentsView.as_view(), name="consents"),
    path("auth/deletion/undo", deletion.UndoView.as_view(), name="deletion-undo"),
    path("me/deletion", deletion.DeletionView.as_view(), name="deletion"),
    path("me/export", export.ExportsView.as_view(), name="exports"),
    path("me/export/<uuid:export_id>", export.ExportView.as_view(), name="export"),
    path("me/export/<uuid:export_id>/file", export.ExportFileView.as_view(), name="export-file"),
    path("me/email", address.ChangeView.as_view(), name="email-change"),
    path("me/email/pending", address.PendingView.as_view(), name="email-pending"),
    path("me/email/confirm", address.ConfirmView.as_view(), name="email-confirm"),
    path("me/password", passwords.ChangeView.as_view(), name="password-change"),
]
