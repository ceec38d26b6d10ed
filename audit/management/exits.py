"""What the commands of the trail tell by their status. 0 is done, and 2 a usage that is none."""

FAILED = 1
FINDINGS = 3
TRY_AGAIN = 75
