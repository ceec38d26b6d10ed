"""What every view, serializer and field of the API stands on: strict shapes, verdicts in the contract's order."""

import re
from collections.abc import Mapping
from typing import IO, Any, ClassVar
from uuid import UUID

from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions, serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from . import callers
from .bodies import read_object
from .problems.problem import FieldError, Problem
from .text import EMAIL_MAX_LENGTH, InvalidEmail, UnsafeText, clean_text, normalise_email, tidy_code

_JSON = "application/json"
_ACCEPTED = frozenset({_JSON, "application/problem+json", "application/*", "*/*"})
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class StrictJSONParser(BaseParser):
    """Read one JSON object; bodies.py says what is refused."""

    media_type = _JSON

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the object in *stream*."""
        return read_object(stream.read())


class JSONNegotiation(BaseContentNegotiation):
    """Answers are JSON; whoever accepts none of it gets 406. ``?format=`` is no parameter of ours."""

    accepted: ClassVar[frozenset[str]] = _ACCEPTED

    def select_parser(self, request: Any, parsers: Any) -> Any:
        """Return the parser for the media type of *request*, or None."""
        return next((parser for parser in parsers if parser.media_type == _media_type(request)), None)

    def select_renderer(self, request: Any, renderers: Any, format_suffix: str | None = None) -> Any:
        """Return the first renderer, where its JSON is accepted."""
        ranges = str(request.META.get("HTTP_ACCEPT") or "*/*").split(",")
        if not any(_accepts(part, self.accepted) for part in ranges):
            raise exceptions.NotAcceptable
        return renderers[0], _JSON


class StrictAPIView(APIView):
    """The base of every view: verdicts come as 404, 405, 401 and 403, 406, 415, 400."""

    parser_classes = (StrictJSONParser,)
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = JSONNegotiation
    metadata_class = None
    throttle_classes = ()
    query_serializer: ClassVar["type[StrictSerializer] | None"] = None  # what the query may hold; None: nothing
    takes_api_keys: ClassVar[bool] = False  # whether other services call it, and may do so more often than people

    @property
    def allowed_methods(self) -> list[str]:
        """The methods that ``Allow`` names: OPTIONS is answered to preflights only, by the CORS middleware."""
        return [method for method in super().allowed_methods if method != "OPTIONS"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Come to every verdict that needs no look at the body's content."""
        self.format_kwarg = None
        handler = getattr(self, str(request.method).lower(), None)
        if handler is None or request.method == "OPTIONS":
            raise exceptions.MethodNotAllowed(str(request.method))
        request.version, request.versioning_scheme = None, None
        self.perform_authentication(request)
        callers.count(request)
        self.check_permissions(request)
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)
        _refuse_media_type(request)
        self.query = _read_query(request, self.query_shape(request))

    def query_shape(self, request: Request) -> "type[StrictSerializer] | None":
        """Return what the query of *request* may hold: the same for every method, unless a view says otherwise."""
        return self.query_serializer

    def body(self, request: Request, serializer: "type[StrictSerializer] | None" = None) -> dict[str, Any]:
        """Return what *serializer* makes of the body of *request*; without one there may be nothing in it.

        Raises bad_json, validation_failed.
        """
        data = request.data
        shape = serializer or StrictSerializer
        bound = shape(data={} if isinstance(data, QueryDict) else data, context={"request": request})
        bound.is_valid(raise_exception=True)
        return dict(bound.validated_data)


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer that knows all its fields: another one is refused, so nothing is ever assigned by surprise."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated values; report unknown fields together with all other errors."""
        errors: dict[str, Any] = {}
        value: Any = {}
        try:
            value = super().to_internal_value(data)
        except exceptions.ValidationError as error:
            if not isinstance(data, Mapping) or not isinstance(error.detail, dict):
                raise
            errors |= error.detail
        known = {name for name, field in self.fields.items() if not field.read_only}
        unknown = exceptions.ErrorDetail(gettext("There is no such field."), code="unknown_field")
        errors |= {str(name)[:100]: [unknown] for name in data if name not in known}
        if errors:
            raise exceptions.ValidationError(errors)
        return value


