"""The forms in which somebody says something of themselves."""

from django import forms
from django.core.validators import MaxLengthValidator
from django.utils.translation import gettext_lazy

from accounts import lengths
from accounts.pages.forms import PageForm
from gatehouse.text import validate_text

_TOO_LONG = gettext_lazy("Use 100 characters or fewer")


class NameForm(PageForm):
    """A name of up to so many characters; the browser is not told how many, since it would cut what is pasted."""

    display_name = forms.CharField(
        required=False,
        label=gettext_lazy("Your name"),
        help_text=gettext_lazy("What we call you. You may leave it empty."),
        widget=forms.TextInput(attrs={"autocomplete": "name", "spellcheck": "false"}),
        validators=[
            validate_text,
            MaxLengthValidator(lengths.DISPLAY_NAME, _TOO_LONG),
        ],
    )
    main_field = "display_name"
