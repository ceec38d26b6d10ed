"""How the OpenAPI document names the ways of signing a request in."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from sessions_app.cookies import door_cookie
from sessions_app.models import Door


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The access token."""

    target_class = "sessions_app.authentication.BearerAuthentication"
    name = "bearerAuth"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class PageSessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The session cookie of a page, with its CSRF token."""

    target_class = "sessions_app.authentication.PageSessionAuthentication"
    name = "pageSession"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": door_cookie(Door.PAGE),
            "description": "Unsafe methods carry X-CSRFToken besides.",
        }


class StaffSessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The session cookie of the staff area, with its CSRF token."""

    target_class = "sessions_app.authentication.StaffSessionAuthentication"
    name = "staffSession"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": door_cookie(Door.STAFF),
            "description": "Unsafe methods carry X-CSRFToken besides.",
        }
