/*
 * fit_start.c
 *    Whether a training may begin with the weights of another version, and the preparation that it then keeps.
 *
 * A row must not judge what has learnt it.  Parts come from a hash of the row's contents and the seed, so with the same
 * seed and shares what the start has learnt trains again; but not where few rows are dealt by rank, nor where
 * every fold's rows judge in turn.
 */
#include "model/fit_start.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "data/preparation_internal.h"

/* Of a column, or the target, that may lie where the start's inputs do not tell values apart. */
#define MOST_STRANGERS 0.05

/* A scaled number so far out is a stranger; fewer than 1 % of any sample are, in its own deviations. */
#define FAR_OUT 10.0

static void __attribute__((format(printf, 2, 3)))
refuse(DlFitStart *start, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	vsnprintf(start->why_not, sizeof(start->why_not), format, args);
	va_end(args);
	dl_model_destroy(start->model);
	start->model = NULL;
}

void
dl_fit_start_close(DlFitStart *start)
{
	dl_model_destroy(start->model);
	start->model = NULL;
}

bool
dl_fit_same_labels(const DlVocabulary *a, const DlVocabulary *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	if (dl_vocabulary_size(a) != dl_vocabulary_size(b))
		return false;
	for (int32_t i = 0; i < dl_vocabulary_size(a); i++)
	{
		size_t		la;
		size_t		lb;
		const char *ta = dl_vocabulary_text(a, i, &la);
		const char *tb = dl_vocabulary_text(b, i, &lb);

		if (la != lb || memcmp(ta, tb, la) != 0)
			return false;
	}
	return true;
}

/*
 * --- whether it may be one -----------------------------------------------------
 */

static bool
cross_fitted(const DlModel *model)
{
	for (int i = 0; i < model->record.trial_count; i++)
		if (model->record.trials[i].fold > 0)
			return true;
	return false;
}

static bool
same_split(const DlFitRequest *request, const DlTrainRecord *record)
{
	return strcmp(record->split, request->split) == 0 && record->validation == request->options.validation &&
		record->test == request->options.test && record->settings.seed == (uint64_t) request->options.seed;
}

static const DlColumn *
find_column(const DlColumn *columns, int32_t count, const DlColumn *wanted)
{
	for (int32_t i = 0; i < count; i++)
		if (columns[i].kind == wanted->kind && columns[i].words == wanted->words && strcmp(columns[i].name, wanted->name) == 0)
			return &columns[i];
	return NULL;
}

/* The first column that only one of two models has; NULL: none. */
static const DlColumn *
other_column(const DlModel *a, const DlModel *b)
{
	for (int32_t i = 0; i < a->column_count; i++)
		if (find_column(b->columns, b->column_count, &a->columns[i]) == NULL)
			return &a->columns[i];
	for (int32_t i = 0; i < b->column_count; i++)
		if (find_column(a->columns, a->column_count, &b->columns[i]) == NULL)
			return &b->columns[i];
	return NULL;
}

DlStatus
dl_fit_start_open(DlFitStart *start, const DlFitRequest *request, const DlModel *model, int64_t rows, bool folds,
				  DlError *error)
{
	const DlColumn *other;

	start->asked = request->options.warm_start == 1;
	if (!start->asked)
		return DL_OK;
	if (request->start == NULL)
	{
		refuse(start, "there is no version to start from");
		return DL_OK;
	}
	start->version = request->start_version;
	DL_TRY(dl_model_decode(request->start, (size_t) request->start_length, 0, &start->model, error));
	if (start->model->task != model->task || start->model->outputs != model->outputs)
		refuse(start, "its task is another one");
	else if (!dl_fit_same_labels(start->model->labels, model->labels))
		refuse(start, "the target has other classes");
	else if ((other = other_column(start->model, model)) != NULL)
		refuse(start, "only one of the two has a column \"%.200s\" of this type", other->name);
	else if (!same_split(request, &start->model->record))
		refuse(start, "the rows are split in another way, by seed, validation, test or a column");
	else if (folds || cross_fitted(start->model))
		refuse(start, "tables of up to 4,000 rows are cross-fitted, and their folds change with the rows");
	else if (rows < DL_SPLIT_STRATIFY || start->model->record.rows < DL_SPLIT_STRATIFY)
		refuse(start, "the parts of tables of less than %d rows change with the rows", DL_SPLIT_STRATIFY);
	return DL_OK;
}

