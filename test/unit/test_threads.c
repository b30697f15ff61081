/* The pool of threads: every part once, in the right thread, with signals blocked, asleep or spinning. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/threads.h"
#include "tap.h"

#define PARTS 37

typedef struct Job
{
	atomic_int	runs[PARTS];
	pthread_t	thread[PARTS];
	sigset_t	mask[PARTS];
	size_t		stack[PARTS];
} Job;

static void
record(void *context, int index)
{
	Job		   *job = context;
	pthread_attr_t attributes;

	atomic_fetch_add(&job->runs[index], 1);
	job->thread[index] = pthread_self();
	pthread_sigmask(SIG_BLOCK, NULL, &job->mask[index]);
	pthread_getattr_np(pthread_self(), &attributes);
	pthread_attr_getstacksize(&attributes, &job->stack[index]);
	pthread_attr_destroy(&attributes);
}

/* The C library keeps those between 32 and SIGRTMIN for itself. */
static bool
of_program(int s)
{
	return s != SIGKILL && s != SIGSTOP && (s < 32 || s >= SIGRTMIN);
}

static bool
all_blocked(const sigset_t *mask)
{
	for (int s = 1; s <= SIGRTMAX; s++)
	{
		if (of_program(s) && sigismember(mask, s) != 1)
			return false;
	}
	return true;
}

static bool
same_mask(const sigset_t *a, const sigset_t *b)
{
	for (int s = 1; s <= SIGRTMAX; s++)
	{
		if (of_program(s) && sigismember(a, s) != sigismember(b, s))
			return false;
	}
	return true;
}

static void
test_parts(int count)
{
	static Job	job;
	DlThreads  *pool;
	bool		once = true;
	bool		same = true;
	bool		blocked = true;
	sigset_t	before;
	sigset_t	after;

	memset(&job, 0, sizeof(job));
	pthread_sigmask(SIG_BLOCK, NULL, &before);
	ok(dl_threads_create(count, &pool, NULL) == DL_OK, "a pool of %d", count);
	pthread_sigmask(SIG_BLOCK, NULL, &after);
	ok(same_mask(&before, &after), "the caller's own mask is as before");
	ok(dl_threads_count(pool) == count, "it has %d threads", count);
	dl_threads_run(pool, record, &job, PARTS);
	for (int i = 0; i < PARTS; i++)
	{
		once = once && atomic_load(&job.runs[i]) == 1;
		same = same && pthread_equal(job.thread[i], job.thread[i % count]);
		if (i % count != 0)
			blocked = blocked && all_blocked(&job.mask[i]) && job.stack[i] <= 1024 * 1024;
	}
	ok(once, "every one of %d parts ran once", PARTS);
	ok(same, "part i ran on thread i %% %d", count);
	ok(pthread_equal(job.thread[0], pthread_self()), "the caller is thread 0");
	ok(count == 1 || !pthread_equal(job.thread[1], pthread_self()), "thread 1 is another");
	ok(blocked, "every signal is blocked in the threads, and their stack is small");
	dl_threads_destroy(pool);
}

static void
count_part(void *context, int index)
{
	(void) index;
	atomic_fetch_add((atomic_long *) context, 1);
}

static void
sleep_milliseconds(int ms)
{
	struct timespec t = {0, ms * 1000000L};

	nanosleep(&t, NULL);
}

static double
cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

static void
test_sleep(void)
{
	DlThreads  *pool;
	atomic_long total = 0;
	double		used;

	dl_threads_create(2, &pool, NULL);
	used = cpu_seconds();
	for (int i = 0; i < 40; i++)
	{
		dl_threads_run(pool, count_part, &total, 2);
		sleep_milliseconds(2);
	}
	used = cpu_seconds() - used;
	ok(atomic_load(&total) == 80, "a sleeping thread wakes for every job");
	ok(used < 0.04, "it does not burn the time between: %.4f s of 0.08", used);
	dl_threads_destroy(pool);
}

static void
test_many(int count, int jobs)
{
	DlThreads  *pool;
	atomic_long total = 0;
	long		wanted = 0;

	dl_threads_create(count, &pool, NULL);
	for (int i = 0; i < jobs; i++)
	{
		int			parts = 1 + i % (2 * count);

		dl_threads_run(pool, count_part, &total, parts);
		wanted += parts;
		if (atomic_load(&total) != wanted)
			break;
	}
	ok(atomic_load(&total) == wanted, "%d small jobs on %d threads: all parts done at every return", jobs, count);
	dl_threads_destroy(pool);
}

static void
slow_part(void *context, int index)
{
	if (index > 0)
		sleep_milliseconds(5);
	atomic_fetch_add((atomic_long *) context, 1);
}

static void
test_waiting_caller(void)
{
	DlThreads  *pool;
	atomic_long total = 0;

	dl_threads_create(3, &pool, NULL);
	for (int i = 0; i < 5; i++)
		dl_threads_run(pool, slow_part, &total, 3);
	ok(atomic_load(&total) == 15, "the caller sleeps until slow parts are done");
	dl_threads_destroy(pool);
}

static void
test_limits(void)
{
	DlThreads  *pool = (DlThreads *) 1;
	DlError		error;
	atomic_long total = 0;
	int			left = 0;

	ok(dl_threads_create(0, &pool, &error) == DL_ERROR_INVALID && pool == NULL, "0 threads are refused: %s", error.message);
	ok(dl_threads_create(100000, &pool, &error) == DL_ERROR_INVALID, "100000 threads are refused: %s", error.message);
	dl_threads_destroy(NULL);
	dl_threads_run(NULL, count_part, &total, 5);
	ok(atomic_load(&total) == 5, "without a pool the caller does all");
	for (int i = 0; i < 50; i++)
	{
		if (dl_threads_create(4, &pool, NULL) != DL_OK)
			left++;
		dl_threads_destroy(pool);
	}
	ok(left == 0, "pools come and go");
}

static void
test_processors(void)
{
	cpu_set_t	before;
	cpu_set_t	one;

	sched_getaffinity(0, sizeof(before), &before);
	ok(dl_processor_count() >= 1 && dl_processor_count() <= CPU_COUNT(&before), "%d processors", dl_processor_count());
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE; i++)
	{
		if (CPU_ISSET(i, &before))
		{
			CPU_SET(i, &one);
			break;
		}
	}
	sched_setaffinity(0, sizeof(one), &one);
	ok(dl_processor_count() == 1, "affinity is respected");
	sched_setaffinity(0, sizeof(before), &before);
}

int
main(void)
{
	test_parts(1);
	test_parts(2);
	test_parts(3);
	test_sleep();
	test_many(2, 20000);
	test_many(4, 3000);
	test_waiting_caller();
	test_limits();
	test_processors();
	return done_testing();
}
