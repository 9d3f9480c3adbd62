"""That DNS is asked once in ten seconds for a host and port."""

import pytest

from watchers.git.lookups import Remembered


async def test_an_answer_is_remembered_for_ten_seconds_and_a_failure_is_not() -> None:
    asked, now = [], 0.0

    async def lookup(host: str, port: int) -> list[str]:
        asked.append((host, port, now))
        if now == 0:
            raise OSError("DNS is away")
        return [f"10.0.0.{len(asked)}"]

    remembered = Remembered(lookup, lambda: now)
    with pytest.raises(OSError, match="away"):
        await remembered("a.org", 443)
    answers = []
    for moment in (1.0, 10.9, 11.0):
        now = moment
        answers.append(await remembered("a.org", 443))
    await remembered("a.org", 80)

    assert answers == [["10.0.0.2"], ["10.0.0.2"], ["10.0.0.3"]]
    assert asked == [
        ("a.org", 443, 0.0),
        ("a.org", 443, 1.0),
        ("a.org", 443, 11.0),
        ("a.org", 80, 11.0),
    ]
