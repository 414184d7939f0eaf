#!/usr/bin/env bash
# Makes the master keys and aliases that .env.example names, once LocalStack is ready. Running it again changes nothing.
# With "check" it only tells whether they are there: the health check of docker-compose.yml.
set -euo pipefail

export AWS_DEFAULT_REGION="${AWS_DEFAULT_REGION:-us-east-1}"
ALIASES=(alias/keywright alias/keywright-financial)

exists() {
  awslocal kms describe-key --key-id "$1" >/dev/null 2>&1
}

for alias in "${ALIASES[@]}"; do
  if exists "$alias"; then continue; fi
  if [ "${1:-}" = check ]; then
    echo "there is no $alias yet" >&2
    exit 1
  fi
  key=$(awslocal kms create-key --description "Keywright master key $alias" --query KeyMetadata.KeyId --output text)
  awslocal kms create-alias --alias-name "$alias" --target-key-id "$key"
  echo "made $alias"
done
