"""How a file of somebody's own is sent, at both doors: as it is read, for saving, and for no cache to keep."""

import base64

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from accounts.services.export import Download


def answer(download: Download) -> StreamingHttpResponse:
    """Return the answer that sends *download*, and closes it at its end or where the connection breaks."""
    response = StreamingHttpResponse(download, content_type=download.mime_type)
    response["Content-Length"] = str(download.size)
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=download.name) or ""
    response["Cache-Control"] = "no-store"
    digest = base64.b64encode(bytes.fromhex(download.sha256)).decode()
    response["Repr-Digest"] = f"sha-256=:{digest}:"  # RFC 9530
    return response