/*
 * --- its preparation for these rows ----------------------------------------------
 */

typedef struct Carrying
{
	DlFitStart *start;
	DlArena    *arena;			/* of the model */
	const DlModel *model;		/* that is trained: its columns */
	const DlPreparation *from;	/* of the start */
	DlPreparation result;
	int32_t    *column_of;		/* of each number of the result */
	bool	   *used;			/* words of the features that are numbers of it */
} Carrying;

/* Where a column of the start is now. */
static int32_t
place_of(const DlModel *model, const DlColumn *column)
{
	return (int32_t) (find_column(model->columns, model->column_count, column) - model->columns);
}

static const DlColumn *
column_of_word(const DlModel *model, int32_t word)
{
	for (int32_t i = 0; i < model->column_count; i++)
		if (word >= model->columns[i].first_word && word < model->columns[i].first_word + model->columns[i].words)
			return &model->columns[i];
	return NULL;
}

/* What is added to stored values of a word, for the offset of the column has become another. */
static double
offset_shift(const DlColumn *before, const DlColumn *now, int32_t word)
{
	bool		moment = now->kind == DL_COLUMN_DATE || now->kind == DL_COLUMN_TIMESTAMP;

	if (now->kind == DL_COLUMN_TEXT || (moment && word > 0))
		return 0;
	return before->offset - now->offset;
}

static DlStatus
shift_values(DlArena *arena, const float *values, int32_t count, double shift, const float **result, DlError *error)
{
	float	   *shifted;

	DL_TRY(dl_arena_calloc(arena, (size_t) count, sizeof(float), &shifted, error));
	for (int32_t i = 0; i < count; i++)
		shifted[i] = (float) ((double) values[i] + shift);
	*result = shifted;
	return DL_OK;
}

static DlStatus
carry_numbers(Carrying *c, DlError *error)
{
	DlPreparation *p = &c->result;

	DL_TRY(dl_arena_calloc(c->arena, (size_t) p->number_count, sizeof(DlNumberInput), &p->numbers, error));
	DL_TRY(dl_arena_calloc(c->arena, (size_t) p->number_count, sizeof(int32_t), &c->column_of, error));
	DL_TRY(dl_arena_calloc(c->arena, (size_t) c->model->feature_words, sizeof(bool), &c->used, error));
	for (int32_t i = 0; i < p->number_count; i++)
	{
		DlNumberInput *n = &p->numbers[i];
		const DlColumn *before = column_of_word(c->start->model, c->from->numbers[i].word);
		const DlColumn *now;
		double		shift;

		c->column_of[i] = place_of(c->model, before);
		now = &c->model->columns[c->column_of[i]];
		*n = c->from->numbers[i];
		shift = offset_shift(before, now, n->word - before->first_word);
		n->word += now->first_word - before->first_word;
		n->center = (float) ((double) n->center + shift);
		DL_TRY(shift_values(c->arena, n->quantiles, n->quantile_count, shift, &n->quantiles, error));
		c->used[n->word] = true;
	}
	return DL_OK;
}

static DlStatus
carry_integers(Carrying *c, DlError *error)
{
	DlPreparation *p = &c->result;

	DL_TRY(dl_arena_calloc(c->arena, (size_t) p->integer_count, sizeof(DlIntegerInput), &p->integers, error));
	for (int32_t i = 0; i < p->integer_count; i++)
	{
		DlIntegerInput *n = &p->integers[i];
		const DlColumn *before = column_of_word(c->start->model, c->from->integers[i].word);
		const DlColumn *now = &c->model->columns[place_of(c->model, before)];

		*n = c->from->integers[i];
		n->word += now->first_word - before->first_word;
		DL_TRY(shift_values(c->arena, n->values, n->count, before->offset - now->offset, &n->values, error));
	}
	return DL_OK;
}

