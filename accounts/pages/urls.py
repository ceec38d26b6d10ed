"""The pages of an account, mounted under /account/."""

from django.urls import path

from accounts.pages.views import disavowal, passwords, plain, reauthentication, registration, security, sign_in

app_name = "accounts"
urlpatterns = [
    path("signup", registration.SignUp.as_view(), name="signup"),
    path("check-email", registration.CheckEmail.as_view(), name="check-email"),
    path("verify/resend", registration.Resend.as_view(), name="resend"),
    path("verify/confirm", registration.VerifyConfirm.as_view(), name="verify-confirm"),
    path("verify/<str:token>", registration.VerifyLink.as_view(), name="verify"),
    path("login", sign_in.SignIn.as_view(), name="login"),
    path("otp", sign_in.EnterCode.as_view(), name="otp"),
    path("otp/method", sign_in.ChooseMethod.as_view(), name="otp-method"),
    path("otp/resend", sign_in.ResendCode.as_view(), name="otp-resend"),
    path("otp/recovery", sign_in.EnterRecoveryCode.as_view(), name="recovery"),
    path("otp/cancel", sign_in.CancelSignIn.as_view(), name="otp-cancel"),
    path("password/reset", passwords.Forgot.as_view(), name="password-reset"),
    path("password/reset/sent", passwords.ResetSent.as_view(), name="password-reset-sent"),
    path("password/reset/new", passwords.SetPassword.as_view(), name="password-reset-new"),
    path("password/reset/<str:token>", passwords.ResetLink.as_view(), name="password-reset-link"),
    path("password/change", passwords.ChangePassword.as_view(), name="password-change"),
    path("disavow/confirm", disavowal.DisavowConfirm.as_view(), name="disavow-confirm"),
    path("disavow/<str:token>", disavowal.DisavowLink.as_view(), name="disavow"),
    path("reauthenticate", reauthentication.Reauthenticate.as_view(), name="reauthenticate"),
    path("logout", sign_in.SignOut.as_view(), name="logout"),
    path("security", security.Security.as_view(), name="security"),
    path("terms", plain.Terms.as_view(), name="terms"),
    path("privacy", plain.Privacy.as_view(), name="privacy"),
    path("help", plain.Help.as_view(), name="help"),
]
