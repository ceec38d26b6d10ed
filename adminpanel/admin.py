"""What staff see: every registration has its home here."""

from django.contrib import admin

from accounts.models import User
from adminpanel.sessions import SessionAdmin
from adminpanel.trail import EventAdmin
from adminpanel.users import UserAdmin
from audit.models import Event
from sessions_app.models import Session

admin.site.register(User, UserAdmin)
admin.site.register(Session, SessionAdmin)
admin.site.register(Event, EventAdmin)
