/*
 * utf8.h
 *    One character of UTF-8, strictly (RFC 3629): no overlong forms, no
 *    surrogates, nothing above U+10FFFF.
 */
#ifndef DL_FORMAT_UTF8_H
#define DL_FORMAT_UTF8_H

#include <stddef.h>

static inline int
dl_utf8_continues(const unsigned char *p, int count, unsigned low, unsigned high)
{
	if (p[1] < low || p[1] > high)
		return 0;
	for (int i = 2; i <= count; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	return count + 1;
}

/* Bytes of the character at p, which has left >= 1 bytes; 0 when it is not valid. */
static inline int
dl_utf8_length(const unsigned char *p, size_t left)
{
	unsigned	c = p[0];

	if (c < 0x80)
		return 1;
	if (c < 0xC2 || c > 0xF4)
		return 0;
	if (c < 0xE0)
		return left >= 2 ? dl_utf8_continues(p, 1, 0x80, 0xBF) : 0;
	if (c < 0xF0)
		return left >= 3 ? dl_utf8_continues(p, 2, c == 0xE0 ? 0xA0 : 0x80, c == 0xED ? 0x9F : 0xBF) : 0;
	return left >= 4 ? dl_utf8_continues(p, 3, c == 0xF0 ? 0x90 : 0x80, c == 0xF4 ? 0x8F : 0xBF) : 0;
}

#endif							/* DL_FORMAT_UTF8_H */
