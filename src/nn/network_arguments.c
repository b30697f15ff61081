/*
 * network_arguments.c
 *    The arguments of a layer, between its parentheses, checked against the
 *    table of layers: names, kinds, ranges, defaults.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/network_internal.h"

static bool
token_is(const DlParser *parser, const char *word)
{
	return parser->token.kind == DL_TOKEN_NAME && parser->token.length == strlen(word) &&
		memcmp(dl_parser_text(parser), word, parser->token.length) == 0;
}

/* --- values --- */

static const char *
activation_word(const void *unused, int index)
{
	(void) unused;
	return index < DL_ACTIVATION_COUNT ? dl_activation_name((DlActivation) index) : NULL;
}

static const char *
argument_word(const void *definition, int index)
{
	return ((const DlLayerDefinition *) definition)->arguments[index].name;
}

/* "width of dense must be an integer, got 1.5" at the current token. */
static DlStatus
wrong_kind(const DlParser *parser, const DlLayer *layer, const DlArgument *argument, const char *kind, DlError *error)
{
	char		shown[DL_WORD_TEXT];

	return dl_parser_at(parser, parser->token.offset,
						dl_error_set(error, DL_ERROR_SYNTAX, "%s of %s must be %s%s, got %s", argument->name,
									 layer->definition->name, kind,
									 argument->flags & DL_ARGUMENT_AUTO ? " or auto" : "",
									 dl_token_print(&parser->lexer, &parser->token, shown)), error);
}

static DlStatus
out_of_range(const DlParser *parser, const DlLayer *layer, const DlArgument *argument, DlError *error)
{
	char		shown[DL_WORD_TEXT];
	char		low[DL_NUMBER_TEXT];
	char		high[DL_NUMBER_TEXT];
	bool		above = argument->flags & DL_ARGUMENT_ABOVE;
	bool		below = argument->flags & DL_ARGUMENT_BELOW;
	bool		closed = !above && !below;

	return dl_parser_at(parser, parser->token.offset,
						dl_error_set(error, DL_ERROR_SYNTAX, "%s of %s must be %s%s and %s%s, got %s", argument->name,
									 layer->definition->name,
									 closed ? "between " : above ? "greater than " : "at least ",
									 dl_number_print(argument->low, low, sizeof(low)),
									 closed ? "" : below ? "less than " : "at most ",
									 dl_number_print(argument->high, high, sizeof(high)),
									 dl_token_print(&parser->lexer, &parser->token, shown)), error);
}

static DlStatus
parse_number(DlParser *parser, const DlLayer *layer, const DlArgument *argument, double *result, DlError *error)
{
	bool		integer = argument->kind == DL_ARGUMENT_INTEGER;
	char		digits[DL_NUMBER_TEXT];
	double		number;

	if ((argument->flags & DL_ARGUMENT_AUTO) && token_is(parser, "auto"))
	{
		*result = DL_AUTO;
		return DL_OK;
	}
	if (parser->token.kind == DL_TOKEN_NUMBER)
	{
		memcpy(digits, dl_parser_text(parser), parser->token.length);
		digits[parser->token.length] = '\0';
	}
	if (parser->token.kind != DL_TOKEN_NUMBER || (integer && strpbrk(digits, ".eE") != NULL))
		return wrong_kind(parser, layer, argument, integer ? "an integer" : "a number", error);
	number = strtod(digits, NULL);
	if (!(number >= argument->low && number <= argument->high) ||
		(number == argument->low && (argument->flags & DL_ARGUMENT_ABOVE)) ||
		(number == argument->high && (argument->flags & DL_ARGUMENT_BELOW)))
		return out_of_range(parser, layer, argument, error);
	*result = number == 0 ? 0 : number; /* -0 is written 0 */
	return DL_OK;
}

static DlStatus
parse_activation(DlParser *parser, const DlLayer *layer, const DlArgument *argument, double *result, DlError *error)
{
	DlActivation activation;
	char		shown[DL_WORD_TEXT];

	if (parser->token.kind != DL_TOKEN_NAME)
		return wrong_kind(parser, layer, argument, "the name of an activation", error);
	if (!dl_activation_by_name(dl_parser_text(parser), parser->token.length, &activation))
	{
		const char *advice = dl_layer_advice(dl_parser_text(parser), parser->token.length);

		dl_parser_at(parser, parser->token.offset,
					 dl_error_set(error, DL_ERROR_SYNTAX, "unknown activation %s",
								  dl_token_print(&parser->lexer, &parser->token, shown)), error);
		if (advice != NULL)
			dl_error_hint(error, "%s", advice);
		else
			dl_word_hint(error, activation_word, NULL, dl_parser_text(parser), parser->token.length, "Activations are");
		return DL_ERROR_SYNTAX;
	}
	*result = activation;
	return DL_OK;
}

