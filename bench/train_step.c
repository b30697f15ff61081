/*
 * train_step.c
 *    Times training without a server: generated rows, the trainer's API, one
 *    JSON line.
 *
 * The rows are standard normal numbers.  The target is tanh of the sum of the
 * first four; for bce whether that is above 0; for ce which of the first
 * columns, one a class, is largest in size.  Optimiser: adamw with rate 1e-3.
 * The first steps are not timed; with --measure 1 the time is not to be used.  Without --batch a table of the usual cases is
 * printed, a line each.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/random.h"
#include "cpu/cpu.h"
#include "nn/trainer.h"

#define WARM_UP 5

typedef struct Options
{
	const char *hidden;
	const char *loss;
	int			batch;			/* 0: the usual cases */
	int			columns;
	int			classes;
	int			threads;
	int			epochs;
	int			measure;		/* 1: the loss of all rows after training, too */
	int64_t		rows;
} Options;

typedef struct Rows
{
	int64_t		columns;
	bool		classes;
	float	   *x;
	float	   *target;
	int32_t    *code;
} Rows;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

/* Rows are copied to their places; those ahead are fetched meanwhile. */
static DlStatus
fill(void *context, const uint32_t *rows, int64_t count, float *numbers, int32_t *codes, void *target,
	 float *weight, DlError *error)
{
	enum {AHEAD = 12, LINE = 16};
	const Rows *source = context;
	size_t		columns = (size_t) source->columns;

	(void) codes;
	(void) error;
	for (int64_t i = 0; i < count; i++)
	{
		if (i + AHEAD < count)
		{
			const float *next = source->x + rows[i + AHEAD] * columns;

			for (size_t k = 0; k < columns; k += LINE)
				__builtin_prefetch(next + k);
			__builtin_prefetch(next + columns - 1);
			__builtin_prefetch(source->classes ? (const void *) &source->code[rows[i + AHEAD]] :
							   (const void *) &source->target[rows[i + AHEAD]]);
		}
		memcpy(numbers + (size_t) i * columns, source->x + rows[i] * columns, columns * sizeof(float));
		if (source->classes)
			((int32_t *) target)[i] = source->code[rows[i]];
		else
			((float *) target)[i] = source->target[rows[i]];
		weight[i] = 1;
	}
	return DL_OK;
}

static bool
generate(const Options *options, Rows *rows)
{
	size_t		columns = (size_t) options->columns;
	size_t		count = (size_t) options->rows;
	DlRandom	random;

	rows->columns = options->columns;
	rows->classes = strcmp(options->loss, "ce") == 0;
	rows->x = malloc(count * columns * sizeof(float));
	rows->target = malloc(count * sizeof(float));
	rows->code = calloc(count, sizeof(int32_t));
	if (rows->x == NULL || rows->target == NULL || rows->code == NULL)
		return false;
	dl_random_seed(&random, 0, 0);
	for (size_t i = 0; i < count * columns; i++)
		rows->x[i] = (float) dl_random_normal(&random);
	for (size_t i = 0; i < count; i++)
	{
		const float *x = rows->x + i * columns;
		float		sum = 0;

		for (size_t k = 0; k < 4 && k < columns; k++)
			sum += x[k];
		rows->target[i] = strcmp(options->loss, "bce") == 0 ? (float) (sum > 0) : tanhf(sum);
		for (int k = 1; rows->classes && k < options->classes; k++)
			if (fabsf(x[k]) > fabsf(x[rows->code[i]]))
				rows->code[i] = k;
	}
	return true;
}

/* "64,64" as "dense(64, relu) > dense(64, relu)". */
static void
network_text(const char *hidden, char *text, size_t size)
{
	size_t		used = 0;

	text[0] = '\0';
	for (const char *p = hidden; *p != '\0' && used < size;)
	{
		char	   *end;
		long		width = strtol(p, &end, 10);

		used += (size_t) snprintf(text + used, size - used, "%sdense(%ld, relu)", used > 0 ? " > " : "", width);
		p = *end == ',' ? end + 1 : end + strlen(end);
	}
}

/* Steps to the end; *steps and *seconds are those after the warm-up. */
static DlStatus
time_steps(DlTrainer *trainer, int64_t *steps, double *seconds, DlError *error)
{
	DlTrainerEvent event = DL_TRAINER_RUNNING;
	int64_t		done = 0;
	double		started = now();

	while (event != DL_TRAINER_DONE)
	{
		if (done == WARM_UP)
			started = now();
		DL_TRY(dl_trainer_step(trainer, &event, error));
		done++;
	}
	*steps = done - WARM_UP;
	*seconds = now() - started;
	return DL_OK;
}

