"""Numbers as people write them, on the command line, in studies and in `expect`."""

from decimal import Decimal

import pytest

from archdsl.diagnostics.errors import UsageError
from archdsl.expressions.numbers import number, read_quantity, rounded


@pytest.mark.parametrize(
    ("text", "value", "last_digit"),
    [
        ("640", 640, 1),
        ("25_557_032", 25_557_032, 1),
        ("4.09G", 4_090_000_000, 10_000_000),
        ("4.09 g", 4_090_000_000, 10_000_000),
        ("4G", 4_000_000_000, 1_000_000_000),
        ("25.6M", 25_600_000, 100_000),
        ("66B", 66_000_000_000, 1_000_000_000),
        ("19.5T", 19_500_000_000_000, 100_000_000_000),
        ("1.20k", 1200, 10),
        ("1e9", 10**9, 10**9),
        ("4.09e9", 4_090_000_000, 10**7),
        (".5", Decimal("0.5"), Decimal("0.1")),
    ],
)
def test_a_number_and_what_its_last_digit_stands_for(
    text: str, value: Decimal, last_digit: Decimal
) -> None:
    assert read_quantity(text) == (value, last_digit)
    assert number(text) == float(value)


@pytest.mark.parametrize("text", ["", "G", "-1", "4 giga", "1.2.3", "_1", "1e", "nan", "1e9999"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(UsageError, match="is not a number"):
        number(text)


def test_a_number_rounded_is_written_as_it_can_be_read() -> None:
    assert [rounded(n) for n in (7, 1234, 25_557_032, 4_089_184_256)] == [
        "7",
        "1.23K",
        "25.6M",
        "4.09G",
    ]
