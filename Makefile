# SPDX-License-Identifier: GPL-2.0
# Thin verbs: each is a script of the same name in rig/.

export LINUX ARCH CPUS TASKS MEM DURATION RESULTS FORCE

help:
	@sed -n 's/^\([a-z-]*\):.*## /  make \1 \t/p' Makefile | expand -t 20
	@echo
	@echo '  LINUX=dir   use this Linux 7.3 source tree instead of the package'
	@echo '  ARCH=name   um, um-up, um-deep, x86_64 or arm64, for kunit'
	@echo '  CPUS=n      CPUs of the virtual machine, for boot, kselftest and demo;'
	@echo '              several numbers for bench and bench-quick'
	@echo '  RESULTS=dir raw results of bench, instead of bench/results'
	@echo '  DURATION=n  seconds, for stress'
	@echo '  TASKS=n     tasks that the OOM killer chooses among, for demo and bench-quick'
	@echo '  FORCE=1     for tree: drop work in build/tree; for absorb: overwrite'

deps:		## install the tools that everything here needs (Debian)
fetch:		## get the source of the base kernel: build/linux
tree:		## base kernel + series as a git branch to work on: build/tree
absorb:		## write the commits of build/tree back into linux/ and series/
series:		## print the mail-ready patches: build/series
kernel:		## build the base and the patched kernel: build/x86_64
boot:		## a shell in the patched kernel, in QEMU
kunit:		## run the KUnit tests of the series
harness:	## run the library in userspace, with any number of CPUs, under sanitizers
mutate:		## faults in the library that the harness has to notice
kselftest:	## run the kselftests of the series in QEMU
stress:		## all that changes RSS at once, with failing allocations, in QEMU
placement:	## which CPUs share a leaf of the tree: isolated, offline and late ones, in QEMU
demo:		## base and patched kernel side by side: what the series changes
bench-quick:	## what the series costs, against its targets: base, floor and patched kernel
bench:		## the same in full: up to 128 CPUs and 10,000 tasks, three runs; hours
check:		## prove everything that must hold

kernel boot kunit kselftest stress placement:
	@rig/tree keep
	@rig/$@

deps fetch tree absorb series demo bench harness mutate check:
	@rig/$@

bench-quick:
	@rig/bench quick

clean:		## remove what was built, keep the fetched source and build/tree
	rm -rf \
		$(filter-out build/source build/linux build/base build/tree,$(wildcard build/* build/.[a-z]*))

distclean:	## remove build/ altogether, build/tree with it
	rm -rf build

.PHONY: help deps fetch tree absorb series kernel boot kunit kselftest demo bench bench-quick harness mutate stress placement check clean distclean