static DlStatus
run(const Options *options, DlArena *arena, Rows *rows, DlThreads *threads, DlError *error)
{
	DlTrainSettings settings;
	DlNetworkInputs inputs = {.numbers = options->columns,.continuous = options->columns};
	DlBatchSource source = {.context = rows,.row_count = options->rows,.fill = fill};
	DlNetwork  *network;
	DlTrainer  *trainer;
	char		text[1024];
	int64_t		steps;
	double		seconds;

	dl_train_settings_default(&settings);
	settings.loss = rows->classes ? DL_TRAIN_CROSS_ENTROPY :
		strcmp(options->loss, "bce") == 0 ? DL_TRAIN_BINARY : DL_TRAIN_MSE;
	settings.epochs = options->epochs;
	settings.batch_size = options->batch;
	settings.seed = 0;
	network_text(options->hidden, text, sizeof(text));
	DL_TRY(dl_network_parse(arena, text, strlen(text), &network, error));
	DL_TRY(dl_trainer_create(arena, network, &inputs, rows->classes ? options->classes : 1, &settings, &source,
							 options->measure ? &source : NULL, NULL, dl_backend_cpu(), threads, NULL, &trainer, error));
	DL_TRY(time_steps(trainer, &steps, &seconds, error));
	printf("{\"case\": \"train\", \"hidden\": \"%s\", \"batch\": %d, \"rows\": %lld, \"columns\": %d, \"classes\": %d, "
		   "\"epochs\": %d, \"threads\": %d, \"backend\": \"%s\", \"rows_per_s\": %.0f, \"us_per_step\": %.2f, "
		   "\"train_s\": %.4f, \"loss\": %.6g",
		   options->hidden, options->batch, (long long) options->rows, options->columns, options->classes,
		   options->epochs, options->threads, dl_backend_cpu()->name,
		   (double) options->rows * options->epochs * (double) steps / (double) (steps + WARM_UP) / seconds,
		   seconds / (double) steps * 1e6, seconds, dl_trainer_epoch(trainer)->training_loss);
	if (options->measure)
		printf(", \"final_loss\": %.6g", dl_trainer_epoch(trainer)->validation_loss);
	printf("}\n");
	fflush(stdout);
	return DL_OK;
}

/* One line; returns the exit status. */
static int
run_case(const Options *options)
{
	DlArena    *arena = NULL;
	DlThreads  *threads = NULL;
	DlError		error;
	Rows		rows = {0};
	DlStatus	status;

	if (options->rows < (int64_t) options->batch * (WARM_UP + 1) || !generate(options, &rows))
	{
		fprintf(stderr, "train_step: too few rows for %d steps, or too little memory\n", WARM_UP + 1);
		return 1;
	}
	status = dl_arena_create(0, &arena, &error);
	if (status == DL_OK)
		status = dl_threads_create(options->threads, &threads, &error);
	if (status == DL_OK)
		status = run(options, arena, &rows, threads, &error);
	if (status != DL_OK)
		fprintf(stderr, "train_step: %s\n", error.message);
	dl_threads_destroy(threads);
	dl_arena_destroy(arena);
	free(rows.x);
	free(rows.target);
	free(rows.code);
	return status != DL_OK;
}

static int
run_usual_cases(const Options *given)
{
	static const Options cases[] = {
		{.hidden = "64,64",.loss = "mse",.batch = 64,.columns = 28,.classes = 1,.rows = 200000},
		{.hidden = "64,64",.loss = "mse",.batch = 256,.columns = 28,.classes = 1,.rows = 400000},
		{.hidden = "64,64",.loss = "mse",.batch = 1024,.columns = 28,.classes = 1,.rows = 1000000},
		{.hidden = "512,512",.loss = "ce",.batch = 128,.columns = 784,.classes = 10,.rows = 40000},
	};
	int			failed = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int threads = 1; threads <= 2; threads++)
		{
			Options		options = cases[i];

			options.threads = threads;
			options.epochs = given->epochs;
			failed |= run_case(&options);
		}
	return failed;
}

static bool
parse(int argc, char **argv, Options *options)
{
	for (int i = 1; i < argc; i++)
	{
		const struct
		{
			const char *name;
			int		   *number;
			const char **text;
		}			known[] = {
			{"--hidden", NULL, &options->hidden}, {"--loss", NULL, &options->loss}, {"--batch", &options->batch, NULL},
			{"--columns", &options->columns, NULL}, {"--classes", &options->classes, NULL},
			{"--threads", &options->threads, NULL}, {"--epochs", &options->epochs, NULL},
			{"--measure", &options->measure, NULL}
		};
		bool		found = false;

		if (i + 1 == argc)
			return false;
		if (strcmp(argv[i], "--rows") == 0)
		{
			options->rows = strtoll(argv[++i], NULL, 10);
			continue;
		}
		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]) && !found; k++)
			if (strcmp(argv[i], known[k].name) == 0)
			{
				found = true;
				i++;
				if (known[k].number != NULL)
					*known[k].number = (int) strtol(argv[i], NULL, 10);
				else
					*known[k].text = argv[i];
			}
		if (!found)
			return false;
	}
	return options->rows > 0 && options->columns > 0 && options->classes > 0 && options->threads > 0 &&
		options->epochs > 0 && options->batch >= 0 &&
		(strcmp(options->loss, "ce") != 0 || (options->classes > 1 && options->classes <= options->columns));
}

int
main(int argc, char **argv)
{
	Options		options = {
		.hidden = "64,64",.loss = "mse",.batch = 0,.columns = 28,.classes = 1,.threads = dl_processor_count(),
		.epochs = 1,.rows = 1000000
	};

	if (!parse(argc, argv, &options))
	{
		fprintf(stderr, "usage: train_step [--batch N] [--hidden 64,64] [--loss mse|bce|ce] [--columns N] [--classes N]\n"
				"                  [--rows N] [--threads N] [--epochs N] [--measure 1]\n"
				"Without --batch the usual cases are timed.\n");
		return 2;
	}
	return options.batch > 0 ? run_case(&options) : run_usual_cases(&options);
}
