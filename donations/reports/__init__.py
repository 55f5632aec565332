"""
The newsroom's numbers, and the rows behind each of them.

Definitions are in docs/reports.md and in the docstring of each function, with their source. All sums are integers of
minor units, one currency at a time; what is monthly is kept by the year, in twelfths, so that nothing is rounded before
it is shown (docs/decisions/0036). Days, weeks and months are the newsroom's own.

- `periods`, `rates`: stretches of days; shares that say of what.
- `plans`, `recurring`: what is given regularly, from the steps of memberships.
- `journal`, `rollups`, `revenue`: what moved, from an account that is only added to.
- `giving`, `recovery`, `campaigns`, `payouts`: further subjects.
- `catalogue`: the reports by name, as the API and the dashboard ask for them.
"""
