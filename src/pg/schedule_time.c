/*
 * schedule_time.c
 *    The slots of a schedule.
 *
 * Days and months are added to the local time of the schedule's time zone, hours and less to the time itself: so "1 day" keeps
 * the time of day where clocks are set forward or back, and "6 hours" are 6 hours always.  A time of day that does
 * not exist on a day is an hour later on that day only.
 */
#include "pg/schedule.h"

#include "pg/compat.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

static Timestamp
local_of(const DlSlots *slots, TimestampTz time)
{
	return DatumGetTimestamp(DirectFunctionCall2(timestamptz_zone, CStringGetTextDatum(slots->time_zone), TimestampTzGetDatum(time)));
}

static TimestampTz
time_of(const DlSlots *slots, Timestamp local)
{
	return DatumGetTimestampTz(DirectFunctionCall2(timestamp_zone, CStringGetTextDatum(slots->time_zone), TimestampGetDatum(local)));
}

/* The time of day of the schedule, on the day of a local time. */
static Timestamp
at_on_day_of(const DlSlots *slots, Timestamp local)
{
	Timestamp	day = local - local % USECS_PER_DAY;

	if (day > local)
		day -= USECS_PER_DAY;
	return day + slots->at;
}

static Timestamp
add_days(const DlSlots *slots, Timestamp local)
{
	Interval	days = slots->every;

	days.time = 0;
	return DatumGetTimestamp(DirectFunctionCall2(timestamp_pl_interval, TimestampGetDatum(local), IntervalPGetDatum(&days)));
}

static TimestampTz
step(const DlSlots *slots, TimestampTz slot)
{
	Timestamp	local;

	if (slots->every.day == 0 && slots->every.month == 0)
		return slot + slots->every.time;
	local = add_days(slots, local_of(slots, slot));
	if (slots->has_at)
		local = at_on_day_of(slots, local);
	return time_of(slots, local) + slots->every.time;
}

TimestampTz
dl_next_slot(const DlSlots *slots, TimestampTz slot, TimestampTz after)
{
	/* most of the way at once */
	if (slots->every.day == 0 && slots->every.month == 0 && slot <= after)
		slot += (after - slot) / slots->every.time * slots->every.time;
	while (slot <= after)
	{
		TimestampTz next = step(slots, slot);

		CHECK_FOR_INTERRUPTS();
		if (next <= slot)
			ereport(ERROR,
					(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
					 errmsg("the schedule has no later time")));
		slot = next;
	}
	return slot;
}

TimestampTz
dl_first_slot(const DlSlots *slots, TimestampTz now)
{
	Timestamp	today;
	TimestampTz first;

	if (!slots->has_at)
		return step(slots, now);
	today = at_on_day_of(slots, local_of(slots, now));
	first = time_of(slots, today);
	return first > now ? first : time_of(slots, today + USECS_PER_DAY);
}
