/*
 * test_network_parse.c
 *    The network language: canonical text, and what every mistake is answered
 *    with.
 */
#include <stdlib.h>

#include "nn/network.h"
#include "tap.h"

/* Canonical text of text in arena, NULL on error. */
static char *
canonical(DlArena *arena, const char *text, DlError *error)
{
	DlNetwork  *network;
	char	   *result;

	if (dl_network_parse(arena, text, strlen(text), &network, error) != DL_OK ||
		dl_network_text(network, arena, &result, error) != DL_OK)
		return NULL;
	return result;
}

static const struct
{
	const char *text;
	const char *canonical;
}			valid[] = {
	{"dense(64)", "dense(64)"},
	{"  dense ( 64 ,relu )>dropout( .10 )  ", "dense(64, relu) > dropout(0.1)"},
	{"dense(64, identity)", "dense(64)"},
	{"dense(width => 64)", "dense(64)"},
	{"dense(activation => gelu, width => 8)", "dense(8, gelu)"},
	{"dense(8, activation => gelu)", "dense(8, gelu)"},
	{"dense(8, bias => false)", "dense(8, bias => false)"},
	{"dense(8, bias => true)", "dense(8)"},
	{"dense(8, relu, rate => 2, parametrization => ntk)", "dense(8, relu, parametrization => ntk, rate => 2)"},
	{"dense(8, rate=>1e-3)", "dense(8, rate => 0.001)"},
	{"dense(+0064)", "dense(64)"},
	{"dense(8, init => data)", "dense(8, init => data)"},
	{"dense(8, init => random)", "dense(8)"},
	{"relu", "relu"},
	{"relu()", "relu"},
	{"identity > leaky_relu > elu > selu > gelu > silu > mish > tanh > sigmoid > softplus",
	"identity > leaky_relu > elu > selu > gelu > silu > mish > tanh > sigmoid > softplus"},
	{"parametric(mish)", "parametric(mish)"},
	{"parametric(identity, rate => 1)", "parametric(identity, rate => 1)"},
	{"dropout(0)", "dropout(0)"},
	{"dropout(-0)", "dropout(0)"},
	{"dropout(p => 0.3333333333333333)", "dropout(0.3333333333333333)"},
	{"batch_norm", "batch_norm"},
	{"batch_norm(epsilon => 1e-3, momentum => 0.2)", "batch_norm(momentum => 0.2, epsilon => 0.001)"},
	{"layer_norm(epsilon => 0.00001)", "layer_norm"},
	{"scale(rate => 6.0)", "scale"},
	{"scale(rate => 3)", "scale(rate => 3)"},
	{"residual(dense(4, relu) > dense(4))", "residual(dense(4, relu) > dense(4))"},
	{"residual(network => relu)", "residual(relu)"},
	{"concat(identity,dense(4),residual(relu))", "concat(identity, dense(4), residual(relu))"},
	{"embedding(auto)", "embedding"},
	{"embedding(width => 8) > periodic", "embedding(8) > periodic"},
	{"periodic(sigma => 1, frequencies => 8) > embedding(rate => 2) > relu",
	"periodic(frequencies => 8, sigma => 1) > embedding(rate => 2) > relu"},
	{"piecewise", "piecewise"},
	{"neighbours", "neighbours"},
	{"neighbours(16)", "neighbours(16)"},
	{"dense(8) > neighbours(rows => 500, width => 32, rate => 1)", "dense(8) > neighbours(rows => 500)"},
	{"piecewise(width => 8, bins => 48) > embedding", "piecewise(bins => 48, width => 8) > embedding"},
	{"dense(4) > output(zero => true)", "dense(4) > output(zero => true)"},
	{"output(parametrization => ntk, rate => 2)", "output(rate => 2, parametrization => ntk)"},
	{"output(init => data, rate => 2)", "output(rate => 2, init => data)"},
	{"linear", "linear"},
	{"mlp(64, 32, activation => relu)", "mlp(64, 32)"},
	{"mlp(64, dropout => 0.1, activation => gelu)", "mlp(64, activation => gelu, dropout => 0.1)"},
	{"resnet()", "resnet"},
	{"resnet(blocks => 3, width => 64)", "resnet(width => 64, blocks => 3)"},
	{"realmlp", "realmlp"},
	{"realmlp(256, 256, 256)", "realmlp(256, 256, 256)"},
	{"realmlp(64, dropout => 0.15)", "realmlp(64, dropout => 0.15)"},
	{"realmlp(64, simplified => true, activation => selu, dropout => auto)",
	"realmlp(64, activation => selu, simplified => true)"},
	{"realmlp(64, init => data)", "realmlp(64, init => data)"},
	{"realmlp(numbers => piecewise, init => random)", "realmlp(numbers => piecewise)"},
	{"realmlp(numbers => auto)", "realmlp"},
	{"-- a comment, \xc3\xbc\ndense(4) /* one /* inside */ another */ > -- more\r\n relu", "dense(4) > relu"},
};