static const DlCategoryInput *
category_of(const DlPreparation *p, int32_t column)
{
	for (int32_t i = 0; i < p->category_count; i++)
		if (p->categories[i].column == column)
			return &p->categories[i];
	return NULL;
}

/* The level that the start has for a code of a column now; -1: none. */
static int32_t
level_before(const DlCategoryInput *category, const DlColumn *before, const DlColumn *now, int32_t code)
{
	size_t		length;
	const char *text = dl_vocabulary_text(now->vocabulary, code, &length);
	int32_t		code_before = dl_vocabulary_find(before->vocabulary, text, length);

	return code_before < 0 ? -1 : dl_category_level(category, (uint32_t) code_before);
}

/* Its levels stay as they are, for each is an input. */
static DlStatus
carry_one_hot(Carrying *c, const DlColumn *before, DlCategoryInput *category, DlError *error)
{
	const DlCategoryInput *from = category_of(c->from, (int32_t) (before - c->start->model->columns));
	const DlColumn *now = &c->model->columns[category->column];
	int32_t    *map;

	category->code_count = dl_vocabulary_size(now->vocabulary);
	DL_TRY(dl_arena_calloc(c->arena, (size_t) category->code_count, sizeof(int32_t), &map, error));
	for (int32_t code = 0; code < category->code_count; code++)
		map[code] = level_before(from, before, now, code);
	category->map = map;
	return DL_OK;
}

/* Its levels are those of the rows; embedded: which embedded category it is. */
static DlStatus
carry_embedded(Carrying *c, const DlColumn *before, int32_t embedded, DlCategoryInput *category, DlError *error)
{
	const DlCategoryInput *from = category_of(c->from, (int32_t) (before - c->start->model->columns));
	const DlCategoryInput *fresh = category_of(&c->start->fresh, category->column);
	const DlColumn *now = &c->model->columns[category->column];
	int32_t    *levels;

	category->levels = fresh->levels;
	category->code_count = fresh->code_count;
	category->map = fresh->map;
	category->missing_seen = fresh->missing_seen;
	category->level_numbers = 0;
	category->level_values = NULL;
	DL_TRY(dl_arena_calloc(c->arena, (size_t) fresh->levels + 1, sizeof(int32_t), &levels, error));
	for (int32_t code = 0; code < fresh->code_count; code++)
		if (fresh->map[code] >= 0)
			levels[fresh->map[code] + 1] = level_before(from, before, now, code) + 1;
	/* 0 is the start's level of what is missing, and not of what is new */
	for (int32_t level = 1; level <= fresh->levels; level++)
		levels[level] = levels[level] == 0 ? -1 : levels[level];
	c->start->levels[embedded] = levels;
	return DL_OK;
}

static DlStatus
carry_categories(Carrying *c, DlError *error)
{
	DlPreparation *p = &c->result;
	int32_t		embedded = 0;

	DL_TRY(dl_arena_calloc(c->arena, (size_t) p->category_count, sizeof(DlCategoryInput), &p->categories, error));
	DL_TRY(dl_arena_calloc(c->arena, (size_t) p->category_count, sizeof(int32_t *), &c->start->levels, error));
	for (int32_t i = 0; i < p->category_count; i++)
	{
		DlCategoryInput *category = &p->categories[i];
		const DlColumn *before = &c->start->model->columns[c->from->categories[i].column];

		*category = c->from->categories[i];
		category->column = place_of(c->model, before);
		category->word = c->model->columns[category->column].first_word;
		if (category->one_hot)
			DL_TRY(carry_one_hot(c, before, category, error));
		else
			DL_TRY(carry_embedded(c, before, embedded++, category, error));
	}
	return DL_OK;
}

