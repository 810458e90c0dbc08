# ruff: noqa - imports and names are those of such a class: what a star brings must not hide the module datetime
"""The incidents of Splunk On-Call, by a class as users of Collectington write them."""

import datetime

from utils import *
from collectington.config import *
from collectington.collectington_api import (
    CollectingtonApi,
    enable_delta_metric,
    register_metric,
    register_metric_class,
)

TIME_FORMAT = "%Y-%m-%dT%H:%M:%S%z"


@register_metric_class
class SplunkApi(CollectingtonApi):
    def __init__(self):
        super(SplunkApi, self).__init__()
        self.config = get_config("config.json")
        self.service_name = "splunk"
        service = self.config["services"][self.service_name]
        self.api_url = service["api_url"]
        credentials = get_credentials(service["secret_file_path"])
        self.headers = {"X-VO-Api-Id": credentials["API_ID"], "X-VO-Api-Key": credentials["API_KEY"]}
        self.params = {"startedAfter": get_iso_time_minutes_ago(60)}
        self.name_of_datastore = "splunk_incidents"

    @register_metric("number_of_incidents")
    @enable_delta_metric
    def get_number_of_incidents(self):
        self.params = {}
        return self.get_data_from_store(self.name_of_datastore)["total"]

    @register_metric("time_taken_to_acknowledge")
    def get_time_taken_to_acknowledge(self):
        return self.mean_minutes_until("acknowledged")

    @register_metric("time_taken_to_resolve")
    def get_time_taken_to_resolve(self):
        return self.mean_minutes_until("resolved")

    def mean_minutes_until(self, phase):
        begin, end = {}, {}
        for incident in self.get_data_from_store(self.name_of_datastore)["incidents"]:
            for transition in incident["transitions"]:
                moment = datetime.strptime(transition["at"], TIME_FORMAT)
                times = {"triggered": begin, phase: end}.get(transition["name"])
                if times is not None:
                    alert = transition["alertId"]
                    times[alert] = min(moment, times.get(alert, moment))
        minutes = [(end[alert] - begin[alert]).total_seconds() / 60 for alert in end if alert in begin]
        return int(sum(minutes) / len(minutes)) if minutes else None
