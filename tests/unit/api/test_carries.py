"""Whether a request carries a token: whatever its header holds, the answer is yes or no."""

import pytest

from controller.api import auth

SENT = {
    "the token": ("Bearer secret", True),
    "in other letters of the scheme": ("bearer  secret ", True),
    "another token": ("Bearer secreT", False),
    "nothing": ("", False),
    "no scheme": ("secret", False),
    "another scheme": ("Basic secret", False),
    "bytes that are no UTF-8": ("Bearer \udcff", False),
}


@pytest.mark.parametrize(("header", "carried"), SENT.values(), ids=SENT)
def test_what_carries_the_token(header: str, carried: bool) -> None:
    assert auth.carries({"Authorization": header}, "secret") is carried
