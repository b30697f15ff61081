/*
 * threads.c
 *    The pool of threads.h.
 *
 * Each thread has a slot on a cache line of its own: the caller posts the
 * number of a job into it, the thread answers with the same number when it is
 * done.  Whoever waits spins first, then sleeps on a condition: it announces
 * that in a flag, looks once more, and waits under the mutex; whoever
 * publishes looks at the flag afterwards (both sequentially consistent, so
 * one of the two sees the other) and signals under the mutex.  Only threads
 * that have a part are woken, and the caller returns only when they have
 * answered, so the description of a job is never read while it changes.
 */
#define _GNU_SOURCE
#include "core/threads.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CACHE_LINE 64
#define STACK_BYTES ((size_t) 512 * 1024)
#define SPIN_NANOSECONDS 40000
#define SPINS_PER_LOOK 32		/* at the clock */
#define MAX_THREADS 1024

typedef struct Slot
{
	_Alignas(CACHE_LINE) atomic_uint posted;	/* written by the caller */
	atomic_bool asleep;			/* the thread sleeps, or is about to */
	_Alignas(CACHE_LINE) atomic_uint done;	/* written by the thread */
	DlThreads  *pool;
	int			index;
	pthread_t	thread;
	pthread_cond_t wake;
} Slot;

struct DlThreads
{
	int			count;			/* the caller included */
	int			started;		/* slots whose thread runs, from 1 on */
	bool		spin;			/* there is a processor for each */
	DlThreadPart part;			/* NULL: stop */
	void	   *context;
	int			parts;
	pthread_mutex_t mutex;
	pthread_cond_t finished;
	_Alignas(CACHE_LINE) atomic_bool caller_asleep;
	Slot		slots[];
};

static inline void
relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile ("yield");
#endif
}

static int64_t
nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

/* True when *word has become wanted before the time to spin was over. */
static bool
spin_until(const DlThreads *pool, const atomic_uint *word, unsigned wanted)
{
	int64_t		end = 0;

	do
	{
		for (int i = 0; i < SPINS_PER_LOOK; i++)
		{
			if (atomic_load_explicit(word, memory_order_acquire) == wanted)
				return true;
			relax();
		}
		if (end == 0)
			end = nanoseconds() + SPIN_NANOSECONDS;
		/* on a busy machine the other thread may be waiting for this processor */
		if (pool->spin)
			sched_yield();
	} while (pool->spin && nanoseconds() < end);
	return false;
}

static void
wait_until(DlThreads *pool, const atomic_uint *word, unsigned wanted, atomic_bool *asleep, pthread_cond_t *condition)
{
	if (spin_until(pool, word, wanted))
		return;
	atomic_store(asleep, true);
	pthread_mutex_lock(&pool->mutex);
	while (atomic_load(word) != wanted)
		pthread_cond_wait(condition, &pool->mutex);
	pthread_mutex_unlock(&pool->mutex);
	atomic_store(asleep, false);
}

static void
publish(DlThreads *pool, atomic_uint *word, unsigned value, const atomic_bool *asleep, pthread_cond_t *condition)
{
	atomic_store(word, value);
	if (atomic_load(asleep))
	{
		pthread_mutex_lock(&pool->mutex);
		pthread_cond_signal(condition);
		pthread_mutex_unlock(&pool->mutex);
	}
}

static void
run_parts(const DlThreads *pool, int index)
{
	for (int i = index; i < pool->parts; i += pool->count)
		pool->part(pool->context, i);
}

/* The jobs of a slot are numbered by themselves: those in which a thread has a part. */
static void *
thread_main(void *argument)
{
	Slot	   *slot = argument;
	DlThreads  *pool = slot->pool;

	for (unsigned job = 1;; job++)
	{
		wait_until(pool, &slot->posted, job, &slot->asleep, &slot->wake);
		if (pool->part == NULL)
			return NULL;
		run_parts(pool, slot->index);
		publish(pool, &slot->done, job, &pool->caller_asleep, &pool->finished);
	}
}

