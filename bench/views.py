"""The yardsticks: a view that makes one query, one that does nothing, and one bare verification of a password."""

import time

from argon2 import PasswordHasher
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.conf import app_settings
from accounts.models import User

PASSWORD = "measured, not guessed 1"


class OneQueryView(APIView):
    """One user by the ORM, and nothing else."""

    authentication_classes = ()
    permission_classes = ()

    def get(self, request: Request) -> Response:
        user = User.objects.get(pk=request.query_params["user"])
        return Response({"id": str(user.pk), "email": user.email})


class EmptyView(APIView):
    """Nothing at all, for orientation."""

    authentication_classes = ()
    permission_classes = ()

    def get(self, request: Request) -> Response:
        return Response({})


class BareVerificationView(APIView):
    """One Argon2id verification at the parameters in force; the answer says how long it alone took."""

    authentication_classes = ()
    permission_classes = ()
    encoded = ""

    def get(self, request: Request) -> Response:
        conf = app_settings()
        hasher = PasswordHasher(
            time_cost=conf.ARGON2_TIME, memory_cost=conf.ARGON2_MEMORY, parallelism=conf.ARGON2_PARALLELISM
        )
        type(self).encoded = self.encoded or hasher.hash(PASSWORD)
        started = time.perf_counter()
        hasher.verify(self.encoded, PASSWORD)
        return Response({"ms": (time.perf_counter() - started) * 1000})
