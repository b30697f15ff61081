/*
 * compute.c
 *    One training on a thread of its own.
 *
 * Rows that exceed their memory go to one of PostgreSQL's temporary files, so
 * that temp_file_limit holds and a crash leaves nothing behind.  It is written
 * by the main thread through fd.c and read by other threads with pread on a
 * duplicate of its descriptor, which fd.c never closes behind their back.
 * Descriptors of our own exist only while a thread computes: there may be
 * thousands of groups of an aggregate that only take rows.
 */
#include "pg/compute.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cpu/cpu.h"
#include "pg/compat.h"
#include "storage/fd.h"
#include "utils/wait_event.h"

#define MOST_NOTICES 64
#define MOST_PROGRESS 64		/* that wait to be polled; then the oldest are lost */

/* A checkpoint that waits to be polled; NULL: none. */
typedef struct Kept
{
	void	   *bytes;
	size_t		length;
} Kept;

struct DlCompute
{
	Size		memory;
	DlDataset  *dataset;
	DlStorage	storage;
	File		file;			/* 0: none yet */
	int			read_fd;

	pthread_t	thread;
	bool		started;
	bool		joined;
	int			event_fd;
	atomic_int	cancel;
	const DlFitRequest *request;
	DlArena    *arena;			/* of the result */
	DlFitResult result;
	DlStatus	status;
	DlError		error;

	bool		checkpoints;	/* are wanted */
	double		checkpoint_seconds;
	int			resume_count;
	const DlFitCheckpoint *resume;

	pthread_mutex_t mutex;		/* protects what follows */
	bool		finished;
	uint32		progress_count;	/* ever; each at its number modulo MOST_PROGRESS */
	uint32		progress_read;
	DlFitProgress progress[MOST_PROGRESS];
	Kept		kept[DL_MODEL_MAX_TRIALS];
	int			notice_count;
	int			notice_read;
	DlComputeNotice notices[MOST_NOTICES];
};

/* A descriptor that fd.c knows nothing of. */
static DlStatus
open_for_reading(DlCompute *c, DlError *error)
{
	if (c->file == 0)
		return DL_OK;
	/* fd.c may have closed it meanwhile; asking for the size opens it again */
	if (FileSize(c->file) >= 0)
		c->read_fd = fcntl(FileGetRawDesc(c->file), F_DUPFD_CLOEXEC, 0);
	if (c->read_fd < 0)
		return dl_error_set(error, DL_ERROR_IO, "could not open a temporary file again: %m");
	return DL_OK;
}

static DlStatus
storage_write(void *context, uint64_t offset, const void *bytes, size_t length, DlError *error)
{
	DlCompute  *c = context;
	int			written;

	if (c->file == 0)
		c->file = OpenTemporaryFile(true);
	while (length > 0)
	{
		int			piece = (int) Min(length, (size_t) 1 << 24);

		written = FileWrite(c->file, unconstify(void *, bytes), piece, (off_t) offset, PG_WAIT_EXTENSION);
		if (written != piece)
			return dl_error_set(error, DL_ERROR_IO, "could not write to a temporary file: %m");
		bytes = (const char *) bytes + piece;
		offset += (uint64_t) piece;
		length -= (size_t) piece;
	}
	return DL_OK;
}

