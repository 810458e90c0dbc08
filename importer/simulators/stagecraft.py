"""A simulator of Stagecraft: the administration's collectors, data sets and data groups, behind one token.

>>> import requests
>>> with StagecraftSimulator(token="read-only") as simulator:
...     simulator.collectors["devices"] = {"slug": "devices", "entry_point": "performanceplatform.collector.ga"}
...     headers = {"Authorization": "Bearer read-only"}
...     answer = requests.get(f"{simulator.url}/collector/devices", headers=headers, timeout=10)
>>> answer.json()["entry_point"]
'performanceplatform.collector.ga'
"""

from importer.simulators.base import HttpSimulator
from importer.simulators.http_wire import Answer, Handler, Request

__all__ = ["TOKEN", "StagecraftSimulator"]

TOKEN = "omniscient-token"  # noqa: S105 - made up
JsonObject = dict[str, object]


class StagecraftSimulator(HttpSimulator):
    """A Stagecraft whose content a test fills in.

    `collectors` and `collector_types` are by slug, `data_sets` and `dashboards` by name or id, and `data_groups` is
    a list. Whatever is created or changed goes into `created`, with its path.
    """

    def __init__(self, *, token: str = TOKEN, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host=host, port=port)
        self.token = token
        self.collectors: dict[str, JsonObject] = {}
        self.collector_types: dict[str, JsonObject] = {}
        self.data_sets: dict[str, JsonObject] = {}
        self.dashboards: dict[str, JsonObject] = {}
        self.data_groups: list[JsonObject] = []
        self.created: list[tuple[str, object]] = []
        self._keep("collector", self.collectors)
        self._keep("collector-type", self.collector_types)
        self._keep("dashboard", self.dashboards)
        self._route("GET", "/data-sets", self._find_data_sets)
        self._route("GET", "/data-sets/{id}", lambda request: _one(self.data_sets, request))
        self._route("GET", "/data-groups", self._find_data_groups)
        for path in ("/data-sets", "/data-groups", "/dashboard", "/transform", "/module-type"):
            self._route("POST", path, self._create)
        self._route("POST", "/dashboard/{id}/module", self._create)
        self._route("PUT", "/dashboard/{id}", self._create)
        self._route("DELETE", "/dashboard/{id}", self._delete)
        self._route("POST", "/auth/gds/api/users/{id}/reauth", lambda _request: Answer(204))

    def _keep(self, name: str, content: dict[str, JsonObject]) -> None:
        self._route("GET", f"/{name}", lambda _request: Answer.json(list(content.values())))
        self._route("GET", f"/{name}/{{id}}", lambda request: _one(content, request))

    def _route(self, method: str, pattern: str, handler: Handler) -> None:
        def guarded(request: Request) -> Answer:
            if request.headers.get("authorization") != f"Bearer {self.token}":
                return _error(401, "Unauthorized: Invalid or no token.")
            return handler(request)

        self.route(method, pattern, guarded)

    def _find_data_sets(self, request: Request) -> Answer:
        group, data_type = request.query.get("data-group"), request.query.get("data-type")
        found = [
            data_set
            for data_set in self.data_sets.values()
            if group in (None, data_set.get("data_group")) and data_type in (None, data_set.get("data_type"))
        ]
        return Answer.json(found)

    def _find_data_groups(self, request: Request) -> Answer:
        return Answer.json([group for group in self.data_groups if group.get("name") == request.query.get("name")])

    def _create(self, request: Request) -> Answer:
        if "content-encoding" in request.headers:
            return _error(400, "compressed bodies are not taken")
        try:
            self.created.append((request.path, request.json()))
        except ValueError:
            return _error(400, "bad JSON in request body")
        return Answer.json({"status": "ok"})

    def _delete(self, request: Request) -> Answer:
        self.dashboards.pop(request.path_values["id"], None)
        return Answer(204)


def _one(content: dict[str, JsonObject], request: Request) -> Answer:
    found = content.get(request.path_values["id"])
    return _error(404, f"no such thing: {request.path_values['id']}") if found is None else Answer.json(found)


def _error(status: int, message: str) -> Answer:
    return Answer.json({"status": "error", "message": message}, status=status)
