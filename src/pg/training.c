/*
 * training.c
 *    One training as the asking session sees it.
 *
 * Two ways behind one interface: a worker at the other end of two queues, or a
 * DlCompute of the session's own.  The session's main thread only waits: on its
 * latch, and on the event descriptor of a compute, waking ten times a second to
 * look whether the client is still there.
 *
 * Ends: normally by dl_training_end(); on error by the reset callback of the
 * memory context, which joins the session's own thread.  A worker learns of
 * an error by the queue, which the resource owner detaches.
 */
#include "pg/training.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "pg/bridge.h"
#include "pg/compat.h"
#include "pg/progress.h"
#include "pg/settings.h"
#include "pg/training_message.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#define LOOK_AGAIN_MS 100L

struct DlTraining
{
	MemoryContext context;
	MemoryContextCallback callback;
	Size		memory;

	/* in a worker */
	dsm_segment *segment;
	shm_mq_handle *to_worker;
	shm_mq_handle *to_session;
	BackgroundWorkerHandle *worker;

	/* in the session */
	DlCompute  *compute;

	DlProgressSlot *slot;		/* NULL: nowhere */
	int64		rows;
	int64		bytes;
	uint64		hash;

	/* while it runs */
	const DlTrainingWatch *watch;
	DlProgressLine line;
};

static void
on_reset(void *argument)
{
	DlTraining *t = argument;

	dl_compute_destroy(t->compute);
	t->compute = NULL;
}

/* What the library has no setting for, the session's own temp_file_limit, goes along. */
static int
temp_file_limit_setting(void)
{
	const char *value = GetConfigOption("temp_file_limit", true, false);

	return value == NULL ? -1 : atoi(value);
}

static void
create_segment(DlTraining *t)
{
	Size		size = MAXALIGN(sizeof(DlTrainingShared)) + DL_QUEUE_TO_WORKER + DL_QUEUE_TO_SESSION;
	DlTrainingShared *shared;
	shm_mq	   *queue;

	t->segment = dsm_create(size, 0);
	shared = dsm_segment_address(t->segment);
	shared->magic = DL_TRAINING_MAGIC;
	shared->memory = t->memory;
	shared->temp_file_limit = temp_file_limit_setting();
	shared->to_worker = MAXALIGN(sizeof(DlTrainingShared));
	shared->to_session = shared->to_worker + DL_QUEUE_TO_WORKER;

	queue = shm_mq_create((char *) shared + shared->to_worker, DL_QUEUE_TO_WORKER);
	shm_mq_set_sender(queue, MyProc);
	t->to_worker = shm_mq_attach(queue, t->segment, NULL);
	queue = shm_mq_create((char *) shared + shared->to_session, DL_QUEUE_TO_SESSION);
	shm_mq_set_receiver(queue, MyProc);
	t->to_session = shm_mq_attach(queue, t->segment, NULL);
}

static void
drop_segment(DlTraining *t)
{
	if (t->segment != NULL)
	{
		shm_mq_detach(t->to_worker);
		shm_mq_detach(t->to_session);
		dsm_detach(t->segment);
	}
	t->segment = NULL;
}

/* False when there is no free slot for a worker. */
static bool
start_worker(DlTraining *t)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_ConsistentState,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_notify_pid = MyProcPid,
	};

	create_segment(t);
	snprintf(worker.bgw_name, BGW_MAXLEN, "deep_learning trainer for PID %d", MyProcPid);
	snprintf(worker.bgw_type, BGW_MAXLEN, "deep_learning trainer");
	snprintf(worker.bgw_library_name, BGW_MAXLEN, "deep_learning");
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "dl_training_worker_main");
	worker.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(t->segment));
	if (!RegisterDynamicBackgroundWorker(&worker, &t->worker))
	{
		drop_segment(t);
		return false;
	}
	shm_mq_set_handle(t->to_worker, t->worker);
	shm_mq_set_handle(t->to_session, t->worker);
	return true;
}

DlTraining *
dl_training_begin(bool allow_worker, Size memory)
{
	DlTraining *t = palloc0(sizeof(DlTraining));
	DlError		error;

	t->context = CurrentMemoryContext;
	t->memory = memory;
	t->callback.func = on_reset;
	t->callback.arg = t;
	if (!(allow_worker && dl_setting_training_worker() && start_worker(t)))
	{
		DL_CHECK(dl_compute_create(t->memory, &t->compute, &error), &error);
		MemoryContextRegisterResetCallback(t->context, &t->callback);
	}
	return t;
}