static DlStatus
storage_read(void *context, uint64_t offset, void *bytes, size_t length, DlError *error)
{
	const DlCompute *c = context;

	while (length > 0)
	{
		ssize_t		got = pread(c->read_fd, bytes, length, (off_t) offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return dl_error_set(error, DL_ERROR_IO, "could not read from a temporary file");
		bytes = (char *) bytes + got;
		offset += (uint64_t) got;
		length -= (size_t) got;
	}
	return DL_OK;
}

DlStatus
dl_compute_create(Size memory, DlCompute **result, DlError *error)
{
	DlCompute  *c = calloc(1, sizeof(DlCompute));

	*result = NULL;
	if (c == NULL)
		return dl_error_set(error, DL_ERROR_MEMORY, "out of memory");
	c->memory = memory;
	c->read_fd = -1;
	c->event_fd = -1;
	pthread_mutex_init(&c->mutex, NULL);
	c->storage = (DlStorage) {c, storage_write, storage_read};
	*result = c;
	return DL_OK;
}

DlStatus
dl_compute_begin(DlCompute *c, int32_t record_words, DlError *error)
{
	return dl_dataset_create(record_words, c->memory, &c->storage, &c->dataset, error);
}

DlStatus
dl_compute_append(DlCompute *c, const void *records, int64 count, DlError *error)
{
	return dl_dataset_append(c->dataset, records, count, error);
}

static void
wake(DlCompute *c)
{
	uint64_t	one = 1;
	ssize_t		ignored = write(c->event_fd, &one, sizeof(one));

	(void) ignored;				/* a full counter wakes as well */
}

static void
on_progress(void *context, const DlFitProgress *progress)
{
	DlCompute  *c = context;

	pthread_mutex_lock(&c->mutex);
	c->progress[c->progress_count++ % MOST_PROGRESS] = *progress;
	if (c->progress_count - c->progress_read > MOST_PROGRESS)
		c->progress_read = c->progress_count - MOST_PROGRESS;
	pthread_mutex_unlock(&c->mutex);
	wake(c);
}

static void
on_notice(void *context, DlFitNoticeLevel level, const char *message, const char *detail)
{
	DlCompute  *c = context;

	pthread_mutex_lock(&c->mutex);
	if (c->notice_count < MOST_NOTICES)
	{
		DlComputeNotice *n = &c->notices[c->notice_count++];

		n->level = level;
		strlcpy(n->message, message, sizeof(n->message));
		strlcpy(n->detail, detail == NULL ? "" : detail, sizeof(n->detail));
	}
	pthread_mutex_unlock(&c->mutex);
	wake(c);
}

/* On any thread: the latest of a trial takes the place of one that was not polled yet. */
static void
on_checkpoint(void *context, int trial, void *bytes, size_t length)
{
	DlCompute  *c = context;

	pthread_mutex_lock(&c->mutex);
	free(c->kept[trial].bytes);
	c->kept[trial].bytes = bytes;
	c->kept[trial].length = length;
	pthread_mutex_unlock(&c->mutex);
	wake(c);
}

static void *
thread_main(void *context)
{
	DlCompute  *c = context;
	DlFitHost	host = {
		.context = c, .progress = on_progress, .notice = on_notice, .cancel = &c->cancel,
		.checkpoint_seconds = c->checkpoint_seconds, .checkpoint = c->checkpoints ? on_checkpoint : NULL,
		.checkpoint_count = c->resume_count, .checkpoints = c->resume,
	};

	c->status = dl_fit(c->arena, c->request, c->dataset, &host, &c->result, &c->error);
	pthread_mutex_lock(&c->mutex);
	c->finished = true;
	pthread_mutex_unlock(&c->mutex);
	wake(c);
	return NULL;
}

void
dl_compute_keep(DlCompute *c, double seconds, int count, const DlFitCheckpoint *checkpoints)
{
	c->checkpoints = true;
	c->checkpoint_seconds = seconds;
	c->resume_count = count;
	c->resume = checkpoints;
}

DlStatus
dl_compute_start(DlCompute *c, const DlFitRequest *request, DlError *error)
{
	sigset_t	all;
	sigset_t	old;
	int			rc;

	DL_TRY(dl_dataset_finish(c->dataset, error));
	DL_TRY(open_for_reading(c, error));
	c->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (c->event_fd < 0)
		return dl_error_set(error, DL_ERROR_IO, "could not create an event descriptor: %m");
	DL_TRY(dl_arena_create(0, &c->arena, error));
	/* here, because it sets environment variables for a moment */
	dl_cpu_blas_open();
	c->request = request;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&c->thread, NULL, thread_main, c);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc != 0)
		return dl_error_set(error, DL_ERROR_MEMORY, "could not start a thread for training: %s", strerror(rc));
	c->started = true;
	return DL_OK;
}

int
dl_compute_event_fd(const DlCompute *c)
{
	return c->event_fd;
}

bool
dl_compute_poll(DlCompute *c, DlFitProgress *progress, bool *has_progress, DlComputeNotice *notice, bool *has_notice)
{
	uint64_t	count;
	ssize_t		ignored = read(c->event_fd, &count, sizeof(count));
	bool		finished;

	(void) ignored;
	pthread_mutex_lock(&c->mutex);
	*has_progress = c->progress_read != c->progress_count;
	if (*has_progress)
		*progress = c->progress[c->progress_read++ % MOST_PROGRESS];
	*has_notice = c->notice_read < c->notice_count;
	if (*has_notice)
		*notice = c->notices[c->notice_read++];
	finished = c->finished && c->notice_read >= c->notice_count && c->progress_read == c->progress_count;
	pthread_mutex_unlock(&c->mutex);
	return finished;
}

bool
dl_compute_checkpoint(DlCompute *c, int *trial, void **bytes, size_t *length)
{
	bool		found = false;

	pthread_mutex_lock(&c->mutex);
	for (int i = 0; i < DL_MODEL_MAX_TRIALS && !found; i++)
	{
		found = c->kept[i].bytes != NULL;
		if (found)
		{
			*trial = i;
			*bytes = c->kept[i].bytes;
			*length = c->kept[i].length;
			c->kept[i].bytes = NULL;
		}
	}
	pthread_mutex_unlock(&c->mutex);
	return found;
}

static void
join(DlCompute *c)
{
	if (c->started && !c->joined)
		pthread_join(c->thread, NULL);
	c->joined = true;
}

DlStatus
dl_compute_finish(DlCompute *c, const DlFitResult **result, DlError *error)
{
	join(c);
	*result = &c->result;
	if (c->status != DL_OK)
		*error = c->error;
	return c->status;
}

void
dl_compute_destroy(DlCompute *c)
{
	if (c == NULL)
		return;
	atomic_store(&c->cancel, 1);
	join(c);
	dl_dataset_destroy(c->dataset);
	dl_arena_destroy(c->arena);
	if (c->read_fd >= 0)
		close(c->read_fd);
	if (c->file != 0)
		FileClose(c->file);
	if (c->event_fd >= 0)
		close(c->event_fd);
	for (int i = 0; i < DL_MODEL_MAX_TRIALS; i++)
		free(c->kept[i].bytes);
	pthread_mutex_destroy(&c->mutex);
	free(c);
}
