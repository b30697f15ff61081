/*
 * backend_list.h
 *    All float32 backends that this processor can run.
 */
#ifndef DL_TEST_BACKEND_LIST_H
#define DL_TEST_BACKEND_LIST_H

#include "cpu/cpu.h"

#define BACKEND_LIST_MAX (1 + DL_CPU_LEVEL_COUNT)

/* Fills list, the reference first; returns how many. */
static inline int
backend_list(const DlBackend **list)
{
	int			count = 0;

	list[count++] = dl_backend_reference_f32();
	for (int level = 0; level < DL_CPU_LEVEL_COUNT; level++)
		if (dl_backend_cpu_level((DlCpuLevel) level) != NULL)
			list[count++] = dl_backend_cpu_level((DlCpuLevel) level);
	return count;
}

#endif							/* DL_TEST_BACKEND_LIST_H */