void
dl_training_end(DlTraining *t)
{
	on_reset(t);
	drop_segment(t);
}

/* Serves interrupts; a client that went away counts as one. */
static void
look_around(void)
{
	if (dl_client_is_gone())
	{
		ClientConnectionLost = true;
		InterruptPending = true;
	}
	CHECK_FOR_INTERRUPTS();
}

static void
raise_worker_error(const void *body, Size length)
{
	DlErrorMessage message;

	if (length != sizeof(message))
		elog(ERROR, "training worker sent an error of %zu bytes", length);
	memcpy(&message, body, sizeof(message));
	if (message.sqlstate == 0)
		dl_ereport(&message.error);
	ereport(ERROR,
			(errcode(message.sqlstate),
			 errmsg("%s", message.error.message),
			 message.error.detail[0] != '\0' ? errdetail("%s", message.error.detail) : 0,
			 message.error.hint[0] != '\0' ? errhint("%s", message.error.hint) : 0));
}

/* The other side is gone: its last words, if any, say why. */
static void
worker_is_gone(DlTraining *t)
{
	Size		length;
	void	   *data;

	while (shm_mq_receive(t->to_session, &length, &data, false) == SHM_MQ_SUCCESS)
		if (length > 0 && *(char *) data == DL_MESSAGE_ERROR)
			raise_worker_error((char *) data + 1, length - 1);
	CHECK_FOR_INTERRUPTS();
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("the training worker ended unexpectedly"),
			 errhint("The server's log may say why.")));
}

static void
send_to_worker(DlTraining *t, char kind, const void *body, Size length)
{
	if (dl_message_send(t->to_worker, kind, body, length, NULL, 0, false) != SHM_MQ_SUCCESS)
		worker_is_gone(t);
}

static void
sink_begin(void *context, int32_t record_words)
{
	DlTraining *t = context;
	DlError		error;

	if (t->compute != NULL)
		DL_CHECK(dl_compute_begin(t->compute, record_words, &error), &error);
	else
		send_to_worker(t, DL_MESSAGE_BEGIN, &record_words, sizeof(record_words));
}

static void
sink_append(void *context, const uint32_t *records, int64 count, int32_t record_words)
{
	DlTraining *t = context;
	DlError		error;

	if (t->compute != NULL)
	{
		DL_CHECK(dl_compute_append(t->compute, records, count, &error), &error);
		t->hash = hash_bytes_extended((const unsigned char *) records, (int) (count * record_words * (int64) sizeof(uint32_t)),
									  t->hash);
	}
	else
		send_to_worker(t, DL_MESSAGE_ROWS, records, (Size) count * (Size) record_words * sizeof(uint32_t));
	t->rows += count;
	t->bytes += count * record_words * (int64) sizeof(uint32_t);
	dl_progress_rows(t->slot, t->rows, t->bytes);
	look_around();
}

uint64
dl_training_hash(const DlTraining *t)
{
	return t->hash;
}

void
dl_training_keep(DlTraining *t, double seconds, int count, const DlFitCheckpoint *checkpoints)
{
	Assert(t->compute != NULL);
	dl_compute_keep(t->compute, seconds, count, checkpoints);
}

bool
dl_training_checkpoint(DlTraining *t, int *trial, void **bytes, size_t *length)
{
	return dl_compute_checkpoint(t->compute, trial, bytes, length);
}

void
dl_training_report(DlTraining *t, DlProgressSlot *slot)
{
	t->slot = slot;
}

DlRowSink
dl_training_sink(DlTraining *t)
{
	return (DlRowSink) {t, sink_begin, sink_append};
}

static void
show_notice(const DlComputeNotice *notice, bool quiet)
{
	if (quiet && notice->level == DL_FIT_NOTICE)
		return;
	ereport(notice->level == DL_FIT_WARNING ? WARNING : NOTICE,
			(errmsg("%s", notice->message),
			 notice->detail[0] != '\0' ? errdetail("%s", notice->detail) : 0));
}

static void
keep_result(DlTraining *t, const DlFitResult *fit, const char *metric, const char *part, const void *bytes,
			DlTrainingResult *result)
{
	MemoryContext old = MemoryContextSwitchTo(t->context);

	result->fit = *fit;
	result->fit.metric = pstrdup(metric);
	result->fit.metric_part = pstrdup(part);
	result->fit.bytes = MemoryContextAllocHuge(t->context, fit->length);
	memcpy(result->fit.bytes, bytes, fit->length);
	MemoryContextSwitchTo(old);
}

