/*
 * network_lexer.c
 *    Tokens of the network language: names, numbers, ( ) , > and =>.
 *
 * Works on bytes with a length; nothing is read past it, and zero bytes are
 * characters like others.  Anything outside ASCII can only stand in a comment.
 * Messages are ASCII, whatever the text holds.
 */
#include <stdio.h>
#include <string.h>

#include "nn/network_internal.h"

static bool
is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

int
dl_lexer_position(const DlLexer *lexer, size_t offset)
{
	int			position = 1;

	for (size_t i = 0; i < offset && i < lexer->length; i++)
		position += !is_continuation((unsigned char) lexer->text[i]);
	return position;
}

static DlStatus
at(const DlLexer *lexer, size_t offset, DlStatus status, DlError *error)
{
	if (error != NULL)
		error->position = dl_lexer_position(lexer, offset);
	return status;
}

/* The byte ahead bytes further on, 0 past the end. */
static unsigned char
peek(const DlLexer *lexer, size_t ahead)
{
	return ahead < lexer->length - lexer->offset ? (unsigned char) lexer->text[lexer->offset + ahead] : 0;
}

static bool
at_end(const DlLexer *lexer)
{
	return lexer->offset >= lexer->length;
}

/* A block comment, which nests as in SQL. */
static DlStatus
skip_block_comment(DlLexer *lexer, DlError *error)
{
	size_t		start = lexer->offset;
	size_t		depth = 0;

	while (!at_end(lexer))
	{
		if (peek(lexer, 0) == '/' && peek(lexer, 1) == '*')
		{
			depth++;
			lexer->offset += 2;
		}
		else if (peek(lexer, 0) == '*' && peek(lexer, 1) == '/')
		{
			lexer->offset += 2;
			if (--depth == 0)
				return DL_OK;
		}
		else
			lexer->offset++;
	}
	return at(lexer, start, dl_error_set(error, DL_ERROR_SYNTAX, "comment is not closed"), error);
}

static DlStatus
skip_blank(DlLexer *lexer, DlError *error)
{
	while (!at_end(lexer))
	{
		unsigned char c = peek(lexer, 0);

		if (c == ' ' || (c >= '\t' && c <= '\r'))
			lexer->offset++;
		else if (c == '-' && peek(lexer, 1) == '-')
		{
			while (!at_end(lexer) && peek(lexer, 0) != '\n' && peek(lexer, 0) != '\r')
				lexer->offset++;
		}
		else if (c == '/' && peek(lexer, 1) == '*')
			DL_TRY(skip_block_comment(lexer, error));
		else
			break;
	}
	return DL_OK;
}

