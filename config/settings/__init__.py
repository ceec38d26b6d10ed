"""The settings in force: ``ENVIRONMENT`` chooses between ``development`` and ``production``.

``config.settings.test`` and ``config.settings.build`` are asked for by name, and then nothing is chosen here.
"""

from config import env

if env.chosen_settings() == __name__:
    if env.current().text("ENVIRONMENT") == "production":
        from config.settings.production import *
    else:
        from config.settings.development import *
