"""
What the reports are measured by: their main figures, asked of the rows themselves in one statement each.

None of them is more than a part of its report: the statement that moves, cohorts or shares would take besides is not in
it. What a report is faster than, it is faster than by at least so much.
"""

# ruff: noqa: S608  # made of constants of ours
from __future__ import annotations

from benchmarks.books import NOW

_YEAR = f"timestamptz '{NOW:%Y-%m}-01' - interval '11 months'"  # twelve months with this one, as reports are asked
_NOW = f"timestamptz '{NOW.isoformat()}'"
_ENDS = (
    f"generate_series({_YEAR} + interval '1 month', {_NOW} + interval '1 month', interval '1 month') AS month"
)
_REVENUE = (
    "SELECT date_trunc('month', paid_at), currency, count(*), sum(amount_minor) FROM donations_payment "
    "WHERE state = 'SUCCEEDED' {0} GROUP BY 1, 2"
)
_LAST_STEPS = (
    "SELECT DISTINCT ON (membership_id) membership_id, annual_minor, ends_at, ends_as, paused_at "
    "FROM members_membershipstep "
    f"WHERE at <= {_NOW} ORDER BY membership_id, at DESC, place DESC, id DESC"
)

STATEMENTS = {
    "revenue of all years": _REVENUE.format(""),
    "revenue": _REVENUE.format(f"AND paid_at >= {_YEAR} AND paid_at <= {_NOW}"),
    # what each campaign brought in
    "campaigns": "SELECT campaign_id, p.currency, sum(p.amount_minor - p.refunded_minor) FROM donations_payment p "
    "JOIN donations_contribution c ON c.id = p.contribution_id "
    f"WHERE state = 'SUCCEEDED' AND paid_at >= {_YEAR} AND paid_at <= {_NOW} GROUP BY 1, 2",
    # active donors at the end of each month
    "members": f"SELECT month, count(DISTINCT member_id) FROM {_ENDS} JOIN donations_payment p "
    "ON paid_at < month AND paid_at >= month - interval '365 days' "
    "JOIN donations_contribution c ON c.id = p.contribution_id WHERE state = 'SUCCEEDED' GROUP BY 1",
    # monthly recurring revenue at the end of one month of the twelve
    "mrr": f"SELECT m.currency, sum(s.annual_minor) FROM ({_LAST_STEPS}) s "
    "JOIN members_membership m ON m.id = s.membership_id "
    f"WHERE (s.ends_at IS NULL OR s.ends_at > {_NOW}) AND s.paused_at IS NULL GROUP BY 1",
    # who came with each month, by how many months later they still gave
    "retention": "SELECT date_trunc('month', first), (extract(epoch FROM at - first) / 2629800)::int, "
    "count(DISTINCT membership_id) FROM members_membershipstep JOIN "
    "(SELECT membership_id AS whose, min(at) AS first FROM members_membershipstep GROUP BY 1) began "
    f"ON whose = membership_id WHERE first >= {_YEAR} AND at <= {_NOW} GROUP BY 1, 2",
    # who left in each month
    "churn": f"SELECT date_trunc('month', ends_at), ends_as, count(*) FROM ({_LAST_STEPS}) s "
    f"WHERE ends_at >= {_YEAR} AND ends_at <= {_NOW} GROUP BY 1, 2",
    # renewals of the twelve months, and those that were refused at least once
    "recovery": "SELECT currency, count(*), sum(amount_minor), count(*) FILTER (WHERE failed_at IS NOT NULL) "
    f"FROM donations_payment WHERE is_renewal AND created_at >= {_YEAR} AND created_at <= {_NOW} GROUP BY 1",
}
OF_THE_DASHBOARD = ("revenue", "members", "mrr")  # which it shows, among others
