"""What only PostgreSQL needs: codes compared byte by byte, so that the plain indexes serve a search by prefix, and room
in every page for the count of uses to change in place.

An index for searches inside codes is left to the operator, for it makes an import more than twice as slow:
CREATE EXTENSION pg_trgm; CREATE INDEX CONCURRENTLY coupon_code_trigrams ON coupons_coupon USING gin (code_norm gin_trgm_ops)
"""

from django.db import migrations

FORWARD = (
    'ALTER TABLE coupons_coupon ALTER COLUMN code_norm TYPE varchar(64) COLLATE "C"',
    "ALTER TABLE coupons_coupon SET (fillfactor = 85)",
)
BACKWARD = (
    'ALTER TABLE coupons_coupon ALTER COLUMN code_norm TYPE varchar(64) COLLATE "default"',
    "ALTER TABLE coupons_coupon RESET (fillfactor)",
)


def run(*statements):
    def on_postgresql(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            for statement in statements:
                schema_editor.execute(statement)

    return on_postgresql


class Migration(migrations.Migration):
    dependencies = [("coupons", "0001_initial")]

    operations = [migrations.RunPython(run(*FORWARD), run(*BACKWARD))]
