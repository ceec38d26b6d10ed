"""How many characters the columns of this app hold, for whatever asks before a row is written.

Those of addresses are in gatehouse/text.py, those of browsers and devices in gatehouse/client.py, that of a reason in
gatehouse/reasons.py.
"""

DISPLAY_NAME = 100
PERMISSION = 40  # of the matrix of roles
API_KEY_NAME = 60  # of another service
APP_NAME = 60  # of an authenticator app
VERSION = 40  # of the terms, or of another consent
