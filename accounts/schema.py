"""How the OpenAPI document names the keys of other services."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class ServiceScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The key of another service."""

    target_class = "accounts.api.authentication.ServiceAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "ghk_…", "description": "Of another service."}
