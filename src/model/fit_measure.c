/*
 * fit_measure.c
 *    How good a model is on the rows of one part; for the model just trained and
 *    for the one it wants to replace.
 *
 * The incumbent was trained on other encodings of the same columns: a feature map
 * carries each record's words over (offsets shifted, codes looked up by text).
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "core/size.h"
#include "model/fit_internal.h"
#include "model/statistics.h"
#include "nn/metrics.h"

#define SLICE_ROWS 256

typedef struct MapEntry
{
	int32_t		from;
	int32_t		to;
	int32_t		words;
	double		shift;			/* added to the first shifted words */
	int32_t		shifted;
	const int32_t *codes;		/* of the first word: code of the request -> code of the model; NULL: no code */
	int32_t		code_count;
} MapEntry;

struct DlFeatureMap
{
	int32_t		words;			/* of the model's features */
	int32_t		count;
	MapEntry   *entries;
};

static const DlColumn *
find_column(const DlFitRequest *request, const DlColumn *wanted)
{
	for (int32_t i = 0; i < request->column_count; i++)
	{
		const DlColumn *c = &request->columns[i];

		if (c->kind == wanted->kind && c->words == wanted->words && strcmp(c->name, wanted->name) == 0)
			return c;
	}
	return NULL;
}

static DlStatus
map_codes(DlArena *arena, const DlColumn *from, const DlColumn *to, MapEntry *entry, DlError *error)
{
	int32_t		count = dl_vocabulary_size(from->vocabulary);
	int32_t    *codes;

	DL_TRY(dl_arena_calloc(arena, (size_t) count, sizeof(int32_t), &codes, error));
	for (int32_t i = 0; i < count; i++)
	{
		size_t		length;
		const char *text = dl_vocabulary_text(from->vocabulary, i, &length);

		codes[i] = dl_vocabulary_find(to->vocabulary, text, length);
	}
	entry->codes = codes;
	entry->code_count = count;
	return DL_OK;
}

DlStatus
dl_fit_feature_map(DlArena *arena, const DlFitRequest *request, const DlModel *incumbent, DlFeatureMap **result,
				   DlError *error)
{
	DlFeatureMap *map;

	*result = NULL;
	DL_TRY(dl_arena_calloc(arena, 1, sizeof(DlFeatureMap), &map, error));
	map->words = incumbent->feature_words;
	map->count = incumbent->column_count;
	DL_TRY(dl_arena_calloc(arena, (size_t) map->count, sizeof(MapEntry), &map->entries, error));
	for (int32_t i = 0; i < map->count; i++)
	{
		const DlColumn *to = &incumbent->columns[i];
		const DlColumn *from = find_column(request, to);
		MapEntry   *entry = &map->entries[i];

		if (from == NULL)
			return DL_OK;
		entry->from = from->first_word;
		entry->to = to->first_word;
		entry->words = from->words;
		if (dl_column_kind_codes(from->kind) > 0)
			DL_TRY(map_codes(arena, from, to, entry, error));
		else
		{
			bool		moment = from->kind == DL_COLUMN_DATE || from->kind == DL_COLUMN_TIMESTAMP;

			entry->shift = from->offset - to->offset;
			entry->shifted = moment ? 1 : from->words;
		}
	}
	*result = map;
	return DL_OK;
}

static void
apply_map(const DlFeatureMap *map, const uint32_t *features, uint32_t *mapped)
{
	for (int32_t i = 0; i < map->count; i++)
	{
		const MapEntry *e = &map->entries[i];

		memcpy(mapped + e->to, features + e->from, (size_t) e->words * sizeof(uint32_t));
		if (e->codes != NULL)
		{
			int32_t		code = (int32_t) features[e->from];

			mapped[e->to] = (uint32_t) (code >= 0 && code < e->code_count ? e->codes[code] : DL_CODE_MISSING);
		}
		for (int32_t k = 0; k < e->shifted && e->shift != 0; k++)
		{
			float		value;

			memcpy(&value, mapped + e->to + k, sizeof(value));
			value = (float) ((double) value + e->shift);
			memcpy(mapped + e->to + k, &value, sizeof(value));
		}
	}
}

typedef struct Scored
{
	double	   *results;		/* [rows, width] */
	double	   *values;			/* [rows, target words], of numbers and multi-label */
	int32_t    *codes;			/* [rows], of classes */
	float	   *weight;
} Scored;

/*
 * A class of the incumbent may have another number there, or none; such a
 * model cannot be compared, which the caller finds out beforehand.
 */
