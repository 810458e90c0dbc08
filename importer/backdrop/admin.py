"""The administration of a Backdrop (Stagecraft): data sets, dashboards, modules, users."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from importer.backdrop.base import BaseClient, return_none_on

Query = Mapping[str, Any] | None


class AdminAPI(BaseClient):
    """Calls of the administration; what each gives back is the answer's JSON as it is."""

    compresses = False

    @return_none_on(404)
    def get_data_set(self, data_group: str, data_type: str) -> Any:
        """Return the data set of a group and type, or None."""
        return _first(self._get("/data-sets", {"data-group": data_group, "data-type": data_type}))

    @return_none_on(404)
    def get_data_set_by_name(self, name: str) -> Any:
        """Return a data set by its name, or None."""
        return self._get(f"/data-sets/{_part(name)}")

    @return_none_on(404)
    def get_data_group(self, name: str) -> Any:
        """Return the data group of a name, or None."""
        return _first(self._get("/data-groups", {"name": name}))

    def get_data_set_transforms(self, name: str) -> Any:
        """Return the transforms of a data set."""
        return self._get(f"/data-sets/{_part(name)}/transform")

    def get_data_set_dashboard(self, name: str) -> Any:
        """Return the dashboards that show a data set."""
        return self._get(f"/data-sets/{_part(name)}/dashboard")

    def list_data_sets(self) -> Any:
        """Return all data sets."""
        return self._get("/data-sets")

    def get_user(self, email: str) -> Any:
        """Return the user of an address."""
        return self._get(f"/users/{quote_plus(email)}")

    def list_dashboards(self) -> Any:
        """Return all dashboards, in short."""
        return self._get("/dashboards")

    def get_dashboard(self, dashboard_id: str) -> Any:
        """Return a dashboard."""
        return self._get(f"/dashboard/{_part(dashboard_id)}")

    def get_dashboards(self, params: Query = None) -> Any:
        """Return the dashboards that a query finds."""
        return self._get("/dashboard", params)

    def get_dashboard_by_tx_id(self, tx_id: str) -> Any:
        """Return the dashboard of a service of the transactions explorer."""
        return self._get(f"/transactions-explorer-service/{_part(tx_id)}/dashboard")

    def get_module(self, module_id: str) -> Any:
        """Return a module of a dashboard."""
        return self._get(f"/module/{_part(module_id)}")

    def get_transform_types(self) -> Any:
        """Return the kinds of transforms."""
        return self._get("/transform-type")

    def list_organisations(self, query: Query = None) -> Any:
        """Return the organisations that a query finds."""
        return self._get("/organisation/node", query)

    def list_modules_on_dashboard(self, dashboard_id: str) -> Any:
        """Return the modules of a dashboard."""
        return self._get(f"/dashboard/{_part(dashboard_id)}/module")

    def list_module_types(self) -> Any:
        """Return the kinds of modules."""
        return self._get("/module-type")

    def create_data_set(self, data: Any) -> Any:
        """Create a data set."""
        return self._post("/data-sets", data)

    def create_data_group(self, data: Any) -> Any:
        """Create a data group."""
        return self._post("/data-groups", data)

    def create_transform(self, data: Any) -> Any:
        """Create a transform."""
        return self._post("/transform", data)

    def create_dashboard(self, data: Any) -> Any:
        """Create a dashboard."""
        return self._post("/dashboard", data)

    def update_dashboard(self, dashboard_id: str, data: Any) -> Any:
        """Change a dashboard."""
        return self._put(f"/dashboard/{_part(dashboard_id)}", data)

    def delete_dashboard(self, dashboard_id: str) -> Any:
        """Delete a dashboard."""
        return self._delete(f"/dashboard/{_part(dashboard_id)}")

    def add_module_to_dashboard(self, dashboard_id: str, data: Any) -> Any:
        """Put a module on a dashboard."""
        return self._post(f"/dashboard/{_part(dashboard_id)}/module", data)

    def add_module_type(self, data: Any) -> Any:
        """Create a kind of module."""
        return self._post("/module-type", data)

    def reauth(self, uid: str) -> Any:
        """Let a user log in again."""
        return self._post(f"/auth/gds/api/users/{_part(uid)}/reauth", None)


def _part(text: object) -> str:
    return quote(str(text), safe="")


def _first(answer: Any) -> Any:
    return answer[0] if answer else None
