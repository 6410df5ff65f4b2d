# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# Sourced first by the scripts in rig/: where things are, how to speak, how to end.

top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
build=$top/build
tmp='' job=''
# One language, one sort order, and no git setting of the user in what is generated.
export LC_ALL=C GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
# Only the outermost script reports an interrupt, past any redirection.
: "${RIG_TOP:=$$}"
export RIG_TOP
exec 8>&2

say() { printf '%s: %s\n' "${0##*/}" "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# The kernel's own Makefile cannot work there.
case $top in
*[[:space:]:]*) die "Linux cannot be built in a directory with a space or a colon in its path: $top" ;;
esac

# need_number NAME VALUE MOST: what the user gave as NAME is a number from 1 to MOST
need_number() {
	case $2 in
	'' | 0* | *[!0-9]* | ???????*) die "$1 is a number from 1 to $3, not '$2'" ;;
	esac
	[ "$2" -le "$3" ] || die "$1 is a number from 1 to $3, not '$2'"
}

# need_known KIND LIST NAME...: what the user named are words of LIST
need_known() {
	kind=$1 known=$2
	shift 2
	for name; do
		case " $known " in
		*" $name "*) ;;
		*)	die "there is no $kind $name; ${kind}s are $known" ;;
		esac
	done
}

# need_fragments LIST: what the user gave as CONFIG names fragments of configs/
need_fragments() {
	for fragment in $1; do
		[ -f "$top/configs/$fragment" ] || die "CONFIG: there is no fragment configs/$fragment"
	done
}

# need_arch VALUE: the architecture of a virtual machine, and what differs with it
# shellcheck disable=SC2034 # for the scripts
need_arch() {
	arch=${1:-x86_64}
	case $arch in
	x86_64)	image=arch/x86/boot/bzImage cross=''
		qemu=qemu-system-x86_64 most_cpus=255 of_arch='' ;;
	arm64)	image=arch/arm64/boot/Image cross=aarch64-linux-gnu-
		qemu=qemu-system-aarch64 most_cpus=512 of_arch=-arm64 ;;
	*)	die "ARCH is x86_64 or arm64 here, not $arch" ;;
	esac
}

# need_x86: what has no other architecture yet is not asked for one
need_x86() {
	need_arch "${ARCH-}"
	[ "$arch" = x86_64 ] || die "ARCH is x86_64 here, not $arch"
}

# need_cpus VALUE: CPUs of a virtual machine, such as 64, or 4of255: 4 online of 255 possible;
# after need_arch
need_cpus() {
	need_number CPUS "${1#*of}" "$most_cpus"
	need_number CPUS "${1%of*}" "${1#*of}"
}

# Everything half-made lives in $tmp until it is renamed into place. $job may still write there.
trap '[ -z "$job" ] || { kill "$job" && wait; } 2> /dev/null; [ -z "$tmp" ] || rm -rf "$tmp"' EXIT
trap 'trap "" INT; [ "$RIG_TOP" != $$ ] || echo "interrupted: run it again" >&8; exit 130' INT
trap 'exit 143' TERM HUP

# need_space DIR MEGABYTES WHAT
need_space() {
	free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$2" ] ||
		die "$3 needs $2 MB in $1, $free MB are free: make room and run it again"
}

# lock_file FILE: one script at a time works on what belongs to it
lock_file() {
	exec 9> "$1"
	flock -n 9 || { say "waiting for another run to end"; flock 9; }
}

# plain FILE: what a guest wrote to it, as text
plain() { tr -d '\r\000' < "$1"; }

# ended FILE: the guest that wrote this came to its end, and what it ran succeeded
ended() { plain "$1" | grep -qx 'exit 0'; }

# unskipped TAP [PATTERN]: it has results, and none was skipped but what matches
unskipped() { [ -s "$1" ] && ! grep '# SKIP' "$1" | grep -v "${2:-^\$}"; }

# lock: one script at a time changes build/linux, build/tree, linux/ and series/
lock() {
	mkdir -p "$build"
	lock_file "$build/.lock"
}

