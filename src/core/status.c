/*
 * status.c
 *    Filling a DlError.  Texts that do not fit are cut, never overrun.
 */
#include "core/status.h"

#include <stdio.h>
#include <string.h>

void
dl_error_reset(DlError *error)
{
	if (error != NULL)
		memset(error, 0, sizeof(*error));
}

DlStatus
dl_error_set(DlError *error, DlStatus status, const char *format,...)
{
	va_list		args;

	if (error == NULL)
		return status;

	dl_error_reset(error);
	error->status = status;
	va_start(args, format);
	vsnprintf(error->message, sizeof(error->message), format, args);
	va_end(args);
	return status;
}

void
dl_error_detail(DlError *error, const char *format,...)
{
	va_list		args;

	if (error == NULL)
		return;
	va_start(args, format);
	vsnprintf(error->detail, sizeof(error->detail), format, args);
	va_end(args);
}

void
dl_error_hint(DlError *error, const char *format,...)
{
	va_list		args;

	if (error == NULL)
		return;
	va_start(args, format);
	vsnprintf(error->hint, sizeof(error->hint), format, args);
	va_end(args);
}
