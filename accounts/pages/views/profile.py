from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.utils.translation import gettext as _

from accounts.pages.forms import PageForm
from accounts.pages.profile_forms import NameForm
from accounts.pages.steps import FormPage, OwnChange, see_other
from accounts.services import profile
from gatehouse import limits


class ChangeName(OwnChange, FormPage):
    template_name = "accounts/change_name.html"
    form_class = NameForm

    def make_form(self, data: QueryDict | None = None) -> PageForm:
        return NameForm(data, initial={"display_name": self.principal.user.display_name})

    def act(self, form: PageForm) -> HttpResponse:
        principal = self.principal
        limits.take(self.request, ("acts_account", str(principal.user.pk)))
        profile.change_name(
            user=principal.user,
            session=principal.session,
            name=form.cleaned_data["display_name"],
            client=self.client,
        )
        messages.success(self.request, _("Your name is saved."))
        return see_other("accounts:security")
