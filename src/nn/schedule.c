/*
 * schedule.c
 *    The schedules, each a formula of one variable.
 */
#include "nn/schedule.h"

#include <math.h>

#define PI 3.14159265358979323846
#define ONE_CYCLE_WARM_UP 0.3
#define ONE_CYCLE_START (1.0 / 25)
#define ONE_CYCLE_END (ONE_CYCLE_START / 10000)

/* From a at x = 0 to b at x = 1 along half a cosine. */
static double
cosine_between(double a, double b, double x)
{
	return b + (a - b) * 0.5 * (1 + cos(PI * x));
}

static double
linear_rise(double warm_up, double t)
{
	return t < warm_up ? t / warm_up : 1;
}

static double
constant(const DlTrainSettings *settings, double t)
{
	return linear_rise(settings->warm_up, t);
}

static double
step(const DlTrainSettings *settings, double t)
{
	int			epoch = (int) (t * settings->epochs);

	/* progress 1 belongs to the last epoch */
	if (epoch >= settings->epochs)
		epoch = settings->epochs - 1;
	return pow(settings->step_factor, epoch / settings->step_epochs) * linear_rise(settings->warm_up, t);
}

static double
cosine(const DlTrainSettings *settings, double t)
{
	double		w = settings->warm_up;

	return t < w ? t / w : cosine_between(1, 0, (t - w) / (1 - w));
}

static double
one_cycle(const DlTrainSettings *settings, double t)
{
	double		w = settings->warm_up > 0 ? settings->warm_up : ONE_CYCLE_WARM_UP;

	if (t < w)
		return ONE_CYCLE_START + (1 - ONE_CYCLE_START) * t / w;
	return cosine_between(1, ONE_CYCLE_END, (t - w) / (1 - w));
}

static double
coslog4(const DlTrainSettings *settings, double t)
{
	return 0.5 * (1 - cos(2 * PI * log2(1 + 15 * t))) * linear_rise(settings->warm_up, t);
}

/* In the order of DlSchedule. */
static double (*const formulas[]) (const DlTrainSettings *settings, double t) = {
	constant, step, cosine, one_cycle, coslog4
};

double
dl_schedule_factor(const DlTrainSettings *settings, double progress)
{
	return formulas[settings->schedule] (settings, progress);
}

double
dl_anneal_factor(const DlTrainSettings *settings, double progress)
{
	double		twice = 2 * progress;

	if (!settings->anneal || twice <= 1)
		return 1;
	return 0.5 * (1 + cos(PI * (twice - 1)));
}
