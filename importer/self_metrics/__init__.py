"""What a command tells of itself: its runs, requests, backlog and lag, for whoever watches the commands.

Where it comes from: each run of a command, and each minute of a service, is recorded in the command's own outbox
(`importer.run_history`): the last 200 runs one by one, and all of them as totals. Nothing is written for it but one row
and a few counters in the transaction that records the run anyway. A run does not fail for it.

    with OutboxView.open(state / "livestats.outbox") as view:
        view.runs()        # Sequence[Run], newest first: started, ended, exit_code, points, newest, message, details
        view.totals()      # Totals: runs, failed, points, seconds, requests by status, newest point by source
        view.lanes(), view.rejects()

    last = view.runs()[0]
    last.details.requests              # {"200": 12, "429": 1, "none": 1}; "none": no whole answer came
    last.details.failures              # up to ten lines without secrets; `message` is the first of them
    last.details.rate_limit_remaining  # int, or None where no vendor said
    last.details.count, last.failed    # how many searches or polls are told as this one, and how many of them failed
    last.busy_seconds                  # how long they took together

`figures.figures_of` gathers all that is shown of one command, at one moment. `families` makes metric families of it
for Prometheus, `points` points for every other store. `settings` reads self-metrics.json, and `publisher` does what it
says after each run. An outbox of a former version has no details and totals: they are empty then.
"""
