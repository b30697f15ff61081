/*
 * size.h
 *    Checked arithmetic for sizes.  Every size that comes from data, from a
 *    user, or from multiplying two counts goes through here.
 *
 * Each function returns false, and leaves *result alone, when the true result
 * does not fit.
 */
#ifndef DL_CORE_SIZE_H
#define DL_CORE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool
dl_size_add(size_t a, size_t b, size_t *result)
{
	size_t		r;

	if (__builtin_add_overflow(a, b, &r))
		return false;
	*result = r;
	return true;
}

static inline bool
dl_size_mul(size_t a, size_t b, size_t *result)
{
	size_t		r;

	if (__builtin_mul_overflow(a, b, &r))
		return false;
	*result = r;
	return true;
}

/* Rounds up to a multiple of alignment, which is a power of two. */
static inline bool
dl_size_align(size_t a, size_t alignment, size_t *result)
{
	size_t		r;

	if (!dl_size_add(a, alignment - 1, &r))
		return false;
	*result = r & ~(alignment - 1);
	return true;
}

static inline bool
dl_int64_mul(int64_t a, int64_t b, int64_t *result)
{
	int64_t		r;

	if (__builtin_mul_overflow(a, b, &r))
		return false;
	*result = r;
	return true;
}

#endif							/* DL_CORE_SIZE_H */
