# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# Sourced by scripts that take packages from Debian: an apt whose whole state is in $tmp,
# so that nothing on the machine changes.

# shellcheck disable=SC2034 # for the scripts
suites='trixie-backports testing unstable'
# What else a user without a mirror can do; the architecture of packages, if not the machine's own.
instead='' apt_arch=''
# shellcheck disable=SC1091
codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}")

# The mirrors that this machine's apt knows, those of its own Debian release first.
mirrors() {
	apt-get update --print-uris |
		sed -n "s,^'\(.*\)/dists/\([^']*\)/InRelease'.*,\2 \1,p" |
		awk -v own="$codename" '
			$1 ~ /security/ || $2 ~ /^cdrom:/ { next }
			{ print ($1 == own ? 0 : 1), $2 }' |
		sort -u | cut -d' ' -f2 | awk '!seen[$0]++'
}

# apt_in COMMAND ARG...: apt-get or the like in $tmp
apt_in() {
	# shellcheck disable=SC2154 # of lib.sh
	APT_CONFIG=$tmp/apt.conf
	export APT_CONFIG
	"$@"
}

# apt_setup: makes the state; leaves the list of mirrors in $mirrors
apt_setup() {
	mirrors=$(mirrors)
	[ -n "$mirrors" ] ||
		die "no Debian mirror in this machine's apt configuration:" \
			"add one$instead"
	mkdir -p "$tmp/lists/partial" "$tmp/cache/archives/partial" "$tmp/empty"
	# The machine gives proxies and the like.
	apt-config dump | grep '^Acquire::' > "$tmp/apt.conf" || :
	cat >> "$tmp/apt.conf" <<-END
		Dir::Etc::main "/dev/null";
		Dir::Etc::parts "$tmp/empty";
		Dir::Etc::sourcelist "$tmp/sources.list";
		Dir::Etc::sourceparts "$tmp/empty";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "$tmp/empty";
		Dir::State "$tmp";
		Dir::State::lists "$tmp/lists";
		Dir::State::status "/dev/null";
		Dir::Cache "$tmp/cache";
		APT::Get::List-Cleanup "false";
		APT::Sandbox::User "root";
		APT::Update::Error-Mode "any";
		Acquire::Languages "none";
		Acquire::Retries "3";
	END
	[ -z "$apt_arch" ] || printf '%s "%s";\n' APT::Architecture "$apt_arch" \
		APT::Architectures "$apt_arch" >> "$tmp/apt.conf"
}

# apt_read MIRROR SUITE: apt knows this index and no other
apt_read() {
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $1 $2 main" \
		> "$tmp/sources.list"
	apt_in apt-get -q update > "$tmp/log" 2>&1
}

# apt_find PACKAGE SUITE...: leaves apt's lists on the first suite of the first mirror that has the
# package, and the name of the suite in $suite; fails if there is none
apt_find() {
	wanted=$1 read_any=
	shift
	for suite; do
		for uri in $mirrors; do
			apt_read "$uri" "$suite" || continue
			read_any=yes
			! apt_in apt-get -q --print-uris download "$wanted" > /dev/null 2>&1 || return 0
		done
	done
	[ -n "$read_any" ] ||
		die "no package index can be read: $(reason) (check the network$instead)"
	return 1
}

# apt_download PACKAGE: into $tmp
apt_download() {
	(cd "$tmp" && apt_in apt-get -q download "$1") > "$tmp/log" 2>&1 ||
		die "download of $1 failed: $(reason) (run it again)"
}

# apt_unpack DEB DIR [OPTION...]: the kernel source in DEB, or what options of tar choose
apt_unpack() (
	deb=$1 into=$2 name=${1##*/}
	shift 2
	dpkg-deb --fsys-tarfile "$deb" | tar -xO "./usr/src/${name%%_*}.tar.xz" |
		tar -xJ -C "$into" --strip-components=1 --no-same-owner --no-same-permissions "$@"
)

# reason: the first line that says why the last command failed
reason() { { grep '^[EW]:' "$tmp/log" || cat "$tmp/log"; } | head -n 1; }