static DlStatus
parse_word(DlParser *parser, const DlLayer *layer, const DlArgument *argument, double *result, DlError *error)
{
	const char *word;
	char		words[DL_WORD_TEXT] = "";
	size_t		used = 0;

	if (argument->kind == DL_ARGUMENT_BOOLEAN)
	{
		if (!token_is(parser, "true") && !token_is(parser, "false"))
			return wrong_kind(parser, layer, argument, "true or false", error);
		*result = token_is(parser, "true");
		return DL_OK;
	}
	for (int i = 0; (word = dl_argument_word(argument->kind, i)) != NULL; i++)
	{
		if (token_is(parser, word))
		{
			*result = i;
			return DL_OK;
		}
		used += (size_t) snprintf(words + used, sizeof(words) - used, "%s%s",
								  i == 0 ? "" : dl_argument_word(argument->kind, i + 1) != NULL ? ", " : " or ", word);
	}
	return wrong_kind(parser, layer, argument, words, error);
}

/* The value of an argument, from the current token on. */
static DlStatus
parse_value(DlParser *parser, const DlLayer *layer, const DlArgument *argument, DlValue *value, DlError *error)
{
	value->given = true;
	if (argument->kind == DL_ARGUMENT_NETWORK)
	{
		const char *outside = parser->inside;

		parser->inside = layer->definition->name;
		parser->depth++;
		DL_TRY(dl_parser_network(parser, &value->network, error));
		parser->depth--;
		parser->inside = outside;
		return DL_OK;
	}
	if (parser->token.kind != DL_TOKEN_NAME && parser->token.kind != DL_TOKEN_NUMBER)
	{
		char		what[DL_WORD_TEXT];

		snprintf(what, sizeof(what), "a value for %s of %s", argument->name, layer->definition->name);
		return dl_parser_expected(parser, what, error);
	}
	if (argument->kind == DL_ARGUMENT_INTEGER || argument->kind == DL_ARGUMENT_REAL)
		DL_TRY(parse_number(parser, layer, argument, &value->number, error));
	else if (argument->kind == DL_ARGUMENT_ACTIVATION)
		DL_TRY(parse_activation(parser, layer, argument, &value->number, error));
	else
		DL_TRY(parse_word(parser, layer, argument, &value->number, error));
	return dl_parser_advance(parser, error);
}

/* --- arguments --- */

static void
usage_hint(const DlLayerDefinition *definition, DlError *error)
{
	char		usage[DL_ERROR_TEXT / 2];

	if (definition->name == NULL || definition->arguments[0].name == NULL)
		dl_error_hint(error, "It is written without parentheses.  A layer with a width is dense(width).");
	else
		dl_error_hint(error, "It is written %s.", dl_layer_usage(definition, usage, sizeof(usage)));
}

const char *
dl_layer_name(const DlLayer *layer)
{
	return layer->definition->name ? layer->definition->name : dl_activation_name(layer->activation);
}

/* The argument that a value without a name is for: the first positional one that is not given. */
static DlStatus
find_positional(const DlParser *parser, const DlLayer *layer, int *index, DlError *error)
{
	const DlArgument *arguments = layer->definition->arguments;
	int			i;

	for (i = 0; arguments[i].flags & (DL_ARGUMENT_POSITIONAL | DL_ARGUMENT_REPEATED); i++)
		if ((arguments[i].flags & DL_ARGUMENT_REPEATED) || !layer->values[i].given)
		{
			*index = i;
			return DL_OK;
		}
	if (arguments[0].name == NULL)
		dl_error_set(error, DL_ERROR_SYNTAX, "%s takes no arguments", dl_layer_name(layer));
	else if (i == 0)
		dl_error_set(error, DL_ERROR_SYNTAX, "arguments of %s must be named", dl_layer_name(layer));
	else
		dl_error_set(error, DL_ERROR_SYNTAX, "%s takes at most %d %s without a name", dl_layer_name(layer), i,
					 i == 1 ? "argument" : "arguments");
	dl_parser_at(parser, parser->token.offset, DL_ERROR_SYNTAX, error);
	usage_hint(layer->definition, error);
	return DL_ERROR_SYNTAX;
}

