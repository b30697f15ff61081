/*
 * activation.c
 *    Names and properties of the activation functions; their arithmetic is the
 *    backends'.
 */
#include <string.h>

#include "core/backend.h"

static const struct
{
	const char *name;
	bool		from_output;
}			activations[] =
{
	[DL_ACTIVATION_IDENTITY] = {"identity", true},
	[DL_ACTIVATION_RELU] = {"relu", true},
	[DL_ACTIVATION_LEAKY_RELU] = {"leaky_relu", true},
	[DL_ACTIVATION_ELU] = {"elu", true},
	[DL_ACTIVATION_SELU] = {"selu", true},
	[DL_ACTIVATION_GELU] = {"gelu", false},
	[DL_ACTIVATION_SILU] = {"silu", false},
	[DL_ACTIVATION_MISH] = {"mish", false},
	[DL_ACTIVATION_TANH] = {"tanh", true},
	[DL_ACTIVATION_SIGMOID] = {"sigmoid", true},
	[DL_ACTIVATION_SOFTPLUS] = {"softplus", true},
};

_Static_assert(sizeof(activations) / sizeof(activations[0]) == DL_ACTIVATION_COUNT, "one row for each activation");

const char *
dl_activation_name(DlActivation activation)
{
	if ((unsigned) activation >= DL_ACTIVATION_COUNT)
		return "unknown";
	return activations[activation].name;
}

bool
dl_activation_by_name(const char *name, size_t length, DlActivation *result)
{
	for (int i = 0; i < DL_ACTIVATION_COUNT; i++)
		if (strlen(activations[i].name) == length && memcmp(activations[i].name, name, length) == 0)
		{
			*result = (DlActivation) i;
			return true;
		}
	return false;
}

bool
dl_activation_from_output(DlActivation activation)
{
	return (unsigned) activation < DL_ACTIVATION_COUNT && activations[activation].from_output;
}
