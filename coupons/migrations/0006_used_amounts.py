from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("coupons", "0005_declining_balances")]

    operations = [
        migrations.RunSQL(
            """
            UPDATE coupons_coupon SET used_amount_cents = used.cents
            FROM (
                SELECT coupon_id, -sum(discount_cents) AS cents
                FROM coupons_use
                WHERE is_counted AND coupon_id IS NOT NULL
                GROUP BY coupon_id
            ) AS used
            WHERE used.coupon_id = coupons_coupon.id
            """,
            migrations.RunSQL.noop,
        )
    ]
