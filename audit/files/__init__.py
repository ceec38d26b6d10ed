"""Operations on files, recorded in the trail as FILE_ACCESS: by a wrapper of a storage, or by a ``with``.

.. code-block:: python

    from audit import files

    storage = files.audited(FileSystemStorage(location="/srv/media"), label="media")
    with files.recording("upload", resource="avatar:7", client=client_of(request)) as op:
        ...

docs/files.md says how.
"""

from audit.files.acting import FilesMiddleware, acting
from audit.files.operations import Operation, recording
from audit.files.storages import AuditedStorage, audited

__all__ = ["AuditedStorage", "FilesMiddleware", "Operation", "acting", "audited", "recording"]
