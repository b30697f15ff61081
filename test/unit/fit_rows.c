/*
 * fit_rows.c
 *    Generated tables as a DlDataset and a DlFitRequest.
 */
#include "fit_rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"

void
fit_begin(FitTable *t, DlTask task, int32_t target_words)
{
	DlFitRequest *r = &t->request;

	memset(t, 0, sizeof(*t));
	dl_arena_create(0, &t->arena, NULL);
	dl_fit_options_init(&r->options);
	r->options.network = "dense(8, tanh)";
	r->options.epochs = 15;
	r->options.batch_size = 32;
	r->options.learning_rate = 0.02;
	r->options.threads = 1;
	r->task = task;
	r->target = "y";
	r->target_type = "double precision";
	r->target_words = target_words;
	r->columns = t->columns;
	r->split = "hash";
	r->query = r->options_given = r->search_path = r->timezone = r->datestyle = r->weight_column = r->left_out = "";
	r->matmul_precision = "high";
}

void
fit_free(FitTable *t)
{
	dl_dataset_destroy(t->dataset);
	dl_arena_destroy(t->arena);
	free(t->bytes);
}

void
fit_column(FitTable *t, const char *name, DlColumnKind kind, const char *levels)
{
	DlFitRequest *r = &t->request;
	DlColumn   *c = &t->columns[r->column_count++];

	c->name = name;
	c->type = kind == DL_COLUMN_CATEGORY ? "text" : kind == DL_COLUMN_DATE ? "date" : "double precision";
	c->kind = kind;
	c->words = kind == DL_COLUMN_DATE ? DL_DATE_WORDS : 1;
	c->first_word = r->feature_words;
	r->feature_words += c->words;
	if (kind == DL_COLUMN_CATEGORY)
		dl_vocabulary_create(t->arena, &c->vocabulary, NULL);
	for (; kind == DL_COLUMN_CATEGORY && *levels != '\0'; levels++)
	{
		int32_t		code;

		dl_vocabulary_add(c->vocabulary, levels, 1, &code, NULL);
	}
}

void
fit_labels(FitTable *t, const char *const *labels, int32_t count, const int32_t *map)
{
	DlFitRequest *r = &t->request;

	dl_vocabulary_create(t->arena, &r->labels, NULL);
	for (int32_t i = 0; i < count; i++)
	{
		int32_t		code;

		dl_vocabulary_add(r->labels, labels[i], strlen(labels[i]), &code, NULL);
	}
	r->label_count = count;
	r->target_codes = map != NULL;
	r->label_map = map;
	r->label_map_count = map != NULL ? count : 0;
}

static DlStatus
storage_write(void *context, uint64_t offset, const void *bytes, size_t length, DlError *error)
{
	FitTable   *t = context;

	if (offset + length > t->capacity)
	{
		t->capacity = (size_t) (offset + length) * 2;
		t->bytes = realloc(t->bytes, t->capacity);
	}
	if (t->bytes == NULL)
		return dl_error_set(error, DL_ERROR_MEMORY, "out of memory");
	memcpy(t->bytes + offset, bytes, length);
	return DL_OK;
}

static DlStatus
storage_read(void *context, uint64_t offset, void *bytes, size_t length, DlError *error)
{
	const FitTable *t = context;

	if (offset + length > t->capacity)
		return dl_error_set(error, DL_ERROR_IO, "read beyond the end");
	memcpy(bytes, t->bytes + offset, length);
	return DL_OK;
}

void
fit_rows_begin(FitTable *t, size_t memory)
{
	DlStorage	storage = {t, storage_write, storage_read};

	dl_record_layout(t->request.target_words, t->request.feature_words, &t->layout);
	dl_dataset_create(t->layout.words, memory > 0 ? memory : (size_t) 64 << 20, &storage, &t->dataset, NULL);
}

static void
put_float(uint32_t *word, double value)
{
	float		number = (float) value;

	memcpy(word, &number, sizeof(number));
}

void
fit_number(FitTable *t, int32_t column, double value)
{
	put_float(&t->record[t->layout.feature_word + t->columns[column].first_word], value - t->columns[column].offset);
}

void
fit_category(FitTable *t, int32_t column, int32_t code)
{
	t->record[t->layout.feature_word + t->columns[column].first_word] = (uint32_t) code;
}

void
fit_moment(FitTable *t, int32_t column, int64_t microseconds)
{
	const DlColumn *c = &t->columns[column];

	dl_encode_moment(microseconds, c->offset, c->words, (float *) &t->record[t->layout.feature_word + c->first_word]);
}

void
fit_target(FitTable *t, int32_t word, double value)
{
	put_float(&t->record[t->layout.target_word + word], value - t->request.target_offset);
}

void
fit_code(FitTable *t, int32_t code)
{
	t->record[t->layout.target_word] = (uint32_t) code;
}

void
fit_row(FitTable *t, uint64_t hash, float weight, DlPart part)
{
	int32_t		word = part;

	hash = dl_hash_mix(1, hash);
	memcpy(t->record + DL_RECORD_HASH, &hash, sizeof(hash));
	memcpy(t->record + DL_RECORD_WEIGHT, &weight, sizeof(weight));
	memcpy(t->record + DL_RECORD_PART, &word, sizeof(word));
	dl_dataset_append(t->dataset, t->record, 1, NULL);
}

static void
on_progress(void *context, const DlFitProgress *progress)
{
	FitTable   *t = context;

	t->other_thread = t->other_thread || !pthread_equal(t->caller, pthread_self());
	if (progress->phase < t->phase)
		printf("# phase %d after phase %d\n", progress->phase, t->phase);
	t->phase = progress->phase;
	if (!progress->epoch_end)
		return;
	if (progress->member < 1 || progress->member > progress->members || progress->epoch.epoch > progress->epochs)
		printf("# progress of member %d of %d, epoch %d\n", progress->member, progress->members, progress->epoch.epoch);
	if (++t->progress_calls == t->cancel_after)
		atomic_store(&t->cancel, 1);
}

static void
on_notice(void *context, DlFitNoticeLevel level, const char *message, const char *detail)
{
	FitTable   *t = context;
	size_t		used = strlen(t->notices);

	(void) level;
	(void) detail;
	t->other_thread = t->other_thread || !pthread_equal(t->caller, pthread_self());
	t->notice_calls++;
	snprintf(t->notices + used, sizeof(t->notices) - used, "%s\n", message);
}

DlStatus
fit_run(FitTable *t, DlArena *result_arena)
{
	DlFitHost	host = t->host;
	DlStatus	status = dl_dataset_finish(t->dataset, &t->error);

	host.context = t;
	host.progress = on_progress;
	host.notice = on_notice;
	host.cancel = &t->cancel;
	t->phase = DL_FIT_PREPARING;
	t->caller = pthread_self();
	if (status == DL_OK)
		status = dl_fit(result_arena != NULL ? result_arena : t->arena, &t->request, t->dataset, &host, &t->result, &t->error);
	if (status != DL_OK)
		printf("#   %s\n", t->error.message);
	return status;
}

DlModel *
fit_decode(const FitTable *t)
{
	DlModel    *model;
	DlError		error;

	if (t->result.bytes == NULL || dl_model_decode(t->result.bytes, t->result.length, 0, &model, &error) == DL_OK)
		return t->result.bytes == NULL ? NULL : model;
	printf("#   %s\n", error.message);
	return NULL;
}

double
fit_metric(const DlModel *model, const char *name)
{
	for (int i = 0; model != NULL && i < model->record.metric_count; i++)
		if (strcmp(model->record.metrics[i].name, name) == 0)
			return model->record.metrics[i].value;
	return NAN;
}
