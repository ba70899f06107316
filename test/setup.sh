# What ./check and ./demo share: packages, a private copy of the tree, the
# build, virtual environments, and PostgreSQL clusters that vanish afterwards.
# Sourced, not run.
#
# A caller sets `root` (the checkout) and calls `setup_begin`; from then on
# `work` is a private folder, and whatever was started or made is stopped and
# removed when the script ends, for whatever reason.
# shellcheck shell=bash

major=${PG_MAJOR:-15}
clusters=()
background=
work=

say() { printf '%s\n' "$*"; }

die()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# Sets the environment, the users and the private folder.
setup_begin()
{
	umask 022
	export LC_ALL=C.UTF-8
	# Settings of the caller's own libpq must not reach a test.
	unset PGHOST PGHOSTADDR PGPORT PGDATABASE PGUSER PGPASSWORD PGPASSFILE \
		PGSERVICE PGSERVICEFILE PGOPTIONS PGSSLMODE PGAPPNAME PGDATA
	work=$(mktemp -d "${TMPDIR:-/tmp}/catreg.XXXXXX")
	trap setup_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP

	# as_root and as_user are command prefixes: arrays, so that they can stand
	# behind `timeout`, which runs no shell function.
	if [ "$(id -u)" = 0 ]; then
		as_root=(env)
		cache=${CATREG_CACHE:-/var/cache/catreg}
	else
		as_root=(sudo)
		cache=${CATREG_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/catreg}
	fi
	user_environment=(env -u XDG_CACHE_HOME -u XDG_CONFIG_HOME "HOME=$work/home" "TMPDIR=$work/tmp")
	as_user=("${user_environment[@]}")
}

# Gives the private folder to the user that servers and tests run as. As root
# that is `postgres`, which exists once the packages are there.
setup_user()
{
	mkdir -p "$work/home" "$work/tmp" "$work/logs"
	if [ "$(id -u)" = 0 ]; then
		id postgres > /dev/null 2>&1 || die "there is no user postgres to run a server as"
		chown -R postgres: "$work"
		as_user=(setpriv --reuid=postgres --regid="$(id -g postgres)" --init-groups
			"${user_environment[@]}")
	fi
	cd "$work"
}

# Stops what still runs, newest first, and removes the private folder.
setup_end()
{
	local status=$?

	trap - EXIT
	trap '' INT TERM HUP
	stop_all
	cd /
	[ -z "$work" ] || rm -rf "$work" 2> /dev/null || "${as_root[@]}" rm -rf "$work"
	exit "$status"
}

stop_all()
{
	if [ -n "$background" ]; then
		kill "$background" 2> /dev/null || true
		wait "$background" || true
	fi
	stop_clusters
}

# Waits for the newest background job. What takes long runs in the background,
# so that a signal reaches this script's traps at once and not afterwards.
wait_for_it()
{
	local status=0

	background=$!
	wait "$background" || status=$?
	background=
	return "$status"
}

# limited SECONDS COMMAND...: runs a command with a time limit
limited()
{
	local seconds=$1 status=0

	shift
	timeout --kill-after=30 "$seconds" "$@" < /dev/null &
	wait_for_it || status=$?
	if [ "$status" = 124 ]; then
		say "stopped: it took more than $seconds s"
	fi
	return "$status"
}

# apart FUNCTION...: runs a function in a shell of its own, which may exit, and
# which stops what it started
apart()
{
	(
		set -e
		background=
		clusters=()
		trap stop_all EXIT
		trap 'exit 143' TERM
		"$@"
	) < /dev/null &
	wait_for_it
}

# ---------------------------------------------------------------- packages

packages()
{
	echo "postgresql-$major" "postgresql-server-dev-$major" libjson-c-dev libpq-dev pkg-config \
		make gcc clang libclang-rt-dev libipc-run-perl python3-venv
}

missing_packages()
{
	local package

	for package in $(packages); do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null)" = installed ] ||
			echo "$package"
	done
}

