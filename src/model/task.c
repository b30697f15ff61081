/*
 * task.c
 *    Names of tasks.
 */
#include <string.h>

#include "model/model.h"

static const char *const names[] =
{
	[DL_TASK_REGRESSION] = "regression",
	[DL_TASK_BINARY] = "binary",
	[DL_TASK_MULTICLASS] = "multiclass",
	[DL_TASK_MULTILABEL] = "multilabel",
};

#define TASK_COUNT (sizeof(names) / sizeof(names[0]))

const char *
dl_task_name(DlTask task)
{
	return (size_t) task < TASK_COUNT ? names[task] : "unknown";
}

bool
dl_task_by_name(const char *name, DlTask *result)
{
	for (size_t i = 0; i < TASK_COUNT; i++)
		if (strcmp(names[i], name) == 0)
		{
			*result = (DlTask) i;
			return true;
		}
	return false;
}
