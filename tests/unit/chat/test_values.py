"""Values as people type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.chat import values

# ---- lengths of time


@pytest.mark.parametrize(
    ("typed", "hours"),
    [
        ("2h", 2),
        ("2 h", 2),
        ("+ 2 hours", 2),
        ("0.75h", 0.75),
        ("1,25h", 1.25),
        ("2h30", 2.5),
        ("2 h 30", 2.5),
        ("2h and 30m", 2.5),
        ("1 hour 30 minutes", 1.5),
        ("2 Stunden", 2),
        ("90 Minuten", 1.5),
        ("1 heure", 1),
        ("2 horas", 2),
        ("half an hour", 0.5),
        ("An hour", 1),
        ("12", 12),
        ("1.5", 1.5),
        ("+2", 2),
    ],
)
def test_lengths(typed: str, hours: float):
    assert values.hours(typed) == pytest.approx(hours)


@pytest.mark.parametrize(
    "typed",
    [
        *("", " ", "and", "2h and", "and 2h x", "h", "2h 3h", "30 min 2h"),
        *("1 5h", "2 3h", "2 2", "1 0", "1 30", "1h2", "1 h 2"),  # two numbers are not one
        *("20.00", "20.15", "2.30", "1,30", "2.30h", "20.00h", "19.30h", "5.75h"),  # maybe times of day
        *("13", "20", "22", "30", "12.5", "5h00", "22h00", "22:00", "5:00"),  # maybe minutes, or a time of day
        *("1,000h", "1.000h"),  # one, or a thousand
        *("2d", "1 day", "2h-3h", "1/2 h", "11⁄2h", "-2h", "- 2h"),
    ],
)
def test_what_may_mean_another_length_is_none(typed: str):
    assert values.hours(typed) is None


PARTS = st.sampled_from(["1", "2", "12", "30", "0.5", "1,5", "2.30", "h", "m", "min", "hours", "and", ":", "+", "Uhr"])


@given(st.lists(PARTS, min_size=1, max_size=6))
def test_numbers_that_stand_apart_are_never_read_as_one(parts: list[str]):
    """`1, 5h` was fifteen hours, which cost money: no length is longer than all its numbers taken as hours."""
    numbers = [float(part.replace(",", ".")) for part in parts if part[0].isdigit()]
    read = values.hours(" ".join(parts))
    assert read is None or read <= sum(numbers)


@given(
    st.integers(0, 9999), st.integers(0, 99999), st.sampled_from(["{}h{}m", "{} h {} min", "{} Hours and {} minutes"])
)
def test_hours_and_minutes_add_up(hours: int, minutes: int, form: str):
    assert values.hours(form.format(hours, minutes)) == pytest.approx(hours + minutes / 60)


@given(st.text(max_size=60))
def test_no_text_raises(text: str):
    values.hours(text)
    values.minutes(text)
    values.wall(text)
    values.end(text)
    values.days(text)
    values.date(text)
    values.number(text)


@pytest.mark.parametrize(
    ("typed", "minutes"), [("60", 60), ("2h", 120), ("1 h 30 min", 90), ("1:30", 90), ("1,5h", 90)]
)
def test_a_number_of_minutes_needs_no_unit(typed: str, minutes: int):
    assert values.minutes(typed) == minutes


@pytest.mark.parametrize("typed", ["0.5", "1.5", "1.30", "2.5", "1,5"])
def test_a_fraction_needs_a_unit_where_whole_numbers_are_minutes(typed: str):
    """`2` is two minutes there, so `2.5` is no two and a half hours."""
    assert values.minutes(typed) is None


# ---- times of day


@pytest.mark.parametrize(
    ("typed", "wall"),
    [
        ("19h", "19:00"),
        ("19 h", "19:00"),
        ("19h30", "19:30"),
        ("19:00h", "19:00"),
        ("19 Uhr", "19:00"),
        ("19.30 Uhr", "19:30"),
        ("7 pm", "19:00"),
        ("7:30 P.M", "19:30"),
        ("12 am", "00:00"),
        ("12 pm", "12:00"),
        ("8", "08:00"),
    ],
)
def test_times_of_day(typed: str, wall: str):
    assert values.wall(typed) == wall


@pytest.mark.parametrize("typed", ["", "1 9", "19 00", "19:00:00", "19,00", "1900", "13 pm", "0pm", "24h", "8-19"])
def test_no_times_of_day(typed: str):
    assert values.wall(typed) is None


@pytest.mark.parametrize("typed", ["1", "7", "10", "11", "7 Uhr", "7h"])
def test_an_end_in_either_half_of_the_day_is_none(typed: str):
    """Who writes `stop=7` may mean the evening, and would pay for the night."""
    assert values.wall(typed) is not None
    assert values.end(typed) is None


@pytest.mark.parametrize(
    ("typed", "wall"),
    [("07", "07:00"), ("7:00", "07:00"), ("7am", "07:00"), ("7h00", "07:00"), ("12", "12:00"), ("0", "00:00")],
)
def test_an_end_that_says_which_half_is_one(typed: str, wall: str):
    assert values.end(typed) == wall


@given(
    st.integers(0, 23),
    st.integers(0, 59),
    st.sampled_from(["{:02}:{:02}", "{}:{:02}", "{}.{:02}", "{}h{:02}", "{}:{:02} Uhr"]),
)
def test_every_minute_of_the_day_is_read_as_itself(hour: int, minute: int, form: str):
    assert values.end(form.format(hour, minute)) == f"{hour:02}:{minute:02}"


# ---- days


def test_days_have_plurals():
    assert values.days("mondays,Fridays") == ("mon", "fri")


@pytest.mark.parametrize("typed", ["Mi", "Di", "So", "Do", "lun-ven", "mardi", "ma,me", "dom", "-wed", "mon..fri"])
def test_days_of_other_languages_are_none_rather_than_another_day(typed: str):
    assert values.days(typed) is None


@pytest.mark.parametrize(("typed", "wall"), [("6", "06:00"), ("8", "08:00"), ("5:00", "05:00"), ("2 pm", "14:00")])
def test_a_beginning_that_is_early_enough_or_says_which_half(typed: str, wall: str):
    assert values.begin(typed) == wall


@pytest.mark.parametrize("typed", ["1", "5", "5h", "3 Uhr"])
def test_a_beginning_that_may_be_an_afternoon_is_none(typed: str):
    assert values.begin(typed) is None