static void
show_progress(DlTraining *t, const DlFitProgress *progress)
{
	dl_progress_fit(t->slot, progress);
	if (!progress->epoch_end)
		return;
	if (t->watch != NULL)
		t->watch->progress(t->watch->context, progress);
	else
		dl_progress_show(&t->line, progress);
}

/* Between two waits. */
static void
look(const DlTraining *t, bool drained)
{
	look_around();
	if (t->watch != NULL)
		t->watch->look(t->watch->context, drained);
}

/* Handles one message; true for the result. */
static bool
handle_message(DlTraining *t, const char *data, Size length, bool quiet, DlTrainingResult *result)
{
	const char *body = data + 1;

	switch (length > 0 ? data[0] : '\0')
	{
		case DL_MESSAGE_PROGRESS:
			{
				DlProgressMessage message;

				memcpy(&message, body, sizeof(message));
				message.progress.metric = message.metric;
				show_progress(t, &message.progress);
				return false;
			}
		case DL_MESSAGE_NOTICE:
			{
				DlComputeNotice notice;

				memcpy(&notice, body, sizeof(notice));
				show_notice(&notice, quiet);
				return false;
			}
		case DL_MESSAGE_ERROR:
			raise_worker_error(body, length - 1);
			return false;
		case DL_MESSAGE_RESULT:
			{
				DlResultMessage message;

				memcpy(&message, body, sizeof(message));
				keep_result(t, &message.result, message.metric, message.metric_part, body + sizeof(message), result);
				return true;
			}
		default:
			elog(ERROR, "training worker sent an unknown message");
	}
	return false;
}

static uint32
wait_event(void)
{
	static uint32 number;

	return dl_wait_event_compat(&number, "DeepLearningTrain");
}

static void
run_in_worker(DlTraining *t, const DlFitRequest *request, bool quiet, DlTrainingResult *result)
{
	DlArena    *arena = dl_arena_for_context(CurrentMemoryContext, 0);
	DlError		error;
	void	   *bytes;
	size_t		size;
	bool		done = false;

	DL_CHECK(dl_fit_request_pack(arena, request, &bytes, &size, &error), &error);
	send_to_worker(t, DL_MESSAGE_TRAIN, bytes, size);
	while (!done)
	{
		Size		length;
		void	   *data;
		shm_mq_result got = shm_mq_receive(t->to_session, &length, &data, true);

		if (got == SHM_MQ_DETACHED)
			worker_is_gone(t);
		if (got == SHM_MQ_SUCCESS)
			done = handle_message(t, data, length, quiet, result);
		else
		{
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOOK_AGAIN_MS, wait_event());
			ResetLatch(MyLatch);
		}
		look(t, got != SHM_MQ_SUCCESS);
	}
	result->in_worker = true;
}

static void
run_in_session(DlTraining *t, const DlFitRequest *request, bool quiet, DlTrainingResult *result)
{
	const DlFitResult *fit;
	DlError		error;
	bool		finished = false;

	DL_CHECK(dl_compute_start(t->compute, request, &error), &error);
	while (!finished)
	{
		DlFitProgress progress;
		DlComputeNotice notice;
		bool		has_progress;
		bool		has_notice;

		finished = dl_compute_poll(t->compute, &progress, &has_progress, &notice, &has_notice);
		if (has_notice)
			show_notice(&notice, quiet);
		if (has_progress)
			show_progress(t, &progress);
		if (!finished && !has_notice && !has_progress)
		{
			(void) WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
									 dl_compute_event_fd(t->compute), LOOK_AGAIN_MS, wait_event());
			ResetLatch(MyLatch);
		}
		look(t, !has_progress);
	}
	DL_CHECK(dl_compute_finish(t->compute, &fit, &error), &error);
	keep_result(t, fit, fit->metric, fit->metric_part, fit->bytes, result);
	result->in_worker = false;
}

void
dl_training_run(DlTraining *t, const DlFitRequest *request, bool quiet, const DlTrainingWatch *watch,
				DlTrainingResult *result)
{
	memset(result, 0, sizeof(*result));
	t->watch = watch;
	t->line = (DlProgressLine) {.quiet = quiet};
	if (t->compute != NULL)
		run_in_session(t, request, quiet, result);
	else
		run_in_worker(t, request, quiet, result);
	if (watch == NULL)
		dl_progress_finish(&t->line);
}
