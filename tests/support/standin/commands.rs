// SPDX-License-Identifier: MIT OR Apache-2.0
//! The commands that every stand-in has.

/// Names and scripts.
pub const ALL: [(&str, &str); 10] = [
    ("service", SERVICE),
    ("systemctl", SYSTEMCTL),
    ("docker", DOCKER),
    ("su", SU),
    ("cp", TOOL),
    ("mv", TOOL),
    ("rm", TOOL),
    ("tar", TOOL),
    ("find", FIND),
    // All files of a machine that many tests share need not reach the disk.
    ("sync", "look \"$@\""),
];

/// `service NAME start|stop|restart|status`, in the words of upstart. A container's services are its own.
const SERVICE: &str = r#"
unit=${STANDIN_CONTAINER:+$STANDIN_CONTAINER.}$1
file=$state/services/$unit
case $2 in
    status)
        look "$@"
        if ! [ -e "$file" ]; then refuse "$1: unrecognized service"; fi
        read -r now < "$file"
        if [ "$now" = running ]; then echo "$1 start/running, process 4711"; else echo "$1 stop/waiting"; exit 3; fi ;;
    start | stop | restart)
        act "$@"
        if ! [ -e "$file" ]; then refuse "$1: unrecognized service"; fi
        for action in $(case $2 in restart) echo stop start ;; *) echo "$2" ;; esac); do
            if [ -e "$STANDIN/hooks/$unit-$action" ]; then . "$STANDIN/hooks/$unit-$action"; fi
            case $action in
                start) echo running > "$file"; echo "$1 start/running, process 4711" ;;
                stop) echo stopped > "$file"; echo "$1 stop/waiting" ;;
            esac
        done ;;
    *) refuse "usage: service NAME start|stop|restart|status" ;;
esac
"#;

/// `systemctl start|stop|restart|is-active|status|enable|disable UNIT...` on the services of `service`.
const SYSTEMCTL: &str = r#"
verb=
quiet=
units=
for word; do
    case $word in
        -q | --quiet) quiet=yes ;;
        -*) ;;
        *) if [ -z "$verb" ]; then verb=$word; else units="$units ${word%.service}"; fi ;;
    esac
done
case $verb in
    is-active | is-enabled | status | list-unit-files | cat | show) look "$@" ;;
    daemon-reload) act "$@"; exit 0 ;;
    *) act "$@" ;;
esac
for short in $units; do
    unit=${STANDIN_CONTAINER:+$STANDIN_CONTAINER.}$short
    file=$state/services/$unit
    if ! [ -e "$file" ]; then
        echo "Unit $short.service could not be found." >&2
        case $verb in is-active | status) exit 4 ;; *) exit 5 ;; esac
    fi
    read -r now < "$file"
    case $verb in
        is-active | status)
            if [ "$now" = running ]; then [ "$quiet" ] || echo active; else [ "$quiet" ] || echo inactive; exit 3; fi ;;
        is-enabled)
            if [ -e "$state/disabled/$unit" ]; then [ "$quiet" ] || echo disabled; exit 1; else [ "$quiet" ] || echo enabled; fi ;;
        cat | show | list-unit-files) echo "$short.service" ;;
        enable) rm -f "$state/disabled/$unit" ;;
        disable) mkdir -p "$state/disabled"; : > "$state/disabled/$unit" ;;
        start | stop | restart)
            for action in $(case $verb in restart) echo stop start ;; *) echo "$verb" ;; esac); do
                if [ -e "$STANDIN/hooks/$unit-$action" ]; then . "$STANDIN/hooks/$unit-$action"; fi
                case $action in start) echo running > "$file" ;; stop) echo stopped > "$file" ;; esac
            done ;;
        *) refuse "unknown verb $verb" ;;
    esac
done
"#;

/// `docker ps` and `docker exec -i CONTAINER COMMAND...`. A container sees the machine's files.
const DOCKER: &str = r#"
case $1 in
    ps)
        look "$@"
        echo "CONTAINER ID        NAMES"
        for file in "$state"/containers/*; do
            if [ -e "$file" ] && [ "$(cat "$file")" = running ]; then echo "0ff200b12112        ${file##*/}"; fi
        done ;;
    inspect)
        look "$@"
        for container; do :; done
        if ! [ -e "$state/containers/$container" ]; then echo "Error: No such object: $container" >&2; exit 1; fi
        if [ "$(cat "$state/containers/$container")" = running ]; then echo true; else echo false; fi ;;
    exec)
        shift
        while :; do case $1 in -*) shift ;; *) break ;; esac; done
        container=$1
        shift
        if ! [ -e "$state/containers/$container" ]; then refuse "Error: No such container: $container"; fi
        if [ "$(cat "$state/containers/$container")" != running ]; then refuse "Error: Container $container is not running"; fi
        STANDIN_CONTAINER=$container STANDIN_WHERE=$host/$container PATH=$fakes exec "$@" ;;
    start | stop)
        act "$@"
        if ! [ -e "$state/containers/$2" ]; then refuse "Error: No such container: $2"; fi
        case $1 in start) echo running ;; stop) echo stopped ;; esac > "$state/containers/$2" ;;
    *) refuse "$1 is not a docker command" ;;
esac
"#;

/// `su - USER -c SCRIPT` and `su USER -c SCRIPT`. It stays who it is: a test may be no root.
const SU: &str = r#"
case $1 in -) shift ;; esac
user=$1
if [ "$2" != -c ]; then refuse "usage: su - USER -c SCRIPT"; fi
if [ -e "$state/users" ] && ! grep -qx "$user" "$state/users"; then refuse "user $user does not exist"; fi
STANDIN_USER=$user STANDIN_WHERE="$where as $user" PATH=$fakes exec sh -c "$3"
"#;

/// A tool of the machine, which may fail like every other command.
const TOOL: &str = r#"
act "$@"
"$name" "$@"
"#;

/// `find` that only looks, or removes.
const FIND: &str = r#"
case " $* " in
    *" -exec rm "* | *" -delete "*) act "$@" ;;
    *) look "$@" ;;
esac
"$name" "$@"
"#;
