/*
 * row_text.c
 *    Text columns of a training query: categories, or texts that are nearly
 *    unique to a row.
 *
 * The first rows wait until they can tell (row_encoder.c).  A column whose values
 * repeat there is a category for good.  Of another one each record then has
 * both: the code of the value, and the words of a text (data/text.h).  Which of the two is
 * learnt from shows at the end, so that a table whose rows come in an unlucky order
 * is read right, too; values are collected only until they take too much memory, which
 * makes the column a text.
 */
#include "pg/row_internal.h"

#include "data/text.h"
#include "pg/bridge.h"
#include "pg/compat.h"
#include "pg/settings.h"

/* The values of all columns that may be texts take at most so much, and this share of training_memory. */
#define MOST_VALUE_BYTES ((Size) 8 << 20)
#define VALUE_SHARE 8
#define VALUE_BYTES 64			/* of a value, besides its text */

/* Distinct prefixes that are told apart. */
#define MOST_PREFIXES 1024

/* From so many hexadecimal digits on a value is an address, a hash or a UUID, and no word. */
#define FEWEST_HEXADECIMAL 8

/* Each value is met less than twice on average; empty texts aside, which often stand for NULL. */
static bool
is_nearly_unique(const DlAttribute *a)
{
	const DlTextState *t = &a->text;

	return t->values == NULL || (t->filled >= DL_FEWEST_ROWS && dl_vocabulary_size(t->values) > t->filled / 2);
}

static DlVocabulary *
create_vocabulary(DlRowEncoder *e)
{
	DlVocabulary *vocabulary;
	DlError		error;

	DL_CHECK(dl_vocabulary_create(e->arena, &vocabulary, &error), &error);
	return vocabulary;
}

void
dl_row_text_init(DlRowEncoder *e, DlAttribute *a)
{
	a->text.values = create_vocabulary(e);
	a->text.prefixes = create_vocabulary(e);
	a->column.vocabulary = a->text.values;
	e->texts++;
}

/* Whether values take too much for a column that need not be a category. */
static bool
gives_up_values(const DlRowEncoder *e, const DlAttribute *a)
{
	const DlTextState *t = &a->text;
	Size		most = Min(MOST_VALUE_BYTES, dl_setting_training_memory() / VALUE_SHARE);

	return t->value_bytes > most / (Size) e->texts && (t->decided || is_nearly_unique(a));
}

/* The code of a value, as long as values are collected. */
static int32_t
add_value(const DlRowEncoder *e, DlAttribute *a, const char *text, Size length)
{
	DlTextState *t = &a->text;
	bool		may_be_text = !t->decided || a->column.kind == DL_COLUMN_TEXT;
	int32_t		code = DL_CODE_MISSING;
	int32_t		size;
	DlError		error;
	DlStatus	status;

	if (t->observed > 0 && length > 0)
		t->observed--;
	else
		t->filled += length > 0;
	if (t->values == NULL)
		return code;
	size = dl_vocabulary_size(t->values);
	status = dl_vocabulary_add(t->values, text, length, &code, &error);
	if (status == DL_ERROR_MEMORY && may_be_text && (t->decided || is_nearly_unique(a)))
	{
		t->values = NULL;
		return DL_CODE_MISSING;
	}
	dl_row_check_vocabulary(a, t->values, status, &error);
	if (dl_vocabulary_size(t->values) > size)
		t->value_bytes += length + VALUE_BYTES;
	if (may_be_text)
	{
		if (gives_up_values(e, a))
			t->values = NULL;
	}
	else if (dl_row_abandons(t->filled, dl_vocabulary_size(t->values)))
	{
		a->abandoned = true;
		t->values = NULL;
	}
	return code;
}

void
dl_row_text_observe(const DlRowEncoder *e, DlAttribute *a, Datum value)
{
	Size		length;
	void	   *copy;
	const char *text = dl_datum_feature_text(&a->type, value, &length, &copy);

	(void) add_value(e, a, text, length);
}

void
dl_row_text_decide(DlAttribute *a, bool last)
{
	DlTextState *t = &a->text;

	if (is_nearly_unique(a) || (!last && t->filled < DL_FEWEST_ROWS))
	{
		a->column.kind = DL_COLUMN_TEXT;
		a->column.words = 1 + DL_TEXT_PLAIN_WORDS + DL_TEXT_BUCKETS;
	}
	t->decided = true;
	t->observed = t->filled;
}

