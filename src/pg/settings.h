/*
 * settings.h
 *    The settings of the extension (deep_learning.*), read through functions
 *    that apply their limits.
 */
#ifndef DL_PG_SETTINGS_H
#define DL_PG_SETTINGS_H

/* Registers all settings; called once per process, when the library is loaded. */
extern void dl_settings_init(void);

/* Rows that are scored together at most. */
extern int	dl_setting_batch_rows(void);

/* Whether the planner puts scoring into nodes of its own. */
extern bool dl_setting_batched_scoring(void);

/* Whether a scoring function may not be called row by row: for tests. */
extern bool dl_setting_require_batched_scoring(void);

/* Bytes that the rows of one training may take in memory before they go to temporary files. */
extern Size dl_setting_training_memory(void);

/* Threads that one training computes with, at least 1. */
extern int	dl_setting_threads(void);

/* Whether training computes in a background worker. */
extern bool dl_setting_training_worker(void);

/* Seconds between two checkpoints of a job; 0: every epoch; -1: none. */
extern int	dl_setting_checkpoint_interval(void);

/* Minutes after its end that a job is removed; -1: never. */
extern int	dl_setting_job_retention(void);

/* How often a job is started again after its worker was lost. */
extern int	dl_setting_job_restarts(void);

/* Background jobs that run at once in all databases, of all roles and of one. */
extern int	dl_setting_max_jobs(void);
extern int	dl_setting_max_jobs_per_role(void);

#endif							/* DL_PG_SETTINGS_H */