# Installs the Debian packages that are missing, and sets pg_config and bindir.
setup_packages()
{
	local missing

	if command -v apt-get > /dev/null; then
		missing=$(missing_packages)
		if [ -n "$missing" ]; then
			# shellcheck disable=SC2086
			apt_install $missing > "$work/apt.log" 2>&1 ||
				{ tail -n 20 "$work/apt.log" >&2; die "cannot install" $missing; }
		fi
	fi
	pg_config=/usr/lib/postgresql/$major/bin/pg_config
	[ -x "$pg_config" ] || pg_config=$(command -v pg_config) || die "there is no pg_config"
	bindir=$("$pg_config" --bindir)
}

# The server package makes and starts a cluster unless told otherwise; nobody
# asked for one here. The file that says so is there during the installation
# only, and a machine that already has PostgreSQL is left as it is.
apt_install()
{
	local quiet=/etc/postgresql-common/createcluster.d/catreg.conf status=0

	"${as_root[@]}" apt-get update -q
	if [ ! -e /etc/postgresql-common ]; then
		"${as_root[@]}" mkdir -p "${quiet%/*}"
		echo 'create_main_cluster = off' | "${as_root[@]}" tee "$quiet" > /dev/null
	else
		quiet=
	fi
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get install -q -y --no-install-recommends "$@" || status=$?
	[ -z "$quiet" ] || "${as_root[@]}" rm -f "$quiet"
	return "$status"
}

# ------------------------------------------------------------------- build