/* Of one length, hexadecimal digits only, and hyphens as a UUID has them. */
static bool
is_hexadecimal(DlTextState *t, const char *text, Size length)
{
	int			digits = 0;
	bool		letters = false;

	if (length > PG_UINT8_MAX || (t->hexadecimal_length != 0 && length != t->hexadecimal_length))
		return false;
	for (Size i = 0; i < length; i++)
	{
		if (text[i] != '-' && strchr("0123456789abcdefABCDEF", text[i]) == NULL)
			return false;
		digits += text[i] != '-';
		letters |= text[i] > '9';
	}
	t->hexadecimal_length = length;
	t->hexadecimal_letters += letters;
	return digits >= FEWEST_HEXADECIMAL;
}

/*
 * A number between two texts that are the same in all rows: "INV-2026-00017".
 * The number is that of the last digits.
 */
static bool
take_number(DlTextState *t, const char *text, Size length, int64 *number)
{
	Size		end = length;
	Size		start;

	if (length > DL_MOST_CODE_BYTES)
		return false;
	while (end > 0 && !(text[end - 1] >= '0' && text[end - 1] <= '9'))
		end--;
	start = end;
	while (start > 0 && text[start - 1] >= '0' && text[start - 1] <= '9')
		start--;
	if (end == start || end - start > 18)
		return false;
	*number = 0;
	for (Size i = start; i < end; i++)
		*number = *number * 10 + (text[i] - '0');
	if (!t->around_known)
	{
		t->around_known = true;
		t->before_length = start;
		t->after_length = length - end;
			memcpy(t->around, text, start);
		memcpy(t->around + start, text + end, length - end);
	}
	return t->before_length == start && t->after_length == length - end &&
		memcmp(t->around, text, start) == 0 && memcmp(t->around + start, text + end, length - end) == 0;
}

static void
look_for_identifiers(DlAttribute *a, const char *text, Size length)
{
	DlTextState *t = &a->text;
	int64		number;

	t->not_hexadecimal = t->not_hexadecimal || !is_hexadecimal(t, text, length);
	if (a->sequence.count < 0)
		return;
	if (take_number(t, text, length, &number))
		dl_row_sequence_add(&a->sequence, number);
	else
		a->sequence.count = -1;
}

static int32_t
add_prefix(DlTextState *t, const char *text, Size length)
{
	char		prefix[DL_TEXT_PREFIX_BYTES];
	Size		bytes = dl_text_prefix(text, length, prefix);
	int32_t		code;
	DlError		error;

	if (dl_vocabulary_size(t->prefixes) == MOST_PREFIXES)
		return dl_vocabulary_find(t->prefixes, prefix, bytes);
	DL_CHECK(dl_vocabulary_add(t->prefixes, prefix, bytes, &code, &error), &error);
	return code;
}

uint64
dl_row_text_encode(const DlRowEncoder *e, DlAttribute *a, Datum value, uint32_t *words, uint64 hash)
{
	Size		length;
	void	   *copy;
	const char *text = dl_datum_feature_text(&a->type, value, &length, &copy);

	words[0] = (uint32_t) add_value(e, a, text, length);
	if (a->column.kind == DL_COLUMN_TEXT)
	{
		words[1] = (uint32_t) add_prefix(&a->text, text, length);
		dl_encode_text(text, length, DL_TEXT_BUCKETS, (float *) (words + 1));
		if (length > 0)
			look_for_identifiers(a, text, length);
	}
	return dl_row_hash(hash, dl_hash_bytes(1, text, length));
}

void
dl_row_text_finish(DlAttribute *a)
{
	if (a->column.kind != DL_COLUMN_TEXT)
		return;
	if (!is_nearly_unique(a))
	{
		a->column.kind = DL_COLUMN_CATEGORY;
		a->column.words = 1;
		return;
	}
	a->column.first_word++;
	a->column.words--;
	a->column.vocabulary = a->text.prefixes;
}

const char *
dl_row_text_identifier(const DlAttribute *a)
{
	if (a->column.kind != DL_COLUMN_TEXT)
		return NULL;
	/* card numbers and the like are of digits only, and begin with something that says more */
	if (!a->text.not_hexadecimal && a->text.hexadecimal_letters > a->text.filled / 2)
		return "Its values are hexadecimal numbers of one length, which hardly repeat.";
	if (dl_row_is_sequence(&a->sequence, a->text.filled))
		return "Its values differ only in a number, which is a sequence.";
	return NULL;
}
