/*
 * sort.h
 *    Heap sort of pointers: in place, no allocation, n log n for any input,
 *    so that hostile bytes cannot make sorting slow.
 */
#ifndef DL_FORMAT_SORT_H
#define DL_FORMAT_SORT_H

#include <stddef.h>

/* Below 0, 0 or above 0 as strcmp(). */
typedef int (*DlCompare) (const void *a, const void *b);

static inline void
dl_sort_sift(const void **items, size_t root, size_t count, DlCompare compare)
{
	const void *item = items[root];

	for (;;)
	{
		size_t		child = 2 * root + 1;

		if (child >= count)
			break;
		if (child + 1 < count && compare(items[child], items[child + 1]) < 0)
			child++;
		if (compare(item, items[child]) >= 0)
			break;
		items[root] = items[child];
		root = child;
	}
	items[root] = item;
}

static inline void
dl_sort_pointers(const void **items, size_t count, DlCompare compare)
{
	for (size_t i = count / 2; i > 0; i--)
		dl_sort_sift(items, i - 1, count, compare);
	for (size_t i = count; i > 1; i--)
	{
		const void *last = items[i - 1];

		items[i - 1] = items[0];
		items[0] = last;
		dl_sort_sift(items, 0, i - 1, compare);
	}
}

#endif							/* DL_FORMAT_SORT_H */
