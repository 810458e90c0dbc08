"""A running leexportpy whose configuration changes: at SIGHUP at once, and by itself within some seconds."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from importer.errors import OutboxError
from importer.leexport.engine import Engine
from importer.outbox import Lane, LaneState, Outbox, Transaction
from importer.outbox_view import OutboxView
from importer.service import Notifier, Signals
from importer.simulators.base import Answer, Hold
from importer.simulators.hosted_graphite import API_KEY as GRAPHITE_KEY
from importer.simulators.log_search import API_KEY
from importer.sources.logentries.api import LogSearch
from tests.doubles import WAIT_SECONDS
from tests.leexport.running import plug_in, started
from tests.leexport.site import Site
from tests.leexport.test_config import reader
from tests.running import Running

ONE = "where(one) calculate(count)"
TWO = "where(two) calculate(count)"
NOT_READ = "configuration not read again, the old one goes on: "


def publish(site: Site, *, graphite_key: str = GRAPHITE_KEY, account: str = "") -> None:
    """Write the configuration as an editor does: whoever looks at the file sees all of it."""
    live = site.config
    draft = live.with_name("draft.ini")
    site.write(account=account)
    draft.write_text(live.read_text().replace(GRAPHITE_KEY, graphite_key))
    draft.replace(live)


@contextmanager
def serving(site: Site) -> Iterator[Running]:
    publish(site)
    with started(site) as service:
        yield service


def wait_for_states(site: Site, widget: str, count: int) -> None:
    """Return once a widget has got so many states from now on."""
    site.geckoboard.wait_for_widget(widget, len(site.geckoboard.widgets.get(widget, ())) + count)


def kept(site: Site) -> dict[str, int]:
    """Return how many payloads wait for each destination that the outbox has ever known."""
    with OutboxView.open(site.commands.state_dir / "leexportpy.outbox") as outbox:
        return {lane.lane: lane.payloads for lane in outbox.lanes()}


def test_a_search_that_is_added_starts_at_once_and_the_others_keep_their_times(site: Site) -> None:
    site.line("requests", statement=ONE)
    with serving(site) as service:
        site.geckoboard.wait_for_widget("requests")
        site.line("added", statement=TWO)
        publish(site)
        service.reload()
        site.geckoboard.wait_for_widget("added")
        service.reload()
        service.stop()
    assert site.asked() == [ONE, TWO]


def test_a_changed_file_is_noticed_without_a_signal(site: Site) -> None:
    site.line("requests", statement=ONE)
    with serving(site) as service:
        site.geckoboard.wait_for_widget("requests")
        site.line("added", statement=TWO)
        publish(site)
        site.geckoboard.wait_for_widget("added")
        assert len(service.wait_for_line("configuration read again")) == 1
        service.stop()
    assert site.asked() == [ONE, TWO]


def test_a_search_that_is_removed_stops(site: Site) -> None:
    site.line("removed", statement=ONE, period=1)
    site.line("requests", statement=TWO, period=1)
    with serving(site) as service:
        site.geckoboard.wait_for_widget("removed", 2)
        del site.searches["removed"]
        publish(site)
        service.reload()
        wait_for_states(site, "requests", 1)  # a run that had begun has asked by then
        asked = site.asked().count(ONE)
        wait_for_states(site, "requests", 2)
        service.stop()
    assert site.asked().count(ONE) == asked


def test_what_a_removed_search_has_in_the_outbox_stays_until_the_search_is_back(site: Site) -> None:
    site.series("web.errors", statement=ONE)
    site.line("requests", statement=TWO, period=1)
    site.graphite.fail(Answer(403), times=None)
    with serving(site) as service:
        service.wait_for_line("not delivered, kept: hosted_graphite: web.errors")
        removed = site.searches.pop("web.errors")
        publish(site)
        service.reload()
        site.graphite.heal()
        pushes = site.graphite.request_count
        wait_for_states(site, "requests", 2)
        assert site.graphite.request_count == pushes
        assert kept(site)["hosted_graphite: web.errors"] == 1
        site.searches["web.errors"] = removed
        publish(site)
        service.reload()
        site.graphite.wait_for_points(20)
        service.stop()
    assert site.asked().count(ONE) == 2
    assert kept(site) == {"hosted_graphite: web.errors": 0, "geckoboard: requests": 0}


def test_a_search_that_is_changed_starts_again_at_once(site: Site) -> None:
    site.line("requests", statement=ONE)
    site.line("other", statement=ONE)
    with serving(site) as service:
        site.geckoboard.wait_for_widget("requests")
        site.geckoboard.wait_for_widget("other")
        site.line("requests", statement=TWO)
        publish(site)
        service.reload()
        site.geckoboard.wait_for_widget("requests", 2)
        service.stop()
    assert site.asked() == [ONE, ONE, TWO]


def test_a_search_that_gets_a_shorter_period_goes_by_it(site: Site) -> None:
    site.line("requests", statement=ONE)
    with serving(site) as service:
        site.geckoboard.wait_for_widget("requests")
        site.line("requests", statement=ONE, period=1)
        publish(site)
        service.reload()
        site.geckoboard.wait_for_widget("requests", 3)
        service.stop()


def test_a_search_that_is_changed_while_it_runs_waits_for_its_end_and_what_came_is_dropped(site: Site) -> None:
    site.line("requests", statement=ONE)
    site.line("other", statement="where(other) calculate(count)", period=1)
    hold = Hold()
    site.api.fail(hold, when=lambda request: ONE.encode() in request.body)
    with serving(site) as service:
        site.api.wait_for(lambda request: ONE.encode() in request.body)
        site.line("requests", statement=TWO)
        publish(site)
        service.reload()
        service.reload()
        wait_for_states(site, "other", 2)
        assert TWO not in site.asked()
        hold.release()
        site.geckoboard.wait_for_widget("requests")
        service.wait_for_line("answer dropped, its search was changed: search=requests")
        service.stop()
    assert [statement for statement in site.asked() if statement in (ONE, TWO)] == [ONE, TWO]
    assert len(site.geckoboard.widgets["requests"]) == 1


@pytest.mark.parametrize("broken", ["[LE\n", "[LE]\nrw_api_key = x\n", None], ids=["unparsable", "no search", "gone"])
def test_while_the_file_is_wrong_the_old_configuration_goes_on_and_once_mended_the_new_one(
    site: Site, broken: str | None
) -> None:
    site.line("requests", period=1)
    with serving(site) as service:
        site.geckoboard.wait_for_widget("requests")
        if broken is None:
            site.config.unlink()
        else:
            site.config.write_text(broken)
        service.reload(NOT_READ)
        (told,) = service.lines(NOT_READ)
        assert f" - ERROR - importer.leexport.engine - MainThread - {NOT_READ}{site.config}:" in told
        wait_for_states(site, "requests", 2)
        site.line("added")
        publish(site)
        service.reload()
        site.geckoboard.wait_for_widget("added")
        ended = service.stop()
    assert (ended.code, ended.stderr) == (0, [])


@pytest.mark.slow
def test_a_file_that_has_become_wrong_and_right_again_is_noticed_without_a_signal(site: Site) -> None:
    site.line("requests")
    with serving(site) as service:
        site.geckoboard.wait_for_widget("requests")
        site.config.write_text("[LE\n")
        service.wait_for_line(NOT_READ)
        site.line("added")
        publish(site)
        site.geckoboard.wait_for_widget("added")
        service.stop()


def test_a_search_that_has_become_wrong_is_told_and_left_out_until_it_is_mended(site: Site) -> None:
    site.line("requests", statement=ONE, period=1)
    site.line("other", statement=TWO, period=1)
    with serving(site) as service:
        site.geckoboard.wait_for_widget("requests")
        site.line("requests", statement=ONE, period=0)
        publish(site)
        service.reload()
        (told,) = service.lines("search left out: ")
        assert f" - ERROR - importer.leexport.engine - MainThread - search left out: {site.config}: " in told
        wait_for_states(site, "other", 1)  # a run that had begun has asked by then
        asked = site.asked().count(ONE)
        wait_for_states(site, "other", 2)
        assert site.asked().count(ONE) == asked
        site.line("requests", statement=ONE)
        publish(site)
        service.reload()
        site.api.wait_for(lambda request: site.asked().count(ONE) > asked)
        service.stop()


def test_a_changed_key_of_the_query_api_is_used_from_the_next_query_on(site: Site) -> None:
    site.line("requests", period=1)
    with serving(site) as service:
        site.geckoboard.wait_for_widget("requests")
        site.api.api_key = "another-key"
        service.wait_for_line("the key is refused")
        states = len(site.geckoboard.widgets["requests"])
        publish(site, account=f"rw_api_key = another-key\nurl = {site.api.base_url}")
        service.reload()
        site.geckoboard.wait_for_widget("requests", states + 1)
        ended = service.stop()
    keys = [request.headers["x-api-key"] for request in site.api.requests]
    assert keys == sorted(keys)  # the old one, and then the new one alone
    assert set(keys) == {API_KEY, "another-key"}
    assert "another-key" not in "\n".join(ended.stdout)


def test_what_was_kept_because_of_a_wrong_key_is_pushed_once_the_key_is_right(site: Site) -> None:
    site.series("web.errors")
    site.graphite.api_key = "another-key"
    with serving(site) as service:
        service.wait_for_line("not delivered, kept: hosted_graphite: web.errors: ")
        publish(site, graphite_key="another-key")
        service.reload()
        site.graphite.wait_for_points(20)  # what was kept, and what a search with another destination asks anew
        ended = service.stop()
    accepted = [request.body for request in site.graphite.requests if request.body]
    assert accepted[0] == accepted[1]
    assert "another-key" not in "\n".join(ended.stdout)
    assert kept(site) == {"hosted_graphite: web.errors": 0}


def test_a_changed_service_of_the_users_is_used_from_then_on_at_once(site: Site) -> None:
    push = 'requests.post(self.push_url, json={{"api_key": "{key}", "data": "{word}"}})'
    key = site.geckoboard.api_key
    plug_in(site, "mine", push.format(key=key, word="one"), period=3600)
    site.line("requests")
    with serving(site) as service:
        assert site.geckoboard.wait_for_widget("mine") == ["one"]
        plug_in(site, "mine", push.format(key=key, word="two"), period=3600)
        service.reload()
        assert site.geckoboard.wait_for_widget("mine", 2) == ["one", "two"]
        service.reload()
        plug_in(site, "mine", "raise ValueError(", period=3600)
        service.reload()
        service.wait_for_line("unknown service mine: mine_service.py does not import: SyntaxError")
        plug_in(site, "mine", push.format(key=key, word="three"), period=3600)
        service.reload()
        assert site.geckoboard.wait_for_widget("mine", 3) == ["one", "two", "three"]
        service.stop()
    assert len(site.geckoboard.widgets["requests"]) == 1


# ---- a run that ends while the configuration is read again, step by step


class SteppedOutbox(Outbox):
    """Calls what a test says after lanes were configured, and before a transaction is begun; each once."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.commands.state_dir / "leexportpy.outbox")
        self.after_configure: list[Callable[[], None]] = []
        self.before_transaction: list[Callable[[], None]] = []

    def configure(self, lanes: Iterable[Lane]) -> list[LaneState]:
        left = super().configure(lanes)
        if self.after_configure:
            self.after_configure.pop()()
        return left

    def transaction(self) -> AbstractContextManager[Transaction]:
        if self.before_transaction:
            self.before_transaction.pop()()
        return super().transaction()