/* The argument named by the current token. */
static DlStatus
find_named(const DlParser *parser, const DlLayer *layer, int *index, DlError *error)
{
	const DlArgument *arguments = layer->definition->arguments;
	char		shown[DL_WORD_TEXT];

	dl_token_print(&parser->lexer, &parser->token, shown);
	for (int i = 0; arguments[i].name != NULL; i++)
	{
		if (!token_is(parser, arguments[i].name))
			continue;
		if (arguments[i].flags & DL_ARGUMENT_REPEATED)
		{
			dl_parser_at(parser, parser->token.offset,
						 dl_error_set(error, DL_ERROR_SYNTAX, "%s of %s is given without its name", arguments[i].name,
									  dl_layer_name(layer)), error);
			usage_hint(layer->definition, error);
			return DL_ERROR_SYNTAX;
		}
		if (layer->values[i].given)
			return dl_parser_at(parser, parser->token.offset,
								dl_error_set(error, DL_ERROR_SYNTAX, "%s of %s is given more than once",
											 arguments[i].name, dl_layer_name(layer)), error);
		*index = i;
		return DL_OK;
	}
	if (arguments[0].name == NULL)
		return find_positional(parser, layer, index, error);
	dl_parser_at(parser, parser->token.offset,
				 dl_error_set(error, DL_ERROR_SYNTAX, "%s has no argument %s", dl_layer_name(layer), shown), error);
	dl_word_hint(error, argument_word, layer->definition, dl_parser_text(parser), parser->token.length,
				 "Its arguments are");
	return DL_ERROR_SYNTAX;
}

static DlStatus
add_repeated(DlParser *parser, DlLayer *layer, DlValue **result, DlError *error)
{
	if (layer->repeated_count == layer->repeated_capacity)
	{
		int			capacity = layer->repeated_capacity ? layer->repeated_capacity * 2 : 4;
		DlValue    *larger;

		DL_TRY(dl_arena_calloc(parser->arena, (size_t) capacity, sizeof(DlValue), &larger, error));
		if (layer->repeated_count > 0)
			memcpy(larger, layer->repeated, (size_t) layer->repeated_count * sizeof(DlValue));
		layer->repeated = larger;
		layer->repeated_capacity = capacity;
	}
	*result = &layer->repeated[layer->repeated_count++];
	return DL_OK;
}

static DlStatus
parse_argument(DlParser *parser, DlLayer *layer, bool *named, DlError *error)
{
	DlLexer		ahead = parser->lexer;
	DlToken		next = {0};
	DlValue    *value;
	int			index;

	if (parser->token.kind == DL_TOKEN_NAME)
		DL_TRY(dl_lexer_next(&ahead, &next, error));
	if (parser->token.kind != DL_TOKEN_NAME && parser->token.kind != DL_TOKEN_NUMBER)
		return dl_parser_expected(parser, "an argument", error);
	if (next.kind == DL_TOKEN_ARROW)
	{
		DL_TRY(find_named(parser, layer, &index, error));
		DL_TRY(dl_parser_advance(parser, error));
		DL_TRY(dl_parser_advance(parser, error));
		*named = true;
	}
	else
	{
		if (*named)
			return dl_parser_at(parser, parser->token.offset,
								dl_error_set(error, DL_ERROR_SYNTAX,
											 "an argument without a name cannot follow a named one"), error);
		DL_TRY(find_positional(parser, layer, &index, error));
	}
	value = &layer->values[index];
	if (layer->definition->arguments[index].flags & DL_ARGUMENT_REPEATED)
		DL_TRY(add_repeated(parser, layer, &value, error));
	return parse_value(parser, layer, &layer->definition->arguments[index], value, error);
}

/* After a layer's name: its arguments, if there are parentheses. */
DlStatus
dl_parser_arguments(DlParser *parser, DlLayer *layer, DlError *error)
{
	bool		named = false;

	if (parser->token.kind != DL_TOKEN_OPEN)
		return DL_OK;
	DL_TRY(dl_parser_advance(parser, error));
	if (parser->token.kind == DL_TOKEN_CLOSE)
		return dl_parser_advance(parser, error);
	for (;;)
	{
		DL_TRY(parse_argument(parser, layer, &named, error));
		if (parser->token.kind == DL_TOKEN_CLOSE)
			return dl_parser_advance(parser, error);
		if (parser->token.kind != DL_TOKEN_COMMA)
			return dl_parser_expected(parser, "\",\" or \")\"", error);
		DL_TRY(dl_parser_advance(parser, error));
	}
}

DlStatus
dl_parser_defaults(const DlParser *parser, DlLayer *layer, DlError *error)
{
	const DlArgument *arguments = layer->definition->arguments;

	for (int i = 0; arguments[i].name != NULL; i++)
	{
		bool		repeated = arguments[i].flags & DL_ARGUMENT_REPEATED;

		if (repeated ? layer->repeated_count > 0 : layer->values[i].given)
			continue;
		if (arguments[i].flags & DL_ARGUMENT_REQUIRED)
		{
			dl_parser_at(parser, layer->offset,
						 dl_error_set(error, DL_ERROR_SYNTAX, "%s needs %s", dl_layer_name(layer),
									  arguments[i].noun), error);
			usage_hint(layer->definition, error);
			return DL_ERROR_SYNTAX;
		}
		layer->values[i].number = arguments[i].fallback;
	}
	return DL_OK;
}
