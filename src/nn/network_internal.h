/*
 * network_internal.h
 *    The inside of the network language, shared by src/nn/network_*.c.
 *
 * text -> lexer -> parser -> DlNetwork -> build -> graph.  The parser knows no
 * layer: what it accepts is in the table of network_layers.c.  A DlNetwork is
 * read-only once parsed, and lives in the arena it was parsed into.
 */
#ifndef DL_NN_NETWORK_INTERNAL_H
#define DL_NN_NETWORK_INTERNAL_H

#include <stdbool.h>

#include "nn/network.h"

/* All parameters of a network together, and the columns of any value in it. */
#define DL_NETWORK_MAX_PARAMETERS ((int64_t) 1 << 28)
#define DL_NETWORK_MAX_COLUMNS ((int64_t) 1 << 20)

/* The most that a number, or a name in a message, may take, with its zero byte. */
#define DL_NUMBER_TEXT 64
#define DL_WORD_TEXT 80

/* --- text that grows in an arena (network_text.c) --- */

typedef struct DlText
{
	DlArena    *arena;
	char	   *data;			/* terminated; NULL before the first append */
	size_t		length;
	size_t		capacity;
} DlText;

extern DlStatus dl_text_append(DlText *text, DlError *error, const char *format,...)
			__attribute__((format(printf, 3, 4)));

/* The shortest decimal that reads back as the same number; returns buffer. */
extern const char *dl_number_print(double number, char *buffer, size_t size);

/* --- tokens (network_lexer.c) --- */

typedef enum DlTokenKind
{
	DL_TOKEN_END,
	DL_TOKEN_NAME,
	DL_TOKEN_NUMBER,
	DL_TOKEN_OPEN,
	DL_TOKEN_CLOSE,
	DL_TOKEN_COMMA,
	DL_TOKEN_THEN,				/* > */
	DL_TOKEN_ARROW				/* => */
} DlTokenKind;

typedef struct DlToken
{
	DlTokenKind kind;
	size_t		offset;			/* of its first byte */
	size_t		length;
} DlToken;

typedef struct DlLexer
{
	const char *text;
	size_t		length;
	size_t		offset;			/* where the next token is looked for */
} DlLexer;

extern DlStatus dl_lexer_next(DlLexer *lexer, DlToken *token, DlError *error);

/* 1-based character of a byte, counted in UTF-8. */
extern int	dl_lexer_position(const DlLexer *lexer, size_t offset);

/* A token as messages show it: "relu" in quotes, 1.5, the end of the network; cut to DL_WORD_TEXT bytes. */
extern const char *dl_token_print(const DlLexer *lexer, const DlToken *token, char *buffer);

/* --- words (network_words.c) --- */

/* The word at index, NULL past the last. */
typedef const char *(*DlWordAt) (const void *context, int index);

/* The word nearest to name by edit distance, case aside; NULL when none is near. */
extern const char *dl_word_nearest(DlWordAt word_at, const void *context, const char *name, size_t length);

/* Hint: 'Did you mean "dense"?' where a word is near, then introduction, all words, and a full stop. */
extern void dl_word_hint(DlError *error, DlWordAt word_at, const void *context, const char *name, size_t length,
						 const char *introduction);

/* --- the table of layers (network_layers.c) --- */

typedef struct DlBuilder DlBuilder;
typedef struct DlLayer DlLayer;

typedef enum DlArgumentKind
{
	DL_ARGUMENT_INTEGER,
	DL_ARGUMENT_REAL,
	DL_ARGUMENT_BOOLEAN,		/* 0 or 1 */
	DL_ARGUMENT_ACTIVATION,		/* a DlActivation */
	DL_ARGUMENT_PARAMETRIZATION,	/* a DlParametrization */
	DL_ARGUMENT_START,			/* a DlStart */
	DL_ARGUMENT_NUMBERS,		/* a DlNumbers */
	DL_ARGUMENT_NETWORK
} DlArgumentKind;

typedef enum DlParametrization
{
	DL_PARAMETRIZATION_STANDARD,
	DL_PARAMETRIZATION_NTK
} DlParametrization;

/* Where the parameters of a dense layer start. */
typedef enum DlStart
{
	DL_START_RANDOM,
	DL_START_DATA				/* fitted to training rows: DL_INIT_DATA */
} DlStart;