# Copies what belongs to the project, committed or not, to $work/catreg: a
# server's user may not be able to read the checkout, and nobody else's build
# products are wanted.
setup_copy()
{
	local list=$work/files

	mkdir "$work/catreg"
	if git -C "$root" -c safe.directory='*' rev-parse > /dev/null 2>&1; then
		git -C "$root" -c safe.directory='*' ls-files -z --cached --others --exclude-standard
	else
		(cd "$root" && find . -name .git -prune -o -type f -print0)
	fi > "$list"
	tar -C "$root" --ignore-failed-read --null -T "$list" -cf - 2> /dev/null |
		tar -C "$work/catreg" --no-same-owner -xf -
	rm -f "$list" "$work"/catreg/test/fixtures/*.sql
	# Reference data that some tests compare with, if it is beside the checkout.
	if [ -d "$root/../shared/data" ]; then
		mkdir "$work/shared"
		cp -r "$root/../shared/data" "$work/shared/"
	fi
	[ "$(id -u)" != 0 ] || chown -R postgres: "$work/catreg"
}

# Warnings are errors. What -Wextra says about PostgreSQL's own headers and
# calling conventions (every function has the same unused arguments) is not ours.
warnings='-Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers'

# Builds as the user, installs as root.
build()
{
	limited 600 "${as_user[@]}" make -s -j2 -C "$work/catreg" PG_CONFIG="$pg_config" COPT="$warnings" &&
		limited 60 "${as_root[@]}" make -s -C "$work/catreg" PG_CONFIG="$pg_config" COPT="$warnings" install
}

# ------------------------------------------------------------------ Python

# Prints a Python that can make a virtual environment: Debian's if it is there,
# since another user can surely run it.
find_python()
{
	local python

	for python in /usr/bin/python3 python3; do
		if "$python" -c 'import venv, ensurepip' 2> /dev/null; then
			echo "$python"
			return
		fi
	done
	die "there is no Python that can make a virtual environment"
}

# Prints the folder of a virtual environment with the packages of
# test/peers/requirements-$1.txt, and makes it first if there is none yet.
virtualenv()
{
	local requirements=$root/test/peers/requirements-$1.txt python key folder

	python=$(find_python)
	key=$({ cat "$requirements"; "$python" -V; } | sha256sum | cut -c1-12)
	folder=$cache/venv-$1-$key
	mkdir -p "$cache"
	locked make_virtualenv "$python" "$folder" "$requirements" >&2 ||
		die "cannot install the packages of $requirements"
	"${as_user[@]}" test -x "$folder/bin/python" ||
		die "$cache cannot be read by the user of the tests; set CATREG_CACHE"
	echo "$folder"
}

make_virtualenv()
{
	[ ! -e "$2/complete" ] || return 0
	rm -rf "$2" && "$1" -m venv "$2" &&
		"$2/bin/pip" install -q --disable-pip-version-check -r "$3" &&
		touch "$2/complete"
}

# Prints the folder of a package's own tests, which ship in its source
# distribution only: package_tests ENVIRONMENT PACKAGE VERSION
package_tests()
{
	locked get_package_tests "$@" >&2 || die "cannot get the source distribution of $2 $3"
	echo "$1/source/${2//-/_}-$3"
}

get_package_tests()
{
	local name=${2//-/_}-$3

	[ ! -e "$1/source/complete" ] || return 0
	# Not the package: the installed one is to be tested.
	rm -rf "$1/source" && mkdir "$1/source" &&
		"$1/bin/pip" download -q --disable-pip-version-check --no-deps --no-binary "$2" \
			-d "$1/source" "$2==$3" &&
		tar -C "$1/source" --no-same-owner --exclude "$name/tiled" --exclude "$name/python" \
			-xzf "$1/source/$name.tar.gz" &&
		touch "$1/source/complete"
}

# Runs a function that fills the cache. Of two runs at once, one waits.
locked()
{
	(flock 9 && "$@") 9> "$cache/lock"
}

# ---------------------------------------------------------------- clusters

free_port()
{
	"$(find_python)" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Starts a new cluster in $work/$1; further arguments are lines for its
# postgresql.conf. It listens on a socket in a private folder, and on
# 127.0.0.1 for clients that only know TCP, with a password that only this run
# knows. Sets cluster_socket, cluster_port and cluster_uri.
start_cluster()
{
	local folder=$work/$1 password attempt

	shift
	password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	mkdir -m 700 "$folder"
	echo "$password" > "$folder/password"
	[ "$(id -u)" != 0 ] || chown -R postgres: "$folder"
	"${as_user[@]}" "$bindir/initdb" -D "$folder/data" -U postgres -E UTF8 --locale=C.UTF-8 \
		--auth-local=trust --auth-host=scram-sha-256 --pwfile="$folder/password" > "$folder/initdb.log" 2>&1 ||
		{ cat "$folder/initdb.log" >&2; die "initdb failed"; }
	clusters+=("$folder")
	# The port was free when we looked; somebody may have taken it since.
	for attempt in 1 2 3; do
		cluster_port=$(free_port)
		printf '%s\n' "listen_addresses = '127.0.0.1'" "port = $cluster_port" \
			"unix_socket_directories = '$folder'" "$@" >> "$folder/data/postgresql.conf"
		if "${as_user[@]}" "$bindir/pg_ctl" -s -w -D "$folder/data" -l "$folder/log" start > "$folder/start.log" 2>&1; then
			cluster_socket=$folder
			cluster_uri=postgresql://postgres:$password@127.0.0.1:$cluster_port
			return
		fi
	done
	cat "$folder/start.log" "$folder/log" >&2
	die "the server did not start (after $attempt attempts)"
}

# Stops the clusters of this run.
stop_clusters()
{
	local folder

	for folder in "${clusters[@]}"; do
		[ -e "$folder/data/postmaster.pid" ] || continue
		"${as_user[@]}" "$bindir/pg_ctl" -s -w -t 60 -m fast -D "$folder/data" stop ||
			"${as_user[@]}" "$bindir/pg_ctl" -s -w -m immediate -D "$folder/data" stop || true
	done
	clusters=()
}

# Runs psql as the superuser of the newest cluster, and stops at an error.
psql_as_superuser()
{
	"${as_user[@]}" "$bindir/psql" -X -q -v ON_ERROR_STOP=1 -h "$cluster_socket" -p "$cluster_port" -U postgres "$@"
}
