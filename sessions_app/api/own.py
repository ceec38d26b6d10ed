from gatehouse.api import StrictAPIView
from sessions_app import access
from sessions_app.models import Session


class OwnView(StrictAPIView):
    """The base of views about the sessions and devices of whoever asks."""

    authentication_classes = access.AUTHENTICATION
    permission_classes = (access.RequiredUser,)

    @property
    def current(self) -> Session:
        return access.session_of(self.request)