/* What a preset does to numbers. */
typedef enum DlNumbers
{
	DL_NUMBERS_AUTO,
	DL_NUMBERS_PERIODIC,
	DL_NUMBERS_PIECEWISE,
	DL_NUMBERS_NONE
} DlNumbers;

#define DL_ARGUMENT_REQUIRED 1u
#define DL_ARGUMENT_POSITIONAL 2u	/* may stand without its name; these come first in a row */
#define DL_ARGUMENT_REPEATED 4u /* any number of values, never named; the first of a row */
#define DL_ARGUMENT_AUTO 8u		/* the word auto is a value: DL_AUTO */
#define DL_ARGUMENT_ABOVE 16u	/* low itself is not allowed */
#define DL_ARGUMENT_BELOW 32u	/* high itself is not allowed */

#define DL_AUTO (-1.0)

typedef struct DlArgument
{
	const char *name;			/* NULL ends a row */
	DlArgumentKind kind;
	unsigned	flags;
	double		fallback;		/* what it is when not given */
	double		low;			/* range of integers and reals */
	double		high;
	const char *noun;			/* of a required one, for "dense needs a width" */
} DlArgument;

#define DL_LAYER_ARGUMENTS 6

/* Where a layer may stand. */
typedef enum DlStage
{
	DL_STAGE_HIDDEN,			/* anywhere after the input stage */
	DL_STAGE_NUMBERS,			/* input stage: what happens to the numbers, once */
	DL_STAGE_CATEGORIES,		/* input stage: what happens to the codes, once */
	DL_STAGE_OUTPUT,			/* last */
	DL_STAGE_WHOLE				/* a preset from input to output: alone */
} DlStage;

typedef struct DlLayerDefinition
{
	const char *name;
	DlStage		stage;

	/* Adds the layer to the builder's graph; NULL for a preset.  x is what the layer reads. */
	DlStatus	(*build) (DlBuilder *builder, const DlLayer *layer, DlNode x, DlNode *result, DlError *error);

	/* Writes the network that a preset stands for; no text: no layer. */
	DlStatus	(*expand) (const DlLayer *layer, DlText *text, DlError *error);
	const char *description;
	DlArgument	arguments[DL_LAYER_ARGUMENTS + 1];
} DlLayerDefinition;

typedef struct DlValue
{
	bool		given;
	double		number;			/* of every kind but network */
	DlNetwork  *network;
} DlValue;

struct DlLayer
{
	const DlLayerDefinition *definition;
	size_t		offset;			/* of its first byte in the text */
	DlActivation activation;	/* of a layer that is an activation's name */
	DlValue		values[DL_LAYER_ARGUMENTS]; /* in the order of the definition; defaults are filled in */
	DlValue    *repeated;		/* of a repeated argument */
	int			repeated_count;
	int			repeated_capacity;
	DlNetwork  *expansion;		/* of a preset */
};

struct DlNetwork
{
	DlLayer   **layers;			/* as written */
	int			count;
	int			capacity;
	char	   *text;			/* canonical; of the outermost network only */
};

/* NULL when there is none.  For an activation's name *activation is set. */
extern const DlLayerDefinition *dl_layer_definition(const char *name, size_t length, DlActivation *activation);

/* All names, for hints. */
extern const char *dl_layer_word(const void *unused, int index);

/* Layers of later versions. */
extern bool dl_layer_is_planned(const char *name, size_t length);

/* Advice for a word that is not in the language but is often tried; NULL when there is none. */
extern const char *dl_layer_advice(const char *name, size_t length);

/* The layer of a stage with all its defaults, as when the network does not name one. */
extern void dl_layer_default(const char *name, DlLayer *layer);

/* The words of a kind of argument that has words of its own, in the order of its enum; NULL past the last. */
extern const char *dl_argument_word(DlArgumentKind kind, int index);

/* --- the parser (network_parser.c) and arguments (network_arguments.c) --- */

typedef struct DlParser
{
	DlArena    *arena;
	DlLexer		lexer;
	DlToken		token;			/* the one looked at */
	int		   *layer_count;	/* of the whole network, expansions included */
	int			depth;
	const char *inside;			/* the layer that this network is an argument of, or NULL */
} DlParser;

