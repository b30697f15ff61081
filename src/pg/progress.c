/*
 * progress.c
 *    The line that a person sees while a model trains.
 */
#include "pg/progress.h"

#include <math.h>

#include "pg/compat.h"
#include "utils/timestamp.h"

#define BAR_WIDTH 20
#define SHORTEST_PAUSE_MS 250

static const char *
print_seconds(double seconds, char *text, size_t size)
{
	if (!isfinite(seconds))
		snprintf(text, size, "?");
	else if (seconds < 100)
		snprintf(text, size, "%.0f s", seconds);
	else if (seconds < 6000)
		snprintf(text, size, "%.0f min", seconds / 60);
	else
		snprintf(text, size, "%.1f h", seconds / 3600);
	return text;
}

static void
emit(DlProgressLine *line)
{
	const DlFitProgress *p = &line->last;
	int			filled = p->epochs > 0 ? (int) ((int64) BAR_WIDTH * p->epoch.epoch / p->epochs) : 0;
	char		bar[BAR_WIDTH + 1];
	char		member[32] = "";
	char		left[32];

	for (int i = 0; i < BAR_WIDTH; i++)
		bar[i] = i < filled ? '#' : '.';
	bar[BAR_WIDTH] = '\0';
	if (p->members > 1)
		snprintf(member, sizeof(member), "member %d/%d ", p->member, p->members);
	ereport(NOTICE,
			(errmsg("%sepoch %d/%d [%s] loss %.4g, %s %.4g%s, %.3g rows/s, %s left", member, p->epoch.epoch, p->epochs, bar,
					p->epoch.training_loss, line->metric, p->epoch.measure, p->epoch.best ? " (best)" : "",
					p->rows_per_second, print_seconds(p->seconds_left, left, sizeof(left)))));
	line->shown = GetCurrentTimestamp();
	line->waiting = false;
}

void
dl_progress_show(DlProgressLine *line, const DlFitProgress *progress)
{
	if (line->quiet)
		return;
	strlcpy(line->metric, progress->metric, sizeof(line->metric));
	line->last = *progress;
	line->last.metric = line->metric;
	line->waiting = true;
	if (line->shown == 0 || TimestampDifferenceExceeds(line->shown, GetCurrentTimestamp(), SHORTEST_PAUSE_MS))
		emit(line);
}

void
dl_progress_finish(DlProgressLine *line)
{
	if (line->waiting && !line->quiet)
		emit(line);
}
