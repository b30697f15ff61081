/*
 * safetensors_scan.h
 *    The words of a header: strings and integers of strict JSON, one after
 *    the other, without recursion and without allocation.
 */
#ifndef DL_FORMAT_SAFETENSORS_SCAN_H
#define DL_FORMAT_SAFETENSORS_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct DlScan
{
	const unsigned char *start;
	const unsigned char *p;
	const unsigned char *end;
	DlError    *error;
} DlScan;

/* DL_ERROR_CORRUPT with the byte where the scan stands. */
extern DlStatus dl_scan_fail(const DlScan *scan, const char *format,...)
			__attribute__((format(printf, 2, 3)));

/* Skips white space, then takes c if it is there. */
extern bool dl_scan_take(DlScan *scan, char c);
extern DlStatus dl_scan_expect(DlScan *scan, char c);

/*
 * A string, decoded into text (NULL: only measured), which has room for the
 * rest of the header; terminated by a zero byte there.  *length counts without it.
 */
extern DlStatus dl_scan_string(DlScan *scan, char *text, size_t *length);

/* Digits only: no sign, fraction, exponent or leading zero. */
extern DlStatus dl_scan_integer(DlScan *scan, int64_t *result);

#endif							/* DL_FORMAT_SAFETENSORS_SCAN_H */
