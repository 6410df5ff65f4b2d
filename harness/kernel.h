/* SPDX-License-Identifier: GPL-2.0-only */
/* A kernel as far as the library needs one; included before each of its files. */
#ifndef _HARNESS_KERNEL_H
#define _HARNESS_KERNEL_H

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef NR_CPUS
#define NR_CPUS		8192
#endif
#define CONFIG_NR_CPUS	NR_CPUS
#define CONFIG_SMP	1
#define CONFIG_KUNIT	1

#ifdef SHIM_RESTART
/* All variables in one section, which is put back before each boot. */
#pragma clang section data="restart"
#endif

#include "stubs.h"
#include "custom.h"

#endif
