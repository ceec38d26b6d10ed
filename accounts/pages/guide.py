"""What people are told of passwords and of their first minutes here: one source for the pages and ``docs/users/``.

Every number and every rule is read where it is enforced: the policy in ``accounts/passwords.py``, the table of limits,
the settings. What stands in curved quotes is the name of something on a page or of a mail.
"""

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts import passwords
from accounts.conf import app_settings
from accounts.pages.words import span
from gatehouse.conf import app_settings as site_settings
from gatehouse.limits import LIMITS
from sessions_app.conf import app_settings as session_settings


@dataclass(frozen=True)
class Section:
    """A heading, what is said below it, and a list: of steps where their order matters."""

    title: str
    said: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    are_steps: bool = False


def password_policy() -> list[Section]:
    """Return what a password must be, and what happens when it is wrong or forgotten."""
    return [_rules(), _advice(), _too_many_tries(), _forgotten()]


def getting_started() -> list[Section]:
    """Return what somebody needs in the first five minutes, in the order in which it is met."""
    return [_confirm(), _sign_in(), _trust(), _sign_out(), _rules(), _unexpected_mail(), _stuck()]


def welcome() -> str:
    """Return the sentence above getting_started()."""
    said = _("What happens once you have signed up at %(site)s, in the order in which you meet it.")
    return said % {"site": site_settings().SITE_NAME}


def _rules() -> Section:
    rules = tuple(f"{rule[:1].upper()}{rule[1:]}." for rule in passwords.policy().rules)
    return Section(_("What a password must be"), (), rules)


def _advice() -> Section:
    return Section(
        _("How to choose one"),
        (
            _("Length beats tricks: a few words that only you would put together are easy to remember, hard to guess."),
            _("Any character may be used, blanks and emoji too. Paste it, or let a password manager choose it."),
            _("Use it nowhere else. It does not run out: change it when you have a reason to."),
            _("We keep it as a hash only. Nobody here can read it, and nobody else can set it for you."),
        ),
    )


def _too_many_tries() -> Section:
    near, anywhere, codes = (LIMITS[name] for name in ("login_address_ip", "login_address", "code_account"))
    conf = app_settings()
    wrong = _("After %(near)d wrong passwords in %(near_span)s, or %(far)d in %(far_span)s from anywhere, we wait.")
    counts = {
        "near": near.scaled,
        "near_span": span(near.window),
        "far": anywhere.scaled,
        "far_span": span(anywhere.window),
    }
    challenge = ngettext(
        "A sign-in takes %(n)d wrong code, then it starts again.",
        "A sign-in takes %(n)d wrong codes, then it starts again.",
        conf.OTP_ATTEMPTS,
    )
    daily = _("An account takes %(n)d wrong codes in %(span)s.") % {"n": codes.scaled, "span": span(codes.window)}
    return Section(
        _("Too many tries"),
        (_("So that nobody can try passwords and codes until one fits, we stop reading them after a while."),),
        (
            wrong % counts,
            _("The page says until when. A new password, set by a mailed link, ends the wait."),
            challenge % {"n": conf.OTP_ATTEMPTS},
            daily,
            _("A device that you trust has tries of its own: nobody else can keep you out of your account there."),
        ),
    )


def _forgotten() -> Section:
    asked = LIMITS["reset_address"]
    life = {"span": span(app_settings().RESET_TTL)}
    often = {"n": asked.scaled, "span": span(asked.window)}
    return Section(
        _("When you forgot it"),
        (
            _("“Forgot your password?” on the sign-in page mails you a link that works once, for %(span)s.") % life,
            _("We mail at most %(n)d such links in %(span)s; the newest is the one that works.") % often,
            _("A new password signs every device out, and no device is trusted any more. A mail tells you of it."),
        ),
    )


def _confirm() -> Section:
    conf = app_settings()
    lasts = {"span": span(conf.VERIFY_TTL)}
    kept = {"span": span(conf.UNVERIFIED_KEPT)}
    return Section(
        _("Confirm your address"),
        (_("We mail you a link to see that the address is yours. Until then nobody can sign in."),),
        (
            _("Open the link and press “Confirm email address”. It works once, for %(span)s.") % lasts,
            _("No mail after some minutes? Look in the spam folder, then “Send another email”. The newest works."),
            _("You did not sign up? Do nothing. Without the link nobody gets in; after %(span)s all is removed.")
            % kept,
        ),
    )


def _sign_in() -> Section:
    steps = [_("Type your email address and your password.")]
    if app_settings().OTP_POLICY != "opt_in":
        steps.append(_code())
    steps.append(_("You are on “Your security”: where you are signed in, and what there is to do."))
    warning = _("Type your password and codes on our pages only. Nobody who works here ever asks you for them.")
    return Section(_("Sign in"), (warning,), tuple(steps), are_steps=True)


def _code() -> str:
    conf = app_settings()
    if conf.OTP_POLICY == "always":
        said = _("Type the code of %(n)d numbers that we mail you. It works for %(span)s, and only the newest does.")
    else:
        said = _("On a new device, type the code of %(n)d numbers that we mail you. It works for %(span)s.")
    return said % {"n": conf.OTP_LENGTH, "span": span(conf.OTP_TTL)}


def _trust() -> Section:
    lasts = {"span": span(session_settings().TRUST_TTL)}
    return Section(
        _("Trust a device that is yours"),
        (
            _("Beside the code you can tick “Do not ask again on this device for %(span)s”.") % lasts,
            _("Do so only where nobody else uses the device: from then on your password is enough there."),
            _("“Known devices” lists what your account was used from, and forgets a device that you have lost."),
        ),
    )


def _sign_out() -> Section:
    conf = session_settings()
    ends = {"idle": span(conf.PAGE_IDLE), "longest": span(conf.PAGE_ABSOLUTE)}
    return Section(
        _("Sign out"),
        (),
        (
            _("“Sign out” at the top of the page signs this device out at once, and no other."),
            _("“Devices and sessions” shows everywhere you are signed in, and ends each or all others from afar."),
            _("We sign you out after %(idle)s without a visit, and after %(longest)s in any case.") % ends,
            _("Unless you tick “Keep me signed in on this device”, closing most browsers signs you out, too."),
        ),
    )


def _unexpected_mail() -> Section:
    lasts = {"span": span(app_settings().DISAVOW_TTL)}
    return Section(
        _("A mail that you did not expect"),
        (),
        (
            _("A new device signed in and it was not you: press “This was not me” in the mail, within %(span)s.")
            % lasts,
            _("A code that you did not ask for: somebody has your password. Sign in, and change it."),
            _("A link for a new password that you did not ask for: nothing changes unless it is used. Delete it."),
            _("Your password was changed, and not by you: use “Forgot your password?” at once."),
            _("A mail that asks for a password or code, or leads to a strange site, is not ours. Type nothing there."),
        ),
    )


def _stuck() -> Section:
    return Section(
        _("When you are stuck"),
        (
            _("“Help” at the foot of every page says what to do when a mail, a code or a link does not work."),
            _("A mail about your account says when, from which device and which network address it was."),
        ),
    )
