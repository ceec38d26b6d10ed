"""Every environment variable the project knows: one table, nothing is read that is not in it.

``.env.example`` is printed from it (``python -m config.example``), ``config.env`` reads by it, and a test compares
the three. A default is written as it would stand in the environment. Where *app* is named, the app's own ``conf.py``
holds the default: the variable only overrides it, and *default* repeats it for the reader (a test compares).
"""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How the text of a variable is understood."""

    TEXT = "text"
    FLAG = "true or false"
    NUMBER = "a whole number"
    DECIMAL = "a number"
    DURATION = "a number and a unit: 90s, 10m, 24h, 7d"
    NAMES = "names, separated by commas"
    PAIRS = "names and texts: name: text | name: text"
    KEYS = "keys, separated by commas; the first is used, the others are still accepted"


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One variable: what it is called, how it is read, what a person should know of it."""

    name: str
    says: str
    kind: Kind = Kind.TEXT
    default: str = ""
    choices: tuple[str, ...] = ()
    app: str = ""  # the app's dict of settings that takes it: GATEHOUSE, SESSIONS, ACCOUNTS
    key: str = ""  # its name there, where that differs
    least: float | None = None


SECTIONS: dict[str, tuple[Variable, ...]] = {
    "What kind of start this is": (
        Variable(
            name="ENVIRONMENT",
            default="development",
            choices=("development", "production"),
            says="development needs nothing else; production refuses to start with missing or unsafe settings.",
        ),
        Variable(
            name="DEBUG",
            kind=Kind.FLAG,
            default="false",
            says="Show tracebacks in the browser. Refused in production.",
        ),
        Variable(
            name="VAR_DIR",
            default="var",
            says="The folder of what development keeps: database, secrets, mails; "
            "and of the copies of people's data, in production too, without an EXPORT_DIR.",
        ),
        Variable(
            name="EXPORT_DIR",
            says="Where copies of people's data wait; web processes and worker share it. Empty: VAR_DIR/exports.",
        ),
    ),
    "Secrets: 32 random bytes or more each. Development makes its own under var/": (
        Variable(
            name="SECRET_KEY",
            says="Signs Django's own data and keys the stored hashes of codes and tokens.",
        ),
        Variable(
            name="SECRET_KEY_FALLBACKS",
            kind=Kind.KEYS,
            says="Earlier values of SECRET_KEY that are still accepted, newest first.",
        ),
        Variable(
            name="JWT_SECRET",
            kind=Kind.KEYS,
            says="Signs access and refresh tokens: new,old. A new one in front rotates without signing anybody out.",
        ),
        Variable(name="MAIL_KEY", kind=Kind.KEYS, says="Mailed codes and links are derived from it: new,old."),
        Variable(name="ENCRYPTION_KEY", kind=Kind.KEYS, says="Encrypts authenticator secrets at rest: new,old."),
        Variable(
            name="AUDIT_KEY",
            kind=Kind.KEYS,
            says="Seals the audit trail and encrypts what in it tells of people: new,old.",
        ),
    ),
    "Where it is reached": (
        Variable(
            name="PORT",
            kind=Kind.NUMBER,
            default="8000",
            least=1,
            says="The port the web server listens on.",
        ),
        Variable(
            name="BIND", default="127.0.0.1", says="The address the web server listens on; 0.0.0.0 in a container."
        ),
        Variable(
            name="BASE_URL",
            says="The address people type, and every link begins with. Default http://127.0.0.1:PORT.",
        ),
        Variable(
            name="FRONTEND_URL",
            says="The address of a front end of your own; mails link there. Empty: the pages here.",
        ),
        Variable(
            name="ALLOWED_HOSTS",
            kind=Kind.NAMES,
            says="Host names that are answered. Default: the host of BASE_URL, and the loopback names in development.",
        ),
        Variable(
            name="CORS_ORIGINS",
            kind=Kind.NAMES,
            says="Origins of other sites whose scripts may call the API, such as https://app.example.com.",
        ),
        Variable(
            name="TRUSTED_PROXIES",
            app="GATEHOUSE",
            says="Number of proxies in front, or their networks (10.0.0.0/8). Empty: none.",
        ),
        Variable(
            name="GEOIP_FILE",
            app="GATEHOUSE",
            says="A MaxMind file (GeoLite2-City.mmdb); people then see the place beside an address. Empty: none.",
        ),
        Variable(
            name="ADMIN_PATH",
            default="admin/",
            app="GATEHOUSE",
            says="The path of the staff area, with a closing slash.",
        ),
        Variable(name="SITE_NAME", default="Gatehouse", app="GATEHOUSE", says="The name on pages and in mails."),
        Variable(name="SUPPORT_URL", app="GATEHOUSE", says="Where people find help: an https or mailto address."),
        Variable(
            name="SECURITY_CONTACT",
            says="Contact in /.well-known/security.txt, https or mailto. Default: SUPPORT_URL, else EMAIL_FROM.",
        ),
        Variable(
            name="PROBLEM_DOCS_URL",
            app="GATEHOUSE",
            says="Where the types of API problems are described. Default BASE_URL/problems.",
        ),
        Variable(
            name="ACCENT_COLOUR", app="GATEHOUSE", says="The pages' accent, as #rrggbb. Empty: the one that ships."
        ),
        Variable(
            name="RADIUS", app="GATEHOUSE", says="The pages' corner radius, such as 4px. Empty: the one that ships."
        ),
        Variable(name="MARK", app="GATEHOUSE", says="The path of your own mark among the static files. Empty: ours."),
    ),
    "Database and cache": (
        Variable(
            name="DATABASE_URL",
            says="postgresql://user:password@host/name?sslmode=require, mysql://… or sqlite:///path. "
            "Empty: an SQLite file in VAR_DIR.",
        ),
        Variable(
            name="DB_POOL",
            default="on",
            choices=("on", "off"),
            says="PostgreSQL's pool of connections in each process; off for serverless or behind a pooler.",
        ),
        Variable(name="DB_POOL_MIN", kind=Kind.NUMBER, default="1", least=0, says="Connections a process keeps open."),
        Variable(
            name="DB_POOL_MAX", kind=Kind.NUMBER, default="8", least=1, says="Connections a process opens at most."
        ),
        Variable(
            name="DB_POOL_TIMEOUT",
            kind=Kind.DURATION,
            default="2s",
            least=0.1,
            says="How long a request waits for a connection of the pool before it answers 503.",
        ),
        Variable(
            name="REDIS_URL",
            says="redis://host:6379/0: cache and limits shared by several machines. Empty: all works without it.",
        ),
        Variable(
            name="SESSION_CACHE",
            kind=Kind.FLAG,
            default="false",
            says="Keep live sessions in the Redis of REDIS_URL, for at most 5 seconds: one query less a request.",
        ),
        Variable(
            name="SESSION_CACHE_PATIENCE",
            kind=Kind.DURATION,
            default="0.05s",
            least=0.01,
            app="SESSIONS",
            key="CACHE_PATIENCE",
            says="How long that Redis is waited for before the database is asked.",
        ),
    ),
    "Mail": (
        Variable(
            name="EMAIL_URL",
            says="smtp+tls://user:password@host:587 (or smtp://, smtps://), console:, file:PATH, dev: (/dev/mail/).",
        ),
        Variable(name="SENDGRID_API_KEY", says="Sends through SendGrid instead of EMAIL_URL."),
        Variable(
            name="EMAIL_FROM",
            default="Gatehouse <no-reply@localhost>",
            app="ACCOUNTS",
            says="The sender of every mail.",
        ),
        Variable(
            name="MAIL_MAX_ATTEMPTS",
            kind=Kind.NUMBER,
            default="12",
            least=1,
            app="ACCOUNTS",
            says="How often a mail is tried, with growing pauses, before it is marked as failed.",
        ),
        Variable(
            name="MAIL_CLAIM_TTL",
            kind=Kind.DURATION,
            default="5m",
            least=1,
            app="ACCOUNTS",
            says="After how long a mail claimed by a dead worker is taken up again.",
        ),
        Variable(
            name="CODE_IN_SUBJECT",
            kind=Kind.FLAG,
            default="false",
            app="ACCOUNTS",
            says="Put the sign-in code in the subject of its mail, too.",
        ),
    ),
}
