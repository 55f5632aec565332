"""
`make year`: a year of a newsroom, played through the real processes, and two sets of books compared.

`plot` says what readers do on which day; `stage` runs web, worker, beat and the offline Stripe; `actors` turn the
plot into calls; `theirs` asks Stripe, `ours` asks the house, and `agreement` lays one beside the other.
"""
