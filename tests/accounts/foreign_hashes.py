"""Real hashes of other systems, each with the password it was made of and the scheme the trail calls it by.

Made once by Django 4.2 and passlib 1.7.4 (with bcrypt 4.0.1 and argon2-cffi 25.1.0) in an environment of their own,
mostly at low cost so that tests are quick: ``pbkdf2_sha256.using(rounds=29000).hash(PLAIN)`` and the like.
"""

PLAIN = "correct horse battery staple"
SCRIPTS = "Grüße aus 東京, ☂ 42"
CUT = "x" * 71 + "é and what comes after the cut"  # the 72nd byte is the first half of a letter

# name: (hash, password, scheme)
HASHES = {
    "django-pbkdf2": (
        "pbkdf2_sha256$20000$uBmEWf2neWxkB7S67ZKhiT$/tlQEwKWadIj9FyLajsMla7PBavnFpb7ldYv7VU85G0=",
        PLAIN,
        "pbkdf2_sha256",
    ),
    "passlib-django-pbkdf2": (
        "pbkdf2_sha256$12000$xa2WGejMDYEg$f7npl4MIa9/KM/wcdUZreJcS0DhgOq28Dt5v0YMbXjk=",
        SCRIPTS,
        "pbkdf2_sha256",
    ),
    "passlib-pbkdf2": (
        "$pbkdf2-sha256$29000$4ry3VmoN4XzvPUdI6b23Ng$fZlo5n5R18.YDldudQvnb2RZ/hyVPkwfmaWEmBx.5GQ",
        PLAIN,
        "pbkdf2_sha256",
    ),
    "passlib-pbkdf2-salt-is-no-text": (
        "$pbkdf2-sha256$1000$//6AAAECA8M$F14kWbfVoWb7.KWXLX.5SU27Aew.cbxQC4tdANxra5Q",
        SCRIPTS,
        "pbkdf2_sha256",
    ),
    "passlib-pbkdf2-long": (
        "$pbkdf2-sha256$1000$dI6xNgZAKEXofa.VsvZe6w$ZkH/Uk8oS0yGKV3.hwFdOBXTAFS02E1PcCO8OT0Djfs",
        CUT,
        "pbkdf2_sha256",
    ),
    "bcrypt-2a": ("$2a$05$47Zo.5hLlivN.Iviu.3oeO7/xxuG35nYL2lH3uEQuHmuwYZFfTeO2", PLAIN, "bcrypt"),
    "bcrypt-2b": ("$2b$05$PJMyml4LN8zn2Oz/2p3hnuJ.sBfqvcu5cWl5FQ3R0QEZPOYmaSh3u", PLAIN, "bcrypt"),
    "bcrypt-2y": ("$2y$05$o1O/s5SBBXuufdR5802Us.qH7joh4gvtbEkdA5S41EV62rWOShP4u", PLAIN, "bcrypt"),
    "bcrypt-12": ("$2b$12$BOoWx69/hx2lEMKbAofsx.f0MSfE6wKFCuKHfqsEBt/8joed1QQaK", SCRIPTS, "bcrypt"),
    "bcrypt-cut": ("$2b$04$VM9FFqFZYiKoR2/BwW1gHuDFzOhCoTBVgAKluUI57ytCbxYFDsqTq", CUT, "bcrypt"),
    "django-bcrypt": ("bcrypt$$2b$05$WYgC28sH2dAYPuoK134bmukRc/BuRsm7NH7jutrw01XtBvXhjVHL6", PLAIN, "bcrypt"),
    "django-bcrypt-sha256": (
        "bcrypt_sha256$$2b$05$YSaLcnP/BS4rscS2A2MLZOUGjq5lUCNY5Q0ckOcTfsuwLTX/toVWO",
        CUT,
        "bcrypt_sha256",
    ),
    "django-argon2": (
        "argon2$argon2id$v=19$m=102400,t=2,p=8$S1ZlQ2lRTHY2WU51TTJzbm1mWFVtOQ"
        "$Y9PH85xO7pLV7re5AU7l27KUUFVd7R76kgISlb5wG1w",
        PLAIN,
        "argon2id",
    ),
    "argon2id": (
        "$argon2id$v=19$m=1024,t=2,p=2$DByh190F+2F9GC09OTwuDw$JzvM3AfKKNVgMszMEOMnWcPz2ws0DFQb0GmvQT7gUCM",
        SCRIPTS,
        "argon2id",
    ),
    "argon2i": (
        "$argon2i$v=19$m=1024,t=2,p=2$S4mxhQ6xHxchqLFTvw2AuA$utwCyVxtxp6ELhEI0VA3T7iN5OlBczq6wHuCJXkaUrk",
        SCRIPTS,
        "argon2i",
    ),
    "argon2d": (
        "$argon2d$v=19$m=1024,t=2,p=2$b/e4L84D9M5hZRP5TWibpA$0t6r7/Vujt2Ks99HP06PEy815vYqmDPLIUgZaZUx1Ns",
        SCRIPTS,
        "argon2d",
    ),
    "argon2-version-16": (
        "$argon2i$v=16$m=512,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$ct+AkOBmE5TfYXLbRrVH2A",
        PLAIN,
        "argon2i",
    ),
    "argon2-no-version": ("$argon2i$m=512,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$ct+AkOBmE5TfYXLbRrVH2A", PLAIN, "argon2i"),
    "passlib-argon2": (
        "$argon2id$v=19$m=1024,t=2,p=1$OYcQohQCgBDCGKPU+v+fUw$WEuIuAszdIrkEOlVD6xo+YOBOnga5DtfD9LScLIt5Oc",
        PLAIN,
        "argon2id",
    ),
}
