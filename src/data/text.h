/*
 * text.h
 *    Texts that are nearly unique to a row, as numbers.
 *
 * A DL_COLUMN_TEXT has these words:
 *
 *   0              code of its prefix in the column's vocabulary, or DL_CODE_MISSING
 *   1              log(1 + bytes)
 *   2              log(1 + tokens)
 *   3              share of digits among the bytes
 *   4 ...          buckets: tokens hashed into the first half, 3-grams into the second
 *   4 + buckets    log(1 + the first number in the text), or NaN without one
 *
 * A token is a run of ASCII letters, digits and bytes above 127; letters count as
 * lower-case.  A 3-gram is three bytes of a token, of which the first or the last may be its edge.
 * Each half of the buckets holds signed square roots of counts and has length 1, or
 * is 0 without tokens.  Nothing depends on a locale: the same bytes give the same words everywhere.
 */
#ifndef DL_DATA_TEXT_H
#define DL_DATA_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define DL_TEXT_HASH 1			/* version of what is hashed and how; models say theirs */
#define DL_TEXT_BUCKETS 64		/* of new models */
#define DL_TEXT_MOST_BUCKETS 1024
#define DL_TEXT_PLAIN_WORDS 5	/* words that are no buckets */
#define DL_TEXT_FIRST_BUCKET 4
#define DL_TEXT_BYTES 4096		/* what is behind these counts only for the length */
#define DL_TEXT_PREFIX_BYTES 32

/* All words but the first, that is, words[0] is left alone.  buckets is even, 2 to DL_TEXT_MOST_BUCKETS. */
extern void dl_encode_text(const char *text, size_t length, int32_t buckets, float *words);

/*
 * The letters that a text begins with, in lower case: "ab" of "AB-17/3", "mr" of "Mr. Smith".  Of one
 * that begins with up to 3 digits and goes on: these.  Of others nothing.  Returns its length.
 */
extern size_t dl_text_prefix(const char *text, size_t length, char prefix[DL_TEXT_PREFIX_BYTES]);

#endif							/* DL_DATA_TEXT_H */
