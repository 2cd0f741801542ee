"""The input of the iot demo, and the pass that its answers are held against, by what is known of the file."""

from datetime import UTC, datetime, timedelta

from infra.demo.weather import Measured, commands, weather
from infra.demo.weather_pass import answers
from schemas.iot import RecordReadings

START = datetime(2013, 1, 1, tzinfo=UTC)


def test_the_file_has_as_many_readings_as_its_rows_less_what_is_missing() -> None:
    measured = weather()
    assert len(measured) == 2 * 26_115 - 1 - 2_729
    first = datetime(2013, 1, 1, 6, tzinfo=UTC)
    assert measured[:2] == [
        Measured("nyc-ewr-temperature", first, 3_900),  # 39.02 degrees Fahrenheit
        Measured("nyc-ewr-pressure", first, 1_012_000),
    ]
    sent = list(commands(measured))
    once = {id_: each for id_, each in sent if isinstance(each, RecordReadings) and not id_.endswith("-resent")}
    assert sum(len(each.readings) for each in once.values()) == len(measured)
    assert len({id_ for id_, _ in sent}) == len(sent)


def test_the_pass_gives_what_can_be_reckoned_by_hand() -> None:
    values = [-1_000, -2_500, *[20_000, 20_100] * 12, -10_500]
    measured = [
        Measured("nyc-jfk-temperature", START + n * timedelta(hours=1), value) for n, value in enumerate(values)
    ]
    found = answers([*measured, Measured("nyc-lga-pressure", START, 1_000_000)])
    assert found["climate"][0] == ["JFK", 0, 2, "9.500", "-1.000", "20.000"]
    assert found["climate"][2] == ["JFK", 2, 2, "4.750", "-10.500", "20.000"]
    assert found["extremes"] == [
        ["nyc-jfk-temperature", "-10.500", "2013-01-02T02:00:00", "20.100", "2013-01-01T03:00:00"]
    ]
    assert [row[:3] for row in found["anomalies"]] == [["nyc-jfk-temperature", "2013-01-02T02:00:00", "-10.500"]]
    assert found["percentiles"][0] == ["2013-01-01", 24, "20.000", "20.000", "20.100", "20.100"]
    assert [row[0] for row in found["silent"]] == ["nyc-lga-pressure", "nyc-jfk-temperature"]