class Heard(logging.Handler):
    """Tells once a line was logged that begins with a text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text
        self._event = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith(self._text):
            self._event.set()

    def wait(self) -> bool:
        return self._event.wait(WAIT_SECONDS)


@contextmanager
def heard(text: str) -> Iterator[Heard]:
    """Listen to what the engine and its runs log."""
    handler = Heard(text)
    logger = logging.getLogger("importer.leexport")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield handler
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


class OpenedSources:
    """The sources that an engine has opened, and those of them that it has closed."""

    def __init__(self) -> None:
        self.opened: list[LogSearch] = []
        self.closed: list[LogSearch] = []

    def open(self, *arguments: object, **options: object) -> LogSearch:
        closed = self.closed

        class Source(LogSearch):
            def close(self) -> None:
                closed.append(self)
                super().close()

        self.opened.append(Source(*arguments, **options))  # type: ignore[arg-type]
        return self.opened[-1]


@contextmanager
def engine_at_work(site: Site, outbox: Outbox, sources: OpenedSources | None = None) -> Iterator[Signals]:
    """Let an engine run in a thread of this process; gives what it is told by."""
    publish(site)
    signals = Signals()
    configuration = reader(site.config)
    open_source = LogSearch if sources is None else sources.open
    engine = Engine(
        configuration, configuration.read(), outbox, signals, notifier=Notifier({}), open_source=open_source
    )
    thread = threading.Thread(target=engine.run)
    thread.start()
    try:
        yield signals
    finally:
        signals.stop.set()
        signals.wake.set()
        thread.join(WAIT_SECONDS)
    assert not thread.is_alive()


def ask_for_reload(signals: Signals) -> None:
    signals.reload.set()
    signals.wake.set()


@pytest.fixture
def held(site: Site) -> Hold:
    """The answer to the query of a search `removed`, which is removed while it runs; another search stays."""
    site.line("removed", statement=ONE)
    site.line("other", statement=TWO)
    hold = Hold()
    site.api.fail(hold, when=lambda request: ONE.encode() in request.body)
    return hold


def remove_search(site: Site) -> None:
    """Take the search out of the configuration once its query was asked, and the other one's state is delivered."""
    site.api.wait_for(lambda request: ONE.encode() in request.body)
    site.geckoboard.wait_for_widget("other")
    del site.searches["removed"]
    publish(site)