/* Starts the threads with every signal blocked and a stack of fixed size. */
static int
start_threads(DlThreads *pool)
{
	sigset_t	all;
	sigset_t	before;
	pthread_attr_t attributes;
	int			failure = pthread_attr_init(&attributes);

	if (failure != 0)
		return failure;
	failure = pthread_attr_setstacksize(&attributes, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (failure == 0 && pool->started < pool->count)
	{
		Slot	   *slot = &pool->slots[pool->started];

		slot->pool = pool;
		slot->index = pool->started;
		atomic_init(&slot->posted, 0);
		atomic_init(&slot->done, 0);
		atomic_init(&slot->asleep, false);
		failure = pthread_cond_init(&slot->wake, NULL);
		if (failure != 0)
			break;
		failure = pthread_create(&slot->thread, &attributes, thread_main, slot);
		if (failure != 0)
			pthread_cond_destroy(&slot->wake);
		else
			pool->started++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return failure;
}

DlStatus
dl_threads_create(int count, DlThreads **result, DlError *error)
{
	DlThreads  *pool;
	size_t		bytes;
	int			failure;

	*result = NULL;
	if (count < 1 || count > MAX_THREADS)
		return dl_error_set(error, DL_ERROR_INVALID, "number of threads must be between 1 and %d, not %d",
							MAX_THREADS, count);
	bytes = sizeof(DlThreads) + (size_t) count * sizeof(Slot);
	pool = aligned_alloc(CACHE_LINE, (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
	if (pool == NULL)
		return dl_error_set(error, DL_ERROR_MEMORY, "out of memory");
	memset(pool, 0, sizeof(DlThreads));
	pool->count = count;
	pool->started = 1;
	pool->spin = count <= dl_processor_count();
	atomic_init(&pool->caller_asleep, false);
	if (pthread_mutex_init(&pool->mutex, NULL) != 0)
	{
		free(pool);
		return dl_error_set(error, DL_ERROR_MEMORY, "out of memory");
	}
	if (pthread_cond_init(&pool->finished, NULL) != 0)
	{
		pthread_mutex_destroy(&pool->mutex);
		free(pool);
		return dl_error_set(error, DL_ERROR_MEMORY, "out of memory");
	}
	failure = start_threads(pool);
	if (failure != 0)
	{
		int			started = pool->started;

		dl_threads_destroy(pool);
		return dl_error_set(error, DL_ERROR_LIMIT, "could not start thread %d of %d: %s", started, count,
							strerror(failure));
	}
	*result = pool;
	return DL_OK;
}

void
dl_threads_destroy(DlThreads *threads)
{
	if (threads == NULL)
		return;
	threads->part = NULL;
	for (int i = 1; i < threads->started; i++)
	{
		Slot	   *slot = &threads->slots[i];

		publish(threads, &slot->posted, atomic_load(&slot->posted) + 1, &slot->asleep, &slot->wake);
	}
	for (int i = 1; i < threads->started; i++)
	{
		pthread_join(threads->slots[i].thread, NULL);
		pthread_cond_destroy(&threads->slots[i].wake);
	}
	pthread_cond_destroy(&threads->finished);
	pthread_mutex_destroy(&threads->mutex);
	free(threads);
}

int
dl_threads_count(const DlThreads *threads)
{
	return threads != NULL ? threads->count : 1;
}

void
dl_threads_run(DlThreads *threads, DlThreadPart part, void *context, int parts)
{
	int			helpers = threads == NULL ? 0 : (parts < threads->count ? parts : threads->count) - 1;

	if (helpers <= 0)
	{
		for (int i = 0; i < parts; i++)
			part(context, i);
		return;
	}
	threads->part = part;
	threads->context = context;
	threads->parts = parts;
	for (int i = 1; i <= helpers; i++)
	{
		Slot	   *slot = &threads->slots[i];

		publish(threads, &slot->posted, atomic_load_explicit(&slot->posted, memory_order_relaxed) + 1,
				&slot->asleep, &slot->wake);
	}
	run_parts(threads, 0);
	for (int i = 1; i <= helpers; i++)
	{
		Slot	   *slot = &threads->slots[i];

		wait_until(threads, &slot->done, atomic_load_explicit(&slot->posted, memory_order_relaxed),
				   &threads->caller_asleep, &threads->finished);
	}
}

/* Processors that a control group's quota amounts to, rounded up; 0: none. */
static int
quota_processors(void)
{
	FILE	   *file = fopen("/sys/fs/cgroup/cpu.max", "re");
	long		quota;
	long		period;
	int			fields;

	if (file == NULL)
		return 0;
	fields = fscanf(file, "%ld %ld", &quota, &period);
	fclose(file);
	if (fields != 2 || quota <= 0 || period <= 0 || quota / period >= INT_MAX)
		return 0;
	return (int) ((quota + period - 1) / period);
}

int
dl_processor_count(void)
{
	cpu_set_t	set;
	int			count = 1;
	int			quota = quota_processors();

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
		count = CPU_COUNT(&set);
	else if (sysconf(_SC_NPROCESSORS_ONLN) > 0)
		count = (int) sysconf(_SC_NPROCESSORS_ONLN);	/* more processors than the set holds */
	return quota > 0 && quota < count ? quota : count;
}
