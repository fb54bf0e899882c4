#!/bin/sh
# Keys at the first start, in a volume that the Airflow containers see too (read-only); then sshd.
set -eu
folder=/keys
for key in host id; do
  [ -e "$folder/$key" ] || ssh-keygen -q -t ed25519 -N '' -C "$COLLECTOR_ID" -f "$folder/$key"
done
echo "$COLLECTOR_HOST $(cut -d' ' -f1,2 "$folder/host.pub")" > "$folder/known_hosts"
echo "restrict,command=\"/usr/local/bin/collector_gate /data\" $(cat "$folder/id.pub")" > /etc/ssh/collector_keys
# ssh refuses a private key that others may read: it belongs to the user of the Airflow image.
chown 50000 "$folder/id"
chown collector: /data
# Those that config/collectors.yml names: one that is missing at its host fails the sync.
install -d -o collector -g collector /data/archive /data/bouncer /data/bouncer/archive
exec /usr/sbin/sshd -D -e -o "HostKey=$folder/host" -o AuthorizedKeysFile=/etc/ssh/collector_keys \
  -o PasswordAuthentication=no -o KbdInteractiveAuthentication=no -o PermitRootLogin=no -o AllowUsers=collector
