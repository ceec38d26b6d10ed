from django.urls import path

from accounts.api.views import disavowal, passwords, registration, sign_in

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
    path("me/password", passwords.ChangeView.as_view(), name="password-change"),
]