static void
keep_target(const DlFitSource *source, const uint32_t *record, int64_t row, Scored *scored)
{
	memcpy(&scored->weight[row], record + DL_RECORD_WEIGHT, sizeof(float));
	if (scored->codes != NULL)
	{
		scored->codes[row] = dl_fit_class(source->request, record, &source->layout);
		return;
	}
	for (int32_t k = 0; k < source->request->target_words; k++)
	{
		float		stored;

		memcpy(&stored, record + source->layout.target_word + k, sizeof(stored));
		scored->values[row * source->request->target_words + k] = (double) stored + source->request->target_offset;
	}
}

static DlStatus
score_slices(DlArena *scratch, const DlModel *model, const DlFeatureMap *map, DlFitSource *source,
			 const atomic_int *cancel, Scored *scored, DlError *error)
{
	int32_t		words = source->layout.words;
	int32_t		mapped_words = map == NULL ? 0 : map->words;
	int32_t		width = dl_model_result_width(model);
	DlScorer   *scorer;
	uint32_t   *records;
	uint32_t   *mapped;

	DL_TRY(dl_scorer_create(scratch, model, SLICE_ROWS, &scorer, error));
	DL_TRY(dl_arena_calloc(scratch, SLICE_ROWS, (size_t) words * sizeof(uint32_t), &records, error));
	DL_TRY(dl_arena_calloc(scratch, SLICE_ROWS, (size_t) mapped_words * sizeof(uint32_t), &mapped, error));
	for (int64_t first = 0; first < source->row_count; first += SLICE_ROWS)
	{
		int64_t		n = source->row_count - first < SLICE_ROWS ? source->row_count - first : SLICE_ROWS;

		if (cancel != NULL && atomic_load_explicit(cancel, memory_order_relaxed) != 0)
			return dl_error_set(error, DL_ERROR_CANCELLED, "training was cancelled");
		DL_TRY(dl_dataset_gather(source->dataset, source->rows + first, n, records, error));
		for (int64_t i = 0; i < n; i++)
		{
			keep_target(source, records + i * words, first + i, scored);
			if (map != NULL)
				apply_map(map, records + i * words + source->layout.feature_word, mapped + i * mapped_words);
		}
		DL_TRY(dl_scorer_run(scorer, n, map == NULL ? records + source->layout.feature_word : mapped,
							 map == NULL ? words : mapped_words, scored->results + first * width, error));
	}
	return DL_OK;
}

static bool
is_cancelled(void *context)
{
	const atomic_int *cancel = context;

	return cancel != NULL && atomic_load_explicit(cancel, memory_order_relaxed) != 0;
}

DlStatus
dl_fit_measure(DlArena *arena, const DlModel *model, const DlTrainSettings *settings, const DlFeatureMap *map,
			   DlFitSource *source, const atomic_int *cancel, int *count, DlMetricValue **metrics,
			   DlDistribution *predictions, DlError *error)
{
	bool		classes = model->task == DL_TASK_BINARY || model->task == DL_TASK_MULTICLASS;
	size_t		rows = (size_t) source->row_count;
	int32_t		width = dl_model_result_width(model);
	DlArena    *scratch;
	Scored		scored = {0};
	DlStop		stop = {is_cancelled, (void *) (uintptr_t) cancel};
	DlStatus	status;

	DL_TRY(dl_arena_create(0, &scratch, error));
	status = dl_arena_calloc(scratch, rows, (size_t) width * sizeof(double), &scored.results, error);
	if (status == DL_OK)
		status = dl_arena_calloc(scratch, rows, sizeof(float), &scored.weight, error);
	if (status == DL_OK && classes)
		status = dl_arena_calloc(scratch, rows, sizeof(int32_t), &scored.codes, error);
	if (status == DL_OK && !classes)
		status = dl_arena_calloc(scratch, rows, (size_t) source->request->target_words * sizeof(double), &scored.values,
								 error);
	if (status == DL_OK)
		status = score_slices(scratch, model, map, source, cancel, &scored, error);
	if (status == DL_OK)
		status = dl_model_measure(arena, model->task, settings, model->threshold, source->row_count, width, scored.results, scored.values,
								  scored.codes, scored.weight, stop, count, metrics, error);
	if (status == DL_OK && predictions != NULL)
		status = dl_statistics_of_predictions(arena, model, source->row_count, scored.results,
											  source->request->target_offset, predictions, error);
	dl_arena_destroy(scratch);
	return status;
}
