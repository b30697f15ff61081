/*
 * network_parser.c
 *    From text to a DlNetwork, by recursive descent with one token ahead.
 *
 * Everything that is allowed stands in the table of layers.  This file reads
 * layers, expands presets and checks where a layer may stand;
 * network_arguments.c reads the arguments.  Work and memory are bounded by the
 * limits of network.h.
 */
#include <stdio.h>
#include <string.h>

#include "nn/network_internal.h"

DlStatus
dl_parser_at(const DlParser *parser, size_t offset, DlStatus status, DlError *error)
{
	if (error != NULL)
		error->position = dl_lexer_position(&parser->lexer, offset);
	return status;
}

DlStatus
dl_parser_advance(DlParser *parser, DlError *error)
{
	return dl_lexer_next(&parser->lexer, &parser->token, error);
}

DlStatus
dl_parser_expected(const DlParser *parser, const char *what, DlError *error)
{
	char		shown[DL_WORD_TEXT];

	return dl_parser_at(parser, parser->token.offset,
						dl_error_set(error, DL_ERROR_SYNTAX, "expected %s, got %s", what,
									 dl_token_print(&parser->lexer, &parser->token, shown)), error);
}

const char *
dl_parser_text(const DlParser *parser)
{
	return parser->lexer.text + parser->token.offset;
}

/* --- layers --- */

static DlStatus
unknown_layer(const DlParser *parser, DlError *error)
{
	const char *name = dl_parser_text(parser);
	size_t		length = parser->token.length;
	const char *advice = dl_layer_advice(name, length);
	bool		planned = dl_layer_is_planned(name, length);
	char		shown[DL_WORD_TEXT];

	dl_token_print(&parser->lexer, &parser->token, shown);
	if (planned)
		dl_error_set(error, DL_ERROR_UNSUPPORTED, "layer %s is not available in this version", shown);
	else
		dl_error_set(error, DL_ERROR_SYNTAX, "unknown layer %s", shown);
	if (advice != NULL)
		dl_error_hint(error, "%s", advice);
	else
		dl_word_hint(error, dl_layer_word, NULL, name, planned ? 0 : length, "Layers are");
	return dl_parser_at(parser, parser->token.offset, planned ? DL_ERROR_UNSUPPORTED : DL_ERROR_SYNTAX, error);
}

/* Parses the network that a preset stands for; what goes wrong there is reported at the preset. */
static DlStatus
expand(DlParser *parser, DlLayer *layer, DlError *error)
{
	DlParser		inner = *parser;
	DlText		text = {.arena = parser->arena};
	DlStatus	status;

	DL_TRY(layer->definition->expand(layer, &text, error));
	if (text.length == 0)
		return dl_arena_calloc(parser->arena, 1, sizeof(DlNetwork), &layer->expansion, error);
	inner.lexer = (DlLexer) {text.data, text.length, 0};
	status = dl_parser_advance(&inner, error);
	if (status == DL_OK)
		status = dl_parser_network(&inner, &layer->expansion, error);
	return status == DL_OK ? DL_OK : dl_parser_at(parser, layer->offset, status, error);
}

static DlStatus
parse_layer(DlParser *parser, DlLayer **result, DlError *error)
{
	const DlLayerDefinition *definition;
	DlActivation activation = DL_ACTIVATION_IDENTITY;
	DlLayer    *layer;

	if (parser->token.kind != DL_TOKEN_NAME)
		return dl_parser_expected(parser, "a layer", error);
	definition = dl_layer_definition(dl_parser_text(parser), parser->token.length, &activation);
	if (definition == NULL)
		return unknown_layer(parser, error);
	if (parser->inside != NULL && definition->stage != DL_STAGE_HIDDEN)
		return dl_parser_at(parser, parser->token.offset,
							dl_error_set(error, DL_ERROR_SYNTAX, "%s cannot stand inside %s", definition->name,
										 parser->inside), error);
	if (++*parser->layer_count > DL_NETWORK_MAX_LAYERS)
		return dl_parser_at(parser, parser->token.offset,
							dl_error_set(error, DL_ERROR_LIMIT, "a network cannot have more than %d layers",
										 DL_NETWORK_MAX_LAYERS), error);
	DL_TRY(dl_arena_calloc(parser->arena, 1, sizeof(DlLayer), &layer, error));
	layer->definition = definition;
	layer->activation = activation;
	layer->offset = parser->token.offset;
	DL_TRY(dl_parser_advance(parser, error));
	DL_TRY(dl_parser_arguments(parser, layer, error));
	DL_TRY(dl_parser_defaults(parser, layer, error));
	if (definition->expand != NULL)
		DL_TRY(expand(parser, layer, error));
	*result = layer;
	return DL_OK;
}

