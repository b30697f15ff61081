/*
 * training_worker.c
 *    The background worker that computes a training.
 *
 * It has no database, reads no catalogs and holds no snapshot.  Its main thread
 * stores rows, starts the computing thread, and then only waits: on its
 * latch, on the thread's event descriptor, and on the postmaster's death, always
 * ready for interrupts, so that it never holds up DROP DATABASE or a shutdown.
 * It ends when the session detaches from the queue.
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "pg/compat.h"
#include "pg/training.h"
#include "pg/training_message.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

typedef struct Worker
{
	DlCompute  *compute;
	shm_mq_handle *to_worker;
	shm_mq_handle *to_session;
	DlArena    *arena;			/* of the request */
	DlFitRequest request;
	int32_t		record_words;
} Worker;

/* The computing thread must be gone before shared memory is. */
static void
stop_computing(int code, Datum argument)
{
	Worker	   *w = (Worker *) DatumGetPointer(argument);

	(void) code;
	dl_compute_destroy(w->compute);
	w->compute = NULL;
}

shm_mq_result
dl_message_send(shm_mq_handle *queue, char kind, const void *body, Size length, const void *more, Size more_length,
				bool nowait)
{
	shm_mq_iovec parts[3] = {{&kind, 1}, {body, length}, {more, more_length}};

	return dl_shm_mq_sendv_compat(queue, parts, 3, nowait);
}

/* Sends and goes away when nobody listens. */
static void
tell(Worker *w, char kind, const void *body, Size length, const void *more, Size more_length)
{
	if (dl_message_send(w->to_session, kind, body, length, more, more_length, false) != SHM_MQ_SUCCESS)
		proc_exit(0);
}

static void
tell_error(Worker *w, const DlError *error, int sqlstate)
{
	DlErrorMessage message = {.error = *error, .sqlstate = sqlstate};

	tell(w, DL_MESSAGE_ERROR, &message, sizeof(message), NULL, 0);
	proc_exit(0);
}

static void
handle_rows(Worker *w, const char *body, Size length)
{
	DlError		error;
	Size		record = (Size) w->record_words * sizeof(uint32_t);

	if (dl_compute_append(w->compute, body, (int64) (length / record), &error) != DL_OK)
		tell_error(w, &error, 0);
}

/* Takes what the session sends until it asks to train. */
static void
receive_rows(Worker *w)
{
	for (;;)
	{
		Size		length;
		void	   *data;
		const char *body;
		DlError		error;

		if (shm_mq_receive(w->to_worker, &length, &data, false) != SHM_MQ_SUCCESS)
			proc_exit(0);
		CHECK_FOR_INTERRUPTS();
		body = (const char *) data + 1;
		switch (*(const char *) data)
		{
			case DL_MESSAGE_BEGIN:
				memcpy(&w->record_words, body, sizeof(w->record_words));
				if (dl_compute_begin(w->compute, w->record_words, &error) != DL_OK)
					tell_error(w, &error, 0);
				break;
			case DL_MESSAGE_ROWS:
				handle_rows(w, body, length - 1);
				break;
			case DL_MESSAGE_TRAIN:
				if (dl_arena_create(0, &w->arena, &error) != DL_OK ||
					dl_fit_request_unpack(w->arena, body, length - 1, &w->request, &error) != DL_OK ||
					dl_compute_start(w->compute, &w->request, &error) != DL_OK)
					tell_error(w, &error, 0);
				return;
			default:
				elog(ERROR, "session sent an unknown message");
		}
	}
}

static void
forward_progress(Worker *w, const DlFitProgress *progress)
{
	DlProgressMessage message;

	memset(&message, 0, sizeof(message));
	message.progress = *progress;
	strlcpy(message.metric, progress->metric, sizeof(message.metric));
	tell(w, DL_MESSAGE_PROGRESS, &message, sizeof(message), NULL, 0);
}

