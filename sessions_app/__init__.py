"""Where somebody is signed in: sessions, devices, tokens and their ends, for any user model."""
