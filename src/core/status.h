/*
 * status.h
 *    How the library reports failure: a DlStatus and, filled once at the
 *    origin, a DlError with the values that explain it.
 *
 * Nothing below src/pg aborts, exits, or jumps.  A function that can fail
 * returns DlStatus and takes a DlError* as its last argument; the caller
 * passes both on with DL_TRY.  src/pg/bridge.c is the only place that turns a
 * DlError into an SQL error.
 *
 * Message style is PostgreSQL's: the message is lower case without a full
 * stop, detail and hint are full sentences.
 */
#ifndef DL_CORE_STATUS_H
#define DL_CORE_STATUS_H

#include <stdarg.h>

typedef enum DlStatus
{
	DL_OK = 0,
	DL_ERROR_INVALID,			/* an argument or setting is wrong */
	DL_ERROR_SYNTAX,			/* text of a network; DlError.position is set */
	DL_ERROR_SHAPE,				/* shapes or types of tensors do not fit */
	DL_ERROR_DATA,				/* the rows cannot be used as asked */
	DL_ERROR_CORRUPT,			/* bytes of a model are damaged */
	DL_ERROR_UNSUPPORTED,		/* valid, but this version cannot do it */
	DL_ERROR_MEMORY,			/* out of memory, or over the budget */
	DL_ERROR_LIMIT,				/* a fixed limit is exceeded, or a size wraps */
	DL_ERROR_NUMERIC,			/* NaN or infinity where none may be */
	DL_ERROR_IO,				/* temporary storage failed */
	DL_ERROR_CANCELLED,			/* the caller asked to stop */
	DL_ERROR_INTERNAL			/* a broken invariant: a bug */
} DlStatus;

#define DL_ERROR_TEXT 1024

typedef struct DlError
{
	DlStatus	status;
	int			position;		/* 1-based character in the text, 0 if none */
	char		message[DL_ERROR_TEXT];
	char		detail[DL_ERROR_TEXT];
	char		hint[DL_ERROR_TEXT];
} DlError;

/* Passes a failure on to the caller. */
#define DL_TRY(call) \
	do { \
		DlStatus	dl_try_status_ = (call); \
		if (dl_try_status_ != DL_OK) \
			return dl_try_status_; \
	} while (0)

/* All below accept a NULL error; dl_error_set clears detail, hint and position. */
extern DlStatus dl_error_set(DlError *error, DlStatus status, const char *format,...)
			__attribute__((format(printf, 3, 4)));
extern void dl_error_detail(DlError *error, const char *format,...)
			__attribute__((format(printf, 2, 3)));
extern void dl_error_hint(DlError *error, const char *format,...)
			__attribute__((format(printf, 2, 3)));
extern void dl_error_reset(DlError *error);

#endif							/* DL_CORE_STATUS_H */
