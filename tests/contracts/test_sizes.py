"""Nothing has grown far beyond what a person reads in one go."""

from tests.contracts.sizes import FAR_FILE, FAR_FUNCTION, signs


def test_no_file_or_function_is_far_too_long() -> None:
    assert signs(file=FAR_FILE, function=FAR_FUNCTION, methods=40) == []
