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

/* Slot number k after the first, counted from the first: so a schedule of the 31st is on the last of a shorter month, and on the 31st again. */
static TimestampTz
slot_number(const DlSlots *slots, int64 k)
{
	Interval	days = {.month = (int32) (slots->every.month * k), .day = (int32) (slots->every.day * k)};
	TimestampTz slot = slots->first;

	if (days.day != 0 || days.month != 0)
	{
		Timestamp	local = DatumGetTimestamp(DirectFunctionCall2(timestamp_pl_interval, TimestampGetDatum(local_of(slots, slot)),
																  IntervalPGetDatum(&days)));

		slot = time_of(slots, slots->has_at ? at_on_day_of(slots, local) : local);
	}
	return slot + slots->every.time * k;
}

/* No interval of the schedule is longer. */
static int64
longest_interval(const DlSlots *slots)
{
	return slots->every.month * 32 * USECS_PER_DAY + slots->every.day * (USECS_PER_DAY + 3 * USECS_PER_HOUR) + slots->every.time;
}

TimestampTz
dl_next_slot(const DlSlots *slots, TimestampTz after)
{
	int64		k = after <= slots->first ? 0 : (after - slots->first) / longest_interval(slots);
	TimestampTz slot = slot_number(slots, k);

	while (slot <= after)
	{
		CHECK_FOR_INTERRUPTS();
		slot = slot_number(slots, ++k);
	}
	return slot;
}

TimestampTz
dl_first_slot(const DlSlots *slots, TimestampTz now)
{
	Timestamp	today;
	TimestampTz first;

	if (!slots->has_at)
	{
		DlSlots		from_now = *slots;

		from_now.first = now;
		return slot_number(&from_now, 1);
	}
	today = at_on_day_of(slots, local_of(slots, now));
	first = time_of(slots, today);
	return first > now ? first : time_of(slots, today + USECS_PER_DAY);
}