static void
test_valid(void)
{
	for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++)
	{
		DlArena    *arena;
		DlError		error;
		char	   *once;
		char	   *twice;

		dl_arena_create(0, &arena, &error);
		once = canonical(arena, valid[i].text, &error);
		if (!is_text(once, valid[i].canonical, valid[i].text))
			printf("#   %s\n", once ? "" : error.message);
		twice = once ? canonical(arena, once, &error) : NULL;
		ok(once != NULL && twice != NULL && strcmp(once, twice) == 0, "canonical text of %s is stable",
		   valid[i].canonical);
		dl_arena_destroy(arena);
	}
}

/* status 0 stands for DL_ERROR_SYNTAX; a hint need only contain the text given. */
static const struct
{
	const char *text;
	int			position;
	const char *message;
	const char *hint;
	DlStatus	status;
}			mistakes[] = {
	/* the text as a whole */
	{"", 1, "network is empty", "dense(64, relu) > dropout(0.1)", 0},
	{"  -- nothing\n", 1, "network is empty", "linear", 0},
	{"> dense(4)", 1, "expected a layer, got \">\"", NULL, 0},
	{"dense(4) >", 11, "expected a layer, got the end of the network", NULL, 0},
	{"dense(4) > > relu", 12, "expected a layer, got \">\"", NULL, 0},
	{"dense(4) relu", 10, "expected \">\" or the end of the network, got \"relu\"", NULL, 0},
	{"dense(4))", 9, "expected \">\" or the end of the network, got \")\"", NULL, 0},
	{"dense(4), relu", 9, "expected \">\" or the end of the network, got \",\"", NULL, 0},
	{"dense(4) => relu", 10, "expected \">\" or the end of the network, got \"=>\"", NULL, 0},
	{"64", 1, "expected a layer, got 64", NULL, 0},
	{"(dense(4))", 1, "expected a layer, got \"(\"", NULL, 0},

	/* characters */
	{"dense(4) | relu", 10, "unexpected character \"|\"", "joined by \">\"", 0},
	{"dense(4) -> relu", 10, "unexpected character \"-\"", "joined by \">\"", 0},
	{"dense(width = 4)", 13, "unexpected character \"=\"", "name => value", 0},
	{"dense('4')", 7, "unexpected character \"'\"", "without quotes", 0},
	{"dense(4, \"relu\")", 10, "unexpected character \"\"\"", "without quotes", 0},
	{"dense(4) > r\xc3\xa9lu", 12, "unknown layer \"r\"", NULL, 0},
	{"dense(4) \xe2\x86\x92 relu", 10, "unexpected character U+2192", NULL, 0},
	{"/* \xc3\xa4\xc3\xb6\xc3\xbc */ dense(4) > \xf0\x9f\x98\x80", 22, "unexpected character U+1F600", NULL, 0},
	{"\xff", 1, "unexpected byte 0xFF", NULL, 0},
	{"relu \x01", 6, "unexpected byte 0x01", NULL, 0},
	{"relu /* open", 6, "comment is not closed", NULL, 0},
	{"relu /* /* */", 6, "comment is not closed", NULL, 0},
	{"dense(64x)", 7, "invalid number \"64x\"", NULL, 0},
	{"dense(0x10)", 7, "invalid number \"0x10\"", NULL, 0},
	{"dropout(0.1.2)", 9, "invalid number \"0.1.2\"", NULL, 0},
	{"dropout(1e)", 9, "invalid number \"1e\"", NULL, 0},
	{"dropout(0.0000000000000000000000000000000000000000000000000000000000000001)", 9,
	"number of 66 characters is too long", NULL, DL_ERROR_LIMIT},

	/* names of layers */
	{"dens(64)", 1, "unknown layer \"dens\"", "Did you mean \"dense\"? Layers are: dense, ", 0},
	{"Dense(64)", 1, "unknown layer \"Dense\"", "Did you mean \"dense\"?", 0},
	{"dense(8) > dorpout(0.1)", 12, "unknown layer \"dorpout\"", "Did you mean \"dropout\"?", 0},
	{"batchnorm", 1, "unknown layer \"batchnorm\"", "Did you mean \"batch_norm\"?", 0},
	{"xyzzy", 1, "unknown layer \"xyzzy\"", "Layers are: dense, ", 0},
	{"dense(8) > softmax", 12, "unknown layer \"softmax\"", "implicit", 0},
	{"swish", 1, "unknown layer \"swish\"", "silu", 0},
	{"residual(residual(dens(3)))", 19, "unknown layer \"dens\"", "dense", 0},
	{"lstm(64)", 1, "layer \"lstm\" is not available in this version", "Layers are: dense, ", DL_ERROR_UNSUPPORTED},
	{"dense(4) > conv2d(3, 3)", 12, "layer \"conv2d\" is not available in this version", "Layers are",
	DL_ERROR_UNSUPPORTED},
	{"concat(relu, transformer)", 14, "layer \"transformer\" is not available in this version", "Layers are",
	DL_ERROR_UNSUPPORTED},

	/* parentheses and commas */
	{"dense(64", 9, "expected \",\" or \")\", got the end of the network", NULL, 0},
	{"dense(64 relu)", 10, "expected \",\" or \")\", got \"relu\"", NULL, 0},
	{"dense(64,)", 10, "expected an argument, got \")\"", NULL, 0},
	{"dense(,64)", 7, "expected an argument, got \",\"", NULL, 0},
	{"dense(", 7, "expected an argument, got the end of the network", NULL, 0},
	{"dense((64))", 7, "expected an argument, got \"(\"", NULL, 0},
	{"dense(width => )", 16, "expected a value for width of dense, got \")\"", NULL, 0},
	{"dense(width =>", 15, "expected a value for width of dense, got the end of the network", NULL, 0},
	{"residual(relu > )", 17, "expected a layer, got \")\"", NULL, 0},
	{"residual(relu > dense(3)", 25, "expected \",\" or \")\", got the end of the network", NULL, 0},

	/* which arguments */
	{"dense", 1, "dense needs a width", "dense(width, activation => identity, ", 0},
	{"dense()", 1, "dense needs a width", NULL, 0},
	{"relu > dense(activation => relu)", 8, "dense needs a width", NULL, 0},
	{"dropout", 1, "dropout needs a probability", "dropout(p)", 0},
	{"parametric", 1, "parametric needs an activation", NULL, 0},
	{"residual", 1, "residual needs a network", NULL, 0},
	{"concat()", 1, "concat needs at least one network", NULL, 0},
	{"mlp(activation => relu)", 1, "mlp needs at least one width", NULL, 0},
	{"relu(3)", 6, "relu takes no arguments", "without parentheses", 0},
	{"relu(slope => 3)", 6, "relu takes no arguments", NULL, 0},
	{"linear(64)", 8, "linear takes no arguments", "dense(width)", 0},
	{"dense(64, relu, true)", 17, "dense takes at most 2 arguments without a name", "bias => true", 0},
	{"residual(relu, gelu)", 16, "residual takes at most 1 argument without a name", NULL, 0},
	{"batch_norm(0.1)", 12, "arguments of batch_norm must be named", "momentum => 0.1", 0},
	{"dense(64, widht => 3)", 11, "dense has no argument \"widht\"",
	"Did you mean \"width\"? Its arguments are: width, activation, bias, parametrization, rate, init.", 0},
	{"dense(64, dropout => 3)", 11, "dense has no argument \"dropout\"", "Its arguments are: width, ", 0},
	{"dense(64, width => 3)", 11, "width of dense is given more than once", NULL, 0},
	{"dense(64, rate => 3, rate => 3)", 22, "rate of dense is given more than once", NULL, 0},
	{"dense(width => 64, relu)", 20, "an argument without a name cannot follow a named one", NULL, 0},
	{"mlp(widths => 64)", 5, "widths of mlp is given without its name", "mlp(widths, ..., ", 0},
	{"concat(networks => relu)", 8, "networks of concat is given without its name", NULL, 0},

	/* kinds and ranges */
	{"dense(0)", 7, "width of dense must be between 1 and 65536, got 0", NULL, 0},
	{"dense(-3)", 7, "width of dense must be between 1 and 65536, got -3", NULL, 0},
	{"dense(65537)", 7, "width of dense must be between 1 and 65536, got 65537", NULL, 0},
	{"dense(99999999999999999999999)", 7,
	"width of dense must be between 1 and 65536, got 99999999999999999999999", NULL, 0},
	{"dense(1.5)", 7, "width of dense must be an integer, got 1.5", NULL, 0},
	{"dense(1e2)", 7, "width of dense must be an integer, got 1e2", NULL, 0},
	{"dense(relu)", 7, "width of dense must be an integer, got \"relu\"", NULL, 0},
	{"dense(auto)", 7, "width of dense must be an integer, got \"auto\"", NULL, 0},
	{"dense(relu(3))", 7, "width of dense must be an integer, got \"relu\"", NULL, 0},
	{"embedding(wide)", 11, "width of embedding must be an integer or auto, got \"wide\"", NULL, 0},
	{"mlp(64, 0)", 9, "widths of mlp must be between 1 and 65536, got 0", NULL, 0},
	{"dense(64, rleu)", 11, "unknown activation \"rleu\"", "Did you mean \"relu\"? Activations are: ", 0},
	{"dense(64, softmax)", 11, "unknown activation \"softmax\"", "implicit", 0},
	{"dense(64, 64)", 11, "activation of dense must be the name of an activation, got 64", NULL, 0},
	{"dense(64, bias => 1)", 19, "bias of dense must be true or false, got 1", NULL, 0},
	{"dense(64, parametrization => mup)", 30, "parametrization of dense must be standard or ntk, got \"mup\"", NULL, 0},
	{"dense(64, init => he)", 19, "init of dense must be random or data, got \"he\"", NULL, 0},
	{"output(init => 0)", 16, "init of output must be random or data, got 0", NULL, 0},
	{"realmlp(numbers => waves)", 20, "numbers of realmlp must be auto, periodic, piecewise or none, got \"waves\"", NULL, 0},
	{"piecewise(bins => 1025)", 19, "bins of piecewise must be between 1 and 1024, got 1025", NULL, 0},
	{"dense(64, rate => 0)", 19, "rate of dense must be greater than 0 and at most 1000, got 0", NULL, 0},
	{"dense(64, rate => 1e-999)", 19, "rate of dense must be greater than 0 and at most 1000, got 1e-999", NULL, 0},
	{"dense(64, rate => 1e999)", 19, "rate of dense must be greater than 0 and at most 1000, got 1e999", NULL, 0},
	{"dense(64, rate => nan)", 19, "rate of dense must be a number, got \"nan\"", NULL, 0},
	{"dropout(1)", 9, "p of dropout must be at least 0 and less than 1, got 1", NULL, 0},
	{"dropout(-0.1)", 9, "p of dropout must be at least 0 and less than 1, got -0.1", NULL, 0},
	{"batch_norm(momentum => 1.1)", 24, "momentum of batch_norm must be between 0 and 1, got 1.1", NULL, 0},
	{"resnet(blocks => 257)", 18, "blocks of resnet must be between 1 and 256, got 257", NULL, 0},
	{"residual(64)", 10, "expected a layer, got 64", NULL, 0},

	/* places */
	{"dense(4) > embedding(8)", 12, "embedding must stand at the beginning of a network", NULL, 0},
	{"linear > periodic", 10, "periodic must stand at the beginning of a network", NULL, 0},
	{"embedding > periodic > embedding", 24, "embedding is given more than once", NULL, 0},
	{"piecewise > periodic", 13, "periodic cannot stand beside piecewise", NULL, 0},
	{"dense(4) > piecewise", 12, "piecewise must stand at the beginning of a network", NULL, 0},
	{"output > output", 10, "output is given more than once", NULL, 0},
	{"dense(4) > output > relu", 12, "output must be the last layer of a network", NULL, 0},
	{"residual(embedding)", 10, "embedding cannot stand inside residual", NULL, 0},
	{"residual(concat(relu, dense(4) > output))", 34, "output cannot stand inside concat", NULL, 0},
	{"concat(realmlp)", 8, "realmlp cannot stand inside concat", NULL, 0},
	{"realmlp(4) > relu", 1, "realmlp must be the only layer of a network", NULL, 0},
	{"embedding > realmlp", 13, "realmlp must be the only layer of a network", NULL, 0},

	/* limits inside a preset are reported at the preset */
	{"relu > resnet(blocks => 256)", 8, "a network cannot have more than 1024 layers", NULL, DL_ERROR_LIMIT},
};

