# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# Sourced after lib.sh by scripts that test the rig: a copy of it, where they work from here on, and
# a kernel of a few files.

tmp=$build/.${0##*/}
rm -rf "$tmp"
mkdir -p "$tmp/bin" "$tmp/repo/linux" "$tmp/repo/series"
cp -a "$top/rig" "$tmp/repo/"
cd "$tmp/repo"
unset RIG_TOP FORCE
export GIT_AUTHOR_NAME='Jörg Ö' GIT_AUTHOR_EMAIL=j@example.org GIT_AUTHOR_DATE='@1700000000 +0200'
export GIT_COMMITTER_NAME=c GIT_COMMITTER_EMAIL=c@example.org

kernel=$tmp/kernel
mkdir -p "$kernel/mm" "$kernel/lib"
printf 'VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 9\n' > "$kernel/Makefile"
printf '*.o\n/*\n' > "$kernel/.gitignore"
seq 1 60 | sed 's/.*/int line&;/' | tee "$kernel/mm/mm.c" "$kernel/mm/other.c" > "$kernel/Kbuild"
echo 'obj-y += a.o' > "$kernel/lib/Makefile"
printf 'package linux-source-9.9\nversion 7.3.4\n' > series/base
echo "A toy

Blurb." > series/cover-letter
: > series/series
export LINUX="$kernel"

in_tree() { git -C build/tree "$@"; }
# refuses PATTERN COMMAND...: fails, and says why in one line that matches
refuses() {
	pattern=$1
	shift
	if "$@" > "$tmp/out" 2> "$tmp/err"; then
		echo 'this was not refused'
		return 1
	fi
	cat "$tmp/err"
	[ "$(wc -l < "$tmp/err")" = 1 ] && grep -q -e "$pattern" "$tmp/err"
}
# says PATTERN COMMAND...: succeeds, and prints a line that matches
says() {
	pattern=$1
	shift
	"$@" > "$tmp/out" && grep -q -e "$pattern" "$tmp/out"
}
