/*
 * test_optimizer.c
 *    Every optimiser against its formula in double precision, written here
 *    parameter by parameter, over several steps.
 */
#include "tap.h"

#include "core/random.h"
#include "nn/optimizer.h"

enum {PARAMETERS = 5, STEPS = 6, LONGEST = 512};

typedef struct Description
{
	const char *name;
	int64_t		elements;
	double		rate;
	double		decay;
} Description;

/* Equal factors next to each other, a state in between, factors of their own. */
static const Description descriptions[PARAMETERS] = {
	{"first", 40, 1, 1},
	{"second", 16, 1, 1},
	{"state", 10, 0, 0},
	{"bias", 7, 1, 0},
	{"slow", 33, 0.25, 2},
};

static DlGraph *
make_graph(DlArena *arena)
{
	DlGraph    *graph;
	DlNode		node;
	DlError		error;

	dl_graph_create(arena, &graph, &error);
	for (int i = 0; i < PARAMETERS; i++)
	{
		DlParameterInfo info = {DL_INIT_NORMAL, 1, descriptions[i].rate, descriptions[i].decay};

		dl_graph_parameter(graph, descriptions[i].name, dl_shape_1(descriptions[i].elements), &info, &node, &error);
	}
	return graph;
}

typedef struct Exact
{
	double		p[LONGEST];
	double		a[LONGEST];		/* velocity, or first moment */
	double		b[LONGEST];		/* square, or second moment */
} Exact;

/* One step of one number by the book. */
static void
exact_step(const DlTrainSettings *s, Exact *x, int64_t i, double gradient, double rate, double decay, int t)
{
	double		g = gradient;
	double		step;

	if (s->optimizer != DL_OPTIMIZER_ADAMW)
		g += decay * x->p[i];
	switch (s->optimizer)
	{
		case DL_OPTIMIZER_SGD:
			x->a[i] = s->momentum * x->a[i] + g;
			x->p[i] -= rate * (s->nesterov ? g + s->momentum * x->a[i] : x->a[i]);
			return;
		case DL_OPTIMIZER_RMSPROP:
			x->b[i] = 0.99 * x->b[i] + 0.01 * g * g;
			x->a[i] = s->momentum * x->a[i] + g / (sqrt(x->b[i]) + s->epsilon);
			x->p[i] -= rate * x->a[i];
			return;
		default:
			x->a[i] = s->beta1 * x->a[i] + (1 - s->beta1) * g;
			x->b[i] = s->beta2 * x->b[i] + (1 - s->beta2) * g * g;
			step = x->a[i] / (1 - pow(s->beta1, t)) / (sqrt(x->b[i] / (1 - pow(s->beta2, t))) + s->epsilon);
			if (s->optimizer == DL_OPTIMIZER_ADAMW)
				step += decay * x->p[i];
			x->p[i] -= rate * step;
	}
}

static void
exact_all(const DlTrainSettings *s, const DlGraph *graph, Exact *x, const float *gradients, double rate,
		  double anneal, double scale, int t)
{
	for (int k = 0; k < PARAMETERS; k++)
		for (int64_t j = 0; j < descriptions[k].elements; j++)
		{
			int64_t		i = dl_graph_parameter_offset(graph, k) + j;

			if (descriptions[k].rate > 0)
				exact_step(s, x, i, scale * (double) gradients[i], rate * descriptions[k].rate,
						   s->weight_decay * anneal * descriptions[k].decay, t);
		}
}

static double
largest_difference(const DlGraph *graph, const Exact *x, const float *parameters)
{
	double		largest = 0;

	for (int k = 0; k < PARAMETERS; k++)
		for (int64_t j = 0; j < descriptions[k].elements; j++)
		{
			int64_t		i = dl_graph_parameter_offset(graph, k) + j;
			double		difference = fabs(x->p[i] - (double) parameters[i]);

			if (!(difference <= largest))
				largest = difference;
		}
	return largest;
}

