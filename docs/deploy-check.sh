#!/bin/sh
# Django's and our own deploy checks, under settings such as production has; made-up keys, nothing is contacted.
set -eu
python=$1
env -i PATH="$PATH" HOME="${HOME:-/tmp}" \
  DEBUG=False \
  SECRET_KEY="$("$python" -c 'import secrets; print(secrets.token_urlsafe(60))')" \
  FIELD_ENCRYPTION_KEYS="a1:$("$python" -c 'import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())')" \
  LOOKUP_HASH_KEYS="a1:$("$python" -c 'import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())')" \
  PUBLIC_BASE_URL=https://give.gazette.example ALLOWED_ORIGINS=https://gazette.example \
  STRIPE_SECRET_KEY="sk_""live_0" STRIPE_WEBHOOK_SECRET=whsec_0 \
  NEWSROOM_NAME="The Sample Gazette" NEWSROOM_SUPPORT_EMAIL=members@gazette.example \
  DATABASE_URL=postgres://postgres@127.0.0.1/postgres CELERY_BROKER_URL=redis://127.0.0.1/0 \
  "$python" manage.py check --deploy --fail-level WARNING