def test_an_answer_that_comes_once_its_lane_is_gone_is_dropped(site: Site, held: Hold) -> None:
    seen: list[bool] = []
    with SteppedOutbox(site) as outbox, heard("answer dropped") as dropped, engine_at_work(site, outbox) as signals:
        remove_search(site)

        def let_the_run_end() -> None:
            held.release()
            seen.append(dropped.wait())

        outbox.after_configure.append(let_the_run_end)
        ask_for_reload(signals)
        assert dropped.wait()
    assert seen == [True]
    assert kept(site) == {"geckoboard: other": 0}


def test_an_answer_whose_lane_goes_when_it_is_about_to_be_kept_is_dropped(site: Site, held: Hold) -> None:
    configured = threading.Event()
    with SteppedOutbox(site) as outbox, heard("answer dropped") as dropped, engine_at_work(site, outbox) as signals:
        remove_search(site)

        def reload_first() -> None:
            ask_for_reload(signals)
            assert configured.wait(WAIT_SECONDS)

        outbox.after_configure.append(configured.set)
        outbox.before_transaction.append(reload_first)
        held.release()
        assert dropped.wait()
    assert kept(site) == {"geckoboard: other": 0}


def test_where_the_outbox_does_not_take_the_new_configuration_the_answers_of_the_old_one_are_kept(
    site: Site, held: Hold
) -> None:
    class Failing(SteppedOutbox):
        def configure(self, lanes: Iterable[Lane]) -> list[LaneState]:
            if self.lanes():
                raise OutboxError(self.path or "", "disk I/O error")
            return super().configure(lanes)

    with Failing(site) as outbox, heard(NOT_READ) as not_read, engine_at_work(site, outbox) as signals:
        remove_search(site)
        ask_for_reload(signals)
        assert not_read.wait()
        held.release()
        site.geckoboard.wait_for_widget("removed")


