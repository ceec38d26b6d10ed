"""The public keys, for those who verify access tokens elsewhere (RFC 7517, 5; RFC 8725, 3.10)."""

from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from sessions_app import tokens

KEPT_FOR = 60  # seconds that others may keep the answer; a key that was just made is in it after that


@require_safe
def key_set(request: HttpRequest) -> JsonResponse:
    """Show every public key that is not retired; without one there is no such page."""
    keys = tokens.public_jwks()
    if not keys:
        raise Http404
    headers = {"Cache-Control": f"public, max-age={KEPT_FOR}"}
    return JsonResponse({"keys": keys}, content_type="application/jwk-set+json", headers=headers)
