/*
 * network_text.c
 *    The canonical text of networks, layers and numbers.
 *
 * Canonical: one space after a comma and around > and =>, arguments in the
 * order of the table, without their names where the table allows that, and
 * without those that have their default value.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/size.h"
#include "nn/network_internal.h"

#define FIRST_TEXT 128

static DlStatus
reserve(DlText *text, size_t more, DlError *error)
{
	size_t		need;
	size_t		capacity = text->capacity > 0 ? text->capacity : FIRST_TEXT;
	char	   *larger;

	if (!dl_size_add(text->length, more, &need) || !dl_size_add(need, 1, &need))
		return dl_error_set(error, DL_ERROR_LIMIT, "text of a network is too long");
	if (need <= text->capacity)
		return DL_OK;
	while (capacity < need)
		if (!dl_size_mul(capacity, 2, &capacity))
			return dl_error_set(error, DL_ERROR_LIMIT, "text of a network is too long");
	DL_TRY(dl_arena_alloc(text->arena, capacity, &larger, error));
	if (text->length > 0)
		memcpy(larger, text->data, text->length);
	larger[text->length] = '\0';
	text->data = larger;
	text->capacity = capacity;
	return DL_OK;
}

DlStatus
dl_text_append(DlText *text, DlError *error, const char *format,...)
{
	va_list		args;
	int			length;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (length < 0)
		return dl_error_set(error, DL_ERROR_INTERNAL, "text of a network cannot be formatted");
	DL_TRY(reserve(text, (size_t) length, error));
	va_start(args, format);
	vsnprintf(text->data + text->length, (size_t) length + 1, format, args);
	va_end(args);
	text->length += (size_t) length;
	return DL_OK;
}

/* Numbers are read and written with a decimal point: the server keeps LC_NUMERIC at "C". */
const char *
dl_number_print(double number, char *buffer, size_t size)
{
	for (int digits = 15; digits <= 17; digits++)
	{
		snprintf(buffer, size, "%.*g", digits, number);
		if (strtod(buffer, NULL) == number)
			break;
	}
	return buffer;
}

/* The text of a value that is not a network. */
static const char *
value_text(const DlArgument *argument, double number, char *buffer)
{
	if ((argument->flags & DL_ARGUMENT_AUTO) && number == DL_AUTO)
		return "auto";
	switch (argument->kind)
	{
		case DL_ARGUMENT_BOOLEAN:
			return number != 0 ? "true" : "false";
		case DL_ARGUMENT_ACTIVATION:
			return dl_activation_name((DlActivation) number);
		case DL_ARGUMENT_PARAMETRIZATION:
		case DL_ARGUMENT_START:
		case DL_ARGUMENT_NUMBERS:
			return dl_argument_word(argument->kind, (int) number);
		case DL_ARGUMENT_INTEGER:
		case DL_ARGUMENT_REAL:
		case DL_ARGUMENT_NETWORK:
			break;
	}
	return dl_number_print(number, buffer, DL_NUMBER_TEXT);
}

static DlStatus
append_value(const DlArgument *argument, const DlValue *value, DlText *text, DlError *error)
{
	char		buffer[DL_NUMBER_TEXT];

	if (argument->kind == DL_ARGUMENT_NETWORK)
		return dl_network_append(value->network, text, error);
	return dl_text_append(text, error, "%s", value_text(argument, value->number, buffer));
}

DlStatus
dl_layer_text(const DlLayer *layer, DlText *text, DlError *error)
{
	const DlLayerDefinition *definition = layer->definition;
	bool		positional = true;
	const char *separator = "(";

	if (definition->name == NULL)
		return dl_text_append(text, error, "%s", dl_activation_name(layer->activation));
	DL_TRY(dl_text_append(text, error, "%s", definition->name));
	for (int i = 0; definition->arguments[i].name != NULL; i++)
	{
		const DlArgument *argument = &definition->arguments[i];
		const DlValue *value = &layer->values[i];

		if (argument->flags & DL_ARGUMENT_REPEATED)
		{
			for (int j = 0; j < layer->repeated_count; j++)
			{
				DL_TRY(dl_text_append(text, error, "%s", separator));
				DL_TRY(append_value(argument, &layer->repeated[j], text, error));
				separator = ", ";
			}
			continue;
		}
		if (!(argument->flags & DL_ARGUMENT_REQUIRED) && value->number == argument->fallback)
		{
			positional = false;
			continue;
		}
		positional = positional && (argument->flags & DL_ARGUMENT_POSITIONAL);
		DL_TRY(dl_text_append(text, error, "%s", separator));
		if (!positional)
			DL_TRY(dl_text_append(text, error, "%s => ", argument->name));
		DL_TRY(append_value(argument, value, text, error));
		separator = ", ";
	}
	if (separator[0] == ',')
		DL_TRY(dl_text_append(text, error, ")"));
	return DL_OK;
}

DlStatus
dl_network_append(const DlNetwork *network, DlText *text, DlError *error)
{
	for (int i = 0; i < network->count; i++)
	{
		if (i > 0)
			DL_TRY(dl_text_append(text, error, " > "));
		DL_TRY(dl_layer_text(network->layers[i], text, error));
	}
	return DL_OK;
}

DlStatus
dl_network_text(const DlNetwork *network, DlArena *arena, char **result, DlError *error)
{
	return dl_arena_strdup(arena, network->text, result, error);
}

const char *
dl_layer_usage(const DlLayerDefinition *definition, char *buffer, size_t size)
{
	size_t		used = (size_t) snprintf(buffer, size, "%s(", definition->name);

	for (int i = 0; definition->arguments[i].name != NULL && used < size; i++)
	{
		const DlArgument *argument = &definition->arguments[i];
		char		number[DL_NUMBER_TEXT];

		used += (size_t) snprintf(buffer + used, size - used, "%s%s", i == 0 ? "" : ", ", argument->name);
		if (used < size && (argument->flags & DL_ARGUMENT_REPEATED))
			used += (size_t) snprintf(buffer + used, size - used, ", ...");
		else if (used < size && !(argument->flags & DL_ARGUMENT_REQUIRED))
			used += (size_t) snprintf(buffer + used, size - used, " => %s",
									  value_text(argument, argument->fallback, number));
	}
	if (used < size)
		snprintf(buffer + used, size - used, ")");
	return buffer;
}