def test_a_run_under_way_goes_on_with_the_account_that_is_replaced(site: Site) -> None:
    """Its source is closed meanwhile, and has to be asked once more for the final answer."""
    site.line("requests", statement=ONE)
    site.api.polls = 1
    hold = Hold()
    site.api.fail(hold, when=lambda request: ONE.encode() in request.body)
    sources = OpenedSources()
    account = f"rw_api_key = {API_KEY}\nurl = {site.api.base_url}\nquery_timeout = 59"
    with (
        SteppedOutbox(site) as outbox,
        heard("configuration read again") as read_again,
        engine_at_work(site, outbox, sources) as signals,
    ):
        site.api.wait_for(lambda request: ONE.encode() in request.body)
        publish(site, account=account)
        ask_for_reload(signals)
        assert read_again.wait()
        assert sources.closed == sources.opened[:1]
        hold.release()
        site.geckoboard.wait_for_widget("requests")
    assert site.asked() == [ONE]
    assert len(sources.opened) == 2
    assert sources.closed == sources.opened


def test_an_engine_that_cannot_begin_closes_its_source(site: Site) -> None:
    site.line("requests")
    publish(site)
    outbox = SteppedOutbox(site)
    outbox.close()
    sources = OpenedSources()
    configuration = reader(site.config)
    engine = Engine(
        configuration, configuration.read(), outbox, Signals(), notifier=Notifier({}), open_source=sources.open
    )
    with pytest.raises(OutboxError):
        engine.run()
    assert sources.closed == sources.opened


def test_a_retried_reject_of_a_removed_search_goes_into_no_other_widget(site: Site) -> None:
    site.line("removed", statement=ONE)
    site.line("other", statement=TWO)
    site.geckoboard.fail(Answer(400), when="*removed*", times=None)
    with serving(site) as service:
        service.wait_for_line("payload set aside")
        removed = site.searches.pop("removed")
        publish(site)
        service.reload()
        site.commands.run("metrics-importer", "outbox", "retry", "--all")
        service.reload()
        assert kept(site) == {"geckoboard: other": 0, "geckoboard: removed": 1}
        site.geckoboard.heal()
        site.searches["removed"] = removed
        publish(site)
        service.reload()
        site.geckoboard.wait_for_widget("removed")
        service.stop()
    assert len(site.geckoboard.widgets["other"]) == 1
