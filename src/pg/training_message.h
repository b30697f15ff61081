/*
 * training_message.h
 *    What a session and its training worker say to each other.
 *
 * Each message is one byte of kind and a body.  Structures are sent as
 * they are: both sides are the same library on the same machine.
 */
#ifndef DL_PG_TRAINING_MESSAGE_H
#define DL_PG_TRAINING_MESSAGE_H

#include "postgres.h"

#include "model/fit.h"
#include "pg/compute.h"
#include "storage/dsm.h"
#include "storage/shm_mq.h"

/* session to worker */
#define DL_MESSAGE_BEGIN 'B'	/* int32 words of a record */
#define DL_MESSAGE_ROWS 'D'		/* records */
#define DL_MESSAGE_TRAIN 'T'	/* a packed DlFitRequest */

/* worker to session */
#define DL_MESSAGE_PROGRESS 'P' /* DlProgressMessage */
#define DL_MESSAGE_NOTICE 'N'	/* DlComputeNotice */
#define DL_MESSAGE_ERROR 'E'	/* DlErrorMessage */
#define DL_MESSAGE_RESULT 'R'	/* DlResultMessage, then the model's bytes */

#define DL_QUEUE_TO_WORKER ((Size) 1 << 20)
#define DL_QUEUE_TO_SESSION ((Size) 1 << 18)

/* The start of the shared segment; the two queues follow. */
typedef struct DlTrainingShared
{
	uint32		magic;
	Size		memory;			/* for rows */
	int			temp_file_limit;	/* of the session, kB or -1 */
	Size		to_worker;		/* offsets of the queues in the segment */
	Size		to_session;
} DlTrainingShared;

#define DL_TRAINING_MAGIC 0x646c7472

typedef struct DlProgressMessage
{
	DlFitProgress progress;		/* metric is not valid here */
	char		metric[32];
} DlProgressMessage;

typedef struct DlResultMessage
{
	DlFitResult result;			/* its pointers are not valid here */
	char		metric[32];
	char		metric_part[32];
} DlResultMessage;

typedef struct DlErrorMessage
{
	DlError		error;
	int			sqlstate;		/* 0: by the status of the error */
} DlErrorMessage;

/* Sends kind and the two parts of a body; one of shm_mq's results. */
extern shm_mq_result dl_message_send(shm_mq_handle *queue, char kind, const void *body, Size length,
									 const void *more, Size more_length, bool nowait);

#endif							/* DL_PG_TRAINING_MESSAGE_H */