/* What would not be an input although it is one of the rows' own, and what the bytes of a model could not say. */
static bool
lacks_inputs(const Carrying *c, DlScaling scaling)
{
	const DlPreparation *fresh = &c->start->fresh;

	for (int32_t i = 0; i < c->from->number_count; i++)
	{
		const DlNumberInput *n = &c->from->numbers[i];

		/* a constant has no quantiles */
		if (n->of_text || n->scaling == scaling || n->scale == 0)
			continue;
		refuse(c->start, "scaling is another one");
		return true;
	}
	for (int32_t i = 0; i < c->from->category_count; i++)
	{
		const DlColumn *before = &c->start->model->columns[c->from->categories[i].column];
		int32_t		place = place_of(c->model, before);
		const DlCategoryInput *now = category_of(fresh, place);

		if (now == NULL || (c->from->categories[i].one_hot &&
							c->from->categories[i].levels > dl_vocabulary_size(c->model->columns[place].vocabulary)))
		{
			refuse(c->start, "column \"%.200s\" has fewer values now", c->model->columns[place].name);
			return true;
		}
	}
	for (int32_t i = 0; i < fresh->category_count; i++)
	{
		const DlColumn *now = &c->model->columns[fresh->categories[i].column];
		int32_t		before = place_of(c->start->model, now);

		if (category_of(c->from, before) == NULL)
		{
			refuse(c->start, "column \"%.200s\" had one value then, and has several now", now->name);
			return true;
		}
	}
	return false;
}

/* A number that is not constant any more. */
static bool
lacks_numbers(const Carrying *c)
{
	const DlPreparation *fresh = &c->start->fresh;

	for (int32_t i = 0; i < fresh->number_count; i++)
		if (!c->used[fresh->numbers[i].word] && !fresh->numbers[i].of_text)
		{
			refuse(c->start, "column \"%.200s\" had one value then, and has several now",
				   column_of_word(c->model, fresh->numbers[i].word)->name);
			return true;
		}
	return false;
}

/*
 * --- whether the rows suit it ------------------------------------------------------
 */

typedef struct Strangers
{
	const DlFitSource *source;
	const DlPreparation *preparation;
	const int32_t *column_of;	/* of numbers */
	const DlTargetScaling *target;	/* of a regression */
	bool	  **unknown;		/* of each category that is one-hot: codes that the start did not know */
	int64_t    *counts;			/* by column, and of the target */
	int64_t    *last;			/* row that was counted last */
	int32_t		columns;
} Strangers;

static void
count_stranger(Strangers *s, int32_t column, int64_t row)
{
	if (s->last[column] == row + 1)
		return;
	s->last[column] = row + 1;
	s->counts[column]++;
}

static bool
strange_number(const DlNumberInput *n, uint32_t word)
{
	float		x;

	memcpy(&x, &word, sizeof(x));
	if (isnan(x))
		return !n->missing_seen && !n->of_text;
	if (n->quantile_count > 0)
		return x < n->quantiles[0] || x > n->quantiles[n->quantile_count - 1];
	return n->scaling != DL_SCALING_NONE && !n->of_text && !(fabs(((double) x - (double) n->center) * (double) n->scale) <= FAR_OUT);
}

static DlStatus
visit_row(void *context, int64_t row, const uint32_t *record, DlError *error)
{
	Strangers  *s = context;
	const DlPreparation *p = s->preparation;
	const uint32_t *features = record + s->source->layout.feature_word;

	(void) error;
	for (int32_t i = 0; i < p->number_count; i++)
		if (strange_number(&p->numbers[i], features[p->numbers[i].word]))
			count_stranger(s, s->column_of[i], row);
	for (int32_t i = 0; i < p->category_count; i++)
	{
		const DlCategoryInput *category = &p->categories[i];
		uint32_t	code = features[category->word];

		if (s->unknown[i] != NULL && code < (uint32_t) category->code_count && s->unknown[i][code])
			count_stranger(s, category->column, row);
	}
	for (int32_t k = 0; s->target != NULL && k < s->source->model->outputs; k++)
		/* written so that the logarithm of what has none is far out */
		if (!(fabs(dl_target_output(s->target, k, dl_fit_target(s->source, record, k))) <= FAR_OUT))
			count_stranger(s, s->columns, row);
	return DL_OK;
}

