"""Ask for a copy of one's data, read the mail, download it once: in a real browser, made by a real worker."""

from pathlib import Path

import pytest

from tests.accounts.copies import read
from tests.journeys.visitor import PASSWORD, Visitor

pytestmark = pytest.mark.browser

GROW_OLD = (
    "from datetime import timedelta; from django.utils import timezone; from sessions_app.models import Session; "
    "Session.objects.filter(user__email_key='{}').update(authenticated_at=timezone.now() - timedelta(minutes=6))"
)


def test_a_copy_is_asked_for_made_and_downloaded_once(visitor: Visitor) -> None:
    page = visitor.page
    visitor.signs_up()
    visitor.signs_in()
    page.get_by_role("link", name="Download your data").click()
    visitor.sees("Download your data")
    visitor.press("Prepare my data")
    visitor.sees("Download your data")
    said = page.get_by_role("status").first.inner_text()
    assert "We are putting your data together" in said

    text = visitor.reads_mail()
    assert "Your data is ready" in text
    visitor.site.manage("shell", "-c", GROW_OLD.format(visitor.address))
    page.goto(next(line for line in text.splitlines() if line.endswith("/account/data")))
    visitor.sees("Download your data")
    assert "Your data is ready." in page.locator("main").inner_text()
    visitor.press("Download my data")
    visitor.sees("Confirm it is you")
    assert "get a copy of your data" in page.locator("main").inner_text()
    page.get_by_label("Your password").fill(PASSWORD)
    page.locator("main button[type=submit]").first.click()
    visitor.sees("Download your data")

    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download my data", exact=True).click()
    download = waiting.value
    assert download.suggested_filename.startswith("my-data-") and download.suggested_filename.endswith(".zip")
    held, tables, readme = read(Path(download.path()).read_bytes())
    assert held["account"]["email"] == visitor.address
    assert visitor.address in readme and len(tables["sessions"]) == len(held["sessions"]) + 1

    page.get_by_role("button", name="Download my data", exact=True).click()  # the page stands as it was
    page.get_by_text("The file was fetched already, and works once.").wait_for()
    visitor.sees("Download your data")
    assert "You downloaded your data on" in page.locator("main").inner_text()
    visitor.open("/account/activity")
    visitor.sees("Activity")
    assert "The copy of your data was downloaded" in page.locator("main").inner_text()
    folder = visitor.site.folder / "exports"
    assert list(folder.iterdir()) == []
