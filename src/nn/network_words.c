/*
 * network_words.c
 *    Hints for misspelt names: the nearest word of a list, and the list.
 */
#include <stdio.h>
#include <string.h>

#include "nn/network_internal.h"

#define LONGEST_WORD 63

static int
least(int a, int b, int c)
{
	int			smaller = a < b ? a : b;

	return smaller < c ? smaller : c;
}

static int
lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/*
 * Edit distance with swaps of neighbours (optimal string alignment), case
 * aside; LONGEST_WORD + 1 for words that are too long to be compared.
 */
static int
distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	int			rows[3][LONGEST_WORD + 1];
	int		   *before = rows[0];
	int		   *last = rows[1];
	int		   *row = rows[2];

	if (a_length > LONGEST_WORD || b_length > LONGEST_WORD)
		return LONGEST_WORD + 1;
	memset(rows, 0, sizeof(rows));
	for (size_t j = 0; j <= b_length; j++)
		last[j] = (int) j;
	for (size_t i = 1; i <= a_length; i++)
	{
		int			ai = lower((unsigned char) a[i - 1]);
		int		   *spare = before;

		row[0] = (int) i;
		for (size_t j = 1; j <= b_length; j++)
		{
			int			bj = lower((unsigned char) b[j - 1]);

			row[j] = least(last[j] + 1, row[j - 1] + 1, last[j - 1] + (ai != bj));
			if (i > 1 && j > 1 && ai == lower((unsigned char) b[j - 2]) &&
				bj == lower((unsigned char) a[i - 2]) && before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		before = last;
		last = row;
		row = spare;
	}
	return last[b_length];
}

const char *
dl_word_nearest(DlWordAt word_at, const void *context, const char *name, size_t length)
{
	const char *nearest = NULL;
	int			allowed = length <= 3 ? 1 : length <= 6 ? 2 : 3;
	const char *word;

	for (int i = 0; (word = word_at(context, i)) != NULL; i++)
	{
		int			d = distance(name, length, word, strlen(word));

		if (d <= allowed && (size_t) d < length)
		{
			allowed = d - 1;
			nearest = word;
		}
	}
	return nearest;
}

void
dl_word_hint(DlError *error, DlWordAt word_at, const void *context, const char *name, size_t length,
			 const char *introduction)
{
	char		list[DL_ERROR_TEXT - 128];
	size_t		used = 0;
	const char *nearest = dl_word_nearest(word_at, context, name, length);
	const char *word;

	list[0] = '\0';
	for (int i = 0; (word = word_at(context, i)) != NULL && used < sizeof(list); i++)
		used += (size_t) snprintf(list + used, sizeof(list) - used, "%s%s", i == 0 ? "" : ", ", word);
	if (nearest != NULL)
		dl_error_hint(error, "Did you mean \"%s\"? %s: %s.", nearest, introduction, list);
	else
		dl_error_hint(error, "%s: %s.", introduction, list);
}