/* ASCII letters, whatever the locale. */
static bool
starts_name(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool
is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static bool
starts_number(const DlLexer *lexer)
{
	size_t		i = peek(lexer, 0) == '+' || peek(lexer, 0) == '-';

	return is_digit(peek(lexer, i)) || (peek(lexer, i) == '.' && is_digit(peek(lexer, i + 1)));
}

static size_t
skip_digits(const DlLexer *lexer, size_t i)
{
	while (is_digit(peek(lexer, i)))
		i++;
	return i;
}

static DlStatus
read_number(DlLexer *lexer, DlToken *token, DlError *error)
{
	size_t		i = skip_digits(lexer, peek(lexer, 0) == '+' || peek(lexer, 0) == '-');
	size_t		valid;

	if (peek(lexer, i) == '.')
		i = skip_digits(lexer, i + 1);
	if (peek(lexer, i) == 'e' || peek(lexer, i) == 'E')
	{
		size_t		digits = i + 1 + (peek(lexer, i + 1) == '+' || peek(lexer, i + 1) == '-');

		if (is_digit(peek(lexer, digits)))
			i = skip_digits(lexer, digits);
	}
	valid = i;
	while (starts_name(peek(lexer, i)) || is_digit(peek(lexer, i)) || peek(lexer, i) == '.')
		i++;
	token->kind = DL_TOKEN_NUMBER;
	token->length = i;
	if (i != valid)
	{
		char		shown[DL_WORD_TEXT];

		token->kind = DL_TOKEN_NAME;	/* shown in quotes */
		return at(lexer, token->offset, dl_error_set(error, DL_ERROR_SYNTAX, "invalid number %s",
													 dl_token_print(lexer, token, shown)), error);
	}
	if (i >= DL_NUMBER_TEXT)
		return at(lexer, token->offset, dl_error_set(error, DL_ERROR_LIMIT,
													 "number of %zu characters is too long", i), error);
	return DL_OK;
}

/* Code point of the UTF-8 sequence at the lexer, or -1 where it is none. */
static long
code_point(const DlLexer *lexer)
{
	unsigned char c = peek(lexer, 0);
	int			more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
	long		code = c & (0x3f >> more);

	if (c < 0xc2 || c > 0xf4)
		return -1;
	for (int i = 1; i <= more; i++)
	{
		if (!is_continuation(peek(lexer, (size_t) i)))
			return -1;
		code = code << 6 | (peek(lexer, (size_t) i) & 0x3f);
	}
	return code;
}

static DlStatus
unexpected_character(const DlLexer *lexer, DlError *error)
{
	unsigned char c = peek(lexer, 0);
	DlStatus	status;

	if (c >= 0x20 && c < 0x7f)
		status = dl_error_set(error, DL_ERROR_SYNTAX, "unexpected character \"%c\"", c);
	else if (c >= 0x80 && code_point(lexer) >= 0)
		status = dl_error_set(error, DL_ERROR_SYNTAX, "unexpected character U+%04lX", code_point(lexer));
	else
		status = dl_error_set(error, DL_ERROR_SYNTAX, "unexpected byte 0x%02X", c);

	if (c == '=' || c == ':')
		dl_error_hint(error, "A named argument is written name => value.");
	else if (c == '\'' || c == '"')
		dl_error_hint(error, "Names are written without quotes.");
	else if (c == '|' || c == ';' || c == '-' || c == '+')
		dl_error_hint(error, "Layers are joined by \">\".");
	return at(lexer, lexer->offset, status, error);
}

DlStatus
dl_lexer_next(DlLexer *lexer, DlToken *token, DlError *error)
{
	unsigned char c;

	DL_TRY(skip_blank(lexer, error));
	token->offset = lexer->offset;
	token->length = 1;
	c = peek(lexer, 0);
	if (at_end(lexer))
	{
		token->kind = DL_TOKEN_END;
		token->length = 0;
	}
	else if (starts_name(c))
	{
		token->kind = DL_TOKEN_NAME;
		while (starts_name(peek(lexer, token->length)) || is_digit(peek(lexer, token->length)))
			token->length++;
	}
	else if (starts_number(lexer))
		DL_TRY(read_number(lexer, token, error));
	else if (c == '=' && peek(lexer, 1) == '>')
	{
		token->kind = DL_TOKEN_ARROW;
		token->length = 2;
	}
	else if (c == '>')
		token->kind = DL_TOKEN_THEN;
	else if (c == '(')
		token->kind = DL_TOKEN_OPEN;
	else if (c == ')')
		token->kind = DL_TOKEN_CLOSE;
	else if (c == ',')
		token->kind = DL_TOKEN_COMMA;
	else
		return unexpected_character(lexer, error);
	lexer->offset += token->length;
	return DL_OK;
}

const char *
dl_token_print(const DlLexer *lexer, const DlToken *token, char *buffer)
{
	const char *quote = token->kind == DL_TOKEN_NUMBER ? "" : "\"";
	int			room = DL_WORD_TEXT - 8;
	bool		cut = token->length > (size_t) room;

	if (token->kind == DL_TOKEN_END)
		snprintf(buffer, DL_WORD_TEXT, "the end of the network");
	else
		snprintf(buffer, DL_WORD_TEXT, "%s%.*s%s%s", quote, cut ? room : (int) token->length,
				 lexer->text + token->offset, cut ? "..." : "", quote);
	return buffer;
}
