/*
 * fit_rows.h
 *    Generated tables as a DlDataset and a DlFitRequest, for the tests of fit.
 */
#ifndef DL_TEST_FIT_ROWS_H
#define DL_TEST_FIT_ROWS_H

#include <pthread.h>
#include <stdatomic.h>

#include "model/fit.h"

#define FIT_MOST_COLUMNS 6
#define FIT_MOST_WORDS 48		/* of a record */

/* What the host of a fit hears, and where the rows of a table on disk lie. */
typedef struct FitTable
{
	DlArena    *arena;
	DlDataset  *dataset;
	DlFitRequest request;
	DlColumn	columns[FIT_MOST_COLUMNS];
	DlRecordLayout layout;

	/* the record under construction */
	uint32_t	record[FIT_MOST_WORDS];

	/* storage */
	unsigned char *bytes;
	size_t		capacity;

	/* the host; of it, what has to do with checkpoints is the caller's */
	DlFitHost	host;
	pthread_t	caller;
	atomic_int	cancel;
	int			cancel_after;	/* progress calls; 0: never */
	DlFitPhase	phase;			/* the last that was reported */
	int			progress_calls;
	int			notice_calls;
	bool		other_thread;	/* a callback came on a thread of the library's own */
	char		notices[2000];

	DlFitResult result;
	DlError		error;
} FitTable;

/* Options are set for a quick training: a small network, few epochs, one thread. */
extern void fit_begin(FitTable *t, DlTask task, int32_t target_words);
extern void fit_free(FitTable *t);

/* Before the first row.  levels: texts of a category, each one character. */
extern void fit_column(FitTable *t, const char *name, DlColumnKind kind, const char *levels);

/* Class labels in the order of classes; map: code in the record -> class. */
extern void fit_labels(FitTable *t, const char *const *labels, int32_t count, const int32_t *map);

/* After the last column.  memory: bytes for rows, the rest goes to storage; 0: all in memory. */
extern void fit_rows_begin(FitTable *t, size_t memory);

/* The parts of a record, then the record.  Numbers are given whole; offsets are taken off. */
extern void fit_number(FitTable *t, int32_t column, double value);	/* NaN: missing */
extern void fit_category(FitTable *t, int32_t column, int32_t code);
extern void fit_moment(FitTable *t, int32_t column, int64_t microseconds);
extern void fit_target(FitTable *t, int32_t word, double value);
extern void fit_code(FitTable *t, int32_t code);
extern void fit_row(FitTable *t, uint64_t hash, float weight, DlPart part);

/* Finishes the rows and trains; prints the error of a failure that was not expected. */
extern DlStatus fit_run(FitTable *t, DlArena *result_arena);
extern DlModel *fit_decode(const FitTable *t);
extern double fit_metric(const DlModel *model, const char *name);

#endif							/* DL_TEST_FIT_ROWS_H */
