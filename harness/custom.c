// SPDX-License-Identifier: GPL-2.0-only
/* The parts of the simulated kernel that are not inline. */
#include "harness.h"
#include <sys/mman.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define shim_poison	__asan_poison_memory_region
#define shim_unpoison	__asan_unpoison_memory_region
#else
#define shim_poison(p, size)	((void)(p))
#define shim_unpoison(p, size)	((void)(p))
#endif

void (*shim_show_case)(void);

void shim_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	file = strrchr(file, '/') ?: file;
	printf("# %s:%d: ", file + (*file == '/'), line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	if (shim_show_case)
		shim_show_case();
	fflush(stdout);
	_exit(1);
}

bool shim_expect_warning;
_Thread_local unsigned int shim_cpu, shim_preempt, shim_locks;
_Thread_local void (*shim_hook)(void);
void (*shim_before)(uintptr_t at, size_t size, unsigned long bits, unsigned int how);
void (*shim_wrote)(const volatile void *p);
unsigned long shim_map_writes;

unsigned int nr_cpu_ids;
struct cpumask cpu_possible, cpu_online_now;
unsigned int shim_hotplug_held;
struct shim_cpu shim_cpus[NR_CPUS];
int (*shim_initcall)(void);
int (*shim_came_online)(unsigned int cpu);
const struct file_operations *shim_file;

/* --- per-CPU memory */

char *shim_arena;
u64 shim_slots;
bool shim_fail_alloc;

#ifdef SHIM_NATIVE

_Thread_local uintptr_t shim_my_distance;

/* Packed as the kernel packs them, zeroed by the system, and never freed. */
void *__alloc_percpu_gfp(size_t size, size_t align, gfp_t gfp)
{
	static size_t used = SHIM_STATIC;
	size_t at = (used + align - 1) & -align;

	used = at + size;
	CHECK(used <= SHIM_UNIT, "no per-CPU memory is left");
	return __start_percpu + at;
}

void free_percpu(void *p)
{
}

#else

static size_t shim_sizes[SHIM_SLOTS];
static DEFINE_MUTEX(shim_alloc_lock);

/* As badly aligned as @align allows. */
void *__alloc_percpu_gfp(size_t size, size_t align, gfp_t gfp)
{
	size_t off = 64 - align, i;
	unsigned int need = DIV_ROUND_UP(off + size, 64), slot, cpu;
	u64 mask = (1ULL << need) - 1;

	BUG_ON(!size || !is_power_of_2(align) || align > 64);
	if (shim_fail_alloc)
		return NULL;
	guard(mutex)(&shim_alloc_lock);
	for (slot = 0; shim_slots & mask << slot; slot++)
		BUG_ON(slot + need >= SHIM_SLOTS);
	shim_slots |= mask << slot;
	shim_sizes[slot] = off + size;
	for_each_possible_cpu(cpu) {
		char *p = shim_arena + SHIM_STATIC + slot * 64 + (size_t)cpu * SHIM_UNIT + off;

		shim_unpoison(p, size);
		/*
		 * Atomically, for the sanitizer of threads: what it does not
		 * know is that an address dependency orders this.
		 */
		for (i = 0; i < size / sizeof(u32); i++)
			__atomic_store_n((u32 *)p + i, 0, __ATOMIC_RELAXED);
	}
	return __start_percpu + SHIM_STATIC + slot * 64 + off;
}

void free_percpu(void *p)
{
	unsigned int slot, cpu;
	char *start;

	if (!p)
		return;
	slot = ((char *)p - __start_percpu - SHIM_STATIC) / 64;
	start = shim_arena + SHIM_STATIC + slot * 64;
	guard(mutex)(&shim_alloc_lock);
	BUG_ON(slot >= SHIM_SLOTS || !shim_sizes[slot]);
	for_each_possible_cpu(cpu)
		shim_poison(start + (size_t)cpu * SHIM_UNIT, shim_sizes[slot]);
	shim_slots &= ~(((1ULL << DIV_ROUND_UP(shim_sizes[slot], 64)) - 1) << slot);
	shim_sizes[slot] = 0;
}

#endif

/* Only at boot, and for good. */
static void *shim_kvmalloc;

void *kvmalloc_array(size_t n, size_t size, gfp_t gfp)
{
	void *p = shim_kvmalloc = shim_fail_alloc ? NULL : malloc(n * size);

	return p ? memset(p, 0xa5, n * size) : NULL;
}

