"""
Memberships and steps that were recorded before a step held how the membership stood after it.

What cannot be known any more is taken from the next renewal: so long the time was paid. As soon as the ledger tells
of a contribution again, its steps are recorded anew, exactly.
"""

from datetime import timedelta

from django.db import migrations

GRACE = timedelta(days=14)


def fill(apps, schema_editor):
    Membership = apps.get_model("members", "Membership")
    MembershipStep = apps.get_model("members", "MembershipStep")
    for membership in Membership.objects.order_by("pk").iterator(chunk_size=500):
        ends_as = "ENDED" if membership.ends_at else ""
        Membership.objects.filter(pk=membership.pk).update(
            grace_until=membership.paid_through + GRACE, ends_as=ends_as
        )
        steps = list(MembershipStep.objects.filter(membership=membership).order_by("at", "id"))
        paid = [step.at for step in steps if step.kind in ("STARTED", "RENEWED")]
        for number, step in enumerate(steps):
            is_last = number == len(steps) - 1
            later = [at for at in paid if at > step.at]
            through = later[0] if later else membership.paid_through
            MembershipStep.objects.filter(pk=step.pk).update(
                tier_id=membership.tier_id,
                annual_minor=membership.annual_minor,
                paid_through=through,
                grace_until=through + GRACE,
                ends_at=membership.ends_at if is_last else None,
                ends_as=ends_as if is_last else "",
                place=number,
            )


class Migration(migrations.Migration):

    dependencies = [
        ("members", "0006_membership_life"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
    ]