/* Whether the last layer of a network may stand where it stands. */
static DlStatus
check_place(const DlParser *parser, const DlNetwork *network, DlError *error)
{
	const DlLayer *last = network->layers[network->count - 1];
	DlStage		stage = last->definition->stage;
	bool		input = stage == DL_STAGE_NUMBERS || stage == DL_STAGE_CATEGORIES;
	const DlLayer *culprit = last;
	const char *complaint = NULL;
	char		beside[DL_WORD_TEXT];

	for (int i = 0; i < network->count - 1 && complaint == NULL; i++)
	{
		const DlLayer *earlier = network->layers[i];
		DlStage		earlier_stage = earlier->definition->stage;

		if (stage == DL_STAGE_WHOLE || earlier_stage == DL_STAGE_WHOLE)
		{
			complaint = "must be the only layer of a network";
			culprit = stage == DL_STAGE_WHOLE ? last : earlier;
		}
		else if (stage != DL_STAGE_HIDDEN && stage == earlier_stage)
		{
			snprintf(beside, sizeof(beside), "cannot stand beside %s", dl_layer_name(earlier));
			complaint = earlier->definition == last->definition ? "is given more than once" : beside;
		}
		else if (earlier_stage == DL_STAGE_OUTPUT)
		{
			complaint = "must be the last layer of a network";
			culprit = earlier;
		}
		else if (input && earlier_stage == DL_STAGE_HIDDEN)
			complaint = "must stand at the beginning of a network";
	}
	if (complaint == NULL)
		return DL_OK;
	dl_error_set(error, DL_ERROR_SYNTAX, "%s %s", dl_layer_name(culprit), complaint);
	return dl_parser_at(parser, culprit->offset, DL_ERROR_SYNTAX, error);
}

static DlStatus
add_layer(DlParser *parser, DlNetwork *network, DlLayer *layer, DlError *error)
{
	if (network->count == network->capacity)
	{
		int			capacity = network->capacity ? network->capacity * 2 : 8;
		DlLayer   **larger;

		DL_TRY(dl_arena_calloc(parser->arena, (size_t) capacity, sizeof(DlLayer *), &larger, error));
		if (network->count > 0)
			memcpy(larger, network->layers, (size_t) network->count * sizeof(DlLayer *));
		network->layers = larger;
		network->capacity = capacity;
	}
	network->layers[network->count++] = layer;
	return DL_OK;
}

DlStatus
dl_parser_network(DlParser *parser, DlNetwork **result, DlError *error)
{
	DlNetwork  *network;

	if (parser->depth > DL_NETWORK_MAX_DEPTH)
		return dl_parser_at(parser, parser->token.offset,
							dl_error_set(error, DL_ERROR_LIMIT, "networks cannot be nested more than %d deep",
										 DL_NETWORK_MAX_DEPTH), error);
	DL_TRY(dl_arena_calloc(parser->arena, 1, sizeof(DlNetwork), &network, error));
	for (;;)
	{
		DlLayer    *layer = NULL;

		DL_TRY(parse_layer(parser, &layer, error));
		DL_TRY(add_layer(parser, network, layer, error));
		DL_TRY(check_place(parser, network, error));
		if (parser->token.kind != DL_TOKEN_THEN)
			break;
		DL_TRY(dl_parser_advance(parser, error));
	}
	*result = network;
	return DL_OK;
}

DlStatus
dl_network_parse(DlArena *arena, const char *text, size_t length, DlNetwork **result, DlError *error)
{
	int			layer_count = 0;
	DlParser		parser = {.arena = arena,.lexer = {text, length, 0},.layer_count = &layer_count};
	DlText		canonical = {.arena = arena};
	DlNetwork  *network;

	if (length > DL_NETWORK_MAX_TEXT)
		return dl_error_set(error, DL_ERROR_LIMIT, "network of %zu bytes is too long, at most %d are allowed",
							length, DL_NETWORK_MAX_TEXT);
	DL_TRY(dl_parser_advance(&parser, error));
	if (parser.token.kind == DL_TOKEN_END)
	{
		dl_error_set(error, DL_ERROR_SYNTAX, "network is empty");
		dl_error_hint(error, "A network is layers joined by \">\", such as \"dense(64, relu) > dropout(0.1)\"; "
					  "the one without a hidden layer is \"linear\".");
		return dl_parser_at(&parser, 0, DL_ERROR_SYNTAX, error);
	}
	DL_TRY(dl_parser_network(&parser, &network, error));
	if (parser.token.kind != DL_TOKEN_END)
		return dl_parser_expected(&parser, "\">\" or the end of the network", error);

	/* What is accepted must be accepted again as it is written out. */
	DL_TRY(dl_network_append(network, &canonical, error));
	if (canonical.length > DL_NETWORK_MAX_TEXT)
		return dl_error_set(error, DL_ERROR_LIMIT,
							"network of %zu bytes as it is written out is too long, at most %d are allowed",
							canonical.length, DL_NETWORK_MAX_TEXT);
	network->text = canonical.data;
	*result = network;
	return DL_OK;
}