static void
test_mistakes(void)
{
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++)
	{
		DlArena    *arena;
		DlError		error;
		DlNetwork  *network;
		DlStatus	status;
		DlStatus	want = mistakes[i].status ? mistakes[i].status : DL_ERROR_SYNTAX;

		dl_arena_create(0, &arena, &error);
		dl_error_reset(&error);
		status = dl_network_parse(arena, mistakes[i].text, strlen(mistakes[i].text), &network, &error);
		is_text(error.message, mistakes[i].message, mistakes[i].text);
		if (!ok(status == want && error.status == want && error.position == mistakes[i].position,
				"... status %d at %d", want, mistakes[i].position))
			printf("#   got status %d at %d\n", status, error.position);
		if (mistakes[i].hint != NULL && !ok(strstr(error.hint, mistakes[i].hint) != NULL, "... hint: %s",
											mistakes[i].hint))
			printf("#   got \"%s\"\n", error.hint);
		dl_arena_destroy(arena);
	}
}

/* count times part, with between in between and around. */
static char *
repeated(const char *before, const char *part, const char *between, int count, const char *after)
{
	char	   *text = malloc(strlen(before) + strlen(after) + (size_t) count * (strlen(part) + strlen(between)) + 1);
	char	   *end = stpcpy(text, before);

	for (int i = 0; i < count; i++)
		end = stpcpy(stpcpy(end, i > 0 ? between : ""), part);
	stpcpy(end, after);
	return text;
}