class StrictCharField(serializers.CharField):
    """A text: no number for a text, no character that clean_text() refuses."""

    def to_internal_value(self, data: Any) -> str:
        """Return the text, trimmed."""
        text = _text(self, data)
        try:
            clean_text(text)
        except UnsafeText:
            self.fail("invalid")
        return text.strip() if self.trim_whitespace else text


class EmailField(serializers.CharField):
    """An address that normalise_email() takes; the value is the address as typed, trimmed."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": _("Enter an email address in the correct format, like name@example.com.")
    }

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", EMAIL_MAX_LENGTH)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return the address as typed, trimmed."""
        text = _text(self, data).strip()
        if len(text) > EMAIL_MAX_LENGTH:
            return text  # the length is refused by its own code
        try:
            typed, _key = normalise_email(text)
        except InvalidEmail:
            self.fail("invalid")
        return typed


class PasswordField(serializers.CharField):
    """A password as it was sent: nothing is trimmed, and the policy, not the shape, says how long it may be."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"trim_whitespace": False, "write_only": True} | kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return the password."""
        text = _text(self, data)
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            self.fail("invalid")
        return text


class CodeField(serializers.CharField):
    """A code as people type it: spaces, hyphens and full-width digits do not matter."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"write_only": True} | kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return the code as ASCII letters and digits."""
        code = tidy_code(_text(self, data))
        if not code:
            self.fail("invalid")
        return code


class TokenField(serializers.CharField):
    """A token of ours; one that has another shape is passed on as it is, to be refused like any unknown one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"write_only": True, "trim_whitespace": False, "max_length": 8192} | kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return the token."""
        return _text(self, data)


class StrictBooleanField(serializers.BooleanField):
    """true or false, nothing that looks like them."""

    def to_internal_value(self, data: Any) -> bool:
        """Return the truth value."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class StrictUUIDField(serializers.UUIDField):
    """A UUID written as 36 characters."""

    def to_internal_value(self, data: Any) -> UUID:
        """Return the UUID."""
        if not isinstance(data, str) or len(data) != 36:
            self.fail("invalid", value="")
        return super().to_internal_value(data)


class StrictChoiceField(serializers.ChoiceField):
    """One of some words."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the choice."""
        if not isinstance(data, str):
            raise exceptions.ValidationError(_("Not a valid string."), code="invalid")
        return super().to_internal_value(data)


def _text(field: serializers.CharField, data: Any) -> str:
    if not isinstance(data, str):
        field.fail("invalid")
    return data


def _media_type(request: Any) -> str:
    return str(request.content_type or "").partition(";")[0].strip().lower()


def _accepts(media_range: str, accepted: frozenset[str]) -> bool:
    kind, _semicolon, parameters = media_range.partition(";")
    refused = re.search(r"\bq=0(\.0*)?\s*(;|$)", parameters)
    return kind.strip().lower() in accepted and not refused


def _refuse_media_type(request: Request) -> None:
    length = str(request.META.get("CONTENT_LENGTH") or "0")
    if request.method in _BODY_METHODS and length != "0" and _media_type(request) != _JSON:
        raise exceptions.UnsupportedMediaType(_media_type(request))


def _read_query(request: Request, serializer: type[StrictSerializer] | None) -> dict[str, Any]:
    """Return the validated query; a parameter that is unknown, or there twice without being a list, is refused."""
    if serializer is None and not request.query_params:
        return {}
    bound = (serializer or StrictSerializer)(data=request.query_params, context={"request": request})
    errors = [] if bound.is_valid() else list(_query_errors(bound.errors))
    seen = {error.field for error in errors}
    for name, values in request.query_params.lists():
        field = bound.fields.get(name)
        if len(values) > 1 and name not in seen and not isinstance(field, serializers.ListField):
            errors.append(FieldError(name, "invalid", str(_("Give this once.")), "query"))
    if errors:
        raise Problem("validation_failed", errors=errors)
    return dict(bound.validated_data)


def _query_errors(detail: Any) -> list[FieldError]:
    flat = [
        (name, item)
        for name, items in detail.items()
        for item in (items if isinstance(items, list) else [*items.values()][0])
    ]
    return [FieldError(name, str(item.code), str(item), "query") for name, item in flat]
