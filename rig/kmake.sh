# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# Sourced by scripts which run the kernel's own make: what our make and the user's shell hand
# down is not meant for it; ccache is used where it is installed; builds are reproducible.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL ARCH CROSS_COMPILE KCONFIG_CONFIG O V W C
[ ! -d /usr/lib/ccache ] || PATH=/usr/lib/ccache:$PATH
export PATH CCACHE_DEPEND=1
export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970' KBUILD_BUILD_VERSION=1
export KBUILD_BUILD_USER=rig KBUILD_BUILD_HOST=rig
