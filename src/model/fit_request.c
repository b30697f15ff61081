/*
 * fit_request.c
 *    A training request as bytes and back.
 *
 * One walk over the members serves both directions, so that they cannot
 * disagree.  The reader trusts the writer (the same program on the same machine) but
 * checks every length, so that a damaged message is an error and no crash.
 */
#include "model/fit.h"

#include <math.h>
#include <string.h>

#include "core/size.h"

typedef struct Packer
{
	DlArena    *arena;			/* when reading: where copies go */
	bool		writing;
	unsigned char *bytes;		/* NULL when only counting */
	size_t		length;
	size_t		position;
	DlStatus	status;
	DlError    *error;
} Packer;

static void
fail(Packer *p)
{
	if (p->status == DL_OK)
		p->status = dl_error_set(p->error, DL_ERROR_INTERNAL, "training request is damaged at byte %zu", p->position);
}

static void
raw(Packer *p, void *value, size_t length)
{
	size_t		end;

	if (p->status != DL_OK)
		return;
	if (!dl_size_add(p->position, length, &end) || (p->bytes != NULL && end > p->length))
	{
		fail(p);
		return;
	}
	if (length == 0)
		return;
	if (!p->writing)
		memcpy(value, p->bytes + p->position, length);
	else if (p->bytes != NULL)
		memcpy(p->bytes + p->position, value, length);
	p->position = end;
}

/* A block whose length is written before it; allocated when reading. */
static void
block(Packer *p, const void **value, int64_t *length)
{
	raw(p, length, sizeof(*length));
	if (p->status != DL_OK)
		return;
	if (p->writing)
	{
		raw(p, (void *) (uintptr_t) *value, (size_t) *length);
		return;
	}
	if (*length < 0 || (size_t) *length > p->length - p->position)
	{
		fail(p);
		return;
	}
	p->status = dl_arena_alloc(p->arena, (size_t) *length, value, p->error);
	raw(p, (void *) (uintptr_t) *value, (size_t) *length);
}

static void
text(Packer *p, const char **value)
{
	const void *bytes = *value;
	int64_t		length = *value == NULL ? 0 : (int64_t) strlen(*value) + 1;

	block(p, &bytes, &length);
	if (p->writing || p->status != DL_OK)
		return;
	if (length > 0 && ((const char *) bytes)[length - 1] != '\0')
		fail(p);
	else
		*value = length == 0 ? NULL : bytes;
}

static void
vocabulary(Packer *p, DlVocabulary **value)
{
	int32_t		count = p->writing ? (*value == NULL ? -1 : dl_vocabulary_size(*value)) : 0;

	raw(p, &count, sizeof(count));
	if (p->status != DL_OK)
		return;
	if (!p->writing)
	{
		*value = NULL;
		if (count >= 0)
			p->status = dl_vocabulary_create(p->arena, value, p->error);
	}
	for (int32_t i = 0; i < count && p->status == DL_OK; i++)
	{
		size_t		size = 0;
		const void *bytes = p->writing ? dl_vocabulary_text(*value, i, &size) : NULL;
		int64_t		length = (int64_t) size;
		int32_t		code;

		block(p, &bytes, &length);
		if (!p->writing && p->status == DL_OK)
			p->status = dl_vocabulary_add(*value, bytes, (size_t) length, &code, p->error);
	}
}

static void
columns(Packer *p, DlFitRequest *r)
{
	raw(p, &r->column_count, sizeof(r->column_count));
	if (!p->writing && p->status == DL_OK)
	{
		if (r->column_count < 0 || r->column_count > 65536)
			fail(p);
		else
			p->status = dl_arena_calloc(p->arena, (size_t) r->column_count, sizeof(DlColumn), &r->columns, p->error);
	}
	for (int32_t i = 0; i < r->column_count && p->status == DL_OK; i++)
	{
		DlColumn   *c = &r->columns[i];

		text(p, &c->name);
		text(p, &c->type);
		raw(p, &c->kind, sizeof(c->kind));
		raw(p, &c->first_word, sizeof(c->first_word));
		raw(p, &c->words, sizeof(c->words));
		raw(p, &c->offset, sizeof(c->offset));
		vocabulary(p, &c->vocabulary);
	}
}

