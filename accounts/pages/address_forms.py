"""The form of a change of address."""

from django.utils.translation import gettext_lazy

from accounts.pages.forms import EmailAddressField, PageForm


class ChangeAddressForm(PageForm):
    new_email = EmailAddressField(
        autocomplete="email",
        label=gettext_lazy("New email address"),
        help_text=gettext_lazy("We send a link there to confirm it."),
    )
    main_field = "new_email"
