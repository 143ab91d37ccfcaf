#!/bin/sh
# A notify script for keepalived that promotes and demotes the local Redis with syncgate, in place of `sleep 10`.
#
# keepalived calls it as `TYPE NAME STATE PRIORITY` (TYPE is INSTANCE or GROUP). In keepalived.conf, on both machines:
#
#   vrrp_instance REDIS {
#       ...
#       notify /etc/keepalived/keepalived-notify.sh
#   }
#
#   MASTER       the local Redis is promoted; while the old master answers, no acknowledged write is lost
#   BACKUP       the local Redis follows the peer; where the peer is its replica, the roles are swapped
#   FAULT, STOP  nothing: the other machine promotes its own Redis, and makes this one follow if it can be reached
#
# keepalived also enters BACKUP when it starts. If the local Redis is master then, the roles are swapped, and swapped
# back when keepalived becomes MASTER. Nothing is lost by that.
set -u

# ---- settings: edit these, or set them in the environment of keepalived -------------------------------------------
: "${SYNCGATE:=/usr/local/bin/syncgate}"
: "${SYNCGATE_LOCAL:=redis://127.0.0.1:6379}"
: "${SYNCGATE_PEER:=redis://192.0.2.2:6379}"          # the other machine, by its own address, not by the VIP
: "${SYNCGATE_PASSWORD_FILE:=/etc/syncgate/password}" # not used where it is missing or empty
: "${SYNCGATE_TIMEOUT:=10s}"                          # how long a living master's replica may take to catch up
: "${SYNCGATE_ON_TIMEOUT:=refuse}"                    # refuse: keep all writes; promote: be available, lose the lag
: "${SYNCGATE_NOTIFY_LOCK:=/run/syncgate-notify.lock}"
# --------------------------------------------------------------------------------------------------------------------

say() { logger -t syncgate-notify -- "$*" 2>/dev/null || printf 'syncgate-notify: %s\n' "$*"; }

if [ $# -lt 3 ]; then
    echo "usage: $0 TYPE NAME STATE [PRIORITY]   (as keepalived calls it)" >&2
    exit 2
fi
name=$2
state=$3

case $state in
    MASTER) set -- promote --local "$SYNCGATE_LOCAL" --on-timeout "$SYNCGATE_ON_TIMEOUT" ;;
    BACKUP) set -- demote --local "$SYNCGATE_LOCAL" --peer "$SYNCGATE_PEER" ;;
    FAULT | STOP) say "$name: $state: Redis is left as it is"; exit 0 ;;
    *) say "$name: unknown state '$state'"; exit 2 ;;
esac
set -- "$@" --timeout "$SYNCGATE_TIMEOUT"
if [ -r "$SYNCGATE_PASSWORD_FILE" ] && [ -s "$SYNCGATE_PASSWORD_FILE" ]; then
    set -- "$@" --password-file "$SYNCGATE_PASSWORD_FILE"
fi

# One after the other, in the order in which keepalived called: a BACKUP that still waits for its link comes first.
exec 9>"$SYNCGATE_NOTIFY_LOCK" || exit 2
flock 9

output=$("$SYNCGATE" "$@" 2>&1 9>&-)
code=$?
printf '%s\n' "$output" | while IFS= read -r line; do say "$name: $line"; done
case $code in
    0) say "$name: $state: done" ;;
    1) say "$name: $state: REFUSED, nothing was changed; Redis needs you" ;;
    4) say "$name: $state: done, but writes may have been lost (see above)" ;;
    *) say "$name: $state: FAILED with exit code $code; Redis needs you" ;;
esac
exit "$code"