/* Parses text and frees it. */
static DlStatus
parse_and_free(char *text, DlError *error)
{
	DlArena    *arena;
	DlNetwork  *network;
	DlStatus	status = dl_arena_create(0, &arena, error);

	dl_error_reset(error);
	if (status == DL_OK)
		status = dl_network_parse(arena, text, strlen(text), &network, error);
	dl_arena_destroy(arena);
	free(text);
	return status;
}

static char *
nested(int depth)
{
	char	   *opening = repeated("", "residual(", "", depth, "relu");
	char	   *text = repeated(opening, ")", "", depth, "");

	free(opening);
	return text;
}

static void
test_limits(void)
{
	DlError		error;

	ok(parse_and_free(nested(32), &error) == DL_OK, "32 levels of residual");
	ok(parse_and_free(nested(33), &error) == DL_ERROR_LIMIT && error.position == 33 * 9 + 1, "33 levels are too many");
	is_text(error.message, "networks cannot be nested more than 32 deep", "33 levels: message");
	ok(parse_and_free(nested(6000), &error) == DL_ERROR_LIMIT, "6000 levels");

	ok(parse_and_free(repeated("", "relu", ">", 1024, ""), &error) == DL_OK, "1024 layers");
	ok(parse_and_free(repeated("", "relu", ">", 1025, ""), &error) == DL_ERROR_LIMIT && error.position == 1024 * 5 + 1,
	   "1025 layers are too many");
	ok(parse_and_free(repeated("concat(", "relu", ",", 1024, ")"), &error) == DL_ERROR_LIMIT, "1024 branches");
	ok(parse_and_free(repeated("mlp(", "1", ",", 1023, ")"), &error) == DL_OK, "preset of 1023 layers");
	ok(parse_and_free(repeated("mlp(", "1", ",", 1024, ")"), &error) == DL_ERROR_LIMIT && error.position == 1,
	   "preset of 1024 layers, itself one, is too long");

	ok(parse_and_free(repeated("relu", " ", "", 65532, ""), &error) == DL_OK, "65536 bytes");
	ok(parse_and_free(repeated("relu", " ", "", 65533, ""), &error) == DL_ERROR_LIMIT, "65537 bytes are too many");
	is_text(error.message, "network of 65537 bytes is too long, at most 65536 are allowed", "65537 bytes: message");

	/* 59 bytes as written, 70 as written out */
	ok(parse_and_free(repeated("", "dense(64,gelu,bias=>false,parametrization=>ntk,rate=>.2)", ">", 1024, ""),
					  &error) == DL_ERROR_LIMIT, "too long once it is written out");
	ok(strstr(error.message, "as it is written out") != NULL, "... and the message says so: %s", error.message);

	ok(parse_and_free(repeated("", "a", "", 60000, ""), &error) == DL_ERROR_SYNTAX && strlen(error.message) < 120,
	   "a name of 60000 letters is cut in the message");
}

static void
test_bytes(void)
{
	DlArena    *arena;
	DlNetwork  *network;
	DlError		error;

	dl_arena_create(0, &arena, &error);
	ok(dl_network_parse(arena, "relu\0gelu", 9, &network, &error) == DL_ERROR_SYNTAX && error.position == 5,
	   "a zero byte is a character like others");
	ok(dl_network_parse(arena, "dense(64)!!!", 9, &network, &error) == DL_OK, "nothing past length is read");
	ok(dl_network_parse(arena, "dense(64)", 7, &network, &error) == DL_ERROR_SYNTAX && error.position == 8,
	   "a number at the very end");
	ok(dl_network_parse(arena, "dens", 4, &network, NULL) == DL_ERROR_SYNTAX, "without an error to fill");
	dl_arena_destroy(arena);

	dl_arena_create(8192, &arena, &error);
	ok(dl_network_parse(arena, "resnet(blocks => 50)", 20, &network, &error) == DL_ERROR_MEMORY,
	   "the budget of the arena holds");
	dl_arena_destroy(arena);
}

int
main(void)
{
	test_valid();
	test_mistakes();
	test_limits();
	test_bytes();
	return done_testing();
}
