"""Cron lines as OnCalendar: the same moments, and refusals in words."""

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth.backup.schedule import calendar


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0 */6 * * *", "*-*-* 00,06,12,18:00:00 UTC"),
        ("*/15 1-3 * * 1-5", "Mon,Tue,Wed,Thu,Fri *-*-* 01,02,03:00,15,30,45:00 UTC"),
        ("30 2 1,15 */3 *", "*-01,04,07,10-01,15 02:30:00 UTC"),
        ("5 4 * * 0,7", "Sun *-*-* 04:05:00 UTC"),
        ("10/20 * * * *", "*-*-* *:10,30,50:00 UTC"),
        ("@daily", "*-*-* 00:00:00 UTC"),
        ("@weekly", "Sun *-*-* 00:00:00 UTC"),
    ],
)
def test_lines(line, expected):
    assert calendar(line) == expected


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("0 0 * *", "five fields"), ("@yearly", "five fields"), ("60 * * * *", "minute"), ("0 24 * * *", "hour"),
        ("0 0 0 * *", "day"), ("0 0 * 13 *", "month"), ("0 0 * * 8", "weekday"), ("0 5-3 * * *", "hour"),
        ("*/0 * * * *", "minute"),
        ("*-3 * * * *", "minute"), ("x * * * *", "minute"), ("0 0 1 * 1", "either of them"),
    ],
)  # fmt: skip
def test_what_is_refused_is_named(line, word):
    with pytest.raises(ValueError, match=word):
        calendar(line)


LIMITS = ((0, 59), (0, 23), (1, 28), (1, 12))
FIELDS = st.tuples(*(st.integers(low, high).map(str) | st.just("*") for low, high in LIMITS))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_systemd_takes_them():
    lines = [calendar(line) for line in ("0 */6 * * *", "*/15 1-3 * * 1-5", "30 2 1,15 */3 *", "5 4 * * 0,7", "@monthly")]
    done = subprocess.run(["systemd-analyze", "calendar", *lines], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr


@given(FIELDS)
def test_every_plain_line_is_one_moment_or_all(words):
    text = calendar(" ".join([*words, "*"]))
    date, time, zone = text.split()
    assert zone == "UTC"
    assert time.split(":")[:2] == [word if word == "*" else f"{int(word):02d}" for word in (words[1], words[0])]
    assert date.split("-")[1:] == [word if word == "*" else f"{int(word):02d}" for word in (words[3], words[2])]
