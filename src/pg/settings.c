/*
 * settings.c
 *    Definitions of the settings.  All start with "deep_learning.".
 *
 * What a user may raise is bounded by a setting that only a superuser may
 * change.  The bound is applied where the value is read, not where it is set,
 * so that it does not matter which of the two is set first.
 */
#include "postgres.h"

#include "utils/guc.h"

#include "core/threads.h"
#include "pg/compat.h"
#include "pg/settings.h"

#define MOST_THREADS 256

#define MOST_BATCH_ROWS 65536

#define MOST_JOBS 1024
#define MOST_RESTARTS 1000000
#define MOST_SECONDS 86400
#define MINUTES_PER_DAY (24 * 60)

static int	batch_rows;
static bool batched_scoring;
static int	checkpoint_interval;
static int	job_restarts;
static int	job_retention;
static int	max_jobs;
static int	max_jobs_per_role;
static int	max_training_memory;
static bool require_batched_scoring;
static int	threads;
static int	training_memory;
static bool training_worker;

void
dl_settings_init(void)
{
	DefineCustomIntVariable("deep_learning.batch_rows",
							"Sets how many rows are scored together at most.",
							"Fewer are where a row takes long to score, or where a query may need few rows only.",
							&batch_rows,
							512, 1, MOST_BATCH_ROWS,
							PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomBoolVariable("deep_learning.batched_scoring",
							 "Scores rows in batches in the executor.",
							 "When off, the functions that score are called row by row.  The answers are the same.",
							 &batched_scoring,
							 true,
							 PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("deep_learning.checkpoint_interval",
							"Sets the time between two checkpoints of a background job.",
							"They are kept at the ends of epochs.  0 means every epoch, -1 none: then an interrupted job starts over.",
							&checkpoint_interval,
							60, -1, MOST_SECONDS,
							PGC_USERSET, GUC_UNIT_S, NULL, NULL, NULL);

	DefineCustomIntVariable("deep_learning.job_restarts",
							"Sets how often a job is started again after its worker was lost.",
							"A worker is lost when the server stops or crashes, or somebody terminates it.",
							&job_restarts,
							10, 0, MOST_RESTARTS,
							PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("deep_learning.job_retention",
							"Sets for how long background jobs are remembered after their end.",
							"Then they are removed, with their logs and learning curves; the models stay.  -1 means never.",
							&job_retention,
							30 * MINUTES_PER_DAY, -1, 36500 * MINUTES_PER_DAY,
							PGC_SIGHUP, GUC_UNIT_MIN, NULL, NULL, NULL);

	DefineCustomIntVariable("deep_learning.max_jobs",
							"Sets how many background jobs run at once, in all databases.",
							"Others wait.  Each takes one of max_worker_processes.",
							&max_jobs,
							2, 0, MOST_JOBS,
							PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("deep_learning.max_jobs_per_role",
							"Sets how many background jobs of one role run at once, in all databases.",
							"0 means as many as deep_learning.max_jobs.",
							&max_jobs_per_role,
							0, 0, MOST_JOBS,
							PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("deep_learning.max_training_memory",
							"Sets the highest effective value of deep_learning.training_memory.",
							"A greater deep_learning.training_memory counts as this much.",
							&max_training_memory,
							8 * 1024 * 1024, 1024, MAX_KILOBYTES,
							PGC_SUSET, GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomBoolVariable("deep_learning.require_batched_scoring",
							 "Makes it an error when a scoring function is called row by row.",
							 "For tests of what is scored in batches.",
							 &require_batched_scoring,
							 false,
							 PGC_USERSET, GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);

	DefineCustomIntVariable("deep_learning.threads",
							"Sets the number of threads that one training computes with.",
							"0 means one for each processor that the server may use.",
							&threads,
							0, 0, MOST_THREADS,
							PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("deep_learning.training_memory",
							"Sets the memory that the rows of one training may take.",
							"Rows beyond it are kept in temporary files.",
							&training_memory,
							1024 * 1024, 1024, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomBoolVariable("deep_learning.training_worker",
							 "Computes training in a background worker.",
							 "When off, or when no worker can be started, the session computes itself.",
							 &training_worker,
							 true,
							 PGC_USERSET, 0, NULL, NULL, NULL);
}

int
dl_setting_batch_rows(void)
{
	return batch_rows;
}

bool
dl_setting_batched_scoring(void)
{
	return batched_scoring;
}

bool
dl_setting_require_batched_scoring(void)
{
	return require_batched_scoring;
}

Size
dl_setting_training_memory(void)
{
	return (Size) Min(training_memory, max_training_memory) * 1024;
}

int
dl_setting_threads(void)
{
	return threads > 0 ? threads : Min(dl_processor_count(), MOST_THREADS);
}

bool
dl_setting_training_worker(void)
{
	return training_worker;
}

int
dl_setting_job_restarts(void)
{
	return job_restarts;
}

int
dl_setting_job_retention(void)
{
	return job_retention;
}

int
dl_setting_max_jobs(void)
{
	return max_jobs;
}

int
dl_setting_max_jobs_per_role(void)
{
	return max_jobs_per_role > 0 ? Min(max_jobs_per_role, max_jobs) : max_jobs;
}

int
dl_setting_checkpoint_interval(void)
{
	return checkpoint_interval;
}
