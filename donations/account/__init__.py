"""The member's own page: signing in, and what a reader sees and does there."""
