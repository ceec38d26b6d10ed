"""The app's configuration: where receivers and checks are wired, and nowhere else."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Who you are: users, roles, credentials, factors."""

    name = "accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Wire the receivers and the checks."""
        from accounts import checks, receivers, schema  # noqa: F401
        from sessions_app.signals import security_event

        security_event.connect(receivers.mail_about_session, dispatch_uid="accounts.mails")