static DlStatus
find_unknown(DlArena *scratch, const DlFitStart *start, const DlModel *model, Strangers *s, DlError *error)
{
	const DlPreparation *p = s->preparation;

	DL_TRY(dl_arena_calloc(scratch, (size_t) p->category_count, sizeof(bool *), &s->unknown, error));
	for (int32_t i = 0; i < p->category_count; i++)
	{
		const DlCategoryInput *category = &p->categories[i];
		const DlVocabulary *before = start->model->columns[start->model->preparation.categories[i].column].vocabulary;
		const DlVocabulary *now = model->columns[category->column].vocabulary;

		if (!category->one_hot)
			continue;
		DL_TRY(dl_arena_calloc(scratch, (size_t) category->code_count, sizeof(bool), &s->unknown[i], error));
		for (int32_t code = 0; code < category->code_count; code++)
		{
			size_t		length;
			const char *text = dl_vocabulary_text(now, code, &length);

			s->unknown[i][code] = dl_vocabulary_find(before, text, length) < 0;
		}
	}
	return DL_OK;
}

/* Refuses the start where too many rows of a column hold what its inputs do not tell apart. */
static DlStatus
look_for_strangers(DlFitStart *start, DlArena *scratch, const Carrying *c, const DlFitSource *training,
				   const atomic_int *cancel, DlError *error)
{
	const DlModel *model = c->model;
	Strangers	s = {.source = training, .preparation = &c->result, .column_of = c->column_of, .columns = model->column_count};
	size_t		variables = (size_t) model->column_count + 1;

	if (model->task == DL_TASK_REGRESSION)
		s.target = &start->model->members[0].target;
	DL_TRY(dl_arena_calloc(scratch, variables, sizeof(int64_t), &s.counts, error));
	DL_TRY(dl_arena_calloc(scratch, variables, sizeof(int64_t), &s.last, error));
	DL_TRY(find_unknown(scratch, start, model, &s, error));
	DL_TRY(dl_fit_visit(training, cancel, visit_row, &s, error));
	for (int32_t i = 0; i <= model->column_count; i++)
	{
		double		share = (double) s.counts[i] / (double) training->row_count;

		if (share <= MOST_STRANGERS)
			continue;
		if (i == model->column_count)
			refuse(start, "%.0f %% of the training rows have a target far from those that it learnt", share * 100);
		else
			refuse(start, "%.0f %% of the training rows have values of column \"%.200s\" that it did not know", share * 100,
				   model->columns[i].name);
		return DL_OK;
	}
	return DL_OK;
}

DlStatus
dl_fit_start_prepare(DlFitStart *start, DlArena *scratch, const DlFitSource *training, DlScaling scaling,
					 const atomic_int *cancel, DlModel *model, DlError *error)
{
	Carrying	c = {.start = start, .arena = model->arena, .model = model};

	start->fresh = model->preparation;
	if (start->model == NULL)
		return DL_OK;
	c.from = &start->model->preparation;
	c.result = *c.from;
	if (lacks_inputs(&c, scaling))
		return DL_OK;
	DL_TRY(carry_numbers(&c, error));
	DL_TRY(carry_integers(&c, error));
	DL_TRY(carry_categories(&c, error));
	if (lacks_numbers(&c))
		return DL_OK;
	DL_TRY(dl_preparation_finish(model->arena, &c.result, error));
	DL_TRY(look_for_strangers(start, scratch, &c, training, cancel, error));
	if (start->model != NULL)
		model->preparation = c.result;
	return DL_OK;
}

/* What target means say of levels is made from the rows anew, for the same categories. */
static bool
same_means(const DlFitStart *start, const DlModel *model)
{
	const DlPreparation *p = &model->preparation;

	for (int32_t i = 0; i < p->category_count; i++)
		if (p->categories[i].level_numbers != start->model->preparation.categories[i].level_numbers)
			return false;
	return true;
}

bool
dl_fit_start_gives_up(DlFitStart *start, DlModel *model)
{
	if (start->model == NULL || (start->networks > 0 && same_means(start, model)))
		return false;
	if (start->networks > 0)
		refuse(start, "target_means is another one");
	else
		refuse(start, "it has no network like those that are trained now");
	model->preparation = start->fresh;
	return true;
}
