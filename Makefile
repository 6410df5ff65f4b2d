# SPDX-License-Identifier: GPL-2.0
# Thin verbs: each is a script of the same name in rig/.

export LINUX ARCH CONFIG KERNEL RUN CPUS TASKS MEM REPEAT TESTS DURATION RESULTS FORCE NAME KERNEL_SERIES WILL_IT_SCALE HOURS

help:
	@sed -n 's/^\([a-z-]*\):.*## /  make \1 \t/p' Makefile | expand -t 22
	@echo
	@echo '  LINUX=dir   use this Linux 7.3 source tree instead of the package'
	@echo '  ARCH=name   x86_64 or arm64, for kernel, boot, kselftest, stress and demo;'
	@echo '              one of the variants at the head of rig/kunit, for kunit'
	@echo '  CPUS=n      CPUs of the virtual machine, for boot, kunit, kselftest, mutate-mm and demo,'
	@echo '              such as 64, or 4of255: 4 online of 255 possible ones (arm64: of 512);'
	@echo '              several of these for bench and bench-quick; a number for clients, selftests'
	@echo '  MEM=n       MiB of its memory, for boot, kselftest, stress, soak, clients, selftests, demo'
	@echo '              and the benches'
	@echo '  CONFIG=...  fragments of configs/, such as debug, or pages-64k for arm64, for kunit,'
	@echo '              kselftest and kernel, which then builds patched-FRAGMENT... alone;'
	@echo '              a file for deb, instead of the newest /boot/config-*'
	@echo '  KERNEL=name a kernel that was built before, such as patched-pages-64k, for boot,'
	@echo '              kselftest, stress and placement'
	@echo '  RUN=show    for boot: no shell; show the tree, sizes of a process, an OOM kill, and end'
	@echo '  RESULTS=dir raw results of the benches, instead of bench/results'
	@echo '  NAME=name   for bench-host: of the file of results, instead of what it makes up;'
	@echo '              KERNEL_SERIES=id of the series that the running kernel has;'
	@echo '              WILL_IT_SCALE=dir where that has been built'
	@echo '  DURATION=n  seconds, for stress, debug and fuzz'
	@echo '  HOURS=n     for soak'
	@echo '  TASKS=n     tasks that the OOM killer chooses among, for demo and the benches'
	@echo '  TESTS=...   some of the tests, such as "mm:ksft_thp.sh proc:read", for selftests; a test'
	@echo '              that differs is run REPEAT=n times more'
	@echo '  FORCE=1     for tree: drop work in build/tree; for absorb: overwrite;'
	@echo '              for bench-host: do not ask'

deps:		## install the tools that all this needs but make matrix (Debian)
fetch:		## get the source of the base kernel: build/linux
tree:		## base kernel + series as a git branch to work on: build/tree
absorb:		## write the commits of build/tree back into linux/ and series/
series:		## print the mail-ready patches and their recipients: build/series
bisect:		## build, boot and test the kernel after each patch; hours
apply-check:	## which of Debian's kernels the series applies to; downloads 160 MB each
docs:		## render the page of the series, with Documentation/core-api: build/docs
kernel:		## build the base and the patched kernel: build/x86_64 or build/arm64
boot:		## a shell in the patched kernel, in QEMU
kunit:		## run the KUnit tests of the series; in QEMU, a thousand processes after them
matrix:		## the same on nine architectures, with up to 4096 possible CPUs; hours
harness:	## run the library in userspace, with any number of CPUs, under sanitizers
fuzz:		## machines and sequences that libFuzzer makes up, for DURATION seconds
mutate:		## faults in the library that the harness has to notice
mutate-mm:	## faults in the kernel's RSS counters that the kselftests have to notice; hours
kselftest:	## run the kselftests of the series in QEMU
stress:		## all that changes RSS at once, with failing allocations, in QEMU
debug:		## the same and more in kernels with KASAN, KCSAN or PREEMPT_RT; hours
soak:		## the same for HOURS in a kernel with all checks that go together
placement:	## which CPUs share a leaf of the tree: isolated, offline and late ones, in QEMU
demo:		## base and patched kernel side by side: what the series changes
clients:	## what ps, top, systemd and the like say on both kernels, in Debian in QEMU
selftests:	## the kernel's own selftests on both kernels, in Debian in QEMU; an hour
deb:		## packages of both kernels for this machine: build/deb
check-deb:	## install such packages in Debian in QEMU, and boot them
check-here:	## what the running kernel says of processes with known memory: a second
bench-quick:	## what the series costs, against its targets: base, floor and patched kernel
bench:		## the same in full: up to 255 CPUs, most of it two or three times; hours
bench-writes:	## count writes to cache lines, with 2 to 8192 CPUs, beside other counters
bench-native:	## time of adds and sums on the cores of this machine, beside other counters
bench-host:	## the same of the running kernel on this machine, in time: some minutes, as root
report:		## docs/results.md, its pictures and series/cover-letter, of the raw files
check:		## prove what must hold

verbs = deps fetch tree absorb series bisect apply-check docs kernel boot kunit matrix kselftest stress debug soak placement demo clients selftests deb check-deb check-here bench bench-host bench-writes bench-native harness fuzz mutate mutate-mm report check
$(verbs):
	@rig/$@

bench-quick:
	@rig/bench quick

clean:		## remove what was built, keep the fetched source and build/tree
	rm -rf \
		$(filter-out build/source build/linux build/base build/tree,$(wildcard build/* build/.[a-z]*))

distclean:	## remove build/ altogether, build/tree with it
	rm -rf build

.PHONY: help $(verbs) bench-quick clean distclean