static void
send_result(Worker *w)
{
	const DlFitResult *result;
	DlResultMessage message;
	DlError		error;

	if (dl_compute_finish(w->compute, &result, &error) != DL_OK)
		tell_error(w, &error, 0);
	memset(&message, 0, sizeof(message));
	message.result = *result;
	strlcpy(message.metric, result->metric, sizeof(message.metric));
	strlcpy(message.metric_part, result->metric_part, sizeof(message.metric_part));
	tell(w, DL_MESSAGE_RESULT, &message, sizeof(message), result->bytes, result->length);
}

static bool
session_is_gone(Worker *w)
{
	Size		length;
	void	   *data;

	return shm_mq_receive(w->to_worker, &length, &data, true) == SHM_MQ_DETACHED;
}

static uint32
wait_event(void)
{
	static uint32 number;

	return dl_wait_event_compat(&number, "DeepLearningTrainer");
}

static void
watch(Worker *w)
{
	bool		finished = false;

	while (!finished)
	{
		DlFitProgress progress;
		DlComputeNotice notice;
		bool		has_progress;
		bool		has_notice;

		finished = dl_compute_poll(w->compute, &progress, &has_progress, &notice, &has_notice);
		if (has_notice)
			tell(w, DL_MESSAGE_NOTICE, &notice, sizeof(notice), NULL, 0);
		if (has_progress)
			forward_progress(w, &progress);
		if (!finished && !has_notice && !has_progress)
		{
			(void) WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_EXIT_ON_PM_DEATH,
									 dl_compute_event_fd(w->compute), -1L, wait_event());
			ResetLatch(MyLatch);
		}
		CHECK_FOR_INTERRUPTS();
		if (session_is_gone(w))
			proc_exit(0);
	}
	send_result(w);
}

static void
attach(Worker *w, Datum argument)
{
	dsm_segment *segment = dsm_attach(DatumGetUInt32(argument));
	DlTrainingShared *shared;
	shm_mq	   *queue;
	DlError		error;
	char		limit[32];

	if (segment == NULL)
		proc_exit(0);			/* the session is gone already */
	shared = dsm_segment_address(segment);
	if (shared->magic != DL_TRAINING_MAGIC)
		elog(ERROR, "shared memory of a training is damaged");
	queue = (shm_mq *) ((char *) shared + shared->to_worker);
	shm_mq_set_receiver(queue, MyProc);
	w->to_worker = shm_mq_attach(queue, segment, NULL);
	queue = (shm_mq *) ((char *) shared + shared->to_session);
	shm_mq_set_sender(queue, MyProc);
	w->to_session = shm_mq_attach(queue, segment, NULL);

	snprintf(limit, sizeof(limit), "%d", shared->temp_file_limit);
	SetConfigOption("temp_file_limit", limit, PGC_SUSET, PGC_S_OVERRIDE);
	if (dl_compute_create(shared->memory, &w->compute, &error) != DL_OK)
		tell_error(w, &error, 0);
	before_shmem_exit(stop_computing, PointerGetDatum(w));
}

/* An error of the server's own code, as of a temporary file that grew too large. */
static void
pass_error_on(Worker *w)
{
	ErrorData  *data;
	DlError		error;

	MemoryContextSwitchTo(TopMemoryContext);
	data = CopyErrorData();
	FlushErrorState();
	HOLD_INTERRUPTS();
	dl_error_set(&error, DL_ERROR_INTERNAL, "%s", data->message);
	if (data->detail != NULL)
		dl_error_detail(&error, "%s", data->detail);
	if (data->hint != NULL)
		dl_error_hint(&error, "%s", data->hint);
	RESUME_INTERRUPTS();
	if (w->to_session != NULL)
		tell_error(w, &error, data->sqlerrcode);
}

void
dl_training_worker_main(Datum argument)
{
	Worker	   *w;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	CurrentResourceOwner = ResourceOwnerCreate(NULL, "deep_learning trainer");
	CurrentMemoryContext = AllocSetContextCreate(TopMemoryContext, "deep_learning trainer", ALLOCSET_DEFAULT_SIZES);
	w = palloc0(sizeof(Worker));

	PG_TRY();
	{
		attach(w, argument);
		receive_rows(w);
		pgstat_report_activity(STATE_RUNNING, "training");
		watch(w);
	}
	PG_CATCH();
	{
		pass_error_on(w);
	}
	PG_END_TRY();
	proc_exit(0);
}