# field FILE NAME: the value of a "name value" line
field() { sed -n "s/^$2 //p" "$1"; }

# How patches are printed, whatever the version of git and the settings of the repository.
# shellcheck disable=SC2034
diff_options='--full-index --binary --no-renames --diff-algorithm=myers -U3 --no-color
	--no-ext-diff --no-textconv --src-prefix=a/ --dst-prefix=b/'
git_patch() {
	git -c diff.cpp.xfuncname='!^[ \t]*[A-Za-z_][A-Za-z_0-9]*:[[:space:]]*$
^[A-Za-z_].*$' -c core.quotePath=false -c format.encodeEmailHeaders=true "$@"
}

# has_work: what build/tree holds that is not in series/, if it does
has_work() (
	cd "$build/tree" || exit
	if [ -e .git/rebase-merge ] || [ -e .git/rebase-apply ]; then
		echo 'a rebase is under way'
		return
	fi
	work=$(git status --porcelain | sed -n '1s/^...\(.*\)/\1 is changed/p')
	[ -n "$work" ] || [ "$(git rev-parse HEAD)" = "$(git rev-parse refs/rig/absorbed)" ] ||
		work='commits that are not absorbed'
	echo "$work"
)

# input_id: changes when something does that absorb would overwrite
input_id() {
	tar -C "$top" --exclude=series/cover-letter --sort=name --mtime=@0 --owner=0 --group=0 \
		-cf - linux series | sha256sum
}

# report NAME COMMAND...: run one test, print its result; what it printed is shown if it failed, what
# failed in it first
report() {
	test_name=$1
	shift
	if said=$("$@" 2>&1 < /dev/null); then
		echo "ok - $test_name"
	else
		echo "not ok - $test_name"
		{
			printf '%s\n' "$said" | grep '^not ok' || :
			printf '%s\n' "$said" | head -n 40
		} | sed 's/^/# /'
	fi
}

# silent LOG: a kernel wrote this log of its console, and does not complain in it; races are for
# rig/races
silent() {
	[ -s "$1" ] || { echo "$1 is empty"; return 1; }
	set -- "$1" 'WARNING: |BUG: |BUG at |BUG [^ ]+ \(|UBSAN: |INFO: (task|rcu|trying)|Oops'
	! grep -aE "$2|Internal error: |general protection|Kernel panic|kmemleak: .*disabled" "$1" |
		grep -av 'BUG: KCSAN: '
}

# kunit_passed LOG TREE: a kernel of this source ran KUnit tests before it ended this log, and all
# passed
kunit_passed() {
	kunit_status=0
	kunit_said=$(python3 "$2/tools/testing/kunit/kunit.py" parse "$1") || kunit_status=$?
	printf '%s\n' "$kunit_said" | tail -n 40
	case $kunit_said in
	*Testing\ complete*failed:\ [1-9]* | *Testing\ complete*crashed:\ [1-9]*) return 1 ;;
	*Testing\ complete*errors:\ [1-9]*) return 1 ;;
	*Testing\ complete*passed:\ [1-9]*) return "$kunit_status" ;;
	*)	return 1 ;;
	esac
}

# series_id: the last commit that changed the series, and "-changed" if more has
series_id() (
	cd "$top" || exit
	set -- linux series/base series/series 'series/*.patch'
	id=$(git log -1 --format=%h --abbrev=12 -- "$@" 2> /dev/null) || id=
	[ -z "$(git status --porcelain -- "$@" 2> /dev/null)" ] || id=${id:+$id-changed}
	echo "${id:-unknown}"
)

# built_id: the same of what build/tree holds, which may not be absorbed yet
built_id() (
	id=$(series_id)
	[ -z "$(has_work)" ] || id=${id%-changed}-changed
	echo "$id"
)

# bench_header KIND: the first lines of a file of raw results that was taken in userspace
bench_header() {
	echo "kind $1"
	echo "series $(series_id)"
	echo "compiler $("${CC:-gcc}" --version | head -n 1)"
}