/* --- topology */

/* Connect the CPUs of each domain to a ring, after ids have changed. */
void shim_link(void)
{
	static u16 first[NR_CPUS];
	unsigned int cpu, d;

	for (d = 0; d < SHIM_DOMAINS; d++) {
		memset(first, 0xff, sizeof(first));
		for_each_possible_cpu(cpu) {
			struct shim_cpu *c = &shim_cpus[cpu];
			u16 *f = &first[c->id[d]];

			c->next[d] = cpu;
			if (*f == U16_MAX)
				*f = cpu;
			else
				swap(c->next[d], shim_cpus[*f].next[d]);
		}
	}
}

const struct cpumask *shim_siblings(unsigned int cpu, unsigned int domain)
{
	static struct cpumask masks[SHIM_DOMAINS];
	struct cpumask *mask = &masks[domain];
	unsigned int other = cpu;

	CHECK(cpu_online(cpu), "the topology of CPU %u is read, which is offline", cpu);
	CHECK(shim_hotplug_held, "the topology of CPU %u is read while it may change", cpu);
	cpumask_clear(mask);
	do {
		/* CPUs without cacheinfo are not in that of others. */
		if (cpu_online(other) &&
		    (domain != SHIM_CACHE || !shim_cpus[other].no_cacheinfo))
			cpumask_set_cpu(other, mask);
		other = shim_cpus[other].next[domain];
	} while (other != cpu);
	return mask;
}

const struct cacheinfo *get_cpu_cacheinfo_llc(unsigned int cpu)
{
	const struct cpumask *mask = shim_siblings(cpu, SHIM_CACHE);

	BUILD_BUG_ON(offsetof(struct cacheinfo, shared_cpu_map));
	return shim_cpus[cpu].no_cacheinfo ? NULL : (const void *)mask;
}

/* Knows %u, %lu and %*pbl. */
void seq_printf(struct seq_file *m, const char *fmt, ...)
{
	unsigned int bit, size, from;
	const unsigned long *map;
	const char *sep = "";
	va_list ap;

	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			fputc(*fmt, m->to);
		} else if (*++fmt == 'u') {
			fprintf(m->to, "%u", va_arg(ap, unsigned int));
		} else if (*fmt == 'l') {
			fmt++;
			fprintf(m->to, "%lu", va_arg(ap, unsigned long));
		} else {
			BUG_ON(strncmp(fmt, "*pbl", 4));
			fmt += 3;
			size = va_arg(ap, unsigned int);
			map = va_arg(ap, const unsigned long *);
			for_each_set_bit(bit, map, size) {
				for (from = bit; bit + 1 < size && test_bit(bit + 1, map);)
					bit++;
				fprintf(m->to, from < bit ? "%s%u-%u" : "%s%u", sep, from, bit);
				sep = ",";
			}
		}
	}
	va_end(ap);
}

/*
 * Have @cpus possible CPUs, none of them booted yet; with @holes, about every
 * third CPU number does not exist.
 */
void shim_possible(unsigned int cpus, bool holes)
{
	unsigned int cpu = 0;

	for (; cpus; cpu++)
		if (!holes || cpu * 7 % 3 != 1 || NR_CPUS - cpu <= cpus) {
			cpu_possible.bits[cpu / BITS_PER_LONG] |= mask_of(cpu);
			cpus--;
		}
	nr_cpu_ids = cpu;
	shim_cpu = find_first_bit(cpu_possible.bits, cpu);
	BUG_ON(__stop_percpu - __start_percpu > SHIM_STATIC);
	shim_arena = mmap(NULL, (size_t)cpu * SHIM_UNIT, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	BUG_ON(shim_arena == MAP_FAILED);
	for_each_possible_cpu(cpu) {
		memcpy(shim_ptr(__start_percpu, cpu), __start_percpu,
		       __stop_percpu - __start_percpu);
		shim_poison(shim_arena + (size_t)cpu * SHIM_UNIT + SHIM_STATIC,
			    SHIM_UNIT - SHIM_STATIC);
	}
}

/* Gives back what boot has taken, for those that boot again. */
void shim_shut_down(void)
{
	shim_unpoison(shim_arena, (size_t)nr_cpu_ids * SHIM_UNIT);
	munmap(shim_arena, (size_t)nr_cpu_ids * SHIM_UNIT);
	free(shim_kvmalloc);
}
