"""The variables for every lifetime, limit, policy and the process itself: the second half of the table."""

from config.variables import SECTIONS as FIRST
from config.variables import Kind, Variable


def _duration(name: str, default: str, says: str, app: str, least: float = 1) -> Variable:
    return Variable(name=name, kind=Kind.DURATION, default=default, says=says, app=app, least=least)


def _trail(key: str, default: str, says: str) -> Variable:
    name = f"AUDIT_{key}"
    return Variable(name=name, kind=Kind.DURATION, default=default, says=says, app="AUDIT", key=key, least=3600)


def _number(name: str, default: str, says: str, app: str = "", least: float = 1) -> Variable:
    return Variable(name=name, kind=Kind.NUMBER, default=default, says=says, app=app, least=least)


SECTIONS: dict[str, tuple[Variable, ...]] = {
    **FIRST,
    "Sessions and tokens": (
        Variable(
            name="SIGNING_ALGORITHM",
            default="HS256",
            choices=("HS256", "EdDSA", "RS256"),
            app="SESSIONS",
            says="How tokens are signed, by keys that `manage.py keys generate` makes and a start makes by itself; "
            "with EdDSA or RS256 others may verify them by /.well-known/jwks.json.",
        ),
        _duration("ACCESS_TTL", "15m", "How long an access token lives.", "SESSIONS"),
        _duration("REFRESH_IDLE", "7d", "An API session ends after so long without a refresh.", "SESSIONS"),
        _duration("REFRESH_ABSOLUTE", "30d", "An API session ends after so long in any case.", "SESSIONS"),
        _duration(
            "REUSE_GRACE",
            "10s",
            "A refresh token that was just used answers alike for so long (0s to 10s).",
            "SESSIONS",
            0,
        ),
        _duration("PAGE_IDLE", "7d", "A browser session ends after so long without a visit.", "SESSIONS"),
        _duration("PAGE_ABSOLUTE", "30d", "A browser session ends after so long in any case.", "SESSIONS"),
        _duration("STAFF_IDLE", "30m", "A staff session ends after so long without a visit.", "SESSIONS"),
        _duration("STAFF_ABSOLUTE", "12h", "A staff session ends after so long in any case.", "SESSIONS"),
        _duration("REAUTH_TTL", "5m", "How long a fresh proof of identity counts for sensitive changes.", "SESSIONS"),
        _duration("TRUST_TTL", "30d", "How long a trusted device is not asked for a code.", "SESSIONS"),
        _number(
            "SESSION_LIMIT",
            "0",
            "How many sessions an account may have at once; one more ends the one unused for longest. 0: any number.",
            "SESSIONS",
            0,
        ),
    ),
    "Sign-up, codes and links": (
        Variable(
            name="SIGNUP_OPEN",
            kind=Kind.FLAG,
            default="true",
            app="ACCOUNTS",
            says="Whether anybody may create an account.",
        ),
        Variable(
            name="OTP_POLICY",
            default="always",
            choices=("always", "new_device", "opt_in"),
            app="ACCOUNTS",
            says="When a sign-in asks for a code.",
        ),
        _duration("OTP_TTL", "10m", "How long a mailed code is good.", "ACCOUNTS"),
        _number("OTP_ATTEMPTS", "5", "Wrong codes before a challenge is burnt.", "ACCOUNTS"),
        _number("OTP_SENDS", "5", "Codes mailed for one challenge at most.", "ACCOUNTS"),
        _duration("OTP_RESEND_AFTER", "60s", "The pause before another code may be asked for.", "ACCOUNTS", 0),
        _number("OTP_LENGTH", "6", "Digits of a code.", "ACCOUNTS", 6),
        _duration("CHALLENGE_TTL", "30m", "How long a half-done sign-in may be finished.", "ACCOUNTS"),
        _duration("VERIFY_TTL", "24h", "How long the link that confirms an address is good.", "ACCOUNTS"),
        _duration("RESET_TTL", "1h", "How long the link that sets a new password is good.", "ACCOUNTS"),
        _duration(
            "DISAVOW_TTL",
            "7d",
            "How long the link in a mail about a new device or factors is good.",
            "ACCOUNTS",
        ),
        _duration("ADDRESS_TTL", "24h", "How long the link that confirms a new address is good.", "ACCOUNTS"),
        _duration("ADDRESS_UNDO_TTL", "7d", "How long the old address can undo a change of it.", "ACCOUNTS"),
        _duration(
            "UNLOCK_TTL", "1h", "How long the link in a mail about a lockout is good, and then its browser.", "ACCOUNTS"
        ),
        _duration("EXPORT_TTL", "24h", "How long a copy of one's data waits to be fetched.", "ACCOUNTS"),
        _duration("GRANT_TTL", "30d", "How long a permission given to one person holds, at most.", "ACCOUNTS"),
        _duration("ENROLMENT_TTL", "72h", "How long the link of an invitation is good.", "ACCOUNTS"),
        Variable(
            name="TERMS_VERSION",
            default="1",
            app="ACCOUNTS",
            says="The version of your terms. A new one is asked for at the next sign-in.",
        ),
        Variable(name="TERMS_URL", app="ACCOUNTS", says="Where your terms are. Empty: the page that ships."),
        Variable(
            name="OPTIONAL_CONSENTS",
            kind=Kind.PAIRS,
            app="ACCOUNTS",
            says="What else people may agree to, each as purpose-version: words beside the box. "
            "marketing-2026: Mail me news | research-1: Ask me how it went.",
        ),
    ),
    "Passwords": (
        Variable(
            name="PASSWORD_POLICY",
            default="balanced",
            choices=("balanced", "classic", "nist"),
            app="ACCOUNTS",
            says="balanced: 12 characters of four classes or 15 of any; classic: 8 of four classes; nist: 15 of any.",
        ),
        Variable(
            name="PASSWORD_CONTEXT_WORDS",
            kind=Kind.NAMES,
            app="ACCOUNTS",
            says="Words that may not be the heart of a password: your product, your company.",
        ),
        _number("ARGON2_MEMORY", "47104", "Memory of one Argon2id hash, in KiB.", "ACCOUNTS", 8),
        _number("ARGON2_TIME", "1", "Passes of one Argon2id hash.", "ACCOUNTS"),
        _number("ARGON2_PARALLELISM", "1", "Lanes of one Argon2id hash.", "ACCOUNTS"),
        _number("HASH_CONCURRENCY", "2", "Hashes computed at the same time in one process.", "ACCOUNTS"),
        _number(
            "HASH_QUEUE",
            "28",
            "Requests that may wait to be hashed; with HASH_CONCURRENCY less than WEB_THREADS.",
            "ACCOUNTS",
            0,
        ),
        _duration("HASH_WAIT", "5s", "How long a sign-in waits to be hashed before it answers 503.", "ACCOUNTS"),
    ),
    "Limits": (
        Variable(
            name="LIMITS_SCALE",
            kind=Kind.DECIMAL,
            default="1",
            least=0.001,
            app="GATEHOUSE",
            says="Multiplies every rate limit, for benches and demonstrations. Production refuses any value but 1.",
        ),
        _number("LIMIT_ANONYMOUS", "60", "Requests to the API a minute from one network, not signed in.", "GATEHOUSE"),
        _number("LIMIT_GUEST", "60", "Requests to the API a minute by one guest.", "GATEHOUSE"),
        _number("LIMIT_USER", "300", "Requests to the API a minute by one user.", "GATEHOUSE"),
        _number("LIMIT_STAFF", "600", "Requests to the API a minute by one member of staff.", "GATEHOUSE"),
        _number("LIMIT_SERVICE", "1200", "Requests a minute with an API key that has no own number.", "GATEHOUSE"),
    ),
    "Clean-up": (
        _duration("SESSIONS_KEPT", "30d", "How long an ended session stays for its owner's history.", "SESSIONS", 0),
        _duration("DEVICES_KEPT", "30d", "How long a device stays that nobody uses and no session names.", "SESSIONS"),
        _duration("BROWSER_SESSIONS_KEPT", "0s", "How long a row of Django's session table stays.", "SESSIONS", 0),
        _duration(
            "ERASURE_GRACE",
            "14d",
            "How long one can undo the deletion of one's account; staff's deletion is erased after it, too.",
            "ACCOUNTS",
        ),
        _duration("ERASED_KEPT", "365d", "How long no import brings back an address that was erased.", "ACCOUNTS", 0),
        _duration("UNVERIFIED_KEPT", "30d", "How long an account stays whose address nobody proves.", "ACCOUNTS"),
        _duration("LINKS_KEPT", "30d", "How long a mailed link stays after its end.", "ACCOUNTS", 0),
        _duration("CHALLENGES_KEPT", "30d", "How long a half-done sign-in stays after its end.", "ACCOUNTS", 0),
        _duration("GRANTS_KEPT", "30d", "How long the row of a single permission stays after its end.", "ACCOUNTS", 0),
        _duration(
            "EXPORTS_KEPT",
            "30d",
            "How long the record of a copy of one's data stays, from when it was asked for.",
            "ACCOUNTS",
            0,
        ),
        _duration("FAILURES_KEPT", "30d", "How long staff see the last wrong password of somebody.", "ACCOUNTS", 0),
        _duration("MAILS_KEPT", "30d", "How long a mail stays that was sent or dropped.", "ACCOUNTS", 0),
        _duration("FAILED_MAILS_KEPT", "90d", "How long a mail stays that was given up.", "ACCOUNTS", 0),
        _duration(
            "PRIVACY_RETENTION",
            "90d",
            "How long the trail tells whence those came who are no staff, and addresses that no account has, "
            "by whole months; 0s: for good.",
            "AUDIT",
            0,
        ),
        _duration(
            "COUNTS_KEPT",
            "1095d",
            "How long the counts stay that statistics and reports of the trail are made from; 0s: for good.",
            "AUDIT",
            0,
        ),
        _duration("WEBHOOKS_KEPT", "30d", "How long an event stays in the queue that could not be sent.", "AUDIT", 0),
        _duration("COUNTERS_KEPT", "0s", "How long a counter of a limit stays after its window.", "GATEHOUSE", 0),
    ),
    "The audit trail": (
        Variable(
            name="AUDIT_SIGNING_KEY",
            app="AUDIT",
            key="SIGNING_KEY",
            says="The base64 of 32 random bytes that seals are signed with; give it to the worker alone, and "
            "AUDIT_PUBLIC_KEYS to the rest. With neither: a key derived from AUDIT_KEY.",
        ),
        Variable(
            name="AUDIT_PUBLIC_KEYS",
            kind=Kind.NAMES,
            app="AUDIT",
            key="PUBLIC_KEYS",
            says="Public keys that verify seals besides the one in use, as `manage.py audit keys` prints them.",
        ),
        Variable(
            name="AUDIT_ORIGIN",
            app="AUDIT",
            key="ORIGIN",
            says="What checkpoints call this trail; never change it. Empty: the host of BASE_URL and /audit.",
        ),
        Variable(
            name="AUDIT_CHECKPOINTS",
            kind=Kind.NAMES,
            app="AUDIT",
            key="CHECKPOINTS",
            says="Where the worker publishes a checkpoint each day: a file, - for its output, mail:ADDRESS. Best a "
            "place that whoever owns the database cannot change.",
        ),
        Variable(
            name="AUDIT_REPORT_TO",
            kind=Kind.NAMES,
            app="AUDIT",
            key="REPORT_TO",
            says="Mail addresses that get a report of the trail each month: figures, no addresses of people.",
        ),
        Variable(
            name="AUDIT_LOG",
            default="public",
            choices=("off", "public", "private"),
            app="AUDIT",
            key="LOG",
            says="A log line for each event of the trail. private: with addresses and details, which no erasure then "
            "takes out of the logs.",
        ),
        Variable(
            name="AUDIT_WEBHOOKS",
            app="AUDIT",
            key="WEBHOOKS",
            says='Systems that get signed events, as JSON: [{"name": "siem", "url": "https://…", "secret": "…"}]; '
            "docs/webhooks.md says more. Best as AUDIT_WEBHOOKS_FILE.",
        ),
        Variable(
            name="AUDIT_WEBHOOK_RETRIES_FOR",
            kind=Kind.DURATION,
            default="3d",
            least=60,
            app="AUDIT",
            key="WEBHOOK_RETRIES_FOR",
            says="How long an event is tried to be sent to a system that does not take it.",
        ),
        _trail(
            "LATE_AFTER",
            "7d",
            "How long an event may take from its number to its commit; one that comes later counts as inserted.",
        ),
        _trail(
            "VERIFIED_WITHIN",
            "2d",
            "How old a verification of the trail may be before /audit/integrity says that all is not well.",
        ),
        Variable(
            name="AUDIT_ARCHIVE_DIR",
            app="AUDIT",
            key="ARCHIVE_DIR",
            says="A folder for the worker alone (mode 0700), into which it archives what is old, once a day. Empty: "
            "nothing is archived.",
        ),
        _trail("ARCHIVE_AFTER", "90d", "How old events are at least that are archived, from when they were sealed."),
        Variable(
            name="AUDIT_ARCHIVE_ONLINE",
            kind=Kind.NAMES,
            default="ADMIN,authn_login_*",
            app="AUDIT",
            key="ARCHIVE_ONLINE",
            says="Events whose rows stay in the table when they are archived: types, actions, beginnings of actions "
            "with a * (docs/events.md).",
        ),
    ),
    "Processes and logs": (
        _number("WEB_WORKERS", "1", "Web processes. Two a core in production is a fair start."),
        _number("WEB_THREADS", "32", "Threads in each web process; most of them wait."),
        Variable(
            name="LOG_LEVEL",
            default="INFO",
            choices=("DEBUG", "INFO", "WARNING", "ERROR"),
            says="The least important lines that are written.",
        ),
        Variable(
            name="LOG_FORMAT",
            choices=("", "json", "text"),
            says="json or text. Default: text in development, json in production.",
        ),
        Variable(name="LOG_FILE", says="Write lines to this file (it may be rotated) instead of the standard error."),
    ),
}

VARIABLES: dict[str, Variable] = {variable.name: variable for group in SECTIONS.values() for variable in group}
