// SPDX-License-Identifier: GPL-2.0-only
/* The library's threads and memory in Relacy, which tries what C++11 allows. */
#include <cstring>
#include <relacy/relacy.hpp>
#undef new
#define _Thread_local thread_local
#include "weak.h"

typedef rl::atomic<unsigned long> word;

static const unsigned int most_words = 256;
alignas(word) static char words[most_words][sizeof(word)];
static const volatile void *shared[most_words];
static unsigned int nr_shared;

static word *word_at(const volatile void *p)
{
	for (unsigned int i = 0; i < nr_shared; i++)
		if (shared[i] == p)
			return (word *)words[i];
	return nullptr;
}

static rl::memory_order order_of(int order)
{
	switch (order) {
	case __ATOMIC_RELAXED: return rl::mo_relaxed;
	case __ATOMIC_ACQUIRE: return rl::mo_acquire;
	case __ATOMIC_RELEASE: return rl::mo_release;
	default: return rl::mo_seq_cst;
	}
}

/* Threads are coroutines, so what is per thread elsewhere changes during an operation. */
struct stay_on_cpu {
	unsigned int cpu = shim_cpu, preempt = shim_preempt;

	~stay_on_cpu()
	{
		shim_cpu = cpu;
		shim_preempt = preempt;
	}
};

static unsigned long plain_load(const volatile void *p, size_t size)
{
	unsigned long value = 0;

	memcpy(&value, (const void *)p, size);
	return value;
}

/* Memory has the newest value. */
static void plain_store(volatile void *p, size_t size, unsigned long value)
{
	memcpy((void *)p, &value, size);
}

unsigned long weak_load(const volatile void *p, size_t size, int order)
{
	word *w = word_at(p);
	stay_on_cpu here;

	return w ? w->load(order_of(order), $) : plain_load(p, size);
}

void weak_store(volatile void *p, size_t size, unsigned long value, int order)
{
	word *w = word_at(p);
	stay_on_cpu here;

	if (w)
		w->store(value, order_of(order), $);
	plain_store(p, size, value);
}

unsigned long weak_rmw(enum weak_op op, volatile void *p, size_t size, unsigned long value,
		       int order)
{
	word *w = word_at(p);
	stay_on_cpu here;
	unsigned long old;

	if (!w)
		old = plain_load(p, size);
	else if (op == WEAK_ADD)
		old = w->fetch_add(value, order_of(order), $);
	else if (op == WEAK_OR)
		old = w->fetch_or(value, order_of(order), $);
	else if (op == WEAK_AND)
		old = w->fetch_and(value, order_of(order), $);
	else
		old = w->exchange(value, order_of(order), $);
	plain_store(p, size, op == WEAK_ADD ? old + value : op == WEAK_OR ? old | value :
			     op == WEAK_AND ? old & value : value);
	return old;
}

bool weak_cmpxchg(volatile void *p, size_t size, void *old, unsigned long value, int order)
{
	unsigned long was = plain_load(old, size), is = plain_load(p, size);
	word *w = word_at(p);
	stay_on_cpu here;
	bool done = is == was;

	if (w) {
		is = was;
		done = w->compare_exchange_strong(is, value, order_of(order), $);
	}
	if (done)
		plain_store(p, size, value);
	else
		plain_store(old, size, is);
	return done;
}

void *weak_memset(void *p, int c, size_t size)
{
	unsigned char *at = (unsigned char *)p;

	if (!word_at(p))
		return memset(p, c, size);
	for (; size; size -= sizeof(long), at += sizeof(long))
		weak_store(at, sizeof(long), c * (-1UL / 255), __ATOMIC_RELAXED);
	return p;
}

void weak_share(void *p, size_t size)
{
	word *w = ::new (words[nr_shared]) word();

	RL_ASSERT(nr_shared < most_words);
	w->store(plain_load(p, size), rl::mo_relaxed, $);
	shared[nr_shared++] = p;
}

void weak_check(bool cond, const char *what)
{
	stay_on_cpu here;

	RL_ASSERT_IMPL(cond, rl::test_result_user_assert_failed, what, $);
}

struct scene : rl::test_suite<scene, WEAK_THREADS> {
	void before()
	{
		/* An execution that failed is run again, to be told, and has not ended. */
		nr_shared = 0;
		scene_begin();
	}

	void thread(unsigned int thread)
	{
		shim_preempt = 0;
		scene_thread(thread);
	}

	void after()
	{
		while (nr_shared)
			((word *)words[--nr_shared])->~word();
	}
};

/* All executions in which a thread is stopped in its midst at most once. */
int main(void)
{
	std::ostream nowhere(nullptr);
	rl::test_params params;
	bool good;

	scene_boot();
	params.search_type = rl::sched_bound;
	params.context_bound = 1;
	params.iteration_count = -1;
	params.progress_stream = &nowhere;
	good = rl::simulate<scene>(params);
	std::cout << (good ? "ok" : "not ok") << " - all executions with loads of old values\n";
	return !good;
}
