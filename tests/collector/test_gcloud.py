"""gcloud finds the current CSV file, and replaces the data set by totals for each month, lot, sector and size."""

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import pytest
from performanceplatform.collector import gcloud

from importer.collector.gcloud_entrypoint import main
from importer.errors import BadAnswer, ConfigError, SourceUnavailable
from importer.simulators.base import Answer, reset
from importer.simulators.gcloud import CSV_PATH, PAGE_PATH, SALES, GcloudSimulator
from tests.collector.vendor_world import AT_ONCE, GOLDEN, Kept, collect, kept_writes, moment

SAMPLE = (GOLDEN / "gcloud-spend-sample.csv").read_bytes()
HEAD = SALES.splitlines()[0]
GROUPS = 4 * 5 * 2


@pytest.fixture
def simulator() -> Iterator[GcloudSimulator]:
    with GcloudSimulator() as simulator:
        yield simulator


def run(
    simulator: GcloudSimulator,
    *dates: datetime | None,
    query: Mapping[str, object] | None = None,
    options: Mapping[str, object] | None = None,
) -> Kept:
    return collect(main, {}, {"url": simulator.page_url, **(query or {})}, options or {}, *dates)


def failing(simulator: GcloudSimulator) -> str:
    with kept_writes() as kept, pytest.raises(BadAnswer) as caught:
        main({}, {"data-type": "t"}, {"url": simulator.page_url}, {}, None, None, retries=AT_ONCE)
    assert kept.writes == []
    return str(caught.value)


def sales(*rows: str, head: str = HEAD) -> bytes:
    return "\n".join([head, *rows, ""]).encode("cp1252")


def row(
    month: str = "01/03/2013", spend: str = "540", *, lot: str = "Specialist Cloud Services", size: str = "SME"
) -> str:
    return f'{lot},{month},"{spend}",Central Government,{size},,ACME LTD,Home Office'


# Fetching


def test_the_page_leads_to_the_current_csv(simulator: GcloudSimulator) -> None:
    assert run(simulator).records
    assert [request.path for request in simulator.requests] == [PAGE_PATH, CSV_PATH]


def test_the_csv_may_be_named_by_the_query(simulator: GcloudSimulator) -> None:
    assert run(simulator, query={"csv_url": simulator.csv_url}).records
    assert [request.path for request in simulator.requests] == [CSV_PATH]


def test_redirects_are_followed(simulator: GcloudSimulator) -> None:
    simulator.fail(Answer(301, {"Location": f"{PAGE_PATH}?moved"}), when=PAGE_PATH)
    assert run(simulator).records


def test_redirects_that_do_not_end_are_given_up(simulator: GcloudSimulator) -> None:
    simulator.fail(Answer(302, {"Location": PAGE_PATH}), times=None)
    assert "HTTP 302: redirects to" in failing(simulator)


def test_a_redirect_to_where_nobody_can_go_is_told(simulator: GcloudSimulator) -> None:
    simulator.fail(Answer(302, {"Location": "ftp://example.org/a.csv"}), when=CSV_PATH)
    assert failing(simulator) == "gcloud: ftp://example.org/a.csv: only http:// and https:// addresses can be used"


@pytest.mark.parametrize("fault", [reset, Answer(500), Answer(503)])
def test_a_download_is_tried_five_times(simulator: GcloudSimulator, fault: Answer) -> None:
    simulator.fail(fault, times=None, when=CSV_PATH)
    with pytest.raises(SourceUnavailable, match=f"Max retries exceeded for {simulator.csv_url}"):
        run(simulator)
    assert len(simulator.requests_to(CSV_PATH)) == 5


@pytest.mark.parametrize("page", ["", "<p>Current: none</p>", "<p>Current <a href=a.csv>a</a> <a href=b.csv>b</a></p>"])
def test_not_exactly_one_link_is_an_error(simulator: GcloudSimulator, page: str) -> None:
    simulator.page = page.encode()
    assert "the link to the current CSV was not found" in failing(simulator)


# Records


def test_the_records_of_a_month_count_what_came_until_then(simulator: GcloudSimulator) -> None:
    records = run(simulator).records
    found = {record["_id"]: record for record in records}
    assert len(found) == len(records) == 2 * GROUPS
    assert found["2013_03_lotsaas_central-gov_sme"] == {
        "_id": "2013_03_lotsaas_central-gov_sme",
        "_timestamp": "2013-03-01T00:00:00Z",
        "lot": "Cloud Software as a Service (SaaS)",
        "sector": "Central government",
        "sme_large": "Small and medium enterprises",
        "monthly_spend": 540.0,
        "count": 1,
        "cumulative_spend": 969.6,
        "cumulative_count": 2,
    }
    empty = found["2013_03_lotcss_unknown-sector_large"]
    assert (empty["monthly_spend"], empty["count"], empty["cumulative_spend"], empty["cumulative_count"]) == (
        0,
        0,
        0,
        0,
    )


