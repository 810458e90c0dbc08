"""The simulated G-Cloud has a page, and the CSV file to which it leads."""

import requests

from importer.simulators.gcloud import CSV_PATH, GcloudSimulator
from importer.sources.gcloud.sales import parse_sales
from tests.simulators.http_clients import TIMEOUT_SECONDS


def test_the_page_leads_to_a_csv_file_with_sales() -> None:
    with GcloudSimulator() as simulator:
        assert CSV_PATH in requests.get(simulator.page_url, timeout=TIMEOUT_SECONDS).text
        assert len(parse_sales(requests.get(simulator.csv_url, timeout=TIMEOUT_SECONDS).content)) == 2