/* Most often it is the incumbent. */
static void
start(Packer *p, DlFitRequest *r)
{
	bool		same = r->start == r->incumbent;

	raw(p, &r->start_version, sizeof(r->start_version));
	raw(p, &same, sizeof(same));
	if (same)
	{
		r->start = r->incumbent;
		r->start_length = r->incumbent_length;
		return;
	}
	block(p, &r->start, &r->start_length);
	if (!p->writing && r->start_length == 0)
		r->start = NULL;
}

static void
walk(Packer *p, DlFitRequest *r)
{
	const char **texts[] = {&r->target, &r->target_type, &r->split, &r->query, &r->options_given, &r->search_path, &r->timezone,
		&r->datestyle, &r->matmul_precision, &r->weight_column, &r->left_out};
	const char *network = r->options.network;
	const void *map = r->label_map;
	int64_t		map_bytes = (int64_t) r->label_map_count * (int64_t) sizeof(int32_t);

	raw(p, &r->options, sizeof(r->options));
	text(p, &network);
	r->options.network = network;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		text(p, texts[i]);
	raw(p, &r->task, sizeof(r->task));
	raw(p, &r->target_words, sizeof(r->target_words));
	raw(p, &r->target_codes, sizeof(r->target_codes));
	raw(p, &r->target_two_values, sizeof(r->target_two_values));
	raw(p, &r->two_value, sizeof(r->two_value));
	raw(p, &r->target_offset, sizeof(r->target_offset));
	raw(p, &r->label_count, sizeof(r->label_count));
	vocabulary(p, &r->labels);
	block(p, &map, &map_bytes);
	r->label_map = map;
	r->label_map_count = (int32_t) (map_bytes / (int64_t) sizeof(int32_t));
	columns(p, r);
	raw(p, &r->feature_words, sizeof(r->feature_words));
	raw(p, &r->split_by_column, sizeof(r->split_by_column));
	raw(p, &r->skipped, sizeof(r->skipped));
	block(p, &r->incumbent, &r->incumbent_length);
	if (!p->writing && r->incumbent_length == 0)
		r->incumbent = NULL;
	start(p, r);
}

DlStatus
dl_fit_request_pack(DlArena *arena, const DlFitRequest *request, void **bytes, size_t *length, DlError *error)
{
	DlFitRequest copy = *request;
	Packer		p = {.arena = arena, .writing = true, .error = error};

	walk(&p, &copy);
	DL_TRY(p.status);
	DL_TRY(dl_arena_alloc(arena, p.position, &p.bytes, error));
	p.length = p.position;
	p.position = 0;
	walk(&p, &copy);
	*bytes = p.bytes;
	*length = p.length;
	return p.status;
}

DlStatus
dl_fit_request_unpack(DlArena *arena, const void *bytes, size_t length, DlFitRequest *request, DlError *error)
{
	Packer		p = {.arena = arena, .bytes = (unsigned char *) (uintptr_t) bytes, .length = length, .error = error};

	memset(request, 0, sizeof(*request));
	walk(&p, request);
	if (p.status == DL_OK && p.position != length)
		fail(&p);
	return p.status;
}

void
dl_fit_options_init(DlFitOptions *o)
{
	int32_t    *integers[] = {&o->loss, &o->optimizer, &o->schedule, &o->scaling, &o->class_weight, &o->epochs,
		&o->batch_size, &o->early_stopping, &o->members, &o->one_hot, &o->one_hot_integers, &o->max_levels, &o->min_count,
		&o->target_means, &o->anneal, &o->nesterov, &o->step_epochs, &o->effort, &o->optimize, &o->neighbours, &o->warm_start};
	double	   *reals[] = {&o->learning_rate, &o->weight_decay, &o->gradient_clip, &o->label_smoothing, &o->warm_up,
		&o->momentum, &o->beta1, &o->beta2, &o->step_factor, &o->loss_parameter, &o->max_seconds,
		&o->prediction_interval};

	memset(o, 0, sizeof(*o));
	for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++)
		*integers[i] = DL_UNSET;
	for (size_t i = 0; i < sizeof(reals) / sizeof(reals[0]); i++)
		*reals[i] = NAN;
	o->validation = 0.15;
	o->test = 0.15;
	o->seed = 42;
	o->memory = (int64_t) 1 << 30;
}
