"""The development mailbox: mails that would have been sent, kept in a folder and shown at ``/dev/mail/``."""