def test_counts_are_whole_numbers_and_sums_are_not(simulator: GcloudSimulator) -> None:
    records = run(simulator).records
    assert {type(record[name]) for record in records for name in ("count", "cumulative_count")} == {int}
    assert {type(record[name]) for record in records for name in ("monthly_spend", "cumulative_spend")} == {float}


def test_the_published_file_adds_up(simulator: GcloudSimulator) -> None:
    simulator.sales = SAMPLE
    records = run(simulator).records
    rows = list(csv.DictReader(io.StringIO(SAMPLE.decode("cp1252"))))
    assert len(records) == len({row["Return Month"] for row in rows}) * GROUPS
    assert sum(record["count"] for record in records) == len(rows) == 201
    last = records[-GROUPS:]
    assert sum(record["cumulative_count"] for record in last) == 201
    total = sum(record["monthly_spend"] for record in records)
    assert sum(record["cumulative_spend"] for record in last) == pytest.approx(total)


# Writing


def test_the_data_set_is_emptied_and_then_filled_in_batches_of_2000(simulator: GcloudSimulator) -> None:
    simulator.sales = sales(*(row(f"01/{n % 12 + 1:02}/{2010 + n // 12}") for n in range(51)))
    writes = run(simulator).writes
    assert [(write.method, len(write.content)) for write in writes] == [("PUT", 0), ("POST", 2000), ("POST", 40)]


def test_a_multiple_of_the_batch_has_no_empty_request(simulator: GcloudSimulator) -> None:
    simulator.sales = sales(*(row(f"01/{n % 12 + 1:02}/{2010 + n // 12}") for n in range(50)))
    assert [len(write.content) for write in run(simulator).writes] == [0, 2000]


@pytest.mark.parametrize(("size", "lengths"), [(50, [0, 50, 30]), (0, [0, 80])])
def test_the_size_of_a_batch_is_an_option(simulator: GcloudSimulator, size: int, lengths: list[int]) -> None:
    writes = run(simulator, options={"chunk-size": size}).writes
    assert [len(write.content) for write in writes] == lengths


def test_a_file_without_rows_writes_nothing_and_empties_nothing(simulator: GcloudSimulator) -> None:
    simulator.sales = sales()
    assert run(simulator).writes == []


def test_dates_write_their_months_and_leave_the_others_alone(simulator: GcloudSimulator) -> None:
    kept = run(simulator, moment("2013-03-01"), moment("2013-03-31"))
    assert {write.method for write in kept.writes} == {"POST"}
    assert {record["_timestamp"] for record in kept.records} == {"2013-03-01T00:00:00Z"}
    assert {record["cumulative_count"] for record in kept.records} == {0, 2}


def test_nothing_is_kept_on_disk(simulator: GcloudSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(simulator)
    assert list(tmp_path.iterdir()) == []


# Faults of the file


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (sales(row(lot="Lot 5")), 'line 2 of the CSV file: lot "Lot 5" is not known'),
        (sales(row(), row(size="Medium")), 'line 3 of the CSV file: SME or Large "Medium" is not known'),
        (sales(row(month="2013-03-01")), '"2013-03-01" is no date such as 01/10/2012'),
        (sales(row(month="01/13/2013")), "is no date"),
        (sales(row(spend="lots")), '"lots" is no sum of money'),
        (sales(row(), head=HEAD.replace("EvidencedSpend", "Spend")), 'the CSV file has no column "EvidencedSpend"'),
        (b"", 'has no column "LotDescription"'),
    ],
)
def test_what_is_not_known_is_named_and_nothing_is_written(
    simulator: GcloudSimulator, content: bytes, message: str
) -> None:
    simulator.sales = content
    assert message in failing(simulator)


def test_columns_and_lots_of_another_file_can_be_told(simulator: GcloudSimulator) -> None:
    simulator.sales = sales(row(lot="Cloud hosting"), head=HEAD.replace("EvidencedSpend", "Spend"))
    query = {"columns": {"EvidencedSpend": "Spend"}, "lots": {"Cloud hosting": "iaas"}}
    found = {record["_id"]: record["monthly_spend"] for record in run(simulator, query=query).records}
    assert found["2013_03_lotiaas_central-gov_sme"] == 540.0


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"columns": {"Spend": "EvidencedSpend"}}, "query: columns.Spend: is no column"),
        ({"lots": {"Cloud hosting": "hosting"}}, 'query: lots.Cloud hosting: "hosting" is no lot'),
        ({"csv_url": "ftp://example.org/a.csv"}, "query: csv_url: "),
    ],
)
def test_a_mistake_in_the_query_is_named(simulator: GcloudSimulator, query: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        run(simulator, query=query)
    assert str(caught.value).startswith(message)
    assert simulator.request_count == 0


# Old import path


def test_the_old_import_path_is_the_same_entrypoint(tmp_path: Path) -> None:
    assert gcloud.main is main
    file = tmp_path / "sales.csv"
    file.write_bytes(SAMPLE)
    with kept_writes() as kept:
        gcloud.main({}, {"data-type": "t"}, {}, {}, None, None, str(file))
    assert kept.records