/* Puts the position of a byte into error; returns status. */
extern DlStatus dl_parser_at(const DlParser *parser, size_t offset, DlStatus status, DlError *error);

/* Looks at the next token. */
extern DlStatus dl_parser_advance(DlParser *parser, DlError *error);

/* "expected <what>, got <token>" */
extern DlStatus dl_parser_expected(const DlParser *parser, const char *what, DlError *error);

/* First byte of the token looked at; not terminated. */
extern const char *dl_parser_text(const DlParser *parser);

/* Layers joined by >, up to the first token that does not go on. */
extern DlStatus dl_parser_network(DlParser *parser, DlNetwork **result, DlError *error);

/* After the name of a layer: its arguments, if there are parentheses; then the defaults of the others. */
extern DlStatus dl_parser_arguments(DlParser *parser, DlLayer *layer, DlError *error);
extern DlStatus dl_parser_defaults(const DlParser *parser, DlLayer *layer, DlError *error);

extern const char *dl_layer_name(const DlLayer *layer);

/* --- text (network_text.c) --- */

extern DlStatus dl_layer_text(const DlLayer *layer, DlText *text, DlError *error);
extern DlStatus dl_network_append(const DlNetwork *network, DlText *text, DlError *error);

/* "dense(width, activation => identity, ...)" for hints; cut to size bytes. */
extern const char *dl_layer_usage(const DlLayerDefinition *definition, char *buffer, size_t size);

/* --- presets (network_presets.c) --- */

extern DlStatus dl_preset_linear(const DlLayer *layer, DlText *text, DlError *error);
extern DlStatus dl_preset_mlp(const DlLayer *layer, DlText *text, DlError *error);
extern DlStatus dl_preset_resnet(const DlLayer *layer, DlText *text, DlError *error);
extern DlStatus dl_preset_realmlp(const DlLayer *layer, DlText *text, DlError *error);

/* --- building (network_build.c) --- */

#define DL_BUILDER_PATH 512

struct DlBuilder
{
	DlGraph    *graph;
	const DlNetworkInputs *inputs;
	int64_t		outputs;
	DlNetworkNodes *nodes;
	DlArena    *scratch;		/* freed when building is done */
	const DlLayer *layer;		/* the one being built, for messages */
	int64_t		elements;		/* of all parameters so far */
	int64_t		trained;		/* without the state of norms */
	char		path[DL_BUILDER_PATH];	/* prefix of parameter names */
	size_t		path_length;

	/* For a summary; rows is NULL otherwise. */
	DlArena    *arena;
	DlLayerSummary *rows;
	int			row_count;
	int			depth;
};

extern int64_t dl_builder_width(const DlBuilder *builder, DlNode node);

/* Appends to the path of parameter names; returns what dl_builder_leave takes. */
extern size_t dl_builder_enter(DlBuilder *builder, const char *format,...)
			__attribute__((format(printf, 2, 3)));
extern void dl_builder_leave(DlBuilder *builder, size_t before);

/* A parameter "<path>.<name>"; DL_ERROR_LIMIT beyond DL_NETWORK_MAX_PARAMETERS. */
extern DlStatus dl_builder_parameter(DlBuilder *builder, const char *name, DlShape shape, DlParameterInfo info,
									 DlNode *result, DlError *error);

/* dl_graph_apply, with DL_ERROR_LIMIT beyond DL_NETWORK_MAX_COLUMNS. */
extern DlStatus dl_builder_apply(DlBuilder *builder, DlOp op, const DlNode *inputs, int count,
								 const DlAttributes *attributes, DlNode *result, DlError *error);

/* A network inside a layer; its layers are numbered from 0 below the path. */
extern DlStatus dl_builder_inner(DlBuilder *builder, const DlNetwork *network, DlNode x, DlNode *result,
								 DlError *error);

/* The same as branch number branch of several: the path gets its number, a summary a row. */
extern DlStatus dl_builder_branch(DlBuilder *builder, const DlNetwork *network, int branch, DlNode x,
								  DlNode *result, DlError *error);

#endif							/* DL_NN_NETWORK_INTERNAL_H */
