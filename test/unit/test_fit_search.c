/*
 * test_fit_search.c
 *    The list of networks for tables, draws from the space about it, and what
 *    effort best trains of them.
 */
#include "tap.h"

#include <math.h>
#include <string.h>

#include "core/random.h"
#include "fit_rows.h"
#include "model/fit_variants.h"
#include "nn/network.h"

#define ROWS 120
#define DRAWS 200

static void
begin(FitTable *t, DlTask task)
{
	static const char *const labels[] = {"no", "yes"};
	static const int32_t map[] = {0, 1};
	DlRandom	random;

	dl_random_seed(&random, 5, 0);
	fit_begin(t, task, 1);
	fit_column(t, "a", DL_COLUMN_NUMBER, NULL);
	fit_column(t, "b", DL_COLUMN_NUMBER, NULL);
	t->request.options.network = NULL;
	t->request.options.threads = 2;
	t->request.options.epochs = 1;
	t->request.split_by_column = true;
	if (task == DL_TASK_BINARY)
		fit_labels(t, labels, 2, map);
	fit_rows_begin(t, 0);
	for (int i = 0; i < ROWS; i++)
	{
		double		a = dl_random_normal(&random);
		double		b = dl_random_normal(&random);

		fit_number(t, 0, a);
		fit_number(t, 1, b);
		if (task == DL_TASK_BINARY)
			fit_code(t, a * b > 0);
		else
			fit_target(t, 0, sin(3 * a) + b);
		fit_row(t, dl_hash_mix(3, (uint64_t) i), 1, i % 4 == 0 ? DL_PART_VALIDATION : i % 4 == 1 ? DL_PART_TEST : DL_PART_TRAIN);
	}
}

static bool
parses(const char *text)
{
	DlArena    *arena;
	DlNetwork  *network;
	bool		good;

	if (dl_arena_create(0, &arena, NULL) != DL_OK)
		return false;
	good = dl_network_parse(arena, text, strlen(text), &network, NULL) == DL_OK;
	dl_arena_destroy(arena);
	return good;
}

/* Draws about each place of the list are networks of the language, hardly two the same, and the same for the same numbers. */
static void
test_draws(DlTask task)
{
	FitTable	t;
	DlArena    *arena;
	DlFitVariant *list;
	DlRandom	random;
	DlRandom	again;
	int			count;
	int			bad = 0;
	int			differ = 0;
	int			like_last = 0;
	const char *last = "";

	begin(&t, task);
	ok(dl_arena_create(0, &arena, NULL) == DL_OK &&
	   dl_fit_variants(arena, &t.request, true, &list, &count, NULL) == DL_OK && count == 9, "a list of nine");
	dl_random_seed(&random, 1, 0);
	dl_random_seed(&again, 1, 0);
	for (int i = 0; i < DRAWS; i++)
	{
		const DlFitVariant *place = &list[i % count];
		DlFitVariant a = dl_fit_draw_variant(place, &random);
		DlFitVariant b = dl_fit_draw_variant(place, &again);
		const char *text;
		const char *same;

		if (dl_fit_variant_text(arena, &a, 100, &text, NULL) != DL_OK || dl_fit_variant_text(arena, &b, 100, &same, NULL) != DL_OK)
			break;
		bad += !parses(text) || !(a.rate > 0 && a.rate <= 2) || a.numbers != place->numbers || (a.neighbours > 0) != (place->neighbours > 0);
		differ += strcmp(text, same) != 0 || a.rate != b.rate;
		like_last += strcmp(text, last) == 0;
		last = text;
	}
	ok(bad == 0, "draws are networks of the kind of their place: %d are not", bad);
	ok(differ == 0, "the same random numbers give the same: %d differ", differ);
	ok(like_last == 0, "and other numbers others: %d are alike", like_last);
	dl_arena_destroy(arena);
	fit_free(&t);
}

static DlModel *
best(FitTable *t, DlTask task, int64_t seed)
{
	DlModel    *model;

	begin(t, task);
	t->request.options.effort = DL_EFFORT_BEST;
	t->request.options.seed = seed;
	ok(fit_run(t, NULL) == DL_OK, "effort best trains");
	model = fit_decode(t);
	fit_free(t);
	return model;
}

/* Trials beyond the list are drawn, by the seed, and each can be written down by hand. */
static void
test_best(DlTask task, int list)
{
	FitTable	t;
	DlModel    *a = best(&t, task, 1);
	DlModel    *b = best(&t, task, 2);
	int			in_list = 0;
	int			drawn = 0;
	int			decays = 0;

	ok(a != NULL && b != NULL && a->record.trial_count == 36 && b->record.trial_count == 36, "36 trials");
	for (int i = 0; a != NULL && b != NULL && i < 36; i++)
	{
		const DlTrialRecord *of_a = &a->record.trials[i];
		const DlTrialRecord *of_b = &b->record.trials[i];
		bool		same = strcmp(of_a->network, of_b->network) == 0 && of_a->learning_rate == of_b->learning_rate;

		in_list += i < list && same;
		drawn += i >= list && !same && parses(of_a->network);
		decays += i >= list && of_a->weight_decay != a->record.trials[0].weight_decay;
	}
	ok(in_list == list, "the list is the same for each seed: %d of %d", in_list, list);
	ok(drawn == 36 - list, "the rest is drawn: %d of %d", drawn, 36 - list);
	ok(decays > 20, "with a weight decay of its own: %d", decays);
	ok(a != NULL && strstr(a->record.choices, "drawn at random") != NULL, "the record says so");
	ok(a != NULL && a->member_count <= 16, "%d members", a != NULL ? a->member_count : 0);
	dl_model_destroy(a);
	dl_model_destroy(b);
}

int
main(void)
{
	test_draws(DL_TASK_REGRESSION);
	test_draws(DL_TASK_BINARY);
	test_best(DL_TASK_REGRESSION, 9);
	test_best(DL_TASK_BINARY, 8);
	return done_testing();
}
