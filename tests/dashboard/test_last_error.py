"""What went wrong lately."""

from importer.dashboard.last_error import SHOWN_ERRORS, errors_of, newest_first
from importer.outbox_view import Details, Reject, Run


def run(ended: float, *failures: str, exit_code: int = 1, message: str = "") -> Run:
    return Run(ended - 2, ended, exit_code, 0, None, message, Details(failures=failures))


def told(runs: list[Run], rejects: list[Reject] | None = None) -> list[tuple[float, int, str, str]]:
    return [(error.time, error.count, error.kind, error.text) for error in errors_of("livestats", runs, rejects or [])]


def test_a_failed_run_tells_each_of_its_failures() -> None:
    assert told([run(9, "app one: 500", "app two: 404", message="app one: 500")]) == [
        (9, 1, "exit 1", "app one: 500"),
        (9, 1, "exit 1", "app two: 404"),
    ]


def test_a_failed_run_of_a_former_version_tells_its_message() -> None:
    assert told([run(9, message="vendor away"), run(5)]) == [
        (9, 1, "exit 1", "vendor away"),
        (5, 1, "exit 1", "no reason was recorded"),
    ]


def test_a_run_that_went_on_despite_a_failure_tells_it_too() -> None:
    assert told([run(9, "one search of ten: 429", exit_code=0)]) == [(9, 1, "failed", "one search of ten: 429")]


def test_a_run_without_failures_tells_nothing() -> None:
    assert told([run(9, exit_code=0)]) == []


def test_what_repeats_itself_is_told_once_with_its_first_and_last_time() -> None:
    (error,) = errors_of("livestats", [run(at, "vendor away") for at in (900, 600, 300)], [])
    assert (error.time, error.first, error.count) == (900, 300, 3)


def test_rejects_stand_among_the_runs_by_their_time() -> None:
    reject = Reject(1, "plain://a", 3, 30, 1.0, 7.0, "too\nodd")
    assert told([run(9, "later"), run(5, "before")], [reject]) == [
        (9, 1, "exit 1", "later"),
        (7, 1, "rejected", "3 points for plain://a: too odd"),
        (5, 1, "exit 1", "before"),
    ]


def test_no_more_than_a_page_is_told_and_that_is_the_newest() -> None:
    errors = newest_first(errors_of("livestats", [run(at, f"number {at}") for at in range(90, 0, -1)], []))
    assert [error.time for error in errors] == list(range(90, 90 - SHOWN_ERRORS, -1))