/* Runs both for some steps, with a rate and scale that change; the vector is updated in two parts. */
static void
compare(const DlTrainSettings *settings, const char *what)
{
	const DlBackend *backend = dl_backend_reference_f32();
	DlWorkspace workspace = {0};
	DlArena    *arena;
	DlGraph    *graph;
	DlUpdater  *updater;
	DlRandom	random;
	DlError		error;
	Exact		exact = {0};
	float		parameters[LONGEST];
	float		gradients[LONGEST] = {0};
	float		state;
	int64_t		length;

	dl_arena_create(0, &arena, &error);
	graph = make_graph(arena);
	length = dl_graph_vector_length(graph);
	dl_random_seed(&random, 3, 0);
	dl_graph_initialise(graph, &random, parameters);
	state = parameters[dl_graph_parameter_offset(graph, 2)];
	for (int64_t i = 0; i < length; i++)
		exact.p[i] = (double) parameters[i];
	ok(dl_updater_create(arena, graph, settings, &updater, &error) == DL_OK, "%s: created", what);

	for (int t = 1; t <= STEPS; t++)
	{
		double		rate = 0.05 / t;
		double		anneal = 1 - 0.1 * t;
		double		scale = t % 2 ? 1 : 0.3;

		for (int k = 0; k < PARAMETERS; k++)
			for (int64_t j = 0; j < descriptions[k].elements; j++)
				gradients[dl_graph_parameter_offset(graph, k) + j] = (float) dl_random_normal(&random);
		dl_updater_begin(updater, rate, anneal, scale);
		dl_updater_apply(updater, backend, &workspace, 0, 48, parameters, gradients);
		dl_updater_apply(updater, backend, &workspace, 48, length, parameters, gradients);
		exact_all(settings, graph, &exact, gradients, rate, anneal, scale, t);
	}
	is_close(largest_difference(graph, &exact, parameters), 0, 1e-5, what);
	ok(parameters[dl_graph_parameter_offset(graph, 2)] == state, "%s: a state is left alone", what);
	ok(parameters[40] == 0, "%s: padding stays 0", what);
	dl_arena_destroy(arena);
}

static void
test_formulas(void)
{
	static const DlOptimizer kinds[] = {
		DL_OPTIMIZER_SGD, DL_OPTIMIZER_RMSPROP, DL_OPTIMIZER_ADAM, DL_OPTIMIZER_ADAMW
	};

	for (int i = 0; i < 4; i++)
	{
		DlTrainSettings settings;
		char		what[64];

		dl_train_settings_default(&settings);
		settings.optimizer = kinds[i];
		settings.weight_decay = 0.1;
		snprintf(what, sizeof(what), "%s with decay", dl_optimizer_name(kinds[i]));
		compare(&settings, what);
		settings.weight_decay = 0;
		settings.momentum = 0;
		snprintf(what, sizeof(what), "%s without decay and momentum", dl_optimizer_name(kinds[i]));
		compare(&settings, what);
		if (kinds[i] == DL_OPTIMIZER_SGD)
		{
			settings.momentum = 0.8;
			settings.nesterov = true;
			compare(&settings, "sgd with nesterov");
		}
	}
}

static void
test_ranges(void)
{
	DlArena    *arena;
	DlGraph    *graph;
	DlUpdater  *updater;
	DlTrainSettings settings;
	DlError		error;

	dl_arena_create(0, &arena, &error);
	graph = make_graph(arena);
	dl_train_settings_default(&settings);
	dl_updater_create(arena, graph, &settings, &updater, &error);
	ok(updater->range_count == 3, "equal factors are one range, a state is none: %d", updater->range_count);
	ok(updater->ranges[0].begin == 0 && updater->ranges[0].end == dl_graph_parameter_offset(graph, 2),
	   "the first range has two parameters");

	settings.weight_decay = 0;
	dl_updater_create(arena, graph, &settings, &updater, &error);
	ok(updater->ranges[1].decay == 0 && updater->ranges[2].decay == 0, "without weight decay its factors do not matter");
	dl_arena_destroy(arena);
}

static void
test_reset_and_clip(void)
{
	const DlBackend *backend = dl_backend_reference_f32();
	DlWorkspace workspace = {0};
	DlArena    *arena;
	DlGraph    *graph;
	DlUpdater  *updater;
	DlTrainSettings settings;
	DlError		error;
	float		once[LONGEST] = {0};
	float		again[LONGEST] = {0};
	float		gradients[LONGEST];
	int64_t		length;

	dl_arena_create(0, &arena, &error);
	graph = make_graph(arena);
	length = dl_graph_vector_length(graph);
	dl_train_settings_default(&settings);
	dl_updater_create(arena, graph, &settings, &updater, &error);
	for (int64_t i = 0; i < length; i++)
		gradients[i] = 2;
	for (int k = 0; k < 2; k++)
	{
		float	   *parameters = k == 0 ? once : again;

		dl_updater_reset(updater);
		dl_updater_begin(updater, 0.1, 1, 1);
		dl_updater_apply(updater, backend, &workspace, 0, length, parameters, gradients);
	}
	ok(memcmp(once, again, (size_t) length * sizeof(float)) == 0 && once[0] != 0, "after a reset the next step is the first");

	/* 48 + 16 of the first two, 16 of the bias, 48 of the last, padding included; no state */
	is_close(dl_updater_sum_squares(updater, backend, &workspace, 0, length, gradients), 4 * (48 + 16 + 16 + 48), 1e-12,
			 "sum of squares over what is trained");
	is_close(dl_clip_factor(10, 2), 0.2, 1e-12, "a norm above the limit is brought down to it");
	is_close(dl_clip_factor(1.5, 2), 1, 0, "a norm below the limit is left alone");
	is_close(dl_clip_factor(1e9, 0), 1, 0, "0 is no limit");
	dl_arena_destroy(arena);
}

int
main(void)
{
	test_formulas();
	test_ranges();
	test_reset_and_clip();
	return done_testing();
}
